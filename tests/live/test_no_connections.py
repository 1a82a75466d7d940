"""What nobody asked for costs no record: connections with --no-connections or of TCP with -u, other network namespaces with -N.
The table of what is left stays that of the kernel."""

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


def compared(tracer):
    """The tracer's table against the kernel: what differs, and the records that were made so far."""
    said = len(tracer.messages)
    tracer.signal(signal.SIGUSR1)
    tracer.wait(lambda: any("compared with the kernel" in message for message in tracer.messages[said:]), "answer to SIGUSR1")
    answer = next(message for message in tracer.messages[said:] if "compared with the kernel" in message)
    found = re.search(r"(\d+) missing, (\d+) ghosts, (\d+) wrong; records: attempted (\d+)", answer)
    return [int(number) for number in found.groups()]


def connect(times=1):
    with live.listener() as held:
        for _ in range(times):
            with socket.create_connection(held.getsockname()):
                held.accept()[0].close()


CONNECTIONS = 100
OTHERS = 20  # records that a listener and the rest of the host make meanwhile, at most


class NoConnections(unittest.TestCase):
    def setUp(self):
        self.tracer = live.Tracer("--listen", "--no-connections", "--no-table", "--color=never")
        self.addCleanup(self.tracer.stop)

    def compared(self):
        return compared(self.tracer)

    def test_connections_cost_no_record(self):
        with live.listener() as held, contextlib.ExitStack() as open_ones:
            before = self.compared()
            for number in range(CONNECTIONS):
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
            self.assertLessEqual(after[3] - before[3], OTHERS)
            port = held.getsockname()[1]
        self.tracer.wait_line("LISTEN", f"127.0.0.1:{port}/tcp")
        self.tracer.wait_line("CLOSED", f"127.0.0.1:{port}/tcp")

    def test_accepted_mptcp_connections_leave_no_row(self):
        try:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
        except OSError:
            return  # a kernel without MPTCP
        with listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            before = self.compared()
            for _ in range(10):
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as client:
                    client.connect(listener.getsockname())
                    listener.accept()[0].close()
            for _ in range(2):
                after = self.compared()
                self.assertEqual(after[:3], [0, 0, 0])
            self.assertLessEqual(after[3] - before[3], OTHERS)

    def test_an_accepted_connection_is_told_from_an_outgoing_one_though_its_listener_is_gone(self):
        with socket.create_server(("127.0.0.1", 0)) as held:  # on a port that a connection could have got, too
            client = self.enterContext(socket.create_connection(held.getsockname()))
            self.enterContext(held.accept()[0])
        with socket.socket() as asking, self.assertRaises(OSError):
            asking.bind(client.getpeername())
        self.tracer.wait_line("why", "accepted on the port outlives its listener")

    def test_a_bound_socket_that_connects_leaves_the_table(self):
        with live.listener() as held, socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            for _ in range(2):  # what is missing becomes a suspect, and then a ghost
                self.assertEqual(self.compared()[:3], [0, 0, 0])
            bound.connect(held.getsockname())
            for _ in range(2):
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
            listed = f"127.0.0.1:{port}" in live.run("ss", "-HtanB").stdout  # since 6.8
            with socket.socket() as asking, self.assertRaises(OSError):
                asking.bind(("127.0.0.1", port))
            self.tracer.wait_line("BIND FAILED", f"127.0.0.1:{port}/tcp")
            if listed:
                self.tracer.wait_line("held by", f"[{os.getpid()}]", f"127.0.0.1:{port}")


class Others(unittest.TestCase):
    def test_tcp_connections_cost_a_trace_of_udp_nothing(self):
        with live.Tracer("-u", "-a", "--no-table") as tracer:
            before = compared(tracer)
            connect(CONNECTIONS)
            after = compared(tracer)
        self.assertEqual(after[:3], [0, 0, 0])
        self.assertLessEqual(after[3] - before[3], OTHERS)

    def test_connections_of_another_namespace_cost_their_accept_alone(self):
        with live.Tracer("-t", "-a", "--no-table") as tracer:
            before = compared(tracer)
            child = os.fork()
            if child == 0:
                live.enter_network_namespace()
                connect(CONNECTIONS)
                os._exit(0)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            after = compared(tracer)
            self.assertEqual(after[:3], [0, 0, 0])
            self.assertLessEqual(after[3] - before[3], CONNECTIONS + OTHERS)
            connect(CONNECTIONS)
            self.assertGreaterEqual(compared(tracer)[3] - after[3], 7 * CONNECTIONS, "the measure shows nothing")


class Words(unittest.TestCase):
    def test_only_with_listeners_and_known_results(self):
        for words, advice in ((["--no-connections"], "add -l"), (["-l", "-a", "--no-connections"], "leave it out"),
                              (["-l", "--no-connections", "--bind-result=infer"], "use another --bind-result")):
            result = live.run(*words)
            self.assertEqual(result.returncode, 2)
            self.assertIn(advice, result.stderr)


if __name__ == "__main__":
    unittest.main()
