#!/usr/bin/env python3
"""Overwrites, deletes and expiry of a bounded set of keys, minute after minute, with the shortest past
that can be kept: disk, memory and file handles of every node must stay bounded. Prints what it measures; fails where the last third of the time needs
more than the second did.

    tests/cluster/soak.py [--minutes N] [--keys N] [--value-bytes N]"""

import argparse
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster  # noqa: E402
from history import OK, Connection  # noqa: E402
from workers import Workers  # noqa: E402

CLIENTS = 6
LOOK_EVERY_S = 2
GROWTH_MAX = 1.25  # of the greatest value in the last third against that in the second
SLACK = {"disk_mib": 96, "memory_mib": 32, "handles": 16}
KEEP_LOG_MIB = 64


def measure(cluster, node):
    pid = node.process.pid
    disk = sum(path.stat().st_blocks * 512 for path in list((cluster.directory / node.name).rglob("*"))
               if path.is_file())
    with open(f"/proc/{pid}/statm") as statm:
        resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {"disk_mib": disk >> 20, "memory_mib": resident >> 20,
            "handles": len(os.listdir(f"/proc/{pid}/fd"))}


def look(cluster, node):
    for _ in range(3):  # files may go away while they are counted
        try:
            return measure(cluster, node)
        except FileNotFoundError:
            continue
    return measure(cluster, node)


class Clients(Workers):
    def __init__(self, nodes, options):
        super().__init__()
        self.done = [0] * CLIENTS
        self.refused = [0] * CLIENTS
        for i in range(CLIENTS):
            self.add(self._run, i, nodes[i % len(nodes)], options)

    def _run(self, number, node, options):
        dice = random.Random(number)
        connection = Connection(node.port)
        value = os.urandom(options.value_bytes)
        while not self.stopping.is_set():
            key = f"/v1/kv/k{dice.randrange(options.keys)}"
            what = dice.random()
            answer = (connection.request("DELETE", key) if what < 0.1
                      else connection.request("PUT", key + "?ttl=1s", value) if what < 0.2
                      else connection.request("PUT", key, value))
            if answer.outcome == OK:
                self.done[number] += 1
            else:
                self.refused[number] += 1


def greatest(samples, begin, end, what):
    part = samples[int(len(samples) * begin):max(int(len(samples) * end), int(len(samples) * begin) + 1)]
    return max(sample[what] for sample in part)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--keys", type=int, default=2000)
    parser.add_argument("--value-bytes", type=int, default=2000)
    options = parser.parse_args()
    with Cluster(3) as cluster:
        for node in cluster.nodes:  # so that the log is at its bound early
            node.end(15)
            node.command += ["--keep-log-bytes", f"{KEEP_LOG_MIB}MiB"]
            node.start()
        cluster.wait_ready()
        status, body = cluster.leader().ask("PATCH", "/v1/cluster/settings", b'{"keep_history":"10s"}')
        assert status == 200, (status, body)
        samples = {node.name: [] for node in cluster.nodes}
        began = time.monotonic()
        end = began + options.minutes * 60
        with Clients(cluster.nodes, options) as clients:
            while time.monotonic() < end:
                clients.stopping.wait(min(LOOK_EVERY_S, max(end - time.monotonic(), 0.01)))
                cluster.check_alive()
                for node in cluster.nodes:
                    samples[node.name].append(look(cluster, node))
                if len(samples["n1"]) % 15 == 0:
                    print(f"{time.monotonic() - began:6.0f} s  {sum(clients.done)} changes  n1 {samples['n1'][-1]}",
                          flush=True)
        cluster.wait_caught_up()
        print(f"{sum(clients.done)} changes in {options.minutes:g} min, {sum(clients.refused)} not acknowledged")
        worse = []
        for name, taken in samples.items():
            for what, slack in SLACK.items():
                second, last = greatest(taken, 1 / 3, 2 / 3, what), greatest(taken, 2 / 3, 1, what)
                print(f"{name} {what:>10}: {greatest(taken, 0, 1 / 3, what)} {second} {last} in the three thirds")
                if last > second * GROWTH_MAX + slack:
                    worse.append(f"{name}: {what} grew from {second} to {last}")
        assert not worse, worse
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
