"""What is shipped: the hardening of the binary, and the sandbox of the service. No root, nothing runs."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SOCKTRACE = os.environ.get("SOCKTRACE", os.path.join(ROOT, "build/socktrace"))
UNITS = os.path.join(ROOT, "share/systemd")


def readelf(*options):
    return subprocess.run(["readelf", "-W", *options, SOCKTRACE], capture_output=True, text=True, check=True).stdout


@unittest.skipUnless(shutil.which("readelf"), "no readelf here")
class Binary(unittest.TestCase):
    def test_it_can_be_loaded_anywhere(self):
        self.assertRegex(readelf("-h"), r"Type:\s+DYN")
        self.assertRegex(readelf("-d"), r"FLAGS_1\).*\bPIE\b")

    def test_its_tables_are_read_only_once_it_runs(self):
        self.assertIn("GNU_RELRO", readelf("-l"))
        self.assertRegex(readelf("-d"), r"FLAGS\).*\bBIND_NOW\b")

    def test_no_memory_is_writable_and_executable(self):
        segments = re.findall(r"^\s+(\w+)(?:\s+0x\w+){5}\s+([R ][W ][E ])\s", readelf("-l"), re.MULTILINE)
        self.assertIn(("GNU_STACK", "RW "), segments)
        self.assertEqual([segment for segment in segments if "WE" in segment[1]], [])

    def test_overruns_of_buffers_are_noticed(self):
        symbols = readelf("--dyn-syms")
        self.assertIn("__stack_chk_fail", symbols)
        self.assertRegex(symbols, r"__\w+_chk@")


@unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze here")
class Unit(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        with open(os.path.join(UNITS, "socktrace.service")) as file:
            self.text = file.read()
        self.path = os.path.join(directory.name, "socktrace.service")
        with open(self.path, "w") as file:  # systemd-analyze wants the program to exist
            file.write(self.text.replace("/usr/bin/socktrace", "/bin/true"))

    def analyze(self, *words):
        return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True)

    def test_its_exposure_is_at_most_2(self):
        done = self.analyze("security", "--offline=true", "--threshold=20", "--no-pager", self.path)
        if "offline" in done.stderr:
            self.skipTest("this systemd-analyze cannot look at files")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_systemd_understands_every_line(self):
        done = self.analyze("verify", "--man=no", self.path)
        self.assertNotRegex(done.stderr, r"socktrace\.service:\d+")

    def test_it_asks_for_three_capabilities(self):
        wanted = "CAP_BPF CAP_PERFMON CAP_NET_ADMIN"
        self.assertEqual(re.findall(r"^(?:AmbientCapabilities|CapabilityBoundingSet)=(.*)$", self.text, re.MULTILINE), [wanted] * 2)


if __name__ == "__main__":
    unittest.main()
