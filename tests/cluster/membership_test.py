#!/usr/bin/env python3
"""Members come and go while clients write and read through every node: one node grows to five and
shrinks to one without a request that fails; a dead node is replaced; joiners die at the worst
moments; nodes that are emptied, removed, moved or doubled do what the manual says."""

import contextlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
from cluster import PATIENCE_S, Cluster, free_ports, wait_for  # noqa: E402
from history import OK, REFUSED, UNKNOWN, Load, check_final  # noqa: E402

REMOVED = 3


def members_of(node):
    view = node.cluster()
    return {m["name"]: m for m in view["members"]} if view else {}


def voters_of(node):
    return {name for name, member in members_of(node).items() if member["voter"]}


def wait_voters(nodes, names):
    for node in nodes:
        wait_for(f"{node.name} knows the voters {sorted(names)}", lambda node=node: voters_of(node) == set(names))


def remove(asked, name):
    status, body = asked.ask("DELETE", f"/v1/cluster/members/{name}", timeout_s=10)
    assert status == 200, (name, status, body)
    assert name not in {m["name"] for m in json.loads(body)["members"]}, body


def flow(load, writes=50):
    before = load.counts[OK]
    wait_for("writes flow", lambda: load.failure or load.counts[OK] > before + writes)


def refusal(node):
    """What a start that must fail says."""
    run = subprocess.run(node.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_S, text=True)
    assert run.returncode == 1, f"exit code {run.returncode}: {run.stdout}"
    return run.stdout


def expect(words, said):
    assert words in said, f"'{words}' is not in: {said}"


def expect_removed(node):
    """A node that was removed ends by itself, and says why, then and at every later start."""
    code = node.process.wait(PATIENCE_S)
    node.process = None
    assert code == REMOVED, f"{node.name} ended with {code}"
    for _ in range(2):
        expect("this node was removed from its cluster: empty", node.log_path.read_text().splitlines()[-1])
        run = subprocess.run(node.command, stdout=open(node.log_path, "ab"), stderr=subprocess.STDOUT,
                             timeout=PATIENCE_S)
        assert run.returncode == REMOVED, run


class Loads:
    """One load through each node, all checked in the end."""

    def __init__(self):
        self.running = {}
        self.all = []

    def start(self, node):
        load = Load([node.port], writers=2, readers=1, seed=len(self.all), prefix=f"{len(self.all)}/")
        load.__enter__()
        self.running[node.name] = load
        self.all.append(load)

    def stop(self, *names):
        for name in names or list(self.running):
            self.running.pop(name).__exit__()

    def flow(self):
        for load in self.running.values():
            flow(load)

    def check(self, node):
        total = {word: sum(load.counts[word] for load in self.all) for word in (OK, REFUSED, UNKNOWN, "read")}
        for load in self.all:
            load.check()
            for key in load.keys:
                status, body = node.ask("GET", f"/v1/kv/{key.name}?consistency=local")
                check_final(key, 0 if status == 404 else int(body))
        assert total[REFUSED] == 0 and total[UNKNOWN] == 0, total
        return total


def grow_and_shrink():
    loads = Loads()
    with Cluster(1) as cluster, contextlib.ExitStack() as stack:
        stack.callback(loads.stop)
        one = cluster.nodes[0]
        loads.start(one)
        for number in range(2, 6):
            loads.flow()
            node = cluster.newcomer(f"n{number}")
            node.start()
            wait_voters(cluster.nodes, {n.name for n in cluster.nodes})
            wait_for(f"{node.name} is ready", node.is_ready)
            loads.start(node)
            warning = node.cluster()["warning"]
            assert (warning is None) == (number % 2 == 1), (number, warning)
        loads.flow()
        while len(cluster.nodes) > 1:
            # The leader too: it hands over before it goes.
            gone = cluster.leader() if len(cluster.nodes) in (5, 3) else cluster.nodes[-1]
            asked = gone if len(cluster.nodes) == 4 else next(n for n in cluster.nodes if n is not gone)
            loads.stop(gone.name)
            loads.flow()
            remove(asked, gone.name)
            expect_removed(gone)
            cluster.nodes.remove(gone)
            wait_voters(cluster.nodes, {n.name for n in cluster.nodes})
            loads.flow()
        last = cluster.nodes[0]
        status, body = last.ask("DELETE", f"/v1/cluster/members/{last.name}")
        assert status == 409 and b"only voter" in body, (status, body)
        loads.stop()
        total = loads.check(last)
    print(f"1 to 5 to 1 members: {total[OK]} writes, {total['read']} reads, none failed; the slowest write took "
          f"{max(load.longest_wait() for load in loads.all) * 1000:.0f} ms")


