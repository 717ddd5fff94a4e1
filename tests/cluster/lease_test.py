#!/usr/bin/env python3
"""A lease over the death of leaders: killed with SIGKILL while a lease and a key with a time to live
wait for their ends, one after the other. Neither may end early, nor live on for ever, nor begin anew."""

import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402

TTL_S = 9
KILLS = 2


class Client:
    """Asks any node that is up until one answers."""

    def __init__(self, cluster):
        self.cluster = cluster

    def ask(self, method, path, body=None):
        def answer():
            for node in self.cluster.nodes:
                if node.process is None:
                    continue
                try:
                    status, text = node.ask(method, path, body, timeout_s=2)
                except OSError:
                    continue
                if status not in (503, 504):
                    return status, text
            return None
        return wait_for(f"{method} {path} is answered", answer)

    def exists(self, key):
        return self.ask("GET", f"/v1/kv/{key}")[0] == 200


def left_ms(node, lease):
    """What is left of it by the newest entry here: a leader that comes later knows that entry, too."""
    status, body = node.ask("GET", f"/v1/leases/{lease}?consistency=local")
    assert status in (200, 404), (status, body)
    return json.loads(body)["remaining_ms"] if status == 200 else 0


def grant(client):
    status, body = client.ask("POST", "/v1/leases", json.dumps({"ttl": f"{TTL_S}s"}))
    assert status == 201, (status, body)
    return json.loads(body)["id"]


def kill_leader(cluster, lease, due_ms):
    """When no more than `due_ms` of the lease are left. It goes on from there under the next leader."""
    leader = cluster.leader()
    others = [node for node in cluster.nodes if node is not leader]
    # Idle, so that nothing but the cluster's own entries carries its clock.
    wait_for("time goes by", lambda: all(left_ms(node, lease) <= due_ms for node in others))
    most_ms = max(left_ms(node, lease) for node in others)
    leader.end(signal.SIGKILL)
    leader.start()
    now_ms = left_ms(cluster.leader(), lease)
    assert now_ms <= most_ms, f"the lease begins anew: {now_ms} ms are left of {most_ms} ms"
    return leader


def main():
    with Cluster(3) as cluster:
        client = Client(cluster)
        ends = {}
        begun = time.monotonic()
        lease, kept = grant(client), grant(client)
        for path in (f"leased?lease={lease}", f"kept?lease={kept}", f"timed?ttl={TTL_S}s"):
            assert client.ask("PUT", f"/v1/kv/{path}", b"x")[0] == 201

        for kill in range(KILLS):
            killed = kill_leader(cluster, lease, 1000 * TTL_S * (KILLS - kill) // (KILLS + 1))
            kept_at = time.monotonic()
            assert client.ask("PUT", f"/v1/leases/{kept}")[0] == 200
            wait_for(f"{killed.name} is back", killed.is_ready)

        def watch(key):
            if key not in ends and not client.exists(key):
                ends[key] = time.monotonic()
            return key in ends
        wait_for("what is due has ended", lambda: all([watch("leased"), watch("timed")]))
        assert client.exists("kept"), "a lease that was kept alive ended early"
        assert client.ask("GET", f"/v1/leases/{lease}")[0] == 404
        assert client.ask("PUT", f"/v1/leases/{lease}")[0] == 404
        wait_for("the kept lease ends too", lambda: watch("kept"))
        for key, since in (("leased", begun), ("timed", begun), ("kept", kept_at)):
            assert ends[key] - since >= TTL_S, f"{key} ended early, after {ends[key] - since:.2f} s"
        cluster.wait_caught_up()
        print(f"a lease of {TTL_S} s over {KILLS} killed leaders ended after "
              f"{ends['leased'] - begun:.2f} s, a key of its own time after {ends['timed'] - begun:.2f} s")


if __name__ == "__main__":
    main()
