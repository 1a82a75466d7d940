"""Times in which a processor runs no tracing program.

Some hosts hide a process from all tracing, and with it what interrupts it: a timer's packet that arrives meanwhile is
seen by nobody. The scheduler's tracepoints tell: such a process is woken and switched to, and never left. (When it takes
an idle processor, and that is idle again after it, the wakeup is all there is.)
"""

import os
import re
import subprocess

TRACEFS = "/sys/kernel/tracing"
EVENT = re.compile(r"\[(\d+)\].* (\d+)\.(\d{6}): ")
SWITCH = re.compile(r"sched_switch: .* prev_pid=(\d+) .* next_pid=(\d+) ")
WAKEUP = re.compile(r"sched_wakeup: .* pid=(\d+) .* target_cpu=(\d+)")


def find(lines):
    """(from, to) in ns of CLOCK_BOOTTIME, from the text of a trace: a processor left a task that it had not gone to, or
    told nothing after the wakeup of one that was never left."""
    spots, last, woken, left = [], {}, {}, set()
    asleep = []  # (pid, from, to)
    for line in lines:
        if "LOST" in line:
            last.clear()
            woken.clear()
        if not (event := EVENT.search(line)):
            continue
        cpu, seconds, micros = event.groups()
        now_ns = (int(seconds) * 1_000_000 + int(micros)) * 1000
        asleep += [(pid, since_ns, now_ns) for pid, since_ns in woken.pop(int(cpu), [])]
        if found := WAKEUP.search(line):
            woken.setdefault(int(found[2]), []).append((found[1], now_ns))
        elif found := SWITCH.search(line):
            previous, following = found.groups()
            left.add(previous)
            task, since_ns = last.get(cpu, (previous, 0))
            if task not in ("0", previous):  # of the idle task some kernels tell half
                spots.append((since_ns, now_ns))
            last[cpu] = following, now_ns
    return spots + [(since_ns, now_ns) for pid, since_ns, now_ns in asleep if pid not in left]


class BlindSpots:
    """Watches while it is entered. Where tracefs cannot be had it finds none."""

    def __init__(self):
        self.directory = f"{TRACEFS}/instances/socktrace-test-{os.getpid()}"
        self.spots = []

    def write(self, name, text):
        with open(os.path.join(self.directory, name), "w") as file:
            file.write(text)

    def __enter__(self):
        try:
            if not os.path.exists(f"{TRACEFS}/instances"):
                subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS], check=True)
            os.mkdir(self.directory)
            self.write("trace_clock", "boot")
            self.write("buffer_size_kb", "16384")
            self.write("events/sched/sched_switch/enable", "1")
            self.write("events/sched/sched_wakeup/enable", "1")
        except (OSError, subprocess.CalledProcessError):
            self.__exit__()
        return self

    def look(self):
        if os.path.isdir(self.directory):
            with open(f"{self.directory}/trace", errors="replace") as file:
                self.spots = find(file)

    def between(self, begin_ns, end_ns):
        return any(begin <= end_ns and end >= begin_ns for begin, end in self.spots)

    def __exit__(self, *_):
        if os.path.isdir(self.directory):
            os.rmdir(self.directory)
