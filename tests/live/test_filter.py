"""The filter language of `socktrace ss` beside that of the installed ss: the same expressions are accepted, and select the
same rows, over some 25 standing sockets in a network namespace of their own.

The expressions come from a seeded generator (FILTER_SEED, FILTER_COUNT): valid ones from each production of the grammar,
valid ones with one word spoilt, and words in any order. Names of hosts are looked up in files only, so that no DNS is asked.
The same expressions go through the kernel as bytecode and through user space, each alone: tests/live/filter/agreement.cpp.

Kept out of them, because ss itself is wrong or beside the point there; DELIBERATE holds some that socktrace decides otherwise:
* ports beyond 65535, marks beyond 32 bits, signs, text behind digits: ss wraps or cuts them;
* `sport > *`: ss compares with -1 in user space and with 65535 in the kernel;
* addresses together with `dev`, and with `not` those that begin like one of the other family: in user space ss compares the
  leading bytes only, whatever the family, and so also finds `0.0.0.0` in `[::1]` (see LOOSE);
* `state unknown`: ss takes the filler in its table of states for a state;
* words that begin with `-`: options to ss;
* `autobound` negated, or in one filter with what the kernel is not asked: whether bind() was told the port is known to the kernel
  alone, the range of ports to ss alone, and ss negates each for itself;
* conditions behind a family prefix (`inet6:…`): ss reads their addresses as of that family too, and refuses others;
* services that /etc/services has for UDP alone: with TCP selected too, ss takes the port of the file's last line.
"""

import concurrent.futures
import ctypes
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

SOCKTRACE = os.path.abspath(live.SOCKTRACE)
SS = shutil.which("ss")
AGREEMENT = os.path.join(os.path.dirname(SOCKTRACE), "tests/filter_agreement")
OPTIONS = ["-Htuan"]
SEED = int(os.environ.get("FILTER_SEED", "1"))
COUNT = int(os.environ.get("FILTER_COUNT", "5400"))
BATCH = 60
WORKERS = 2

HOLDER = r"""
import socket, sys

IN4, IN6, TCP, UDP = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM
held = []

def make(family, kind, bind=None, listen=False, to=None, mark=0, device=False, only6=None):
    sock = socket.socket(family, kind)
    held.append(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if only6 is not None: sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only6)
    if mark: sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
    if device: sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    if bind: sock.bind(bind)
    if listen: sock.listen(16)
    if to: sock.connect(to)
    return sock

a = make(IN4, TCP, ("127.0.0.1", 22), listen=True)
b = make(IN4, TCP, ("10.0.0.1", 80), listen=True, mark=42)
make(IN4, TCP, ("0.0.0.0", 8080), listen=True, device=True)
c = make(IN6, TCP, ("::1", 22), listen=True, only6=1)
d = make(IN6, TCP, ("::", 443), listen=True, only6=0)
make(IN6, TCP, ("2001:db8::1", 65535), listen=True, mark=1)
make(IN6, TCP, ("::ffff:127.0.0.1", 53), listen=True, only6=0)
make(IN4, TCP, ("127.0.0.1", 0), listen=True)
for server, family, address, local in (
    (a, IN4, ("127.0.0.1", 22), None), (b, IN4, ("10.0.0.1", 80), ("10.0.0.2", 1)),
    (c, IN6, ("::1", 22), None), (d, IN4, ("127.0.0.1", 443), ("127.0.0.2", 40000)),
    (d, IN6, ("2001:db8::1", 443), ("2001:db8::2", 444)), (d, IN6, ("::ffff:10.0.0.1", 443), None),
):
    client = make(family, TCP, local, to=address, mark=0x2a if local else 0)
    accepted, _ = server.accept()
    held.append(accepted)
    if local == ("10.0.0.2", 1): client.shutdown(socket.SHUT_WR)   # FIN-WAIT-2 and CLOSE-WAIT
make(IN4, UDP, ("127.0.0.1", 53))
make(IN4, UDP, ("0.0.0.0", 5353), device=True, mark=0x2a)
make(IN4, UDP, ("10.0.0.1", 123), to=("10.0.0.2", 123))
make(IN6, UDP, ("::", 53), only6=1)
make(IN6, UDP, ("::1", 40001), to=("::1", 53))
make(IN6, UDP, ("::ffff:127.0.0.1", 5353), only6=0)
make(IN4, UDP, ("127.0.0.1", 0))
print("ready")
sys.stdin.read()
"""

