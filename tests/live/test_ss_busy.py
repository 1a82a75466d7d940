"""`socktrace ss -p` on a busy host, where owners come from the iterator and long dumps are read ahead: the rows of ss."""

import os
import shutil
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

HOLDER = os.environ.get("HOLDER", os.path.join(os.path.dirname(live.SOCKTRACE), "tests/holder"))
SS = shutil.which("ss", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def table(program, options):
    result = subprocess.run([*program, options], capture_output=True, text=True, check=True, timeout=60)
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


@unittest.skipUnless(SS, "ss is not installed")
class Busy(unittest.TestCase):
    def compare(self, holder, options, count):
        process = subprocess.Popen([HOLDER, *holder.split()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.assertEqual(process.stdout.readline(), "ready\n")
        ours = table([live.SOCKTRACE, "ss"], options)
        self.assertGreaterEqual(len(ours), count)
        theirs = table([SS], options)
        # not the lists themselves: to show how thousands of rows differ takes unittest minutes
        self.assertEqual((len(ours), list(set(ours) ^ set(theirs))[:6]), (len(theirs), []))
        self.assertTrue(all("users:((" in row for row in ours))
        return ours

    def test_of_many_sockets_every_one_has_its_row_and_its_owner(self):
        live.enter_network_namespace()
        self.addCleanup(socket.create_server(("::1", 0), family=socket.AF_INET6).close)
        rows = self.compare("--sockets 12000 --processes 3", "-Htanp", 12_001)
        # which is asked for while the others are read, and comes after them all the same
        self.assertIn("[::1]", rows[-1])

    def test_few_sockets_are_found_among_many_descriptors(self):
        live.enter_network_namespace()
        self.compare("--listeners 11 --descriptors 15000 --processes 3", "-Htlnp", 11)

    def test_few_sockets_are_found_among_many_others(self):
        live.enter_network_namespace()
        self.compare("--listeners 11 --sockets 12000 --processes 1", "-Htlnp", 11)


if __name__ == "__main__":
    unittest.main()
