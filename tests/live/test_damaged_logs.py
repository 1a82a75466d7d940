"""Logs as they are found the next day: cut, damaged, incomplete, of other hosts. What is skipped is said word for word, the
rest is printed, and the exit status is 5. Needs no root."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

GOLDEN = os.path.join(os.path.dirname(__file__), "../data/log/socktrace.v1.jsonl")


def text(record):
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"


def part(events, first_seq=1, segment=0, host="web-3", boot="b1", session="s1", version=1):
    """The lines of a file: a header, and a listener for each number."""
    with open(GOLDEN, encoding="utf-8") as file:
        golden = [json.loads(line) for line in file]
    header, listen = golden[0], next(record for record in golden if record.get("event") == "tcp.listen")
    header.update(v=version, session=session, segment=segment, next_seq=first_seq)
    header.pop("filter")
    header["host"] = {"id": host * 4, "name": host, "boot": {"id": boot}}
    lines = [text(header)]
    for seq in range(first_seq, first_seq + events):
        listen["seq"], listen["network"]["local"]["port"] = seq, 1000 + seq
        lines.append(text(listen))
    return lines


class DamagedLogs(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, lines):
        with open(self.path(name), "wb") as file:
            file.write(lines if isinstance(lines, bytes) else "".join(lines).encode())
        return self.path(name)

    def check(self, log, code, seqs, *messages, **kwargs):
        result = subprocess.run([live.SOCKTRACE, "log", "--json", *[word for path in log for word in ("--from", path)]],
                                capture_output=True, timeout=live.DEADLINE_S, **{"stdin": subprocess.DEVNULL, **kwargs})
        read = [json.loads(line)["seq"] for line in result.stdout.splitlines() if b'"k":"event"' in line]
        self.assertEqual(result.stderr.decode().splitlines(), [f"socktrace: log: {message}" for message in messages])
        self.assertEqual(read, seqs)
        self.assertEqual(result.returncode, code)

    def test_whole_files_of_a_directory_in_the_order_of_their_numbers(self):
        self.write("a.jsonl", part(2, first_seq=4, segment=1))
        self.write("b.jsonl", part(3))
        self.check([self.directory], 0, [1, 2, 3, 4, 5])

    def test_a_torn_last_line(self):
        lines = part(3)
        path = self.write("x.jsonl", "".join(lines).encode()[:-20])
        torn = len(lines[-1]) - 20
        self.check([path], 5, [1, 2], f"{path}: the last line is torn, {torn} bytes skipped: its writer was killed, or is writing")

    def test_a_damaged_line(self):
        lines = part(4)
        offset = len((lines[0] + lines[1]).encode())
        lines[2] = lines[2].replace('"seq":', '"seq";')
        path = self.write("x.jsonl", lines)
        self.check([path], 5, [1, 3, 4],
                   f"{path}: 1 damaged line skipped, the first is line 3 at byte {offset}: 'line' is not valid JSON")

    def test_a_field_of_another_type(self):
        lines = part(2)
        lines[1] = lines[1].replace('"port":1001', '"port":"1001"')
        path = self.write("x.jsonl", lines)
        self.check([path], 5, [2],
                   f"{path}: 1 damaged line skipped, the first is line 2 at byte {len(lines[0].encode())}: 'port' is not a number "
                   "in its range")

    def test_a_file_in_the_middle_is_missing(self):
        self.write("0.jsonl", part(3))
        path = self.write("2.jsonl", part(2, first_seq=9, segment=2))
        self.check([self.directory], 5, [1, 2, 3, 9, 10], f"{path}: 5 records missing, in it or before it")

    def test_a_file_given_twice(self):
        path = self.write("x.jsonl", part(3))
        self.check([path, path], 5, [1, 2, 3, 1, 2, 3], f"{path}: it repeats earlier records: was a file given twice?")

    def test_of_another_host(self):
        a = self.write("a.jsonl", part(1))
        b = self.write("b.jsonl", part(1, host="web-4", boot="b9", session="s2"))
        self.check([a, b], 0, [1, 1], "these are logs of 2 hosts, one after another")

    def test_of_another_boot(self):
        self.write("a.jsonl", part(1))
        self.write("b.jsonl", part(1, boot="b2", session="s2"))
        self.check([self.directory], 0, [1, 1])
        shown = live.run("log", "--from", self.directory, "--utc").stdout
        self.assertIn("began on web-3, Linux 6.1.0-37-amd64; off: bind (EPERM)\n", shown)
        self.assertIn("began on web-3, Linux 6.1.0-37-amd64, after a reboot; off: bind (EPERM)\n", shown)

    def test_of_a_newer_version(self):
        path = self.write("x.jsonl", part(2) + part(3, session="s2", version=2) + part(1, session="s3"))
        self.check([path], 5, [1, 2, 1],
                   f"{path}: 4 lines of version 2 of the log skipped: a newer socktrace has written them")

    def test_a_damaged_frame(self):
        frames = []
        for first in (1, 3, 5):
            lines = part(2, first_seq=first)[0 if first == 1 else 1:]
            frames.append(subprocess.run(["zstd", "-qc"], input="".join(lines).encode(), capture_output=True, check=True).stdout)
        damaged = bytearray(frames[1])
        damaged[len(damaged) // 2] ^= 0xFF
        path = self.write("x.jsonl.zst", frames[0] + bytes(damaged) + frames[2])
        self.check([path], 5, [1, 2, 5, 6], f"{path}: 2 records missing, in it or before it",
                   f"{path}: 1 damaged zstd frame skipped, {len(damaged)} compressed bytes")

    def test_a_cut_frame(self):
        frame = subprocess.run(["zstd", "-qc"], input="".join(part(2)).encode(), capture_output=True, check=True).stdout
        path = self.write("x.jsonl.zst", frame + frame[:-30])
        self.check([path], 5, [1, 2], f"{path}: 1 damaged zstd frame skipped, {len(frame) - 30} compressed bytes")

    def test_standard_input(self):
        path = self.write("x.jsonl", "".join(part(3)).encode()[:-1])
        with open(path, "rb") as file:
            size = len(part(3)[-1].encode()) - 1
            self.check(["-"], 5, [1, 2], f"-: the last line is torn, {size} bytes skipped: its writer was killed, or is writing",
                       stdin=file)

    def test_a_compressed_pipe(self):
        frame = subprocess.run(["zstd", "-qc"], input="".join(part(2)).encode(), capture_output=True, check=True).stdout
        result = subprocess.run([live.SOCKTRACE, "log", "--from", "-"], input=frame, capture_output=True, timeout=live.DEADLINE_S)
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"compressed data cannot be read from a pipe; put zstd -dc in front", result.stderr)

    def test_something_else(self):
        path = self.write("x.jsonl", b"\x7fELF\x02\n" * 3 + b"hello")
        self.check([path], 5, [], f"{path}: 3 damaged lines skipped, the first is line 1 at byte 0: the line is not a JSON object",
                   f"{path}: the last line is torn, 5 bytes skipped: its writer was killed, or is writing")

    def test_a_table_of_something_else(self):
        path = self.write("x.jsonl", b"\x7fELF\x02\n")
        result = live.run("ss", "--from", path)
        self.assertEqual((result.returncode, result.stdout), (5, ""), result.stderr)
        self.assertIn(f"nothing is recorded in {path}", result.stderr)

    def test_every_verb_says_so_and_ends_with_5(self):
        path = self.write("x.jsonl", "".join(part(3)).encode()[:-20])
        for arguments in (("ss", "-tln"), ("ss", "-tln", "--at", "2030-01-01"), ("why", "1001/tcp"), ("exposed",),
                          ("exposed", "--at", "2030-01-01"), ("log",)):
            result = live.run(arguments[0], "--from", path, *arguments[1:])
            self.assertEqual(result.returncode, 5, (arguments, result.stderr))
            self.assertIn(f"{path}: the last line is torn", result.stderr, arguments)


if __name__ == "__main__":
    unittest.main()
