"""The agents, the sockets as they must be, and the ledger of what must have been seen happening."""

import json
import os
import random
import socket
import subprocess

import agent

SLOTS = 10
FIRST_AGENTS = 3  # in every namespace
USER = 1000  # one agent of each namespace is not root

NOWHERE = "203.0.113.9"  # no route leads there
BLACKHOLE = "198.18.0.2"  # what is sent there is never answered


class Sock:
    """One socket; a connection that nobody has accepted yet has no cookie and no holders."""

    def __init__(self, kind, family, net, cookie=None):
        self.kind, self.family, self.net, self.cookie = kind, family, net, cookie
        self.holders = set()  # (slot, fd)
        # Since the last quiet point, without a system call on the socket itself:
        self.touched = False  # a descriptor came or went
        self.moved = False  # a process came or went with it
        self.state = "closed"
        self.locked = False  # bind() named the port
        self.local = self.peer = None
        # of a connection
        self.partner = self.listener = None
        self.fin_sent = self.told = False
        self.unread = 0
        self.lingers = self.deaf = self.has_mini = False
        # of a listener
        self.group = [self]
        self.v6_only = self.was_listener = False
        self.backlog = 0
        self.queue = []
        self.last_pids = []

    @property
    def alive(self):
        return bool(self.holders)


def plain(end):
    """An end as both families would write it."""
    return None if end is None else [end[0].removeprefix("::ffff:"), end[1]]


class World:
    def __init__(self, seed, out):
        self.random = random.Random(seed)
        self.out = out
        self.operation = 0
        self.sockets = []
        self.channels = agent.Channels.create(SLOTS)
        self.mailbox = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.pids, self.users = {}, {}
        self.children = []
        set_up_network()
        for slot in range(FIRST_AGENTS):
            self.start(slot)
        self.call(FIRST_AGENTS - 1, "become", USER)
        self.users[FIRST_AGENTS - 1] = USER

    def start(self, slot):
        pid = os.fork()
        if pid == 0:
            agent.Agent(self.channels, slot, self.mailbox).serve()
        self.children.append(pid)
        self.pids[slot], self.users[slot] = pid, 0

    def call(self, slot, *request):
        return self.channels.call(slot, *request)

    # choices

    def slot(self, root=False):
        return self.random.choice([s for s in self.pids if not root or self.users[s] == 0])

    def holder(self, sock):
        return self.random.choice(sorted(sock.holders))

    def choose(self, condition):
        found = [sock for sock in self.sockets if sock.alive and condition(sock)]
        return self.random.choice(found) if found else None

    # what every operation is made of

    def open(self, kind, family, type_, protocol=0, options=(), slot=None, root=False):
        slot = self.slot(root) if slot is None else slot
        fd, cookie = self.call(slot, "open", family, type_, protocol, list(options))
        return self.add(kind, family, cookie, slot, fd), slot, fd

    def add(self, kind, family, cookie, slot, fd):
        sock = Sock(kind, family, 0, cookie)
        sock.holders.add((slot, fd))
        self.sockets.append(sock)
        return sock

    def name(self, sock, names):
        sock.local, sock.peer = names

    def expect(self, event, sock, by=None, **more):
        """By: the (slot, fd) whose system call it is; None for what packets and timers do."""
        line = {"event": event, "cookie": sock.cookie, "local": plain(sock.local), "peer": plain(sock.peer), **more}
        if by is not None:
            line["pid"] = self.pids[by[0]]
            if by[1] is not None:
                line["fd"] = by[1]
        self.write(line)

    def write(self, line):
        self.out.write(json.dumps({"op": self.operation, **line}) + "\n")

    def remember(self, sock):
        """Whoever holds it now is whom its end is told of."""
        sock.last_pids = sorted({self.pids[slot] for slot, _ in sock.holders}) if not sock.moved else None

    def remember_if_alive(self, sock):
        if sock.alive:
            self.remember(sock)

    def close(self, sock, slot, fd):
        """One descriptor; what that ends, if it was the last."""
        self.remember(sock)
        if sock.holders == {(slot, fd)}:
            sock.last_pids = [self.pids[slot]]
            if sock.kind == "tcp" and sock.partner and sock.state == "connected":
                self.before_close(sock)
            if sock.state == "listen":
                self.before_stop(sock)
        self.call(slot, "close", fd)
        self.dropped(sock, slot, fd)

    def dropped(self, sock, slot, fd):
        sock.holders.remove((slot, fd))
        if sock.holders:
            sock.touched = True
            if not any(other == slot for other, _ in sock.holders):
                sock.moved = True
            return
        self.sockets.remove(sock)
        getattr(self, "end_of_" + sock.kind)(sock, (slot, None))


def set_up_network():
    run = lambda *words: subprocess.run(words, check=True)
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "blackhole0", "type", "veth", "peer", "name", "blackhole1")
    run("ip", "address", "add", "198.18.0.1/24", "dev", "blackhole0")
    run("ip", "link", "set", "blackhole0", "up")
    run("ip", "link", "set", "blackhole1", "up")
    run("ip", "neighbour", "add", BLACKHOLE, "lladdr", "02:00:00:00:00:01", "dev", "blackhole0")
    for name, value in (("ipv4/tcp_fastopen", "519"), ("ipv4/ping_group_range", "0 2147483647")):
        with open(f"/proc/sys/net/{name}", "w") as setting:
            setting.write(value)
