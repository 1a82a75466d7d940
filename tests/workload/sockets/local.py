"""Unix sockets: no event tells of them, but each comparison brings the table up to date."""

import socket


class UnixOperations:
    def unix(self, kind):
        sock, slot, fd = self.open("unix", socket.AF_UNIX, kind)
        sock.state = "open"
        return sock, slot, fd

    def named(self, sock, slot, fd, backlog=None):
        sock.local = f"socket-{self.operation}"
        self.call(slot, "bind_name", fd, sock.local, backlog)

    def op_unix_open(self):
        self.unix(self.random.choice([socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET]))

    def op_unix_bind(self):
        self.named(*self.unix(socket.SOCK_DGRAM))

    def op_unix_listen(self):
        sock, slot, fd = self.unix(self.random.choice([socket.SOCK_STREAM, socket.SOCK_SEQPACKET]))
        self.named(sock, slot, fd, 4)

    def op_unix_connect(self):
        """And accepted, more often than not."""
        listener, slot, fd = self.unix(socket.SOCK_STREAM)
        self.named(listener, slot, fd, 4)
        _, client_slot, client_fd = self.unix(socket.SOCK_STREAM)
        self.call(client_slot, "connect_name", client_fd, listener.local)
        if self.random.random() < 0.3:
            return
        new, cookie = self.call(slot, "accept_name", fd)
        self.add("unix", socket.AF_UNIX, cookie, slot, new).state = "open"

    def op_unix_close(self):
        sock = self.choose(lambda s: s.kind == "unix")
        if sock:
            self.close(sock, *self.holder(sock))

    def end_of_unix(self, sock, by):
        pass