def replace_dead(cluster):
    """As the manual says: the new one joins, then the dead one is removed."""
    three = cluster.nodes[2]
    three.end(signal.SIGKILL)
    cluster.nodes.remove(three)
    one = cluster.nodes[0]

    # For an election timeout the leader cannot tell a dead member from a slow one.
    wait_for("the leader misses n3", lambda: members_of(cluster.leader())["n3"]["healthy"] is False)
    status, body = one.ask("DELETE", "/v1/cluster/members/n2")
    assert status == 409 and b"silent or not whole: n3" in body and json.loads(body)["retryable"], (status, body)

    shutil.rmtree(cluster.directory / "n3")
    three.command[-2:] = ["--join", f"http://127.0.0.1:{one.port}"]
    said = refusal(three)
    expect("there is a member n3 already, with another id", said)
    expect("members remove", said)

    four = cluster.newcomer("n4")
    four.start()
    wait_voters([one, four], {"n1", "n2", "n3", "n4"})
    remove(cluster.nodes[1], "n3")
    # Now the name is free: an emptied node comes back as another.
    cluster.nodes.append(three)
    three.start()
    wait_voters(cluster.nodes, {"n1", "n2", "n3", "n4"})
    remove(one, "n4")
    expect_removed(four)
    cluster.nodes.remove(four)
    cluster.wait_caught_up()


class Door(http.server.BaseHTTPRequestHandler):
    """Passes requests on to a node, and ends the joiner when the answer is there."""
    target = joiner = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with urllib.request.urlopen(urllib.request.Request(self.target + self.path, body, method="POST")) as answer:
            assert answer.status == 201, answer.status
        self.joiner.process.kill()

    def log_message(self, *unused):
        pass


def kill_joiner(cluster):
    """Between the answer and what the joiner makes of it: the cluster knows it, it knows nothing.
    Then again as soon as it knows who it is."""
    one = cluster.nodes[0]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door) as door:
        threading.Thread(target=door.serve_forever, args=(0.02,)).start()
        five = cluster.newcomer("n5", "--join", f"http://127.0.0.1:{door.server_port}")
        Door.target, Door.joiner = f"http://127.0.0.1:{one.port}", five
        five.start()
        try:
            code = five.process.wait(PATIENCE_S)
        finally:
            door.shutdown()
    five.process = None
    assert code == -signal.SIGKILL, code
    assert members_of(one)["n5"]["role"] == "learner"
    number = members_of(one)["n5"]["id"]
    five.command[-1] = f"http://127.0.0.1:{one.port}"
    identity = cluster.directory / "n5" / "IDENTITY"
    five.start()
    wait_for("n5 knows its cluster", lambda: json.loads(identity.read_text().split("\n")[0])["first_members"])
    five.end(signal.SIGKILL)
    five.start()
    wait_voters(cluster.nodes, {"n1", "n2", "n3", "n5"})
    assert members_of(one)["n5"]["id"] == number
    expect("is a member of cluster", five.log_path.read_text())
    expect("another process uses", refusal(five))

    # A joined node whose log is gone must not pass for one that has just joined.
    five.end(signal.SIGTERM)
    log = cluster.directory / "n5" / "groups" / "1" / "log"
    shutil.rmtree(log)
    expect("let it join", refusal(five))
    cluster.nodes.remove(five)
    remove(one, "n5")


