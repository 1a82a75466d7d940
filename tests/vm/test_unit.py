"""The recorder as systemd runs it: share/systemd/socktrace.service with all of its restrictions, on a host that systemd has booted."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "support"))
import live

UNIT = "socktrace.service"
LOG = "/var/log/socktrace/socktrace.jsonl"
CAP_BPF = 1 << 39
FIRST_VERSION = os.uname().release.startswith("5.10.")
USER = "990"  # in the guest's /etc/passwd
DROP_INS = f"/etc/systemd/system/{UNIT}.d"


def systemctl(*arguments):
    return subprocess.run(["systemctl", *arguments], capture_output=True, text=True, timeout=live.DEADLINE_S)


def property_of(name):
    return systemctl("show", "--value", "-p", name, UNIT).stdout.strip()


def messages():
    with open("/run/messages", encoding="utf-8") as file:
        return file.read()


def process_status():
    with open(f"/proc/{property_of('MainPID')}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def records(path=LOG):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


def events_of(port, name):
    return [r for r in records() if r.get("event") == name and r["network"]["local"]["port"] == port]


class Unit(unittest.TestCase):
    def setUp(self):
        self.addCleanup(systemctl, "stop", UNIT)

    def start(self):
        started = systemctl("start", UNIT)  # returns when the recorder has said READY=1
        self.assertEqual((started.returncode, property_of("ActiveState")), (0, "active"), messages())

    def see_a_listener_and_a_failed_bind(self):
        with live.listener() as held, socket.socket() as asking:
            port = held.getsockname()[1]
            with self.assertRaises(OSError):
                asking.bind(("127.0.0.1", port))
            live.wait_until(lambda: events_of(port, "tcp.listen") and events_of(port, "bind.failed"), f"port {port} in {LOG}")
            failed = events_of(port, "bind.failed")[0]
            self.assertEqual(failed["conflict"][0]["process"]["pid"], os.getpid())
            return events_of(port, "tcp.listen")[0]["process"]

    def test_it_records_as_a_user_of_its_own_reloads_and_ends(self):
        self.start()
        self.see_a_listener_and_a_failed_bind()
        status = process_status()
        self.assertEqual(status["Uid"].split()[0], USER)
        for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
            kept = CAP_BPF if FIRST_VERSION and name in ("CapPrm", "CapEff") else 0  # to start the iterator once more
            self.assertEqual(int(status[name], 16), kept, name)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, int(status["Pid"])), -4)
        for path, mode in ((LOG, 0o640), (os.path.dirname(LOG), 0o750)):
            found = os.stat(path)
            self.assertEqual((found.st_mode & 0o777, str(found.st_uid)), (mode, USER), path)

        os.rename(LOG, LOG + ".1")
        self.assertEqual(systemctl("reload", UNIT).returncode, 0)
        live.wait_until(lambda: os.path.exists(LOG), "new file")
        self.see_a_listener_and_a_failed_bind()

        self.assertEqual(systemctl("stop", UNIT).returncode, 0)
        self.assertEqual((property_of("Result"), property_of("ExecMainStatus")), ("success", "0"))
        self.assertEqual(records()[-1]["k"], "trailer")

    def test_with_the_drop_in_it_sees_all_namespaces_and_comes_back_when_killed(self):
        shutil.copytree(os.path.join(os.path.dirname(__file__), f"{UNIT}.d"), DROP_INS)
        self.addCleanup(systemctl, "daemon-reload")
        self.addCleanup(shutil.rmtree, DROP_INS)
        systemctl("daemon-reload")
        self.start()
        process = self.see_a_listener_and_a_failed_bind()
        self.assertEqual(process["executable"]["path"], os.path.realpath(sys.executable))
        program = "import socket, sys; held = socket.create_server(('0.0.0.0', 4321)); sys.stdin.read()"
        with subprocess.Popen(["unshare", "--net", sys.executable, "-c", program], stdin=subprocess.PIPE) as other:
            live.wait_until(lambda: events_of(4321, "tcp.listen"), "listener in another namespace")
            other.stdin.close()

        killed = property_of("MainPID")
        os.kill(int(killed), signal.SIGKILL)
        live.wait_until(lambda: property_of("ActiveState") == "active" and property_of("MainPID") not in ("0", killed), "restart")
        self.see_a_listener_and_a_failed_bind()


if __name__ == "__main__":
    unittest.main()
