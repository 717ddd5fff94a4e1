#!/usr/bin/env python3
"""Watches through kills, planned changes of leader and restarts: every watcher is told every change of
its keys, whole revisions, in order and once, however often it has to come back and to whichever node.
What it was told is compared with the history of all keys."""

import http.client
import json
import os
import random
import signal
import sys

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402
from event_stream import events_of  # noqa: E402
from workers import Workers  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "20"))
KEYS = [f"w/{group}/{number}" for group in "ab" for number in range(8)]
RANGES = {"prefix=w/": "w/", "prefix=w/a/": "w/a/", "key=w/b/3": "w/b/3", "start=w/a/4&end=w/b/": None}


def shows(query, key):
    return key >= "w/a/4" and key < "w/b/" if RANGES[query] is None else key.startswith(RANGES[query])


class Watcher:
    """Follows one range, and comes back wherever it is let in."""

    def __init__(self, query, ports, seed):
        self.query, self.ports, self.random = query, ports, random.Random(seed)
        self.told = {}  # revision → events
        self.last_id = 1
        self.connections = 0

    def run(self, stopping):
        while not stopping.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.random.choice(self.ports), timeout=15)
            try:
                connection.request("GET", f"/v1/watch?{self.query}", headers={"Last-Event-ID": str(self.last_id)})
                answer = connection.getresponse()
                if answer.status == 200:
                    self.connections += 1
                    self.follow(answer, stopping)
                else:
                    assert answer.status == 503, (answer.status, answer.read())
                    stopping.wait(0.05)
            except (OSError, http.client.HTTPException):
                stopping.wait(0.05)
            finally:
                connection.close()

    def follow(self, answer, stopping):
        for event in events_of(answer):
            self.take(event)
            if stopping.is_set():
                return

    def take(self, event):
        revision = int(event["id"])
        assert event["event"] in ("change", "progress"), event
        if event["event"] == "progress":
            assert revision >= self.last_id, f"{self.query}: progress fell from {self.last_id} to {revision}"
        else:
            assert revision > self.last_id, f"{self.query}: {revision} came behind {self.last_id}"
            self.told[revision] = json.loads(event["data"])["events"]
        self.last_id = revision


def write(ports, stopping, seed):
    """What becomes of each change the history tells."""
    draw = random.Random(seed)
    while not stopping.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", draw.choice(ports), timeout=5)
        try:
            while not stopping.is_set():
                key, kind = draw.choice(KEYS), draw.random()
                if kind < 0.6:
                    connection.request("PUT", f"/v1/kv/{key}?timeout=1s", str(draw.random()))
                elif kind < 0.8:
                    connection.request("DELETE", f"/v1/kv/{key}?timeout=1s")
                else:
                    puts = [{"put": {"key": one, "value": str(draw.random())}} for one in draw.sample(KEYS, 4)]
                    connection.request("POST", "/v1/txn?timeout=1s", json.dumps({"then": puts}))
                connection.getresponse().read()
                stopping.wait(0.002)
        except (OSError, http.client.HTTPException):
            stopping.wait(0.02)
        finally:
            connection.close()


def history(node):
    """revision → {key: (type, value)}, of all keys"""
    made = {}
    for key in KEYS:
        at = ""
        while at is not None:
            status, body = node.ask("GET", f"/v1/history/{key}?limit=1000{at}")
            if status == 404:
                break
            assert status == 200, body
            page = json.loads(body)
            for one in page["versions"]:
                made.setdefault(one["mod_revision"], {})[key] = (one["type"], one.get("value"))
            at = f"&revision={page['next']}" if "next" in page else None
    return made


def disturb(cluster, round_number):
    if round_number % 4 == 3:
        status, body = cluster.nodes[0].ask("POST", "/v1/cluster/leader", b"{}")
        assert status in (200, 503), body
        return
    leader = cluster.leader()
    node = leader if round_number % 4 < 2 else next(n for n in cluster.nodes if n is not leader)
    how = signal.SIGKILL if round_number % 2 == 0 else signal.SIGTERM
    code = node.end(how)
    assert how == signal.SIGKILL or code == 0, f"{node.name} ended with {code}"
    node.start()
    wait_for(f"{node.name} is back", node.is_ready)


def check(watchers, made):
    """Each was told exactly what is in the history of its keys."""
    for watcher in watchers:
        expected = {revision: keys for revision, all_keys in made.items()
                    if (keys := {k: v for k, v in all_keys.items() if shows(watcher.query, k)})}
        told = {revision: {e["key"]: (e["type"], e.get("value")) for e in events}
                for revision, events in watcher.told.items()}
        missed = sorted(expected.keys() - told.keys())
        assert not missed, f"{watcher.query} was not told of {missed[:5]}, {len(missed)} in all"
        for revision, events in told.items():
            assert events == expected.get(revision), f"{watcher.query}: {revision}: {events}"


def main():
    with Cluster(3) as cluster:
        ports = [node.port for node in cluster.nodes]
        watchers = [Watcher(query, ports, seed) for seed, query in enumerate(list(RANGES) * 3)]
        watching, writing = Workers(), Workers()
        for watcher in watchers:
            watching.add(watcher.run, watching.stopping)
        for seed in range(4):
            writing.add(write, ports, writing.stopping, seed)
        with watching:
            with writing:
                for round_number in range(ROUNDS):
                    before = watchers[0].last_id
                    wait_for("changes are told", lambda: watching.failure or watchers[0].last_id > before + 100)
                    disturb(cluster, round_number)
            cluster.wait_caught_up()
            made = history(cluster.nodes[0])
            newest = max(made)
            # Each is told of something at the latest when nothing has happened for 10 s.
            for watcher in watchers:
                wait_for(f"{watcher.query} has come to revision {newest}",
                         lambda watcher=watcher: watching.failure or watcher.last_id >= newest, 40)
        check(watchers, made)
    print(f"{ROUNDS} disturbances, {len(made)} revisions, {len(watchers)} watchers that came "
          f"{sum(watcher.connections for watcher in watchers)} times: each was told all of its keys' changes, in "
          "order, once")


if __name__ == "__main__":
    main()
