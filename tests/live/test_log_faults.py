"""A recorder that is killed, whose files are put aside under load, and whose disk fails: no record is split, none is lost without
being counted."""

import contextlib
import errno
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live
from recordings import Directory, boottime_ns, events_of, fronts, recorder, records, texts

SEED = int(os.environ.get("SEED", "1"))
KILLS = int(os.environ.get("KILLS", "5"))  # by hand 1000
ROTATIONS = int(os.environ.get("ROTATIONS", "20"))  # by hand 100
RESUME_S = float(os.environ.get("LOG_RESUME_S", str(live.DEADLINE_S)))  # by hand 1
SO_COOKIE = 57


def setUpModule():
    live.enter_network_namespace()


class Ledger:
    """Listeners that come and go, and when each did: what a log is to tell."""

    def __init__(self):
        self.lines = []  # cookie, and the time on CLOCK_BOOTTIME when it listened
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self):
        while not self._over.wait(0.001):
            with live.listener() as sock:
                cookie = int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder)
                self.lines.append((cookie, boottime_ns()))

    def end(self):
        self._over.set()
        self._thread.join()


def listening_cookies(text):
    lines = (line for line in text.splitlines() if b'"event":"tcp.listen"' in line)
    return {int(re.search(rb'"cookie":"([0-9a-f]+)"', line)[1], 16) for line in lines}


class Kill(Directory):
    """SIGKILL at moments chosen at random, under full load."""

    RESTARTS = 4  # of one log

    @staticmethod
    def kernel_losses(lines):
        """From when to when, on CLOCK_BOOTTIME, the kernel had no room for events."""
        windows, t0_ns = [], 0
        for line in lines:
            if line["k"] == "header":
                t0_ns = int(line["clock"]["t0_ns"])
            elif line["k"] == "loss" and line["where"] == "ringbuf":
                windows.append((t0_ns + line["from_ns"], t0_ns + line["to_ns"]))
        return windows

    def kill_once(self, log, chance):
        """When the recorder was ready, when it was killed, since when what happens may be missing, and how many bytes of a line
        it left behind."""
        tracer = recorder(log)
        ready_ns = boottime_ns()
        live.pass_time(1.5 * chance.random() ** 3)  # an eighth of them after the first second
        with open(f"/proc/{tracer.process.pid}/schedstat", encoding="ascii") as file:
            waited_ns = int(file.read().split()[1])  # for a processor, on a machine that is overloaded
        killed_ns = boottime_ns()
        tracer.process.kill()
        tracer.stop()
        with open(os.path.join(log, "socktrace.jsonl"), "rb") as file:
            text = file.read()
        torn = len(text) - (text.rfind(b"\n") + 1)
        result = live.run("log", "--from", log, "-q")
        said = re.findall(r"the last line is torn, (\d+) bytes? skipped", result.stderr)
        self.assertEqual(said, [str(torn)] if torn else [])
        self.assertEqual(len(result.stderr.splitlines()), len(said), result.stderr)
        self.assertIn(result.returncode, [5] if torn else [0, 1])  # 1: not an event so far
        return ready_ns, killed_ns, killed_ns - 1_000_000_000 - waited_ns, torn, tracer.messages

    def test_killed_at_any_moment_it_reads_to_its_last_whole_record_and_is_continued(self):
        self.churn(1_000_000_000)
        chance = random.Random(SEED)
        torn_ends, oldest_ns, told, excused = 0, 0, 0, 0
        for first in range(0, KILLS, self.RESTARTS):
            log = f"{self.log}-{first}"
            ledger = Ledger()
            runs = []
            torn = 0
            try:
                for _ in range(min(self.RESTARTS, KILLS - first)):
                    ready_ns, killed_ns, unflushed_ns, torn_now, messages = self.kill_once(log, chance)
                    cut = re.findall(r"(\d+) bytes of a torn last line cut off", "\n".join(messages))
                    self.assertEqual(cut, [str(torn)] if torn else [])
                    runs.append((ready_ns, killed_ns, unflushed_ns))
                    torn = torn_now
                    torn_ends += torn > 0
            finally:
                ledger.end()
            with recorder(log):
                pass
            self.assertEqual(live.run("log", "--from", log, "-q").returncode, 0)
            cookies = set()
            lines = []
            for text in texts(log):
                cookies |= listening_cookies(text)
                lines += fronts(text)
            self.check_sequence(lines)
            windows = self.kernel_losses(lines)
            for ready_ns, killed_ns, unflushed_ns in runs:
                missing = [at for cookie, at in ledger.lines if ready_ns < at < killed_ns and cookie not in cookies]
                told += sum(ready_ns < at < killed_ns for _, at in ledger.lines) - len(missing)
                unexplained = [at for at in missing if not any(start <= at <= end for start, end in windows)]
                excused += len(missing) - len(unexplained)
                if unexplained:
                    oldest_ns = max(oldest_ns, killed_ns - min(unexplained))
                    self.assertGreater(min(unexplained), unflushed_ns)
            shutil.rmtree(log)
        print(f"{KILLS} kills: {torn_ends} torn lines; {told} listeners told, the oldest that is not was {oldest_ns / 1e6:.1f} ms old; "
              f"{excused} were lost in the kernel", file=sys.stderr)
        self.assertLess(excused, told)


