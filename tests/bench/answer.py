"""`socktrace why` on a busy host."""

import statistics
import subprocess

from harness import HOLDER, PAIRS, SOCKTRACE, Workload, run


def bench(report):
    with Workload(HOLDER, "--sockets", "100000", "--listeners", "11", "--processes", "10"):
        listeners = subprocess.run(["ss", "-Htln"], capture_output=True, text=True, check=True).stdout.splitlines()
        port = listeners[0].split()[3].rpartition(":")[2]
        seconds = statistics.median(run([SOCKTRACE, "why", f"{port}/tcp"])[0] for _ in range(PAIRS))
    report.add("why, 100,000 sockets", "<= 0.3 s", f"{seconds:.2f} s", seconds <= 0.3, seconds=seconds)