def move(cluster):
    """A member starts at another peer address, and one that still lists the old one finds it."""
    one, two = cluster.nodes[0], next(n for n in cluster.nodes if n.name == "n2")
    assert two.end(signal.SIGTERM) == 0
    port = free_ports(1)[0]
    two.command[two.command.index("--peer-listen") + 1] = f"127.0.0.1:{port}"
    two.command += ["--advertise-peer", f"127.0.0.1:{port}"]
    two.start()
    wait_for("n2 is ready again", two.is_ready)
    for node in cluster.nodes:
        wait_for(f"{node.name} knows where n2 is", lambda n=node: members_of(n)["n2"]["peer"] == f"127.0.0.1:{port}")
    assert one.end(signal.SIGTERM) == 0
    one.start()
    cluster.wait_ready()
    two.ask("POST", "/v1/cluster/leader", json.dumps({"to": "n1"}))
    wait_for("n1 hears n2", lambda: members_of(one)["n2"]["healthy"])
    wait_for("n2 has all", lambda: members_of(one)["n2"]["lag_entries"] == 0)


def learner(cluster):
    one = cluster.nodes[0]
    six = cluster.newcomer("n6", "--learner", "--join", f"http://127.0.0.1:{one.port}")
    six.start()
    wait_for("n6 is ready", six.is_ready)
    cluster.wait_caught_up()
    assert one.ask("PUT", "/v1/kv/through", "1")[0] == 201
    assert six.ask("GET", "/v1/kv/through") == (200, b"1")
    assert six.ask("PUT", "/v1/kv/through", "2")[0] == 200
    assert members_of(one)["n6"]["role"] == "learner", members_of(one)["n6"]
    wait_for("n6 is promoted", lambda: six.ask("POST", "/v1/cluster/members/n6/promote")[0] == 200)
    assert "n6" in voters_of(six)
    remove(six, "n6")
    expect_removed(six)
    cluster.nodes.remove(six)


def removed_while_down(cluster):
    one = cluster.nodes[0]
    seven = cluster.newcomer("n7")
    seven.start()
    wait_for("n7 votes", lambda: "n7" in voters_of(one))
    assert seven.end(signal.SIGTERM) == 0
    remove(one, "n7")
    seven.start()
    expect_removed(seven)
    cluster.nodes.remove(seven)


def waits_for_cluster(cluster):
    """Nobody answers at its URLs: it says so once, answers that it is not ready, and can be stopped.
    Its name is made up."""
    urls = ",".join(f"http://127.0.0.1:{port}" for port in free_ports(2))
    node = cluster.newcomer("n8", "--join", urls)
    at = node.command.index("--name")
    del node.command[at:at + 2]
    node.start()
    wait_for("it complains", lambda: node.log_path.read_text().count("Connection refused") == 2)
    status, body = node.ask("GET", "/v1/cluster")
    assert (status, json.loads(body)["code"]) == (503, "not_ready"), (status, body)
    assert node.end(signal.SIGTERM) == 0
    assert node.log_path.read_text().count("Connection refused") == 2, node.log_path.read_text()
    identity = json.loads((cluster.directory / "n8" / "IDENTITY").read_text().split("\n")[0])
    assert identity["name"] == "n-" + identity["node_id"][:8], identity
    cluster.nodes.remove(node)


def other_cluster(cluster):
    with Cluster(1) as other:
        node = cluster.nodes[0]
        node.end(signal.SIGTERM)
        command = list(node.command)
        at = node.command.index("--initial-cluster")
        node.command[at:at + 2] = ["--join", f"http://127.0.0.1:{other.nodes[0].port}"]
        expect("give it an empty --data-dir to join the other", refusal(node))
        node.command = command
        node.start()
        wait_for(f"{node.name} is ready", node.is_ready)


def main():
    grow_and_shrink()
    with Cluster(3) as cluster:
        with Load([cluster.nodes[0].port, cluster.nodes[1].port]) as load:
            flow(load)
            replace_dead(cluster)
            kill_joiner(cluster)
            flow(load)
        load.check()
        move(cluster)
        learner(cluster)
        removed_while_down(cluster)
        waits_for_cluster(cluster)
        other_cluster(cluster)
        cluster.wait_caught_up()
    print("replaced, killed, emptied, moved, promoted and removed as the manual says")


if __name__ == "__main__":
    main()
