"""What the live tests share: a network namespace of their own, and a socktrace that runs beside a workload.

A test waits for the ready line, for a record or for a condition, with a deadline: nothing sleeps until something has
probably happened. What does pause is wait_until(), between two looks, and pass_time(), where time is what is tested.
"""

import contextlib
import ctypes
import json
import os
import queue
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

SOCKTRACE = os.environ.get("SOCKTRACE", os.path.join(os.path.dirname(__file__), "../../build/socktrace"))
DEADLINE_S = float(os.environ.get("LIVE_DEADLINE_S", "20"))

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


def enter_network_namespace():
    """Moves this process into a fresh network namespace with the loopback interface up. Needs root."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("live tests need root")
    if _libc.unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def enter(namespace):
    """Moves this thread into the network namespace behind a descriptor."""
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


VERBS = ("ss", "why", "exposed", "log", "doctor")


def in_own_namespace(arguments):
    """A trace covers every network namespace of the host; a test is about what happens in its own."""
    if arguments and arguments[0] in VERBS or "-N" in arguments:
        return list(arguments)
    verb = 1 if arguments and arguments[0] == "record" else 0
    return [*arguments[:verb], "-N", "self", *arguments[verb:]]


class Pipe:
    """What a program writes, line by line."""

    def __init__(self, stream):
        os.set_blocking(stream.fileno(), False)
        self.stream, self.ended, self.rest = stream, False, b""

    def take(self):
        """The whole lines that have arrived; at the end what is left, too."""
        parts = [self.rest]
        while not self.ended:
            try:
                parts.append(os.read(self.stream.fileno(), 1 << 16))
            except BlockingIOError:
                break
            self.ended = parts[-1] == b""
        *lines, self.rest = b"".join(parts).split(b"\n")
        if self.ended and self.rest:
            lines.append(self.rest)
            self.rest = b""
        return [line.decode("utf-8", "surrogateescape") for line in lines]


class Tracer:
    """A running socktrace. `lines` and `messages` hold what it has printed so far: with a message all lines that were
    printed before it. `everywhere`: it traces every network namespace of the host, not only this one."""

    def __init__(self, *arguments, environment=None, wait_ready=True, everywhere=False, prefix=(), program=SOCKTRACE):
        self.arguments = [*prefix, program, *(arguments if everywhere else in_own_namespace(arguments))]
        self.process = subprocess.Popen(
            self.arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        self.lines = []
        self.messages = []
        self._arrived = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        if wait_ready:
            self.wait(lambda: any(m.startswith("socktrace: ready") for m in self.messages), "the ready line")

    def _read(self):
        pipes = [Pipe(self.process.stderr), Pipe(self.process.stdout)]
        with selectors.DefaultSelector() as selector:
            for pipe in pipes:
                selector.register(pipe.stream, selectors.EVENT_READ, pipe)
            while selector.get_map():
                ready = {key.data for key, _ in selector.select()}
                messages = pipes[0].take() if pipes[0] in ready else []
                self.lines += pipes[1].take()  # whether it was ready or has become so before the message
                self.messages += messages
                for pipe in pipes:
                    if pipe.ended and pipe.stream in selector.get_map():
                        selector.unregister(pipe.stream)
                self._arrived.put(None)

    def wait(self, condition, what):
        """Waits until condition() holds, looking again whenever a line arrives, and now and then."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            remaining = deadline - time.monotonic()
            if remaining <= 0 or (self.process.poll() is not None and not condition()):
                raise AssertionError(
                    f"{' '.join(self.arguments)}: no {what} (exit {self.process.poll()})\n"
                    + "\n".join(self.messages[-20:] + self.lines[-40:])
                )
            with contextlib.suppress(queue.Empty):
                self._arrived.get(timeout=min(remaining, 0.05))

    def wait_line(self, *parts):
        """The first stdout line that contains all the parts."""
        self.wait(lambda: self.find(*parts), f"line with {parts}")
        return self.find(*parts)

    def find(self, *parts):
        return next((line for line in list(self.lines) if all(part in line for part in parts)), None)

    def events(self, name=None, **conditions):
        """The JSON event records printed so far; conditions compare dotted paths written with __."""
        found = []
        for line in list(self.lines):
            record = json.loads(line)
            if "event" not in record or (name and record["event"] != name):
                continue
            if all(dig(record, path) == value for path, value in conditions.items()):
                found.append(record)
        return found

    def wait_events(self, count, name, **conditions):
        self.wait(lambda: len(self.events(name, **conditions)) >= count, f"{count} {name} with {conditions}")
        return self.events(name, **conditions)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """Ctrl-C; returns the exit code when everything printed has been read."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=DEADLINE_S)
        self._thread.join(timeout=DEADLINE_S)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


# Shell, for a mount namespace of its own. A parent may still have it, for who may look there.
HIDE_CGROUP2 = "for m in $(awk '/ - cgroup2 / {print $5}' /proc/self/mountinfo); do umount -l $m; done"
HIDE_PARENTS = ["setpriv", "--bounding-set=-sys_ptrace"]


def cgroup2_mount():
    """Where cgroup2 is mounted; None where it is not."""
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        return next((fields[1] for fields in map(str.split, mounts) if fields[2] == "cgroup2"), None)


def wait_until(condition, what):
    """For what nothing announces: looks again and again until condition() holds, or the deadline has come. `what` is the
    text of the failure, or makes it."""
    deadline = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what() if callable(what) else what}")
        pause.wait(0.005)


def pass_time(seconds):
    """For a stall of that length, or a moment chosen at random; never to wait until something has happened."""
    time.sleep(seconds)


def dig(record, path):
    """dig(r, "network__local__port") is r["network"]["local"]["port"], or None."""
    for key in path.split("__"):
        if not isinstance(record, dict) or key not in record:
            return None
        record = record[key]
    return record


def run(*arguments, **kwargs):
    """Runs socktrace to its end; stdout and stderr as text."""
    return subprocess.run(
        [SOCKTRACE, *in_own_namespace(arguments)], capture_output=True, text=True, timeout=DEADLINE_S, stdin=subprocess.DEVNULL, **kwargs
    )


class Child:
    """A Python program in a process of its own, driven line by line: it prints what it did, and is told to go on. It may
    import live."""

    def __init__(self, source, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", source, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)},
        )
        self.pid = self.process.pid

    def line(self):
        return self.process.stdout.readline().strip()

    def tell(self, text=""):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def end(self):
        with contextlib.suppress(BrokenPipeError, ValueError):
            self.process.stdin.close()
        self.process.wait(timeout=DEADLINE_S)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def listener(address="127.0.0.1", port=0, family=socket.AF_INET, backlog=128):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind((address, port))
    sock.listen(backlog)
    return sock
