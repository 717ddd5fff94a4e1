#!/usr/bin/env python3
"""A backup is taken from a follower while three clients write. A new cluster made from it holds all
that was acknowledged up to the backup's revision and nothing of what came later, under revisions that
the old one never gave out; a second node joins it. A backup that breaks off leaves nothing behind."""

import http.client
import json
import os
import random
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from cluster import PATIENCE_S, Cluster, Node, free_ports, wait_for  # noqa: E402
from workers import Workers  # noqa: E402

HOLDFAST = os.environ["HOLDFAST"]
OK, OTHER, DAMAGED, IN_USE, UNAVAILABLE = 0, 1, 2, 3, 5
FILL_KEYS, FILL_BYTES = 400, 100_000
MARGIN = 1_000_000_000


def holdfast(code, *arguments):
    run = subprocess.run([HOLDFAST, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         timeout=4 * PATIENCE_S, text=True)
    assert run.returncode == code, f"{arguments}: exit code {run.returncode}, not {code}: {run.stdout}{run.stderr}"
    return run.stdout, run.stderr


def url(node):
    return f"http://127.0.0.1:{node.port}"


class Writers(Workers):
    """Each key is written once; with the revision that its acknowledgement told."""

    def __init__(self, nodes):
        super().__init__()
        self.acknowledged = []
        for i, node in enumerate(nodes):
            self.add(self._write, node, i)

    def _write(self, node, writer):
        number = 0
        while not self.stopping.is_set():
            key = f"w{writer}/{number}"
            number += 1
            status, body = node.ask("PUT", f"/v1/kv/{key}", key)
            if status == 201:
                self.acknowledged.append((key, json.loads(body)["revision"]))

    def wait_for_more(self, count):
        wanted = len(self.acknowledged) + count
        wait_for(f"{count} more writes", lambda: len(self.acknowledged) >= wanted)


def noise(number):
    """Bytes that do not shrink."""
    return random.Random(number).randbytes(FILL_BYTES)


def fill(node):
    for number in range(FILL_KEYS):
        status, _ = node.ask("PUT", f"/v1/kv/fill/{number:04}", noise(number))
        assert status == 201, status


def lease_a_key(node):
    status, body = node.ask("POST", "/v1/leases", json.dumps({"ttl": "1h"}))
    assert status == 201, (status, body)
    lease = json.loads(body)["id"]
    status, body = node.ask("PUT", f"/v1/kv/leased?lease={lease}", "x")
    assert status == 201, (status, body)
    return lease


def check_lease(node, lease):
    """It goes on where it was, with its key."""
    status, body = node.ask("GET", f"/v1/leases/{lease}")
    assert status == 200, (status, body)
    told = json.loads(body)
    assert told["keys"] == [{"key": "leased"}] and 0 < told["remaining_ms"] <= told["ttl_ms"] == 3_600_000, told


def back_up_under_load(cluster, follower, file):
    with Writers(cluster.nodes) as writers:
        writers.wait_for_more(300)
        before = list(writers.acknowledged)
        said, _ = holdfast(OK, "--endpoint", url(follower), "--json", "backup", file)
        writers.wait_for_more(300)
    made = json.loads(said)
    assert made["cluster_id"] == follower.cluster()["cluster_id"], made
    assert made["bytes"] == file.stat().st_size and not file.with_name(file.name + ".part").exists()
    assert all(revision <= made["revision"] for _, revision in before), \
        "what was acknowledged before it began is not in it"
    return made, writers.acknowledged


def check_contents(node, acknowledged, revision):
    for key, written in acknowledged:
        status, body = node.ask("GET", f"/v1/kv/{key}?consistency=local")
        if written > revision:
            assert status == 404, f"{key} of revision {written} is in a backup of revision {revision}"
        else:
            assert (status, body) == (200, key.encode()), f"{key} of revision {written} is lost: {status}"
    assert node.ask("GET", "/v1/kv/fill/0007?consistency=local") == (200, noise(7))


def digest(node):
    return holdfast(OK, "--endpoint", url(node), "digest", "--consistency", "local")[0]


def check_new_cluster(cluster, made, acknowledged, file, lease):
    directory = cluster.directory / "r1"
    said = json.loads(holdfast(OK, "--json", "restore", file, "--data-dir", directory, "--name", "r1")[0])
    assert said["backup_revision"] == made["revision"] and said["cluster_id"] != made["cluster_id"], said
    _, why = holdfast(OTHER, "restore", file, "--data-dir", directory)
    assert "is not empty" in why, why

    one = Node(cluster.binary, cluster.directory, "r1", *free_ports(2), [])
    cluster.nodes.append(one)
    one.start()
    wait_for("the restored node is ready", one.is_ready)
    view = wait_for("it has said where clients reach it",
                    lambda: next((v for v in [one.cluster()] if v["members"][0]["client_url"]), None))
    assert view["cluster_id"] == said["cluster_id"], view
    assert [(m["name"], m["client_url"]) for m in view["members"]] == [("r1", url(one))], view
    check_contents(one, acknowledged, made["revision"])
    check_lease(one, lease)
    status, body = one.ask("PUT", "/v1/kv/new", "x")
    given = json.loads(body)["revision"]
    assert status == 201 and given > made["revision"] + MARGIN and given == said["revision"] + 1, body
    assert given > max(revision for _, revision in acknowledged)
    status, _ = one.ask("GET", f"/v1/kv/new?revision={given - 1}")
    assert status == 404, status

    two = Node(cluster.binary, cluster.directory, "r2", *free_ports(2), ["--join", url(one)])
    cluster.nodes.append(two)
    two.start()
    wait_for("it votes", lambda: any(m["name"] == "r2" and m["voter"] for m in (one.cluster() or view)["members"]))
    wait_for("it has all", lambda: digest(two) == digest(one))
    check_contents(two, acknowledged, made["revision"])
    for node in (one, two):
        node.end(signal.SIGKILL)
        node.start()
    wait_for("both are ready again", lambda: one.is_ready() and two.is_ready())
    check_contents(one, acknowledged, made["revision"])
    for node in (two, one):
        node.end(signal.SIGTERM)
        cluster.nodes.remove(node)


def begin_and_stall(node):
    """A client that asks for a backup and takes none of it."""
    def begin():
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=PATIENCE_S)
        connection.request("GET", "/v1/snapshot")
        answer = connection.getresponse()
        if answer.status == 200:
            return connection, answer
        # The one before is removed a moment after its last byte.
        assert answer.status == 429, answer.status
        connection.close()
        return None
    return wait_for("a backup begins", begin)


