#!/usr/bin/env python3
"""One of three nodes is stopped and a byte of its data is flipped: in the middle of its log, in a
file of its state, in its IDENTITY, in its newest vote. It finds that, serves nothing of it, and is
made whole by the others without anybody's help; or it says what is damaged and stops. In the end all hold the same."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, Node, free_ports, wait_for  # noqa: E402

KEYS = 300
LARGE = 100_000


def put(node, key, value):
    status, answer = node.ask("PUT", f"/v1/kv/{key}", value)
    assert status in (200, 201), (status, answer)


def fill(node, prefix, count=KEYS, size=400):
    """Values that no compression makes shorter."""
    for number in range(count):
        put(node, f"{prefix}/{number:04}", os.urandom(size // 2).hex())


def pages(node):
    """Keys and values of a node, page by page, as far as it answers."""
    after = ""
    while after is not None:
        try:
            status, body = node.ask("GET", f"/v1/kv?limit=10000&consistency=local{after}")
        except (OSError, http.client.HTTPException):
            return
        if status != 200:
            return
        page = json.loads(body)
        yield page["items"]
        after = f"&cursor={urllib.parse.quote(page['next'])}" if "next" in page else None


def fenced(node):
    view = node.cluster()
    return view and view["node"]["fenced"]


def log_text(node):
    return node.log_path.read_text()


def group(cluster, node):
    return cluster.directory / node.name / "groups" / "1"


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


def flip_in_log(directory, words):
    """In the payload of an entry that holds these words, with later entries behind it."""
    for path in sorted((directory / "log").glob("segment-*.log")):
        at = path.read_bytes().find(words)
        if at >= 0:
            flip(path, at)
            return
    raise AssertionError(f"{words} is in no log file of {directory}")


def flip_largest(cluster, node):
    largest = max(group(cluster, node).glob("state*/*.sst"), key=lambda path: path.stat().st_size)
    flip(largest, largest.stat().st_size // 2)


def follower_of(cluster):
    leader = cluster.leader()
    return leader, next(node for node in cluster.nodes if node is not leader)


def damaged_log(cluster):
    leader, victim = follower_of(cluster)
    fill(leader, "log")
    cluster.wait_caught_up()
    victim.end(signal.SIGTERM)
    fill(leader, "more", 50)
    flip_in_log(group(cluster, victim), b"log/0150")
    # Alone it comes to no quorum; it says what it is, and a restart changes nothing in that.
    others = [node for node in cluster.nodes if node is not victim]
    for node in others:
        node.end(signal.SIGTERM)
    for _ in range(2):
        victim.start()
        wait_for("it says that it is fenced", lambda: "log was damaged" in (fenced(victim) or ""))
        victim.end(signal.SIGKILL)
    assert "does not vote until it has it" in log_text(victim), log_text(victim)
    assert list((group(cluster, victim) / "log").glob("*.damaged"))
    victim.start()
    for node in others:
        node.start()
    cluster.wait_ready()
    wait_for("its log is whole again", lambda: "the log is whole again" in log_text(victim))
    wait_for("nothing is fenced", lambda: victim.cluster() and not fenced(victim))
    wait_for("its note is gone", lambda: not (group(cluster, victim) / "log" / "QUARANTINE").exists())
    cluster.wait_caught_up()


def damaged_state(cluster, size, count):
    leader, victim = follower_of(cluster)
    fill(leader, f"state{size}", count, size)
    cluster.wait_caught_up()
    written = {item["key"]: item["value"] for page in pages(leader) for item in page}
    assert len(written) >= count
    rebuilt = log_text(victim).count("starts anew without it")
    victim.end(signal.SIGTERM)
    flip_largest(cluster, victim)
    victim.start()
    pid = victim.process.pid
    wait_for("it is ready", victim.is_ready)

    def read_all():
        """What is answered is right; where the damage is, there is no answer."""
        for page in pages(victim):
            wrong = [item["key"] for item in page if written.get(item["key"]) != item["value"]]
            assert not wrong, f"{victim.name} answered what was never written, under {wrong}"
        return log_text(victim).count("starts anew without it") > rebuilt
    wait_for("the damage is found", read_all)
    wait_for("it is ready again", lambda: victim.is_ready() and not fenced(victim), 60)
    assert victim.process.pid == pid and victim.process.poll() is None
    assert size != LARGE or "A peer is asked for its own" in log_text(victim), "made anew from its own log"
    wait_for("its note is gone", lambda: not (group(cluster, victim) / "REBUILD").exists(), 40)
    wait_for("so is what was dropped", lambda: not (group(cluster, victim) / "damaged-state").exists())
    cluster.wait_caught_up()


def forgetful_disk(cluster):
    """All that was synced since a moment is gone, and nothing shows it but the leader's memory."""
    _, victim = follower_of(cluster)
    victim.end(signal.SIGTERM)
    disk, copy = group(cluster, victim), cluster.directory / "copy"
    shutil.copytree(disk, copy)
    victim.start()
    wait_for("it is ready", victim.is_ready)
    fill(cluster.leader(), "forgotten", 50)
    cluster.wait_caught_up()
    victim.end(signal.SIGTERM)
    shutil.rmtree(disk)
    copy.rename(disk)
    victim.start()
    wait_for("it is told", lambda: "has forgotten what it had synced" in log_text(victim))
    wait_for("it has all again", lambda: "the log is whole again: this node votes" in log_text(victim))
    wait_for("its note is gone", lambda: not (disk / "log" / "QUARANTINE").exists())
    cluster.wait_caught_up()


