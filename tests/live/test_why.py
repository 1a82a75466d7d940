"""why and exposed: who holds a port, whether a bind would work, and what other hosts may reach."""

import contextlib
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

SO_REUSEPORT = 15


def setUpModule():
    live.enter_network_namespace()


def opened(address="0.0.0.0", port=0, kind=socket.SOCK_STREAM, options=(), listen=True):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    for option in options:
        sock.setsockopt(*option)
    sock.bind((address, port))
    if listen and kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


REUSEADDR = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
REUSEPORT = (socket.SOL_SOCKET, SO_REUSEPORT, 1)
V6ONLY = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
DUAL = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)


def attempt(address, port, options):
    """What the kernel says of a server there: the errno of bind or listen, or 0."""
    try:
        opened(address, port, options=options).close()
    except OSError as error:
        return error.errno
    return 0


class Why(unittest.TestCase):
    def why(self, *arguments):
        result = live.run("why", *arguments)
        self.assertEqual(result.stderr, "", result.stdout)
        return result.returncode, result.stdout

    def test_the_holder_is_named_with_command_chain_and_next_step(self):
        with opened("127.0.0.1") as sock:
            port = sock.getsockname()[1]
            code, text = self.why(f"{port}/tcp")
        self.assertEqual(code, 0)
        self.assertIn(f"{port}/tcp  taken: a bind fails with EADDRINUSE\n", text)
        self.assertRegex(text, rf"held by  .*\[{os.getpid()}\] root.*LISTEN 127\.0\.0\.1:{port}  fd \d+  process since ")
        self.assertIn("    command  ", text)
        self.assertIn(f"[{os.getppid()}] → ", text)
        self.assertIn("    next     ", text)

    def test_a_free_port_is_free_with_status_1(self):
        with opened() as sock:
            port = sock.getsockname()[1]
        code, text = self.why(str(port))
        self.assertEqual(code, 1)
        self.assertIn(f"{port}/tcp  free\n", text)
        self.assertIn(f"{port}/udp  free\n", text)

    def test_the_answer_is_the_one_that_the_kernel_gives(self):
        """Every holder, every option set: what `why` says works, works, and what it says fails, fails."""
        holders = [
            ("0.0.0.0", ()), ("127.0.0.1", ()), ("0.0.0.0", (REUSEPORT,)), ("127.0.0.1", (REUSEADDR,)),
            ("0.0.0.0", (REUSEADDR, REUSEPORT)), ("::", (DUAL,)), ("::", (V6ONLY,)), ("::1", ()), ("::", (DUAL, REUSEPORT)),
        ]
        names = {"SO_REUSEADDR": REUSEADDR, "SO_REUSEPORT": REUSEPORT, "IPV6_V6ONLY": V6ONLY}
        for address, options in holders:
            for listen in (True, False):
                with opened(address, options=options, listen=listen) as sock:
                    port = sock.getsockname()[1]
                    for where, ours in [("0.0.0.0", ()), ("[::]", (DUAL,)), ("127.0.0.1", ()), ("127.0.0.2", ()), ("[::1]", ())]:
                        result = live.run("why", "--json", f"{where}:{port}/tcp")
                        (answer,) = [json.loads(line) for line in result.stdout.splitlines()]
                        case = (address, options, listen, where, answer)
                        plain = attempt(where.strip("[]"), port, ours)
                        self.assertEqual(answer.get("error", {}).get("code", 0), plain, case)
                        with_options = [names[name] for name in answer.get("works_with", [])]
                        if with_options:
                            self.assertEqual(attempt(where.strip("[]"), port, list(ours) + with_options), 0, case)
                        elif plain:
                            for tried in ([REUSEADDR], [REUSEPORT], [REUSEADDR, REUSEPORT]):
                                self.assertNotEqual(attempt(where.strip("[]"), port, list(ours) + tried), 0, case)

    def test_udp(self):
        with opened("127.0.0.1", kind=socket.SOCK_DGRAM) as sock:
            port = sock.getsockname()[1]
            code, text = self.why(f"{port}/udp")
        self.assertEqual(code, 0)
        self.assertIn(f"UNCONN 127.0.0.1:{port}", text)

    def test_connections_on_the_port_are_counted_not_listed(self):
        with opened("127.0.0.1") as sock:
            port = sock.getsockname()[1]
            pairs = [(socket.create_connection(("127.0.0.1", port)), sock.accept()[0]) for _ in range(5)]
            code, text = self.why(f"127.0.0.1:{port}/tcp")
            self.assertIn("also     5 connections: ESTAB 5", text)
            self.assertEqual(text.count("held by"), 1)
            for pair in pairs:
                for end in pair:
                    end.close()

    def test_a_process_by_number_and_by_name(self):
        with opened("127.0.0.1") as sock, opened("127.0.0.1", kind=socket.SOCK_DGRAM) as other:
            with open("/proc/self/comm", encoding="utf-8") as file:
                name = file.read().strip()
            for where in (f"pid:{os.getpid()}", name):
                code, text = self.why(where)
                self.assertEqual(code, 0)
                self.assertIn(f"[{os.getpid()}]", text)
                self.assertIn(f"holds    LISTEN 127.0.0.1:{sock.getsockname()[1]}/tcp  fd {sock.fileno()}", text)
                self.assertIn(f"holds    UNCONN 127.0.0.1:{other.getsockname()[1]}/udp  fd {other.fileno()}", text)
        result = live.run("why", "no-such-program")
        self.assertEqual((result.returncode, result.stdout), (1, ""))

    def test_a_port_held_in_another_namespace_is_no_conflict_but_said(self):
        child = live.Child(
            "import ctypes,socket,sys\nctypes.CDLL(None).unshare(0x40000000)\n"
            "s=socket.socket();s.bind(('0.0.0.0',18090));s.listen()\nprint('up')\nsys.stdin.readline()\n"
        )
        with child:
            self.assertEqual(child.line(), "up")
            code, text = self.why("18090/tcp")
        self.assertEqual(code, 1)
        self.assertIn("18090/tcp  free", text)
        self.assertIn("no conflict, but in network namespace", text)
        self.assertIn(f"[{child.pid}]", text)

    ELSEWHERE = (
        "import ctypes,socket,sys\nctypes.CDLL(None).unshare(0x40000000)\n"
        "open('/proc/self/comm','w').write('st-elsewhere')\n"
        "t=socket.socket();t.bind(('0.0.0.0',18092));t.listen()\n"
        "u=socket.socket(type=socket.SOCK_DGRAM);u.bind(('0.0.0.0',18093))\nprint('up')\nsys.stdin.readline()\n"
    )

    def test_a_process_in_another_namespace_is_found_there(self):
        with live.Child(self.ELSEWHERE) as child:
            self.assertEqual(child.line(), "up")
            for where in (f"pid:{child.pid}", "st-elsewhere"):
                code, text = self.why(where)
                self.assertEqual(code, 0)
                self.assertRegex(text, r"holds    LISTEN 0\.0\.0\.0:18092/tcp  fd \d+  netns \S+\n")
                self.assertRegex(text, r"holds    UNCONN 0\.0\.0\.0:18093/udp  fd \d+  netns \S+\n")
            rows = [json.loads(line) for line in live.run("why", "-j", "st-elsewhere").stdout.splitlines()]
            self.assertEqual(sorted(row["network"]["local"]["port"] for row in rows), [18092, 18093])
            self.assertTrue(all(row["socket"]["netns_name"] for row in rows))

    def test_elsewhere_is_of_the_protocol_and_address_asked_about(self):
        with live.Child(self.ELSEWHERE) as child:
            self.assertEqual(child.line(), "up")
            for where, found in (("18092", True), ("18092/tcp", True), ("127.0.0.1:18092", True), ("18092/udp", False), ("[::1]:18092", False)):
                code, text = self.why(where)
                self.assertEqual((code, "in network namespace" in text), (1, found), text)
            _, text = self.why("18092")
            self.assertLess(text.index("in network namespace"), text.index("18092/udp"))
            tcp, udp = (
                [json.loads(line) for line in live.run("why", "-j", f"18093/{protocol}").stdout.splitlines()] for protocol in ("tcp", "udp")
            )
            self.assertNotIn("elsewhere", tcp[0])
            (holder,) = udp[0]["elsewhere"]
            self.assertEqual((holder["network"]["local"]["port"], holder["owners"][0]["pid"]), (18093, child.pid))

    def test_in_a_log_what_is_held_in_another_namespace_is_said(self):
        with tempfile.TemporaryDirectory() as directory, live.Child(self.ELSEWHERE) as child:
            self.assertEqual(child.line(), "up")
            log = os.path.join(directory, "log")
            with live.Tracer("record", "-o", log, everywhere=True):
                pass
            code, text = self.why("--from", log, "18092/tcp")
            self.assertEqual(code, 1)
            self.assertIn("no conflict, but in network namespace", text)
            self.assertIn(f"[{child.pid}]", text)
            code, text = self.why("--from", log, "st-elsewhere")
            self.assertEqual(code, 0)
            self.assertIn("18093/udp", text)

    def test_without_root_owners_are_unknown_and_one_line_says_so(self):
        with opened("127.0.0.1") as sock:
            port = sock.getsockname()[1]
            result = subprocess.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", live.SOCKTRACE, "why", f"{port}/tcp"],
                capture_output=True, text=True, timeout=live.DEADLINE_S,
            )
            privileged = subprocess.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", live.SOCKTRACE, "why", "81/tcp"],
                capture_output=True, text=True, timeout=live.DEADLINE_S,
            )
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("held by  ?permission", result.stdout)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertIn("sudo", result.stderr)
        self.assertIn("81/tcp  refused: a bind fails with EACCES", privileged.stdout)
        self.assertEqual(privileged.returncode, 1)

    def test_in_a_log_who_had_the_port_last_and_who_failed(self):
        with tempfile.TemporaryDirectory() as directory:
            log = os.path.join(directory, "log")
            with live.Tracer("record", "-o", log):
                with opened("127.0.0.1") as sock:
                    port = sock.getsockname()[1]
                    with self.assertRaises(OSError) as raised:
                        opened("127.0.0.1", port)
                    self.assertEqual(raised.exception.errno, errno.EADDRINUSE)
            result = live.run("why", "--from", log, f"{port}/tcp")
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn("free", result.stdout)
            self.assertRegex(result.stdout, rf"last     .*\[{os.getpid()}\].*LISTEN 127\.0\.0\.1:{port}.*  until \d{{4}}-")
            self.assertRegex(result.stdout, rf"failed   1 bind here in the log, the last .* by .*\[{os.getpid()}\]")

    def test_bad_words(self):
        for where in ("0", "70000", "8080/sctp", "::1:80", ":nosuchservice"):
            result = live.run("why", where)
            self.assertEqual((result.returncode, result.stdout), (2, ""), where)
            self.assertIn(where, result.stderr)
        self.assertEqual(live.run("why").returncode, 2)
        self.assertEqual(live.run("why", "80", "--at", "03:00").returncode, 2)


