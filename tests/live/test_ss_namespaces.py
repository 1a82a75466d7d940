"""`socktrace ss` in other network namespaces: -N by name, pid and path, and --all-netns.

Two namespaces have different interfaces of the same number, and different local ports, so that what is looked up in the wrong
one shows. /run/netns is a file system of our own, in a mount namespace of our own.
"""

import ctypes
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

SERVER = r"""
import socket, sys
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, 25, sys.argv[1].encode())  # SO_BINDTODEVICE
sock.bind(("0.0.0.0", int(sys.argv[2])))
sock.listen()
auto = socket.socket()
auto.bind(("127.0.0.1", 0))
auto.listen()
print(auto.getsockname()[1], flush=True)
sys.stdin.read()
"""
NAMES = {"st-one": ("alpha", 7001), "st-two": ("beta", 7002)}
servers, auto_ports, made = {}, {}, []


def setUpModule():
    live.enter_network_namespace()
    if ctypes.CDLL(None, use_errno=True).unshare(0x20000) != 0:  # CLONE_NEWNS
        raise unittest.SkipTest("needs a mount namespace of its own")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    os.makedirs("/run/netns", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/netns"], check=True)
    for name, (device, port) in NAMES.items():
        subprocess.run(["ip", "netns", "add", name], check=True)
        made.append(name)
        added = subprocess.run(["ip", "-n", name, "link", "add", device, "type", "veth", "peer", "name", device + "2"], capture_output=True, text=True)
        if added.returncode != 0:
            tearDownModule()
            raise unittest.SkipTest(f"this kernel has no virtual interfaces (veth): {added.stderr.strip()}")
        for up in ("lo", device):
            subprocess.run(["ip", "-n", name, "link", "set", up, "up"], check=True)
        # nsenter, not ip netns exec: that would hide the cgroups.
        servers[name] = subprocess.Popen(["nsenter", f"--net=/run/netns/{name}", sys.executable, "-c", SERVER, device, str(port)],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        auto_ports[name] = int(servers[name].stdout.readline())


def tearDownModule():
    for server in servers.values():
        server.communicate()
    for name in made:
        subprocess.run(["ip", "netns", "delete", name], check=True)
    if made:
        subprocess.run(["umount", "/run/netns"], check=True)


def ss(*words):
    return live.run("ss", *words)


def objects(*words):
    return [json.loads(line) for line in ss("--json", *words).stdout.splitlines()]


class One(unittest.TestCase):
    def test_by_name_pid_and_path(self):
        for name, (device, port) in NAMES.items():
            for way in (name, str(servers[name].pid), f"/run/netns/{name}", f"/proc/{servers[name].pid}/ns/net"):
                with self.subTest(way):
                    shown = ss("-N", way, "-Htlnp")
                    self.assertEqual((shown.returncode, shown.stderr), (0, ""))
                    rows = [line.split() for line in shown.stdout.splitlines()]
                    self.assertEqual({row[3] for row in rows}, {f"0.0.0.0%{device}:{port}", f"127.0.0.1:{auto_ports[name]}"})
                    self.assertTrue(all(f"pid={servers[name].pid}," in row[5] for row in rows), rows)

    def test_filter_names_and_sorting_are_those_of_the_namespace(self):
        for name, (device, port) in NAMES.items():
            shown = ss("-N", name, "-Htln", "--sort", "lport", "dev", device)
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
            self.assertEqual([line.split()[3] for line in shown.stdout.splitlines()], [f"0.0.0.0%{device}:{port}"])
        other = ss("-N", "st-one", "-tln", "dev", "beta")
        self.assertEqual((other.returncode, other.stdout), (2, ""))
        self.assertIn("`beta` is no interface", other.stderr)

    def test_the_summary_is_that_of_the_namespace(self):
        self.assertIn("\nTCP:   2 (estab 0, closed 0, orphaned 0, timewait 0)\n", ss("-N", "st-one", "-s").stdout)

    def test_what_is_no_namespace_is_a_usage_error(self):
        for way in ("no-such", "/etc/hostname", "0", "4194305"):
            ended = ss("-N", way, "-tln")
            self.assertNotEqual(ended.returncode, 0, way)
            self.assertEqual(ended.stdout, "")
            self.assertIn(way, ended.stderr)
        self.assertEqual(ss("-N", "st-one", "--all-netns").returncode, 2)


class Every(unittest.TestCase):
    def test_the_column_has_the_name_and_interfaces_are_those_of_their_namespace(self):
        for sorting in ([], ["--sort", "lport"]):
            shown = ss("-tln", "--all-netns", *sorting)
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
            self.assertEqual(shown.stdout.split()[0], "Netns")
            rows = {(row[0], row[4]) for row in map(str.split, shown.stdout.splitlines()) if len(row) > 4}
            for name, (device, port) in NAMES.items():
                self.assertIn((name, f"0.0.0.0%{device}:{port}"), rows)
                self.assertIn((name, f"127.0.0.1:{auto_ports[name]}"), rows)

    def test_json_and_columns(self):
        found = {o["network"]["local"]["port"]: o["socket"] for o in objects("-tl", "--all-netns") if o["socket"].get("netns_name") in NAMES}
        for name, (device, port) in NAMES.items():
            self.assertEqual((found[port]["netns_name"], found[port]["interface"]), (name, device))
            self.assertEqual(found[port]["netns"], os.stat(f"/run/netns/{name}").st_ino)
        text = ss("-Htl", "--all-netns", "--columns", "nsname,dev,lport", "sport", "7001").stdout
        self.assertIn("st-one alpha 7001", text)
        groups = ss("-Htl", "--all-netns", "--group-by", "nsname").stdout
        for name in NAMES:
            self.assertRegex(groups, rf"(?m)^ *2 {name}$")

    def test_a_filter_is_understood_in_each_namespace(self):
        shown = ss("-Htln", "--all-netns", "dev", "beta")
        self.assertEqual(shown.stderr, "")
        self.assertEqual([(row.split()[0], row.split()[4]) for row in shown.stdout.splitlines()], [("st-two", "0.0.0.0%beta:7002")])
        by_netns = ss("-Htln", "--all-netns", "netns", "st-one").stdout
        self.assertEqual({row.split()[0] for row in by_netns.splitlines()}, {"st-one"})
        nowhere = ss("-Htln", "--all-netns", "dev", "nosuch0")
        self.assertEqual((nowhere.returncode, nowhere.stdout), (1, ""))
        self.assertIn("no network namespace has an interface `nosuch0`", nowhere.stderr)

    def test_without_root_the_others_are_said_to_be_closed(self):
        ended = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", live.SOCKTRACE, "ss", "-tln", "--all-netns"],
                               capture_output=True, text=True, timeout=live.DEADLINE_S)
        self.assertRegex(ended.stderr, r"\d+ network namespaces could not be entered: run as root to see them")


if __name__ == "__main__":
    unittest.main()
