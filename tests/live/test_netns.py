"""Every network namespace of the host: what is in others is traced, says where it is, and goes with its namespace."""

import json
import os
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

NAMESPACES = int(os.environ.get("NETNS_COUNT", "100"))  # created and removed while tracing
TOLERATED_KB = 2048  # of growth over them: allocator noise, not a leak of a few hundred bytes each

SERVER = """
import ctypes, os, socket, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
assert ctypes.CDLL(None).setns(fd, 0x40000000) == 0
os.close(fd)
s = socket.socket()
try:
    s.bind(('0.0.0.0', int(sys.argv[2])))
    s.listen(7)
    print('bound', os.stat('/proc/self/ns/net').st_ino, flush=True)
except OSError as error:
    print('failed', error.errno, flush=True)
sys.stdin.readline()
"""

# A thread of its own moves to another namespace, opens a socket there, and comes back: nothing but the socket is there.
VISITOR = """
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
home = os.open('/proc/self/ns/net', os.O_RDONLY)
assert libc.unshare(0x40000000) == 0
inode = os.stat('/proc/self/ns/net').st_ino
s = socket.socket()
s.bind(('0.0.0.0', int(sys.argv[1])))
s.listen(3)
assert libc.setns(home, 0x40000000) == 0
os.close(home)
print(inode, flush=True)
sys.stdin.readline()
s.close()
print('closed', flush=True)
sys.stdin.readline()
"""


def setUpModule():
    live.enter_network_namespace()


