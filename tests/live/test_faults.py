"""What breaks underneath a running tracer: it goes on, or ends with one line that says what to do; nothing stays behind."""

import json
import os
import pty
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

CHURN = os.environ.get("CHURN", os.path.join(os.path.dirname(__file__), "../../build/tests/churn"))
# The n-th bpf() call of a start that fails; by hand FAULT_BPF_CALLS=all
BPF_CALLS = os.environ.get("FAULT_BPF_CALLS", "1 2 5 12 30 60 80 100")
LISTED = re.compile(r"^socktrace: \d+ of \d+ sockets listed")


def setUpModule():
    live.enter_network_namespace()


def failed_bind(port):
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return
    raise AssertionError("the bind was to fail")


def open_and_close_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Mounts(unittest.TestCase):
    """A private mount namespace loses a file system while we run in it."""

    def start(self, *arguments):
        tracer = live.Tracer(*arguments, prefix=["unshare", "--mount", "--propagation", "private"])
        self.addCleanup(tracer.stop)
        return tracer

    def inside(self, tracer, script):
        subprocess.run(["nsenter", "--mount", "--target", str(tracer.process.pid), "sh", "-ec", script], check=True)

    def prove_that_events_flow(self, tracer):
        with live.listener() as held:
            port = held.getsockname()[1]
            failed_bind(port)
            failed = tracer.wait_events(1, "bind.failed", network__local__port=port)[0]
            self.assertEqual(failed["error"]["type"], "EADDRINUSE")
            self.assertEqual(failed["process"]["pid"], os.getpid())
        port = open_and_close_udp()
        tracer.wait_events(1, "udp.closed", network__local__port=port)

    def test_cgroup2_is_unmounted(self):
        tracer = self.start("--json", "--no-table", "-a", "-t", "-u")
        self.inside(tracer, live.HIDE_CGROUP2)
        self.prove_that_events_flow(tracer)

    def test_without_the_hook_of_releases_sock_diag_tells_the_ends_of_udp_sockets(self):
        hide = live.HIDE_CGROUP2 + '; exec "$@"'
        prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", hide, "sh", *live.HIDE_PARENTS]
        socks = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
        for sock, address in zip(socks, ("127.0.0.1", "::1")):
            sock.bind((address, 0))
        with live.Tracer("--json", "-a", "-u", prefix=prefix) as tracer:
            self.assertIn("ends of UDP sockets come from sock_diag", next(m for m in tracer.messages if "ready" in m))
            for sock in socks:
                port = sock.getsockname()[1]
                sock.close()
                closed = tracer.wait_events(1, "udp.closed", network__local__port=port)[0]
                self.assertNotIn("resync", closed)  # seen happening, not found by a comparison

    def test_mounts_that_cannot_be_read_are_read_later(self):
        prefix = ["unshare", "--mount", "--propagation", "private"]
        with live.Tracer("--json", "--no-table", "-a", "-t", "-u", prefix=prefix, everywhere=True) as tracer:
            pid = tracer.process.pid
            taken = max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1
            soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE, (taken, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            self.inside(tracer, "mount -t tmpfs none /mnt")
            tracer.signal(signal.SIGUSR1)  # needs descriptors, too: what it says comes after a look at the mounts
            tracer.wait(lambda: any("could not be compared" in m for m in tracer.messages), "refusal")
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
            self.prove_that_events_flow(tracer)

    def test_tracefs_is_unmounted(self):
        tracer = self.start("--json", "--no-table", "-a", "-t", "-u")
        self.inside(tracer, "for m in $(awk '/ - (tracefs|debugfs) / {print $5}' /proc/self/mountinfo | sort -r); do umount -l $m; done")
        self.prove_that_events_flow(tracer)

    def test_proc_is_covered(self):
        tracer = self.start("--json", "--no-table", "-a", "-t", "-u", "--audit", "100ms")
        self.inside(tracer, "mount -t tmpfs none /proc")
        self.prove_that_events_flow(tracer)


class Limits(unittest.TestCase):
    def limited(self, tracer, **limits):
        for name, value in limits.items():
            resource.prlimit(tracer.process.pid, getattr(resource, name), (value, resource.prlimit(tracer.process.pid, getattr(resource, name))[1]))

    def test_no_descriptor_is_left_for_a_comparison(self):
        with live.Tracer("-a", "-t", "-u", "--color=never") as tracer:
            soft, _ = resource.prlimit(tracer.process.pid, resource.RLIMIT_NOFILE)
            self.limited(tracer, RLIMIT_NOFILE=3)
            tracer.signal(signal.SIGUSR1)
            tracer.wait(lambda: any("could not be compared" in m for m in tracer.messages), "message")
            message = next(m for m in tracer.messages if "could not be compared" in m)
            self.assertIn("Too many open files", message)
            sock = live.listener()
            tracer.wait_line("LISTEN", f":{sock.getsockname()[1]}/tcp")  # tracing goes on
            self.limited(tracer, RLIMIT_NOFILE=soft)
            tracer.signal(signal.SIGUSR1)
            tracer.wait(lambda: any(LISTED.match(m) for m in tracer.messages), "the table")
            sock.close()
            self.assertEqual(tracer.stop(), 0)

    def test_too_few_descriptors_at_the_start(self):
        for limit in (4, 19, 64, 127, 128):
            with self.subTest(limit=limit):
                result = subprocess.run(
                    ["prlimit", f"--nofile={limit}", live.SOCKTRACE, "--listen", "--for", "100ms"],
                    capture_output=True, text=True, timeout=live.DEADLINE_S, stdin=subprocess.DEVNULL,
                )
                self.check_one_line(result)
                if limit < 128:
                    self.assertEqual(result.returncode, 4)
                    self.assertIn(f"only {limit} descriptors may be open", result.stderr)
                else:
                    self.assertEqual(result.returncode, 0, result.stderr)

    def test_too_little_memory(self):
        for mebibytes in (8, 16, 24, 40):
            with self.subTest(mebibytes=mebibytes):
                result = subprocess.run(
                    ["prlimit", f"--as={mebibytes << 20}", live.SOCKTRACE, "--listen", "--for", "100ms"],
                    capture_output=True, text=True, timeout=live.DEADLINE_S, stdin=subprocess.DEVNULL,
                )
                if "error while loading shared libraries" in result.stderr:
                    continue  # we were not asked
                self.check_one_line(result)

    def test_few_descriptors_are_enough_for_all_rows_and_owners_or_said(self):
        live.enter_network_namespace()
        with subprocess.Popen([CHURN, "--hold", "600", "--connections", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))) as churn:
            churn.stdout.readline()
            for options in ("-Htan", "-Htanp"):
                everything = live.run("ss", options).stdout
                self.assertGreater(everything.count("\n"), 1200)
                returned = set()
                for limit in (*range(4, 25), 64):
                    result = live.run("ss", options, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
                    returned.add(result.returncode)
                    if result.returncode == 0:
                        self.assertEqual((result.stdout, result.stderr), (everything, ""), limit)
                    else:
                        self.assertEqual((result.returncode, result.stdout), (1, ""), limit)
                        self.assertRegex(result.stderr, "^socktrace: .*Too many open files")
                self.assertEqual(returned, {0, 1})
            churn.stdin.close()

    def test_memory_runs_out_while_it_runs(self):
        tracer = live.Tracer("-a", "-t", "-u", "--color=never")
        # Not RLIMIT_AS: addresses that malloc has set aside for a thread are as good as memory then.
        with open(f"/proc/{tracer.process.pid}/status") as status:
            data_kib = int(re.search(r"VmData:\s+(\d+)", status.read()).group(1))
        self.limited(tracer, RLIMIT_DATA=data_kib * 1024)
        with subprocess.Popen(
            [CHURN, "--hold", "4000", "--connections", "1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (9000, 9000)),
        ) as churn:
            churn.stdout.readline()
            tracer.signal(signal.SIGUSR1)
            self.assertEqual(tracer.process.wait(timeout=live.DEADLINE_S), 1)
            churn.stdin.close()
        tracer.stop()
        self.assertRegex(tracer.messages[-1], "^socktrace: out of memory: raise the limit")

    def check_one_line(self, result):
        """Either it traces, or it says in one line why not."""
        self.assertIn(result.returncode, (0, 1, 4), result.stderr)
        if result.returncode == 0:
            self.assertIn("socktrace: ready", result.stderr)
        else:
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
            self.assertTrue(result.stderr.startswith("socktrace: "), result.stderr)


class Refusals(unittest.TestCase):
    def start_with(self, inject):
        with tempfile.NamedTemporaryFile() as trace:
            result = subprocess.run(
                ["strace", "-f", "-qq", "-o", trace.name, "-e", "trace=bpf,recvmsg", *inject, live.SOCKTRACE, "--listen", "--for", "100ms"],
                capture_output=True, text=True, timeout=live.DEADLINE_S, stdin=subprocess.DEVNULL,
            )
            return result, trace.read().decode(errors="replace")

    @unittest.skipUnless(shutil.which("strace"), "strace is missing")
    def test_the_kernel_is_out_of_memory_at_the_nth_bpf_call(self):
        _, trace = self.start_with([])
        calls = len(re.findall(r"\bbpf\(", trace))
        self.assertGreater(calls, 30)
        chosen = range(1, calls + 1) if BPF_CALLS == "all" else [n for n in map(int, BPF_CALLS.split()) if n <= calls]
        blind = degraded = 0
        for n in chosen:
            with self.subTest(call=n):
                result, trace = self.start_with(["-e", f"inject=bpf:error=ENOMEM:when={n}"])
                self.assertIn("INJECTED", trace)
                self.assertIn(result.returncode, (0, 1, 4), result.stderr)
                lines = result.stderr.splitlines()
                if result.returncode == 0:
                    ready = next(line for line in lines if line.startswith("socktrace: ready"))
                    degraded += "off" in ready
                else:
                    blind += 1
                    self.assertEqual(len(lines), 1, result.stderr)
                    # A question of libbpf about the kernel that gets no answer is one that is answered with no: then
                    # what it leaves out for that reason is refused, by another name.
                    self.assertRegex(lines[0], "^socktrace: (.*Cannot allocate memory|load BPF programs: Invalid argument)")
        print(f"bpf() fails: {calls} calls, {len(chosen)} tried, {blind} refused to start, {degraded} started with hooks off", file=sys.stderr)

    @unittest.skipUnless(shutil.which("strace"), "strace is missing")
    def test_a_dump_that_lost_messages_is_read_again(self):
        result, trace = self.start_with(["-e", "inject=recvmsg:error=ENOBUFS:when=2"])
        self.assertIn("INJECTED", trace)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("socktrace: ready", result.stderr)


class Terminal(unittest.TestCase):
    def on_a_terminal(self, *arguments):
        pid, master = pty.fork()
        if pid == 0:
            os.execv(live.SOCKTRACE, [live.SOCKTRACE, *arguments])
        text = b""
        while b"socktrace: ready" not in text:
            text += os.read(master, 65536)
        return pid, master

    def wait_for_exit(self, pid):
        def ended():
            nonlocal status
            done, status = os.waitpid(pid, os.WNOHANG)
            return done

        status = None
        try:
            live.wait_until(ended, "end although its terminal is gone")
        except AssertionError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        return os.waitstatus_to_exitcode(status)

    def test_when_the_terminal_is_gone_it_ends_although_nothing_happens(self):
        pid, master = self.on_a_terminal("--listen")
        os.close(master)
        self.assertEqual(self.wait_for_exit(pid), 0)

    def test_a_log_is_ended_in_order_when_the_terminal_is_gone(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "log")
            pid, master = self.on_a_terminal("--listen", "--log", path)
            os.close(master)
            self.assertEqual(self.wait_for_exit(pid), 0)
            with open(path) as log:
                self.assertEqual(json.loads(log.read().splitlines()[-1])["k"], "trailer")

    def test_a_reader_that_goes_away_ends_it_quietly(self):
        process = subprocess.Popen(
            [live.SOCKTRACE, "--listen"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(timeout=live.DEADLINE_S), 0)
        self.assertNotIn("pipe", process.stderr.read().lower())
        process.stderr.close()


class Instances(unittest.TestCase):
    def test_two_at_once_see_the_same(self):
        with live.Tracer("--json", "--no-table", "-a", "-t") as first, live.Tracer("--json", "--no-table", "-a", "-t") as second:
            sock = live.listener()
            port = sock.getsockname()[1]
            sock.close()
            for tracer in (first, second):
                tracer.wait_events(1, "tcp.closed", network__local__port=port)
                self.assertEqual(len(tracer.events("tcp.listen", network__local__port=port)), 1)
            self.assertEqual(second.stop(), 0)
            sock = live.listener()
            first.wait_events(1, "tcp.listen", network__local__port=sock.getsockname()[1])
            sock.close()

    def test_a_second_recorder_of_the_same_log_is_refused(self):
        with tempfile.TemporaryDirectory() as directory:
            log = os.path.join(directory, "log")
            with live.Tracer("record", "-o", log):
                result = live.run("record", "-o", log)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn("another socktrace is writing to it; use another", result.stderr)


def bpf_objects(pid):
    """{("prog", id), ("map", id), ("link", id)} that a process holds."""
    found = set()
    directory = f"/proc/{pid}/fdinfo"
    for fd in os.listdir(directory):
        try:
            with open(os.path.join(directory, fd)) as info:
                found |= {(kind, int(number)) for kind, number in re.findall(r"^(prog|map|link)_id:\s+(\d+)", info.read(), re.M)}
        except FileNotFoundError:
            pass
    return found


def exists(kind, number):
    return subprocess.run(["bpftool", kind, "show", "id", str(number)], capture_output=True).returncode == 0


@unittest.skipUnless(shutil.which("bpftool"), "bpftool is missing")
class Remains(unittest.TestCase):
    def expect_gone(self, objects):
        def gone():
            left.difference_update([one for one in left if not exists(*one)])
            return not left

        left = set(objects)
        live.wait_until(gone, lambda: f"end of {sorted(left)} in the kernel")

    def test_kill_leaves_nothing_in_the_kernel(self):
        tracer = live.Tracer("--listen")
        objects = bpf_objects(tracer.process.pid)
        self.assertGreater(len(objects), 20)
        self.assertTrue(any(exists(*one) for one in objects))
        tracer.process.kill()
        tracer.stop()
        self.expect_gone(objects)

    def test_killed_while_it_starts_it_leaves_nothing_either(self):
        for attempt in range(8):
            process = subprocess.Popen([live.SOCKTRACE, "--listen"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            objects = set()
            deadline = time.monotonic() + live.DEADLINE_S
            while len(objects) < 1 + 6 * attempt and time.monotonic() < deadline and process.poll() is None:
                objects |= bpf_objects(process.pid)
            process.kill()
            objects |= bpf_objects(process.pid) if process.poll() is None else set()
            process.wait(timeout=live.DEADLINE_S)
            self.assertTrue(objects)
            self.expect_gone(objects)


class Processes(unittest.TestCase):
    def test_a_process_that_is_gone_at_once_is_still_named(self):
        """Bind and exit, in less time than it takes to open /proc: the ledger against the events."""
        ledger = {}
        with live.Tracer("--json", "--no-table", "-a", "-t") as tracer:
            for _ in range(200):
                reader, writer = os.pipe()
                pid = os.fork()
                if pid == 0:
                    sock = socket.socket()
                    sock.bind(("127.0.0.1", 0))
                    sock.listen(1)
                    os.write(writer, str(sock.getsockname()[1]).encode())
                    os._exit(0)
                os.waitpid(pid, 0)
                ledger[int(os.read(reader, 16))] = pid
                os.close(reader)
                os.close(writer)
            tracer.wait(lambda: set(ledger) <= {live.dig(e, "network__local__port") for e in tracer.events("tcp.listen")}, "every listener")
            listens = tracer.events("tcp.listen")
        told = {live.dig(e, "network__local__port"): e["process"]["pid"] for e in listens}
        self.assertEqual({port: told.get(port) for port in ledger}, ledger)
        self.assertTrue(all(e["process"]["name"] for e in listens))


if __name__ == "__main__":
    unittest.main()
