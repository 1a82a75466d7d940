"""Binds of TCP sockets, good and failing."""

import errno

from tcp import ANY, LOOPBACK, V4, V6

FOREIGN = {V4: "198.51.100.1", V6: "2001:db8::1"}


class BindOperations:
    def op_bind(self):
        sock, slot, fd = self.tcp()
        self.bind(sock, slot, fd, [self.random.choice([ANY, LOOPBACK])[sock.family], self.random.choice([0, self.free_port()])])

    def op_bind_port_in_use(self):
        family = self.random.choice([V4, V6])
        port = self.free_port()
        holder, slot, fd = self.tcp(family)
        self.bind(holder, slot, fd, [ANY[family], port])
        sock, slot, fd = self.tcp(family)
        self.bind_fails(sock, slot, fd, [LOOPBACK[family], port], errno.EADDRINUSE)

    def op_bind_foreign_address(self):
        sock, slot, fd = self.tcp()
        self.bind_fails(sock, slot, fd, [FOREIGN[sock.family], self.free_port()], errno.EADDRNOTAVAIL)

    def op_bind_twice(self):
        sock = self.choose(lambda s: s.kind == "tcp" and s.state == "bound" and s.locked)
        if sock is None:
            sock, slot, fd = self.tcp()
            self.bind(sock, slot, fd, [LOOPBACK[sock.family], self.free_port()])
        self.bind_fails(sock, *self.holder(sock), [LOOPBACK[sock.family], self.free_port()], errno.EINVAL)

    def op_bind_privileged_port(self):
        slot = self.random.choice([s for s, user in self.users.items() if user])
        sock, slot, fd = self.tcp(slot=slot)
        self.bind_fails(sock, slot, fd, [LOOPBACK[sock.family], self.random.randrange(1, 1024)], errno.EACCES)