def one_at_a_time(cluster, node, place):
    connection, answer = begin_and_stall(node)
    assert place.exists()
    status, body = node.ask("GET", "/v1/snapshot")
    assert status == 429 and json.loads(body)["code"] == "too_many_requests", (status, body)
    answer.close()
    connection.close()
    wait_for("what it left is removed", lambda: not place.exists())
    holdfast(OK, "--endpoint", url(node), "backup", cluster.directory / "second.backup")


def break_off(cluster, node, place):
    file = cluster.directory / "broken.backup"
    part = cluster.directory / "broken.backup.part"
    # The client is held back until the node is gone: what it was sent so far is not the whole.
    connection, answer = begin_and_stall(node)
    node.end(signal.SIGKILL)
    try:
        answer.read()
        raise AssertionError("half a backup passed for a whole one")
    except (http.client.IncompleteRead, ConnectionError):
        connection.close()
    assert place.exists()
    holdfast(UNAVAILABLE, "--endpoint", url(node), "--timeout", "1s", "backup", file)
    assert not file.exists() and not part.exists()
    node.start()
    wait_for("the node is back", node.is_ready)
    assert not place.exists(), "what a crash left of a backup stays"


def damage(cluster, file):
    whole = file.read_bytes()
    damaged = cluster.directory / "damaged.backup"
    for bytes_ in (whole[:-1], whole[:len(whole) // 2] + b"\x00\x01\x02\x03" + whole[len(whole) // 2 + 4:]):
        damaged.write_bytes(bytes_)
        folder = cluster.directory / "from-damaged"
        holdfast(DAMAGED, "restore", damaged, "--data-dir", folder)
        assert [path.name for path in folder.iterdir()] == ["LOCK"]


def look_offline(cluster, node, file):
    folder = cluster.directory / node.name
    said, _ = holdfast(OK, "verify", file, "--scratch", cluster.directory)
    assert "every checksum compared" in said and said.endswith("sound\n"), said
    _, why = holdfast(IN_USE, "verify", folder)
    assert "in use by a node" in why, why
    # Beside the node that writes it.
    said, _ = holdfast(OK, "log", "dump", folder, "--from", "5", "--to", "9")
    assert "put { key:" in said, said
    node.end(signal.SIGTERM)
    said, _ = holdfast(OK, "--json", "verify", folder)
    assert json.loads(said)["sound"], said
    log = min((folder / "groups" / "1" / "log").glob("segment-*.log"))
    with log.open("r+b") as bytes_:
        bytes_.seek(log.read_bytes().index(b"fill/0001"))
        bytes_.write(b"damage")
    said, _ = holdfast(DAMAGED, "verify", folder)
    assert f"WRONG: log: {log} is damaged at byte" in said, said
    said, _ = holdfast(DAMAGED, "log", "dump", folder)
    assert f"-- damage: {log}" in said, said


def main():
    with Cluster(3) as cluster:
        fill(cluster.leader())
        lease = lease_a_key(cluster.leader())
        cluster.wait_caught_up()
        follower = next(node for node in cluster.nodes if node is not cluster.leader())
        place = cluster.directory / follower.name / "groups" / "1" / "backup"
        file = cluster.directory / "a.backup"
        made, acknowledged = back_up_under_load(cluster, follower, file)
        _, why = holdfast(OTHER, "--endpoint", url(follower), "backup", file)
        assert "is there already" in why, why
        wait_for("the checkpoint is removed", lambda: not place.exists())
        check_new_cluster(cluster, made, acknowledged, file, lease)
        one_at_a_time(cluster, follower, place)
        break_off(cluster, follower, place)
        damage(cluster, file)
        look_offline(cluster, follower, file)
    late = sum(revision > made["revision"] for _, revision in acknowledged)
    print(f"{len(acknowledged) - late} writes before revision {made['revision']} are in the new cluster, "
          f"{late} after it are not; {made['state_bytes'] >> 20} MiB in {made['seconds']:.2f} s")


if __name__ == "__main__":
    main()
