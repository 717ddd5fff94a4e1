#!/usr/bin/env python3
"""What a burst of large values made a node take goes back to the system when the burst is over, also where nothing
is asked of the node any more."""

import os
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402

CLIENTS, PUTS_EACH, VALUE_BYTES = 32, 3, 4 << 20
KEPT_MAX = 0.65  # of the most that there was; the rows that are in memory stay there


def resident_mib(node):
    """Now, and at most since the process began: where the machine is slow, some is given back before the end."""
    with open(f"/proc/{node.process.pid}/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return [int(fields[name].split()[0]) >> 10 for name in ("VmRSS", "VmHWM")]


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


def index(node, name):
    """0: it does not answer in time, as may be while it is busy with the burst."""
    view = node.cluster()
    return view["node"][name] if view else 0


def main():
    with Cluster(3) as cluster:
        burst(cluster.leader())
        written = wait_for("the leader answers", lambda: index(cluster.leader(), "commit_index"))
        for node in cluster.nodes:
            wait_for(f"{node.name} applies {written}", lambda: index(node, "applied_index") >= written, 60)
        for node in cluster.nodes:
            most = resident_mib(node)[1]
            wait_for(f"{node.name} gives back of its {most} MiB", lambda: resident_mib(node)[0] < KEPT_MAX * most, 60)
            print(f"{node.name}: {most} MiB, then {resident_mib(node)[0]}")
    print("what the burst took has gone back, at every node")


if __name__ == "__main__":
    main()