def lost_vote(cluster):
    """What it voted for may be gone: it comes back as another node, however often it is killed meanwhile."""
    leader, victim = follower_of(cluster)
    fill(leader, "vote", 50)
    cluster.wait_caught_up()
    victim.end(signal.SIGTERM)
    old_id = next(member["id"] for member in leader.cluster()["members"] if member["name"] == victim.name)
    damage_newest(cluster, victim)
    others = [node for node in cluster.nodes if node is not victim]
    others[1].end(signal.SIGTERM)  # nobody can let go of it yet
    victim.start()
    wait_for("it says what it does", lambda: "comes back as another node" in log_text(victim))
    wait_for("it asks", lambda: "does not let go of this node's old id yet" in log_text(victim))
    others[1].start()
    for pause_s in (0.1, 0.2, 0.4, 0.8, 1.6):
        time.sleep(pause_s)
        victim.end(signal.SIGKILL)
        victim.start()

    def votes_anew():
        view = leader.cluster()
        mine = [member for member in view["members"] if member["name"] == victim.name] if view else []
        return len(mine) == 1 and mine[0]["id"] != old_id and mine[0]["voter"]
    wait_for("it is a voter under another id", votes_anew, 60)
    assert all(member["id"] != old_id for member in leader.cluster()["members"])
    data = cluster.directory / victim.name
    wait_for("its note is gone", lambda: not (data / "REJOIN").exists())
    cluster.wait_ready()
    cluster.wait_caught_up()


def lost_vote_before_the_state():
    """As above, of a node whose state was never written out: where the others are stands beside it."""
    with Cluster(3) as cluster:
        cluster.wait_ready()
        leader, victim = follower_of(cluster)
        put(leader, "young", "1")
        urls = [f"http://127.0.0.1:{node.port}".encode() for node in cluster.nodes if node is not victim]
        note = group(cluster, victim) / "URLS"
        wait_for("it has noted where the others are", lambda: note.exists() and all(url in note.read_bytes() for url in urls))
        assert f":{victim.port}\n".encode() not in note.read_bytes(), "itself is no one to ask"
        old_id = next(member["id"] for member in leader.cluster()["members"] if member["name"] == victim.name)
        victim.end(signal.SIGKILL)
        (group(cluster, victim) / "log" / "QUARANTINE").write_bytes(b"not what was written")
        victim.start()
        wait_for("it is another one", lambda: (view := victim.cluster()) and all(
            member["id"] != old_id for member in view["members"]) and victim.is_ready(), 60)
        changes = own_changes(victim)
        assert next(changes)["change"] == "leaves" and next(changes)["change"] == "returns"
        cluster.wait_caught_up()


def own_changes(node):
    """What the node tells of its own membership, as long as it is followed."""
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=20)
    connection.request("GET", "/v1/events")
    for line in connection.getresponse():
        event = json.loads(line[5:]) if line.startswith(b"data:") else {}
        if event.get("kind") == "membership" and event["fields"]["change"] in ("leaves", "returns"):
            yield event["fields"]


def damage_newest(cluster, node):
    """The end of its log, with the marker that says how far it was synced, and so its newest vote."""
    newest = max((group(cluster, node) / "log").glob("segment-*.log"))
    used = len(newest.read_bytes().rstrip(b"\0"))
    with open(newest, "r+b") as file:
        file.seek(used - 3 * 4096)
        file.write(os.urandom(3 * 4096))


def removed_meanwhile():
    """Who lost its vote does not come back where it was removed while it was down."""
    with Cluster(3) as cluster:
        cluster.wait_ready()
        leader, victim = follower_of(cluster)
        fill(leader, "gone", 50)
        cluster.wait_caught_up()
        victim.end(signal.SIGTERM)
        damage_newest(cluster, victim)
        status, answer = leader.ask("DELETE", f"/v1/cluster/members/{victim.name}")
        assert status == 200, answer
        done = subprocess.run(victim.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, text=True)
        assert done.returncode == 3 and "was removed from its cluster" in done.stdout, done
        assert victim.name not in [member["name"] for member in leader.cluster()["members"]]


