#!/usr/bin/env python3
"""What a burst of large values made a node take goes back to the system when the burst is over, also where nothing
is asked of the node any more."""

import os
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402

CLIENTS, PUTS_EACH, VALUE_BYTES = 16, 6, 4 << 20
KEPT_MAX = 0.75  # of the most; the rows that are in memory stay there


def resident_bytes(node):
    with open(f"/proc/{node.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def burst(node):
    answers = []

    def put_all(number):
        value = os.urandom(VALUE_BYTES)
        for i in range(PUTS_EACH):
            answers.append(node.ask("PUT", f"/v1/kv/{number}-{i}", value, timeout_s=60)[0])

    clients = [threading.Thread(target=put_all, args=[i]) for i in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert answers.count(201) > 0, answers


def main():
    with Cluster(3) as cluster:
        burst(cluster.leader())
        cluster.wait_caught_up()
        most = {node.name: resident_bytes(node) for node in cluster.nodes}
        for node in cluster.nodes:
            wait_for(f"{node.name} gives back of its {most[node.name] >> 20} MiB",
                     lambda: resident_bytes(node) < KEPT_MAX * most[node.name], 60)
            print(f"{node.name}: {most[node.name] >> 20} MiB, then {resident_bytes(node) >> 20}")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
