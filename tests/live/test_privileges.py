"""What a running tracer may still do: the capabilities and system calls that the manual lists, and no others."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from support.live import DEADLINE_S, SOCKTRACE, Tracer, enter_network_namespace, listener, wait_until  # noqa: E402

CAPABILITIES = {"DAC_OVERRIDE": 1 << 1, "DAC_READ_SEARCH": 1 << 2, "SYS_PTRACE": 1 << 19, "SYS_ADMIN": 1 << 21, "BPF": 1 << 39}
FEW = ["bpf", "perfmon", "net_admin"]
NOBODY = 65534


def setUpModule():
    enter_network_namespace()


def status(pid, thread=None):
    """The fields of /proc/PID/status, or of one of its threads."""
    path = f"/proc/{pid}/status" if thread is None else f"/proc/{pid}/task/{thread}/status"
    with open(path) as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def capabilities(fields, which):
    bits = int(fields[which], 16)
    names = {name for name, bit in CAPABILITIES.items() if bits & bit}
    return names if sum(CAPABILITIES[name] for name in names) == bits else names | {f"{bits:#x}"}


def records(path):
    with contextlib.suppress(FileNotFoundError):
        with open(path) as file:
            return [json.loads(line) for line in file if line.endswith("\n")]
    return []


def fail_to_bind():
    """A listener, and a bind beside it that fails. Its port."""
    with listener() as held, socket.socket() as asking:
        with contextlib.suppress(OSError):
            asking.bind(held.getsockname())
        return held.getsockname()[1]


def connect_and_reset(held, times=50):
    """Events that leave no row in TIME_WAIT: a file is only put aside when it is several times its keyframe."""
    for _ in range(times):
        with socket.create_connection(held.getsockname()) as connected:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            held.accept()[0].close()


class Directory(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        os.chmod(self.directory, 0o755)
        self.log = os.path.join(self.directory, "socktrace.jsonl")

    def ports_in(self, path, event):
        return {r["network"]["local"]["port"] for r in records(path) if r.get("event") == event}

    def compressed(self):
        return [name for name in os.listdir(self.directory) if name.endswith(".zst")]

    def see_a_failed_bind(self, path):
        port = fail_to_bind()
        wait_until(lambda: port in self.ports_in(path, "bind.failed"), f"bind.failed of port {port} in {path}")

    def check_that_all_goes_on(self, tracer):
        """Events, comparing with the kernel, rotation: as before."""
        self.see_a_failed_bind(self.log)
        with listener() as held:
            tracer.signal(signal.SIGUSR1)
            tracer.wait(lambda: any("compared with the kernel" in m for m in tracer.messages), "comparison")
            self.assertIn("0 missing, 0 ghosts, 0 wrong", tracer.messages[-1])
            wait_until(lambda: held.getsockname()[1] in self.ports_in(self.log, "tcp.listen"), "listener")
            os.rename(self.log, self.log + ".1")
            tracer.signal(signal.SIGHUP)
            wait_until(lambda: any(r["k"] == "key" and r["part"] == "end" for r in records(self.log)), "keyframe in the new file")
            rows = [r for r in records(self.log) if r.get("k") == "sock"]
            mine = [r for r in rows if r["network"]["local"]["port"] == held.getsockname()[1]]
            self.assertEqual([owner["pid"] for owner in mine[0]["owners"]], [os.getpid()])
        self.see_a_failed_bind(self.log)


class Recorder(Directory):
    def test_it_keeps_what_the_manual_lists(self):
        with Tracer("record", "-o", self.log) as tracer:
            self.check_that_all_goes_on(tracer)  # also starts the threads that sync and compress
            for thread in os.listdir(f"/proc/{tracer.process.pid}/task"):
                fields = status(tracer.process.pid, thread)
                for which in ("CapPrm", "CapEff", "CapBnd"):
                    self.assertLessEqual(capabilities(fields, which), {"SYS_PTRACE", "SYS_ADMIN", "BPF"}, which)
                    self.assertEqual("BPF" in capabilities(fields, which), os.uname().release.startswith("5.10."))
                for which in ("CapInh", "CapAmb"):
                    self.assertEqual(capabilities(fields, which), set(), which)
                self.assertEqual(fields["NoNewPrivs"], "1")
                self.assertEqual(fields["Seccomp"], "2")
            self.assertEqual(resource.prlimit(tracer.process.pid, resource.RLIMIT_CORE), (0, 0))

    def test_a_log_in_a_directory_of_somebody_else_is_still_rotated(self):
        os.chown(self.directory, NOBODY, NOBODY)
        with Tracer("record", "-o", self.log) as tracer:
            self.assertIn("DAC_OVERRIDE", capabilities(status(tracer.process.pid), "CapEff"))
            self.check_that_all_goes_on(tracer)

    @unittest.skipIf(os.getpriority(os.PRIO_PROCESS, 0), "somebody has chosen a nice value for the tests")
    def test_it_goes_before_others_and_compresses_after_them(self):
        with Tracer("record", "-o", self.log, "--max-size", "64KiB") as tracer, listener() as held:
            wait_until(lambda: self.compressed() or connect_and_reset(held), "compressed file")
            threads = {int(thread) for thread in os.listdir(f"/proc/{tracer.process.pid}/task")}
            nice = {thread: os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}
        self.assertEqual(nice.pop(tracer.process.pid), -4)
        self.assertEqual(max(nice.values()), 5)
        self.assertLessEqual(set(nice.values()), {-4, 5})

    def test_a_nice_value_that_was_chosen_for_it_stays(self):
        with Tracer("record", "-o", self.log, prefix=["nice", "-n", "3"]) as tracer:
            self.assertEqual(os.getpriority(os.PRIO_PROCESS, tracer.process.pid), os.getpriority(os.PRIO_PROCESS, 0) + 3)

    @unittest.skipUnless(shutil.which("strace"), "no strace here")
    def test_none_of_its_system_calls_is_refused(self):
        trace = os.path.join(self.directory, "strace")
        with Tracer("record", "-o", self.log, "--max-size", "64KiB") as tracer:
            strace = subprocess.Popen(
                ["strace", "-f", "-o", trace, "-p", str(tracer.process.pid)], stderr=subprocess.PIPE, text=True
            )
            self.assertIn("attached", strace.stderr.readline())
            self.check_that_all_goes_on(tracer)
            with listener() as held:
                wait_until(lambda: self.compressed() or connect_and_reset(held), "compressed file")
            self.assertEqual(tracer.stop(), 0)
            strace.communicate(timeout=DEADLINE_S)
        with open(trace) as file:
            lines = file.read().splitlines()
        calls = {m.group(1) for m in (re.match(r"\d+ +(\w+)\(", line) for line in lines) if m}
        self.assertLessEqual({"bpf", "openat", "epoll_wait", "write", "renameat2"}, calls)
        self.assertEqual([line for line in lines if " EPERM " in line], [])
        # libc asks for its threads by clone3() first, and by clone() when there is none.
        self.assertEqual([line for line in lines if "clone3(" in line and "ENOSYS" not in line and "unfinished" not in line], [])
        forbidden = {"execve", "ptrace", "mount", "fork", "vfork", "perf_event_open", "capset", "prctl", "chmod"}
        self.assertEqual(calls & forbidden, set())


@unittest.skipUnless(shutil.which("setpriv"), "no setpriv here")
class Nobody(Directory):
    """A user who is not root, with a few ambient capabilities, and readers with none."""

    def setUp(self):
        super().setUp()
        self.program = os.path.join(self.directory, "socktrace")
        shutil.copy(SOCKTRACE, self.program)
        os.chmod(self.program, 0o755)

    def as_nobody(self, *caps, user=NOBODY):
        command = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups"]
        if caps:
            plus = ",".join("+" + name for name in caps)
            command += ["--inh-caps", plus, "--ambient-caps", plus]
        return [*command, self.program]

    def test_three_capabilities_suffice_and_none_is_left(self):
        os.chown(self.directory, NOBODY, NOBODY)
        caps = FEW + (["sys_resource"] if os.uname().release.startswith("5.10.") else [])
        *prefix, program = self.as_nobody(*caps)
        with Tracer("record", "-o", self.log, "--bind-result=infer", prefix=prefix, program=program) as tracer:
            fields = status(tracer.process.pid)
            self.assertEqual(fields["Uid"].split(), [str(NOBODY)] * 4)
            left = {"BPF"} if os.uname().release.startswith("5.10.") else set()
            for which in ("CapPrm", "CapEff"):
                self.assertEqual(capabilities(fields, which), left, which)
            self.check_that_all_goes_on(tracer)
        self.assertEqual(os.stat(self.log).st_uid, NOBODY)

    def test_its_log_tells_what_could_not_be_recorded(self):
        os.chown(self.directory, NOBODY, NOBODY)
        caps = FEW + (["sys_resource"] if os.uname().release.startswith("5.10.") else [])
        *prefix, program = self.as_nobody(*caps)
        with Tracer("record", "-l", "-o", self.log, prefix=prefix, program=program, everywhere=True):
            self.see_a_failed_bind(self.log)
        began = subprocess.run([SOCKTRACE, "log", "--from", self.log], capture_output=True, text=True).stdout.splitlines()[1]
        self.assertRegex(began, r"RECORDER +began on .*; off: .*network namespaces \(this one only: others need CAP_SYS_ADMIN\)")

    def test_where_no_thread_is_to_be_had_it_does_all_by_itself(self):
        alone = 64_123  # who has no other process
        os.chown(self.directory, alone, alone)
        caps = FEW + (["sys_resource"] if os.uname().release.startswith("5.10.") else [])
        *prefix, program = self.as_nobody(*caps, user=alone)
        prefix = ["prlimit", "--nproc=1:1", *prefix]
        with Tracer("record", "-o", self.log, "--bind-result=infer", prefix=prefix, program=program) as tracer:
            self.assertEqual(os.listdir(f"/proc/{tracer.process.pid}/task"), [str(tracer.process.pid)])
            self.check_that_all_goes_on(tracer)
            self.assertEqual(tracer.stop(), 0)
        self.assertEqual(records(self.log)[-1]["k"], "trailer")

    def test_without_either_of_two_nothing_is_traced_and_it_is_named(self):
        for missing in ("bpf", "perfmon"):
            few = [name for name in FEW if name != missing]
            done = subprocess.run(
                [*self.as_nobody(*few), "--no-table", "--for", "1s"], capture_output=True, text=True, timeout=DEADLINE_S
            )
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("CAP_" + missing.upper(), done.stderr)

    def test_logs_are_read_without_any(self):
        with Tracer("record", "-o", self.log):
            self.see_a_failed_bind(self.log)
        os.chmod(self.log, stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        for words in (["log", "--from", self.log], ["ss", "--from", self.log, "-tanp"], ["exposed", "--from", self.log]):
            done = subprocess.run([*self.as_nobody(), *words], capture_output=True, text=True, timeout=DEADLINE_S)
            self.assertIn(done.returncode, (0, 1), done.stderr)  # 1: nothing is exposed
        self.assertIn("BIND FAILED", subprocess.run([*self.as_nobody(), "log", "--from", self.log], capture_output=True, text=True).stdout)


if __name__ == "__main__":
    unittest.main()
