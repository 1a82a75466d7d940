"""`socktrace ss --from`: namespaces of a log, and what no log has is said."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

HOST = os.open("/proc/thread-self/ns/net", os.O_RDONLY)  # before we leave it
ELSEWHERE = f"st-{os.getpid()}-past"
SERVER = (
    "import os, socket, sys\nlive = __import__('live')\nlive.enter(os.open(sys.argv[1], os.O_RDONLY))\n"
    "s = live.listener(port=7021)\nprint('up')\nsys.stdin.readline()\n"
)

IN_A_CGROUP = (
    "import os, sys\nlive = __import__('live')\nopen(sys.argv[1] + '/cgroup.procs', 'w').write(str(os.getpid()))\n"
    "s = live.listener(port=7024)\nprint('up')\nsys.stdin.readline()\n"
)


def setUpModule():
    live.enter_network_namespace()


def ports(result):
    return sorted(int(row.split("127.0.0.1:")[1].split()[0]) for row in result.stdout.splitlines())


class Past(unittest.TestCase):
    def setUp(self):
        subprocess.run(["ip", "netns", "add", ELSEWHERE], check=True)
        self.addCleanup(subprocess.run, ["ip", "netns", "del", ELSEWHERE], check=True)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.log = os.path.join(directory.name, "log")
        here, there = live.listener(port=7020), live.Child(SERVER, f"/run/netns/{ELSEWHERE}")
        self.addCleanup(here.close)
        self.addCleanup(there.end)
        self.assertEqual(there.line(), "up")

    def record(self, *options):
        with live.Tracer("record", "-o", self.log, *options, everywhere=True):
            pass

    def ss(self, *arguments):
        return live.run("ss", "--from", self.log, "-Htln", *arguments, "sport = :7020 or sport = :7021")

    def test_namespaces_of_a_log_are_chosen_by_name(self):
        self.record()
        for arguments, expected in ((), [7020]), (("-N", "self"), [7020]), (("-N", ELSEWHERE), [7021]), (("--all-netns",), [7020, 7021]):
            found = self.ss(*arguments)
            self.assertEqual((found.returncode, found.stderr, ports(found)), (0, "", expected), arguments)
        rows = [row.split() for row in self.ss("--all-netns").stdout.splitlines()]
        self.assertEqual([row[0] for row in rows if "127.0.0.1:7021" in row], [ELSEWHERE])
        by_filter = live.run("ss", "--from", self.log, "--all-netns", "-Htln", "netns", "=", ELSEWHERE, "sport", "=", ":7021")
        self.assertEqual((by_filter.returncode, ports(by_filter)), (0, [7021]), by_filter.stderr)
        for arguments in (("-N", "no-such"), ("--all-netns", "netns = no-such and")):
            unknown = self.ss(*arguments)
            self.assertEqual((unknown.returncode, unknown.stdout), (2, ""), arguments)
            self.assertIn("`no-such` is no network namespace", unknown.stderr)

    def test_a_log_of_one_namespace_is_of_its_name(self):
        self.record("-N", ELSEWHERE)
        for arguments in ((), ("-N", ELSEWHERE), ("-N", "self")):
            self.assertEqual(ports(self.ss(*arguments)), [7021], arguments)

    def test_the_recorders_own_namespace_is_the_host_of_a_log(self):
        on_host = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{HOST}"]
        source = "import socket, sys\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\ns.listen()\nprint(s.getsockname()[1], flush=True)\nsys.stdin.readline()\n"
        server = subprocess.Popen([*on_host, sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = int(server.stdout.readline())
        subprocess.run([*on_host, live.SOCKTRACE, "record", "-q", "-o", self.log, "--for", "100ms"], check=True, capture_output=True)
        server.communicate()
        for arguments in (("-N", "host"), ("--all-netns", "netns = host and")):
            result = live.run("ss", "--from", self.log, "-Htln", *arguments, f"sport = :{port} or sport = :7021")
            self.assertIn(port, ports(result), arguments)
            if arguments[0] == "-N":
                self.assertEqual(ports(result), [port])

    def test_sockets_that_are_only_bound_are_listed_as_the_kernel_does(self):
        with socket.socket() as bound, live.Tracer("record", "-o", self.log, everywhere=True):
            bound.bind(("127.0.0.1", 7022))  # before the trace, no dump of a kernel before 6.8 has it
        for options, expected in (("-Htan", []), ("-Htln", []), ("-HtnB", [7022])):
            self.assertEqual(ports(live.run("ss", "--from", self.log, options, "sport", "=", ":7022")), expected, options)

    def test_interfaces_are_numbers_as_their_names_are_the_readers(self):
        with socket.socket() as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
            bound.bind(("127.0.0.1", 7023))
            bound.listen()
            self.record()
        self.assertIn("127.0.0.1%lo:7023", live.run("ss", "--from", self.log, "-Htln", "dev", "lo").stdout)
        subprocess.run(["ip", "link", "add", "past0", "type", "veth", "peer", "name", "past1"], check=True)
        self.addCleanup(subprocess.run, ["ip", "link", "del", "past0"], check=True)
        of_now = live.run("ss", "--from", self.log, "--all-netns", "-Htln", "dev", "past0")
        self.assertEqual((of_now.returncode, of_now.stdout), (2, ""))
        self.assertIn("`past0` is no interface", of_now.stderr)

    def test_cgroups_are_those_of_the_log(self):
        group = f"{live.cgroup2_mount()}/{ELSEWHERE}"
        try:
            os.mkdir(group)
        except OSError:
            self.skipTest("no cgroup can be made here")
        server = live.Child(IN_A_CGROUP, group)
        self.assertEqual(server.line(), "up")
        self.record()
        server.end()
        os.rmdir(group)
        shown = live.run("ss", "--from", self.log, "-Htln", "--cgroup", "sport", "=", ":7024")
        self.assertEqual((shown.stderr, shown.stdout.split()[-1]), ("", f"cgroup:/{ELSEWHERE}"))
        self.assertEqual(ports(live.run("ss", "--from", self.log, "-Htln", "cgroup", f"/{ELSEWHERE}")), [7024])
        self.assertEqual(live.run("ss", "--from", self.log, "-Htln", "cgroup", "/no-such").returncode, 2)

    def test_what_no_log_has_is_said(self):
        self.record()
        for option, said in (
            ("-0", "packet sockets"), ("-d", "DCCP sockets"), ("--vsock", "vsock sockets"), ("--xdp", "XDP sockets"),
            ("--tipc", "TIPC sockets"), ("-f netlink", "netlink sockets"), ("-t --bpf-maps", "--bpf-maps"), ("-te", "timers and shutdown of -e"),
        ):
            result = live.run("ss", "--from", self.log, "-a", *option.split())
            self.assertIn(f"not in an event log, and not shown: {said}\n", result.stderr, option)
        unix = live.run("ss", "--from", self.log, "-ax")
        self.assertIn("unix sockets are not in this log: `socktrace record -x` writes them", unix.stderr)
        self.assertEqual(live.run("ss", "--from", self.log, "-a").stderr, "")

    def test_a_log_with_unix_sockets_says_nothing_of_them(self):
        self.record("-x")
        self.assertNotIn("unix sockets are not", live.run("ss", "--from", self.log, "-ax").stderr)

    def test_only_ipv6_sockets_have_v6only(self):
        with live.listener("::", port=7022, family=socket.AF_INET6):
            self.record()
            rows = live.run("ss", "--from", self.log, "-tlneH").stdout.splitlines()
            objects = [json.loads(line) for line in live.run("ss", "--from", self.log, "-tlej").stdout.splitlines()]
        told = {row.split()[3].rsplit(":")[-1]: "v6only" in row for row in rows}
        self.assertEqual(told, {"7020": False, "7022": True})
        self.assertEqual({one["network"]["type"]: "v6only" in one["socket"] for one in objects}, {"ipv4": False, "ipv6": True})


if __name__ == "__main__":
    unittest.main()
