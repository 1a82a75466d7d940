"""Callers that system call tracepoints do not see: io_uring, and 32-bit system calls."""

import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import ledger
import live

CALLERS = os.environ.get("CALLERS", os.path.join(os.path.dirname(__file__), "../../build/tests/callers"))
PORT = 7001


class Callers(unittest.TestCase):
    def setUp(self):
        live.enter_network_namespace()

    def run_caller(self, kind, tracer):
        caller = subprocess.Popen([CALLERS, kind, str(PORT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(caller.stdout.close)
        self.addCleanup(caller.wait)
        self.addCleanup(caller.stdin.close)
        did, absent = {}, set()
        for line in caller.stdout:
            words = line.split()
            if words[0] == "done":
                break
            if words[0] == "absent":
                absent.add(words[1])
            else:
                did.setdefault(words[0], []).append((int(words[1]), int(words[2])))
        if "everything" in absent:
            self.skipTest(f"{kind} is not allowed here")
        return caller, did, absent

    def check(self, kind):
        with live.Tracer("-t", "-a", "--json") as tracer:
            caller, did, absent = self.run_caller(kind, tracer)

            def one(name, cookie):
                found = [e for e in tracer.wait_events(1, name, process__pid=caller.pid) if ledger.cookie_of(e) == cookie]
                self.assertEqual(len(found), 1, (name, cookie, tracer.lines))
                return found[0]

            if "bind" not in absent:
                (good, server), (in_use, second), (foreign, third) = did["bind"]
                self.assertEqual((good, in_use, foreign), (0, -98, -99))
                bound = one("bind.ok", server)
                self.assertEqual(ledger.end_of(bound, "local"), ["127.0.0.1", PORT])
                tracer.wait_events(2, "bind.failed", process__pid=caller.pid)
                for cookie, name, local in ((second, "EADDRINUSE", "127.0.0.1"), (third, "EADDRNOTAVAIL", "198.51.100.1")):
                    failed = one("bind.failed", cookie)
                    self.assertEqual((failed["error"]["type"], ledger.end_of(failed, "local")), (name, [local, PORT]))
                    # by fexit the result of a 32-bit call is seen
                    self.assertTrue(failed["error"].get("inferred") or "fd" in failed, failed)
                self.assertEqual(len(tracer.events("bind.failed")), 2)
            if "listen" not in absent:
                result, server = did["listen"][0]
                listening = one("tcp.listen", server)
                self.assertEqual((result, ledger.end_of(listening, "local")), (0, ["127.0.0.1", PORT]))
                self.assertEqual(len(tracer.events("tcp.listen")), 1)
            (result, client), (fd, child) = did["connect"][0], did["accept"][0]
            self.assertEqual(result, 0)
            self.assertEqual(ledger.end_of(one("tcp.connect", client), "peer"), ["127.0.0.1", PORT])
            inbound = tracer.wait_events(1, "tcp.established", network__direction="inbound")[0]
            self.assertEqual(ledger.cookie_of(inbound), child)

            # Who has accepted is shown from the listener; the descriptor is found by looking.
            self.assertEqual([o["pid"] for o in inbound["owners"]], [caller.pid])
            tracer.signal(signal.SIGUSR1)
            tracer.wait(lambda: any("compared with the kernel" in m for m in tracer.messages), "the table")
            tracer.wait(lambda: sum('"part":"end"' in line for line in tracer.lines) == 2, "the keyframe")
            owned = [e for e in tracer.events("socket.owner") + tracer.events("tcp.accept") if ledger.cookie_of(e) == child]
            self.assertEqual([(o["pid"], o["fd"]) for o in owned[-1]["owners"]], [(caller.pid, fd)])

    def test_io_uring_calls_appear_with_their_process(self):
        self.check("io_uring")

    @unittest.skipUnless(os.uname().machine == "x86_64", "int 0x80 is x86")
    def test_32_bit_calls_appear_with_their_process(self):
        self.check("int80")


if __name__ == "__main__":
    unittest.main()
