#!/usr/bin/env python3
"""Hands the leadership round while clients write and read through every node, by the API and by
stopping the primary with SIGTERM: no request at the other nodes may fail or be in doubt."""

import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402
from history import OK, REFUSED, UNKNOWN, Load, check_final  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "12"))


def flow(load):
    before = load.counts[OK]
    wait_for("writes flow", lambda: load.failure or load.counts[OK] > before + 200)


def hand_over(cluster, load):
    """Every node is asked in turn; with a name, and without."""
    waits_ms = []
    for number in range(ROUNDS):
        flow(load)
        old = cluster.leader()
        target = next(node for node in cluster.nodes if node is not old)
        asked = cluster.nodes[number % len(cluster.nodes)]
        body = json.dumps({"to": target.name}) if number % 2 == 0 else None
        began = time.monotonic()
        status, answer = asked.ask("POST", "/v1/cluster/leader", body)
        waits_ms.append((time.monotonic() - began) * 1000)
        assert status == 200, (status, answer)
        leader = json.loads(answer)["leader"]
        assert leader != old.name and (body is None or leader == target.name), (answer, old.name)
    return waits_ms


def check_refusals(cluster):
    node = cluster.leader()
    for body, status, code in ((b"[]", 400, "bad_request"), (b'{"to":7}', 400, "bad_request"),
                               (b'{"to":"nobody"}', 404, "member_not_found")):
        got, answer = node.ask("POST", "/v1/cluster/leader", body)
        assert (got, json.loads(answer)["code"]) == (status, code), (body, got, answer)


def main():
    with Cluster(3) as cluster:
        with Load([node.port for node in cluster.nodes]) as load:
            waits_ms = hand_over(cluster, load)
            check_refusals(cluster)
        load.check()
        assert load.counts[REFUSED] == 0 and load.counts[UNKNOWN] == 0, load.counts

        # A stopped primary closes its own clients' connections; those of the others see nothing.
        primary = cluster.leader()
        others = [node for node in cluster.nodes if node is not primary]
        with Load([node.port for node in others], seed=2, prefix="calm/") as calm:
            flow(calm)
            assert primary.end(signal.SIGTERM) == 0
            flow(calm)
            primary.start()
            wait_for(f"{primary.name} is back", primary.is_ready)
            flow(calm)
        calm.check()
        assert calm.counts[REFUSED] == 0 and calm.counts[UNKNOWN] == 0, calm.counts
        cluster.wait_caught_up()
        for node in cluster.nodes:
            for key in calm.keys:
                status, body = node.ask("GET", f"/v1/kv/{key.name}?consistency=local")
                check_final(key, 0 if status == 404 else int(body))
    waits_ms.sort()
    print(f"{ROUNDS} changes of leader asked for, each served after {waits_ms[len(waits_ms) // 2]:.0f} ms "
          f"(median), {waits_ms[-1]:.0f} ms (longest); {load.counts[OK]} writes, none failed, the slowest took "
          f"{load.longest_wait() * 1000:.0f} ms; beside a primary stopped by SIGTERM {calm.counts[OK]} writes, "
          f"none failed, the slowest took {calm.longest_wait() * 1000:.0f} ms")


if __name__ == "__main__":
    main()
