"""The flight recorder: what `record` writes, and what `log` and `ss --from` make of it afterwards."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live
from recordings import Directory, events_of, now, recorder, records

SEED = int(os.environ.get("SEED", "1"))


def setUpModule():
    live.enter_network_namespace()


class Workload:
    """Sockets opened, connected and closed at random; a seed makes the same ones again."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.listeners, self.connections, self.datagrams = [], [], []

    def step(self):
        kind = self.random.choice(["listen", "listen", "connect", "connect", "connect", "udp", "close", "shutdown", "stop", "udp-close"])
        if kind == "listen":
            family = self.random.choice([socket.AF_INET, socket.AF_INET6])
            self.listeners.append(live.listener("127.0.0.1" if family == socket.AF_INET else "::1", family=family))
        elif kind == "connect" and self.listeners:
            listener = self.random.choice(self.listeners)
            client = socket.socket(listener.family, socket.SOCK_STREAM)
            client.connect(listener.getsockname())
            self.connections.append((client, listener.accept()[0]))
        elif kind == "udp":
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", 0))
            if self.random.random() < 0.5:
                sock.connect(("127.0.0.1", 9))
            self.datagrams.append(sock)
        elif kind == "close" and self.connections:
            for end in self.connections.pop(self.random.randrange(len(self.connections))):
                end.close()
        elif kind == "shutdown" and self.connections:
            self.random.choice(self.connections)[0].shutdown(socket.SHUT_WR)
        elif kind == "stop" and self.listeners:
            self.listeners.pop(self.random.randrange(len(self.listeners))).close()
        elif kind == "udp-close" and self.datagrams:
            self.datagrams.pop().close()

    def close(self):
        for sock in self.listeners + self.datagrams + [end for pair in self.connections for end in pair]:
            sock.close()


def ss():
    return subprocess.run(["ss", "-Htuan"], capture_output=True, text=True, check=True).stdout


def wait_quiet():
    """Until no acknowledgement is under way (they may be delayed by 200 ms), which would change a state."""
    live.wait_until(lambda: not re.search("FIN-WAIT-1|LAST-ACK|CLOSING|SYN-", ss()), lambda: "rest of the sockets: " + ss())


def rows(text):
    """State and addresses of each row, sorted: queues are of the moment, and the log has no column of them."""
    kept = []
    for line in text.splitlines():
        cells = line.split()
        kept.append(" ".join(cells[:2] + cells[4:6]))
    return sorted(kept)


class Replay(Directory):
    def test_the_table_at_twenty_moments_is_the_one_that_ss_printed_then(self):
        workload = Workload(SEED)
        moments = []
        with recorder(self.log, "--keyframes", "1s"):
            for _ in range(20):
                for _ in range(workload.random.randrange(1, 12)):
                    workload.step()
                wait_quiet()
                before = now()
                table = ss()
                moments.append((before, table))
            workload.close()
        for moment, table in moments:
            replayed = live.run("ss", "--from", self.log, "--at", moment, "-Htuan")
            self.assertEqual(rows(replayed.stdout), rows(table), f"at {moment}, SEED={SEED}\n{replayed.stderr}")
            self.assertEqual(replayed.returncode, 0 if table else 1)

    def test_owners_of_time_wait_and_of_dead_processes_are_still_known(self):
        with recorder(self.log):
            source = (
                "import socket\ns=socket.socket();s.bind(('127.0.0.1',0));s.listen()\n"
                "c=socket.create_connection(s.getsockname());a,_=s.accept()\n"
                "print(s.getsockname()[1],flush=True)\nimport sys;sys.stdin.readline()\na.close();c.recv(1);c.close()\n"
            )
            with live.Child(source) as child:
                port = int(child.line())
                alive = now()
                child.tell()
                child.process.wait()
                dead = now()
        before = live.run("ss", "--from", self.log, "--at", alive, "-Htanp", "sport", "=", f":{port}")
        self.assertIn(f'pid={child.pid},fd=', before.stdout)
        after = live.run("ss", "--from", self.log, "--at", dead, "-Htanp", "sport", "=", f":{port}")
        self.assertIn("TIME-WAIT", after.stdout)
        self.assertRegex(after.stdout, rf"last:\(\w+.*\[{child.pid}\]\)")
        self.assertNotIn("LISTEN", after.stdout)

    def test_a_moment_outside_of_the_recording_is_said(self):
        with recorder(self.log):
            with live.listener():
                pass
        early = live.run("ss", "--from", self.log, "--at", "2020-01-01")
        self.assertEqual(early.returncode, 1)
        self.assertIn("the log begins at", early.stderr)
        late = live.run("ss", "--from", self.log, "--at", now())
        self.assertIn("the recorder had stopped", late.stderr)

    def test_that_the_recorder_was_killed_is_said_of_the_time_until_it_began_anew(self):
        with recorder(self.log) as tracer:
            tracer.process.kill()
        moment = now()
        with recorder(self.log):
            pass
        result = live.run("ss", "--from", self.log, "--at", moment, "-Htln")
        self.assertIn("the recorder had stopped without an end", result.stderr)
        text = live.run("log", "--from", self.log).stdout
        self.assertRegex(text, r"! RECORDER     was heard of last: .*\n.*! RECORDER     began on")

    def test_options_that_no_log_can_serve_are_said(self):
        with recorder(self.log):
            listener = live.listener()
        result = live.run("ss", "--from", self.log, "-tlni")
        self.assertIn("not in an event log, and not shown: -i", result.stderr)
        self.assertIn("LISTEN", result.stdout)
        listener.close()
        self.assertEqual(live.run("ss", "--at", "03:00").returncode, 2)


