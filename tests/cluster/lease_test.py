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

TTL_S = 6.0
# Each change of leader may hold the cluster's clock still: what no entry carried yet (a second), and
# the election.
HELD_STILL_S = 2.5
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


def main():
    with Cluster(3) as cluster:
        client = Client(cluster)
        ends = {}
        begun = time.monotonic()
        status, body = client.ask("POST", "/v1/leases", json.dumps({"ttl": f"{TTL_S:.0f}s"}))
        assert status == 201, (status, body)
        lease = json.loads(body)["id"]
        assert client.ask("PUT", f"/v1/kv/leased?lease={lease}", b"x")[0] == 201
        status, body = client.ask("POST", "/v1/leases", json.dumps({"ttl": f"{TTL_S:.0f}s"}))
        kept = json.loads(body)["id"]
        assert client.ask("PUT", f"/v1/kv/kept?lease={kept}", b"x")[0] == 201
        assert client.ask("PUT", f"/v1/kv/timed?ttl={TTL_S:.0f}s", b"x")[0] == 201
        bound_by = time.monotonic()

        for kill in range(KILLS):
            # Idle, so that nothing but the cluster's own entries carries its clock.
            until = begun + (kill + 1) * TTL_S / (KILLS + 1)
            wait_for("a third of the time", lambda until=until: time.monotonic() > until)
            leader = cluster.leader()
            leader.end(signal.SIGKILL)
            leader.start()
            assert client.ask("PUT", f"/v1/leases/{kept}")[0] == 200
            wait_for(f"{leader.name} is back", leader.is_ready)
            last_kept = time.monotonic()

        def watch(key):
            if key not in ends and not client.exists(key):
                ends[key] = time.monotonic()
            return key in ends
        wait_for("what is due has ended", lambda: all([watch("leased"), watch("timed")]))
        for key in ("leased", "timed"):
            lived = ends[key] - begun
            assert lived >= TTL_S, f"{key} ended early, after {lived:.2f} s"
            most = ends[key] - bound_by
            assert most <= TTL_S + KILLS * HELD_STILL_S, f"{key} lived {most:.2f} s"
        assert client.exists("kept"), "a lease that was kept alive ended early"
        assert client.ask("GET", f"/v1/leases/{lease}")[0] == 404
        assert client.ask("PUT", f"/v1/leases/{lease}")[0] == 404
        wait_for("the kept lease ends too", lambda: not client.exists("kept"))
        lived = time.monotonic() - last_kept
        assert lived <= TTL_S + HELD_STILL_S, f"kept lived {lived:.2f} s more"
        cluster.wait_caught_up()
        print(f"a lease of {TTL_S:.0f} s over {KILLS} killed leaders ended after "
              f"{ends['leased'] - begun:.2f} s, a key of its own time after {ends['timed'] - begun:.2f} s")


if __name__ == "__main__":
    main()
