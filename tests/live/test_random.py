"""A seeded random workload: at every quiet point the table is what ss and the workload say, and every event is told once.

The workload runs in two network namespaces at a time, the same one in both: the same ports and addresses are other sockets.
A unix socket that was only made is told by nothing, nor on some hosts that one is closed: the comparison finds these.
RANDOM_SEEDS="1-50" and RANDOM_OPERATIONS=2000 make it a long run; RANDOM_KEEP=DIR keeps ledgers and log of each seed.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import blind_spots
import ledger
import live

WORKLOAD = os.path.join(os.path.dirname(__file__), "../workload/sockets")
SEEDS = os.environ.get("RANDOM_SEEDS", "1-3")
OPERATIONS = int(os.environ.get("RANDOM_OPERATIONS", "300"))
NAMESPACES = int(os.environ.get("RANDOM_NAMESPACES", "2"))
QUIET_EVERY = int(os.environ.get("RANDOM_QUIET_EVERY", "100"))
KEEP = os.environ.get("RANDOM_KEEP")
COMPARED = "compared with the kernel: "

STATES = {
    "ESTAB": "established", "LISTEN": "listen", "UNCONN": "closed", "SYN-SENT": "syn_sent", "SYN-RECV": "syn_received",
    "FIN-WAIT-1": "fin_wait_1", "FIN-WAIT-2": "fin_wait_2", "TIME-WAIT": "time_wait", "CLOSE-WAIT": "close_wait",
    "LAST-ACK": "last_ack", "CLOSING": "closing",
}  # fmt: skip


def seeds():
    for part in SEEDS.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


class Workload:
    """In a network namespace of its own, which its maker enters too."""

    def __init__(self, seed):
        live.enter_network_namespace()
        self.namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.inode = os.fstat(self.namespace).st_ino
        self.process = subprocess.Popen(
            [sys.executable, WORKLOAD, str(seed), str(OPERATIONS), str(QUIET_EVERY)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lines = []
        self.touched = set()
        self.unseen = set()  # that a timer ended when nobody could see it
        self.compared = set()  # in the table at the last quiet point

    def ss_rows(self):
        live.enter(self.namespace)
        return ss_rows()

    def full_in_fin_wait_2(self):
        """Cookies of the full sockets: a mini-socket has a timewait timer."""
        live.enter(self.namespace)
        lines = subprocess.run(["ss", "-Htnoe", "state", "fin-wait-2"], capture_output=True, text=True, check=True).stdout.splitlines()
        return {cookie_of_ss(line.split()) for line in lines if "timer:(timewait" not in line}

    def own(self, records):
        return [r for r in records if r["socket"].get("netns") == self.inode]

    def quiet(self):
        """Reads on to the next quiet point: the sockets as they must be, or nothing when it has ended."""
        for text in self.process.stdout:
            line = json.loads(text)
            self.lines.append(line)
            if "quiet" in line:
                return line
        return None

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def events(self):
        return [line for line in self.lines if "event" in line]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.namespace)
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.wait(timeout=live.DEADLINE_S) not in (0, -signal.SIGPIPE):
            raise AssertionError("the workload failed")


def end(text):
    address, _, port = text.rpartition(":")
    address = address.strip("[]").split("%")[0].replace("*", "::")
    return address, 0 if port == "*" else int(port) if port.isdigit() else port


def row(transport, state, local, peer):
    """Where nobody is at the other end ss shows a wildcard."""
    return transport, state, local, peer if peer[1] != 0 else ("", 0)


def cookie_of_ss(fields):
    return int(next((f for f in fields if f.startswith("sk:")), "sk:0")[3:], 16)


def ss_rows():
    """By cookie; ss reads raw sockets from /proc/net/raw, without one."""
    rows = {}
    for table in ("-Htuwane", "-HMane"):
        for line in subprocess.run(["ss", table], capture_output=True, text=True, check=True).stdout.splitlines():
            fields = line.split()
            if table == "-HMane":
                fields.insert(0, "mptcp")
            rows.setdefault(cookie_of_ss(fields), []).append(row(fields[0], STATES[fields[1]], end(fields[4]), end(fields[5])))
    return {**rows, **unix_rows_of_ss()}


def unix_rows_of_ss():
    """By inode, negative beside the cookies of others: ss shows none of unix sockets."""
    rows = {}
    for line in subprocess.run(["ss", "-Hxan"], capture_output=True, text=True, check=True).stdout.splitlines():
        netid, state, _, _, name, inode, *_ = line.split()
        rows[-int(inode)] = [("unix", netid, STATES[state], name)]
    return rows


def unix_row(record):
    netid = {"stream": "u_str", "dgram": "u_dgr", "seqpacket": "u_seq"}[record["socket"]["type"]]
    return "unix", netid, record["network"]["connection"]["state"], record["socket"].get("name", "*")


def tracer_rows(records):
    rows = {}
    for record in records:
        network = record["network"]
        if network["transport"] == "unix":
            rows[-record["socket"]["inode"]] = [unix_row(record)]
            continue
        ends = [network.get(name, {"address": ""}) for name in ("local", "peer")]
        ends = [(e["address"], e.get("port", 0)) for e in ends]
        cookie = ledger.cookie_of(record) if network["transport"] != "raw" else 0
        rows.setdefault(cookie, []).append(row(network["transport"], network["connection"]["state"], *ends))
    return rows


class Random(unittest.TestCase):
    maxDiff = None

    def keyframe(self, tracer):
        """The table, and what its comparison with the kernel mended."""
        start, seen = len(tracer.lines), len(tracer.messages)
        tracer.signal(signal.SIGUSR1)
        tracer.wait(lambda: any(COMPARED in m for m in tracer.messages[seen:]), "the table")
        tracer.wait(lambda: any('"part":"end"' in line for line in tracer.lines[start:]), "the keyframe")
        records = [json.loads(line) for line in tracer.lines[start:]]
        return [r for r in records if r["k"] == "sock"], [r for r in records if r.get("resync")]

    def check_quiet(self, tracer, workloads, points):
        for _ in range(20):
            before = [workload.ss_rows() for workload in workloads]
            rows, repairs = self.keyframe(tracer)
            after = [workload.ss_rows() for workload in workloads]
            if before == after:
                break
        for workload, point, shown in zip(workloads, points, after):
            for fault in self.differences(tracer, workload, point, workload.own(rows), workload.own(repairs), shown):
                yield f"namespace {workload.inode}, quiet point {point['quiet']}: {fault}"

    def differences(self, tracer, workload, point, rows, repairs, shown):
        workload.touched |= {s["cookie"] for s in point["sockets"] if s["touched"]}
        for record in repairs:
            told_by_nothing = record["network"]["transport"] == "unix" or self.is_owner_repair(tracer, record, workload, point)
            if self.was_out_of_sight(tracer, record):
                workload.unseen.add(ledger.cookie_of(record))
            elif not told_by_nothing:
                yield f"repaired: {ledger.text(record)}"
        table = tracer_rows(rows)
        beyond_ss = {c for c, r in table.items() if r[0][0] in ("udplite", "icmp") or r[0][:2] == ("tcp", "closed")}
        for cookie in sorted(set(shown) | set(table)):
            if cookie not in beyond_ss and sorted(table.get(cookie, [])) != sorted(shown.get(cookie, [])):
                yield f"{cookie:x}: table {table.get(cookie)}, ss {shown.get(cookie)}"
        workload.compared = set(table)
        yield from self.check_held(rows, point)

    def is_owner_repair(self, tracer, record, workload, point):
        """Nothing tells that a descriptor was inherited, passed or closed while others are left, nor by which one a process
        has sent; and who has inherited a socket before it was in the table may be unknown for longer."""
        cookie = ledger.cookie_of(record)
        if record["event"] != "socket.owner":
            return False
        before = self.before(tracer, record)
        same_pids = before is not None and self.pids(before) == self.pids(record)
        if same_pids and any("fd" not in owner for owner in before["owners"]):
            return True
        if cookie not in workload.touched:
            return False
        touched_now = any(s["cookie"] == cookie and s["touched"] for s in point["sockets"])
        return touched_now or cookie not in workload.compared or same_pids

    def before(self, tracer, record):
        """What was told last of its socket's row: what fails does not change it."""
        cookie = json.dumps(record["socket"]["cookie"])
        events = (json.loads(line) for line in list(tracer.lines) if cookie in line and '"event":' in line and '.failed"' not in line)
        earlier = [r for r in events if r["socket"].get("cookie") == record["socket"]["cookie"] and r["seq"] < record["seq"]]
        return earlier[-1] if earlier else None

    def was_out_of_sight(self, tracer, record):
        """The delayed ACK of a FIN is a timer's, and so is the end of a connect that nobody answers. They can interrupt what
        this host hides from tracing."""
        if record["network"]["connection"].get("previous") not in ("fin_wait_1", "syn_sent"):
            return False
        before = self.before(tracer, record)
        t0_ns = int(json.loads(tracer.lines[0])["clock"]["t0_ns"])
        self.spots.look()
        unseen = before is not None and self.spots.between(t0_ns + before["t_ns"], t0_ns + record["t_ns"])
        if unseen:
            print(f"out of sight of every tracer on this host: {ledger.text(record)}", flush=True)
        return unseen

    def pids(self, record):
        return {owner["pid"] for owner in record.get("owners", [])}

    def check_held(self, rows, point):
        table = {ledger.cookie_of(r): [(0, r["network"]["connection"]["state"])] for r in rows}
        owners = {ledger.cookie_of(r): [(o["pid"], o.get("fd")) for o in r.get("owners", []) if not o.get("exited")] for r in rows}
        must_be = {"tcp": ("bound", "listen", "connected", "connecting", "own"), "udp": ("open", "connected")}
        for sock in point["sockets"]:
            cookie, holders = sock["cookie"], [tuple(h) for h in sock["holders"]]
            if cookie not in table:
                if sock["kind"] in ("raw", "ping", "unix") or sock["state"] in must_be[sock["kind"]]:
                    yield f"{cookie:x} is not in the table: {sock}"
                continue
            if table[cookie][0][1] == "time_wait" or sock["kind"] == "ping":
                continue  # of ping sockets no dump of the kernel tells
            if set(owners[cookie]) != set(holders):
                yield f"{cookie:x} owners {owners[cookie]} instead of {holders}"

    def run_seed(self, seed):
        with contextlib.ExitStack() as stack:
            self.spots = stack.enter_context(blind_spots.BlindSpots())
            workloads = [stack.enter_context(Workload(seed)) for _ in range(NAMESPACES)]
            for workload in workloads:
                workload.quiet()
            where = " or ".join(f"netns = {workload.inode}" for workload in workloads).split()
            options = ("-t", "-u", "-w", "-x", "-a", "--json", "--ring-size", "64MiB", *where)
            with live.Tracer(*options, everywhere=True) as tracer:
                faults = []
                for workload in workloads:
                    workload.go_on()
                while points := list(filter(None, [workload.quiet() for workload in workloads])):
                    faults += self.check_quiet(tracer, workloads, points)
                    if points[0]["quiet"] >= OPERATIONS:
                        break
                    for workload in workloads:
                        workload.go_on()
                waiting = [workload.full_in_fin_wait_2() for workload in workloads]
            self.keep(seed, workloads, tracer)
            records = [r for r in map(json.loads, tracer.lines) if "event" in r]
            for workload, still in zip(workloads, waiting):
                told = ledger.compare(workload.events(), workload.own(records), still, workload.unseen)
                faults += [f"namespace {workload.inode}: {fault}" for fault in told]
            if not any(" 0 lost" in message for message in tracer.messages):
                faults.append(f"not a run without losses: {tracer.messages[-2:]}")
        return faults, len(records)

    def keep(self, seed, workloads, tracer):
        if not KEEP:
            return
        files = [(f"{seed}.{n}.ledger", map(json.dumps, workload.lines)) for n, workload in enumerate(workloads)]
        for name, lines in [*files, (f"{seed}.log", tracer.lines)]:
            with open(os.path.join(KEEP, name), "w") as file:
                file.writelines(line + "\n" for line in lines)

    def test_every_quiet_point_and_every_event_is_exact(self):
        for seed in seeds():
            with self.subTest(seed=seed):
                start = time.monotonic()
                faults, told = self.run_seed(seed)
                print(f"seed {seed}: {OPERATIONS} operations, {told} events, {len(faults)} faults, {time.monotonic() - start:.1f} s", flush=True)
                if faults:
                    self.fail("\n".join([f"{len(faults)} faults", *faults[:60]]))


