"""Every cause of a failed bind or listen: a program that meets it, and the explanation word for word.

tests/data/explain/CAUSE.txt holds what is printed, with process ids, times and command lines blanked out. After a
deliberate change of words:  UPDATE=1 python3 tests/live/test_explain.py, and read the difference.
"""

import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

GOLDEN = os.path.join(os.path.dirname(__file__), "../data/explain")

# What each program begins with. The name makes the explanation the same whatever runs the test.
PRELUDE = """
import array, ctypes, os, socket, subprocess, sys
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)
LO = ('127.0.0.1', %(port)d)
ANY = ('0.0.0.0', %(port)d)
SIX = ('::', %(port)d)
def tcp(*options, family=socket.AF_INET): return made(socket.socket(family, socket.SOCK_STREAM), options)
def udp(*options): return made(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), options)
def made(sock, options):
    for option in options: sock.setsockopt(*option)
    return sock
REUSEADDR = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
REUSEPORT = (socket.SOL_SOCKET, 15, 1)
DUAL = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
V6ONLY = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
DEVICE = (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'lo\\0')
def pair(listener):
    client = socket.create_connection(listener.getsockname())
    return client, listener.accept()[0]
def sent_away(sock):
    global ends
    ends = socket.socketpair(socket.AF_UNIX)
    ends[0].sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [sock.fileno()]))])
    sock.close()
def wait_until(*words): import live; live.wait_until(*words)
def wait_for_state(sock, state): wait_until(lambda: sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == state, 'acknowledgement')
def ip(words): return subprocess.call(['ip', *words.split()], stderr=subprocess.DEVNULL)
def use_own_range(sock):
    IP_LOCAL_PORT_RANGE = 51  # since 6.3
    try: sock.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, (40001 << 16 | 40000).to_bytes(4, sys.byteorder))
    except OSError: print('lacks IP_LOCAL_PORT_RANGE', flush=True)
def as_nobody(): os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
"""

RUN = """
%(prelude)s
%(setup)s
print('ready', flush=True)
if not sys.stdin.readline(): sys.exit()
%(act)s
print('done', flush=True)
sys.stdin.readline()
"""

