#!/usr/bin/env python3
"""A follower that was away so long that the log no longer goes back to what it lacks is sent the
state, under load; killed again and again on its way, it ends with the same state as the others."""

import os
import signal
import sys

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402
from history import Load, check_final  # noqa: E402

KILLS = int(os.environ.get("KILLS", "6"))
VALUE = b"x" * 100_000
LOG_BYTES = "1MiB"


def fill(node, generation):
    """More than two segments of log, which are then let go."""
    for number in range(1600):
        status, answer = node.ask("PUT", f"/v1/kv/fill/{number % 50}", VALUE + str(generation).encode())
        assert status in (200, 201), (status, answer)


def count_installs(node):
    return node.log_path.read_text().count("the state of a peer")


def agree(cluster):
    seen = [node.cluster() for node in cluster.nodes]
    if not all(seen):
        return False
    return len({(s["node"]["applied_index"], s["node"]["revision"]) for s in seen}) == 1


def main():
    with Cluster(3) as cluster:
        for node in cluster.nodes:
            node.command += ["--keep-log-bytes", LOG_BYTES]
            node.end(signal.SIGTERM)
            node.start()
        cluster.wait_ready()
        leader = cluster.leader()
        victim = next(node for node in cluster.nodes if node is not leader)
        others = [node for node in cluster.nodes if node is not victim]
        with Load([node.port for node in others]) as load:
            for generation in range(2):
                victim.end(signal.SIGKILL)
                fill(leader, generation)
                before = count_installs(victim)
                for _ in range(KILLS):
                    victim.start()
                    begun = victim.log_path.read_text().count("receiving a snapshot")
                    wait_for("a snapshot begins", lambda: victim.log_path.read_text()
                             .count("receiving a snapshot") > begun or count_installs(victim) > before)
                    victim.end(signal.SIGKILL)
                victim.start()
                wait_for("the state is in use", lambda: count_installs(victim) > before, 60)
        load.check()
        wait_for("all have the same state", lambda: agree(cluster), 30)
        cluster.wait_caught_up()
        for node in cluster.nodes:
            for key in load.keys:
                status, body = node.ask("GET", f"/v1/kv/{key.name}?consistency=local")
                check_final(key, 0 if status == 404 else int(body))
    print(f"2 absences, {2 * KILLS} kills on the way: all nodes equal")


if __name__ == "__main__":
    main()
