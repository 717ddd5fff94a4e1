#!/usr/bin/env python3
"""One bit of one row of one replica is changed, and every checksum on its disk is right: only the
others can tell, or the hash that it keeps itself. The replica is found, taken out of service, and made
anew from its peers by itself, once."""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402

FOUND = "differs from that of a majority"


def put(node, key, value):
    status, answer = node.ask("PUT", f"/v1/kv/{key}", value)
    assert status in (200, 201), (status, answer)


def flip(cluster, victim, key):
    state = cluster.directory / victim.name / "groups" / "1" / "state"
    subprocess.run([os.environ["FLIP_ROW"], str(state), key], check=True)


def never_replaced(cluster, victim):
    """No sum ever shows it, but the scrub makes the hash anew from the rows themselves."""
    put(cluster.leader(), "cold", b"as it was written")
    wait_for("the replica has it", lambda: victim.ask("GET", "/v1/kv/cold?consistency=local")[0] == 200)
    victim.end(signal.SIGTERM)
    flip(cluster, victim, "cold")
    victim.command += ["--scrub-every", "1s"]
    victim.start()
    found = "the key 'cold' does not hold what was written"
    wait_for("the scrub finds it", lambda: found in victim.log_path.read_text(), 60)
    wait_for("it serves again", victim.is_ready)
    cluster.wait_hashes_agree()
    status, value = victim.ask("GET", "/v1/kv/cold?consistency=local")
    assert (status, value) == (200, b"as it was written"), (status, value)
    assert victim.log_path.read_text().count(found) == 1


def main():
    with Cluster(3) as cluster:
        leader = cluster.leader()
        victim = next(node for node in cluster.nodes if node is not leader)
        for number in range(100):
            put(leader, f"k{number}", b"as it was written")
        put(leader, "flipped", b"as it was written")
        local = "/v1/kv/flipped?consistency=local"
        wait_for("the replica has it", lambda: victim.ask("GET", local)[0] == 200)
        victim.end(signal.SIGTERM)
        flip(cluster, victim, "flipped")
        victim.start()
        process = victim.process.pid
        # A sum of hashes shows it once the row is replaced: the wrong one is taken off.
        put(leader, "flipped", b"and written again")
        wait_for("the replica is found", lambda: FOUND in victim.log_path.read_text(), 60)
        wait_for("it serves again", victim.is_ready)
        assert victim.process.pid == process and victim.process.poll() is None, "started by itself"
        cluster.wait_hashes_agree()
        cluster.wait_caught_up()
        said = victim.log_path.read_text().count(FOUND)
        assert said == 1, f"it was found {said} times"
        never_replaced(cluster, victim)


main()
