#!/usr/bin/env python3
"""Drills on a cluster that runs already, one after the other: none takes the keys of the one before for its
own, and each leaves nothing behind, faults and keys. What would hurt is refused."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cluster"))
from cluster import Cluster, wait_for  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]
DRILL = os.environ.get("HOLDFAST_DRILL", str(TOP / "build" / "bin" / "holdfast-drill"))
COULD_NOT = 8


class Faulty(Cluster):
    def __init__(self, size):
        super().__init__(size)
        for node in self.nodes:
            node.command.append("--enable-faults")


def all_are_known(cluster):
    """Where clients reach each node."""
    view = cluster.nodes[0].cluster()
    return view and all(member["client_url"] for member in view["members"])


def drill(cluster, name, folder):
    wait_for("the cluster knows all its addresses", lambda: all_are_known(cluster))
    endpoints = ",".join(f"http://127.0.0.1:{node.port}" for node in cluster.nodes)
    return subprocess.run([DRILL, "run", name, "--duration", "2s", "--seed", "3", "--endpoints", endpoints],
                          cwd=folder, capture_output=True, text=True, timeout=120)


def leaves_nothing(cluster, name, folder):
    done = drill(cluster, name, folder)
    assert done.returncode == 0, f"{name}: {done.returncode}:\n{done.stdout}\n{done.stderr}"
    for node in cluster.nodes:
        status, body = node.ask("GET", "/v1/faults")
        assert status == 200 and json.loads(body)["since"] is None, body
    status, body = cluster.nodes[0].ask("GET", "/v1/kv?prefix=holdfast-drill-")
    assert status == 200 and json.loads(body)["items"] == [], body


def main():
    with tempfile.TemporaryDirectory(prefix="drill-test-") as folder:
        with Faulty(3) as cluster:
            for name in ("slow-disk", "fill-disk", "slow-disk"):
                leaves_nothing(cluster, name, folder)
            for name in ("break-disk", "power-cut", "jump-calendar", "kill-primary"):
                done = drill(cluster, name, folder)
                assert done.returncode == COULD_NOT and "--endpoints" in done.stdout, done.stdout
        with Cluster(3) as cluster:
            done = drill(cluster, "slow-disk", folder)
            assert done.returncode == COULD_NOT and "--enable-faults" in done.stdout, done.stdout


main()
