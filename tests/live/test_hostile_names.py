"""Names that other people chose: processes, devices, unix sockets, cgroups and network namespaces with escape codes, quotes,
newlines, reordering characters and bytes that are no text. Whatever prints them is safe on a terminal and in JSON, and every
byte comes back."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import unicodedata
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from support.live import DEADLINE_S, SOCKTRACE, Child, Tracer, cgroup2_mount, enter_network_namespace  # noqa: E402

PROCESS = b'a"\x1b[31m\n),(\xff'
DEVICE = b"d\x1b]0;x\x07\xc2\x9b\xff"
PATH = b"p\x1b[2J\nq\xfe\xe2\x80\xae"
ABSTRACT = b"ev\x1b]8;;x\x07\nu_str LISTEN \xff\x00tail\xe2\x80\x8b"
NETNS = b"n\x1b[8m\xe2\x81\xa6\xff"

# What the child does: everything under its hostile name. It prints its ports, then ends with its input.
CHILD = r"""
import ctypes, os, socket, sys
process, device, path, abstract = (bytes.fromhex(word) for word in sys.argv[1:])
ctypes.CDLL(None).prctl(15, process, 0, 0, 0)
def stream(family, name):
    sock = socket.socket(family); sock.bind(name); sock.listen(); return sock
free = stream(socket.AF_INET, ("127.0.0.1", 0))
bound = socket.socket(); bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device); bound.bind(("0.0.0.0", 0)); bound.listen()
wide = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); wide.bind(("0.0.0.0", 0))
unix = [stream(socket.AF_UNIX, path), stream(socket.AF_UNIX, b"\0" + abstract)]
print(free.getsockname()[1], bound.getsockname()[1], flush=True)
sys.stdin.readline()
asking = socket.socket()
try:
    asking.bind(free.getsockname())
except OSError:
    pass
print("failed", flush=True)
sys.stdin.read()
"""


def setUpModule():
    enter_network_namespace()
    # The loopback device itself: kernels without dummy and veth devices have no other.
    subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "name", DEVICE], check=True)
    subprocess.run(["ip", "link", "set", DEVICE, "up"], check=True)


def unescape(text):
    return re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match.group(1), 16)]), text.encode())


def strings(value):
    """Every string in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from strings(each)


