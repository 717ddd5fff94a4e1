#!/usr/bin/env python3
"""Not a test: what a node takes for clients that are slow on purpose, in three kinds, and what those feel who are not:
half a head each, half a body each, and a large answer each that nobody takes. Prints figures only.

  measure_slow_clients.py [--clients 5000]"""

import argparse
import http.client
import json
import os
import resource
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, PATIENCE_S  # noqa: E402

HEAD = 30 << 10
BODY = 100 << 10
VALUE = 400 << 10


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


class Others:
    """A client that is not slow: puts and gets small values one after the other, and keeps what it was answered."""

    def __init__(self, node):
        self._node = node
        self._over = threading.Event()
        self.took_ms, self.codes, self.resident = [], {}, 0
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._node.port, timeout=PATIENCE_S)
        while not self._over.is_set():
            for method, body in (("PUT", b"v" * 100), ("GET", None)):
                began = time.monotonic()
                connection.request(method, "/v1/kv/small", body)
                answer = connection.getresponse()
                text = answer.read()
                self.took_ms.append((time.monotonic() - began) * 1000)
                code = "ok" if answer.status < 300 else f"{answer.status} {json.loads(text)['code']}"
                self.codes[code] = self.codes.get(code, 0) + 1
            self.resident = max(self.resident, resident_mib(self._node.process.pid))
        connection.close()

    def end(self):
        self._over.set()
        self._thread.join()
        self.took_ms.sort()


def connect(port):
    """As over a network: on loopback alone each socket's own buffer would hold some MiB."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    connection.settimeout(PATIENCE_S)
    connection.connect(("127.0.0.1", port))
    connection.setblocking(False)
    return connection


def half_a_head(connection):
    try_send(connection, b"GET /v1/kv/x HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"x" * HEAD)


def half_a_body(connection):
    try_send(connection, b"PUT /v1/kv/x HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n" + b"x" * BODY)


def a_large_answer(connection):
    try_send(connection, b"GET /v1/kv/large HTTP/1.1\r\nHost: a\r\n\r\n")


UNSENT = {}


def try_send(connection, data):
    try:
        sent = connection.send(data)
    except BlockingIOError:
        sent = 0
    if sent < len(data):
        UNSENT[connection] = data[sent:]


def send_rest(until):
    """Of what did not fit into a socket at once."""
    while UNSENT and time.monotonic() < until:
        for connection in list(UNSENT):
            data = UNSENT.pop(connection)
            try:
                try_send(connection, data)
            except OSError:
                pass  # it was refused
    UNSENT.clear()


def answered(connections):
    """How many of them were told what, by the first bytes of it."""
    codes = {}
    for connection in connections:
        try:
            text = connection.recv(4096).decode("latin-1")
        except OSError:
            continue
        status = text.split(" ", 2)[1] if text.startswith("HTTP/1.1 ") else "closed"
        code = text.partition('"code":"')[2].partition('"')[0]
        what = f"{status} {code}".strip()
        codes[what] = codes.get(what, 0) + 1
    return codes


def measure(node, name, begin, clients, hold_s):
    before = resident_mib(node.process.pid)
    others = Others(node)
    connections = []
    for _ in range(clients):
        connection = connect(node.port)
        connections.append(connection)
        begin(connection)
    send_rest(time.monotonic() + hold_s)
    time.sleep(hold_s)
    others.end()
    told = answered(connections)
    for connection in connections:
        connection.close()
    took = others.took_ms
    print(f"{name}, {clients} times: {before:.0f} MiB before, {others.resident:.0f} MiB at most; they were told "
          f"{told or 'nothing yet'}\n  meanwhile {len(took)} small puts and gets of others: {others.codes}, "
          f"p50 {took[len(took) // 2]:.1f} ms, p99 {took[len(took) * 99 // 100]:.1f} ms, max {took[-1]:.0f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=5000)
    clients = parser.parse_args().clients
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Cluster(1) as cluster:
        node = cluster.nodes[0]
        assert node.ask("PUT", "/v1/kv/large", os.urandom(VALUE))[0] == 201
        for name, begin in (("half a head", half_a_head), ("half a body", half_a_body), ("a large answer", a_large_answer)):
            measure(node, name, begin, clients, hold_s=5)
        cluster.check_alive()


if __name__ == "__main__":
    main()
