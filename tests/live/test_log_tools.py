"""Real logs against what is published for other programs: the JSON Schema, the one-liners of socktrace-log(5), the format of
lnav."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

try:
    import jsonschema
except ImportError:  # Debian's python3-jsonschema is for Debian's Python
    jsonschema = None

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
import live

ROOT = os.path.join(os.path.dirname(__file__), "../..")


def setUpModule():
    live.enter_network_namespace()


def contents(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def commands_of_the_manual():
    """The examples of socktrace-log(5), as a reader would copy them."""
    with open(os.path.join(ROOT, "man/socktrace-log.5"), encoding="utf-8") as file:
        examples = file.read().partition(".SH EXAMPLES")[2]
    return [text.replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\").strip()
            for text in re.findall(r"^\.nf\n(.*?)^\.fi", examples, re.M | re.S)]


class LogTools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A log with every kind of record that a workload can bring about."""
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        log = os.path.join(cls.directory.name, "log")
        with live.Tracer("record", "-o", log, "--keyframes", "100ms") as tracer:
            with live.listener() as listener, socket.socket() as second, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                cls.port = listener.getsockname()[1]
                try:
                    second.bind(("127.0.0.1", cls.port))
                except OSError:
                    pass
                with socket.create_connection(("127.0.0.1", cls.port)) as client:
                    accepted = listener.accept()[0]
                    client.sendall(b"x" * 1000)
                    accepted.recv(1000)
                    accepted.close()
                    client.recv(1)
                udp.connect(("127.0.0.1", 9))
                path = os.path.join(log, "socktrace.jsonl")
                tracer.wait(lambda: '"reason":"interval"' in contents(path), "a keyframe")
        cls.log = path
        with open(path, encoding="utf-8") as file:
            cls.records = [json.loads(line) for line in file]

    def example(self, word):
        (found,) = [text for text in commands_of_the_manual() if word in text]
        return found.replace("/var/log/socktrace/*.jsonl*", self.log)

    @unittest.skipUnless(jsonschema, "this Python has no jsonschema")
    def test_every_line_is_valid_by_the_schema(self):
        with open(os.path.join(ROOT, "tests/data/log/socktrace.v1.schema.json"), encoding="utf-8") as file:
            schema = json.load(file)
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        self.assertLessEqual({"header", "event", "conn", "key", "sock", "trailer"}, {record["k"] for record in self.records})
        for record in self.records:
            of_kind = {"$ref": f"#/$defs/record_{record['k']}", "$defs": schema["$defs"]}
            for error in jsonschema.Draft202012Validator(of_kind).iter_errors(record):
                self.fail(f"{json.dumps(record)}\n{error.json_path}: {error.message}")
            self.assertTrue(validator.is_valid(record), record)

    @unittest.skipUnless(jsonschema, "this Python has no jsonschema")
    def test_a_wrong_line_is_not_valid(self):
        with open(os.path.join(ROOT, "tests/data/log/socktrace.v1.schema.json"), encoding="utf-8") as file:
            validator = jsonschema.Draft202012Validator(json.load(file))
        listen = next(record for record in self.records if record.get("event") == "tcp.listen")
        self.assertTrue(validator.is_valid(listen))
        self.assertFalse(validator.is_valid({**listen, "seq": "1"}))
        self.assertFalse(validator.is_valid({**listen, "ts": "2026-09-20 03:12:07"}))

    def run_jq(self, word):
        command = self.example(word).replace(" LOG", f" {self.log}")
        return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.splitlines()

    def test_jq_finds_failed_binds_and_who_was_in_the_way(self):
        (failed,) = [record for record in self.records if record.get("event") == "bind.failed"]
        name = failed["process"]["name"]
        self.assertEqual(self.run_jq("jq -r 'select(.event == \"bind.failed\")"),
                         ["\t".join([failed["ts"], name, str(self.port), name])])

    def test_jq_sums_bytes(self):
        closed = [record for record in self.records if "stats" in record]
        self.assertEqual(len(closed), 2)
        units = {record["owners"][0].get("unit", "none") for record in closed}
        self.assertEqual(self.run_jq("bytes_sent"), [f"{unit}\t1000" for unit in units])

    def test_sqlite_finds_failed_binds(self):
        query = self.example("SELECT line->>")
        script = f"CREATE TABLE log(line TEXT);\n.mode tabs\n.import {self.log} log\n{query}\n"
        out = subprocess.run(["sqlite3", ":memory:"], input=script, capture_output=True, text=True, check=True).stdout
        (failed,) = [record for record in self.records if record.get("event") == "bind.failed"]
        self.assertEqual(out.splitlines(), ["\t".join([failed["ts"], failed["process"]["name"], str(self.port), "EADDRINUSE"])])

    def test_duckdb_finds_failed_binds_in_plain_and_compressed_files(self):
        """Debian has no DuckDB; by hand: npm install @duckdb/node-api, and NODE_PATH set to where it is."""
        ask = (
            "const {DuckDBInstance} = require('@duckdb/node-api');"
            "DuckDBInstance.create().then(i => i.connect()).then(c => c.runAndReadAll(process.argv[1]))"
            ".then(r => console.log(JSON.stringify(r.getRowsJson())))"
        )
        if not shutil.which("node") or subprocess.run(["node", "-e", "require('@duckdb/node-api')"], capture_output=True).returncode:
            self.skipTest("no DuckDB here")
        subprocess.run(["zstd", "-q", self.log, "-o", self.log + ".zst"], check=True)
        self.addCleanup(os.unlink, self.log + ".zst")
        query = self.example("read_ndjson_auto").replace(self.log, self.log + "*")
        out = subprocess.run(["node", "-e", ask, query], capture_output=True, text=True, check=True).stdout
        (failed,) = [record for record in self.records if record.get("event") == "bind.failed"]
        row = [failed["ts"].removesuffix("Z").replace("T", " "), failed["process"]["name"], str(self.port), "EADDRINUSE"]
        self.assertEqual(json.loads(out), [row, row])

    @unittest.skipUnless(shutil.which("lnav"), "lnav is not installed")
    def test_lnav_reads_it_with_our_format(self):
        formats = os.path.join(self.directory.name, "lnav/formats/socktrace")
        os.makedirs(formats, exist_ok=True)
        shutil.copy(os.path.join(ROOT, "share/lnav/socktrace.json"), formats)
        query = ";SELECT event, \"network/local/port\", \"error/type\" FROM socktrace_log WHERE log_level = 'error'"
        result = subprocess.run(
            ["lnav", "-n", "-I", os.path.join(self.directory.name, "lnav"), "-c", query, "-c", ":write-json-to -", self.log],
            capture_output=True, text=True, env={**os.environ, "TERM": "dumb"}, timeout=live.DEADLINE_S)
        self.assertEqual(result.stderr, "")
        self.assertEqual(json.loads(result.stdout),
                         [{"event": "bind.failed", "network/local/port": self.port, "error/type": "EADDRINUSE"}])


if __name__ == "__main__":
    unittest.main()