# cause: what the holder does, what the asker does before, and the call of the asker that fails.
CAUSES = {
    "listener": ("s = tcp(); s.bind(ANY); s.listen()", "s = tcp()", "s.bind(ANY)"),
    "wildcard_blocks_specific": ("s = tcp(); s.bind(ANY); s.listen()", "s = tcp()", "s.bind(LO)"),
    "specific_blocks_wildcard": ("s = tcp(); s.bind(LO); s.listen()", "s = tcp()", "s.bind(ANY)"),
    "holder_lacks_reuseport": ("s = tcp(); s.bind(ANY); s.listen()", "s = tcp(REUSEPORT)", "s.bind(ANY)"),
    "asker_lacks_reuseport": ("s = tcp(REUSEPORT); s.bind(ANY); s.listen()", "s = tcp()", "s.bind(ANY)"),
    "dual_stack_blocks_ipv4": ("s = tcp(DUAL, family=socket.AF_INET6); s.bind(SIX); s.listen()", "s = tcp()", "s.bind(ANY)"),
    "ipv4_blocks_dual_stack": ("s = tcp(); s.bind(ANY); s.listen()", "s = tcp(DUAL, family=socket.AF_INET6)", "s.bind(SIX)"),
    "reuseport_of_another_user": ("s = tcp(REUSEPORT); s.bind(ANY); s.listen()", "as_nobody(); s = tcp(REUSEPORT)", "s.bind(ANY)"),
    "bound_without_listening": ("s = tcp(); s.bind(ANY)", "s = tcp()", "s.bind(ANY)"),
    "listen_after_shared_bind": ("s = tcp(REUSEADDR); s.bind(ANY); s.listen()", None, "s.listen()"),
    "outgoing_connection": (
        "l = tcp(); l.bind(('127.0.0.1', 0)); l.listen()\n"
        "c = tcp(); c.setsockopt(socket.IPPROTO_IP, 24, 1); c.bind(LO); c.connect(l.getsockname()); a, _ = l.accept()",
        "s = tcp()", "s.bind(ANY)"),
    "connected_to_itself": ("s = tcp(); s.bind(LO); s.connect(LO)", "s = tcp()", "s.bind(ANY)"),
    "accepted_connection_outlives_its_listener": ("l = tcp(); l.bind(LO); l.listen(); c, a = pair(l); l.close()", "s = tcp()", "s.bind(ANY)"),
    "closing_connection": (
        "l = tcp(); l.bind(LO); l.listen(); c, a = pair(l); l.close(); a.shutdown(socket.SHUT_WR); wait_for_state(a, 5)", "s = tcp()", "s.bind(ANY)"),
    "restarted_into_time_wait": ("l = tcp(); l.bind(LO); l.listen(); c, a = pair(l); a.close(); c.close(); l.close()", "s = tcp()", "s.bind(LO)"),
    "time_wait_of_a_socket_without_reuseaddr": (
        "l = tcp(); l.bind(LO); l.listen(); c, a = pair(l); a.close(); c.close(); l.close()", "s = tcp(REUSEADDR)", "s.bind(LO)"),
    "descriptor_in_flight": ("s = tcp(); s.bind(LO); s.listen(); sent_away(s)", "s = tcp()", "s.bind(LO)"),
    "bound_to_a_device": ("s = tcp(DEVICE); s.bind(ANY); s.listen()", "s = tcp()", "s.bind(ANY)"),
    "udp": ("s = udp(); s.bind(LO)", "s = udp()", "s.bind(ANY)"),
    "udp_holder_lacks_reuseaddr": ("s = udp(); s.bind(LO)", "s = udp(REUSEADDR)", "s.bind(LO)"),
    "privileged_port": ("", "as_nobody(); s = tcp()", "s.bind(('127.0.0.1', 81))"),
    "foreign_address": ("", "s = tcp()", "s.bind(('192.0.2.1', LO[1]))"),
    "already_bound": ("", "s = tcp(); s.bind(('127.0.0.1', 0))", "s.bind(LO)"),
    "connect_without_a_free_port": (
        "open('/proc/sys/net/ipv4/ip_local_port_range', 'w').write('40000 40003')\n"
        "l = tcp(); l.bind(LO); l.listen(); held = [socket.create_connection(LO) for _ in range(4)]",
        "s = tcp()", "s.connect(LO)"),
    "range_exhausted": (
        "open('/proc/sys/net/ipv4/ip_local_port_range', 'w').write('40000 40003')\n"
        "open('/proc/sys/net/ipv4/ip_local_reserved_ports', 'w').write('40001')\n"
        "held = [tcp() for _ in range(3)]\nfor port, s in zip((40000, 40002, 40003), held): s.bind(('127.0.0.1', port)); s.listen()",
        "s = tcp()", "s.bind(('127.0.0.1', 0))"),
    "parent_exited_and_its_child_has_the_descriptor": (
        "s = tcp(); s.bind(LO); s.listen(); parent = os.getpid()\nif os.fork(): os._exit(0)\n"
        "ctypes.CDLL(None).prctl(15, b'worker', 0, 0, 0)\nwait_until(lambda: os.getppid() != parent, 'new parent')", "s = tcp()", "s.bind(LO)"),
    "socket_of_the_kernel": (
        "if ip(f'link add vx0 type vxlan id 1 dstport {LO[1]}') or ip('link set vx0 up'): print('lacks vxlan, whose sockets are the kernel\\'s own', flush=True)",
        "s = udp()", "s.bind(ANY)"),
    "v6only": ("s = tcp(V6ONLY, family=socket.AF_INET6); s.bind(SIX); s.listen()", "s = tcp(V6ONLY, family=socket.AF_INET6)", "s.bind(SIX)"),
    "connect_without_a_port_that_bind_has_not_taken": (
        "open('/proc/sys/net/ipv4/ip_local_port_range', 'w').write('40000 40003')\n"
        "open('/proc/sys/net/ipv4/ip_local_reserved_ports', 'w').write('40001')\n"
        "l = tcp(); l.bind(LO); l.listen(); taken = tcp(), tcp(); taken[0].bind(('127.0.0.9', 40000)); taken[0].listen()\n"
        "taken[1].bind(('127.0.0.1', 40002)); held = socket.create_connection(LO)",
        "s = tcp()", "s.connect(LO)"),
    "connect_with_a_range_of_its_own": (
        "l = tcp(); l.bind(LO); l.listen(); taken = tcp(), tcp(); taken[0].bind(('127.0.0.1', 40000)); taken[1].bind(('127.0.0.1', 40001))",
        "s = tcp(); use_own_range(s)", "s.connect(LO)"),
    "bind_with_a_range_of_its_own": (
        "taken = udp(), udp(); taken[0].bind(('127.0.0.2', 40000)); taken[1].bind(('127.0.0.2', 40001))",
        "s = udp(); use_own_range(s)", "s.bind(('127.0.0.2', 0))"),
    "connect_between_the_same_ends": (
        "l = tcp(); l.bind(('127.0.0.1', 81)); l.listen(); s = tcp(REUSEADDR); s.bind(LO); s.connect(('127.0.0.1', 81))",
        "s = tcp(REUSEADDR); s.bind(LO)", "s.connect(('127.0.0.1', 81))"),
    "scope_of_another_interface": (
        "ip('link add d0 type veth peer name d1'); ip('link set d0 up'); ip('address replace fe80::5/64 dev d0 nodad')",
        "s = tcp(family=socket.AF_INET6)", "s.bind(('fe80::5', LO[1], 0, 1))"),
    "tentative_address": (
        "ip('link del d2'); ip('link add d2 type veth peer name d3'); ip('link set d3 up'); open('/proc/sys/net/ipv6/conf/d2/dad_transmits', 'w').write('60')\n"
        "ip('link set d2 up'); ip('address replace fd77::5/64 dev d2')",
        "s = tcp(family=socket.AF_INET6)", "s.bind(('fd77::5', LO[1]))"),
}


