#!/usr/bin/env python3
"""What /v1/faults does to real processes: a leader whose links are cut is replaced, and joins again; one
whose disk stalls hands over; one whose disk is full refuses growth; all of it goes by itself when the
faults end. A failed sync ends the process. A calendar that jumps changes no lease."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import PATIENCE_S, Cluster, wait_for  # noqa: E402


def others_than(cluster, node):
    return [other for other in cluster.nodes if other is not node]


def successor_of(cluster, before):
    """Who leads in its place."""
    def find():
        views = [(other, other.cluster()) for other in others_than(cluster, before)]
        return next((other for other, view in views if view and view["node"]["role"] == "leader"), None)
    return wait_for(f"another leads than {before.name}", find)


def set_faults(node, faults):
    status, body = node.ask("PUT", "/v1/faults", json.dumps(faults))
    assert status == 200, body
    view = node.cluster()
    assert view["node"]["faults"] and "faults are set on this node" in view["warning"], view
    return json.loads(body)


def heal(node):
    status, body = node.ask("DELETE", "/v1/faults")
    assert status == 200 and json.loads(body)["since"] is None, body
    assert not node.cluster()["node"]["faults"]


def cut(*peers, **more):
    return {"links": [{"peer": peer.name, "cut": True, **more} for peer in peers]}


def put(node, key, value="v"):
    wait_for(f"{node.name} takes a write", lambda: node.ask("PUT", f"/v1/kv/{key}", value)[0] in (200, 201))


def joins_again(cluster, node, key):
    """Serves a linearizable read of what was written without it."""
    wait_for(f"{node.name} is ready", node.is_ready)
    wait_for(f"{node.name} is back", lambda: node.ask("GET", f"/v1/kv/{key}?timeout=1s")[0] == 200)
    cluster.wait_caught_up()
    cluster.check_alive()


def cut_off(cluster):
    leader = cluster.leader()
    set_faults(leader, cut(*others_than(cluster, leader)))
    successor = successor_of(cluster, leader)
    put(successor, "cut")
    wait_for(f"{leader.name} serves no linearizable read",
             lambda: leader.ask("GET", "/v1/kv/cut?timeout=300ms")[0] in (503, 504))
    heal(leader)
    joins_again(cluster, leader, "cut")


def cut_one_way(cluster):
    """Nothing that it sends arrives; it hears everything."""
    leader = cluster.leader()
    set_faults(leader, cut(*others_than(cluster, leader), direction="out"))
    successor = successor_of(cluster, leader)
    put(successor, "one-way")
    wait_for(f"{leader.name} hears of its successor", lambda: leader.cluster()["leader"] == successor.name)
    heal(leader)
    joins_again(cluster, leader, "one-way")


def slow_link(cluster):
    """All messages to one follower late, and some lost: it is served all the same."""
    leader = cluster.leader()
    follower = others_than(cluster, leader)[0]
    set_faults(leader, {"links": [{"peer": follower.name, "direction": "both", "delay": "20ms", "loss": 0.05}]})
    for number in range(20):
        put(leader, f"slow-{number}")
    joins_again(cluster, follower, "slow-19")
    heal(leader)


def stalled_disk(cluster):
    leader = cluster.leader()
    set_faults(leader, {"disk": {"stall": True}})
    try:  # for the watchdog to have something to watch; it may or may not be done
        leader.ask("PUT", "/v1/kv/stalled-before?timeout=1s", "v")
    except OSError:
        pass
    successor = successor_of(cluster, leader)
    put(successor, "stalled")
    wait_for(f"{leader.name} is fenced", lambda: leader.cluster()["node"]["fenced"])
    heal(leader)
    wait_for(f"{leader.name} is fenced no more", lambda: leader.cluster()["node"]["fenced"] is None)
    joins_again(cluster, leader, "stalled")


def full_disks(cluster):
    for node in cluster.nodes:
        set_faults(node, {"disk": {"full": True}})
    node = cluster.nodes[0]
    put_refused = wait_for("growth is refused", lambda: next(
        (body for status, body in [node.ask("PUT", "/v1/kv/full", "v")] if status == 507), None))
    assert json.loads(put_refused)["code"] == "no_space", put_refused
    assert node.ask("GET", "/v1/kv/stalled")[0] == 200
    assert node.ask("DELETE", "/v1/kv/stalled")[0] == 200
    for node in cluster.nodes:
        wait_for(f"{node.name} is short", lambda node=node: node.cluster()["node"]["short_of_room"])
        heal(node)
    put(cluster.nodes[0], "full")
    joins_again(cluster, cluster.nodes[1], "full")


def jumping_calendar(cluster):
    """A day ahead, and then behind: a lease of an hour has its hour, and no election timer rings for it."""
    leader = cluster.leader()
    begun = time.monotonic()
    status, body = leader.ask("POST", "/v1/leases", json.dumps({"ttl": "1h"}))
    assert status == 201, body
    lease = json.loads(body)["id"]
    assert leader.ask("PUT", f"/v1/kv/leased?lease={lease}", "v")[0] == 201
    hour_ms = 3_600_000

    def term_outlasts_it():
        leader, term = cluster.leader(), cluster.newest_term()
        for jump in ("24h", "-24h"):
            set_faults(leader, {"clock": {"wall_jump": jump}})
            put(leader, "calendar")
            answer = wait_for("the lease is read", lambda: next(
                (body for status, body in [leader.ask("GET", f"/v1/leases/{lease}")] if status == 200), None))
            left_ms = json.loads(answer)["remaining_ms"]
            passed_ms = (time.monotonic() - begun) * 1000
            assert hour_ms - passed_ms - 1 <= left_ms <= hour_ms, (left_ms, passed_ms)
            wait_for("what it holds is there", lambda: leader.ask("GET", "/v1/kv/leased")[0] == 200)
        heal(leader)
        return cluster.newest_term() == term
    # A busy machine may change its leader by itself meanwhile, but not each time.
    wait_for("a calendar jumps without an election", term_outlasts_it)
    cluster.wait_caught_up()


def fast_clock(cluster):
    """Ten times as fast: its own timers ring early, and it is what it was when that ends."""
    leader = cluster.leader()
    follower = others_than(cluster, leader)[0]
    set_faults(follower, {"clock": {"rate": 10}})
    put(cluster.leader(), "fast")
    heal(follower)
    joins_again(cluster, follower, "fast")
    heard = wait_for("a leader that all hear", lambda: len({node.cluster()["leader"] for node in cluster.nodes}) == 1)
    assert heard


def failed_sync(cluster):
    """The process ends by itself and says why; what was acknowledged is there without it, and with it."""
    leader = cluster.leader()
    put(leader, "before")
    set_faults(leader, {"disk": {"fail_sync": True}})
    try:
        leader.ask("PUT", "/v1/kv/during", "v")
    except (OSError, ValueError):
        pass
    code = leader.process.wait(PATIENCE_S)
    leader.process = None
    said = leader.log_path.read_text(errors="replace")
    assert code != 0 and "the log could not be made durable: sync" in said, said
    assert "by PUT /v1/faults: disk.fail_sync" in said, said
    put(cluster.leader(), "after")
    leader.start()
    joins_again(cluster, leader, "after")
    assert not leader.cluster()["node"]["faults"], "faults are gone at a restart"
    assert leader.ask("GET", "/v1/kv/before")[0] == 200


def stopped_while_stalled(cluster):
    """A process that is asked to end does not wait for a disk that stalls on purpose."""
    node = others_than(cluster, cluster.leader())[0]
    set_faults(node, {"disk": {"stall": True}})
    put(cluster.leader(), "stopped")
    assert node.end(15) == 0
    node.start()
    joins_again(cluster, node, "stopped")


def cut_off_from_who_ends():
    """Who is cut off from the leader does not hear that its process has ended, and so holds to it."""
    with Cluster(3, faults=True) as cluster:
        for node in cluster.nodes:
            node.end(15)
            node.command += ["--election-timeout", "10s"]
            node.start()
        cluster.wait_ready()
        leader = cluster.leader()
        deaf, other = others_than(cluster, leader)
        term = leader.cluster()["term"]
        set_faults(deaf, cut(leader))
        leader.end(9)
        wait_for(f"{other.name} hears that it has ended", lambda: other.cluster()["leader"] is None)
        status, answer = other.ask("PUT", "/v1/kv/ended?timeout=1s", "v")
        assert status == 503 and json.loads(answer)["code"] == "no_leader", (status, answer)
        assert deaf.cluster()["term"] == term, "it was told all the same"
        heal(deaf)
        wait_for("there is another", lambda: other.ask("PUT", "/v1/kv/ended", "v")[0] in (200, 201), 60)
        leader.start()
        cluster.wait_ready()


def only_where_asked_for():
    with Cluster(1) as cluster:
        for method in ("GET", "PUT", "DELETE"):
            status, body = cluster.nodes[0].ask(method, "/v1/faults")
            assert status == 404 and b"--enable-faults" in body, body
        assert "--enable-faults" not in cluster.nodes[0].log_path.read_text()


def main():
    drills = [cut_off, cut_one_way, slow_link, stalled_disk, full_disks, jumping_calendar, fast_clock, failed_sync,
              stopped_while_stalled]
    with Cluster(3, faults=True) as cluster:
        for node in cluster.nodes:
            assert "--enable-faults: whoever reaches" in node.log_path.read_text()
        for drill in drills:
            began = time.monotonic()
            drill(cluster)
            print(f"{drill.__name__}: {time.monotonic() - began:.1f} s", flush=True)
        cluster.wait_hashes_agree()
    cut_off_from_who_ends()
    only_where_asked_for()
    print(f"{len(drills) + 2} passed, 0 failed")


if __name__ == "__main__":
    main()
