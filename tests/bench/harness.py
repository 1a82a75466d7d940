"""What the benchmarks share: pairs measured in turn, workloads, running tracers, and the figures that come out."""

import ctypes
import dataclasses
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build")
SOCKTRACE = os.path.join(BUILD, "socktrace")
HOLDER = os.path.join(BUILD, "tests/holder")
CHURN = os.path.join(BUILD, "tests/churn")
SYSCALLS = os.path.join(BUILD, "tests/syscall_loop")
RAW_DUMP = os.path.join(BUILD, "tests/raw_dump")
MICRO = os.path.join(BUILD, "tests/bench/micro_benchmarks")
PAIRS = 5
CLONE_NEWNET = 0x40000000


@dataclasses.dataclass
class Figure:
    name: str
    target: str
    measured: str
    held: bool | None  # None: there is no target, it is only told
    values: dict


class Report:
    """The figures of a run, told as they come and again as a table at the end."""

    def __init__(self):
        self.figures = []

    def add(self, name, target, measured, held, **values):
        self.figures.append(Figure(name, target, measured, held, values))

    def tell(self, name, measured, **values):
        self.add(name, "", measured, None, **values)

    @property
    def held(self):
        return all(figure.held is not False for figure in self.figures)

    def print(self):
        print(f"\n{'figure':34} {'target':34} {'measured':38} held")
        for figure in self.figures:
            held = {True: "yes", False: "NO", None: ""}[figure.held]
            print(f"{figure.name:34} {figure.target:34} {figure.measured:38} {held}".rstrip())

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump([dataclasses.asdict(figure) for figure in self.figures], file, indent=1)
            file.write("\n")


def enter_network_namespace():
    if os.geteuid() != 0 or ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        sys.exit("scripts/bench: needs root for a network namespace of its own: sudo scripts/bench")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def peer(name):
    """The path of a peer program; a message and None when it is not installed."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        print(f"  ({name} is not installed: sudo scripts/setup bench)")
    return path


def run(command, **options):
    """Seconds and peak resident KiB of a command whose output is thrown away."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **options)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic() - begin, usage.ru_maxrss


def in_turn(*measures, rounds=PAIRS):
    """Calls the measures A B A B …, after one round that does not count; the list of values of each."""
    for measure in measures:
        measure()
    values = [[] for _ in measures]
    for _ in range(rounds):
        for measure, kept in zip(measures, values, strict=True):
            kept.append(measure())
    return values


def times_faster(ours, theirs):
    """The median over the rounds of their time to ours; the machine's mood is the same within a round."""
    return statistics.median(b / a for a, b in zip(ours, theirs, strict=True))


class Workload:
    """A program of tests/workload, from its first line of output until its standard input is closed."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        if not self.process.stdout.readline():
            sys.exit(f"scripts/bench: {self.process.args[0]} did not start")
        return self

    def __exit__(self, *_):
        self.finish()

    def finish(self):
        """The rest of its output."""
        return self.process.communicate()[0]


class Tracer:
    """A tracing program, from when it is ready until it is interrupted. `messages`: its standard error so far."""

    def __init__(self, *command, ready="socktrace: ready", output=subprocess.DEVNULL, is_peer=False):
        self.command, self.ready, self.output, self.is_peer = command, ready, output, is_peer
        self.messages = []

    def __enter__(self):
        if self.is_peer:
            self.spool = tempfile.TemporaryFile()
            self.process = subprocess.Popen(self.command, stdout=self.spool, stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 30
            while not self.waits_for_events():
                if time.monotonic() > deadline or self.process.poll() is not None:
                    sys.exit(f"scripts/bench: {self.command[0]} does not begin to trace")
                time.sleep(0.02)
            return self
        self.process = subprocess.Popen(self.command, stdout=self.output, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            self.messages.append(line.rstrip())
            if self.ready in line:
                break
        else:
            sys.exit(f"scripts/bench: {' '.join(self.command)}: " + "\n".join(self.messages))
        self.reader = threading.Thread(target=lambda: self.messages.extend(line.rstrip() for line in self.process.stderr), daemon=True)
        self.reader.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        if not self.is_peer:
            self.reader.join()

    def waits_for_events(self):
        """A peer does nothing else once it has attached its programs; its headings stay in its buffer."""
        with open(f"/proc/{self.process.pid}/wchan", encoding="ascii") as file:
            return "poll" in file.read()

    def compare(self):
        """The table against the kernel: what it says of that."""
        self.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 60
        while not (said := [message for message in self.messages if "compared with the kernel" in message]):
            if time.monotonic() > deadline:
                sys.exit("scripts/bench: no answer to SIGUSR1")
            time.sleep(0.05)
        return said[-1]

    @property
    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    @property
    def cpu_ns(self):
        with open(f"/proc/{self.process.pid}/schedstat", encoding="utf-8") as file:
            return int(file.read().split()[0])

    @property
    def wakeups(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches:"))


def churn_seconds(connections=30_000):
    """Seconds for a loop of connect, accept and close on loopback."""
    with Workload(CHURN, "--connections", str(connections), "--reset") as churn:  # it has opened its listener
        begin = time.monotonic()
        made = int(churn.process.stdout.readline().split()[1])
        seconds = time.monotonic() - begin
    if made != connections:
        sys.exit(f"scripts/bench: {made} of {connections} connections were made")
    return seconds
