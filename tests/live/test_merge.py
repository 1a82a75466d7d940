"""The snapshot and the stream make one table, whatever happens while they are merged."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

CHURN = os.environ.get("CHURN", os.path.join(os.path.dirname(__file__), "../../build/tests/churn"))
STARTS = 20
LISTED = re.compile(r"socktrace: (\d+) of \d+ sockets listed")
TABLE_ROW = re.compile(r"^(tcp|udp) ")


class Churn:
    """Connections opened and closed at full speed; 100 of them stay open."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [CHURN, "--hold", "100", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.process.stdout.readline()

    def rest(self):
        """Stops opening and closing; the held connections stay."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def end(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait(timeout=live.DEADLINE_S)
        self.process.stdout.close()


def rows(lines):
    """Netid, state and both ends of every row, sorted: what does not change while sockets stand still."""
    found = []
    for line in lines:
        if TABLE_ROW.match(line):
            fields = line.split()
            found.append((fields[0], fields[1], fields[4], fields[5]))
    return sorted(found)


class Merge(unittest.TestCase):
    maxDiff = None

    def compare(self, tracer, attempt):
        """The live table and ss, at rest. TIME-WAIT sockets end by themselves: accept any moment between two dumps."""
        for _ in range(5):
            before = rows(subprocess.run(["ss", "-Htuan"], capture_output=True, text=True, check=True).stdout.splitlines())
            start = len(tracer.lines)
            seen = len(tracer.messages)
            tracer.signal(signal.SIGUSR1)
            tracer.wait(lambda: any(LISTED.match(m) for m in tracer.messages[seen:]), "the table")
            listed = int(next(filter(None, map(LISTED.match, tracer.messages[seen:]))).group(1))
            tracer.wait(lambda: len(rows(tracer.lines[start:])) >= listed, f"{listed} rows")
            table = rows(tracer.lines[start:])
            after = rows(subprocess.run(["ss", "-Htuan"], capture_output=True, text=True, check=True).stdout.splitlines())
            if before == after:
                break
        only_table, only_ss = sorted(set(table) - set(after)), sorted(set(after) - set(table))
        self.assertEqual(
            (len(table), only_table[:5], only_ss[:5]), (len(after), [], []), f"start {attempt}: table and ss differ: {tracer.messages}"
        )
        return tracer.messages[seen:]

    def test_started_under_full_churn_the_table_is_exact_every_time(self):
        for attempt in range(STARTS):
            live.enter_network_namespace()  # without the TIME_WAIT sockets of the attempt before
            churn = Churn("--reset") if attempt % 2 else Churn("--connections", "4000")
            with live.Tracer("-t", "-u", "-a", "--color=never") as tracer:
                churn.rest()
                messages = self.compare(tracer, attempt)
                audit = next(m for m in messages if LISTED.match(m))
                self.assertIn("0 missing, 0 ghosts, 0 wrong", audit, "\n".join(l for l in tracer.lines if "resync" in l))
                churn.end()

    def test_once_prints_the_table_alone(self):
        live.enter_network_namespace()
        churn = Churn("--reset")
        self.addCleanup(churn.end)
        for _ in range(3):
            # A ring that holds what happens meanwhile on any machine: a loss would rightly be told.
            lines = live.run("--once", "--json", "-t", "-a", "-N", "self", "--ring-size", "128MiB").stdout.splitlines()
            kinds = {json.loads(line)["k"] for line in lines}
            self.assertIn("sock", kinds)
            self.assertLessEqual(kinds, {"header", "key", "sock", "trailer"})

    def test_a_socket_whose_last_reference_the_tracer_drops_is_told_to_end(self):
        """Its iterator holds each file for a moment: a close() meanwhile leaves the end to it."""
        live.enter_network_namespace()
        with live.Tracer("-u", "--json", "-a", "--ring-size", "64MiB") as tracer:
            for _ in range(200):
                tracer.signal(signal.SIGUSR1)
                sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(250)]
                for each in sockets:
                    each.bind(("127.0.0.1", 0))
                for each in sockets:
                    each.close()
        events = [r for r in map(json.loads, tracer.lines) if r.get("event", "").startswith("udp.")]
        told = {kind: sum(r["event"] == kind for r in events) for kind in ("udp.open", "udp.closed")}
        self.assertEqual(told, {"udp.open": 50_000, "udp.closed": 50_000}, tracer.messages[-2:])
        self.assertEqual([r for r in events if r.get("resync")], [])


if __name__ == "__main__":
    unittest.main()
