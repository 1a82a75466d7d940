"""What a workload says it did, against what socktrace says happened."""

import collections
import errno
import json

# Told as they come, and checked by their sequence alone.
_PASSING = {"tcp.state", "socket.owner", "snapshot.done"}
_BY_PACKETS = {"tcp.established", "tcp.connect_failed"}


def end_of(record, name):
    end = record["network"].get(name)
    return None if end is None else [end["address"].removeprefix("::ffff:"), end.get("port", 0)]


def cookie_of(record):
    """Of a unix socket, which is known by its inode, that and negative."""
    if record["network"]["transport"] == "unix":
        return -record["socket"]["inode"]
    return int(record["socket"].get("cookie", "0"), 16)


def is_mini_end(record):
    """The end of a TIME_WAIT or FIN_WAIT2 mini-socket: time passes, nobody does it."""
    return record["event"] == "socket.closed" and record["network"]["connection"].get("previous") in ("time_wait", "fin_wait_2")


def text(record):
    """A record in one short line."""
    network = record["network"]
    connection = network["connection"]
    ends = " > ".join(":".join(map(str, end_of(record, name) or ["*"])) for name in ("local", "peer"))
    words = [record["event"], f"#{cookie_of(record)}", network["transport"], ends]
    words.append(f"{connection.get('state')}<{connection.get('previous')}")
    if "process" in record:
        words.append(f"by {record['process']['pid']}/{record.get('fd')}")
    if "error" in record:
        words.append(record["error"]["type"])
    words.append(f"owners {[(o['pid'], o.get('fd'), *(['exited'] if o.get('exited') else [])) for o in record.get('owners', [])]}")
    return " ".join(words)


def difference(line, record):
    """What of the ledger's line the record says otherwise, or nothing."""
    wrong = []

    def check(what, expected, told):
        if expected != told:
            wrong.append(f"{what} {told} instead of {expected}")

    for name in ("local", "peer"):
        if line.get(name) not in (None, "any"):
            check(name, line[name], end_of(record, name))
    for name in ("name", "peer_name"):
        if name in line:
            check(name, line[name], record["socket"].get(name))
    if "pid" in line:
        check("process", line["pid"], record.get("process", {}).get("pid"))
    elif line["event"] in _BY_PACKETS:
        check("process", None, record.get("process", {}).get("pid"))
    if "fd" in line:
        check("fd", line["fd"], record.get("fd"))
    error = record.get("error", {}).get("type")
    number = getattr(errno, error) if error else 0
    was_reset_later = line.get("may_wait") and record["network"]["connection"].get("previous") == "fin_wait_2" and number == errno.ECONNRESET
    check("errno", line.get("errno", 0), 0 if was_reset_later else number)
    if line.get("owners") is not None:
        check("owners", line["owners"], sorted({owner["pid"] for owner in record.get("owners", [])}))
    if "direction" in line:
        check("direction", line["direction"], record["network"].get("direction"))
    return wrong


def compare(lines, records, waiting=frozenset(), unseen=frozenset()):
    """Sentences about every line that is not told exactly once, and every record that no line explains. Waiting: the
    cookies of full sockets that the kernel has still in FIN_WAIT2; unseen: of those whose end nobody could see."""
    faults = []
    by_cookie, by_ends = collections.defaultdict(list), collections.defaultdict(list)
    for record in records:
        if record["event"] in _PASSING or record.get("resync") or is_mini_end(record):
            continue
        by_cookie[record["event"], cookie_of(record)].append(record)
        if record["network"].get("peer"):
            by_ends[record["event"], str(end_of(record, "local")), str(end_of(record, "peer"))].append(record)
    used = set()
    # Lines without a cookie take what is left over.
    for line in sorted(lines, key=lambda line: line["cookie"] is None):
        if line["cookie"] is None:
            found = by_ends[line["event"], str(line["local"]), str(line["peer"])]
        else:
            found = by_cookie[line["event"], line["cookie"]]
        found = [record for record in found if id(record) not in used]
        waits = line.get("may_wait") and line["cookie"] in waiting | unseen
        timed_out = line.get("errno") == errno.ETIMEDOUT and line["cookie"] in unseen
        if not found and (line.get("may") or waits or timed_out):
            continue
        if not found:
            faults.append(f"not told: {json.dumps(line)}")
            continue
        best = min(found, key=lambda record: (len(difference(line, record)), record["seq"]))
        used.add(id(best))
        for fault in difference(line, best):
            faults.append(f"{fault}: {json.dumps(line)} told as {text(best)}")
    for found in by_cookie.values():
        faults += [f"unexplained: {text(record)}" for record in found if id(record) not in used]
    return faults
