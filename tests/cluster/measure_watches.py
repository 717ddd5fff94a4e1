#!/usr/bin/env python3
"""Not a test: opens many watches at one node, of one key each, and says what an idle one takes and how soon
the one that a write concerns is told. Each has a connection of its own, or so many share a WebSocket. Prints
figures only.

  measure_watches.py [--watches 9000] [--a-socket 10]"""

import argparse
import json
import os
import resource
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, PATIENCE_S  # noqa: E402

WRITES = 100


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def open_watch(port, key):
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    connection.sendall(f"GET /v1/watch?key={key} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return connection


def open_socket(port, keys):
    """One WebSocket with a watch of each key."""
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    connection.sendall(b"GET /v1/watch HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    assert b" 101 " in connection.recv(4096)
    for key in keys:
        text = json.dumps({"watch": {"id": key, "key": key}}).encode()
        assert len(text) < 126
        # Masked with zeros.
        connection.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    told = b""
    while told.count(b"progress") < len(keys):
        told += connection.recv(65536)
    return connection


def open_all(port, count, a_socket):
    """The connections, for each key its own."""
    keys = [f"k{i}" for i in range(count)]
    if not a_socket:
        watches = [open_watch(port, key) for key in keys]
        for watch in watches:
            assert b"event: progress" in watch.recv(4096)
        return watches
    return [connection for first in range(0, count, a_socket)
            for connection in [open_socket(port, keys[first:first + a_socket])] * a_socket]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watches", type=int, default=9000)
    parser.add_argument("--a-socket", type=int, default=0)
    arguments = parser.parse_args()
    count = arguments.watches
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Cluster(1) as cluster:
        node = cluster.nodes[0]
        node.ask("PUT", "/v1/kv/warm", b"v")
        before = resident_kib(node.process.pid)
        watches = open_all(node.port, count, arguments.a_socket)
        print(f"{count} watches: {(resident_kib(node.process.pid) - before) / count:.1f} KiB each")
        took = []
        for i in range(WRITES):
            began = time.monotonic()
            node.ask("PUT", f"/v1/kv/k{i}", b"v" * 100)
            # Whoever is told nothing for 10 s is told so.
            while b'"value":"v' not in watches[i].recv(65536):
                pass
            took.append((time.monotonic() - began) * 1000)
        took.sort()
        print(f"{WRITES} writes, each told to the one it concerns: p50 {took[WRITES // 2]:.1f} ms, "
              f"max {took[-1]:.1f} ms from the connection of who writes on")
        for watch in watches:
            watch.close()


if __name__ == "__main__":
    main()
