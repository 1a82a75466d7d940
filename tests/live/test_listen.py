"""--listen: ports opening, closing, and failing to open."""

import os
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

SERVER = """
import socket, sys
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
kind = getattr(socket, sys.argv[3])
s = socket.socket(family, kind)
if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
try:
    s.bind((sys.argv[1], int(sys.argv[2])))
    if kind == socket.SOCK_STREAM: s.listen(5)
    print('bound', s.fileno(), s.getsockname()[1])
except OSError as error:
    print('failed', s.fileno(), error.errno)
sys.stdin.readline()
"""


def server(address, port, kind="SOCK_STREAM"):
    child = live.Child(SERVER, address, port, kind)
    outcome, fd, value = child.line().split()
    return child, outcome, int(fd), int(value)


def setUpModule():
    live.enter_network_namespace()


class AnotherPidNamespace(unittest.TestCase):
    def test_a_process_of_the_host_that_has_the_tracers_number_is_told(self):
        child = live.Child("import sys; sys.stdin.readline()\n" + SERVER, "127.0.0.1", 7400, "SOCK_STREAM")
        inside = f"echo {child.pid - 1} > /proc/sys/kernel/ns_last_pid; \"$@\""
        prefix = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", inside, "sh"]
        tracer = live.Tracer("--listen", "--color=never", prefix=prefix)
        try:
            child.tell()
            tracer.wait_line("+ LISTEN", "127.0.0.1:7400/tcp", f"[{child.pid}]")
        finally:
            child.end()
            tracer.process.kill()
            tracer.stop()


