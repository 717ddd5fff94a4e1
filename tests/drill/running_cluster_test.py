#!/usr/bin/env python3
"""Drills on a cluster that runs already, one after the other: none takes the keys of the one before for its
own, each does what it says, and together they leave nothing behind: no fault, no key, no lease. What a running cluster cannot
have is refused, and it is said why."""

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
USAGE, COULD_NOT = 1, 8

# Who leads when they are over is another: the fault has reached the node that led.
ANOTHER_LEADS = ("switchover", "stall-disk", "isolate-primary", "mute-primary")
THE_SAME_MAY_LEAD = ("deafen-primary", "split-pair", "slow-links", "lossy-links", "slow-disk", "fill-disk",
                     "jump-calendar")
REFUSED = {"kill-primary": "signals", "pause-primary": "signals", "rolling-restart": "signals", "storm": "signals",
           "corrupt-log": "files", "grow-and-shrink": "starts nodes", "replace-dead": "kills a node",
           "break-disk": "process ends", "power-cut": "kills all processes", "skew-clocks": "leases and locks of others"}


def all_are_known(cluster):
    """Where clients reach each node."""
    view = cluster.nodes[0].cluster()
    return view and all(member["client_url"] for member in view["members"])


def drill(cluster, *words):
    wait_for("the cluster knows all its addresses", lambda: all_are_known(cluster))
    endpoints = ",".join(f"http://127.0.0.1:{node.port}" for node in cluster.nodes)
    return subprocess.run([DRILL, "run", *words, "--duration", "2s", "--seed", "3", "--endpoints", endpoints],
                          cwd=cluster.directory, capture_output=True, text=True, timeout=240)


def left_behind(cluster):
    for node in cluster.nodes:
        status, body = node.ask("GET", "/v1/faults")
        if status == 200 and json.loads(body)["since"] is not None:
            return body
    status, body = cluster.nodes[0].ask("GET", "/v1/kv?prefix=holdfast-drill-")
    assert status == 200, body
    status, leases = cluster.nodes[0].ask("GET", "/v1/leases")
    assert status == 200, leases
    return json.loads(body)["items"] + json.loads(leases)["leases"]


def primaries(report):
    """In the order in which they led, while the drill went on."""
    led = [role["node"] for role in report["roles"] if role["role"] == "leader"]
    return [node for i, node in enumerate(led) if i == 0 or node != led[i - 1]]


def does_all(cluster):
    """None begins where one before it has left a fault."""
    data = cluster.directory / "all.json"
    done = drill(cluster, "all", "--json", str(data))
    assert done.returncode == 0, f"{done.returncode}:\n{done.stdout}\n{done.stderr}"
    reports = {report["drill"]: report for report in json.loads(data.read_text())["drills"]}
    assert set(reports) == {*ANOTHER_LEADS, *THE_SAME_MAY_LEAD}, sorted(reports)
    for name, report in reports.items():
        assert report["data"]["agreement"] == "equal" and "SIG" not in report["means"], report["means"]
        assert any(event["fault"] for event in report["events"]), report["events"]
        assert name in THE_SAME_MAY_LEAD or len(primaries(report)) > 1, f"{name}: nobody else led: {report['roles']}"
    assert not left_behind(cluster), left_behind(cluster)


def does_not(cluster, name, why):
    done = drill(cluster, name)
    assert done.returncode == COULD_NOT, f"{name}: {done.returncode}: {done.stdout}"
    assert "--endpoints" in done.stdout and why in done.stdout, done.stdout
    assert "operations" not in done.stdout, done.stdout


def keeps_the_faults_of_others(cluster):
    node = cluster.nodes[1]
    assert node.ask("PUT", "/v1/faults", json.dumps({"disk": {"delay": "1ms"}}))[0] == 200
    done = drill(cluster, "slow-disk")
    assert done.returncode == COULD_NOT and "on n2 something is wrong on purpose already" in done.stdout, done.stdout
    status, body = node.ask("GET", "/v1/faults")
    assert status == 200 and json.loads(body)["faults"]["disk"] == {"delay": "1ms"}, body
    assert node.ask("DELETE", "/v1/faults")[0] == 200


def keys_of_others_are_no_difference(cluster):
    """What is left of a time to live is another at each look."""
    status, body = cluster.nodes[0].ask("PUT", "/v1/kv/of-another?ttl=10m", "x")
    assert status == 201, body
    done = drill(cluster, "switchover")
    assert done.returncode == 0, done.stdout
    assert cluster.nodes[0].ask("GET", "/v1/kv/of-another")[1] == b"x"


def main():
    with Cluster(3, faults=True) as cluster:
        keys_of_others_are_no_difference(cluster)
        does_all(cluster)
        for name, why in REFUSED.items():
            does_not(cluster, name, why)
        keeps_the_faults_of_others(cluster)
        done = drill(cluster, "switchover", "--nodes", "3")
        assert done.returncode == USAGE and "--nodes" in done.stderr, done.stderr
    with Cluster(3) as cluster:
        for name in ("slow-disk", "isolate-primary"):
            done = drill(cluster, name)
            assert done.returncode == COULD_NOT and "--enable-faults" in done.stdout, done.stdout
        assert drill(cluster, "switchover").returncode == 0
        # One that is away would be taken for what the drill has done.
        cluster.nodes[2].end(9)
        done = drill(cluster, "switchover")
        assert done.returncode == COULD_NOT and "n3 does not serve" in done.stdout, done.stdout


main()