class Service(Directory):
    def test_the_service_manager_hears_when_it_is_ready_and_when_it_stops(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "notify")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(path)
                manager.settimeout(live.DEADLINE_S)
                with live.Tracer("record", "-o", self.log, environment={"NOTIFY_SOCKET": path}):
                    self.assertEqual(manager.recv(64), b"READY=1")
                self.assertEqual(manager.recv(64), b"STOPPING=1")


class Clock(Directory):
    LIBRARY = os.environ.get("CLOCK_SHIFT_LIBRARY", os.path.join(os.path.dirname(__file__), "../../build/tests/libclock_shift.so"))

    def test_the_clock_set_back_while_recording(self):
        """A record tells the step, times go on from it, and the replay of a time that came twice is the second one."""
        shift = os.path.join(os.path.dirname(self.log), "shift")
        environment = {"LD_PRELOAD": self.LIBRARY, "CLOCK_SHIFT": shift}
        path = os.path.join(self.log, "socktrace.jsonl")
        with live.Tracer("record", "-o", self.log, environment=environment) as tracer:
            with live.listener() as before, live.listener() as stays:
                tracer.wait(lambda: f'"port":{stays.getsockname()[1]}' in open(path, encoding="utf-8").read(), "the listeners")
                with open(shift, "w", encoding="ascii") as file:
                    file.write("-100")
                tracer.wait(lambda: '"k":"clock"' in open(path, encoding="utf-8").read(), "the step")
                ports = (before.getsockname()[1], stays.getsockname()[1])
                before.close()
                with live.listener() as after:
                    tracer.wait(lambda: f'"port":{after.getsockname()[1]}' in open(path, encoding="utf-8").read(), "the one after it")
        lines = records(self.log)
        self.check_sequence(lines)
        (step,) = [record for record in lines if record["k"] == "clock"]
        self.assertLess(abs(int(step["step_ns"]) + 100_000_000_000), 1_000_000_000)
        first, _, last = [record for record in lines if record.get("event") == "tcp.listen"]
        self.assertLess(last["ts"], first["ts"])
        self.assertGreater(last["t_ns"], first["t_ns"])
        text = live.run("log", "--from", self.log)
        self.assertEqual((text.returncode, text.stderr), (0, ""))
        self.assertRegex(text.stdout, r"! CLOCK        set back by 1m[34]\d")
        replayed = live.run("ss", "--from", self.log, "--at", last["ts"], "-Htln")
        found = {int(line.split()[3].rpartition(":")[2]) for line in replayed.stdout.splitlines()}
        self.assertIn(ports[1], found)
        self.assertNotIn(ports[0], found)


