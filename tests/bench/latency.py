"""From the kernel's event to the line on standard output, and what waiting costs (P8)."""

import socket
import statistics
import subprocess
import time

from harness import SOCKTRACE, Tracer

LISTENS = 500
IDLE_SECONDS = 20


def bench(report):
    with Tracer(SOCKTRACE, "--listen", "--no-table", output=subprocess.PIPE) as tracer:
        latencies = []
        for _ in range(LISTENS):
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))
                begin = time.monotonic()
                listener.listen()
                line = tracer.process.stdout.readline()
                latencies.append((time.monotonic() - begin) * 1000)
                if "LISTEN" not in line:
                    raise AssertionError(f"expected a LISTEN line: {line}")
            tracer.process.stdout.readline()  # CLOSED
        # A quiet host: what is left is the tracer looking by itself.
        cpu, wakeups, begin = tracer.cpu_ns, tracer.wakeups, time.monotonic()
        time.sleep(IDLE_SECONDS)
        elapsed = time.monotonic() - begin
        share = (tracer.cpu_ns - cpu) / (elapsed * 1e9) * 100
        woken = (tracer.wakeups - wakeups) / elapsed
    latencies.sort()
    median, p99 = statistics.median(latencies), latencies[int(len(latencies) * 0.99)]
    report.add("P8 listen to its line, p99", "<= 5 ms", f"{p99:.2f} ms, median {median:.2f}", p99 <= 5, p99_ms=p99, median_ms=median)
    report.add("P8 CPU of an idle --listen", "<= 0.1 %", f"{share:.3f} %, {woken:.0f} wakeups/s", share <= 0.1, percent=share, wakeups_per_second=woken)
