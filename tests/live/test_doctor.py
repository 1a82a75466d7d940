"""`socktrace doctor`: what works on this host is found out by trying, and what does not says what that costs and what to do."""

import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live
import test_errors


def setUpModule():
    live.enter_network_namespace()


STEPS = ["bind", "listen", "failed bind", "connect", "established", "accept", "close", "UDP bind", "UDP close"]


class Report:
    """The answer of `doctor --json`: checks by name, and the verdict."""

    def __init__(self, result):
        self.result = result
        records = [json.loads(line) for line in result.stdout.splitlines()]
        self.verdict = records.pop()
        self.checks = {record["name"]: record for record in records}

    def state(self, name):
        return self.checks[name]["state"]

    def section(self, name):
        return {check["name"]: check["state"] for check in self.checks.values() if check["section"] == name}


def doctor(setup=None, wrap=()):
    if setup:
        return Report(test_errors.in_mount_namespace(setup, "doctor", "--json", wrap=wrap))
    return Report(
        subprocess.run(
            [*wrap, live.SOCKTRACE, "doctor", "--json"],
            capture_output=True, text=True, timeout=live.DEADLINE_S, stdin=subprocess.DEVNULL,
        )
    )


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


class Doctor(unittest.TestCase):
    def judge(self, report, status, verdict):
        self.assertEqual(report.result.returncode, status, report.result.stdout + report.result.stderr)
        self.assertEqual((report.verdict["verdict"], report.verdict["status"]), (verdict, status), report.result.stdout)
        self.assertEqual(report.result.stderr, "")
        for check in report.checks.values():
            if check["state"] == "works":
                self.assertFalse({"cost", "fix"} & check.keys(), check)
            elif check["section"] != "self-test":
                self.assertTrue(check.get("found"), check)

    def test_everything_that_happens_is_seen(self):
        report = doctor()
        self.assertEqual(report.result.returncode, 0, report.result.stdout)
        self.assertEqual(report.section("self-test"), dict.fromkeys(STEPS, "works"))
        self.assertIn(report.verdict["verdict"], ("works", "reduced"))

    def test_it_lists_the_hooks_of_the_verbose_ready_line(self):
        report = doctor()
        verbose = live.run("--listen", "--for", "1ms", "--verbose").stderr
        hooks = dict(re.findall(r"^socktrace: hook (\S+): (attached|off)", verbose, re.M))
        states = report.section("hooks")
        results = states.pop("bind, listen, accept results")
        self.assertEqual(states, {name: {"attached": "works"}.get(state, state) for name, state in hooks.items()})
        self.assertEqual(results, "works" if "fexit/__sys_bind" in hooks else "off")

    def test_text_says_what_is_off_what_it_costs_and_what_to_do(self):
        full = live.run("doctor")
        self.assertEqual(full.returncode, 0, full.stderr)
        self.assertRegex(full.stdout, r"(?m)^privileges\n  works    CAP_BPF$")
        self.assertRegex(full.stdout, r"(?m)^self-test\n  works    bind +seen$")
        self.assertRegex(full.stdout.splitlines()[-1], "^tracing works")
        quiet = live.run("doctor", "-q")
        self.assertNotRegex(quiet.stdout, "(?m)^  works")
        self.assertEqual(quiet.stdout.splitlines()[-1], full.stdout.splitlines()[-1])

    def test_nobody_gets_a_useful_answer(self):
        report = doctor(wrap=NOBODY)
        self.judge(report, 3, "privileges")
        self.assertEqual(report.state("CAP_BPF"), "missing")
        self.assertIn("sudo", report.checks["CAP_BPF"]["fix"])
        self.assertEqual(report.state("TCP"), "works")
        self.assertEqual(report.section("self-test"), dict.fromkeys(STEPS, "untested"))

    def test_each_capability_that_is_missing_is_named(self):
        for capability in ("net_admin", "sys_admin", "sys_ptrace"):
            with self.subTest(capability):
                report = doctor(wrap=["setpriv", f"--bounding-set=-{capability}"])
                name = f"CAP_{capability.upper()}"
                self.assertNotEqual(report.state(name), "works")
                self.assertIn(name, report.checks[name]["fix"])

    def test_without_btf_tracing_does_not_work(self):
        report = doctor("mount -t tmpfs none /sys/kernel/btf")
        self.judge(report, 4, "unavailable")
        self.assertEqual(report.state("BTF"), "missing")
        self.assertIn("CONFIG_DEBUG_INFO_BTF", report.checks["BTF"]["fix"])

    def test_btf_that_is_no_btf_is_said(self):
        report = doctor("mount --bind /dev/null /sys/kernel/btf/vmlinux")
        self.judge(report, 4, "unavailable")
        self.assertEqual((report.state("BTF"), report.checks["BTF"]["found"]), ("missing", "/sys/kernel/btf/vmlinux is not BTF"))

    def test_without_proc_tracing_does_not_work(self):
        report = doctor("mount -t tmpfs none /proc")
        self.judge(report, 4, "unavailable")
        self.assertEqual(report.state("/proc"), "missing")
        why = test_errors.in_mount_namespace("mount -t tmpfs none /proc", "why", "22")
        self.assertEqual((why.returncode, why.stdout), (4, ""))
        self.assertIn("mount -t proc", why.stderr)

    def test_sys_admin_attaches_cgroup_hooks_without_net_admin(self):
        report = doctor(wrap=["setpriv", "--bounding-set=-net_admin"])
        self.judge(report, 0, "reduced")
        self.assertEqual(report.state("CAP_NET_ADMIN"), "off")
        self.assertNotIn("cgroup", report.checks["CAP_NET_ADMIN"]["cost"])

    def test_without_cgroup2_what_is_lost_is_not_seen(self):
        report = doctor(live.HIDE_CGROUP2, wrap=live.HIDE_PARENTS)
        self.judge(report, 0, "reduced")
        self.assertEqual(report.state("cgroup2"), "off")
        self.assertIn("mount -t cgroup2", report.checks["cgroup2"]["fix"])
        self.assertEqual(report.state("cgroup/bind4"), "off")
        self.assertEqual(report.checks["cgroup/bind4"]["cost"], "failed IPv4 binds are not seen")
        steps = report.section("self-test")
        self.assertEqual([name for name in steps if steps[name] == "off"], ["failed bind", "UDP close"])

    def in_a_cgroup_namespace(self, *wrap):
        group = f"{live.cgroup2_mount()}/doctor-{os.getpid()}"
        try:
            os.mkdir(group)
        except OSError:
            self.skipTest("no cgroup can be made here")
        self.addCleanup(os.rmdir, group)
        inside = live.HIDE_CGROUP2 + "; mount -t cgroup2 none /mnt; exec \"$@\""
        enter = ["sh", "-ec", f"echo $$ > {group}/cgroup.procs; exec \"$@\"", "sh", "unshare", "--cgroup", "sh", "-ec", inside, "sh"]
        return doctor("true", wrap=[*enter, *wrap])

    def test_in_a_cgroup_namespace_of_its_own(self):
        report = self.in_a_cgroup_namespace(*live.HIDE_PARENTS)
        self.judge(report, 0, "reduced")
        self.assertIn("--cgroupns=host", report.checks["cgroup2"]["fix"])
        self.assertEqual(report.state("cgroup/bind4"), "off")

    def test_in_a_cgroup_namespace_with_the_processes_of_the_host(self):
        report = self.in_a_cgroup_namespace()
        self.assertRegex(report.checks["cgroup2"]["found"], "^/proc/[0-9]+/root/")
        self.assertEqual((report.state("cgroup2"), report.state("cgroup/bind4")), ("works", "works"))
        self.assertEqual(report.section("self-test"), dict.fromkeys(STEPS, "works"))

    def test_without_tracefs_and_the_right_to_mount_it(self):
        report = doctor(test_errors.Degraded.HIDE_TRACEFS, wrap=["setpriv", "--bounding-set=-sys_admin"])
        self.assertEqual(report.result.returncode, 0, report.result.stdout)
        self.assertEqual(report.state("tracefs"), "off")
        self.assertIn("mount -t tracefs", report.checks["tracefs"]["fix"])
        fexit = "fexit/__sys_bind" in report.checks
        self.assertEqual(report.state("accept"), "works" if fexit else "off")
        self.assertEqual(report.state("listen"), "works")

    def test_without_loopback_nothing_is_proven(self):
        report = doctor(wrap=["unshare", "--net"])
        self.judge(report, 0, "unproven")
        self.assertIn("Network is unreachable", report.verdict["text"])
        self.assertEqual(report.section("self-test"), dict.fromkeys(STEPS, "untested"))

    def test_a_hidden_proc_is_said(self):
        report = doctor("mount -t proc -o hidepid=2 proc /proc", wrap=NOBODY)
        self.assertEqual(report.state("/proc"), "off")
        self.assertIn("hidepid", report.checks["/proc"]["found"])

    def test_a_pid_namespace_of_its_own_is_said(self):
        report = doctor(wrap=["unshare", "--pid", "--fork", "--mount-proc"])
        self.assertEqual(report.state("/proc"), "off")
        self.assertIn("pid namespace", report.checks["/proc"]["found"])

    def test_unknown_words_are_usage(self):
        result = live.run("doctor", "--fast")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--fast", result.stderr)


if __name__ == "__main__":
    unittest.main()
