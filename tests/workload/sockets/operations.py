"""The kinds of operation on TCP sockets, a method each. Each picks sockets that it can be done to, or makes some."""

import errno
import select
import socket

from tcp import ANY, FAST_OPEN, LOOPBACK, NO_PORT, REUSE, REUSEPORT, SYN_COUNT, USER_TIMEOUT, V4, V6, V6ONLY, Tcp, has_room, is_listener, is_open_end
from world import BLACKHOLE, NOWHERE


def is_connected_tcp(sock):
    return is_open_end(sock) and not sock.told


class TcpOperations(Tcp):
    # listeners

    def op_listen(self):
        self.listener()

    def op_listen_on_a_named_port(self):
        family = self.random.choice([V4, V6])
        self.listener(family, [ANY[family], self.free_port()])

    def op_listen_on_ipv6_only(self):
        sock, _, _ = self.listener(V6, ["::", self.free_port()], [V6ONLY])
        sock.v6_only = True

    def op_listen_on_both_families_apart(self):
        port = self.free_port()
        sock, _, _ = self.listener(V6, ["::", port], [V6ONLY])
        sock.v6_only = True
        self.listener(V4, ["0.0.0.0", port])

    def op_listen_unbound(self):
        sock, slot, fd = self.tcp()
        self.listen(sock, slot, fd)

    def op_listen_again(self):
        sock = self.some_listener()
        slot, fd = self.holder(sock)
        sock.backlog = self.random.randrange(16, 99)
        self.call(slot, "listen", fd, sock.backlog)

    def op_listen_fails(self):
        family = self.random.choice([V4, V6])
        port = self.free_port()
        first, *_ = self.tcp(family, [REUSE])
        second, *_ = self.tcp(family, [REUSE])
        for sock in (first, second):
            self.bind(sock, *self.holder(sock), [LOOPBACK[family], port])
        self.listen(first, *self.holder(first))
        self.listen_fails(second, errno.EADDRINUSE)

    def op_listen_on_a_connection_fails(self):
        end = self.some_end()
        self.listen_fails(end, errno.EINVAL)

    def listen_fails(self, sock, number):
        slot, fd = self.holder(sock)
        try:
            self.call(slot, "listen", fd, 16)
        except OSError as error:
            assert error.errno == number, error
            self.expect("listen.failed", sock, (slot, fd), errno=number, peer=None)
            return
        raise AssertionError("listen() succeeded")

    def op_shut_down_listener(self):
        sock = self.choose(lambda s: is_listener(s) and len(s.group) == 1) or self.listener()[0]
        by = self.holder(sock)
        self.before_stop(sock)
        self.call(by[0], "shutdown", by[1], socket.SHUT_RD)
        self.stop_listening(sock, by)

    def op_listen_once_more(self):
        sock = self.choose(lambda s: s.kind == "tcp" and s.was_listener and s.state in ("bound", "closed"))
        if sock is None:
            self.op_shut_down_listener()
            sock = self.choose(lambda s: s.kind == "tcp" and s.was_listener and s.state in ("bound", "closed"))
        self.listen(sock, *self.holder(sock))

    def op_reuseport_group(self):
        port = self.free_port()
        group = []
        for _ in range(self.random.randrange(2, 5)):
            slot = self.slot(root=True)
            sock, slot, fd = self.listener(V4, ["127.0.0.1", port], [REUSEPORT], slot=slot)
            group.append(sock)
        for sock in group:
            sock.group = group

    def op_connect_to_a_group(self):
        listener = self.choose(lambda s: is_listener(s) and len(s.group) > 1)
        if listener is None:
            return self.op_reuseport_group()
        client = self.client(listener)
        child = listener.queue.pop()
        fds = [(sock, *self.holder(sock)) for sock in listener.group if sock.alive and is_listener(sock)]
        chosen = next(s for s, slot, fd in fds * 100 if self.call(slot, "ready", fd))
        child.listener = chosen
        chosen.queue.append(child)
        self.accept(chosen)

    def op_backlog_overflows(self):
        listener, slot, fd = self.listener(V4, backlog=0)
        self.client(listener)
        sock, slot, fd = self.tcp(V4)
        error, names = self.call(slot, "begin_connect", fd, ["127.0.0.1", listener.local[1]])
        assert error == errno.EINPROGRESS, error
        self.connecting(sock, slot, fd, names)
        self.close(sock, slot, fd)  # else it depends on its next attempt what becomes of it

    # connections

    def op_connect(self):
        self.client(self.some_listener())

    def op_connect_and_accept(self):
        self.pair()

    def op_connect_bound(self):
        listener = self.some_listener()

        def prepare(sock, slot, fd, to):
            self.bind(sock, slot, fd, [to[0], self.random.choice([0, self.free_port()])])

        self.client(listener, prepare)

    def op_connect_bound_without_port(self):
        def prepare(sock, slot, fd, to):
            self.name(sock, self.call(slot, "bind", fd, [to[0], 0]))
            self.expect("bind.ok", sock, (slot, fd))

        self.client(self.some_listener(), prepare, [NO_PORT])

    def op_bind_without_port(self):
        sock, slot, fd = self.tcp(V4, [NO_PORT])
        self.name(sock, self.call(slot, "bind", fd, ["127.0.0.1", 0]))
        self.expect("bind.ok", sock, (slot, fd))

    def op_fast_open(self):
        listener, slot, fd = self.listener(V4)
        self.call(slot, "option", fd, socket.IPPROTO_TCP, FAST_OPEN, 16)
        sock, slot, fd = self.tcp(V4)
        self.name(sock, self.call(slot, "fast_open", fd, ["127.0.0.1", listener.local[1]]))
        self.expect("tcp.connect", sock, (slot, None), local=None)
        self.connected(sock, listener).unread = 4

    def op_connect_to_oneself(self):
        sock, slot, fd = self.tcp(V4)
        to = ["127.0.0.1", self.free_port()]
        self.bind(sock, slot, fd, to)
        self.name(sock, self.call(slot, "connect", fd, to))
        self.expect("tcp.connect", sock, (slot, fd), local=None)
        self.expect("tcp.established", sock, direction="outbound")
        sock.state = "own"

    def op_accept(self):
        listener = self.choose(lambda s: is_listener(s) and s.queue and len(s.group) == 1)
        if listener is None:
            listener = self.client(self.some_listener()).partner.listener
        self.accept(listener)

    def op_accept_in_a_thread(self):
        listener = self.client(self.some_listener()).partner.listener
        self.accept(listener, "accept_in_thread")

    def op_accept_in_a_forked_worker(self):
        listener = self.choose(lambda s: has_room(s) and len({slot for slot, _ in s.holders}) > 1)
        if listener is None:
            return self.op_fork()
        self.client(listener)
        worker = max(listener.holders)
        while listener.queue:
            self.accept(listener, holder=worker)

    def op_refused(self):
        sock, slot, fd = self.tcp(V4)
        if self.random.random() < 0.4:
            self.bind(sock, slot, fd, ["127.0.0.1", self.random.choice([0, self.free_port()])])
        port = self.free_port()
        try:
            self.call(slot, "connect", fd, ["127.0.0.1", port])
        except ConnectionRefusedError:
            sock.peer = ["127.0.0.1", port]
            self.expect("tcp.connect", sock, (slot, fd), local=None)
            self.expect("tcp.connect_failed", sock, errno=errno.ECONNREFUSED, local=None)
            sock.peer = None
            sock.state = "bound" if sock.locked else "closed"
            return
        raise AssertionError("connected to nobody")

    def op_unreachable(self):
        """There is no route: nothing is sent."""
        sock, slot, fd = self.tcp(V4)
        if self.random.random() < 0.4:
            self.bind(sock, slot, fd, ["0.0.0.0", self.random.choice([0, self.free_port()])])
        try:
            self.call(slot, "connect", fd, [NOWHERE, 9])
        except OSError as error:
            sock.peer = [NOWHERE, 9]
            self.expect("tcp.connect_failed", sock, (slot, fd), errno=error.errno)
            assert error.errno == errno.ENETUNREACH, error
            sock.peer = None
            return
        raise AssertionError("connected to nowhere")

    def op_connect_without_answer(self):
        self.no_answer([])

    def op_connect_times_out(self):
        if len(self.waiting) < 3:
            self.waiting.append(self.no_answer([(socket.IPPROTO_TCP, SYN_COUNT, 1), (socket.IPPROTO_TCP, USER_TIMEOUT, 100)]))

    def no_answer(self, options):
        sock, slot, fd = self.tcp(V4, options)
        error, names = self.call(slot, "begin_connect", fd, [BLACKHOLE, 9])
        assert error == errno.EINPROGRESS, error
        self.connecting(sock, slot, fd, names, [BLACKHOLE, 9])
        return sock

    def connecting(self, sock, slot, fd, names, peer=None):
        sock.local, sock.peer, sock.state = names[0], peer, "connecting"
        self.expect("tcp.connect", sock, (slot, fd), local=None)

    def op_connect_unspecified(self):
        """Ends a connection, and the descriptor can connect anew."""
        end = self.choose(lambda s: is_connected_tcp(s) and not s.fin_sent) or self.pair()[0]
        slot, fd = self.holder(end)
        self.acknowledged(end)
        self.call(slot, "unspecified", fd)
        self.abort(end)
        end.peer = None
        end.state = "bound" if end.locked else "closed"

    def op_connect_again(self):
        sock = self.choose(lambda s: s.kind == "tcp" and s.state == "closed" and not s.was_listener and s.family == V4 and not s.lingers)
        if sock is None:
            return self.op_connect_unspecified()
        listener = self.choose(lambda s: has_room(s) and s.family == V4)
        if listener is None:
            listener = self.listener(V4)[0]
        slot, fd = self.holder(sock)
        self.connect(sock, slot, fd, ["127.0.0.1", listener.local[1]], listener)

    # what happens on a connection

    def op_send(self):
        end = self.choose(lambda s: is_connected_tcp(s) and not s.fin_sent and not s.partner.told)
        if end is None:
            end = self.pair()[0]
        slot, fd = self.holder(end)
        count = self.random.choice([1, 100, 5000])
        if end.partner.fin_sent:
            self.acknowledged(end)
        self.call(slot, "send", fd, count)
        if end.partner.fin_sent and end.partner.deaf:  # TCPAbortOnData
            self.over(end.partner, errno.ECONNRESET)
            return self.is_reset(end)
        end.partner.unread += count
        self.arrived(end.partner)

    def arrived(self, end):
        if end.alive and end.unread:
            slot, fd = self.holder(end)
            self.call(slot, "wait", fd, select.POLLIN)

    def op_receive(self):
        end = self.choose(lambda s: is_connected_tcp(s) and s.unread)
        if end is None:
            self.op_send()
            end = self.choose(lambda s: is_connected_tcp(s) and s.unread)
            if end is None:
                return
        slot, fd = self.holder(end)
        self.call(slot, "drain", fd, end.unread)
        end.unread = 0

    def op_send_to_who_has_gone(self):
        """Data for a FIN_WAIT2 mini-socket is answered by a reset."""
        end = self.choose(lambda s: is_connected_tcp(s) and not s.fin_sent and s.partner.told)
        if end is None:
            end, other = self.pair()
            self.close(other, *self.holder(other))
        slot, fd = self.holder(end)
        self.acknowledged(end)
        self.call(slot, "send", fd, 1)
        self.is_reset(end)

    def op_shut_down_sending(self):
        self.shut_down(socket.SHUT_WR)

    def op_shut_down_both_ways(self):
        self.shut_down(socket.SHUT_RDWR)

    def shut_down(self, how):
        end = self.choose(lambda s: is_connected_tcp(s) and not s.fin_sent)
        if end is None:
            end = self.pair()[0]
        slot, fd = self.holder(end)
        self.acknowledged(end)
        self.call(slot, "shutdown", fd, how)
        end.deaf = end.deaf or how == socket.SHUT_RDWR
        self.finish(end)

    def op_shut_down_receiving(self):
        end = self.some_end()
        slot, fd = self.holder(end)
        self.call(slot, "shutdown", fd, socket.SHUT_RD)
        end.deaf = True

    def op_close_connection(self):
        end = self.choose(is_open_end) or self.pair()[1]
        self.close(end, *self.holder(end))

    def op_close_both_ends(self):
        ends = self.pair()
        for end in self.random.sample(ends, 2):
            for slot, fd in sorted(end.holders):
                self.close(end, slot, fd)

    def op_reset(self):
        end = self.choose(lambda s: is_connected_tcp(s) and len(s.holders) == 1) or self.pair()[0]
        slot, fd = self.holder(end)
        self.call(slot, "linger", fd)
        end.lingers = True
        self.close(end, slot, fd)

    def op_reset_before_accept(self):
        listener = self.some_listener()
        client = self.client(listener)
        slot, fd = self.holder(client)
        self.call(slot, "linger", fd)
        client.lingers = True
        self.close(client, slot, fd)
        while listener.queue:
            self.accept(listener)

    def op_close_listener(self):
        sock = self.choose(lambda s: is_listener(s) and (len(s.group) == 1 or not s.queue))
        if sock:
            self.close(sock, *self.holder(sock))

    def op_close_listener_with_queue(self):
        listener, slot, fd = self.listener()
        for _ in range(3):
            self.client(listener)
        self.close(listener, slot, fd)

    def op_close_anything(self):
        sock = self.choose(lambda s: s.kind == "tcp" and not is_listener(s) and s not in self.waiting)
        if sock:
            self.close(sock, *self.holder(sock))

    # ends

    def before_close(self, sock):
        self.arrived(sock)
        self.acknowledged(sock)

    def before_stop(self, listener):
        for child in listener.queue:
            self.acknowledged(child)

    def end_of_tcp(self, sock, by):
        if sock.state == "listen":
            self.stop_listening(sock, by)
        elif sock.state == "connecting":
            self.expect("tcp.connect_failed", sock, owners=sock.last_pids, errno=0)
        elif sock.state == "bound":
            # Behind its TIME_WAIT nobody sees it end.
            self.expect("socket.closed", sock, by, owners=sock.last_pids, may=sock.has_mini)
        elif sock.state == "own":
            self.expect("tcp.closed", sock, owners=sock.last_pids)
        else:
            self.closed_last(sock)

    def timed_out(self):
        """At a quiet point nothing is under way."""
        for sock in self.waiting:
            if not sock.alive or sock.state != "connecting":
                continue
            slot, fd = self.holder(sock)
            self.call(slot, "wait", fd, select.POLLERR)
            number = self.call(slot, "error", fd)
            assert number == errno.ETIMEDOUT, number
            self.expect("tcp.connect_failed", sock, errno=number)
            sock.state, sock.peer = "spent", None  # connect() would only tell its failure again
        self.waiting.clear()
