"""Kernels booted with lockdown, and with perf_event_paranoid=3: the rest works, and doctor explains what does not."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "support"))
import live

THREE = ",".join(f"+{name}" for name in ("bpf", "perfmon", "net_admin"))
NOBODY_WITH_THREE = [
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps={THREE}", f"--ambient-caps={THREE}",
]


def first_line(path):
    with open(path, encoding="ascii") as file:
        return file.readline()


LOCKDOWN = first_line("/sys/kernel/security/lockdown").partition("[")[2].partition("]")[0]
PARANOID = int(first_line("/proc/sys/kernel/perf_event_paranoid"))


def setUpModule():
    live.enter_network_namespace()


def doctor(*wrap):
    ended = subprocess.run([*wrap, live.SOCKTRACE, "doctor", "--json"], capture_output=True, text=True, timeout=live.DEADLINE_S)
    records = [json.loads(line) for line in ended.stdout.splitlines()]
    return ended.returncode, records.pop(), {record["name"]: record for record in records}


def off(checks, section):
    return sorted(name for name, check in checks.items() if check["section"] == section and check["state"] != "works")


class Denied(unittest.TestCase):
    def test_a_listener_and_a_failed_bind_are_told(self):
        with live.Tracer("--json", "--listen") as tracer:
            holder = live.listener()
            port = holder.getsockname()[1]
            with self.assertRaises(OSError):
                live.listener(port=port)
            listened = tracer.wait_events(1, "tcp.listen", network__local__port=port)[0]
            self.assertEqual(listened["process"]["pid"], os.getpid())
            failed = tracer.wait_events(1, "bind.failed", network__local__port=port)[0]
            self.assertEqual(failed["error"]["type"], "EADDRINUSE")
            self.assertEqual(failed["conflict"][0]["process"]["pid"], os.getpid())
            holder.close()
            tracer.wait_events(1, "tcp.closed", network__local__port=port)

    def test_doctor_sees_all_that_hooks_are_attached_for(self):
        status, verdict, checks = doctor()
        self.assertEqual(status, 0, verdict)
        lost = ["accept"] if LOCKDOWN == "confidentiality" else []
        self.assertEqual(off(checks, "self-test"), lost)


class Integrity(unittest.TestCase):
    def test_nothing_is_lost(self):
        self.assertEqual(LOCKDOWN, "integrity")
        _, _, checks = doctor()
        self.assertEqual(checks["lockdown"]["state"], "works")
        self.assertEqual(off(checks, "hooks"), [])


class Confidentiality(unittest.TestCase):
    def test_only_what_must_read_kernel_memory_is_off_and_doctor_says_so(self):
        _, verdict, checks = doctor()
        self.assertEqual(verdict["verdict"], "reduced")
        self.assertEqual((checks["lockdown"]["state"], checks["lockdown"]["found"]), ("off", "confidentiality"))
        self.assertEqual(off(checks, "hooks"), ["fentry/__sys_listen", "fexit/__sys_accept4", "fexit/__sys_listen"])
        for name in off(checks, "hooks"):
            self.assertIn("lockdown", checks[name]["fix"])

    def test_tracepoints_are_refused_in_one_line(self):
        ended = live.run("--listen", "--bind-result=tracepoint")
        self.assertEqual(ended.returncode, 4)
        self.assertEqual(ended.stderr.count("\n"), 1)
        self.assertIn("--bind-result=infer", ended.stderr)


class Paranoid(unittest.TestCase):
    """Debian's default: perf events, and so tracepoints, are for CAP_SYS_ADMIN alone."""

    def setUp(self):
        self.assertEqual(PARANOID, 3)

    def test_three_capabilities_suffice_by_fexit(self):
        status, _, checks = doctor(*NOBODY_WITH_THREE)
        self.assertEqual(status, 0)
        self.assertEqual(off(checks, "hooks"), [])
        self.assertEqual(off(checks, "self-test"), [])

    def test_doctor_says_what_it_would_cost_without_fexit(self):
        _, _, checks = doctor(*NOBODY_WITH_THREE)
        paranoid = checks["kernel.perf_event_paranoid"]
        self.assertEqual((paranoid["state"], paranoid["found"]), ("off", "3"))
        self.assertIn("sysctl kernel.perf_event_paranoid=2", paranoid["fix"])

    def test_tracepoints_are_out_of_reach_in_one_line(self):
        ended = subprocess.run(
            [*NOBODY_WITH_THREE, live.SOCKTRACE, "--listen", "--bind-result=tracepoint"],
            capture_output=True, text=True, timeout=live.DEADLINE_S, stdin=subprocess.DEVNULL,
        )
        self.assertEqual((ended.returncode, ended.stderr.count("\n")), (4, 1), ended.stderr)
        self.assertIn("--bind-result=infer", ended.stderr)


def load_tests(loader, _tests, _pattern):
    """What this boot denies, and no skips for what others do."""
    cases = [Denied, Confidentiality] if LOCKDOWN == "confidentiality" else [Denied, Integrity, Paranoid]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


if __name__ == "__main__":
    unittest.main()
