#!/usr/bin/env python3
"""A TCP proxy between nodes: one listener for each directed pair, so that each direction of each pair
can fail by itself. A node dials every other, and what it says, answers too, goes only over the
connection that it dialled: so the link n1>n2 carries all that n1 says to n2, and nothing else but the
greeting of n2.

A rule for a link:
  {"mode": "open"}    forwards. With "delay_ms" every chunk comes later by that, and by a random part of
                      "jitter_ms"; with "bytes_per_s" no faster than that. Both bear on what the dialler
                      says; order is kept. A new rule lets go what the old one held.
  {"mode": "cut"}     silence: nothing is accepted, read or forwarded, nothing is closed. What was on
                      the way is held and goes on when the link is open again, as with real TCP.
  {"mode": "reset"}   connections are reset, new ones too.

Runs as a process of its own, so that it does not wait for its user's interpreter; a line of JSON tells
it rules, and it ends when its input does. Bounds: HELD_BYTES_MAX for each direction of a connection,
then its source is not read; CONNECTIONS_MAX for a link, then more wait to be accepted."""

import collections
import errno
import itertools
import json
import os
import random
import selectors
import socket
import struct
import subprocess
import sys
import time

OPEN, CUT, RESET = {"mode": "open"}, {"mode": "cut"}, {"mode": "reset"}

HELD_BYTES_MAX = 256 << 10
CONNECTIONS_MAX = 32
CHUNK_BYTES = 64 << 10


