"""TCP: every way to open, use and end a listener or a connection."""

import errno
import socket

from world import Sock, plain

REUSE = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
REUSEPORT = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
NO_PORT = (socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
V6ONLY = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
SYN_COUNT, USER_TIMEOUT, FAST_OPEN = 7, 18, 23
V4, V6 = socket.AF_INET, socket.AF_INET6
LOOPBACK = {V4: "127.0.0.1", V6: "::1"}
ANY = {V4: "0.0.0.0", V6: "::"}


def is_listener(sock):
    return sock.kind == "tcp" and sock.state == "listen"


def has_room(sock):
    """A listener that takes another connection, and it alone."""
    return is_listener(sock) and len(sock.queue) <= min(sock.backlog, 7) and len(sock.group) == 1


def is_open_end(sock):
    return sock.kind == "tcp" and sock.state == "connected"


class Tcp:
    """Mixed into the world."""

    def tcp(self, family=None, options=(), **where):
        return self.open("tcp", family or self.random.choice([V4, V4, V6]), socket.SOCK_STREAM, 0, options, **where)

    def free_port(self, kind=socket.SOCK_STREAM):
        """A port that nobody in the namespace uses."""
        while True:
            port = self.random.randrange(1024, 30000)
            if all(sock.local is None or sock.local[1] != port for sock in self.sockets):
                if self.used_ports.isdisjoint([port]):
                    self.used_ports.add(port)
                    return port

    def bind(self, sock, slot, fd, to):
        self.name(sock, self.call(slot, "bind", fd, to))
        sock.state, sock.locked = "bound", to[1] != 0
        self.expect("bind.ok", sock, (slot, fd))

    def bind_fails(self, sock, slot, fd, to, number):
        try:
            self.call(slot, "bind", fd, to)
        except OSError as error:
            assert error.errno == number, (to, error)
            self.expect("bind.failed", sock, (slot, fd), errno=number, local=plain(to), peer=None)
            return
        raise AssertionError(f"bind to {to} succeeded")

    def listen(self, sock, slot, fd, backlog=16):
        self.name(sock, self.call(slot, "listen", fd, backlog))
        sock.state, sock.was_listener, sock.backlog = "listen", True, backlog
        self.expect("tcp.listen", sock, (slot, fd))

    def listener(self, family=None, to=None, options=(), backlog=16, **where):
        sock, slot, fd = self.tcp(family, [REUSE, *options], **where)
        self.bind(sock, slot, fd, to or [self.random.choice([LOOPBACK, ANY])[sock.family], 0])
        self.listen(sock, slot, fd, backlog)
        return sock, slot, fd

    def some_listener(self):
        return self.choose(has_room) or self.listener()[0]

    def target(self, listener):
        """Where to connect to reach it: an address, and the family of a client that can."""
        host, port = listener.local
        if listener.family == V4:
            family = self.random.choice([V4, V4, V6])
            return family, ["::ffff:127.0.0.1" if family == V6 else "127.0.0.1", port]
        if host == "::" and not listener.v6_only and self.random.random() < 0.5:
            return V4, ["127.0.0.1", port]
        return V6, ["::1", port]

    def client(self, listener, prepare=None, options=()):
        """A connection to it, not accepted yet: the client's end."""
        family, to = self.target(listener)
        sock, slot, fd = self.tcp(family, options)
        if prepare:
            prepare(sock, slot, fd, to)
        self.connect(sock, slot, fd, to, listener)
        return sock

    def connect(self, sock, slot, fd, to, listener):
        self.name(sock, self.call(slot, "connect", fd, to))
        self.expect("tcp.connect", sock, (slot, fd), local=None)
        self.connected(sock, listener)

    def connected(self, sock, listener):
        self.expect("tcp.established", sock, direction="outbound")
        child = Sock("tcp", listener.family, listener.net)
        child.local, child.peer = sock.peer, sock.local
        child.listener, child.state = listener, "connected"
        self.expect("tcp.established", child, direction="inbound")
        self.join(sock, child)
        listener.queue.append(child)
        return child

    def join(self, sock, child):
        for end, other in ((sock, child), (child, sock)):
            end.partner, end.state = other, "connected"
            end.fin_sent, end.told, end.unread, end.deaf = False, False, 0, False

    def accept(self, listener, how="accept", holder=None):
        slot, fd = holder or self.holder(listener)
        new, cookie, local, peer = self.call(slot, how, fd)
        child = listener.queue.pop(0)
        assert plain(child.local) == plain(local), (child.local, local)
        child.cookie, child.local = cookie, local
        child.holders.add((slot, new))
        self.sockets.append(child)
        self.expect("tcp.accept", child, (slot, new))
        return child

    def pair(self, **options):
        listener = self.some_listener()
        client = self.client(listener, **options)
        while listener.queue:
            child = self.accept(listener)
        return client, child

    def some_end(self):
        return self.choose(is_open_end) or self.pair()[self.random.randrange(2)]

    # the ends of a connection

    def over(self, end, number=0, may_wait=False):
        """The kernel ends it, once. may_wait: or it waits in FIN_WAIT2 until its other end does something."""
        if end.told:
            return
        end.told = True
        if end.alive:
            self.remember(end)
        more = {"errno": number} if number else {"may_wait": True} if may_wait else {}
        self.expect("tcp.closed", end, owners=end.last_pids if end.cookie else None, **more)
        end.state = "bound" if end.locked and end.alive else "over"
        if end.state == "bound":
            end.peer = None

    def is_reset(self, end):
        """The other end has sent a reset."""
        if not end.told:
            self.over(end, errno.EPIPE if end.partner.fin_sent and not end.fin_sent else errno.ECONNRESET)

    def abort(self, end):
        if end.told:
            return
        self.over(end)
        self.is_reset(end.partner)

    def finish(self, end):
        """It sends its FIN, if it has not; its other end acknowledges."""
        other = end.partner
        if end.fin_sent or end.told:
            return
        end.fin_sent = True
        if other.fin_sent:  # LAST_ACK, and TIME_WAIT over there
            self.over(end)
            self.over(other)
            other.has_mini = True

    def acknowledged(self, end):
        """Waits until its other end's FIN, if any, has been acknowledged: what follows would else depend on when."""
        other = end.partner
        if other.fin_sent and not end.fin_sent:
            self.call(self.any_slot(end), "acknowledged", other.family, other.local[1], other.peer[1])

    def any_slot(self, end):
        return next(iter(end.holders), (0, None))[0]

    def closed_last(self, end):
        """Its last descriptor is closed."""
        if end.state != "connected":
            return
        if end.unread or end.lingers:
            return self.abort(end)
        waiting = not end.partner.fin_sent
        self.finish(end)
        if waiting:
            # FIN_WAIT2 without a full socket, unless the ACK comes just before close() lets go of it.
            self.over(end, may_wait=True)

    def stop_listening(self, listener, by):
        self.remember_if_alive(listener)
        self.expect("tcp.closed", listener, (by[0], None), previous="listen", owners=listener.last_pids)
        for child in listener.queue:
            self.abort(child)
        listener.queue.clear()
        listener.state = "bound" if listener.locked and listener.alive else "closed"
        if listener in listener.group:
            listener.group.remove(listener)
