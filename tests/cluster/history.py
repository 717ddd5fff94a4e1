"""Clients that record what they did, and the check of what they saw.

Each key has one writer, which writes 1, 2, 3, … So what a linearizable read may return is known
without a search: at least the newest value acknowledged before the read began, at most the newest
one begun before it ended, never one that was refused, and never less than an earlier read saw.
After an outcome that is unknown the writer takes a fresh key: the write may still happen later,
and on that key nothing comes after it."""

import collections
import http.client
import json
import random
import socket
import threading
import time

from workers import Workers

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"


class Key:
    def __init__(self, name):
        self.name = name
        self.writes = []  # (value, start, end, outcome)
        self.reads = []   # (value, start, end); value 0: not there


Answer = collections.namedtuple("Answer", "outcome status content etag", defaults=(0, b"", None))


class Connection:
    """Keep-alive to one node. Says whether what failed may have been done."""

    def __init__(self, port, timeout_s=10):
        self.port = port
        self.timeout_s = timeout_s
        self.http = None

    def request(self, method, path, body=None, headers=None):
        try:
            if self.http is None:
                self.http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout_s)
                self.http.connect()
                self.http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.http = None
            return Answer(REFUSED)
        try:
            self.http.request(method, path, body, headers or {})
            answer = self.http.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.http.close()
            self.http = None
            return Answer(UNKNOWN)
        if answer.status < 300 or answer.status in (404, 412):
            return Answer(OK, answer.status, content, answer.getheader("ETag"))
        try:
            outcome = json.loads(content)["outcome"]
        except (ValueError, KeyError):
            raise AssertionError(f"{method} {path}: {answer.status} without an outcome: {content!r}")
        return Answer(REFUSED if outcome == "not_applied" else UNKNOWN, answer.status, content)


class Load(Workers):
    def __init__(self, ports, writers=6, readers=4, keys_each=3, seed=1, prefix="", read_ports=None):
        super().__init__()
        self.ports = ports
        self.read_ports = read_ports or ports
        self.seed = seed
        self.prefix = prefix
        self.keys = []
        self.current = {}
        self.lock = threading.Lock()
        self.counts = {OK: 0, REFUSED: 0, UNKNOWN: 0, "read": 0}
        for writer in range(writers):
            for slot in range(keys_each):
                self._fresh(writer, slot)
        for writer in range(writers):
            self.add(self._write, writer, keys_each)
        for reader in range(readers):
            self.add(self._read, reader)

    def _fresh(self, writer, slot):
        with self.lock:
            key = Key(f"{self.prefix}w{writer}/s{slot}/{len(self.keys)}")
            self.keys.append(key)
            self.current[(writer, slot)] = key
            return key

    def _write(self, writer, slots):
        dice = random.Random(self.seed * 1000 + writer)
        connections = [Connection(port) for port in self.ports]
        while not self.stopping.is_set():
            slot = dice.randrange(slots)
            key = self.current[(writer, slot)]
            value = len(key.writes) + 1
            start = time.monotonic()
            record = [value, start, float("inf"), UNKNOWN]
            key.writes.append(record)
            outcome, status, *_ = dice.choice(connections).request("PUT", f"/v1/kv/{key.name}", str(value))
            record[2], record[3] = time.monotonic(), outcome
            self.counts[outcome] += 1
            if outcome == OK:
                assert status in (200, 201), status
            elif outcome == UNKNOWN:
                record[2] = float("inf")
                self._fresh(writer, slot)
            else:
                self.stopping.wait(0.002)

    def _read(self, reader):
        dice = random.Random(self.seed * 1000 + 500 + reader)
        connections = [Connection(port) for port in self.read_ports]
        while not self.stopping.is_set():
            with self.lock:
                key = self.current[dice.choice(list(self.current))]
            start = time.monotonic()
            outcome, status, content, _ = dice.choice(connections).request("GET", f"/v1/kv/{key.name}")
            end = time.monotonic()
            if outcome != OK:
                self.stopping.wait(0.002)
                continue
            self.counts["read"] += 1
            key.reads.append((0 if status == 404 else int(content), start, end))

    def pause_after(self, moment):
        """Seconds from `moment` until a write that began after it was acknowledged; None: not yet."""
        ends = [end for key in list(self.keys) for _, start, end, outcome in reversed(key.writes)
                if outcome == OK and start > moment]
        return min(ends) - moment if ends else None

    def longest_wait(self):
        """Seconds that the slowest acknowledged write took."""
        return max(end - start for key in self.keys for _, start, end, outcome in key.writes if outcome == OK)

    def check(self):
        assert self.counts[OK] > 0 and self.counts["read"] > 0, f"nothing was done: {self.counts}"
        for key in self.keys:
            check_key(key)


def check_key(key):
    # Writes of a key follow one another, so their starts and ends rise with their values.
    refused = {value for value, _, _, outcome in key.writes if outcome == REFUSED}
    newest_seen = []  # (end, value) of reads, values rising
    for value, start, end in sorted(key.reads, key=lambda read: read[2]):
        acknowledged = max((w[0] for w in key.writes if w[3] == OK and w[2] < start), default=0)
        begun = max((w[0] for w in key.writes if w[1] <= end), default=0)
        assert value >= acknowledged, f"stale: {key.name} read {value}, {acknowledged} was acknowledged before"
        assert value <= begun, f"phantom: {key.name} read {value}, only {begun} was begun"
        assert value not in refused, f"refused but seen: {key.name} read {value}"
        earlier = max((v for e, v in newest_seen if e < start), default=0)
        assert value >= earlier, f"went back: {key.name} read {value} after {earlier}"
        if not newest_seen or value > newest_seen[-1][1]:
            newest_seen.append((end, value))


def check_final(key, value):
    """`value` is what a node holds when all is quiet."""
    acknowledged = max((w[0] for w in key.writes if w[3] == OK), default=0)
    possible = {acknowledged} | {w[0] for w in key.writes if w[3] == UNKNOWN and w[0] > acknowledged}
    assert value in possible, f"lost or doubled: {key.name} holds {value}, may hold {sorted(possible)}"