holder = None
group = None  # a cgroup with the holder in it, as a path below the cgroup2 mount


def setUpModule():
    global holder
    if not SS:
        raise unittest.SkipTest("ss is not installed")
    version = subprocess.run([SS, "-V"], capture_output=True, text=True).stdout
    if "iproute2-6.1" not in version:
        raise unittest.SkipTest(f"the language follows ss 6.1; installed: {version.strip()}")
    enter_namespace_with_small_tables()
    look_up_hosts_in_files_only()
    for address in ("10.0.0.1/8", "10.0.0.2/8", "2001:db8::1/64", "2001:db8::2/64"):
        subprocess.run(["ip", "address", "add", address, "dev", "lo", *(["nodad"] if ":" in address else [])], check=True)
    holder = subprocess.Popen(
        ["sh", "-c", 'read go; exec "$0" -u -c "$1"', sys.executable, HOLDER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    enter_cgroup(holder.pid)
    holder.stdin.write("go\n")
    holder.stdin.flush()
    if holder.stdout.readline() != "ready\n":
        raise AssertionError("the sockets could not be made")


def tearDownModule():
    if holder:
        holder.communicate()
    if group:
        os.rmdir(live.cgroup2_mount() + group)


def enter_namespace_with_small_tables():
    """A dump walks the whole hash table of connections, which is the host's unless the namespace has its own (6.1)."""
    live.enter_network_namespace()
    try:
        with open("/proc/sys/net/ipv4/tcp_child_ehash_entries", "w") as file:
            file.write("256")
    except OSError:
        return
    live.enter_network_namespace()


def look_up_hosts_in_files_only():
    path = "/etc/nsswitch.conf"
    if ctypes.CDLL(None, use_errno=True).unshare(0x20000) != 0 or not os.path.exists(path):  # CLONE_NEWNS
        return
    with open(path) as file:
        kept = [line for line in file if not line.startswith("hosts:")]
    with tempfile.NamedTemporaryFile("w") as file:
        file.writelines([*kept, "hosts: files\n"])
        file.flush()
        os.chmod(file.name, 0o644)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "--bind", file.name, path], check=True)


def enter_cgroup(pid):
    """Makes a cgroup of its own for the process where that is possible."""
    global group
    mount = live.cgroup2_mount()
    if not mount:
        return
    path = f"/socktrace-filter-{os.getpid()}"
    try:
        os.mkdir(mount + path)
    except OSError:
        return
    group = path
    with open(f"{mount}{path}/cgroup.procs", "w") as file:
        file.write(str(pid))


OWN_PORTS = ["22", "80", "443", "53", "8080", "5353", "123", "1", "40000", "40001", "65535"]
PORTS = [*OWN_PORTS, *OWN_PORTS, "0", "65534", "32768", "0x16", "026", "00", "0x0050"]
SERVICES = ["ssh", "http", "https", "domain", "http-alt", "tcpmux", "smtp", "telnet", "imap2", "pop3"]
PORT_FORMS = ["{}", "{}", "{}", ":{}", ":{}", "[{}]", "inet:{}", "inet6:{}", "inet::{}"]
BAD_PORTS = ["22x", "nosuch", "SSH", "tcp", "22/tcp", "1.2.3.4:22", "[::1]:22", "::22", "09", "[22", "#", "1e1", "22,23"]