class Log(Directory):
    def record_some(self):
        with recorder(self.log) as tracer:
            self.began = now()
            with live.listener() as first:
                self.port = first.getsockname()[1]
                with socket.socket() as second:
                    with self.assertRaises(OSError):
                        second.bind(("127.0.0.1", self.port))
                self.middle = now()
                with socket.create_connection(("127.0.0.1", self.port)) as client:
                    first.accept()[0].close()
                    client.recv(1)
            self.pid = os.getpid()
            self.tracer = tracer
        self.ended = now()

    def test_lines_are_those_of_trace_mode(self):
        self.record_some()
        result = live.run("log", "--from", self.log)
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stdout.splitlines()
        self.assertRegex(lines[0], r"^-- \d{4}-\d\d-\d\d --$")
        self.assertIn("! RECORDER     began on ", lines[1])
        self.assertIn("! RECORDER     ended", lines[-1])
        self.assertTrue(any(re.match(rf"\d\d:\d\d:\d\d\.\d{{6}} \+ LISTEN       127\.0\.0\.1:{self.port}/tcp", line) for line in lines))
        failed = next(i for i, line in enumerate(lines) if "x BIND FAILED" in line)
        self.assertIn("held by", lines[failed + 1])
        self.assertIn(f"[{self.pid}]", lines[failed + 1])

    def test_since_until_event_and_filter_narrow(self):
        self.record_some()
        every = events_of(live.run("log", "--from", self.log, "--json"))
        late = events_of(live.run("log", "--from", self.log, "--json", "--since", self.middle))
        early = events_of(live.run("log", "--from", self.log, "--json", "--until", self.middle))
        self.assertEqual([e["seq"] for e in every], [e["seq"] for e in early + late])
        self.assertIn("tcp.connect", {e["event"] for e in late})
        self.assertNotIn("tcp.connect", {e["event"] for e in early})
        only = events_of(live.run("log", "--from", self.log, "--json", "--event", "bind.failed,tcp.listen"))
        self.assertEqual({e["event"] for e in only}, {"bind.failed", "tcp.listen"})
        same = events_of(live.run("log", "--from", self.log, "--json", "event", "=", "bind.failed", "or", "event", "=", "tcp.listen"))
        self.assertEqual([e["seq"] for e in same], [e["seq"] for e in only])
        failed = events_of(live.run("log", "--from", self.log, "--json", "errno", "=", "EADDRINUSE", "and", "pid", "=", str(self.pid)))
        self.assertEqual([e["event"] for e in failed], ["bind.failed"])
        self.assertEqual(live.run("log", "--from", self.log, "errno", "=", "EADDRINUSE", "and", "comm", "=", "nobody*").returncode, 1)
        self.assertEqual(live.run("log", "--from", self.log, "errno", "=", "ENONSENSE").returncode, 2)
        result = live.run("log", "--from", self.log, "--json", "sport", "=", ":1")
        self.assertEqual((result.returncode, events_of(result)), (1, []))
        self.assertEqual(len(events_of(live.run("log", "--from", self.log, "--json", "sport", "=", f":{self.port}", "--event", "tcp.listen"))), 1)

    def test_json_is_the_lines_of_the_log(self):
        self.record_some()
        with open(os.path.join(self.log, "socktrace.jsonl"), encoding="utf-8") as file:
            written = [line for line in file.read().splitlines() if '"k":"event"' in line or '"k":"conn"' in line]
        printed = [line for line in live.run("log", "--from", self.log, "--json").stdout.splitlines() if '"event"' in line]
        self.assertEqual(printed, written)

    def test_follow_goes_on_with_what_is_written_and_over_a_rotation(self):
        with recorder(self.log) as tracer:
            with live.Tracer("log", "--from", self.log, "-f", "--color=never", wait_ready=False) as follower:
                follower.wait_line("RECORDER     began")
                with live.listener() as first:
                    follower.wait_line("+ LISTEN", f":{first.getsockname()[1]}/tcp")
                    os.rename(os.path.join(self.log, "socktrace.jsonl"), os.path.join(self.log, "old.jsonl"))
                    tracer.signal(signal.SIGHUP)
                    with live.listener() as second:
                        follower.wait_line("+ LISTEN", f":{second.getsockname()[1]}/tcp")

    def test_a_followed_pipe_ends_when_its_writer_does(self):
        self.record_some()
        with open(os.path.join(self.log, "socktrace.jsonl"), "rb") as file:
            piped = subprocess.run([live.SOCKTRACE, "log", "-f", "--from", "-"], input=file.read(), capture_output=True, timeout=live.DEADLINE_S)
        self.assertEqual(piped.stdout, subprocess.run([live.SOCKTRACE, "log", "--from", self.log], capture_output=True, check=True).stdout)

    def test_diff_tells_what_opened_closed_and_changed(self):
        with recorder(self.log):
            stays, goes = live.listener(), live.listener()
            client = socket.create_connection(stays.getsockname())
            accepted, _ = stays.accept()
            first = now()
            comes = live.listener()
            comes_port, goes_port = comes.getsockname()[1], goes.getsockname()[1]
            goes.close()
            client.shutdown(socket.SHUT_WR)
            second = now()
        for sock in (stays, client, accepted, comes):
            sock.close()
        result = live.run("log", "--from", self.log, "--diff", first, second, "--color=never")
        self.assertEqual(result.returncode, 1, result.stderr)
        lines = result.stdout.splitlines()
        self.assertTrue(any(l.startswith("+ tcp ") and f":{comes_port} " in l for l in lines), lines)
        self.assertTrue(any(l.startswith("- tcp ") and f":{goes_port} " in l for l in lines), lines)
        self.assertTrue(any(l.startswith("~ tcp ") and "FIN-WAIT-" in l and "was ESTAB" in l for l in lines), lines)
        self.assertEqual(len(lines), 4, lines)
        same = live.run("log", "--from", self.log, "--diff", second, second)
        self.assertEqual((same.returncode, same.stdout), (0, ""))

    def test_standard_input_is_read_for_all_that_is_asked_of_it(self):
        self.record_some()
        path = os.path.join(self.log, "socktrace.jsonl")
        for arguments in (("log", "--diff", self.began, self.middle, "-l"), ("why", f"{self.port}/tcp"),
                          ("ss", "--at", self.middle, "-Htln")):
            with open(path, "rb") as file:
                piped = subprocess.run([live.SOCKTRACE, *arguments, "--from", "-"], stdin=file, capture_output=True, text=True,
                                       timeout=live.DEADLINE_S, check=False)
            named = live.run(*arguments, "--from", path)
            self.assertIn(str(self.port), named.stdout, arguments)
            self.assertEqual((piped.returncode, piped.stdout, piped.stderr), (named.returncode, named.stdout, named.stderr), arguments)

    def test_nothing_was_recorded_by_1970(self):
        self.record_some()
        self.assertEqual(live.run("log", "--from", self.log, "--until", "@0").stdout, "")

    def test_a_followed_log_ends_when_its_time_has_passed(self):
        self.record_some()
        result = live.run("log", "--from", self.log, "-f", "--json", "--until", self.ended)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, live.run("log", "--from", self.log, "--json").stdout)

    def test_bad_words(self):
        os.mkdir(self.log)
        for arguments, code, word in [
            (("log", "--from", self.log), 1, "no event log"),
            (("log", "--from", "/no/such/place"), 1, "/no/such/place"),
            (("log", "--from", self.log, "--event", "tcp.lisen"), 2, "tcp.lisen"),
            (("log", "--from", self.log, "--diff", "now"), 2, "--diff"),
            (("log", "--from", self.log, "--diff", "now", "now", "--event", "bind.failed"), 2, "--event"),
            (("log", "--from", self.log, "--since", ""), 2, "--since"),
            (("log", "--from", self.log, "--until", ""), 2, "--until"),
            (("log", "--from", self.log, "--diff", "", "now"), 2, "--diff"),
            (("why", "80", "--from", self.log, "--at", ""), 2, "--at"),
            (("exposed", "--from", self.log, "--at", ""), 2, "--at"),
            (("record",), 2, "-o"),
            (("record", "-o", "-"), 2, "--json"),
            (("record", "-o", self.log, "--max-size", "many"), 2, "--max-size"),
            (("record", "-o", self.log, "--keep"), 2, "--keep"),
        ]:
            result = live.run(*arguments)
            self.assertEqual(result.returncode, code, (arguments, result.stderr))
            self.assertIn(word, result.stderr)
        open(os.path.join(self.log, "x.jsonl"), "w").close()
        result = live.run("log", "--from", self.log, "--since", "tomorow")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--since", result.stderr)


if __name__ == "__main__":
    unittest.main()