class Exposed(unittest.TestCase):
    def test_findings_first_and_status_1(self):
        with opened("127.0.0.1") as near, opened("0.0.0.0") as far, opened("::", kind=socket.SOCK_DGRAM) as six:
            result = live.run("exposed", "-H")
            self.assertEqual(result.returncode, 1, result.stderr)
            lines = result.stdout.splitlines()
            self.assertEqual([line.split("  ")[0] for line in lines], ["any iface !", "any iface !", "loopback"])
            self.assertTrue(lines[-1].startswith("loopback"))
            self.assertIn(f"127.0.0.1:{near.getsockname()[1]}/tcp", lines[-1])
            self.assertTrue(all(f"[{os.getpid()}]" in line for line in lines))
            self.assertIn("2 findings", result.stderr)
            ports = f"{far.getsockname()[1]}/tcp,{six.getsockname()[1]}/udp"
            allowed = live.run("exposed", "--allow", ports)
            self.assertEqual(allowed.returncode, 0, allowed.stdout)
            self.assertIn("any iface ok", allowed.stdout)
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(f"# ours\n{far.getsockname()[1]}  # web\n\n[::]:{six.getsockname()[1]}/udp\n")
                file.flush()
                self.assertEqual(live.run("exposed", "--allow-file", file.name).returncode, 0)
                file.write("x/y\n")
                file.flush()
                bad = live.run("exposed", "--allow-file", file.name)
                self.assertEqual(bad.returncode, 2)
                self.assertIn(f"{file.name} line 5", bad.stderr)

    @unittest.skipUnless(shutil.which("nft") and shutil.which("iptables-nft"), "nft or iptables-nft is missing")
    def test_ports_that_only_nat_rules_publish_are_said(self):
        """As podman and docker make them; where a socket has the port too, it is listed as any other."""
        with opened("0.0.0.0") as sock:
            port = sock.getsockname()[1]
            rules = (
                "add table ip published; add chain ip published entry { type nat hook prerouting priority -100; }\n"
                "add rule ip published entry tcp dport 18080 dnat to 172.17.0.2:80\n"
                f"add rule ip published entry tcp dport {port} dnat to 172.17.0.2:81\n"
            )
            subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
            self.addCleanup(subprocess.run, ["nft", "flush", "ruleset"], check=True)
            docker = "-t nat -A PREROUTING ! -i docker0 -p udp -m udp --dport 18053 -j DNAT --to-destination 172.17.0.3:53"
            subprocess.run(["iptables-nft", *docker.split()], check=True)
            result = live.run("exposed")
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertEqual([line for line in result.stderr.splitlines() if " NAT rule" in line], [
                "socktrace: exposed: 18080/tcp is led to 172.17.0.2:80 by a NAT rule (nftables, table published, chain entry), "
                "without a socket here",
                "socktrace: exposed: 18053/udp is led to 172.17.0.3:53 by a NAT rule (nftables, table nat, chain PREROUTING), "
                "without a socket here",
            ])
            nobody = subprocess.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", live.SOCKTRACE, "exposed"],
                capture_output=True, text=True, timeout=live.DEADLINE_S,
            )
            self.assertIn("firewall and NAT rules are not evaluated", nobody.stderr)

    def test_json_and_other_namespaces(self):
        child = live.Child(
            "import ctypes,socket,sys\nctypes.CDLL(None).unshare(0x40000000)\n"
            "s=socket.socket();s.bind(('0.0.0.0',18091));s.listen()\nprint('up')\nsys.stdin.readline()\n"
        )
        with child, opened("0.0.0.0") as sock:
            self.assertEqual(child.line(), "up")
            own = [json.loads(line) for line in live.run("exposed", "--json").stdout.splitlines()]
            self.assertEqual([row["network"]["local"]["port"] for row in own], [sock.getsockname()[1]])
            self.assertEqual(own[0]["reach"], "any iface")
            every = [json.loads(line) for line in live.run("exposed", "--json", "--all-netns").stdout.splitlines()]
            self.assertIn(18091, [row["network"]["local"]["port"] for row in every])
            self.assertIn("18091/tcp", live.run("exposed", "--all-netns").stdout)

    def test_in_a_log(self):
        with tempfile.TemporaryDirectory() as directory:
            log = os.path.join(directory, "log")
            with live.Tracer("record", "-o", log) as tracer, opened("0.0.0.0") as sock:
                port = sock.getsockname()[1]
                path = os.path.join(log, "socktrace.jsonl")
                tracer.wait(lambda: f'"port":{port}' in open(path, encoding="utf-8").read(), "the listener in the log")
                result = live.run("exposed", "--from", log)
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn(f"0.0.0.0:{port}/tcp", result.stdout)

    def test_alerts_only(self):
        with live.Tracer("--alert-only", "--color=never") as tracer:
            with opened("127.0.0.1") as near, opened("0.0.0.0") as far:
                with contextlib.suppress(OSError):
                    opened("127.0.0.1", near.getsockname()[1])
                tracer.wait_line("+ LISTEN", f"0.0.0.0:{far.getsockname()[1]}/tcp", "! any iface")
                tracer.wait_line("x BIND FAILED", f"127.0.0.1:{near.getsockname()[1]}/tcp")
        self.assertEqual(len([line for line in tracer.lines if not line.startswith(" ")]), 2, tracer.lines)


if __name__ == "__main__":
    unittest.main()
