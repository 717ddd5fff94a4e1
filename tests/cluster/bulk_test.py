#!/usr/bin/env python3
"""Bulk streams while leaders are killed: each line is sent again under its idempotency key until it is
answered, over whichever node answers, and is made once. How often a key was written is its version, so
that the sums show a line that was lost as well as one that was made twice. And a stop in the middle of a
stream says from where on nothing was begun, which is so."""

import collections
import http.client
import json
import os
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402

WORKERS = 3
LINES = 4000  # of each worker
KEYS = 40
BATCH = 400
KILLS = 2


def answers_of(node, lines):
    """What the node says to each line before the stream or the connection ends: a prefix of all."""
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=5)
    answers = []
    try:
        connection.request("POST", "/v1/bulk?timeout=2s", "".join(lines).encode())
        answer = connection.getresponse()
        if answer.status != 200:
            return []
        for line in answer:
            answers.append(json.loads(line))
    except (OSError, http.client.HTTPException, ValueError):
        pass  # what was not answered is sent again
    finally:
        connection.close()
    return answers


def work(cluster, worker, done):
    lines = {i: json.dumps({"put": {"key": f"sum/{worker}/{i % KEYS}", "value": str(i)},
                            "idempotency_key": f"{worker}-{i}"}) + "\n" for i in range(LINES)}
    waiting = list(lines)
    turn = worker
    while waiting:
        node = cluster.nodes[turn % len(cluster.nodes)]
        turn += 1
        batch = waiting[:BATCH]
        answered = 0
        for i, answer in zip(batch, answers_of(node, [lines[i] for i in batch])):
            if "put" in answer:
                done[worker, i] = answer["revision"]
                answered += 1
            else:
                assert answer["error"]["code"] in ("no_leader", "outcome_unknown", "overloaded", "not_ready"), answer
        waiting = [i for i in waiting if (worker, i) not in done]


def count_through_kills(cluster):
    done = {}
    workers = [threading.Thread(target=work, args=(cluster, w, done)) for w in range(WORKERS)]
    for worker in workers:
        worker.start()
    total = WORKERS * LINES
    for kill in range(KILLS):
        wait_for("a part is made", lambda kill=kill: len(done) >= (kill + 1) * total // (KILLS + 2)
                 or not any(w.is_alive() for w in workers), 60)
        leader = cluster.leader()
        leader.end(signal.SIGKILL)
        assert len(done) < total, f"all lines were made before kill {kill + 1}: nothing is proven"
        leader.start()
        wait_for(f"{leader.name} is back", leader.is_ready)
    for worker in workers:
        worker.join()
    assert len(done) == total, f"{total - len(done)} lines were given up"
    assert len(set(done.values())) == total, "each line is a revision of its own"
    status, body = cluster.nodes[0].ask("GET", "/v1/kv?prefix=sum/&limit=10000")
    assert status == 200
    versions = {item["key"]: item["version"] for item in json.loads(body)["items"]}
    expected = collections.Counter(f"sum/{w}/{i % KEYS}" for w in range(WORKERS) for i in range(LINES))
    assert versions == expected, "lines were lost or made twice: " + str(
        {key: (versions.get(key), count) for key, count in expected.items() if versions.get(key) != count})
    print(f"{total} lines made once each, over {KILLS} killed leaders")


def stop_in_mid_stream(cluster):
    """SIGTERM while the body is sent: a prefix is answered, one last line, and nothing behind it is made."""
    node = next(node for node in cluster.nodes if node is not cluster.leader())
    connection = socket.create_connection(("127.0.0.1", node.port), timeout=20)
    connection.sendall(b"POST /v1/bulk HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    received = connection.makefile("rb")
    sent = 0

    def send(count):
        nonlocal sent
        text = "".join(json.dumps({"put": {"key": f"stop/{sent + i:06}", "value": "x"}}) + "\n" for i in range(count))
        sent += count
        connection.sendall(b"%x\r\n%s\r\n" % (len(text), text.encode()))
    def send_on():
        try:
            while sent < 2_000_000:
                send(500)
        except OSError:
            pass
    sender = threading.Thread(target=send_on)
    sender.start()
    while received.readline().strip():
        pass  # the head
    wait_for("a part is sent", lambda: sent >= 20_000)
    node.process.send_signal(signal.SIGTERM)
    answers = []
    try:
        while size := int(received.readline(), 16):
            answers += [json.loads(line) for line in received.read(size + 2)[:-2].splitlines()]
    except (OSError, ValueError):
        raise AssertionError("the stream has no end") from None
    connection.close()
    sender.join()
    assert node.process.wait(20) == 0
    node.process = None
    *made, last = answers
    assert last["error"]["last"] and last["error"]["outcome"] == "not_applied", last
    assert last["error"]["line"] == len(made) + 1, (last, len(made))
    known = sum("put" in answer for answer in made)
    other = next(n for n in cluster.nodes if n.process)
    status, body = other.ask("GET", f"/v1/kv?start=stop/{len(made):06}&end=stop0&count_only=true")
    assert status == 200 and json.loads(body)["count"] == 0, "what was said not to be begun was made"
    status, body = other.ask("GET", "/v1/kv?prefix=stop/&count_only=true")
    assert json.loads(body)["count"] >= known
    node.start()
    wait_for(f"{node.name} is back", node.is_ready)
    print(f"stopped in the middle: {known} of {len(made)} lines known to be made, none behind")


def main():
    with Cluster(3) as cluster:
        count_through_kills(cluster)
        stop_in_mid_stream(cluster)
        cluster.wait_caught_up()


if __name__ == "__main__":
    main()