class BlindSpotsOfATrace(unittest.TestCase):
    WAKE = "  <idle>-0     [001] dNh4.  10.000001: sched_wakeup: comm=hidden pid=68 prio=120 target_cpu=001"
    LATER = "  <idle>-0     [001] dNh4.  10.000900: sched_wakeup: comm=a pid=7 prio=120 target_cpu=001"

    def switch(self, micros, before, after):
        return f"  a-1  [001] d..2.  10.{micros:06}: sched_switch: prev_comm=a prev_pid={before} prev_prio=120 prev_state=S ==> next_comm=b next_pid={after} next_prio=120"

    def test_a_task_that_was_left_without_having_been_gone_to_follows_one(self):
        trace = [self.switch(1, 7, 68), self.switch(5, 9, 7), self.switch(6, 7, 9)]
        self.assertEqual(blind_spots.find(trace), [(10_000_001_000, 10_000_005_000)])

    def test_a_task_that_was_woken_and_never_left_is_one(self):
        self.assertEqual(blind_spots.find([self.WAKE, self.LATER]), [(10_000_001_000, 10_000_900_000)])

    def test_a_task_that_was_woken_and_left_is_none(self):
        self.assertEqual(blind_spots.find([self.WAKE, self.switch(2, 0, 68), self.switch(3, 68, 0)]), [])

    def test_nothing_is_concluded_across_lost_events(self):
        self.assertEqual(blind_spots.find([self.switch(1, 7, 68), "CPU:1 [LOST 9 EVENTS]", self.switch(5, 9, 7)]), [])


if __name__ == "__main__":
    unittest.main()
