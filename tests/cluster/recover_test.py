#!/usr/bin/env python3
"""More than half of the disks are gone. A look changes nothing; as long as a majority is there, no
recovery is made; then a new cluster of one holds all that was acknowledged, goes on over a crash,
and is left alone by an old member that comes back to life."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from cluster import PATIENCE_S, Cluster, wait_for  # noqa: E402

# Through the command line, which finds it beside itself.
RECOVER = [os.environ["HOLDFAST"], "recover"]
DONE, OTHER, NOTHING_USABLE, NOT_NEEDED = 0, 1, 2, 3
KEYS = 200


def recover(code, *arguments):
    run = subprocess.run([*RECOVER, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         timeout=PATIENCE_S, text=True)
    assert run.returncode == code, f"exit code {run.returncode}, not {code}: {run.stdout}{run.stderr}"
    return run.stdout + run.stderr


def plan(code, *directories):
    return json.loads(recover(code, "--json", "--plan", *directories))


def expect(words, said):
    assert words in said, f"'{words}' is not in: {said}"


def everything(directory):
    """Every file with its bytes and the time of its last change."""
    return {str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).digest())
            for path in directory.rglob("*") if path.is_file()}


def put(node, key, value):
    status, _ = node.ask("PUT", f"/v1/kv/{key}", value)
    assert status in (200, 201), status


def check_all(node, values):
    for key, value in values.items():
        status, body = node.ask("GET", f"/v1/kv/{key}")
        assert (status, body) == (200, value.encode()), (key, status, body)


def start_again(node):
    node.start()
    wait_for(f"{node.name} is ready", node.is_ready)


def look_and_be_refused(cluster, folder):
    """While a majority is there, running or not, nothing is done."""
    for node in cluster.nodes:
        said = recover(NOTHING_USABLE, "--plan", folder[node.name])
        expect("a process uses it", said)
    for node in cluster.nodes:
        node.end(signal.SIGKILL)
    before = everything(cluster.directory)
    two = plan(NOT_NEEDED, folder["n1"], folder["n2"])
    assert two["verdict"] == "majority_here", two
    refused = recover(NOT_NEEDED, "--apply", folder["n1"], folder["n2"])
    expect("no recovery is needed", refused)
    shutil.rmtree(folder["n3"])
    expect("no IDENTITY in it", recover(NOTHING_USABLE, "--plan", folder["n3"]))
    after = everything(cluster.directory)
    assert after == {path: what for path, what in before.items() if not path.startswith(str(folder["n3"]) + "/")}


def main():
    with Cluster(3) as cluster:
        one, two, three = cluster.nodes
        folder = {node.name: cluster.directory / node.name for node in cluster.nodes}
        aside = cluster.directory / "n2-aside"

        values = {f"k{i}": f"v{i}" for i in range(KEYS)}
        for i, (key, value) in enumerate(values.items()):
            put(cluster.nodes[i % 3], key, value)
        cluster.wait_caught_up()
        newest = json.loads(one.ask("GET", "/v1/kv?limit=1")[1])["revision"]

        # What a node says of itself is some milliseconds old.
        def view_of_all():
            view = one.cluster()
            return view if view and view["node"]["revision"] == newest else None
        old = wait_for("n1 says what it holds", view_of_all)
        look_and_be_refused(cluster, folder)

        # n3's disk is gone, and now that of n2, too: it turns up again later.
        folder["n2"].rename(aside)
        before = everything(folder["n1"])
        found = plan(DONE, folder["n1"])
        assert everything(folder["n1"]) == before
        assert found["verdict"] == "recoverable" and found["best"] == str(folder["n1"]), found
        assert found["acknowledged_and_lost"] == "unknown", found
        assert [voter["place"] for voter in found["voters"] if voter["name"] != "n1"] == ["missing"] * 2, found
        said = recover(DONE, "--plan", folder["n1"])
        expect("Missing: n", said)
        expect(f"holdfast recover --apply {folder['n1']}", said)
        recover(OTHER, folder["n1"])

        made = json.loads(recover(DONE, "--json", "--apply", folder["n1"]))["applied"]
        assert made["before"]["cluster_id"] == found["cluster_id"] != made["now"]["cluster_id"], made
        assert made["before"]["node_id"] != made["now"]["node_id"], made
        expect("no recovery is needed", recover(NOT_NEEDED, "--apply", folder["n1"]))
        expect("belongs to cluster", recover(NOT_NEEDED, "--plan", folder["n1"], aside))

        start_again(one)
        check_all(one, values)
        view = one.cluster()
        assert view["cluster_id"] == made["now"]["cluster_id"] != old["cluster_id"], view
        assert [member["name"] for member in view["members"]] == ["n1"], view
        assert view["node"]["revision"] == old["node"]["revision"], (view, old)
        values["after"] = "the recovery"
        put(one, "after", values["after"])

        # The disk of n2 is found again, and somebody starts it as it was.
        term = one.cluster()["node"]["term"]
        aside.rename(folder["n2"])
        two.start()
        wait_for("n2 is told that it is of another cluster",
                 lambda: "n1 belongs to another cluster" in two.log_path.read_text())
        # It may campaign as it likes; its peers are n1, which it does not reach, and n3, which is gone.
        wait_for("n2 looks for a leader", lambda: (two.cluster() or {"node": {}})["node"].get("role") == "candidate")
        assert not two.is_ready()
        two.end(signal.SIGKILL)
        assert one.cluster()["node"]["term"] == term and one.is_ready()
        check_all(one, values)

        one.end(signal.SIGKILL)
        start_again(one)
        check_all(one, values)
        assert three.process is None
    print(f"{KEYS} keys acknowledged by three nodes, two disks gone, all keys there in a new cluster")


if __name__ == "__main__":
    main()