FOURS = [
    "127.0.0.1", "127.0.0.2", "10.0.0.1", "10.0.0.2", "192.0.2.1", "10", "127/8", "10/8", "10.0/16", "10.0.0.0/8", "10.0.0.2/31",
    "127.0.0.0/30", "10.0.0.1/32", "127.0.0.0/255.0.0.0", "10.0.0.0/255.255.255.252", "0x7f.0.0.1", "012.0.0.1", "127.1",
    "10.0.0.1/0x1f", "255.255.255.255", "127.0.0.1/24", "0.0.0.0/0",
]
SIXES = [
    "[::1]", "[2001:db8::1]", "[2001:db8::2]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "::1/128", "2001:db8::/32", "2001:db8::/126", "::ffff:127.0.0.1/128", "::ffff:0:0/96", "::ffff:10.0.0.0/104", "[2001:db8::/64]", "[::1/128]",
    "2001:db8::1/127", "[2001:DB8::1]", "[2001:db8:0:0:0:0:0:1]", "fe80::/10",
]
ANYS = ["*", "any", "all", "default", "", "[]", "[any]", "[*]"]
LOOSE = ["0.0.0.0", "0/0", "10/0", "::/0", "[::]", "[::]", "::/96", "::/1", "0/8", "0.0.0.0/1", "inet:any", "inet6:any", "inet6:all", "::/127"]
PREFIXES = ["inet:", "inet6:"]
OTHER_FAMILIES = ["unix:*", "unix:/run/x", "netlink:rtnl", "netlink:*", "netlink:0:kernel", "link:arp", "link:*:lo", "vsock:1:2"]
BAD_HOSTS = [
    "1.2.3.256", "1.2.3.4.5", "1.2.3.", ".1", "1..2", "10/33", "10/x", "10/", "127.0.0.1/255.0.255.0", "[::1", "::1", "::",
    "[::1]/64", "::1/129", "2001:db8::g", "inet:[::1]", "inet6:127.0.0.1", "inet6:1.2.3.4/24", "inet7:1", "tipc:1", "xdp:1",
    "0x7f000001", "nosuch", "no.such.host", "09.0.0.1", "127.0.0.1.", "127.0.0.1:22/32", "127.0.0.1:nosuch", "netlink:nosuch",
    "link:nosuch", "link:arp:nosuch", "vsock:x", "1.2.3.4:22:22", "inet:inet6:any",
]
DEVICES = ["lo", "lo", "1", "0", "99", "if1", "0x1", "if7"]
BAD_DEVICES = ["nosuch", "1x", "LO", "lo/", "ifx", "if1x"]
MARKS = ["0", "1", "42", "0x2a", "052", "0x2a/0xff", "2/2", "0/0", "0/1", "4294967295", "0xffffffff/1", "3/1"]
BAD_MARKS = ["x", "1/", "/1", "1/x", "*", "any"]
BAD_CGROUPS = ["/nosuch", "no/such"]
STATES = [
    "established", "syn-sent", "syn-recv", "syn-rcv", "fin-wait-1", "fin-wait-2", "time-wait", "closed", "close", "unconnected",
    "close-wait", "last-ack", "listening", "closing", "all", "connected", "synchronized", "bucket", "big", "ESTABLISHED", "Listening",
]
BAD_STATES = ["listen", "estab", "", "tcp", "new-syn-recv", "est*", "closed,listening", "state"]
EQUAL = ["=", "==", "eq", ""]
UNEQUAL = ["!=", "ne", "neq"]
ORDER = [">=", "ge", "geq", "<=", "le", "leq", ">", "gt", "<", "lt"]
AND = ["and", "&", "&&", ""]
OR = ["or", "|", "||"]
NOT = ["not", "!"]
STRAY = [
    *EQUAL, *UNEQUAL, *ORDER, *AND, *OR, *NOT, "(", ")", "src", "dst", "sport", "dport", "dev", "fwmark", "cgroup", "autobound",
    "22", ":22", "127.0.0.1", "[::1]", "lo", "any", "nosuch", "state", "exclude", "listening", "AND", "Or", "sport=22", "(sport",
    "22)", "!sport", "=22", "()", "!=22", "><", "<>", "=>", "===", "&&&", "xor", ",", ";", "established",
]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, words):
        return self.random.choice(words)

    def chance(self, probability):
        return self.random.random() < probability

    def command(self):
        """The words for the command line, and the name of the class they came from."""
        roll = self.random.random()
        if roll < 0.6:
            kind, words = "valid", self.expression(self.random.randrange(4))
        elif roll < 0.9:
            kind, words = "spoilt", self.spoil(self.expression(self.random.randrange(3)))
        else:
            kind, words = "garbage", [self.pick(STRAY) for _ in range(self.random.randrange(1, 7))]
        return kind, [*self.states(kind), *self.arguments(words)]

    def states(self, kind):
        words = []
        while self.chance(0.15):
            name = self.pick(BAD_STATES) if kind != "valid" and self.chance(0.2) else self.pick(STATES)
            words += [self.pick(["state", "state", "exclude", "excl"]), name]
        if kind != "valid" and self.chance(0.01):
            words.append("state")
        return words

    def expression(self, depth):
        words = self.unary(depth)
        while self.chance(0.45):
            words += [self.pick(self.pick([AND, OR])), *self.unary(depth)]
        return words

    def unary(self, depth):
        if self.chance(0.2):
            return [self.pick(NOT), *self.unary(depth)]
        if depth and self.chance(0.4):
            return ["(", *self.expression(depth - 1), ")"]
        return self.condition()

    def condition(self, bad=False):
        subject = self.random.choices(["host", "port", "dev", "fwmark", "cgroup", "autobound"], [40, 40, 6, 6, 4, 4])[0]
        if subject == "host":
            return [self.pick(["src", "dst"]), self.pick(EQUAL), self.pick(BAD_HOSTS) if bad else self.host()]
        if subject == "port":
            word = self.pick(["sport", "dport"])
            if bad:
                return [word, self.pick([*EQUAL, *ORDER]), self.pick(BAD_PORTS)]
            if self.chance(0.06):
                return [word, self.pick([*EQUAL, *UNEQUAL]), self.pick(["*", ":*", ":", "inet6:*", "inet:"])]
            number = self.pick(SERVICES) if self.chance(0.2) else self.pick(PORTS)
            return [word, self.pick([*EQUAL, *UNEQUAL, *ORDER]), self.pick(PORT_FORMS[:6] if self.chance(0.8) else PORT_FORMS).format(number)]
        compare = self.pick([*EQUAL, *UNEQUAL])
        if subject == "dev":
            return ["dev", compare, self.pick(BAD_DEVICES if bad else DEVICES)]
        if subject == "fwmark":
            return ["fwmark", compare, self.pick(BAD_MARKS if bad else MARKS)]
        if subject == "cgroup" and (group or bad):
            return ["cgroup", compare, self.pick(BAD_CGROUPS) if bad else self.pick([group, group[1:]])]
        return ["autobound"]

    def host(self):
        if self.chance(0.04):
            return self.pick(OTHER_FAMILIES)
        if self.chance(0.08):
            return self.pick(LOOSE)
        address = self.pick(self.pick([FOURS, FOURS, SIXES, SIXES, ANYS]))
        port = self.pick(["", "", f":{self.pick(PORTS)}", ":*", f":{self.pick(SERVICES)}"])
        if address == "" and not port:
            port = ":"
        if self.chance(0.06):
            port = port.replace(":", "", 1) if address[-1:] in ("]", "*") else port
        if self.chance(0.1):
            return ("inet6:" if address in SIXES else "inet:" if address in FOURS else self.pick(PREFIXES)) + address + port
        return address + port

    def spoil(self, words):
        words = [word for word in words if word]
        for _ in range(self.random.randrange(1, 3)):
            at = self.random.randrange(len(words))
            change = self.random.randrange(8)
            if change == 0:
                words[at : at + 1] = []
            elif change == 1:
                words.insert(at, self.pick(STRAY))
            elif change == 2:
                words[at] = self.pick(STRAY)
            elif change == 3:
                words.insert(at, words[at])
            elif change == 4:
                words[at : at + 2] = ["".join(words[at : at + 2])]
            elif change == 5:
                words[at] = words[at].swapcase()
            elif change == 6:
                self.random.shuffle(words)
            else:
                words[at:at] = self.condition(bad=True)
            if not words:
                break
        return words

    def arguments(self, words):
        """The words, some in one argument, some with odd blanks and backslashes."""
        words = [self.escaped(word) for word in words if word]
        style = self.random.random()
        if style < 0.5:
            return words
        if style < 0.75:
            return [self.blanks().join(["", *words, ""])] if words and self.chance(0.3) else [" ".join(words)]
        grouped = []
        for word in words:
            if grouped and self.chance(0.5):
                grouped[-1] += self.blanks() + word
            else:
                grouped.append(word)
        return grouped

    def blanks(self):
        return self.pick([" ", " ", "  ", "\t", " \t "])

    def escaped(self, word):
        if self.chance(0.98):
            return word
        at = self.random.randrange(len(word))
        return word[:at] + "\\" + word[at:]


