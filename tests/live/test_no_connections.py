"""--listen --no-connections: connections cost no record, and the table of listeners stays that of the kernel."""

import contextlib
import os
import re
import signal
import socket
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live


def setUpModule():
    live.enter_network_namespace()


class NoConnections(unittest.TestCase):
    def setUp(self):
        self.tracer = live.Tracer("--listen", "--no-connections", "--no-table", "--color=never")
        self.addCleanup(self.tracer.stop)

    def compared(self):
        """The tracer's table against the kernel: what differs, and the records that were made so far."""
        said = len(self.tracer.messages)
        self.tracer.signal(signal.SIGUSR1)
        self.tracer.wait(lambda: len(self.tracer.messages) > said, "answer to SIGUSR1")
        found = re.search(r"(\d+) missing, (\d+) ghosts, (\d+) wrong; records: attempted (\d+)", self.tracer.messages[-1])
        return [int(number) for number in found.groups()]

    def test_connections_cost_no_record(self):
        with live.listener() as held, contextlib.ExitStack() as open_ones:
            before = self.compared()
            for number in range(100):
                client = socket.create_connection(held.getsockname())
                server, _ = held.accept()
                if number % 4 == 0:
                    open_ones.enter_context(client), open_ones.enter_context(server)
                elif number % 4 == 1:  # reset by the client
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close(), server.close()
                else:  # in order, either end first
                    first, second = (client, server) if number % 4 == 2 else (server, client)
                    first.close(), second.close()
            with socket.socket() as refused:
                self.assertNotEqual(refused.connect_ex(("127.0.0.1", 1)), 0)
            after = self.compared()
            self.assertEqual(after[:3], [0, 0, 0], self.tracer.messages)
            self.assertEqual(after[3], before[3])
            port = held.getsockname()[1]
        self.tracer.wait_line("LISTEN", f"127.0.0.1:{port}/tcp")
        self.tracer.wait_line("CLOSED", f"127.0.0.1:{port}/tcp")

    def test_a_bound_socket_that_connects_leaves_the_table(self):
        with live.listener() as held, socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            self.assertEqual(self.compared()[:3], [0, 0, 0])
            bound.connect(held.getsockname())
            self.assertEqual(self.compared()[:3], [0, 0, 0])
            with socket.socket() as asking, self.assertRaises(OSError):
                asking.bind(("127.0.0.1", port))
            self.tracer.wait_line("held by", f"[{os.getpid()}]", "ESTAB", f"127.0.0.1:{port} ")
        self.assertEqual(self.compared()[:3], [0, 0, 0])

    def test_a_bound_socket_that_could_not_connect_is_still_found(self):
        with live.listener() as free:
            port = free.getsockname()[1]
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", port))  # a port that the kernel has chosen is given back
            self.assertNotEqual(bound.connect_ex(("127.0.0.1", 1)), 0)
            if f"127.0.0.1:{port}" not in live.run("ss", "-HtanB").stdout:
                self.skipTest("this kernel does not list sockets that are bound and nothing else (6.8)")
            with socket.socket() as asking, self.assertRaises(OSError):
                asking.bind(("127.0.0.1", port))
            self.tracer.wait_line("held by", f"[{os.getpid()}]", f"127.0.0.1:{port}")


class Words(unittest.TestCase):
    def test_only_with_listeners_and_known_results(self):
        for words, advice in ((["--no-connections"], "add -l"), (["-l", "-a", "--no-connections"], "add -l"),
                              (["-l", "--no-connections", "--bind-result=infer"], "use another --bind-result")):
            result = live.run(*words)
            self.assertEqual(result.returncode, 2)
            self.assertIn(advice, result.stderr)


if __name__ == "__main__":
    unittest.main()
