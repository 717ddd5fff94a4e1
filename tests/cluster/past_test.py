#!/usr/bin/env python3
"""Reads of the past at every node: by revision, by time, of one key's versions; until the history
floor rises, also while a scan of many pages goes on, and all nodes are killed and started again. And
the hash of the state, which is the same on all nodes."""

import json
import os
import signal
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402

VERSIONS = 200


def get(node, path):
    status, body = node.ask("GET", path)
    return status, body.decode()


def problem(answer):
    body = json.loads(answer[1])
    return answer[0], body["code"], body.get("compact_revision")


def now_ms():
    return int(time.time() * 1000)


def at_text(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03}Z"


def write_versions(cluster):
    """Version i of the key k is value i; the revision of each, and a millisecond behind it. Of every
    fiftieth the next one is made in a later millisecond."""
    made = []
    for i in range(VERSIONS):
        status, body = cluster.nodes[i % len(cluster.nodes)].ask("PUT", "/v1/kv/k", str(i))
        assert status in (200, 201), (status, body)
        made.append((json.loads(body)["revision"], now_ms()))
        if i % 50 == 0:
            wait_for("the next millisecond", lambda: now_ms() > made[-1][1])
    return made


def read_all(cluster, made, first):
    for node in cluster.nodes:
        for i in range(first, VERSIONS, 7):
            assert get(node, f"/v1/kv/k?revision={made[i][0]}") == (200, str(i)), (node.name, i)
        history = json.loads(get(node, "/v1/history/k?limit=1000")[1])
        assert [int(version["value"]) for version in history["versions"]] == list(range(VERSIONS - 1, first - 1, -1))
    for i in range(50, VERSIONS, 50):
        at = at_text(made[i][1])
        for node in cluster.nodes:
            answer = get(node, f"/v1/kv/k?at={urllib.parse.quote(at)}")
            is_right = answer == (200, str(i)) if i >= first else problem(answer)[:2] == (410, "compacted")
            assert is_right, (node.name, i, at, answer)


def compact(cluster, made):
    """In the middle of a scan: its next page is refused, and never thinner."""
    pages = {node.name: json.loads(get(node, f"/v1/kv?limit=1&revision={made[50][0]}")[1])["next"]
             for node in cluster.nodes}
    floor = made[100][0]
    status, body = cluster.nodes[1].ask("POST", "/v1/compact", json.dumps({"revision": floor}))
    assert (status, json.loads(body)) == (200, {"compact_revision": floor})
    for node in cluster.nodes:
        # Linearizable: it has heard of the floor.
        assert problem(get(node, f"/v1/kv/k?revision={floor - 1}")) == (410, "compacted", floor)
        assert get(node, f"/v1/kv/k?revision={floor}") == (200, "100")
        assert problem(get(node, f"/v1/kv?limit=1&cursor={pages[node.name]}")) == (410, "compacted", floor)
    newest = json.loads(cluster.nodes[0].ask("PUT", "/v1/kv/other", "")[1])["revision"]
    status, body = cluster.nodes[2].ask("POST", "/v1/compact", json.dumps({"revision": newest + 1}))
    assert status == 400, (status, body)


def main():
    with Cluster(3) as cluster:
        for key in ("a", "b", "c"):
            cluster.nodes[0].ask("PUT", f"/v1/kv/{key}", "")
        made = write_versions(cluster)
        read_all(cluster, made, 0)
        compact(cluster, made)
        read_all(cluster, made, 100)
        status, body = cluster.nodes[0].ask("PATCH", "/v1/cluster/settings", json.dumps({"keep_history": "2h"}))
        assert (status, json.loads(body)) == (200, {"keep_history": "2h"})
        cluster.wait_caught_up()
        cluster.wait_hashes_agree()
        wait_for("all have reported their hash", lambda: all(
            member["state_agrees"] for member in cluster.nodes[0].cluster()["members"]))
        for node in cluster.nodes:
            node.end(signal.SIGKILL)
        for node in cluster.nodes:
            node.start()
        cluster.wait_ready()
        read_all(cluster, made, 100)
        for node in cluster.nodes:
            assert json.loads(get(node, "/v1/cluster/settings")[1]) == {"keep_history": "2h"}
            assert problem(get(node, f"/v1/kv/k?revision={made[99][0]}"))[:2] == (410, "compacted")
    print(f"{VERSIONS} versions read by revision and by time at all nodes, before and after a floor and a restart")


if __name__ == "__main__":
    main()
