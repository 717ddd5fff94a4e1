#!/usr/bin/env python3
"""Stops processes with SIGSTOP, which closes no connection: nodes that only fall silent. A silent
primary is replaced and, once awake, serves nothing stale; a primary that hears nobody serves no
linearizable read and says how old its state may be; a sleeper that wakes changes nothing."""

import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402
from history import OK, Load  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "3"))
RECENT = "/v1/kv/seen?consistency=local&max_lag=1s"


def code(answer):
    status, body = answer
    return (status, json.loads(body).get("code")) if status >= 400 else (status, None)


def flow(load, writes=100):
    before = load.counts[OK]
    wait_for("writes flow", lambda: load.failure or load.counts[OK] > before + writes)


def silence_ms(primary, member):
    return next(m for m in primary.cluster()["members"] if m["name"] == member.name)["last_contact_ms"]


def silence_primary(cluster):
    """Writes go to the others; reads to all, so that some wait at the sleeper and are answered
    when it wakes, before it has heard of the new term."""
    pauses_ms = []
    for number in range(ROUNDS):
        primary = cluster.leader()
        others = [node.port for node in cluster.nodes if node is not primary]
        with Load(others, seed=number, prefix=f"r{number}/", read_ports=others + [primary.port]) as load:
            flow(load)
            stopped_at = time.monotonic()
            primary.process.send_signal(signal.SIGSTOP)
            try:
                wait_for("a write is acknowledged again", lambda: load.failure or load.pause_after(stopped_at))
                flow(load)
            finally:
                primary.process.send_signal(signal.SIGCONT)
            pauses_ms.append((load.pause_after(stopped_at) or 0) * 1000)
            wait_for(f"{primary.name} follows", lambda: primary.cluster()["node"]["role"] == "follower")
            flow(load)
        load.check()
    return sorted(pauses_ms)


def silence_majority(cluster):
    primary = cluster.leader()
    others = [node for node in cluster.nodes if node is not primary]
    assert primary.ask("PUT", "/v1/kv/seen", "1")[0] in (200, 201)
    for node in cluster.nodes:
        wait_for(f"{node.name} is current", lambda node=node: node.ask("GET", RECENT) == (200, b"1"))
    for node in others:
        node.process.send_signal(signal.SIGSTOP)
    try:
        wait_for("the lonely primary steps down",
                 lambda: code(primary.ask("GET", "/v1/kv/seen")) == (503, "no_leader"))
        wait_for("what it holds counts as old", lambda: code(primary.ask("GET", RECENT)) == (503, "stale"))
        assert primary.ask("GET", "/v1/kv/seen?consistency=local") == (200, b"1")
        assert code(primary.ask("PUT", "/v1/kv/seen", "2")) == (503, "no_leader")
    finally:
        for node in others:
            node.process.send_signal(signal.SIGCONT)
    for node in cluster.nodes:
        wait_for(f"{node.name} is current again", lambda node=node: node.ask("GET", RECENT) == (200, b"1"))


def wake_sleeping_follower(cluster):
    primary = cluster.leader()
    term = primary.cluster()["node"]["term"]
    sleeper = next(node for node in cluster.nodes if node is not primary)
    with Load([primary.port], seed=9, prefix="calm/") as load:
        sleeper.process.send_signal(signal.SIGSTOP)
        try:
            # Longer than it would wait for its leader when awake.
            wait_for(f"{sleeper.name} is silent", lambda: silence_ms(primary, sleeper) > 2000)
            flow(load)
        finally:
            sleeper.process.send_signal(signal.SIGCONT)
        wait_for(f"{sleeper.name} is current", lambda: sleeper.ask("GET", RECENT)[0] == 200)
        flow(load)
    load.check()
    assert primary.cluster()["node"]["term"] == term, "a waking follower started an election"


def main():
    with Cluster(3) as cluster:
        pauses_ms = silence_primary(cluster)
        silence_majority(cluster)
        wake_sleeping_follower(cluster)
        cluster.wait_caught_up()
    print(f"{ROUNDS} primaries fell silent; until a write was acknowledged again: "
          f"median {pauses_ms[len(pauses_ms) // 2]:.0f} ms, longest {pauses_ms[-1]:.0f} ms")


if __name__ == "__main__":
    main()
