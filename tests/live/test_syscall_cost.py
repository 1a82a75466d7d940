"""What a system call that nobody traces costs while socktrace runs: fexit leaves it alone, tracepoints tax it."""

import contextlib
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

SYSCALL_LOOP = os.environ.get("SYSCALL_LOOP", os.path.join(os.path.dirname(__file__), "../../build/tests/syscall_loop"))
CALLS = 20_000  # in slices of some milliseconds, so that on a busy machine some of them pass undisturbed
REPEATS = 10
MOST_ROUNDS = 8  # on a machine that is never undisturbed for long


def setUpModule():
    live.enter_network_namespace()


def cost(way):
    """The least nanoseconds for a getppid() while results are learned in that way; None: without socktrace."""
    tracer = live.Tracer("--listen", "--no-table", f"--bind-result={way}") if way else contextlib.nullcontext()
    with tracer:
        loop = [SYSCALL_LOOP, str(CALLS)]
        return min(float(subprocess.check_output(loop, timeout=live.DEADLINE_S)) for _ in range(REPEATS))


class SyscallCost(unittest.TestCase):
    def test_fexit_costs_other_system_calls_nothing(self):
        if live.run("--once", "--no-header", "--bind-result=fexit").returncode == 4:
            self.skipTest("this kernel refuses fexit")
        ways = (None, "fexit", "tracepoint")
        least = dict.fromkeys(ways, float("inf"))
        for _ in range(MOST_ROUNDS):  # interleaved, and the least of each: what disturbs only adds
            for way in ways:
                least[way] = min(least[way], cost(way))
            ratios = {way: least[way] / least[None] for way in ways}
            tax = ratios["tracepoint"] - 1
            if 0 < tax and ratios["fexit"] - 1 < tax / 3:
                break
        print(f"GUEST fact an untraced getppid() costs, of what it costs without socktrace: "
              f"×{ratios['fexit']:.2f} with fexit, ×{ratios['tracepoint']:.2f} with tracepoints", flush=True)
        self.assertGreater(tax, 0, "the measure shows nothing")
        self.assertLess(ratios["fexit"] - 1, tax / 3)


if __name__ == "__main__":
    unittest.main()
