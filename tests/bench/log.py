"""The log: bytes for each event, reading it, and a moment within it (P9)."""

import os
import re
import statistics
import subprocess
import tempfile
import time

from harness import CHURN, PAIRS, SOCKTRACE, Workload, run

GIB = 1 << 30


def record_churn(directory, size):
    """A log of connections at full speed, of about `size` bytes in one file."""
    path = os.path.join(directory, "socktrace.jsonl")
    recorder = subprocess.Popen([SOCKTRACE, "record", "-o", directory, "--keep", "0", "--min-free", "0", "-q",
                                 "--max-size", "0"])
    with Workload(CHURN, "--reset"):
        while not os.path.exists(path) or os.path.getsize(path) < size:
            time.sleep(0.05)
    recorder.terminate()
    recorder.wait()
    return path


def bench(report):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        path = record_churn(os.path.join(directory, "log"), GIB)
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            events = sum(line.startswith((b'{"k":"event"', b'{"k":"conn"')) for line in file)
            file.seek(size // 2)
            file.readline()
            moment = re.search(rb'"ts":"([^"]*)"', file.readline()).group(1).decode()
        # every line is decoded, and none printed
        decode = statistics.median(run([SOCKTRACE, "log", "--from", path, "-q", "--event", "snapshot.done"])[0] for _ in range(PAIRS))
        at = [run([SOCKTRACE, "ss", "--from", path, "--at", moment, "-tan"]) for _ in range(PAIRS)]
        compressed = path + ".zst"
        subprocess.run(["zstd", "-q", "-3", path, "-o", compressed], check=True)
        ratio = size / os.path.getsize(compressed)
    rate = events / decode / 1e6
    seconds, memory = statistics.median(t for t, _ in at), max(m for _, m in at)
    report.tell("bytes per event in a log", f"{size / events:.0f}, {size / events / ratio:.0f} compressed",
                bytes=size / events, compressed=size / events / ratio, events=events)
    report.add("P9 log replay", ">= 1 M events/s", f"{rate:.2f} M events/s", rate >= 1, million_events_per_second=rate)
    per_gb = seconds / (size / 1e9)
    report.add("P9 --at in 1 GB", "<= 0.5 s", f"{per_gb:.2f} s, {memory / 1024:.0f} MiB", per_gb <= 0.5, seconds=per_gb, memory_kib=memory)