class Namespace:
    """A named network namespace (ip netns) for the length of a test."""

    def __init__(self, name):
        self.name = f"st-{os.getpid()}-{name}"
        self.path = f"/run/netns/{self.name}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.inode = os.stat(self.path).st_ino

    def listen(self, port):
        return live.Child(SERVER, self.path, port)

    def remove(self):
        if os.path.exists(self.path):
            subprocess.run(["ip", "netns", "del", self.name], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()


def removed(cgroup):
    """Not while the process that has ended is still counted."""
    try:
        os.rmdir(cgroup)
    except OSError:
        return False
    return True


def open_files(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def resident_kb(process):
    with open(f"/proc/{process.pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Private_Dirty:"))


class Netns(unittest.TestCase):
    def test_a_listener_elsewhere_is_in_the_table_and_says_where(self):
        with Namespace("blue") as blue, blue.listen(7001) as there, live.listener(port=7002):
            self.assertEqual(there.line(), f"bound {blue.inode}")
            everywhere = ("-1", "-l", "sport", "=", ":7001", "or", "sport", "=", ":7002")
            with live.Tracer(*everywhere, everywhere=True, wait_ready=False) as tracer:
                tracer.wait(lambda: tracer.find(":7002"), "the row of our own")
                self.assertTrue(tracer.lines[0].startswith("Netns"), tracer.lines)
                self.assertTrue(tracer.find(":7001").startswith(blue.name), tracer.lines)
                self.assertFalse(tracer.find(":7002").startswith(blue.name), tracer.lines)
            own = live.run("-1", "-l", "-H").stdout
            self.assertNotIn(":7001", own)
            self.assertIn(":7002", own)
            narrowed = live.run("-1", "-l", "-H", "-N", blue.name).stdout
            self.assertRegex(narrowed, r"^tcp\s+LISTEN\s+0\s+7\s+0\.0\.0\.0:7001 .*\n$")
            by_filter = live.Tracer("-1", "-l", "-H", "netns", "=", blue.name, everywhere=True, wait_ready=False)
            by_filter.wait(lambda: by_filter.find(":7001"), "the row by its namespace")
            by_filter.stop()
            self.assertIsNone(by_filter.find(":7002"))

    def test_the_names_of_the_column_are_understood(self):
        """host, the id of a container, an inode number: not only names of ip netns."""
        with live.Tracer("--no-table", "netns", "=", "host", everywhere=True):
            pass
        self.assertEqual(live.run("ss", "-tln", "-N", "host").stderr, "")
        mount, container = live.cgroup2_mount(), "%064x" % (0xabcdef << 232 | os.getpid())
        if mount is None:
            self.skipTest("no cgroup2")
        cgroup = os.path.join(mount, f"docker-{container}.scope")
        os.mkdir(cgroup)
        self.addCleanup(live.wait_until, lambda: removed(cgroup), "end of the cgroup")
        enter = f"import os\nopen({cgroup + '/cgroup.procs'!r},'w').write(str(os.getpid()))\n"
        source = enter + "import ctypes\nctypes.CDLL(None).unshare(0x40000000)\n" + (
            "import socket, sys\ns=socket.socket();s.bind(('0.0.0.0',7017));s.listen()\n"
            "print(os.stat('/proc/self/ns/net').st_ino)\nsys.stdin.readline()\n"
        )
        with live.Child(source) as child:
            inode = child.line()
            for arguments in (("-N", container[:12], "-1Hl"), ("-1Hl", "netns", "=", container[:12])):
                with live.Tracer(*arguments, everywhere=True, wait_ready=False) as tracer:
                    tracer.wait_line(":7017")
            rows = live.run("ss", "--all-netns", "-Htln", "netns", "=", container[:12])
            self.assertIn(f"{container[:12]} ", rows.stdout, rows.stderr)
            for name in (container[:12], inode):
                self.assertIn(":7017", live.run("ss", "-N", name, "-Htln").stdout, name)

    def test_interfaces_are_those_of_the_namespace_that_is_traced(self):
        with Namespace("devices") as devices:
            added = subprocess.run(["ip", "-n", devices.name, "link", "add", "stdev0", "type", "veth", "peer", "name", "stdev1"], capture_output=True)
            if added.returncode != 0:
                self.skipTest("this kernel has no virtual interfaces (veth)")
            source = SERVER.replace("s = socket.socket()", "s = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'stdev0')")
            with live.Child(source, devices.path, 7018) as there:
                self.assertEqual(there.line(), f"bound {devices.inode}")
                with live.Tracer("-1Hl", "-N", devices.name, "dev", "=", "stdev0", wait_ready=False) as tracer:
                    tracer.wait_line("%stdev0:7018")

    def test_the_same_port_in_two_namespaces_is_no_conflict_and_a_conflict_stays_inside(self):
        with Namespace("one") as one, Namespace("two") as two:
            with live.Tracer("-j", "--no-table", "-l", everywhere=True) as tracer:
                first, second = one.listen(7010), two.listen(7010)
                self.assertEqual([first.line(), second.line()], [f"bound {one.inode}", f"bound {two.inode}"])
                for where in (one, two):
                    event = tracer.wait_events(1, "tcp.listen", socket__netns=where.inode, network__local__port=7010)[0]
                    self.assertEqual(event["socket"]["netns_name"], where.name)
                self.assertEqual(tracer.events("bind.failed", network__local__port=7010), [])
                third = two.listen(7010)
                self.assertEqual(third.line(), "failed 98")
                failed = tracer.wait_events(1, "bind.failed", network__local__port=7010)[0]
                self.assertEqual(failed["socket"]["netns"], two.inode)
                self.assertEqual([held["process"]["pid"] for held in failed["conflict"]], [second.pid])
                for child in (first, second, third):
                    child.end()

    def test_a_failure_is_explained_by_the_settings_of_its_namespace(self):
        with Namespace("strict") as strict:
            # A namespace that never had an address has no table of local ones, and any address can be bound.
            subprocess.run(["ip", "-n", strict.name, "link", "set", "lo", "up"], check=True)
            with live.Tracer("-j", "--no-table", "-l", everywhere=True) as tracer:
                program = SERVER.replace("'0.0.0.0'", "'192.0.2.77'")
                subprocess.run(["ip", "address", "add", "192.0.2.77/32", "dev", "lo"], check=True)  # here, not there
                try:
                    with live.Child(program, strict.path, 7015) as child:
                        self.assertEqual(child.line(), "failed 99")
                        failed = tracer.wait_events(1, "bind.failed", network__local__port=7015)[0]
                        self.assertEqual([found["reason"] for found in failed["conflict"]], ["address_not_local"])
                finally:
                    subprocess.run(["ip", "address", "del", "192.0.2.77/32", "dev", "lo"], check=True)

    def test_the_number_of_the_only_namespace_is_not_given_to_another(self):
        with Namespace("only") as only, live.Tracer("-N", only.name, "-l", "-j", "--no-table", everywhere=True):
            only.remove()
            with live.Child(VISITOR, 7021) as visitor:  # in a new one
                self.assertNotEqual(int(visitor.line()), only.inode)

    def test_a_namespace_that_only_a_socket_keeps_is_found_and_its_listener_closes(self):
        with live.Child(VISITOR, 7020) as visitor:
            inode = int(visitor.line())
            with live.Tracer("-l", "-j", everywhere=True) as tracer:
                rows = [json.loads(line) for line in tracer.lines]
                found = [r for r in rows if r["k"] == "sock" and live.dig(r, "socket__netns") == inode]
                self.assertEqual([r["network"]["local"]["port"] for r in found], [7020])
                self.assertEqual([o["pid"] for o in found[0]["owners"]], [visitor.pid])
                visitor.tell()
                self.assertEqual(visitor.line(), "closed")
                tracer.wait_events(1, "tcp.closed", socket__netns=inode, network__local__port=7020)

    def test_time_wait_ends_with_its_namespace(self):
        program = SERVER.replace("s.listen(7)", "s.listen(7); os.system('ip link set lo up'); "
                                 "c = socket.create_connection(('127.0.0.1', int(sys.argv[2]))); a, _ = s.accept(); "
                                 "c.close(); a.close()")
        with live.Tracer("-t", "-a", "-j", "--no-table", everywhere=True) as tracer:
            with Namespace("brief") as brief:
                with live.Child(program, brief.path, 7030) as child:
                    self.assertEqual(child.line(), f"bound {brief.inode}")
                    waiting = {"socket__netns": brief.inode, "network__connection__state": "time_wait"}
                    closed = tracer.wait_events(1, "tcp.closed", **waiting)[0]
                brief.remove()
                tracer.wait_events(1, "socket.closed", socket__cookie=closed["socket"]["cookie"], gone=True)

    def test_namespaces_that_come_and_go_leave_nothing_behind(self):
        with live.Tracer("-l", "-j", "--no-table", everywhere=True) as tracer:
            inodes = []
            start = None
            for number in range(NAMESPACES):
                with Namespace(f"n{number}") as netns:
                    # One end of the pair is inside: it exists as long as the namespace does.
                    peer = f"st{os.getpid() % 10000}-{number}"
                    subprocess.run(
                        ["ip", "link", "add", peer, "type", "veth", "peer", "name", "inside", "netns", netns.name], check=True
                    )
                    with netns.listen(10_000 + number) as child:
                        self.assertEqual(child.line(), f"bound {netns.inode}")
                        inodes.append(netns.inode)
                        # Other namespaces of the host may use the port too.
                        here = {"network__local__port": 10_000 + number, "socket__netns": netns.inode}
                        event = tracer.wait_events(1, "tcp.listen", **here)[0]
                        self.assertEqual(event["socket"]["netns_name"], netns.name)
                self.wait_gone(peer)
                if number == NAMESPACES // 10:
                    start = (open_files(tracer.process), resident_kb(tracer.process))

            def closed():
                ends = tracer.events("tcp.closed", network__connection__previous="listen")
                there = [(e["network"]["local"]["port"], e["socket"]["netns"]) for e in ends]
                return [end for end in there if end in listened]

            listened = {(10_000 + number, inode) for number, inode in enumerate(inodes)}
            tracer.wait(lambda: len(closed()) >= NAMESPACES, "the ends of the listeners")
            self.assertEqual(sorted(closed()), sorted(listened))
            end = (open_files(tracer.process), resident_kb(tracer.process))
            self.assertLessEqual(end[0], start[0], "descriptors")  # one more may have been open at the first look
            self.assertLess(end[1] - start[1], TOLERATED_KB, f"{start} -> {end} kB")

    def wait_gone(self, interface):
        """The kernel takes a namespace apart in the background; a descriptor kept in it would prevent that forever."""
        live.wait_until(lambda: interface not in (name for _, name in socket.if_nameindex()), f"end of {interface}")


if __name__ == "__main__":
    unittest.main()
