"""Transitions that a softirq makes while it interrupts a program at work on another transition: each is told, once."""

import collections
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import ledger
import live

CLOSES = os.environ.get("CLOSES", os.path.join(os.path.dirname(__file__), "../../build/tests/closes"))
CONNECTIONS = int(os.environ.get("INTERRUPTED_CONNECTIONS", "800"))  # of each of four threads; by hand 10000


class Interrupted(unittest.TestCase):
    def test_every_transition_is_told_once(self):
        live.enter_network_namespace()
        with live.Tracer("-t", "--json", "--no-table", "--ring-size", "64MiB") as tracer:
            made = subprocess.run([CLOSES, str(CONNECTIONS)], stdout=subprocess.PIPE, text=True, check=True, timeout=live.DEADLINE_S * 5)
            connections = int(made.stdout.split()[1])
            tracer.stop()
        self.assertTrue(any(" 0 lost" in message for message in tracer.messages), tracer.messages)
        self.assertFalse([m for m in tracer.messages if "astray" in m], tracer.messages)
        told, states = collections.defaultdict(collections.Counter), collections.defaultdict(list)
        for record in tracer.events():
            cookie = ledger.cookie_of(record)
            told[cookie][record["event"]] += 1
            if record["event"] == "tcp.state":
                states[cookie].append(record["network"]["connection"]["state"])
        events = sum(told.values(), collections.Counter())
        self.assertEqual((events["tcp.connect"], events["tcp.established"], events["tcp.accept"]), (connections, 2 * connections, connections))
        for cookie, events in told.items():
            self.assertEqual([e for e, times in events.items() if e != "tcp.state" and times > 1], [], (cookie, events))
            self.assertEqual(events["tcp.closed"], 1, (cookie, events, states[cookie]))
            self.assertEqual(len(states[cookie]), len(set(states[cookie])), (cookie, states[cookie]))


if __name__ == "__main__":
    unittest.main()
