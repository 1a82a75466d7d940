"""What tracing costs those who are traced, and what it keeps up with (P4, P5, P6), beside tcpstates, tcplife and bpftrace."""

import os
import re
import signal
import statistics
import subprocess
import tempfile
import time

from harness import CHURN, SOCKTRACE, SYSCALLS, Tracer, Workload, churn_seconds, in_turn, peer, times_faster

ROUNDS = 5
CONNECTIONS = 30_000
BPFTRACE = "tracepoint:sock:inet_sock_set_state { printf(\"%d %d %d %d\\n\", args->sport, args->dport, args->oldstate, args->newstate); }"


def start(report):
    def ready():
        begin = time.monotonic()
        with Tracer(SOCKTRACE, "--listen"):
            return time.monotonic() - begin

    (times,) = in_turn(ready)
    median = statistics.median(times) * 1000
    report.add("P6 start to ready", "<= 150 ms", f"{median:.0f} ms", median <= 150, milliseconds=median)


def traced(*command, **options):
    def measure():
        with Tracer(*command, **options):
            return churn_seconds()

    return measure


def cost(report):
    """P4: the time of a loop of connections with a tracer to that without, round by round."""
    with tempfile.TemporaryDirectory() as directory:
        log = os.path.join(directory, "log.jsonl")

        def recorded():
            seconds = traced(SOCKTRACE, "-ta", "--no-table", "--log", log)()
            os.unlink(log)
            return seconds

        listening = [SOCKTRACE, "--listen"]
        names = ["socktrace, all events logged", "socktrace --listen", "... --no-connections"]
        measures = [recorded, traced(*listening), traced(*listening, "--no-connections")]
        for program in ("tcpstates", "tcplife"):
            if path := peer(program):
                names.append(program)
                measures.append(traced(path, is_peer=True))
        if path := peer("bpftrace"):
            names.append("bpftrace")
            measures.append(traced(path, "-e", BPFTRACE, is_peer=True))
        alone, *values = in_turn(churn_seconds, *measures, rounds=ROUNDS)
    for name, seconds in zip(names, values, strict=True):
        ratio = 1 / times_faster(seconds, alone)
        print(f"  {name}: a connection takes {ratio:.2f} times as long", flush=True)
        if name == names[0]:
            report.add("P4 connection loop, traced", "<= 1.10 times as long (aim 1.05)", f"{ratio:.2f} times", ratio <= 1.10, ratio=ratio)
        else:
            report.tell(f"connection loop, {name}", f"{ratio:.2f} times", ratio=ratio)


def rows(text):
    """State and both addresses of each row, whatever column its state is in."""
    found = []
    for line in text.splitlines():
        words = line.split()
        state = next(i for i, word in enumerate(words) if re.fullmatch("[A-Z][A-Z0-9-]+", word))
        found.append((words[state], *words[state + 3:state + 5]))
    return sorted(found)


def keeping_up(report, seconds=60):
    """P5: as many generators as there are cores, at full speed."""
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as directory:
        table = os.path.join(directory, "table")
        with open(table, "w", encoding="utf-8") as output, \
                Tracer(SOCKTRACE, "-N", "self", "-ta", "-H", "--log", os.path.join(directory, "log.jsonl"), output=output) as tracer:
            generators = [Workload(CHURN, "--reset", "--hold", "200") for _ in range(cores)]
            for generator in generators:
                generator.__enter__()
            memory = []
            for _ in range(4):
                time.sleep(seconds / 4)
                memory.append(tracer.resident_kib)
            for generator in generators:  # they stop, and keep what they hold
                generator.process.send_signal(signal.SIGUSR1)
            made = sum(int(generator.process.stdout.readline().split()[1]) for generator in generators)
            rest_at = os.path.getsize(table)
            compared = tracer.compare()
            theirs = subprocess.run(["ss", "-Htan"], capture_output=True, text=True, check=True).stdout
            for generator in generators:
                generator.finish()
        with open(table, encoding="utf-8") as file:
            file.seek(rest_at)
            listing = "\n".join(line for line in file.read().splitlines() if not re.match(r"\d\d:\d\d:\d\d", line))
        ours = "\n".join(line.split(" users:")[0] for line in listing.splitlines())
    lost = int(re.search(r"(\d+) lost", tracer.messages[-1]).group(1))
    repaired = sum(map(int, re.findall(r"(\d+) (?:missing|ghosts|wrong)", compared)))
    equal = rows(ours) == rows(theirs) and repaired == 0
    growth = (memory[-1] - memory[0]) / 1024
    if not equal:
        print(f"  {compared}", *sorted(set(rows(ours)) ^ set(rows(theirs)))[:5], sep="\n    ", flush=True)
    report.add("P5 full speed on all cores", "0 lost, table equals ss",
               f"{made / seconds:,.0f} conn/s: {lost} lost, {'equal' if equal else 'DIFFERENT'}", lost == 0 and equal,
               connections_per_second=made / seconds, lost=lost, repaired=repaired, compared=compared)
    report.tell("memory after a minute of that", f"{memory[-1] / 1024:.1f} MiB, {growth:+.1f} since {seconds // 4} s", resident_kib=memory)


def tax(report):
    """What a system call that has nothing to do with sockets costs more, for each way to learn results."""
    def with_mode(mode):
        def measure():
            with Tracer(SOCKTRACE, "--listen", f"--bind-result={mode}"):
                return nanoseconds()

        return measure

    def nanoseconds():
        return float(subprocess.run([SYSCALLS, "3000000"], capture_output=True, text=True, check=True).stdout)

    modes = ["tracepoint", "infer"]
    if subprocess.run([SOCKTRACE, "--listen", "--once", "--bind-result=fexit"], capture_output=True, check=False).returncode == 0:
        modes.insert(0, "fexit")
    alone, *values = in_turn(nanoseconds, *map(with_mode, modes))
    for mode, times in zip(modes, values, strict=True):
        report.tell(f"any system call, {mode}", f"{statistics.median(b - a for a, b in zip(alone, times, strict=True)):+.0f} ns "
                    f"on {statistics.median(alone):.0f}", nanoseconds=statistics.median(times), alone=statistics.median(alone))


def programs(report):
    """Run time of each BPF program per run, by the kernel's own statistics."""
    setting = "/proc/sys/kernel/bpf_stats_enabled"
    bpftool = peer("bpftool")
    if not bpftool or not os.path.exists(setting):
        return
    with open(setting, "w", encoding="utf-8") as file:
        file.write("1")
    try:
        with Tracer(SOCKTRACE, "-ta", "--no-table"):
            churn_seconds(CONNECTIONS)
            listed = subprocess.run([bpftool, "prog", "show"], capture_output=True, text=True, check=True).stdout
    finally:
        with open(setting, "w", encoding="utf-8") as file:
            file.write("0")
    found = re.findall(r"name (st_\w+) .*?run_time_ns (\d+) run_cnt (\d+)", listed)
    for name, time_ns, count in sorted(found, key=lambda entry: -int(entry[1])):
        report.tell(f"bpf {name}", f"{int(time_ns) / int(count):.0f} ns, {int(count) / CONNECTIONS:.1f} runs/connection",
                    nanoseconds=int(time_ns) / int(count), runs=int(count))