def program(role, setup, act, port):
    source = RUN % {"prelude": PRELUDE % {"port": port}, "setup": setup, "act": act}
    return live.Child(source, role)


def blanked(line):
    """Without what differs from run to run."""
    line = re.sub(r"^\d\d:\d\d:\d\d\.\d{6} ", "", line)
    line = re.sub(r"\[\d+\]", "[PID]", line)
    line = re.sub(r"process since .*|since ≥?\d\d:\d\d:\d\d \(.*?\)", "since TIME", line)
    line = re.sub(r"^    command  .*", "    command  COMMAND", line)
    line = re.sub(r"^    chain    .* → ", "    chain    … → ", line)
    line = re.sub(r"127\.0\.0\.1:(3[2-9]|[45]\d|6[0-5])\d{3}\b(?!/)", "127.0.0.1:EPHEMERAL", line)
    line = re.sub(r"lived \S+", "lived AGE", line)
    line = re.sub(r"up to \d+ s more", "up to N s more", line)
    line = re.sub(r"although \d+ of", "although N of", line)
    line = re.sub(r"ps -fp \d+", "ps -fp PID", line)
    return line


SETTINGS = ["/proc/sys/net/ipv4/ip_local_port_range", "/proc/sys/net/ipv4/ip_local_reserved_ports"]


