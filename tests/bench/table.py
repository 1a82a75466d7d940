"""The table: `socktrace ss` beside ss, netstat and lsof (P1, P2, P3), and how it grows."""

import statistics

from harness import HOLDER, RAW_DUMP, SOCKTRACE, Workload, in_turn, peer, run, times_faster

MEMORY_LIMIT_KIB = 32 * 1024


def beside(report, name, at_least, ours, theirs, memory_kib=None):
    our_runs, their_runs = in_turn(lambda: run(ours), lambda: run(theirs))
    ratio = times_faster([t for t, _ in our_runs], [t for t, _ in their_runs])
    seconds, peer_seconds = (statistics.median(t for t, _ in runs) for runs in (our_runs, their_runs))
    memory, peer_memory = (max(m for _, m in runs) for runs in (our_runs, their_runs))
    print(f"  {' '.join(ours[1:])}: {seconds:.3f} s, {memory / 1024:.1f} MiB; "
          f"{' '.join(theirs)}: {peer_seconds:.3f} s, {peer_memory / 1024:.1f} MiB; {ratio:.1f} times faster", flush=True)
    target = f">= {at_least} times faster" + (f", <= {memory_kib // 1024} MiB" if memory_kib else "")
    held = ratio >= at_least and (memory_kib is None or memory <= memory_kib)
    report.add(name, target, f"{ratio:.1f} times, {memory / 1024:.1f} MiB", held,
               seconds=seconds, peer_seconds=peer_seconds, memory_kib=memory, peer_memory_kib=peer_memory)


def once(report, ours, theirs):
    """A peer that is too slow for pairs: one run each."""
    if peer(theirs[0]):
        seconds, peer_seconds = run(ours)[0], run(theirs)[0]
        report.tell(" ".join(theirs), f"{peer_seconds / seconds:.0f} times slower than {' '.join(ours[1:])}",
                    seconds=seconds, peer_seconds=peer_seconds)


def bench(report):
    print("ss: 100,000 established sockets in 10 processes", flush=True)
    with Workload(HOLDER, "--sockets", "100000", "--processes", "10"):
        beside(report, "P1 ss -Htanp, 100,000 sockets", 25, [SOCKTRACE, "ss", "-Htanp"], ["ss", "-Htanp"], MEMORY_LIMIT_KIB)
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
