"""-x: what happens to unix sockets."""

import os
import socket
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

SERVER = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.bind(sys.argv[1]); s.listen(5); print('bound', s.fileno())
except OSError as error:
    print('failed', error.errno)
sys.stdin.readline()
"""

# By the system call itself: Python would begin it again.
INTERRUPTED = """
import ctypes, signal, socket, struct, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
main, task = threading.get_ident(), f'/proc/self/task/{threading.get_native_id()}/'
signal.signal(signal.SIGUSR2, lambda *_: None)
signal.siginterrupt(signal.SIGUSR2, False)
# How often the main thread has waited, once it waits for the server and has done so more than so many times.
def waits(times=0):
    while True:
        count = next(int(line.split()[1]) for line in open(task + 'status') if line.startswith('voluntary_ctxt_switches'))
        if 'unix' in open(task + 'wchan').read() and count > times:
            return count
def interrupt():
    before = waits()
    signal.pthread_kill(main, signal.SIGUSR2)
    waits(before)
    print('interrupted', flush=True)
threading.Thread(target=interrupt, daemon=True).start()
s = socket.socket(socket.AF_UNIX)
address = struct.pack('H', socket.AF_UNIX) + sys.argv[1].encode() + bytes(1)
print(libc.connect(s.fileno(), address, len(address)))
sys.stdin.readline()
"""


def setUpModule():
    live.enter_network_namespace()


class Unix(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "server")

    def server(self):
        child = live.Child(SERVER, self.path)
        return child, child.line().split()

    def told(self, tracer, event, pid=None):
        """The first event of that name about our path, as soon as there is one."""
        found = []

        def look():
            for record in tracer.events(event):
                names = [record["socket"].get(name) for name in ("name", "peer_name")]
                if self.path in names and pid in (None, record.get("process", {}).get("pid")):
                    found.append(record)
            return found

        tracer.wait(look, f"{event} of {self.path}")
        return found[0]

    def test_a_server_and_its_client(self):
        with live.Tracer("-x", "--json") as tracer:
            child, (outcome, fd) = self.server()
            self.assertEqual(outcome, "bound")
            self.assertEqual(self.told(tracer, "bind.ok")["process"]["pid"], child.pid)
            listens = self.told(tracer, "tcp.listen")
            self.assertEqual((listens["fd"], listens["socket"]["send_q"]), (int(fd), 5))
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(self.path)
                connected = self.told(tracer, "tcp.established")
                self.assertEqual(connected["socket"]["inode"], os.fstat(client.fileno()).st_ino)
                self.assertEqual((connected["process"]["pid"], connected["fd"]), (os.getpid(), client.fileno()))
                self.assertEqual(connected["socket"]["peer_name"], self.path)
            child.end()
            closed = self.told(tracer, "socket.closed")
            self.assertEqual(closed["network"]["transport"], "unix")
            self.assertTrue(all(owner.get("exited") for owner in closed["owners"]))

    def test_a_failed_bind_names_who_has_the_path(self):
        with live.Tracer("-x", "--color=never") as tracer:
            first, (_, fd) = self.server()
            second, outcome = self.server()
            self.assertEqual(outcome, ["failed", "98"])
            self.assertIn(f"[{second.pid}]", tracer.wait_line("x BIND FAILED", f"{self.path}/unix", "EADDRINUSE"))
            tracer.wait_line("held by", f"[{first.pid}]", f"LISTEN {self.path}  fd {fd}")
            tracer.wait_line("why", "this socket is bound to it")
            first.end()
            second.end()
            tracer.wait_line("- CLOSED", f"{self.path}/unix")
            third, outcome = self.server()
            self.assertEqual(outcome, ["failed", "98"])
            tracer.wait_line("why", "no socket is known by that name")
            tracer.wait_line("next", f"ls -l {self.path}")
            third.end()

    def test_a_connect_that_fails_says_where_to(self):
        with live.Tracer("-x", "--json") as tracer, socket.socket(socket.AF_UNIX) as client:
            self.assertEqual(client.connect_ex(self.path), 2)
            failed = self.told(tracer, "tcp.connect_failed")
            self.assertEqual((failed["error"]["type"], failed["socket"]["peer_name"]), ("ENOENT", self.path))

    def test_a_call_that_a_signal_interrupts_is_told_when_it_is_over(self):
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as first:
            server.bind(self.path)
            server.listen(0)
            first.connect(self.path)
            with live.Tracer("-x", "--json") as tracer:
                client = live.Child(INTERRUPTED, self.path)
                self.assertEqual(client.line(), "interrupted")
                server.accept()[0].close()
                self.assertEqual(client.line(), "0")
                self.told(tracer, "tcp.established", client.pid)
                client.end()
            self.assertEqual([r for r in tracer.events("tcp.connect_failed") if r["process"]["pid"] == client.pid], [])

    def test_a_path_is_asked_for_by_either_end(self):
        with live.Tracer("-x", "--json", "dst", self.path) as tracer, socket.socket(socket.AF_UNIX) as client:
            client.connect_ex(self.path + "x")
            client.connect_ex(self.path)
            self.told(tracer, "tcp.connect_failed")
        self.assertEqual({r["socket"]["peer_name"] for r in tracer.events("tcp.connect_failed")}, {self.path})

    def test_what_closes_at_the_end_of_the_trace_is_told(self):
        with live.Tracer("-x", "--json") as tracer:
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(self.path)
                self.told(tracer, "bind.ok")
        self.told(tracer, "socket.closed")

    def test_names_come_whole(self):
        """As long as they may be, abstract ones with NULs and bytes that are no text."""
        longest = (self.path + "x" * 108)[:107]
        abstract = b"\0\x1b\0\xff" + os.urandom(4).hex().encode()
        with live.Tracer("-x", "--json") as tracer:
            for name in (longest, abstract):
                with socket.socket(socket.AF_UNIX) as server:
                    server.bind(name)
            self.path = longest
            self.told(tracer, "bind.ok")
            self.path = "@\\x1b\\x00\\xff" + abstract[4:].decode()
            self.told(tracer, "bind.ok")

    def test_a_socket_that_was_never_named_is_closed_once(self):
        with live.Tracer("-x", "--json") as tracer:
            pair = socket.socketpair()
            inodes = [os.fstat(end.fileno()).st_ino for end in pair]
            tracer.signal(10)  # the table on request: by it the two are known
            tracer.wait(lambda: any(r["socket"]["inode"] == inodes[0] for r in tracer.events("socket.seen")), "the pair")
            for end in pair:
                end.close()
            for inode in inodes:
                tracer.wait(lambda inode=inode: any(r["socket"]["inode"] == inode for r in tracer.events("socket.closed")), "its end")
        closed = [r["socket"]["inode"] for r in tracer.events("socket.closed")]
        self.assertEqual([closed.count(inode) for inode in inodes], [1, 1])

    def test_without_the_option_nothing_is_told(self):
        with live.Tracer("-t", "--json") as tracer:
            child, _ = self.server()
            child.end()
            with live.listener() as server:
                tracer.wait_events(1, "tcp.listen", network__local__port=server.getsockname()[1])
        self.assertEqual([r for r in tracer.events() if r["network"]["transport"] == "unix"], [])


if __name__ == "__main__":
    unittest.main()
