"""Datagram, raw and ping sockets, and the operations that give sockets other owners."""

import errno
import os
import select
import socket

from binds import FOREIGN
from tcp import ANY, LOOPBACK, V4, V6, is_listener, is_open_end

UDPLITE = 136


def is_datagram(sock):
    return sock.kind == "udp"


class DatagramOperations:
    def udp(self, family=None):
        family = family or self.random.choice([V4, V6])
        return self.open("udp", family, socket.SOCK_DGRAM, self.random.choice([0, 0, 0, UDPLITE]))

    def bind_datagram(self, sock, slot, fd, to):
        self.name(sock, self.call(slot, "bind", fd, to))
        sock.state, sock.locked = "open", to[1] != 0
        self.expect("udp.open", sock, (slot, fd))

    def some_datagram(self, condition):
        return self.choose(lambda s: is_datagram(s) and condition(s))

    def op_udp_bind(self):
        sock, slot, fd = self.udp()
        self.bind_datagram(sock, slot, fd, [self.random.choice([ANY, LOOPBACK])[sock.family], self.random.choice([0, self.free_port()])])

    def op_udp_connect(self):
        sock, slot, fd = self.udp()
        self.connect_datagram(sock, slot, fd)

    def connect_datagram(self, sock, slot, fd):
        opens = sock.state == "closed"
        self.name(sock, self.call(slot, "connect", fd, [LOOPBACK[sock.family], self.free_port()]))
        if opens:
            self.expect("udp.open", sock, (slot, fd))
        self.expect("udp.connect", sock, (slot, fd))
        sock.state = "connected"

    def op_udp_connect_bound(self):
        sock = self.some_datagram(lambda s: s.state in ("open", "connected"))
        if sock is None or sock.local[0] not in (*ANY.values(), *LOOPBACK.values()):
            return self.op_udp_bind()
        self.connect_datagram(sock, *self.holder(sock))

    def op_udp_disconnect(self):
        sock = self.some_datagram(lambda s: s.state == "connected")
        if sock is None:
            return self.op_udp_connect()
        slot, fd = self.holder(sock)
        self.remember(sock)
        local = sock.local
        self.call(slot, "unspecified", fd)
        sock.peer = None
        if sock.locked:
            self.name(sock, self.call(slot, "names", fd))
            self.expect("udp.connect", sock, (slot, fd))
            sock.state = "open"
        else:
            sock.local = local
            self.expect("udp.closed", sock, (slot, fd), peer="any", owners=sock.last_pids)
            sock.state, sock.local = "closed", None

    def op_udp_bind_again(self):
        sock = self.some_datagram(lambda s: s.state == "closed")
        if sock is None:
            return self.op_udp_disconnect()
        self.bind_datagram(sock, *self.holder(sock), [LOOPBACK[sock.family], self.random.choice([0, self.free_port()])])

    def op_udp_send(self):
        sock = self.some_datagram(lambda s: s.state != "connected")
        slot, fd = self.holder(sock) if sock else (None, None)
        if sock is None:
            sock, slot, fd = self.udp()
        self.name(sock, self.call(slot, "send_to", fd, [LOOPBACK[sock.family], 9]))
        if sock.state == "closed":
            self.expect("udp.open", sock, (slot, None))
            sock.state = "open"

    def op_udp_bind_fails(self):
        family = self.random.choice([V4, V6])
        holder, slot, fd = self.udp(family)
        self.bind_datagram(holder, slot, fd, [LOOPBACK[family], self.free_port()])
        self.bind_fails(holder, slot, fd, [LOOPBACK[family], self.free_port()], errno.EINVAL)

    def op_udp_bind_foreign_address(self):
        sock, slot, fd = self.udp()
        self.bind_fails(sock, slot, fd, [FOREIGN[sock.family], self.free_port()], errno.EADDRNOTAVAIL)

    def op_udp_listen_fails(self):
        sock, slot, fd = self.udp(V4)
        self.listen_fails(sock, errno.EOPNOTSUPP)

    def op_udp_close(self):
        sock = self.some_datagram(lambda s: True)
        if sock:
            self.close(sock, *self.holder(sock))

    def end_of_udp(self, sock, by):
        if sock.state != "closed":
            self.expect("udp.closed", sock, by, owners=sock.last_pids)

    # raw and ping

    def op_raw(self):
        family = self.random.choice([V4, V6])
        sock, slot, fd = self.open("raw", family, socket.SOCK_RAW, self.random.choice([1, 89, 255]), root=True)
        self.expect("socket.seen", sock, (slot, None), local=None)

    def op_ping(self):
        sock, slot, fd = self.open("ping", V4, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
        self.expect("socket.seen", sock, (slot, None), local=None)

    def op_raw_bind(self):
        sock = self.choose(lambda s: s.kind == "raw" and s.state == "closed")
        if sock is None:
            return self.op_raw()
        slot, fd = self.holder(sock)
        self.call(slot, "bind", fd, [LOOPBACK[sock.family], 0])
        sock.state = "bound"
        sock.local = [LOOPBACK[sock.family], 0]
        self.expect("bind.ok", sock, (slot, fd), local=None)

    def op_raw_connect(self):
        sock = self.choose(lambda s: s.kind == "raw" and s.state == "closed" and s.family == V4)
        if sock is None:
            return self.op_raw()
        slot, fd = self.holder(sock)
        self.call(slot, "connect", fd, ["127.0.0.1", 0])
        sock.state = "connected"
        self.expect("socket.seen", sock, (slot, fd), local=None, peer=None)

    def op_raw_close(self):
        sock = self.choose(lambda s: s.kind in ("raw", "ping"))
        if sock:
            self.close(sock, *self.holder(sock))

    def end_of_raw(self, sock, by):
        self.expect("socket.closed", sock, by, local=None, peer="any", owners=sock.last_pids)

    end_of_ping = end_of_raw


class OwnerOperations:
    def any_socket(self):
        return self.choose(lambda s: True) or self.listener()[0]

    def gains(self, sock, slot, fd):
        sock.touched = True
        if not any(other == slot for other, _ in sock.holders):
            sock.moved = True
        sock.holders.add((slot, fd))

    def op_dup(self):
        sock = self.any_socket()
        slot, fd = self.holder(sock)
        self.gains(sock, slot, self.call(slot, "dup", fd))

    def op_pass(self):
        """SCM_RIGHTS; the giver often closes its own."""
        sock = self.any_socket()
        slot, fd = self.holder(sock)
        to = self.random.choice([other for other in self.pids if other != slot])
        self.call(slot, "give", fd)
        self.gains(sock, to, self.call(to, "take"))
        if self.random.random() < 0.5:
            self.close(sock, slot, fd)

    def op_fetch(self):
        """pidfd_getfd(2)."""
        sock = self.any_socket()
        slot, fd = self.holder(sock)
        to = self.random.choice([other for other in self.pids if other != slot and self.users[other] == 0] or [slot])
        self.gains(sock, to, self.call(to, "fetch", self.pids[slot], fd))

    def op_fork(self):
        free = [slot for slot in range(len(self.channels.pairs)) if slot not in self.pids]
        if not free:
            return self.op_exit()
        parent, slot = self.slot(), free[0]
        self.pids[slot] = self.call(parent, "fork", slot)
        self.users[slot] = self.users[parent]
        for sock in self.sockets:
            for fd in [fd for holder, fd in sock.holders if holder == parent]:
                self.gains(sock, slot, fd)

    def op_execute(self):
        slot = self.slot(root=True)
        self.ready_to_lose(slot)
        mine = [(sock, fd) for sock in list(self.sockets) for holder, fd in sorted(sock.holders) if holder == slot]
        kept = [fd for _, fd in mine if self.random.random() < 0.7]
        for sock, _ in mine:
            self.remember(sock)
        self.call(slot, "execute", kept)
        for sock, fd in mine:
            if fd not in kept:
                self.dropped(sock, slot, fd)

    def op_exit(self):
        """Its sockets live on with whoever has inherited them."""
        extra = [slot for slot in self.pids if slot >= self.first_agents]
        if not extra:
            return self.op_fork()
        slot = self.random.choice(extra)
        self.ready_to_lose(slot)
        mine = [(sock, fd) for sock in list(self.sockets) for holder, fd in sorted(sock.holders) if holder == slot]
        for sock, _ in mine:
            self.remember(sock)
        self.kill(slot)
        for sock, fd in mine:
            self.dropped(sock, slot, fd)
        del self.pids[slot], self.users[slot]

    def kill(self, slot):
        pidfd = os.pidfd_open(self.pids[slot])
        os.kill(self.pids[slot], 9)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll()
        os.close(pidfd)

    def ready_to_lose(self, slot):
        """Nothing may depend on the order in which the kernel closes the descriptors of a process."""
        def mine():
            return [sock for sock in self.sockets if any(holder == slot for holder, _ in sock.holders)]

        for listener in filter(is_listener, mine()):
            while listener.queue and len(listener.group) == 1:
                self.accept(listener)
        for sock in mine():
            if is_open_end(sock) and not sock.told:
                self.before_close(sock)
                if sock.unread:
                    holder, fd = self.holder(sock)
                    self.call(holder, "drain", fd, sock.unread)
                    sock.unread = 0
