"""The parts alone, without kernel and disk, by Google Benchmark; and memory for each socket of the table (P7)."""

import json
import subprocess

from harness import MICRO

P7_BYTES = 256


def bench(report, seconds=0.2):
    ended = subprocess.run([MICRO, "--benchmark_format=json", f"--benchmark_min_time={seconds}"], capture_output=True, text=True, check=True)
    for result in json.loads(ended.stdout)["benchmarks"]:
        name = result["name"]
        if "bytes_per_socket" in result:
            held = result["bytes_per_socket"] <= P7_BYTES
            if name.endswith("/1000000"):
                report.add("P7 memory per socket, 1,000,000", f"<= {P7_BYTES} B", f"{result['bytes_per_socket']:.0f} B", held,
                           bytes=result["bytes_per_socket"])
                continue
        report.tell(name, f"{1e9 / result['items_per_second']:.0f} ns each, {result['items_per_second'] / 1e6:.2f} M/s",
                    items_per_second=result["items_per_second"], bytes_per_socket=result.get("bytes_per_socket"))
