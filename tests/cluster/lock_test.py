#!/usr/bin/env python3
"""Locks as they are used, and broken: workers of three nodes take turns at one lock, and change a store that
is guarded by their tokens. Holders are stopped in the middle (SIGSTOP) until their lease is over and others
have taken the lock, then go on, believing that they have it; the leader is killed meanwhile. The guarded
store never takes a write of an old holder, two workers never hold one token, and tokens only grow.

Each worker is a process of its own, this file with arguments: it writes what happened to it to a journal."""

import collections
import http.client
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402

WORKERS = 5
LAST_S = 22
KILLS = 2
TTL_S = 1.5
GUARD, LOG = "guard", "log/"


# --- a worker ---------------------------------------------------------------------------------------------

def ask(ports, method, path, body=None, timeout_s=3.0):
    """Any node's answer; nothing where nobody gave one."""
    port = random.choice(ports)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body and json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def write_guarded(ports, token, name, count):
    """As the store of whoever is changed under the lock must: nothing with a token below the highest seen.
    Tokens are compared as text, of one width."""
    text = f"{token:020}"
    return ask(ports, "POST", "/v1/txn", {
        "if": [{"key": GUARD, "target": "value", "op": "<=", "value": text}],
        "then": [{"put": {"key": GUARD, "value": text}},
                 {"put": {"key": f"{LOG}{text}/{name}/{count}", "value": text}}]})


def work(name, journal, ports):
    def note(**what):
        journal.write(json.dumps({"worker": name, **what}) + "\n")
        journal.flush()
    while True:
        had = ask(ports, "POST", "/v1/locks/turns",
                  {"ttl": f"{int(TTL_S * 1000)}ms", "wait": "2s", "owner": name}, 8.0)
        if not had or had[0] != 200:
            time.sleep(0.02)
            continue
        token = had[1]["token"]
        note(had=token)
        for count in range(20):
            # Here it is stopped; it has no idea, and goes on.
            time.sleep(0.02)
            wrote = write_guarded(ports, token, name, count)
            taken = bool(wrote and wrote[0] == 200 and wrote[1]["succeeded"])
            refused = bool(wrote and wrote[0] == 200 and not wrote[1]["succeeded"])
            if taken or refused:
                note(token=token, taken=taken)
            if refused:
                break
            if count % 10 == 5:
                ask(ports, "PUT", f"/v1/locks/turns?token={token}")
        ask(ports, "DELETE", f"/v1/locks/turns?token={token}")


# --- the test ---------------------------------------------------------------------------------------------

class Worker:
    def __init__(self, name, directory, ports):
        self.name = name
        self.journal = directory / f"{name}.journal"
        self.process = subprocess.Popen([sys.executable, __file__, name, str(self.journal), *map(str, ports)])

    def notes(self):
        if not self.journal.exists():
            return []
        return [json.loads(line) for line in self.journal.read_text().split("\n")[:-1]]

    def end(self):
        self.process.kill()
        self.process.wait()


def node_to_ask(cluster):
    return next(node for node in cluster.nodes if node.process is not None)


def holder_of(cluster):
    try:
        status, body = node_to_ask(cluster).ask("GET", "/v1/locks/turns?consistency=local", timeout_s=2)
    except OSError:
        return None
    return json.loads(body) if status == 200 else None


def guard_of(cluster):
    try:
        status, body = node_to_ask(cluster).ask("GET", f"/v1/kv/{GUARD}?consistency=local", timeout_s=2)
    except OSError:
        return 0
    return int(body) if status == 200 else 0


def stop_a_holder(cluster, workers):
    """Whoever holds the lock stands still until another has it."""
    view = wait_for("somebody has the lock", lambda: holder_of(cluster))
    worker = next(worker for worker in workers if worker.name == view["owner"])
    worker.process.send_signal(signal.SIGSTOP)
    # Which is when its lease is over, if it had not let it go just before.
    wait_for("another has the lock", lambda: (holder_of(cluster) or view)["token"] > view["token"])
    wait_for("and has written under it", lambda: guard_of(cluster) > view["token"])
    worker.process.send_signal(signal.SIGCONT)


def check_journals(workers):
    had, taken, refused = [], collections.Counter(), collections.Counter()
    for worker in workers:
        last = 0
        for note in worker.notes():
            if "had" in note:
                assert note["had"] > last, f"{worker.name} got token {note['had']} after {last}"
                last = note["had"]
                had.append(note["had"])
            else:
                (taken if note["taken"] else refused)[note["token"]] += 1
    assert len(had) == len(set(had)), "a token was given twice"
    return had, taken, refused


def check_store(cluster, had, taken):
    """Behind the first write with a token none with a lower one was taken: the feed has them in order."""
    _, body = node_to_ask(cluster).ask("GET", f"/v1/kv?prefix={LOG}&limit=10000")
    items = json.loads(body)["items"]
    by_revision = sorted(items, key=lambda item: item["create_revision"])
    tokens = [int(item["value"]) for item in by_revision]
    assert tokens == sorted(tokens), "the store took a write of an old holder"
    assert set(tokens) <= set(had), "a token that nobody was told of"
    stored = collections.Counter(tokens)
    for token, count in taken.items():
        assert stored[token] >= count, f"{count} writes with token {token} were taken, {stored[token]} are there"
    return len(items)


def main():
    with Cluster(3) as cluster:
        ports = [node.port for node in cluster.nodes]
        _, body = cluster.nodes[0].ask("PUT", f"/v1/kv/{GUARD}", f"{0:020}")
        assert json.loads(body)["created"]
        workers = [Worker(f"w{i}", cluster.directory, ports) for i in range(WORKERS)]
        until = time.monotonic() + LAST_S
        pauses = kills = 0
        try:
            while time.monotonic() < until or kills < KILLS:
                stop_a_holder(cluster, workers)
                pauses += 1
                if pauses % 2 == 0 and kills < KILLS:
                    leader = cluster.leader()
                    leader.end(signal.SIGKILL)
                    kills += 1
                    cluster.leader()
                    leader.start()
                    wait_for(f"{leader.name} is back", leader.is_ready)
        finally:
            for worker in workers:
                worker.end()
        cluster.check_alive()
        had, taken, refused = check_journals(workers)
        stored = check_store(cluster, had, taken)
        assert sum(refused.values()) > 0, "no holder was late: nothing is proven"
        assert len(had) > 10, had
        wait_for("the lock ends with its last holder", lambda: holder_of(cluster) is None)
        cluster.wait_caught_up()
        cluster.wait_hashes_agree()
        print(f"{len(had)} holders, {pauses} of them stopped, {kills} killed leaders: {stored} guarded writes, "
              f"{sum(refused.values())} of old holders refused")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with open(sys.argv[2], "a") as own_journal:
            work(sys.argv[1], own_journal, list(map(int, sys.argv[3:])))
    else:
        main()
