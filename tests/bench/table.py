"""The table: `socktrace ss` beside ss, netstat and lsof (P1, P2, P3), and how it grows."""

import statistics

from harness import HOLDER, PAIRS, RAW_DUMP, SOCKTRACE, Workload, in_turn, peer, run, times_faster

MEMORY_LIMIT_KIB = 32 * 1024


class Pairs:
    """Our command and theirs in turn, beside one or several workloads: what counts is the median over the pairs of all."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs
        self.runs = ([], [])

    def measure(self, rounds):
        measured = in_turn(lambda: run(self.ours), lambda: run(self.theirs), rounds=rounds)
        for runs, new in zip(self.runs, measured, strict=True):
            runs.extend(new)
        (seconds, peer_seconds), (memory, peer_memory), ratio = self.medians(measured)
        print(f"  {' '.join(self.ours[1:])}: {seconds:.3f} s, {memory / 1024:.1f} MiB; "
              f"{' '.join(self.theirs)}: {peer_seconds:.3f} s, {peer_memory / 1024:.1f} MiB; {ratio:.1f} times faster", flush=True)

    @staticmethod
    def medians(measured):
        times = [[seconds for seconds, _ in runs] for runs in measured]
        return [statistics.median(each) for each in times], [max(m for _, m in runs) for runs in measured], times_faster(*times)

    def report(self, report, name, at_least, memory_kib=None):
        (seconds, peer_seconds), (memory, peer_memory), ratio = self.medians(self.runs)
        target = f">= {at_least} times faster" + (f", <= {memory_kib // 1024} MiB" if memory_kib else "")
        held = ratio >= at_least and (memory_kib is None or memory <= memory_kib)
        report.add(name, target, f"{ratio:.1f} times, {memory / 1024:.1f} MiB", held,
                   seconds=seconds, peer_seconds=peer_seconds, memory_kib=memory, peer_memory_kib=peer_memory)


def beside(report, name, at_least, ours, theirs, memory_kib=None):
    pairs = Pairs(ours, theirs)
    pairs.measure(PAIRS)
    pairs.report(report, name, at_least, memory_kib)


def once(report, ours, theirs):
    """A peer that is too slow for pairs: one run each."""
    if peer(theirs[0]):
        seconds, peer_seconds = run(ours)[0], run(theirs)[0]
        report.tell(" ".join(theirs), f"{peer_seconds / seconds:.0f} times slower than {' '.join(ours[1:])}",
                    seconds=seconds, peer_seconds=peer_seconds)


def bench(report):
    print("ss: 100,000 established sockets in 10 processes", flush=True)
    connected = (HOLDER, "--sockets", "100000", "--processes", "10")
    # How long ss takes depends on where its memory and the sockets lie: by a factor of two from one workload to the next.
    owners = Pairs([SOCKTRACE, "ss", "-Htanp"], ["ss", "-Htanp"])
    for _ in range(3):
        with Workload(*connected):
            owners.measure(3)
    owners.report(report, "P1 ss -Htanp, 100,000 sockets", 25, MEMORY_LIMIT_KIB)
    with Workload(*connected):
        beside(report, "P2 ss -Htan, 100,000 sockets", 1, [SOCKTRACE, "ss", "-Htan"], ["ss", "-Htan"])
        ours, raw = in_turn(lambda: run([SOCKTRACE, "ss", "-Htan"])[0], lambda: run([RAW_DUMP])[0])
        report.tell("P2 beside the kernel's bare dump", f"{1 / times_faster(ours, raw):.2f} times as long (aim: 1.5)",
                    seconds=statistics.median(ours), dump_seconds=statistics.median(raw))
        once(report, [SOCKTRACE, "ss", "-tanp"], ["netstat", "-tanp"])
        once(report, [SOCKTRACE, "ss", "-tanp"], ["lsof", "-nP", "-iTCP"])
    print("ss: 11 listeners while others hold 100,000 descriptors", flush=True)
    with Workload(HOLDER, "--listeners", "11", "--descriptors", "100000", "--processes", "6"):
        beside(report, "P3 ss -tunlp, 11 listeners", 8, [SOCKTRACE, "ss", "-tunlp"], ["ss", "-tunlp"])


def growth(report):
    """Seconds and memory of `ss -Htanp` at 1,000, 10,000 and 100,000 sockets: ten times as many, at most about ten times as long."""
    previous = None
    for sockets in (1000, 10_000, 100_000):
        with Workload(HOLDER, "--sockets", str(sockets), "--processes", "10"):
            (runs,) = in_turn(lambda: run([SOCKTRACE, "ss", "-Htanp"]))
        seconds, memory = statistics.median(t for t, _ in runs), max(m for _, m in runs)
        ratio = "" if previous is None else f", {seconds / previous:.1f} times as long"
        report.tell(f"ss -Htanp, {sockets:,} sockets", f"{seconds:.3f} s, {memory / 1024:.1f} MiB{ratio}", seconds=seconds, memory_kib=memory)
        previous = seconds