def kept_out(command):
    """Whether ss is of no use as a judge of this command; see the top of the file."""
    words = " ".join(command).replace("\\", "").split()
    # State words in one argument with others are none to ss.
    for argument in command:
        first = argument.split()[:1]
        if first and first[0] in ("state", "exclude", "excl") and len(argument.split()) > 1:
            return True
    if any(word.startswith("-") for word in command):
        return True
    text = " ".join(words)
    # What socktrace decides otherwise.
    if re.search(r"\b[sd]port (>=?|<=?|g[et]q?|l[et]q?) (inet6?:)?:?(\*|$|:? )", text + " "):
        return True
    if re.search(r"\b(src|dst) (= |== |eq )?[/@]", text):
        return True
    if re.search(r"\bfwmark (= |== |eq |!= |ne |neq )?[0-9a-fx]+(/[0-9a-fx]+)?[^0-9a-fx/ ]", text) or re.search(r":\*[^ ]|[a-z0-9\]]&", text):
        return True
    prefixed = re.search(r"\b(inet6?|unix|link|netlink|vsock):", text)
    if prefixed and re.search(r" [^ ]*([sd]port|src|dst)\b", text[prefixed.end() :]):
        return True
    if "autobound" in words and any(word in words for word in ("not", "!", "fwmark", "cgroup", "dev")):
        return True
    if re.search(r"\bdev\b", text) and re.search(r"\b(src|dst)\b|\bif[0-9]+[^0-9 ]", text):
        return True
    loose = any(word.startswith(tuple(LOOSE)) for word in words)
    return loose and any(word in ("not", "!", "autobound") for word in words)


