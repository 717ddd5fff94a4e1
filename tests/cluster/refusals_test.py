#!/usr/bin/env python3
"""What a node must not do, and what it says instead: start twice on one folder, start as a member
whose log or whole folder is gone, listen where another does. And it ends cleanly when asked."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
from cluster import PATIENCE_S, Cluster, wait_for  # noqa: E402


def refusal(node, command=None):
    """What a start that must fail says."""
    run = subprocess.run(command or node.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         timeout=PATIENCE_S, text=True)
    assert run.returncode == 1, f"exit code {run.returncode}: {run.stdout}"
    return run.stdout


def expect(words, said):
    assert words in said, f"'{words}' is not in: {said}"


def many_connections(node):
    """However few files its shell lets it open, it opens as many as the machine allows."""
    assert node.end(signal.SIGTERM) == 0
    node.command = ["bash", "-c", 'ulimit -Sn 128; exec "$@"', "-", *node.command]
    node.start()
    wait_for(f"{node.name} is ready", node.is_ready)
    connections = [http.client.HTTPConnection("127.0.0.1", node.port, timeout=PATIENCE_S) for _ in range(300)]
    for connection in connections:
        connection.request("GET", "/livez")
        assert connection.getresponse().read() is not None
    for connection in connections:
        connection.close()
    node.command = node.command[4:]


def main():
    with Cluster(3) as cluster:
        one, two, three = cluster.nodes
        status, _ = one.ask("PUT", "/v1/kv/a", "1")
        assert status == 201, status

        for path in ("/v1/nothing", "/v1/kv/a%zz"):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{one.port}{path}")
            except urllib.error.HTTPError as answer:
                assert answer.headers["Holdfast-Node"] == "n1", answer.headers
            else:
                raise AssertionError(f"{path} was taken")

        many_connections(one)
        expect("another process uses", refusal(one))
        elsewhere = [word if word != str(cluster.directory / "n1") else str(cluster.directory / "other")
                     for word in one.command]
        expect("cannot listen", refusal(one, elsewhere))
        expect("belongs to node n3", refusal(two, [w if w != str(cluster.directory / "n2") else
                                                   str(cluster.directory / "n3") for w in
                                                   self_ended(three, two.command)]))
        log = cluster.directory / "n3" / "groups" / "1" / "log"
        log.rename(log.with_name("aside"))
        expect("let it join", refusal(three))
        # The refused start made an empty log; the old one goes back in its place.
        shutil.rmtree(log)
        log.with_name("aside").rename(log)
        three.start()
        cluster.wait_ready()

        assert three.end(signal.SIGTERM) == 0
        shutil.rmtree(cluster.directory / "n3")
        expect("--join", refusal(three))
        status, body = one.ask("GET", "/v1/kv/a")
        assert (status, body) == (200, b"1"), (status, body)
    print("10 passed, 0 failed")


def self_ended(node, command):
    """Ends `node` cleanly, so that its folder is free; gives back `command`."""
    code = node.end(signal.SIGTERM)
    assert code == 0, f"SIGTERM ended {node.name} with {code}"
    return command


if __name__ == "__main__":
    main()
