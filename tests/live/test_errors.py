"""What goes wrong outside: every failure says what to do, with the exit code of the manual."""

import os
import stat
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live


def setUpModule():
    live.enter_network_namespace()


def in_mount_namespace(setup, *arguments, wrap=()):
    """Runs socktrace where `setup` (shell) has changed the mounts; nothing outside is touched."""
    script = f"mount --make-rprivate / && {setup} && exec \"$@\""
    return subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, "sh", *wrap, live.SOCKTRACE, *arguments],
        capture_output=True, text=True, timeout=live.DEADLINE_S, stdin=subprocess.DEVNULL,
    )


class Errors(unittest.TestCase):
    def expect(self, result, code, *parts):
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        self.assertTrue(result.stderr.startswith("socktrace: "), result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)

    def test_unknown_option(self):
        self.expect(live.run("--lisen"), 2, "--lisen", "--help")

    def test_unknown_filter_word(self):
        self.expect(live.run("--once", "sprt", "=", ":80"), 2, "sprt")

    def test_bad_duration(self):
        self.expect(live.run("--for", "soon"), 2, "--for", "10s")

    def test_an_unknown_option_is_told_in_one_line(self):
        result = live.run("--bogus")
        self.expect(result, 2, "--bogus", "see  socktrace --help")
        self.assertNotIn(r"\x0a", result.stderr)

    def test_an_empty_value_is_refused(self):
        for option in ("--log", "--net"):
            self.expect(live.run("--once", option, ""), 2, option, "value")

    def test_a_flag_takes_no_value(self):
        for words in (("--once", "--listen=false"), ("record", "--tcp=0"), ("log", "--json=1", "x"), ("doctor", "--json=true"), ("exposed", "--json=")):
            flag = words[1].split("=")[0]
            self.expect(live.run(*words), 2, f"option {flag} takes no value")

    def test_a_table_without_events_takes_no_time_limit(self):
        self.expect(live.run("--once", "--for", "1s"), 2, "--once", "leave out --for")

    def test_bad_ring_size(self):
        self.expect(live.run("--ring-size", "5000"), 2, "--ring-size", "power of two")

    def test_not_root(self):
        result = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", live.SOCKTRACE, "--listen"],
            capture_output=True, text=True, timeout=live.DEADLINE_S, stdin=subprocess.DEVNULL,
        )
        self.expect(result, 3, "sudo")

    def test_no_btf(self):
        result = in_mount_namespace("mount -t tmpfs none /sys/kernel/btf", "--listen")
        self.expect(result, 4, "BTF")

    def test_unwritable_log(self):
        self.expect(live.run("--listen", "--log", "/proc/no-such-place/x.jsonl"), 1, "/proc/no-such-place/x.jsonl")

    def test_log_that_is_a_symbolic_link_is_refused(self):
        with tempfile.TemporaryDirectory() as directory:
            link = os.path.join(directory, "log")
            os.symlink("/dev/null", link)
            self.expect(live.run("--listen", "--log", link), 1, link, "symbolic link")

    def test_log_is_private_and_begins_with_a_header(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "log")
            with live.Tracer("--listen", "--log", path):
                live.listener().close()
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o640)
            with open(path, encoding="utf-8") as log:
                lines = log.read().splitlines()
            self.assertIn('"k":"header"', lines[0])
            self.assertTrue(any('"tcp.listen"' in line for line in lines))
            self.assertIn('"k":"trailer"', lines[-1])

    def test_time_limit_ends_with_status_0(self):
        result = live.run("--listen", "--for", "100ms")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("socktrace: ready", result.stderr)
        self.assertNotIn("unix", result.stderr)

    def test_where_no_hook_tells_of_unix_closes_the_ready_line_says_so(self):
        result = live.run("-x", "--verbose", "--for", "100ms")
        hooked = "hook fentry/unix_release: attached" in result.stderr
        self.assertEqual("closes of unix sockets are found within a second" in result.stderr, not hooked, result.stderr)
        result = live.run("-x", "--bind-result=infer", "--for", "100ms")
        self.assertIn("unix sockets are looked at every second", result.stderr)

    def test_a_full_standard_output_is_said(self):
        for words in (["--for", "100ms"], ["--json", "--for", "100ms"], ["ss", "-tan"], ["ss", "-tanj"]):
            with open("/dev/full", "w") as full, live.listener():
                result = subprocess.run([live.SOCKTRACE, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=live.DEADLINE_S)
            self.assertEqual(result.returncode, 1, words)
            self.assertIn("No space left on device", result.stderr)


class SelfTest(unittest.TestCase):
    """Sockets of our own prove at the start that events flow, and are seen nowhere else."""

    def test_its_sockets_are_neither_listed_nor_told(self):
        with live.Tracer("--json", "-a", "-t", "-u") as tracer:
            live.listener().close()
            tracer.wait_events(1, "tcp.closed")
        told = {record["process"]["pid"] for record in tracer.events() if "process" in record}
        self.assertEqual(told, {os.getpid()})

    def test_without_loopback_it_says_that_nothing_is_proven(self):
        result = subprocess.run(
            ["unshare", "--net", live.SOCKTRACE, "--listen", "--for", "100ms"],
            capture_output=True, text=True, timeout=live.DEADLINE_S, stdin=subprocess.DEVNULL,
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr, "ready: .*not proven that events flow: connect to 127.0.0.1: Network is unreachable")


class Degraded(unittest.TestCase):
    """A missing hook is named in the ready line, and the rest goes on."""

    HIDE_TRACEFS = "umount -q /sys/kernel/tracing || true; umount -q /sys/kernel/debug || true; mount -t tmpfs none /sys/kernel/tracing; " \
                   "[ ! -d /sys/kernel/debug ] || mount -t tmpfs none /sys/kernel/debug"

    def ready(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        return next(line for line in result.stderr.splitlines() if line.startswith("socktrace: ready"))

    def test_without_tracefs(self):
        """Hidden, it is mounted for ourselves; without the right to do that, and without fexit, errors are inferred."""
        line = self.ready(in_mount_namespace(self.HIDE_TRACEFS, "--listen", "--for", "100ms"))
        self.assertNotIn("bind errors are inferred", line)
        line = self.ready(
            in_mount_namespace(self.HIDE_TRACEFS, "--listen", "--for", "100ms", wrap=["setpriv", "--bounding-set=-sys_admin"])
        )
        if live.run("--once", "--bind-result=fexit").returncode == 0:
            self.assertNotIn("bind errors are inferred", line)
        else:
            self.assertRegex(line, "off: .*bind errors are inferred")

    def test_cgroup2_is_found_where_a_parent_has_it(self):
        """As inside `ip netns exec`."""
        line = self.ready(in_mount_namespace(live.HIDE_CGROUP2, "--listen", "--for", "100ms"))
        self.assertNotIn("cgroup", line)

    def test_without_cgroup2(self):
        line = self.ready(in_mount_namespace(live.HIDE_CGROUP2, "--listen", "--for", "100ms", wrap=live.HIDE_PARENTS))
        self.assertIn("cgroup", line)
        self.assertIn("off", line)


if __name__ == "__main__":
    unittest.main()