def squeezed(lines):
    return sorted(" ".join(line.split()) for line in lines if line.strip())


# Filter, whether ss takes it, whether socktrace does.
DELIBERATE = [
    ("src inet6:[::1] or src 10/8", False, True),
    ("fwmark 127.0.0.1", True, False),
    ("fwmark 42and", True, False),
    ("src 10.0.0.1:*x", True, False),
    ("dev if1x", True, False),
    ("sport = 65558", True, False),  # 22 to ss
]
MARK = "@@"


def run_batch(commands):
    """For each command what ss and what socktrace ss did: exit status and rows."""
    script = []
    for command in commands:
        for program in ([SS], [SOCKTRACE, "ss"]):
            script.append(f"{shlex.join([*program, *OPTIONS, *command])} 2>/dev/null; echo {MARK}$?\n")
    ended = subprocess.run(["sh"], input="".join(script), capture_output=True, text=True, timeout=240, cwd="/")
    answers, rows = [], []
    for line in ended.stdout.splitlines():
        if line.startswith(MARK):
            answers.append((int(line[len(MARK) :]), squeezed(rows)))
            rows = []
        else:
            rows.append(line)
    if len(answers) != 2 * len(commands):
        raise AssertionError(f"{len(answers)} answers to {2 * len(commands)} commands")
    return list(zip(commands, answers[::2], answers[1::2], strict=True))


def difference(theirs, ours):
    """What differs between two answers; None when nothing does."""
    accepted = theirs[0] == 0
    if ours[0] not in (0, 1, 2):
        return f"socktrace ss ended with status {ours[0]}"
    if accepted != (ours[0] != 2):
        return f"ss {'accepts' if accepted else 'rejects'} it (status {theirs[0]}), socktrace ss does not (status {ours[0]})"
    if not accepted:
        return None
    if theirs[1] != ours[1]:
        only = [f"  only ss: {row}" for row in theirs[1] if row not in ours[1]]
        only += [f"  only socktrace ss: {row}" for row in ours[1] if row not in theirs[1]]
        return "rows differ\n" + "\n".join(only)
    if (ours[0] == 0) != bool(ours[1]):
        return f"status {ours[0]} with {len(ours[1])} rows"
    return None


