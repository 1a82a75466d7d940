"""Unix sockets, in the abstract name space."""

import errno
import socket

STREAMS = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)


class UnixOperations:
    def unix(self, kind):
        sock, slot, fd = self.open("unix", socket.AF_UNIX, kind)
        sock.state, sock.type, sock.path, sock.to = "open", kind, None, None
        return sock, slot, fd

    def expect_unix(self, event, sock, by, **more):
        names = {"name": sock.path and "@" + sock.path, "peer_name": sock.to and "@" + sock.to}
        self.expect(event, sock, by, **{**names, **more})

    def unix_fails(self, number, call, *arguments):
        try:
            self.call(*call, *arguments)
        except OSError as error:
            assert error.errno == number, error
            return
        raise AssertionError(f"{call} succeeded")

    def named(self, sock, slot, fd):
        path = f"socket-{self.operation}"
        self.call(slot, "bind_name", fd, path)
        sock.path = path
        self.expect_unix("bind.ok", sock, (slot, fd))
        return path

    def unix_listener(self, kind):
        sock, slot, fd = self.unix(kind)
        self.named(sock, slot, fd)
        self.call(slot, "listen_name", fd, 4)
        self.expect_unix("tcp.listen", sock, (slot, fd))
        sock.to = None
        return sock, slot, fd

    def unix_connect(self, sock, slot, fd, path, event):
        self.call(slot, "connect_name", fd, path)
        sock.to = path
        self.expect_unix(event, sock, (slot, fd))

    def op_unix_open(self):
        self.unix(self.random.choice([socket.SOCK_DGRAM, *STREAMS]))

    def op_unix_bind(self):
        self.named(*self.unix(socket.SOCK_DGRAM))

    def op_unix_bind_fails(self):
        """The name is taken, or the socket has one."""
        holder, slot, fd = self.unix(socket.SOCK_STREAM)
        path = self.named(holder, slot, fd)
        other, slot, fd = self.unix(socket.SOCK_STREAM)
        self.unix_fails(errno.EADDRINUSE, (slot, "bind_name", fd), path)
        self.expect_unix("bind.failed", other, (slot, fd), name="@" + path, errno=errno.EADDRINUSE)

    def op_unix_listen(self):
        self.unix_listener(self.random.choice(STREAMS))

    def op_unix_listen_fails(self):
        sock, slot, fd = self.unix(self.random.choice(STREAMS))
        self.unix_fails(errno.EINVAL, (slot, "listen_name", fd), 4)
        self.expect_unix("listen.failed", sock, (slot, fd), errno=errno.EINVAL)

    def op_unix_connect(self):
        """And accepted, more often than not."""
        kind = self.random.choice(STREAMS)
        listener, slot, fd = self.unix_listener(kind)
        client, client_slot, client_fd = self.unix(kind)
        self.unix_connect(client, client_slot, client_fd, listener.path, "tcp.established")
        if self.random.random() < 0.3:
            return
        new, number = self.call(slot, "accept_name", fd)
        child = self.add("unix", socket.AF_UNIX, number, slot, new)
        child.state, child.type, child.path, child.to = "open", kind, listener.path, None
        self.expect_unix("tcp.accept", child, (slot, new))

    def op_unix_connect_fails(self):
        sock, slot, fd = self.unix(self.random.choice([socket.SOCK_DGRAM, *STREAMS]))
        self.unix_fails(errno.ECONNREFUSED, (slot, "connect_name", fd), "nobody")
        self.expect_unix("tcp.connect_failed", sock, (slot, fd), peer_name="@nobody", errno=errno.ECONNREFUSED)

    def op_unix_datagram_connects(self):
        receiver, slot, fd = self.unix(socket.SOCK_DGRAM)
        path = self.named(receiver, slot, fd)
        sender, slot, fd = self.unix(socket.SOCK_DGRAM)
        self.unix_connect(sender, slot, fd, path, "udp.connect")
        if self.random.random() < 0.5:
            self.call(slot, "unspecified", fd)
            sender.to = None
            self.expect_unix("udp.connect", sender, (slot, fd))

    def op_unix_close(self):
        sock = self.choose(lambda s: s.kind == "unix")
        if sock:
            self.close(sock, *self.holder(sock))

    def end_of_unix(self, sock, by):
        """Told where the kernel takes an fentry program, if the socket had a name or a peer."""
        self.expect("socket.closed", sock, by, may=True)
