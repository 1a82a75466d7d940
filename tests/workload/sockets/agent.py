"""A process that makes system calls on request: one JSON line in, one out.

Calls are [name, arguments...]; the answer is {"value": ...} or {"errno": n}. Sockets are named by their descriptors.
The channels are pipes that every process inherits, one pair for each slot, so that a forked process only needs to be
told its slot.
"""

import array
import ctypes
import json
import os
import select
import signal
import socket
import struct
import sys
import threading

SO_COOKIE = 57
TCP_FASTOPEN, MSG_FASTOPEN = 23, 0x20000000
WAIT_MS = 20_000

# An agent that is not root may not be able to read this file when it executes it anew.
SOURCE = open(__file__).read() if "__file__" in globals() else None

_libc = ctypes.CDLL(None, use_errno=True)


def address(value):
    """JSON has no tuples."""
    return tuple(value) if isinstance(value, list) else value


class Channels:
    """A pipe to and from each slot. Slot 0 and up are agents; whoever made the channels talks to them."""

    def __init__(self, pairs):
        self.pairs = pairs
        for pair in pairs:
            for fd in pair:
                os.set_inheritable(fd, True)

    @classmethod
    def create(cls, slots):
        pairs = []
        for _ in range(slots):
            there, back = os.pipe(), os.pipe()
            pairs.append((there[0], there[1], back[0], back[1]))
        return cls(pairs)

    def call(self, slot, *request):
        _, send, receive, _ = self.pairs[slot]
        write_line(send, request)
        answer = read_line(receive)
        if "defect" in answer:
            raise RuntimeError(f"agent {slot}: {answer['defect']}")
        if "errno" in answer:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        return answer["value"]


def write_line(fd, value):
    os.write(fd, json.dumps(value).encode() + b"\n")


def read_line(fd):
    text = b""
    while not text.endswith(b"\n"):
        chunk = os.read(fd, 65536)
        if not chunk:
            raise EOFError
        text += chunk
    return json.loads(text)


