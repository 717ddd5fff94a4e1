#!/usr/bin/env python3
"""Not a test: opens many watches at one node, of one key each, and says what an idle one takes and how soon
the one that a write concerns is told. Prints figures only.

  measure_watches.py [--watches 9000]"""

import argparse
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watches", type=int, default=9000)
    count = parser.parse_args().watches
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Cluster(1) as cluster:
        node = cluster.nodes[0]
        node.ask("PUT", "/v1/kv/warm", b"v")
        before = resident_kib(node.process.pid)
        watches = [open_watch(node.port, f"k{i}") for i in range(count)]
        for watch in watches:
            assert b"event: progress" in watch.recv(4096)
        print(f"{count} watches: {(resident_kib(node.process.pid) - before) / count:.1f} KiB each")
        took = []
        for i in range(WRITES):
            began = time.monotonic()
            node.ask("PUT", f"/v1/kv/k{i}", b"v" * 100)
            assert b"event: change" in watches[i].recv(4096)
            took.append((time.monotonic() - began) * 1000)
        took.sort()
        print(f"{WRITES} writes, each told to the one it concerns: p50 {took[WRITES // 2]:.1f} ms, "
              f"max {took[-1]:.1f} ms from the connection of who writes on")
        for watch in watches:
            watch.close()


if __name__ == "__main__":
    main()