class Listen(unittest.TestCase):
    def test_listener_failure_and_close_name_the_same_process(self):
        with live.Tracer("--listen", "--color=never") as tracer:
            first, outcome, fd, _ = server("0.0.0.0", 8080)
            self.assertEqual(outcome, "bound")
            line = tracer.wait_line("+ LISTEN", "0.0.0.0:8080/tcp")
            self.assertIn(f"[{first.pid}]", line)

            second, outcome, _, errno = server("0.0.0.0", 8080)
            self.assertEqual((outcome, errno), ("failed", 98))
            failed = tracer.wait_line("x BIND FAILED", "0.0.0.0:8080/tcp", "EADDRINUSE")
            self.assertIn(f"[{second.pid}]", failed)
            held = tracer.wait_line("held by", f"[{first.pid}]")
            self.assertRegex(held, rf"LISTEN 0\.0\.0\.0:8080  fd {fd}  since \d\d:\d\d:\d\d")
            tracer.wait_line("why", "same port, overlapping address")
            tracer.wait_line("next")
            second.end()
            first.end()
            closed = tracer.wait_line("- CLOSED", "0.0.0.0:8080/tcp")
            self.assertIn(f"[{first.pid}]", closed)
            self.assertRegex(closed, r"lived \d")
            # a failed bind is not an open socket and so never closes
            self.assertNotIn(f"[{second.pid}]", closed)

    def test_dual_stack_wildcard_blocks_ipv4(self):
        with live.Tracer("--listen", "--color=never") as tracer:
            first, outcome, fd, _ = server("::", 8081)
            self.assertEqual(outcome, "bound")
            tracer.wait_line("+ LISTEN", "[::]:8081/tcp", f"[{first.pid}]")
            second, outcome, _, _ = server("0.0.0.0", 8081)
            self.assertEqual(outcome, "failed")
            tracer.wait_line("x BIND FAILED", "0.0.0.0:8081/tcp", f"[{second.pid}]")
            tracer.wait_line("held by", f"[{first.pid}]", "[::]:8081", f"fd {fd}")
            second.end()
            first.end()

    def test_udp_port_taken(self):
        with live.Tracer("--listen", "--color=never") as tracer:
            first, outcome, fd, _ = server("127.0.0.1", 5353, "SOCK_DGRAM")
            self.assertEqual(outcome, "bound")
            tracer.wait_line("+ ", "127.0.0.1:5353/udp", f"[{first.pid}]")
            second, outcome, _, _ = server("0.0.0.0", 5353, "SOCK_DGRAM")
            self.assertEqual(outcome, "failed")
            tracer.wait_line("x BIND FAILED", "0.0.0.0:5353/udp", "EADDRINUSE", f"[{second.pid}]")
            tracer.wait_line("held by", f"[{first.pid}]", "127.0.0.1:5353", f"fd {fd}")
            second.end()
            first.end()
            tracer.wait_line("- CLOSED", "127.0.0.1:5353/udp", f"[{first.pid}]")

    def test_port_held_only_in_time_wait(self):
        with live.Tracer("--listen", "--color=never") as tracer:
            server_socket = live.listener(port=8082)
            client = socket.create_connection(("127.0.0.1", 8082))
            accepted, _ = server_socket.accept()
            accepted.close()  # the server closes first: TIME_WAIT keeps port 8082
            self.assertEqual(client.recv(1), b"")
            client.close()
            server_socket.close()
            tracer.wait_line("- CLOSED", "127.0.0.1:8082/tcp")
            second, outcome, _, errno = server("127.0.0.1", 8082)
            self.assertEqual((outcome, errno), ("failed", 98))
            tracer.wait_line("x BIND FAILED", "127.0.0.1:8082/tcp", "EADDRINUSE", f"[{second.pid}]")
            tracer.wait_line("held by", "TIME-WAIT", "127.0.0.1:8082")
            tracer.wait_line("why", "TIME-WAIT")
            second.end()

    def test_sockets_opened_before_the_start_have_their_owner(self):
        first, outcome, fd, _ = server("127.0.0.1", 8083)
        self.assertEqual(outcome, "bound")
        with live.Tracer("--listen", "--color=never") as tracer:
            row = tracer.wait_line("LISTEN", "127.0.0.1:8083")
            self.assertIn(f"pid={first.pid},fd={fd}", row)
            second, outcome, _, _ = server("127.0.0.1", 8083)
            self.assertEqual(outcome, "failed")
            held = tracer.wait_line("held by", f"[{first.pid}]")
            self.assertRegex(held, r"since ≥")
            second.end()
            first.end()
            closed = tracer.wait_line("- CLOSED", "127.0.0.1:8083/tcp", f"[{first.pid}]")
            self.assertRegex(closed, r"lived ≥")

    def test_the_child_that_kept_the_descriptor_is_named(self):
        forks = "import os,socket,sys\ns=socket.socket();s.bind(('127.0.0.1',8086));s.listen()\npid=os.fork()\n" \
                "if pid: print(pid,flush=True); os._exit(0)\nsys.stdin.readline()\n"
        with live.Tracer("--listen", "--color=never") as tracer:
            with live.Child(forks) as parent:
                child = int(parent.line())
                os.waitid(os.P_PID, parent.pid, os.WEXITED | os.WNOWAIT)
                second, outcome, _, _ = server("127.0.0.1", 8086)
                self.assertEqual(outcome, "failed")
                tracer.wait_line("held by", f"[{child}]", "127.0.0.1:8086")
                self.assertIsNone(tracer.find("held by", f"[{parent.pid}]"))
                second.end()

    def test_a_foreign_address_is_held_by_nobody(self):
        with live.Tracer("--listen", "--color=never") as tracer:
            second, outcome, _, errno = server("192.0.2.1", 8085)
            self.assertEqual((outcome, errno), ("failed", 99))
            tracer.wait_line("x BIND FAILED", "192.0.2.1:8085/tcp", "EADDRNOTAVAIL", f"[{second.pid}]")
            tracer.wait_line("why")
            tracer.wait_line("next")
            self.assertIsNone(tracer.find("held by"))
            second.end()

    def test_listen_failure_is_reported_once_and_never_as_an_open_port(self):
        reuse = "import socket,sys\ns=socket.socket()\ns.setsockopt(1,2,1)\ns.bind(('127.0.0.1',8084))\nprint('bound')\n" \
                "sys.stdin.readline()\ntry: s.listen()\nexcept OSError as e: print(e.errno)\nelse: print(0)\nsys.stdin.readline()\n"
        with live.Tracer("--listen", "--color=never") as tracer:
            with live.Child(reuse) as first, live.Child(reuse) as second:
                self.assertEqual((first.line(), second.line()), ("bound", "bound"))
                first.tell()
                self.assertEqual(first.line(), "0")
                second.tell()
                self.assertEqual(second.line(), "98")
                tracer.wait_line("+ LISTEN", "127.0.0.1:8084/tcp", f"[{first.pid}]")
                tracer.wait_line("x LISTEN FAILED", "127.0.0.1:8084/tcp", "EADDRINUSE", f"[{second.pid}]")
                tracer.wait_line("held by", f"[{first.pid}]")
            tracer.wait_line("- CLOSED", "127.0.0.1:8084/tcp", f"[{first.pid}]")
        opened = [line for line in tracer.lines if "+ LISTEN" in line and ":8084/" in line]
        self.assertEqual(len(opened), 1)


class Stop(unittest.TestCase):
    def test_signals_end_with_a_summary_and_status_0(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            tracer = live.Tracer("--listen")
            tracer.signal(number)
            self.assertEqual(tracer.process.wait(timeout=live.DEADLINE_S), 0)
            tracer.stop()
            self.assertRegex(tracer.messages[-1], r"^socktrace: \d+ events, 0 lost$")

    def test_nohup_keeps_it_running(self):
        with live.Tracer("--listen", prefix=("nohup",)) as tracer:
            tracer.signal(signal.SIGHUP)
            with live.listener() as sock:
                tracer.wait_line("+ LISTEN", f":{sock.getsockname()[1]}/tcp")
            tracer.signal(signal.SIGUSR1)
            tracer.wait(lambda: any("compared with the kernel" in m for m in tracer.messages), "comparison")

    def test_a_closed_pipe_ends_quietly(self):
        read, write = os.pipe()
        process = subprocess.Popen([live.SOCKTRACE, "--listen"], stdout=write, stderr=subprocess.PIPE, text=True)
        os.close(write)
        self.assertTrue(process.stderr.readline().startswith("socktrace: ready"))
        os.close(read)  # `socktrace -l | head -1`
        self.assertEqual(process.wait(timeout=live.DEADLINE_S), 0)
        self.assertRegex(process.stderr.read(), r"^socktrace: \d+ events, 0 lost\n$")
        process.stderr.close()


if __name__ == "__main__":
    unittest.main()
