#!/usr/bin/env python3
"""Kills the primary with SIGKILL again and again while clients write and read through every node:
no acknowledged write may be lost, no linearizable read stale, and all nodes end equal."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402
from history import OK, REFUSED, UNKNOWN, Load, check_final  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "20"))


def main():
    pauses_ms = []
    with Cluster(3) as cluster:
        with Load([node.port for node in cluster.nodes]) as load:
            for round_number in range(ROUNDS):
                before = load.counts[OK]
                wait_for("writes flow", lambda: load.failure or load.counts[OK] > before + 200)
                primary = cluster.leader()
                killed_at = time.monotonic()
                primary.end(signal.SIGKILL)
                wait_for("a write is acknowledged again",
                         lambda: load.failure or load.pause_after(killed_at))
                pauses_ms.append((load.pause_after(killed_at) or 0) * 1000)
                primary.start()
                wait_for(f"{primary.name} is back", primary.is_ready)
        load.check()
        cluster.wait_caught_up()
        for node in cluster.nodes:
            for key in load.keys:
                status, body = node.ask("GET", f"/v1/kv/{key.name}?consistency=local")
                check_final(key, 0 if status == 404 else int(body))
    pauses_ms.sort()
    print(f"{ROUNDS} primaries killed; {load.counts[OK]} writes acknowledged, {load.counts[REFUSED]} refused, "
          f"{load.counts[UNKNOWN]} unknown, {load.counts['read']} reads; no violation found. "
          f"Until a write was acknowledged again: median {pauses_ms[len(pauses_ms) // 2]:.0f} ms, "
          f"longest {pauses_ms[-1]:.0f} ms")


if __name__ == "__main__":
    main()
