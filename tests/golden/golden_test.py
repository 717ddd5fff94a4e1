#!/usr/bin/env python3
"""Nodes start on copies of what earlier versions have written, serve what was there, and go on."""

import json
import os
import pathlib
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cluster"))
from cluster import Cluster, wait_for  # noqa: E402

HOLDFAST = os.environ.get("HOLDFAST", str(HERE.parents[1] / "build" / "bin" / "holdfast"))


def ask(node, path):
    status, body = node.ask("GET", path)
    assert status == 200, f"{path}: {status} {body}"
    return json.loads(body)


def item_of(item):
    """What is left of a time to live depends on when one asks."""
    return {name: value if name != "ttl_ms" else "some" for name, value in item.items()}


def contents(node):
    """All that a node tells of its state, but for what moves with time and place."""
    rows = ask(node, "/v1/kv?limit=10000")
    # What is shown of the cluster follows what is applied by some milliseconds.
    wait_for("the agreed hash is known", lambda: ask(node, "/v1/cluster")["node"]["state_hash"])
    view = ask(node, "/v1/cluster")
    leases = [{"id": lease["id"], "ttl_ms": lease["ttl_ms"],
               "keys": [key["key"] for key in ask(node, f"/v1/leases/{lease['id']}")["keys"]]}
              for lease in ask(node, "/v1/leases")["leases"]]
    return {"cluster_id": view["cluster_id"], "name": view["node"]["name"], "id": view["node"]["id"],
            "revision": rows["revision"], "items": [item_of(item) for item in rows["items"]], "leases": leases,
            "members": [{name: member[name] for name in ("name", "id", "voter")} for member in view["members"]],
            "settings": view["settings"],
            "agreed": {"hash": view["node"]["state_hash"], "index": view["node"]["state_hash_index"]}}


def lock_in(node):
    """Nothing where nobody has it, as in states from before there were locks."""
    status, body = node.ask("GET", "/v1/locks/golden")
    if status == 404:
        return None
    return {name: value for name, value in json.loads(body).items() if name != "remaining_ms"}


def verify(directory):
    done = subprocess.run([HOLDFAST, "verify", directory], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.rstrip().endswith(": sound"), done.stdout + done.stderr


class OneNode(Cluster):
    """On a copy of a data directory."""

    def __init__(self, golden, name):
        super().__init__(1)
        node = self.nodes[0]
        node.command = node.command[:node.command.index("--initial-cluster")]
        node.command[node.command.index("--name") + 1] = name
        node.command[node.command.index("--data-dir") + 1] = str(self.data)
        subprocess.run(["tar", "-xf", golden, "-C", self.directory], check=True)
        verify(self.data)

    @property
    def data(self):
        return self.directory / "data"


def opens(golden):
    expected = json.loads(pathlib.Path(str(golden).removesuffix(".tar.xz") + ".json").read_text())
    with OneNode(golden, expected["name"]) as cluster:
        node = cluster.nodes[0]
        found = contents(node)
        # It may have been agreed on anew by now, of a later entry.
        assert found["agreed"].pop("index") >= expected["agreed"].pop("index"), f"{golden.name}: {found}"
        for part, value in found.items():
            assert value == expected[part], f"{golden.name}: {part} was {expected[part]} and is {value}"
        held = expected.get("lock")
        assert lock_in(node) == held, f"{golden.name}: the lock is {lock_in(node)} and was {held}"
        status, body = node.ask("POST", "/v1/locks/another", json.dumps({"ttl": "1h"}))
        assert status == 200 and json.loads(body)["token"] > (held or {"token": 0})["token"], body
        once = expected["once"]
        status, body = node.ask("PUT", once["path"], once["body"], {"Idempotency-Key": once["key"]})
        assert status == once["status"] and json.loads(body) == once["answer"], f"{status} {body}"
        status, body = node.ask("PUT", "/v1/kv/new", "value")
        assert status == 201 and json.loads(body)["revision"] == expected["revision"] + 1, body
        assert node.end(signal.SIGTERM) == 0
        verify(cluster.data)
        node.start()
        wait_for("it serves again", node.is_ready)
        assert node.ask("GET", "/v1/kv/new")[1] == b"value"


def main():
    found = sorted(HERE.glob("*.tar.xz"))
    assert found, "there is nothing that an earlier version has written"
    for golden in found:
        opens(golden)
    print(f"{len(found)} passed, 0 failed")


if __name__ == "__main__":
    main()
