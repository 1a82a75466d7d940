"""MPTCP: a socket and its TCP subflow are two rows, as in ss, and accepted sockets share their listener's cookie."""

import collections
import json
import os
import signal
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

IPPROTO_MPTCP = 262
CONNECTIONS = 23

# As Go since 1.24 does: an MPTCP listener for whoever comes.
SERVER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.bind(('127.0.0.1', 0)); s.listen(64)
print(s.getsockname()[1])
held = [s.accept()[0] for _ in range(int(sys.argv[1]))]
print('accepted')
sys.stdin.readline()
for c in held: c.close()
print('closed')
sys.stdin.readline()
s.close()
print('done')
sys.stdin.readline()
"""


def protocols(records):
    return collections.Counter(r["socket"]["protocol"] for r in records)


class Mptcp(unittest.TestCase):
    def setUp(self):
        live.enter_network_namespace()
        try:
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP).close()
        except OSError as error:
            self.skipTest(f"no MPTCP here: {error}")

    def keyframe(self, tracer):
        start, seen = len(tracer.lines), len(tracer.messages)
        tracer.signal(signal.SIGUSR1)
        tracer.wait(lambda: any("compared with the kernel" in m for m in tracer.messages[seen:]), "the table")
        tracer.wait(lambda: any('"part":"end"' in line for line in tracer.lines[start:]), "the keyframe")
        self.assertIn("0 missing, 0 ghosts", next(m for m in tracer.messages[seen:] if "compared" in m))
        return [r for r in map(json.loads, tracer.lines[start:]) if r["k"] == "sock"]

    def check(self, client_protocol):
        with live.Tracer("-t", "-a", "--json") as tracer, live.Child(SERVER, CONNECTIONS) as server:
            port = int(server.line())
            clients = []
            for _ in range(CONNECTIONS):
                client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, client_protocol)
                client.connect(("127.0.0.1", port))
                clients.append(client)
            self.assertEqual(server.line(), "accepted")
            rows = self.keyframe(tracer)

            def of(state, end):
                return [r for r in rows if r["network"]["connection"]["state"] == state and r["network"][end].get("port") == port]

            sides = {6: CONNECTIONS, IPPROTO_MPTCP: CONNECTIONS} if client_protocol == IPPROTO_MPTCP else {6: CONNECTIONS}
            self.assertEqual(protocols(of("listen", "local")), {6: 1, IPPROTO_MPTCP: 1})
            self.assertEqual(protocols(of("established", "local")), sides)
            self.assertEqual(protocols(of("established", "peer")), sides)
            self.assertEqual({o["pid"] for r in of("established", "local") + of("listen", "local") for o in r["owners"]}, {server.pid})
            self.assertEqual({o["pid"] for r in of("established", "peer") for o in r["owners"]}, {os.getpid()})

            server.tell()
            self.assertEqual(server.line(), "closed")
            for client in clients:
                client.close()
            server.tell()
            self.assertEqual(server.line(), "done")
            tracer.wait_events(2, "tcp.closed", network__connection__previous="listen")
        self.assertEqual(protocols(tracer.events("tcp.listen")), {6: 1, IPPROTO_MPTCP: 1})
        self.assertEqual(protocols(tracer.events("tcp.closed", network__connection__previous="listen")), {6: 1, IPPROTO_MPTCP: 1})
        self.assertEqual(protocols(tracer.events("tcp.connect"))[client_protocol], CONNECTIONS)

    def test_listener_and_its_connections_are_never_confused(self):
        self.check(IPPROTO_MPTCP)

    def test_plain_tcp_clients_of_an_mptcp_listener(self):
        self.check(socket.IPPROTO_TCP)


if __name__ == "__main__":
    unittest.main()
