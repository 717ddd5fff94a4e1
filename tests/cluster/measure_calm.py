#!/usr/bin/env python3
"""Not a test: loads all three nodes as much as `wrk` can, and counts changes of term and of leader, of
which a calm cluster has none, however busy it is. Prints figures only.

  apt-get install wrk
  measure_calm.py [--minutes 10] [--connections 64]"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster  # noqa: E402

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "bench" / "compare"
LOOK_EVERY_S = 0.25
FILL_S = 5


def wrk(node, script, connections, seconds):
    return subprocess.Popen(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s",
                             "-s", str(SCRIPTS / script), f"http://127.0.0.1:{node.port}"],
                            stdout=subprocess.PIPE, text=True)


def watch(cluster, loads):
    """Who led when, as (seconds, leader, term), a line for each change; and the longest silence of a
    follower that its leader knew of."""
    seen, silence_ms, begun = [], 0, time.monotonic()
    while any(load.poll() is None for load in loads):
        cluster.check_alive()
        for node in cluster.nodes:
            view = node.cluster()
            if view is None or view["node"]["role"] != "leader":
                continue
            if not seen or seen[-1][1:] != (node.name, view["term"]):
                seen.append((time.monotonic() - begun, node.name, view["term"]))
            silence_ms = max([silence_ms] + [m["last_contact_ms"] for m in view["members"]])
        time.sleep(LOOK_EVERY_S)
    return seen, silence_ms


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--connections", type=int, default=64, help="to each node")
    given = arguments.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    seconds = round(given.minutes * 60)
    with Cluster(3) as cluster:
        wrk(cluster.nodes[0], "put.lua", given.connections, FILL_S).communicate()  # the keys that are read
        term = cluster.newest_term()
        half = max(1, given.connections // 2)
        loads = [wrk(node, script, half, seconds) for node in cluster.nodes for script in ("put.lua", "get.lua")]
        seen, silence_ms = watch(cluster, loads)
        said = [load.communicate()[0] for load in loads]
        changes = cluster.newest_term() - term
        cluster.wait_caught_up()
    print(f"{seconds} s, {os.cpu_count()} processors, {given.connections} connections to each node, load average "
          f"{os.getloadavg()[0]:.1f}")
    for name, text in zip([f"{n.name} {what}" for n in cluster.nodes for what in ("put", "get")], said):
        figures = re.findall(r"(?:50|99)% +(\S+)|Requests/sec: +(\S+)|(Non-2xx.*|Socket errors.*)", text)
        p50, p99, *rest = ["".join(found) for found in figures]
        print(f"  {name}: {' '.join(reversed(rest))} requests/s, p50 {p50}, p99 {p99}")
    print(f"term changes: {changes}; the longest silence of a follower seen at its leader: {silence_ms} ms")
    for moment, name, led in seen:
        print(f"  {moment:7.1f} s: {name} leads in term {led}")


if __name__ == "__main__":
    main()