class Explain(unittest.TestCase):
    maxDiff = None
    options = ["-t", "-u", "-a"]

    @classmethod
    def setUpClass(cls):
        cls.tracer = live.Tracer(*cls.options, "--no-table", "--color=never")
        cls.addClassCleanup(cls.tracer.stop)

    def setUp(self):
        for path in SETTINGS:
            with open(path, encoding="ascii") as file:
                self.addCleanup(self.restore, path, file.read())

    def restore(self, path, value):
        with open(path, "w", encoding="ascii") as file:
            file.write(value)

    def block(self, start):
        """The failure and the indented lines under it."""
        lines = list(self.tracer.lines[start:])
        first = next(i for i, line in enumerate(lines) if " x " in line)
        last = first + 1
        while last < len(lines) and lines[last].startswith("    "):
            last += 1
        return [blanked(line) for line in lines[first:last]]

    def explain(self, cause, port):
        setup, before, act = CAUSES[cause]
        failing = f"try: {act}\nexcept OSError as error: print(error.errno, flush=True)\nelse: print(0, flush=True)"
        if before is None:  # both have to be bound before the first listens
            before = "s = tcp(REUSEADDR); s.bind(ANY)"
            holder = program("holder", "s = tcp(REUSEADDR); s.bind(ANY)", "s.listen()", port)
            later = holder
        else:
            holder, later = program("holder", setup, "", port), None
        with holder, program("asker", before, failing, port) as asker:
            ready = [holder.line(), asker.line()]
            for line in ready:
                if line.startswith("lacks "):
                    self.skipTest("this kernel " + line)
            self.assertEqual(ready, ["ready", "ready"])
            if later:
                later.tell()
                self.assertEqual(later.line(), "done")
            start = len(self.tracer.lines)
            asker.tell()
            self.assertNotEqual(asker.line(), "0", "the call did not fail")
            asker.line()
            failed = rf" x [A-Z ]+ FAILED .* asker\[{asker.pid}\]"
            self.tracer.wait(lambda: any(re.search(failed, line) for line in self.tracer.lines[start:]), "the failure")
            # the next event follows the whole block
            with live.listener(port=port + 1000):
                self.tracer.wait(lambda: any(f":{port + 1000}/tcp" in line for line in self.tracer.lines[start:]), "the event after it")
            return self.block(start)


class WithoutConnections(Explain):
    """The same, of connections that are looked up when they are in the way. Who has closed one is not known then."""

    options = ["-l", "--no-connections"]


def make_test(cause, path, port, told_port):
    def test(self):
        lines = self.explain(cause, port)
        self.assertLess(len(lines), 24, "more than a screen")
        text = ("\n".join(lines) + "\n").replace(f":{port}", f":{told_port}")
        if os.environ.get("UPDATE"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(text, file.read())

    return test


OTHERWISE = ["restarted_into_time_wait", "time_wait_of_a_socket_without_reuseaddr"]
NOT_TOLD = [name for name in CAUSES if name.startswith("connect_")]

for port, name in enumerate(CAUSES, 7000):
    told = os.path.join(GOLDEN, f"{name}.txt")
    setattr(Explain, f"test_{name}", make_test(name, told, port, port))
    if name in OTHERWISE:
        told = os.path.join(GOLDEN, f"{name}_without_connections.txt")
    setattr(WithoutConnections, f"test_{name}", None if name in NOT_TOLD else make_test(name, told, port + 200, port))


class AnotherNamespace(unittest.TestCase):
    def test_the_same_port_in_two_namespaces_is_no_conflict(self):
        elsewhere = "ctypes.CDLL(None).unshare(0x40000000); os.system('ip link set lo up'); s = tcp(); s.bind(ANY); s.listen()"
        with live.Tracer("--listen", "--no-table", "--color=never") as tracer:
            with program("holder", elsewhere, "", 7100) as holder, program("asker", "s = tcp(); s.bind(ANY); s.listen()", "", 7100) as asker:
                self.assertEqual((holder.line(), asker.line()), ("ready", "ready"))
                tracer.wait_line("+ LISTEN", "0.0.0.0:7100/tcp", f"[{asker.pid}]")
        self.assertFalse([line for line in tracer.lines if " x " in line])


def setUpModule():
    live.enter_network_namespace()


if __name__ == "__main__":
    unittest.main()