def corpus():
    generator = Generator(SEED)
    commands = []
    while len(commands) < COUNT:
        _, command = generator.command()
        if not kept_out(command):
            commands.append(command)
    return commands


class Filters(unittest.TestCase):
    def compare(self, commands):
        """Differences by command, and the answers of ss."""
        batches = [commands[at : at + BATCH] for at in range(0, len(commands), BATCH)]
        wrong, answers = [], []
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as workers:
            for batch in workers.map(run_batch, batches):
                for command, theirs, ours in batch:
                    answers.append(theirs)
                    found = difference(theirs, ours)
                    if found:
                        wrong.append(f"ss {shlex.join([*OPTIONS, *command])}\n{found}")
        return wrong, answers

    def test_generated_expressions_agree_with_ss(self):
        wrong, answers = self.compare(corpus())
        self.assertEqual(wrong[:20], [], f"{len(wrong)} of {COUNT} differ (seed {SEED})\n" + "\n".join(wrong[:20]))
        # The generator is of use only while both outcomes and real choices are common.
        accepted = [rows for status, rows in answers if status == 0]
        self.assertGreater(len(accepted), COUNT * 0.55)
        self.assertGreater(len(answers) - len(accepted), COUNT * 0.2)
        everything = max(len(rows) for rows in accepted)
        self.assertGreater(everything, 20)
        self.assertGreater(sum(0 < len(rows) < everything for rows in accepted), COUNT * 0.3)

    def test_kernel_and_user_space_select_the_same_sockets(self):
        """The whole corpus once more, each expression as bytecode alone and in user space alone."""
        if not os.path.exists(AGREEMENT):
            self.skipTest("filter_agreement is not here: it is built beside socktrace, and not taken into guests")
        commands = corpus()
        given = "".join("\x1f".join([*OPTIONS, *command]) + "\n" for command in commands)
        ended = subprocess.run([AGREEMENT], input=given, capture_output=True, text=True, timeout=240, cwd="/")
        answers = ended.stdout.splitlines()
        self.assertEqual((ended.returncode, ended.stderr, len(answers)), (0, "", COUNT))
        kinds, wrong, chosen = {}, [], 0
        for command, answer in zip(commands, answers, strict=True):
            kind, *numbers = answer.split()
            kinds[kind] = kinds.get(kind, 0) + 1
            if kind == "rejected":
                continue
            every, kernel, both, userspace = map(int, numbers)
            chosen += 0 < both < every
            # What the bytecode cannot say it may let through, and which ports bind() was told user space may not know.
            if (kind in ("exact", "wider") and both != userspace) or (kind in ("exact", "lock") and both != kernel):
                wrong.append(f"{shlex.join(command)}: {answer}")
        self.assertEqual(wrong[:20], [], f"{len(wrong)} of {COUNT} differ")
        self.assertGreater(kinds["exact"], COUNT * 0.4, kinds)
        self.assertGreater(chosen, COUNT * 0.2)

    def test_deliberate_differences_are_still_there(self):
        answers = run_batch([text.split() for text, _, _ in DELIBERATE])
        for (text, by_ss, by_us), (_, theirs, ours) in zip(DELIBERATE, answers, strict=True):
            self.assertEqual((theirs[0] == 0, ours[0] != 2), (by_ss, by_us), text)

    def test_what_is_not_autobound_is_listed_whether_bind_was_told_the_port_or_not(self):
        (_, _, (_, autobound)), (_, _, (_, rest)), (_, _, (_, every)) = run_batch([["autobound"], ["not", "autobound"], []])
        self.assertEqual(len(autobound) + len(rest), len(every))
        self.assertTrue(set(autobound).isdisjoint(rest))


if __name__ == "__main__":
    unittest.main()