class Links:
    """All links between the nodes in `peer_ports` (name → port where that node listens)."""

    def __init__(self, peer_ports, seed=1):
        self.pairs = list(itertools.permutations(peer_ports, 2))
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        targets = {f"{source}>{target}": peer_ports[target] for source, target in self.pairs}
        self.ports = self._tell({"seed": seed, "targets": targets})

    def _tell(self, what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def port(self, source, target):
        """Where `source` dials to reach `target`."""
        return self.ports[f"{source}>{target}"]

    def set(self, pairs, rule):
        """All at once; in force when this returns."""
        assert self._tell({f"{source}>{target}": rule for source, target in pairs}) == "done"

    def heal(self):
        self.set(self.pairs, OPEN)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Flow:
    """One direction of a connection: what was read from `source` and not yet given to `sink`."""

    def __init__(self, source, sink):
        self.source = source
        self.sink = sink
        self.chunks = collections.deque()  # (when it may go, bytes); no bytes: the source has ended
        self.held = 0
        self.ended = False

    def read(self, chunk_bytes, due_of):
        data = self.source.recv(chunk_bytes)
        self.ended = not data
        self.chunks.append((due_of(len(data)), data))
        self.held += len(data)

    def write(self, now):
        """Whether the end was reached."""
        while self.chunks and self.chunks[0][0] <= now:
            due, data = self.chunks[0]
            if not data:
                return True
            try:
                sent = self.sink.send(data)
            except BlockingIOError:
                return False
            self.held -= sent
            if sent < len(data):
                self.chunks[0] = (due, data[sent:])
                return False
            self.chunks.popleft()
        return False


class Connection:
    def __init__(self, link, dialler):
        self.link = link
        self.dialler = dialler
        self.target = socket.socket()
        self.connected = False
        self.said = Flow(dialler, self.target)
        self.answered = Flow(self.target, dialler)
        for end in (self.dialler, self.target):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_refused = self.target.connect_ex(("127.0.0.1", link.target_port)) not in (0, errno.EINPROGRESS)

    def on_event(self, end, events):
        if end is self.target and not self.connected:
            if self.target.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return self.end(by_reset=True)
            self.connected = True
        elif events & selectors.EVENT_READ:
            try:
                if end is self.dialler:
                    self.said.read(self.link.chunk_bytes(), self.link.due_of)
                else:
                    self.answered.read(CHUNK_BYTES, lambda size: 0)
            except BlockingIOError:
                pass
            except OSError:
                self.end(by_reset=True)

    def move(self, now):
        if not self.connected or not self.link.is_open():
            return
        try:
            if self.said.write(now) or self.answered.write(now):
                self.end(by_reset=False)
        except OSError:
            self.end(by_reset=True)

    def wanted(self, end, now):
        """The events that `end` waits for."""
        if not self.link.is_open():
            return 0
        if not self.connected:
            return selectors.EVENT_WRITE if end is self.target else 0
        source, sink = (self.said, self.answered) if end is self.dialler else (self.answered, self.said)
        reads = not source.ended and source.held < HELD_BYTES_MAX
        writes = sink.chunks and sink.chunks[0][0] <= now
        return (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if writes else 0)

    def end(self, by_reset):
        for end in (self.dialler, self.target):
            self.link.proxy.watch(end, 0, None)
            reset(end) if by_reset else end.close()
        self.link.connections.discard(self)


def reset(end):
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


class Link:
    def __init__(self, proxy, target_port, dice):
        self.proxy = proxy
        self.target_port = target_port
        self.dice = dice
        self.rule = OPEN
        self.connections = set()
        self.newest_due = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.setblocking(False)

    def is_open(self):
        return self.rule["mode"] == "open"

    def chunk_bytes(self):
        # A slow link gets small chunks: else the first of them would wait for long.
        rate = self.rule.get("bytes_per_s")
        return max(1, min(CHUNK_BYTES, rate // 20)) if rate else CHUNK_BYTES

    def due_of(self, size):
        """When a chunk that comes now may go on; never before the one that came before it."""
        now = time.monotonic()
        rate = self.rule.get("bytes_per_s")
        delay_ms = self.rule.get("delay_ms", 0) + self.dice.uniform(0, self.rule.get("jitter_ms", 0))
        self.newest_due = max(self.newest_due + (size / rate if rate else 0), now + delay_ms / 1000)
        return self.newest_due

    def set(self, rule):
        assert rule["mode"] in ("open", "cut", "reset"), rule
        self.rule = rule
        self.newest_due = 0
        for connection in list(self.connections):
            # What an older rule delays would hold up all that comes after it.
            connection.said.chunks = collections.deque((0, data) for _, data in connection.said.chunks)
            if rule["mode"] == "reset":
                connection.end(by_reset=True)

    def accept(self):
        try:
            dialler, _ = self.listener.accept()
            if self.rule["mode"] == "reset":
                return reset(dialler)
            connection = Connection(self, dialler)
        except OSError:
            return  # it gave up before it was accepted
        self.connections.add(connection)
        if connection.is_refused:
            connection.end(by_reset=True)

    def arm(self, now):
        accepts = self.rule["mode"] != "cut" and len(self.connections) < CONNECTIONS_MAX
        self.proxy.watch(self.listener, selectors.EVENT_READ if accepts else 0, lambda events: self.accept())
        for connection in list(self.connections):
            connection.move(now)
        for connection in self.connections:
            for end in (connection.dialler, connection.target):
                self.proxy.watch(end, connection.wanted(end, now),
                                 lambda events, c=connection, e=end: c.on_event(e, events))

    def next_due(self):
        if not self.is_open():
            return []
        return [flow.chunks[0][0] for c in self.connections if c.connected
                for flow in (c.said, c.answered) if flow.chunks]


class Proxy:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.watched = {}
        first = json.loads(sys.stdin.buffer.raw.readline())
        dice = random.Random(first["seed"])
        self.links = {name: Link(self, port, dice) for name, port in first["targets"].items()}
        self.answer({name: link.listener.getsockname()[1] for name, link in self.links.items()})
        self.selector.register(sys.stdin.buffer.raw, selectors.EVENT_READ, None)

    def answer(self, what):
        print(json.dumps(what), flush=True)

    def watch(self, end, events, call):
        before = self.watched.get(end, 0)
        if events == before:
            return
        if not before:
            self.selector.register(end, events, call)
        elif events:
            self.selector.modify(end, events, call)
        else:
            self.selector.unregister(end)
        self.watched[end] = events
        if not events:
            del self.watched[end]

    def obey(self):
        """Whether to go on."""
        line = sys.stdin.buffer.raw.readline()
        if not line:
            return False
        for name, rule in json.loads(line).items():
            self.links[name].set(rule)
        self.answer("done")
        return True

    def run(self):
        while True:
            now = time.monotonic()
            for link in self.links.values():
                link.arm(now)
            dues = [due for link in self.links.values() for due in link.next_due() if due > now]
            ready = self.selector.select(min(dues) - now if dues else None)
            for key, events in ready:
                if key.data is None:
                    if not self.obey():
                        return
                elif key.fileobj in self.watched:  # else an event before it ended it
                    key.data(events)


if __name__ == "__main__":
    Proxy().run()
