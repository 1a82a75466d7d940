"""bash completion: what it offers is what --help lists."""

import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

FILE = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../share/bash-completion/completions/socktrace"))
SCRIPT = 'compopt() { :; }; . "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _socktrace; printf "%s\\n" "${COMPREPLY[@]}"'


@unittest.skipUnless(shutil.which("bash"), "needs bash")
class Completion(unittest.TestCase):
    def offered(self, *words):
        ended = subprocess.run(["bash", "-c", SCRIPT, FILE, os.path.abspath(live.SOCKTRACE), *words],
                               capture_output=True, text=True, timeout=live.DEADLINE_S, check=True)
        self.assertEqual(ended.stderr, "")
        return ended.stdout.split()

    def test_verbs(self):
        self.assertLessEqual({"ss", "record", "log", "why", "exposed"}, set(self.offered("")))

    def test_options_are_those_of_the_verb(self):
        self.assertEqual(self.offered("ss", "--gr"), ["--group-by"])
        self.assertEqual(self.offered("ss", "--max-"), [])
        self.assertIn("--max-size", self.offered("record", "--max-"))
        self.assertIn("--bind-result", self.offered("--bind"))

    def test_fields_states_and_tables(self):
        self.assertEqual(self.offered("ss", "--columns", "lport,sta"), ["lport,state"])
        self.assertIn("process", self.offered("ss", "--sort", "=", "proc"))
        self.assertEqual(self.offered("ss", "-tan", "state", "est"), ["established"])
        self.assertIn("tcp,udp", self.offered("ss", "-A", "tcp,u"))
        self.assertIn("lo", self.offered("ss", "-tan", "dev", "l"))


if __name__ == "__main__":
    unittest.main()
