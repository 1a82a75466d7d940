"""Connections, datagram sockets and hostile names, as JSON records."""

import ctypes
import json
import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

ECHO_SERVER = """
import socket, sys
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(64)
print(s.getsockname()[1])
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    c, _ = s.accept()
    data = c.recv(64)
    print(c.fileno())
    c.sendall(data * 2)
    c.close()
sys.stdin.readline()
"""

SENDER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b'x', ('127.0.0.1', int(sys.argv[1])))
s.sendto(b'y', ('127.0.0.1', int(sys.argv[1])))
print(s.getsockname()[1], s.fileno())
sys.stdin.readline()
s.close()
print('closed')
sys.stdin.readline()
"""

CONNECTIONS = 23


def setUpModule():
    live.enter_network_namespace()


class Connections(unittest.TestCase):
    def test_each_connection_is_told_exactly_once_from_both_ends(self):
        with live.Child(ECHO_SERVER, CONNECTIONS) as server, live.Tracer("-t", "-a", "--json") as tracer:
            port = int(server.line())
            server.tell()  # an accept() that waits when the trace begins is not seen by fexit
            fds = []
            for _ in range(CONNECTIONS):
                with socket.create_connection(("127.0.0.1", port)) as client:
                    client.sendall(b"0123456789")
                    fds.append(int(server.line()))
                    while client.recv(64):
                        pass
            tracer.wait_events(2 * CONNECTIONS, "tcp.closed")
        me = os.getpid()

        connects = tracer.events("tcp.connect")
        self.assertEqual(len(connects), CONNECTIONS)
        self.assertEqual({e["process"]["pid"] for e in connects}, {me})
        self.assertEqual({e["network"]["peer"]["port"] for e in connects}, {port})

        outbound = tracer.events("tcp.established", network__direction="outbound")
        self.assertEqual(len(outbound), CONNECTIONS)

        accepts = tracer.events("tcp.accept")
        self.assertEqual(len(accepts), CONNECTIONS)
        self.assertEqual({e["process"]["pid"] for e in accepts}, {server.pid})
        self.assertEqual([e["fd"] for e in accepts], fds)

        closed = tracer.events("tcp.closed")
        self.assertEqual(len(closed), 2 * CONNECTIONS)

        # one cookie a socket: each client's records and each child's share theirs, and no two sockets do
        clients = {e["socket"]["cookie"] for e in connects}
        children = {e["socket"]["cookie"] for e in accepts}
        self.assertEqual((len(clients), len(children), clients & children), (CONNECTIONS, CONNECTIONS, set()))
        self.assertEqual({e["socket"]["cookie"] for e in outbound}, clients)
        self.assertEqual({e["socket"]["cookie"] for e in closed}, clients | children)

        # a transition that a packet made has no process; the ones made by calls have the right one
        for event in tracer.events("tcp.established") + tracer.events("tcp.state"):
            if event["network"]["connection"]["state"] in ("established", "close_wait", "fin_wait_2", "time_wait"):
                self.assertNotIn("process", event, event)

        for event in closed:
            child = event["socket"]["cookie"] in children
            received, sent = (10, 20) if child else (20, 10)
            self.assertEqual((event["stats"]["bytes_received"], event["stats"]["bytes_sent"]), (received, sent), event)
            self.assertGreater(event.get("duration_ns", 0), 0, "\n".join(l for l in tracer.lines if event["socket"]["cookie"] in l))
            self.assertEqual({o["pid"] for o in event["owners"]}, {server.pid if child else me})

    def test_refused_connection_has_its_errno(self):
        with live.listener() as unused:
            port = unused.getsockname()[1]
        with live.Tracer("-t", "-a", "--json") as tracer:
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            (event,) = tracer.wait_events(1, "tcp.connect_failed")
            self.assertEqual(event["error"]["type"], "ECONNREFUSED")
            self.assertEqual(event["network"]["peer"]["port"], port)
            self.assertEqual({o["pid"] for o in event["owners"]}, {os.getpid()})
        self.assertEqual(tracer.events("tcp.closed"), [])


class Datagrams(unittest.TestCase):
    def test_a_socket_that_only_sends_is_reported_with_its_automatic_port(self):
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.bind(("127.0.0.1", 0))
        with live.Tracer("-u", "-a", "--json") as tracer, live.Child(SENDER, sink.getsockname()[1]) as sender:
            port, fd = map(int, sender.line().split())
            (opened,) = tracer.wait_events(1, "udp.open", process__pid=sender.pid)
            self.assertEqual(opened["network"]["local"]["port"], port)
            sender.tell()
            self.assertEqual(sender.line(), "closed")
            (closed,) = tracer.wait_events(1, "udp.closed", network__local__port=port)
            self.assertEqual(closed["socket"]["cookie"], opened["socket"]["cookie"])
            self.assertEqual({o["pid"] for o in closed["owners"]}, {sender.pid})
        self.assertEqual(len(tracer.events("udp.open", network__local__port=port)), 1)
        sink.close()

    def test_connected_datagram_socket_has_both_ends(self):
        with live.Tracer("-u", "-a", "--json") as tracer:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.connect(("127.0.0.1", 9))
            port = sock.getsockname()[1]
            (event,) = tracer.wait_events(1, "udp.connect", network__peer__port=9)
            self.assertEqual(event["network"]["local"]["port"], port)
            sock.close()
            tracer.wait_events(1, "udp.closed", network__local__port=port)


class Names(unittest.TestCase):
    def test_hostile_process_name_is_escaped_and_stays_json(self):
        hostile = b'a"\x1b[31m\n),(\xff'
        source = (
            "import ctypes,socket,sys\nctypes.CDLL(None).prctl(15,bytes.fromhex(sys.argv[1]),0,0,0)\n"
            "s=socket.socket();s.bind(('127.0.0.1',0));s.listen();print(s.getsockname()[1])\nsys.stdin.readline()\n"
        )
        with live.Tracer("--listen", "--color=never") as text, live.Tracer("--listen", "--json") as tracer:
            with live.Child(source, hostile.hex()) as child:
                port = int(child.line())
                line = text.wait_line("+ LISTEN", f"127.0.0.1:{port}/tcp")
                (event,) = tracer.wait_events(1, "tcp.listen", network__local__port=port)
        self.assertTrue(line.isprintable(), repr(line))
        self.assertIn(r"a\"" if r"a\"" in line else 'a"', line)
        self.assertIn(r"\x1b[31m\x0a),(\xff", line)
        self.assertEqual(event["process"]["pid"], child.pid)
        self.assertTrue(event["process"]["name"].isprintable())
        for record in tracer.lines:
            json.loads(record)


if __name__ == "__main__":
    unittest.main()
