"""What the tests of recordings share: a directory to record to, and its lines as they are in the files."""

import datetime
import json
import os
import re
import subprocess
import tempfile
import time
import unittest

import live

CHURN = os.environ.get("CHURN", os.path.join(os.path.dirname(__file__), "../../build/tests/churn"))


def now():
    """A moment for --at and --since, in microseconds as the log has them."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def boottime_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def recorder(directory, *arguments):
    return live.Tracer("record", "-o", directory, *arguments)


def texts(directory):
    """The bytes of each file of a recording, in the order in which they were written."""
    found = []
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        # What was being compressed when the recorder was killed is there twice.
        if name.endswith(".jsonl.zst") and not os.path.exists(path.removesuffix(".zst")):
            text = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout
        elif name.endswith(".jsonl"):
            with open(path, "rb") as file:
                text = file.read()
        else:
            continue
        first = json.loads(text[: text.find(b"\n")]) if b"\n" in text else {}
        found.append((first.get("ts", "9"), first.get("segment", 0), text))
    return [text for _, _, text in sorted(found, key=lambda file: file[:2])]


def records(directory):
    """Every line of a recording, oldest first."""
    return [json.loads(line) for text in texts(directory) for line in text.decode().splitlines()]


def fronts(text):
    """Of each whole line what says where it belongs, without parsing the others: many lines take long."""
    for kind, seq, line in re.findall(rb'^\{"k":"(header|loss|\w+)",(?:"seq":(\d+),)?(.*)\n', text, re.M):
        if kind in (b"header", b"loss"):
            yield json.loads(b'{"k":"%b",%b%b' % (kind, b'"seq":%b,' % seq if seq else b"", line))
        else:
            yield {"k": kind.decode(), "seq": int(seq)}


def events_of(result):
    return [json.loads(line) for line in result.stdout.splitlines() if '"event"' in line]


class Directory(unittest.TestCase):
    def setUp(self):
        # not /tmp itself: a directory that everybody may write to is refused
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.log = os.path.join(directory.name, "log")

    def check_sequence(self, lines):
        """Every number once and in order, but for what a loss record explains."""
        expected = None
        for record in lines:
            if record["k"] == "header":
                if expected is not None and record["next_seq"] != 1:
                    self.assertEqual(record["next_seq"], expected)
                expected = record["next_seq"]
                continue
            self.assertEqual(record["seq"], expected, record)
            expected += record["count"] if record["k"] == "loss" and record["where"] == "disk" else 1

    def churn(self, connections):
        """Connections at full speed, until so many were made or the test is over."""
        process = subprocess.Popen([CHURN, "--connections", str(connections), "--reset"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def end():
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()

        self.addCleanup(end)
        return end
