"""What of `socktrace ss` is no table of this host: -D and --diag-file, -E, --bpf-maps; -Z where SELinux is off; options cut short."""

import ctypes
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

SS = shutil.which("ss")


def setUpModule():
    live.enter_network_namespace()


def ss(*words, **options):
    return subprocess.run([live.SOCKTRACE, "ss", *words], capture_output=True, text=True, timeout=live.DEADLINE_S, **options)


def rows(text):
    return sorted(" ".join(line.split()) for line in text.splitlines() if line.strip())


def connection(family, host):
    server = socket.socket(family)
    server.bind((host, 0))
    server.listen()
    client = socket.create_connection(server.getsockname()[:2])
    accepted, _ = server.accept()
    return server, client, accepted


class DumpFiles(unittest.TestCase):
    def setUp(self):
        live.enter_network_namespace()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "dump")
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            for sock in connection(family, host):
                self.addCleanup(sock.close)

    def test_ss_reads_ours_and_we_read_theirs(self):
        here = rows(ss("-Htan").stdout)
        self.assertEqual(len(here), 6)
        self.assertEqual(ss("-taD", self.path).returncode, 0)
        self.assertEqual(rows(ss("-Htan", "--diag-file", self.path).stdout), here)
        if not SS:
            self.skipTest("ss is not installed")
        theirs = subprocess.run([SS, "-Htan"], env={**os.environ, "TCPDIAG_FILE": self.path}, capture_output=True, text=True)
        self.assertEqual(rows(theirs.stdout), here)
        subprocess.run([SS, "-taD", self.path], check=True)  # two dumps, one for each family
        self.assertEqual(rows(ss("-Htan", "--diag-file", self.path).stdout), here)

    def test_filter_states_and_details_are_those_of_any_table(self):
        self.assertEqual(ss("-taimeD", self.path).returncode, 0)
        self.assertEqual(len(rows(ss("-Htn6O", "--diag-file", self.path, "state", "established").stdout)), 2)
        port = rows(ss("-Htnl4", "--diag-file", self.path).stdout)[0].split()[3].rpartition(":")[2]
        chosen = rows(ss("-HtanOi", "--diag-file", self.path, "sport", port).stdout)
        self.assertEqual(len(chosen), 2)
        self.assertIn(" rcv_space:", chosen[0])
        self.assertEqual(ss("-taD", self.path, "sport", port).returncode, 0)
        self.assertEqual(len(rows(ss("-Htan", "--diag-file", self.path).stdout)), 2)
        objects = [json.loads(line) for line in ss("-tanj", "--diag-file", self.path).stdout.splitlines()]
        self.assertEqual({o["network"]["local"]["port"] for o in objects}, {int(port)})

    def test_a_damaged_file_is_read_as_far_as_it_goes(self):
        whole = subprocess.run([live.SOCKTRACE, "ss", "-taD", "-"], capture_output=True, check=True).stdout
        for cut in (len(whole) // 2, 10):
            ended = subprocess.run([live.SOCKTRACE, "ss", "-Htan", "--diag-file", "-"], input=whole[:cut], capture_output=True)
            self.assertEqual((ended.returncode, bool(ended.stdout)), (5, cut > 100), ended.stderr)
            self.assertIn(b"cut off within a message", ended.stderr)
        ended = ss("-tan", "--diag-file", "-", input="this is no dump at all")
        self.assertEqual((ended.returncode, ended.stderr), (5, "socktrace: -: not netlink messages as `ss -D` writes them\n"))

    def test_a_filter_file_keeps_the_blank_behind_a_backslash(self):
        with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as sock:
            path, words = os.path.join(directory, "with space"), os.path.join(directory, "filter")
            sock.bind(path)
            with open(words, "w") as file:
                file.write("src unix:" + path.replace(" ", "\\ ") + "\n")
            self.assertEqual(ss("-xanH", "-F", words).stdout.count(path), 1)

    def test_bad_words(self):
        for words, said in (
            (["-xD", self.path], "-D writes TCP sockets, and none are selected"),
            (["-tD", "/nonexistent/dump"], "open /nonexistent/dump: No such file or directory"),
            (["--diag-file", "/nonexistent/dump"], "open /nonexistent/dump: No such file or directory"),
            (["--diag-file", self.path, "-N", "x"], "not with --from, -N or --all-netns"),
            (["-Ex"], "the kernel tells the ends of TCP and UDP sockets only"),
            (["-E", "state", "listening"], "-E shows sockets as they end"),
            (["-E", "--sort", "pid"], "-E goes on and on"),
            (["-E", "fwmark", "=", "1"], "-E: the kernel tells neither user nor process, mark nor cgroup"),
            (["-E", "user", "=", "0"], "-E: the kernel tells neither user nor process, mark nor cgroup"),
            (["--diag-file", self.path, "comm", "=", "x"], "a dump file has no processes"),
            (["-s", "--all-netns"], "-s counts the sockets of one namespace"),
            (["-s", "--json"], "-s is text"),
            (["-ts", "-D", "-"], "-s is text"),
            (["--json", "--columns", "pid"], "--json prints every field"),
            (["--group-by", "pid", "--sort", "pid"], "--group-by shows counts"),
            (["-t", "autobound", "or", "comm", "=", "x"], "autobound: the kernel alone knows"),
            (["-E", "autobound"], "no autobound in the filter"),
            (["--group-by", "state", "--columns", "pid"], "--group-by shows counts"),
            (["-F", "/"], "read filter /: Is a directory"),
            (["--bpf-map-id", "x"], "`x` is no number of a BPF map"),
        ):
            ended = ss(*words)
            self.assertNotEqual(ended.returncode, 0, words)
            self.assertIn(said, ended.stderr)

    def test_an_empty_value_is_no_value(self):
        for option in ("-N", "-D", "-F", "-A", "-f", "--diag-file", "--columns", "--sort", "--group-by", "--from", "--at", "--net="):
            ended = ss("-t", *([option] if option.endswith("=") else [option, ""]))
            self.assertEqual((ended.returncode, ended.stdout), (2, ""), option)
            self.assertIn("has an empty value", ended.stderr)

    def test_a_file_is_kept_when_the_words_are_wrong(self):
        with open(self.path, "w") as file:
            file.write("keep")
        self.assertEqual(ss("-tD", self.path, "--columns", "nosuch").returncode, 2)
        with open(self.path) as file:
            self.assertEqual(file.read(), "keep")
        self.assertEqual(ss("-tD", self.path, "sport", "=", ":1").returncode, 1)
        with open(self.path, "rb") as file:
            self.assertNotIn(b"keep", file.read())

    def test_state_words_may_share_an_argument_with_the_filter(self):
        listening = rows(ss("-Htan", "state", "listening").stdout)
        self.assertEqual(len(listening), 2)
        with open(self.path, "w") as file:
            file.write("state listening\nsport gt 0\n")
        for words in (["state listening"], ["state listening sport gt 0"], ["state", "listening sport gt 0"], ["-F", self.path]):
            self.assertEqual(rows(ss("-Htn", *words).stdout), listening, words)


class Events(unittest.TestCase):
    def follow(self, *words):
        process = subprocess.Popen([live.SOCKTRACE, "ss", *words], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    # Nothing says that it listens now: sockets are closed until one is shown.
    def row_while(self, process, close_one):
        found = threading.Event()
        line = []

        def read():
            line.append(process.stdout.readline())
            found.set()

        threading.Thread(target=read, daemon=True).start()
        for _ in range(int(live.DEADLINE_S * 100)):
            close_one()
            if found.wait(0.01):
                return line[0]
        self.fail("nothing was shown")

    def test_sockets_are_shown_as_they_end(self):
        server, client, accepted = connection(socket.AF_INET, "127.0.0.1")
        port = server.getsockname()[1]

        def close_one():
            client = socket.create_connection(("127.0.0.1", port))
            other, _ = server.accept()
            other.close()
            client.close()

        row = self.row_while(self.follow("-HEtn", "sport", str(port)), close_one)
        self.assertRegex(row, rf"^UNCONN \d+ +\d+ +127\.0\.0\.1:{port} +127\.0\.0\.1:\d+$")
        for sock in (server, client, accepted):
            sock.close()

    def test_json_has_what_the_connection_came_to(self):
        def close_one():
            for sock in connection(socket.AF_INET6, "::1"):
                sock.close()

        row = json.loads(self.row_while(self.follow("-HEjt6", "dport", "gt", "0"), close_one))
        self.assertEqual(row["network"]["type"], "ipv6")
        self.assertIn("rtt_us", row["tcp"])

    def test_udp_too_without_root(self):
        program = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", live.SOCKTRACE]
        process = subprocess.Popen([*program, "ss", "-HEun"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def close_one():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.1", 9953))

        row = self.row_while(process, close_one)
        self.assertRegex(row, r"^UNCONN 0 +0 +127\.0\.0\.1:9953")

    def test_columns_are_of_each_socket_once(self):
        process = self.follow("-EHun", "--columns", "lport")
        ports = iter(range(20000, 60000))

        def close_one():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.1", next(ports)))

        seen = [self.row_while(process, close_one)]
        for _ in range(5):
            close_one()
        seen += [process.stdout.readline() for _ in range(5)]
        self.assertEqual(len(set(seen)), 6, seen)


class BpfMaps(unittest.TestCase):
    """A value is put into the map in which the tracer notes which sockets have sent, for a TCP socket: the kernel shows those."""

    def bpf(self, command, attributes):
        buffer = ctypes.create_string_buffer(attributes, 128)
        libc = ctypes.CDLL(None, use_errno=True)
        result = libc.syscall(321, command, buffer, len(attributes))
        if result < 0:
            raise OSError(ctypes.get_errno(), f"bpf({command})")
        return result, buffer.raw

    def storage_maps(self):
        number = 0
        while True:
            try:
                number = struct.unpack_from("<I", self.bpf(12, struct.pack("<III", number, 0, 0))[1], 4)[0]  # BPF_MAP_GET_NEXT_ID
            except OSError:
                return
            fd, _ = self.bpf(14, struct.pack("<III", number, 0, 0))  # BPF_MAP_GET_FD_BY_ID
            info = ctypes.create_string_buffer(80)
            self.bpf(15, struct.pack("<IIQ", fd, len(info), ctypes.addressof(info)))  # BPF_OBJ_GET_INFO_BY_FD
            if info.raw[24:].startswith(b"st_sent\0"):
                yield number, fd
            else:
                os.close(fd)

    def test_values_are_shown_by_their_type(self):
        if os.uname().machine != "x86_64":
            self.skipTest("the number of bpf(2) is that of x86-64")
        others = {number for number, fd in self.storage_maps() if os.close(fd) is None}
        with live.Tracer("-u", "--no-table"), socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            sock.listen()
            key = ctypes.create_string_buffer(struct.pack("<i", sock.fileno()))
            value = ctypes.create_string_buffer(b"\x01\x00")
            numbers = []
            for number, fd in self.storage_maps():
                if number in others:
                    os.close(fd)
                    continue
                self.bpf(2, struct.pack("<IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0))  # BPF_MAP_UPDATE_ELEM
                os.close(fd)
                numbers.append(number)
            self.assertTrue(numbers)
            filtered = ("sport", str(sock.getsockname()[1]))
            row = ss("-HtlnO", "--bpf-maps", *filtered).stdout
            for number in numbers:
                self.assertIn(f" map_id:{number} st_sent:(__u16)1", row)
            self.assertIn("\n\tmap_id:", ss("-Htln", "--bpf-maps", *filtered).stdout)
            self.assertIn(f" map_id:{numbers[0]} ", ss("-HtlnO", f"--bpf-map-id={numbers[0]}", *filtered).stdout)
            self.assertNotIn("map_id", ss("-HtlnO", "--bpf-map-id=4294967295", *filtered).stdout)

    def test_without_the_capability_it_is_an_error(self):
        ended = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps=-all", live.SOCKTRACE, "ss", "-tan", "--bpf-maps"],
                               capture_output=True, text=True)
        self.assertEqual(ended.returncode, 3)
        self.assertIn("Operation not permitted", ended.stderr)


@unittest.skipUnless(SS, "ss is not installed")
class Abbreviations(unittest.TestCase):
    """Long options may be cut short as far as ss takes them, whatever options of our own begin alike."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()  # --diag writes a file
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def is_refused(self, program, word):
        # What follows is a mistake, or the option's value: no table is shown either way, or a short one.
        shown = subprocess.run([*program, "-t", word, "--no-such-option"], capture_output=True, text=True, errors="replace", cwd=self.directory,
                               timeout=live.DEADLINE_S)
        refusals = f"option '{word}' is ambiguous", f"unrecognized option '{word}'", f"unknown option {word};", f"option {word} is ambiguous:"
        return any(refusal in shown.stderr for refusal in refusals)

    def test_as_ss_takes_them(self):
        usage = subprocess.run([SS, "--help"], capture_output=True, text=True, check=True).stdout
        names = set(re.findall(r"--([a-z0-9-]+)", usage)) - {"events"}
        self.assertGreater(len(names), 35)
        words = sorted({f"--{name[:length]}" for name in names for length in range(1, len(name) + 1)})
        refused = {word for word in words if self.is_refused([SS], word)}
        self.assertIn("--so", set(words) - refused)
        self.assertEqual({word for word in words if self.is_refused([live.SOCKTRACE, "ss"], word)}, refused)

    def test_a_refusal_says_why(self):
        for word, why in (("--ipv", "option --ipv is ambiguous: --ipv4, --ipv6"), ("--foo", "unknown option --foo"), ("--foo=1", "unknown option --foo=1"),
                          ("--tcp=1", "option --tcp takes no value"), ("--tc=1", "option --tcp takes no value")):
            result = ss(word)
            self.assertEqual((result.returncode, result.stderr), (2, f"socktrace: ss: {why}; see `socktrace ss --help`\n"))

    def test_a_family_called_help_is_help(self):
        result = ss("-f", "help")
        self.assertEqual((result.returncode, result.stdout), (0, ss("--help").stdout))

    def test_ours_alone_too(self):
        self.assertEqual(ss("-H", "--all-n", "--js", "-t", "sport = 1").stderr, "")


class Contexts(unittest.TestCase):
    def test_without_selinux_it_is_an_error(self):
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            if any(line.split()[2] == "selinuxfs" for line in mounts):
                self.skipTest("SELinux is on")
        for option in ("-Z", "-z"):
            ended = ss(option)
            self.assertEqual((ended.returncode, ended.stdout), (4, ""))
            self.assertIn("SELinux is not enabled", ended.stderr)


if __name__ == "__main__":
    unittest.main()
