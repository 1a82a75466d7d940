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

ELSEWHERE = f"st-{os.getpid()}-past"
SERVER = (
    "import os, socket, sys\nlive = __import__('live')\nlive.enter(os.open(sys.argv[1], os.O_RDONLY))\n"
    "s = live.listener(port=7021)\nprint('up')\nsys.stdin.readline()\n"
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