class Names(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.path = os.fsencode(self.directory) + b"/" + PATH
        words = [name.hex() for name in (PROCESS, DEVICE, self.path, ABSTRACT)]
        self.child = self.enterContext(Child(CHILD, *words)) if hasattr(self, "enterContext") else Child(CHILD, *words).__enter__()
        self.port, self.device_port = self.child.line().split()

    def fail_to_bind(self):
        self.child.tell()
        self.assertEqual(self.child.line(), "failed")

    def assert_safe(self, output, what):
        text = output.decode("utf-8", "strict")
        for number, character in enumerate(text):
            category = unicodedata.category(character)
            if (category in ("Cc", "Cf", "Zl", "Zp", "Co", "Cn") and character != "\n") or character == "\ufffd":
                self.fail(f"{what}: {character!r} in {text[max(0, number - 60) : number + 20]!r}")
        return text

    def printed(self, *words, codes=(0,)):
        done = subprocess.run([SOCKTRACE, *words], capture_output=True, timeout=DEADLINE_S, stdin=subprocess.DEVNULL)
        self.assertIn(done.returncode, codes, done.stderr)
        self.assert_safe(done.stderr, words)
        return self.assert_safe(done.stdout, words)

    def json_of(self, *words, codes=(0,)):
        text = self.printed(*words, codes=codes)
        values = [json.loads(line) for line in text.splitlines()]
        for value in values:
            for string in strings(value):
                self.assert_safe(string.encode("utf-8", "strict"), words)
        return {unescape(string) for string in strings(values)}

    def test_tables(self):
        text = self.printed("ss", "-anptx")
        self.assertIn(r'(("a\x22\x1b[31m\x0a),(\xff",pid=', text)
        self.assertIn(r"%d\x1b]0;x\x07\xc2\x9b\xff:" + self.device_port, text)
        self.assertIn(r"/p\x1b[2J\x0aq\xfe\xe2\x80\xae", text)
        self.assertIn(r"@ev\x1b]8;;x\x07\x0au_str LISTEN \xff@tail\xe2\x80\x8b", text)  # as ss, NUL is @; JSON tells them apart
        self.assertIn(self.port, self.printed("--once", "-a"))
        self.assertIn(r"a\x22\x1b[31m", self.printed("ss", "-tlnp", "-e", "-m", "-i", "-o", "-O"))

    def test_json_gives_every_byte_back(self):
        found = self.json_of("ss", "-anptx", "--json")
        self.assertLessEqual({PROCESS, self.path, b"@" + ABSTRACT}, found)
        self.assertIn(PROCESS, self.json_of("--once", "-a", "--json"))

    def test_questions(self):
        self.assertIn(r"\x1b[31m", self.printed("why", self.port))
        self.assertIn(PROCESS, self.json_of("why", self.port, "--json"))
        self.assertIn(r"\x1b[31m", self.printed("exposed", codes=(0, 1)))
        self.assertIn(PROCESS, self.json_of("exposed", "--json", codes=(0, 1)))
        self.printed("doctor", codes=(0, 1, 4))

    def test_live_lines_logs_and_what_is_read_from_them(self):
        log = os.path.join(self.directory, "socktrace.jsonl")
        with Tracer("--log", log, "-a") as tracer:
            self.fail_to_bind()
            tracer.wait_line("BIND FAILED", self.port)
            tracer.wait_line("held by", r"\x1b[31m")
            self.assertEqual(tracer.stop(), 0)
            for line in tracer.lines + tracer.messages:
                self.assert_safe(line.encode("utf-8", "surrogateescape"), "trace")
        with open(log, "rb") as file:
            self.assert_safe(file.read(), "the log")
        self.assertIn(PROCESS, self.json_of("log", "--from", log, "--json"))
        self.assertIn(r"\x1b[31m", self.printed("log", "--from", log))
        self.assertIn(r"\x1b[31m", self.printed("ss", "--from", log, "-anp"))
        self.assertIn(PROCESS, self.json_of("ss", "--from", log, "-anp", "--json"))
        self.printed("why", self.port, "--from", log, codes=(0, 1))
        self.printed("exposed", "--from", log, codes=(0, 1))

    def test_names_of_namespaces(self):
        made = subprocess.run(["ip", "netns", "add", NETNS], capture_output=True)
        if made.returncode != 0:
            self.skipTest("no network namespace can be named here")
        self.addCleanup(subprocess.run, ["ip", "netns", "del", NETNS], check=True)
        inside = subprocess.Popen(
            ["ip", "netns", "exec", NETNS, sys.executable, "-uc",
             "import socket,sys; s=socket.socket(); s.bind(('0.0.0.0',0)); s.listen(); print(s.getsockname()[1]); sys.stdin.read()"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            port = inside.stdout.readline().strip()
            name = r"n\x1b[8m\xe2\x81\xa6\xff"
            self.assertIn(name, self.printed("ss", "-tln", "--all-netns"))
            self.json_of("ss", "-tln", "--all-netns", "--json")
            self.assertIn(name, self.printed("exposed", "--all-netns", codes=(0, 1)))
            self.assertIn(name, self.printed("why", port, codes=(0, 1)))
        finally:
            inside.communicate(timeout=DEADLINE_S)

    def test_messages_quote_what_they_were_given(self):
        hostile = b"/nowhere/\x1b]0;x\x07\nsocktrace: ready\xff"
        for words in (["log", "--from", hostile], ["ss", "--from", hostile], ["--log", hostile], ["why", hostile], [b"sport", b"=", hostile],
                      ["ss", "-N", hostile], ["record", "-o", hostile], ["--color", hostile], [b"--" + hostile]):  # fmt: skip
            done = subprocess.run([SOCKTRACE, *words], capture_output=True, timeout=DEADLINE_S, stdin=subprocess.DEVNULL)
            self.assertNotEqual(done.returncode, 0, words)
            self.assert_safe(done.stderr, words)
            self.assertNotIn(b"\nsocktrace: ready", done.stderr, words)

    def test_names_in_a_recorded_cgroup(self):
        root = cgroup2_mount()
        name = b"c\x1b[5m\xff\xe2\x80\xae.service"
        path = os.fsencode(root) + b"/" + name if root else None
        try:
            os.mkdir(path)
        except (OSError, TypeError):
            self.skipTest("no cgroup can be made here")
        moved = subprocess.Popen([sys.executable, "-uc", "import socket,sys; input(); s=socket.socket(); s.bind(('0.0.0.0',0)); s.listen(); print(s.getsockname()[1]); sys.stdin.read()"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
        try:
            with open(path + b"/cgroup.procs", "w") as file:
                file.write(str(moved.pid))
            with Tracer("-j", "--no-table") as tracer:
                moved.stdin.write("\n")
                moved.stdin.flush()
                port = int(moved.stdout.readline())
                (event,) = tracer.wait_events(1, "tcp.listen", network__local__port=port)
            self.assertIn(b"/" + name, {unescape(string) for string in strings(event)})
            self.assertIn(r"c\x1b[5m\xff\xe2\x80\xae.service", self.printed("exposed", codes=(0, 1)))
        finally:
            moved.communicate(timeout=DEADLINE_S)
            with contextlib.suppress(OSError):
                os.rmdir(path)


if __name__ == "__main__":
    unittest.main()