class Rotation(Directory):
    def listen_steadily(self, rounds):
        """About 60 KiB of log in each round; a file is put aside between two batches only."""
        path = os.path.join(self.log, "socktrace.jsonl")

        def seen():
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(path)
                return status.st_ino, status.st_size

        for _ in range(rounds):
            before = seen()
            for _ in range(30):
                live.listener().close()
            live.wait_until(lambda: seen() not in (before, None), "batch")

    def held_files(self, tracer):
        directory = f"/proc/{tracer.process.pid}/fd"
        names = set()
        for fd in os.listdir(directory):
            with contextlib.suppress(FileNotFoundError):
                names.add(os.readlink(os.path.join(directory, fd)))
        return {name for name in names if ".jsonl" in name}

    def test_rotation_under_load_loses_nothing(self):
        with recorder(self.log, "--max-size", "128KiB", "--keep", "0") as tracer:
            self.churn(1000)
            self.listen_steadily(20)
            tracer.signal(signal.SIGHUP)
            self.listen_steadily(20)
        self.assertGreater(len(os.listdir(self.log)), 10)
        self.check_sequence(records(self.log))
        result = live.run("log", "--from", self.log, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        written = [r["seq"] for r in records(self.log) if r["k"] in ("event", "conn")]
        self.assertEqual([e["seq"] for e in events_of(result)], written)
        self.assertTrue(any(name.endswith(".zst") for name in os.listdir(self.log)))

    def reader(self, *arguments):
        """A `log --json` that nobody reads so far: it stops when the pipe is full."""
        process = subprocess.Popen([live.SOCKTRACE, "log", "--from", self.log, "--json", *arguments], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_what_is_put_aside_and_compressed_while_it_is_read_is_read(self):
        with recorder(self.log, "--max-size", "64KiB", "--keep", "0"):
            self.listen_steadily(8)
            known = {event["seq"] for event in events_of(live.run("log", "--from", self.log, "--json"))}
            process = self.reader()
            lines = [process.stdout.readline()]
            self.listen_steadily(8)
            lines += process.stdout.readlines()
        self.assertEqual((process.stderr.read(), process.wait(timeout=live.DEADLINE_S)), ("", 0))
        seqs = [json.loads(line)["seq"] for line in lines if '"event"' in line]
        written = [record["seq"] for record in records(self.log) if record["k"] in ("event", "conn")]
        self.assertEqual(seqs, written[:len(seqs)])
        self.assertLessEqual(known, set(seqs))

    def test_what_was_put_aside_while_the_reader_of_a_followed_log_rested_is_read(self):
        with recorder(self.log, "--max-size", "64KiB", "--keep", "0"):
            self.listen_steadily(2)
            process = self.reader("-f")
            first = process.stdout.readline()
            self.listen_steadily(10)
            with live.listener() as last:
                port = last.getsockname()[1]
                lines = [first]
                while f'"port":{port}' not in lines[-1]:
                    lines.append(process.stdout.readline())
        process.kill()
        seqs = [json.loads(line)["seq"] for line in lines if '"event"' in line]
        written = [record["seq"] for record in records(self.log) if record["k"] in ("event", "conn")]
        self.assertEqual(seqs, written[:len(seqs)])

    def test_keep_bounds_what_was_put_aside(self):
        with recorder(self.log, "--max-size", "128KiB", "--keep", "512KiB", "--no-compress"):
            self.listen_steadily(40)
        self.assertGreater(max(int(name[-12:-6]) for name in os.listdir(self.log) if name != "socktrace.jsonl"), 10)
        aside = sum(os.path.getsize(os.path.join(self.log, name)) for name in os.listdir(self.log) if name != "socktrace.jsonl")
        self.assertLessEqual(aside, 512 << 10)

    def test_put_aside_by_others_and_by_itself_again_and_again_under_load(self):
        """rename and SIGHUP as fast as a new file appears, and by its age: no line is split, lost or in another order."""
        path = os.path.join(self.log, "socktrace.jsonl")
        with recorder(self.log, "--max-age", "1s", "--keep", "0", "--max-size", "0") as tracer:
            end_load = self.churn(1_000_000_000)
            for number in range(ROTATIONS):
                with contextlib.suppress(FileNotFoundError):  # it was just doing so itself
                    os.rename(path, os.path.join(self.log, f"aside-{number:03}.jsonl"))
                tracer.signal(signal.SIGHUP)
                live.wait_until(lambda: os.path.exists(path) and os.path.getsize(path) > 500_000, "new file")
            end_load()
            live.wait_until(lambda: self.held_files(tracer) == {path}, "end of the files put aside")
        self.assertGreaterEqual(len(os.listdir(self.log)), ROTATIONS)
        lines = []
        for text in texts(self.log):
            self.assertTrue(text.endswith(b"\n"))
            self.assertEqual(text.count(b"\n"), sum(1 for _ in fronts(text)))
            lines += fronts(text)
        self.check_sequence(lines)
        self.assertEqual((lines[0]["k"], lines[-1]["k"]), ("header", "trailer"))
        result = live.run("log", "--from", self.log, "-q")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        print(f"{len(os.listdir(self.log))} files, {len(lines)} lines, {sum(line['k'] == 'loss' for line in lines)} losses", file=sys.stderr)


@contextlib.contextmanager
def strace(pid, *arguments, output=os.devnull):
    """Every thread of a process is under strace meanwhile."""
    with subprocess.Popen(["strace", "-f", *arguments, "-o", output, "-p", str(pid)], stderr=subprocess.PIPE, text=True) as process:
        try:
            if "attached" not in process.stderr.readline():
                raise AssertionError("strace cannot attach")
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


class Disk(Directory):
    def full_disk(self):
        os.mkdir(self.log)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", self.log], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.log], check=True)
        return os.path.join(self.log, "ballast")

    def listen_until(self, tracer, condition, what):
        """Makes events until the condition holds."""
        def step():
            for _ in range(20):
                live.listener().close()
            return condition()
        tracer.wait(step, what)

    def test_a_full_disk_is_counted_said_and_recovered_from(self):
        ballast = self.full_disk()
        with recorder(self.log, "--min-free", "0") as tracer:
            with self.assertRaises(OSError), open(ballast, "wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
            self.listen_until(tracer, lambda: any("No space left" in m for m in tracer.messages), "message")
            os.unlink(ballast)
            path = os.path.join(self.log, "socktrace.jsonl")
            size = os.path.getsize(path)
            self.listen_until(tracer, lambda: os.path.getsize(path) > size, "writing again")
        lines = records(self.log)
        self.check_sequence(lines)
        self.assertTrue([r for r in lines if r["k"] == "loss" and r["where"] == "disk"])
        self.assertRegex(tracer.messages[-1], r"not written")
        self.assertEqual(live.run("log", "--from", self.log, "--json").returncode, 0)

    def test_space_that_is_to_stay_free_stays_free(self):
        ballast = self.full_disk()
        with recorder(self.log, "--min-free", "2MiB") as tracer:
            with open(ballast, "wb") as file:
                file.write(bytes(3 << 20))
            self.listen_until(tracer, lambda: any("less than 2 MiB free" in m for m in tracer.messages), "message")
            size = os.path.getsize(os.path.join(self.log, "socktrace.jsonl"))
            for _ in range(100):
                live.listener().close()
            self.assertEqual(os.path.getsize(os.path.join(self.log, "socktrace.jsonl")), size)
            os.unlink(ballast)
            path = os.path.join(self.log, "socktrace.jsonl")
            self.listen_until(tracer, lambda: os.path.getsize(path) > size, "writing again")
        self.check_sequence(records(self.log))

    @unittest.skipUnless(shutil.which("strace"), "strace is missing")
    def test_whatever_the_error_of_a_write_it_is_counted_said_and_recovered_from(self):
        path = os.path.join(self.log, "socktrace.jsonl")
        for name in ("EIO", "EROFS", "EDQUOT", "ENOSPC"):
            with self.subTest(name), recorder(self.log, "--min-free", "0") as tracer:
                with strace(tracer.process.pid, "-P", path, "-e", f"inject=write:error={name}"):
                    began = time.monotonic()
                    said = f"event log {path}: {os.strerror(getattr(errno, name))}; tracing goes on"
                    self.listen_until(tracer, lambda: any(said in m for m in tracer.messages), "message")
                    size = os.path.getsize(path)
                    self.listen_until(tracer, lambda: time.monotonic() > began + 1, "a second of it")
                recovered_ns = boottime_ns()
                self.listen_until(tracer, lambda: os.path.getsize(path) > size, "writing again")
                tracer.stop()
                lines = records(self.log)
                self.check_sequence(lines)
                header = [line for line in lines if line["k"] == "header"][-1]
                losses = [line for line in lines if line["k"] == "loss" and line["seq"] > 1][-1:]
                self.assertEqual([loss["where"] for loss in losses], ["disk"])
                resumed_s = (int(header["clock"]["t0_ns"]) + losses[0]["to_ns"] - recovered_ns) / 1e9
                self.assertLess(resumed_s, RESUME_S)
                self.assertEqual(sum(said in m for m in tracer.messages), 1, tracer.messages)  # in 10 s
                print(f"{name}: {losses[0]['count']} lines lost, the last of them {resumed_s:.3f} s after the end of it", file=sys.stderr)
        self.assertEqual(live.run("log", "--from", self.log, "-q").returncode, 0)

    @unittest.skipUnless(shutil.which("strace"), "strace is missing")
    def test_a_slow_disk_is_left_alone_meanwhile_and_nothing_is_lost(self):
        path, calls, seconds = os.path.join(self.log, "socktrace.jsonl"), self.log + ".calls", 6
        with recorder(self.log) as tracer:
            ledger = Ledger()
            with strace(tracer.process.pid, "-P", path, "-e", "trace=write", "-e", "inject=write:delay_enter=200000", output=calls):
                live.pass_time(seconds)
            ledger.end()
        with open(calls, encoding="utf-8") as file:
            writes = sum("write(" in line for line in file)
        # Of 0.2 s each: a second of them at once, and then a fifth of the time.
        self.assertTrue(5 <= writes <= 5 + seconds + 2, writes)
        lines = records(self.log)
        self.check_sequence(lines)
        self.assertFalse([line for line in lines if line["k"] == "loss"])
        with open(path, "rb") as file:
            self.assertEqual({cookie for cookie, _ in ledger.lines} - listening_cookies(file.read()), set())

    @unittest.skipUnless(shutil.which("strace"), "strace is missing")
    def test_what_matters_is_on_disk_at_once(self):
        """fdatasync after a failed bind; file and directory when a file is put aside."""
        path = os.path.join(self.log, "socktrace.jsonl")
        calls = self.log + ".calls"
        with recorder(self.log) as tracer:
            with strace(tracer.process.pid, "-y", "-e", "trace=fsync,fdatasync", output=calls):
                with live.listener() as held, socket.socket() as asking, contextlib.suppress(OSError):
                    asking.bind(held.getsockname())
                self.wait_for_call(calls, "fdatasync", path)
                aside = os.path.join(self.log, "aside.jsonl")
                os.rename(path, aside)
                tracer.signal(signal.SIGHUP)
                self.wait_for_call(calls, "fsync", aside)
                self.wait_for_call(calls, "fsync", self.log)

    def wait_for_call(self, calls, name, path):
        def made():
            with open(calls, encoding="utf-8") as file:
                return re.search(rf"\b{name}\(\d+<{re.escape(path)}>", file.read())

        live.wait_until(made, f"{name} of {path}")

    def test_a_directory_that_everybody_may_write_to_is_refused(self):
        os.mkdir(self.log)
        os.chmod(self.log, 0o777)
        result = live.run("record", "-o", self.log, "--for", "100ms")
        self.assertEqual(result.returncode, 1)
        self.assertIn(self.log, result.stderr)


if __name__ == "__main__":
    unittest.main()