class Agent:
    def __init__(self, channels, slot, mailbox, sockets=()):
        self.channels, self.slot, self.mailbox = channels, slot, mailbox
        self.sockets = {fd: socket.socket(fileno=fd) for fd in sockets}

    def serve(self):
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            receive, _, _, send = self.channels.pairs[self.slot]
            name, *arguments = read_line(receive)
            try:
                answer = {"value": getattr(self, name)(*arguments)}
            except OSError as error:
                answer = {"errno": error.errno}
            except Exception as error:
                answer = {"defect": f"{name} {arguments}: {error!r}"}
            if answer.get("value") != "forked":
                write_line(send, answer)

    def keep(self, sock):
        self.sockets[sock.fileno()] = sock
        if sock.family == socket.AF_UNIX:  # known by its inode, which no cookie is mistaken for
            return [sock.fileno(), -os.fstat(sock.fileno()).st_ino]
        return [sock.fileno(), struct.unpack("Q", sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))[0]]

    def open(self, family, kind, protocol, options=()):
        sock = socket.socket(family, kind, protocol)
        for level, option, value in options:
            sock.setsockopt(level, option, value)
        return self.keep(sock)

    def option(self, fd, level, option, value):
        self.sockets[fd].setsockopt(level, option, value)

    def linger(self, fd):
        self.sockets[fd].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def bind(self, fd, to):
        self.sockets[fd].bind(address(to))
        return self.names(fd)

    def listen(self, fd, backlog):
        self.sockets[fd].listen(backlog)
        return self.names(fd)

    def bind_name(self, fd, name):
        """Of a unix socket, in the abstract name space."""
        self.sockets[fd].bind("\0" + name)

    def listen_name(self, fd, backlog):
        self.sockets[fd].listen(backlog)

    def connect_name(self, fd, name):
        self.sockets[fd].connect("\0" + name)

    def accept_name(self, fd):
        return self.keep(self.sockets[fd].accept()[0])

    def connect(self, fd, to):
        self.sockets[fd].connect(address(to))
        return self.names(fd)

    def begin_connect(self, fd, to):
        self.sockets[fd].setblocking(False)
        error = self.sockets[fd].connect_ex(address(to))
        return [error, self.names(fd)]

    def unspecified(self, fd):
        if _libc.connect(fd, struct.pack("H14x", socket.AF_UNSPEC), 16) != 0:
            raise OSError(ctypes.get_errno(), "connect(AF_UNSPEC)")

    def fast_open(self, fd, to):
        self.sockets[fd].sendto(b"fast", MSG_FASTOPEN, address(to))
        return self.names(fd)

    def accept(self, fd):
        self.wait(fd, select.POLLIN)
        child, peer = self.sockets[fd].accept()
        return [*self.keep(child), list(child.getsockname()[:2]), list(peer[:2])]

    def accept_in_thread(self, fd):
        result = []
        thread = threading.Thread(target=lambda: result.append(self.accept(fd)))
        thread.start()
        thread.join()
        return result[0]

    def names(self, fd):
        def end(name):
            try:
                return list(name()[:2])
            except OSError:
                return None

        sock = self.sockets[fd]
        return [end(sock.getsockname), end(sock.getpeername)]

    def send(self, fd, count):
        return self.sockets[fd].send(b"x" * count)

    def send_to(self, fd, to):
        self.sockets[fd].sendto(b"x", address(to))
        return self.names(fd)

    def drain(self, fd, count):
        while count > 0:
            self.wait(fd, select.POLLIN)
            count -= len(self.sockets[fd].recv(count))

    def wait(self, fd, events):
        poll = select.poll()
        poll.register(fd, events)
        return poll.poll(WAIT_MS)[0][1]

    def ready(self, fd):
        """Whether accept() would return at once."""
        return bool(select.select([fd], [], [], 0.01)[0])

    def acknowledged(self, family, local_port, peer_port):
        """Waits until no socket with these ports is in FIN_WAIT1."""
        ends = f":{local_port:04X}", f":{peer_port:04X}"
        while True:
            with open("/proc/thread-self/net/tcp6" if family == socket.AF_INET6 else "/proc/thread-self/net/tcp") as table:
                if not any(w[1].endswith(ends[0]) and w[2].endswith(ends[1]) and w[3] == "04" for w in map(str.split, table)):
                    return
            select.select([], [], [], 0.005)

    def error(self, fd):
        return self.sockets[fd].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def shutdown(self, fd, how):
        self.sockets[fd].shutdown(how)

    def close(self, fd):
        self.sockets.pop(fd).close()

    def dup(self, fd):
        return self.keep(socket.socket(fileno=os.dup(fd)))[0]

    def give(self, fd):
        self.mailbox[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])

    def take(self):
        _, ancillary, _, _ = self.mailbox[1].recvmsg(1, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        return self.keep(socket.socket(fileno=array.array("i", ancillary[0][2])[0]))[0]

    def fetch(self, pid, fd):
        """pidfd_getfd(2)."""
        pidfd = os.pidfd_open(pid)
        copy = _libc.syscall(438, pidfd, fd, 0)
        number = ctypes.get_errno()
        os.close(pidfd)
        if copy < 0:
            raise OSError(number, "pidfd_getfd")
        return self.keep(socket.socket(fileno=copy))[0]

    def fork(self, slot):
        pid = os.fork()
        if pid != 0:
            return pid
        self.slot = slot
        return "forked"

    def execute(self, kept):
        """Becomes a new program, with these descriptors left open; the others close on exec."""
        for fd in kept:
            os.set_inheritable(fd, True)
        for end in self.mailbox:
            os.set_inheritable(end.fileno(), True)
        state = [SOURCE, self.channels.pairs, self.slot, [end.fileno() for end in self.mailbox], kept]
        os.execv(sys.executable, [sys.executable, "-c", SOURCE, json.dumps(state)])

    def become(self, uid):
        os.setresuid(uid, uid, uid)

    def exit(self):
        os._exit(0)


def main():
    global SOURCE
    SOURCE, pairs, slot, mailbox, kept = json.loads(sys.argv[1])
    for fd in kept:
        os.set_inheritable(fd, False)
    agent = Agent(Channels([tuple(pair) for pair in pairs]), slot, [socket.socket(fileno=fd) for fd in mailbox], kept)
    write_line(agent.channels.pairs[slot][3], {"value": "ready"})
    agent.serve()


if __name__ == "__main__":
    main()
