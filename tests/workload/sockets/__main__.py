"""A seeded random workload of every kind of socket operation, in several processes.

    unshare --net python3 tests/workload/sockets SEED OPERATIONS [QUIET_EVERY]

prints its ledger as JSON lines: what must have been seen to happen, to which socket, by whom. After every QUIET_EVERY
operations nothing is under way: it prints {"quiet": ..., "sockets": ...}, who holds which socket, and waits for a line
on standard input.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(__file__))

from binds import BindOperations
from local import UnixOperations
from operations import TcpOperations
from others import DatagramOperations, OwnerOperations
from world import FIRST_AGENTS, World

MOST_SOCKETS = 120


class Workload(TcpOperations, BindOperations, DatagramOperations, UnixOperations, OwnerOperations, World):
    def __init__(self, seed, out):
        self.first_agents = FIRST_AGENTS
        self.waiting = []  # connects that time out
        self.used_ports = set()
        super().__init__(seed, out)
        self.kinds = sorted(name for name in dir(self) if name.startswith("op_"))
        self.rare = {"op_execute", "op_exit", "op_fork", "op_connect_times_out", "op_backlog_overflows"}

    def step(self):
        self.operation += 1
        if len(self.sockets) > MOST_SOCKETS:
            kinds = [name for name in self.kinds if "close" in name or name == "op_exit"]
        else:
            kinds = self.kinds
        name = self.random.choices(kinds, [0.2 if kind in self.rare else 1 for kind in kinds])[0]
        self.write({"does": name.removeprefix("op_")})
        getattr(self, name)()

    def quiet(self):
        self.timed_out()
        held = [
            {
                "cookie": sock.cookie,
                "kind": sock.kind,
                "state": sock.state,
                "local": sock.local,
                "holders": sorted([self.pids[slot], fd] for slot, fd in sock.holders),
                "touched": sock.touched,
            }
            for sock in self.sockets
        ]
        self.write({"quiet": self.operation, "sockets": held})
        self.out.flush()
        if not sys.stdin.readline():
            sys.exit(0)
        for sock in self.sockets:
            sock.touched = False
            if sock.state not in ("closed", "over", "spent"):
                sock.moved = False  # by now it has been looked up

    def end(self):
        for slot in self.pids:
            self.kill(slot)


def main():
    seed, operations = sys.argv[1], int(sys.argv[2])
    every = int(sys.argv[3]) if len(sys.argv) > 3 else 500
    workload = Workload(seed, sys.stdout)
    try:
        workload.quiet()
        while workload.operation < operations:
            workload.step()
            if workload.operation % every == 0 or workload.operation == operations:
                workload.quiet()
    finally:
        workload.end()


main()