def damaged_sender(cluster):
    """The leader is to send its state, in which a file has rotted that nobody has read since."""
    leader, victim = follower_of(cluster)
    victim.end(signal.SIGTERM)
    flip_largest(cluster, leader)
    for path in group(cluster, victim).glob("state*/MANIFEST-*"):
        path.write_bytes(b"not what was written")
    sound = log_text(leader).count("starts anew without it")
    victim.start()
    wait_for("the leader finds it", lambda: log_text(leader).count("starts anew without it") > sound)
    for node in (leader, victim):
        wait_for(f"{node.name} is ready again", lambda node=node: node.is_ready() and not fenced(node), 60)
    cluster.wait_caught_up()


def damage_that_nobody_reads(cluster):
    """The scrub finds it while the node serves."""
    leader, victim = follower_of(cluster)
    victim.end(signal.SIGTERM)
    victim.command += ["--scrub-every", "1s"]
    scrubbed = log_text(victim).count("were read back and are whole")
    victim.start()
    wait_for("all files were read back",
             lambda: log_text(victim).count("were read back and are whole") > scrubbed)
    status, metrics = victim.ask("GET", "/metrics")
    assert status == 200 and b"holdfast_scrubs_total" in metrics
    rebuilt = log_text(victim).count("starts anew without it")
    flip_largest(cluster, victim)
    wait_for("the damage is found", lambda: log_text(victim).count("starts anew without it") > rebuilt)
    wait_for("it is ready again", lambda: victim.is_ready() and not fenced(victim), 60)
    victim.end(signal.SIGTERM)
    victim.command = victim.command[:-2]
    victim.start()
    cluster.wait_ready()
    cluster.wait_caught_up()


def damaged_identity(cluster):
    leader, victim = follower_of(cluster)
    victim.end(signal.SIGTERM)
    path = cluster.directory / victim.name / "IDENTITY"
    whole = path.read_bytes()
    flip(path, len(whole) // 2)
    done = subprocess.run(victim.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, text=True)
    assert done.returncode == 1 and "IDENTITY is damaged" in done.stdout, done
    path.write_bytes(whole)
    put(leader, "identity", "1")
    victim.start()
    cluster.wait_ready()
    cluster.wait_caught_up()


def damaged_founder():
    """It formed its cluster alone, and its state cannot even be opened: others have joined since."""
    with Cluster(1) as cluster:
        founder = cluster.nodes[0]
        for name in ("n2", "n3"):
            cluster.newcomer(name).start()
        cluster.wait_ready()
        def voters():
            view = founder.cluster()
            return view and sum(member["voter"] for member in view["members"])
        wait_for("all vote", lambda: voters() == 3)
        fill(cluster.leader(), "founder", 50)
        cluster.wait_caught_up()
        founder.end(signal.SIGTERM)
        for path in group(cluster, founder).glob("state*/MANIFEST-*"):
            path.write_bytes(b"not what was written")
        founder.start()
        cluster.wait_ready()
        assert (group(cluster, founder) / "damaged-state").exists()
        cluster.wait_caught_up()


def alone(cluster):
    """Nobody else has the entries: it says what is damaged, and changes nothing."""
    client_port, peer_port = free_ports(2)
    node = Node(cluster.binary, cluster.directory, "alone", client_port, peer_port, [])
    node.start()
    wait_for("it is ready", node.is_ready)
    fill(node, "log", 50)
    node.end(signal.SIGTERM)
    log = group(cluster, node) / "log"
    flip_in_log(group(cluster, node), b"log/0010")
    before = {path.name: path.read_bytes() for path in log.iterdir()}
    done = subprocess.run(node.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, text=True)
    assert done.returncode == 1 and "No other node has the entries" in done.stdout, done
    assert {path.name: path.read_bytes() for path in log.iterdir()} == before


def main():
    damaged_founder()
    removed_meanwhile()
    lost_vote_before_the_state()
    with Cluster(3) as cluster:
        damaged_log(cluster)
        damaged_state(cluster, 400, KEYS)
        forgetful_disk(cluster)
        damage_that_nobody_reads(cluster)
        damaged_identity(cluster)
        lost_vote(cluster)
        alone(cluster)
        for node in cluster.nodes:  # so that the log no longer goes back to the first entry
            node.end(signal.SIGTERM)
            node.command += ["--keep-log-bytes", "1MiB"]
            node.start()
        cluster.wait_ready()
        damaged_state(cluster, LARGE, 1400)
        damaged_sender(cluster)
    print("log, state and identity damaged: found, and all nodes equal")


if __name__ == "__main__":
    main()
