#!/usr/bin/env python3
"""Counting by transactions under idempotency keys while leaders are killed: a client that sends each
again under its key until it is answered counts right, neither less nor more. What was answered before
the kills is answered the same way after them, by every node."""

import json
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402

COUNTS = 300
KILLS = 3


def send(cluster, key, body):
    """To one node after the other, under one key, until the outcome is known."""
    def answer():
        for node in cluster.nodes:
            try:
                status, text = node.ask("POST", "/v1/txn", body, {"Idempotency-Key": key}, timeout_s=2)
            except OSError:
                continue
            if status not in (503, 504):
                return status, text
        return None
    return wait_for(f"{key} is answered", answer)


def add(value, revision, step):
    """One is added if nobody else has; which is told by the transaction itself."""
    return json.dumps({
        "if": [{"key": "sum", "target": "mod_revision", "op": "==", "value": revision}],
        "then": [{"put": {"key": "sum", "value": str(value + 1)}},
                 {"put": {"key": f"step/{step:04}", "value": ""}}],
        "else": [{"get": {"key": "sum"}}]})


def count(cluster, answers):
    value, revision = 0, 0
    for step in range(COUNTS):
        body = add(value, revision, step)
        status, text = send(cluster, f"step-{step}", body)
        answers[step] = (body, status, text)
        answer = json.loads(text)
        assert status == 200 and answer["succeeded"], (step, status, text)
        value, revision = value + 1, answer["revision"]


def main():
    with Cluster(3) as cluster:
        answers = {}
        counting = threading.Thread(target=count, args=(cluster, answers))
        counting.start()
        for kill in range(KILLS):
            wait_for("a part is counted",
                     lambda kill=kill: len(answers) >= (kill + 1) * COUNTS // (KILLS + 1)
                     or not counting.is_alive())
            leader = cluster.leader()
            leader.end(signal.SIGKILL)
            leader.start()
            wait_for(f"{leader.name} is back", leader.is_ready)
        counting.join()
        assert len(answers) == COUNTS, f"it ended at step {len(answers)}"
        node = cluster.nodes[0]
        assert node.ask("GET", "/v1/kv/sum")[1] == str(COUNTS).encode()
        status, text = node.ask("GET", "/v1/kv?prefix=step/&count_only=true")
        assert json.loads(text)["count"] == COUNTS, text
        for step in (0, COUNTS // 2, COUNTS - 1):
            body, status, text = answers[step]
            for node in cluster.nodes:
                again = node.ask("POST", "/v1/txn", body, {"Idempotency-Key": f"step-{step}"})
                assert again == (status, text), (node.name, again, text)
                other = node.ask("POST", "/v1/txn", "{}", {"Idempotency-Key": f"step-{step}"})
                assert other[0] == 422, other
        print(f"{COUNTS} counted over {KILLS} killed leaders")


if __name__ == "__main__":
    main()
