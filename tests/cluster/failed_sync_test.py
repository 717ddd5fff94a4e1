#!/usr/bin/env python3
"""A sync that fails ends the process with a sentence that says so, is never tried again, and what was
acknowledged before it is there after the next start. The failure is put into the system call."""

import http.client
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from cluster import PATIENCE_S, Cluster, wait_for  # noqa: E402


def put_until_it_ends(node):
    """The keys that were acknowledged before the process ended."""
    acknowledged = []
    while node.process.poll() is None and len(acknowledged) < 5000:
        key = f"k{len(acknowledged)}"
        try:
            status, _ = node.ask("PUT", f"/v1/kv/{key}", key)
        except (OSError, http.client.HTTPException):
            break
        if status == 201:
            acknowledged.append(key)
    return acknowledged


def fails_at(call, number):
    trace = ["strace", "-f", "--quiet=all", "-o", "/dev/null", "-e", f"trace={call}",
             "-e", f"inject={call}:error=EIO:when={number}"]
    with Cluster(1) as cluster:
        node = cluster.nodes[0]
        node.end(15)
        plain = node.command
        node.command = trace + plain
        node.start()
        wait_for("the node serves", node.is_ready)
        acknowledged = put_until_it_ends(node)
        node.process.wait(PATIENCE_S)
        node.process = None
        said = node.log_path.read_text(errors="replace")
        assert "the log could not be made durable: sync" in said, said
        assert "Input/output error" in said and "Check the disk" in said, said
        node.command = plain
        node.start()
        wait_for("the node serves again", node.is_ready)
        for key in acknowledged:
            status, body = node.ask("GET", f"/v1/kv/{key}")
            assert (status, body) == (200, key.encode()), f"{key} was acknowledged: {status} {body}"
        return len(acknowledged)


def main():
    kept = fails_at("fdatasync", 30)
    assert kept > 5, "the sync was to fail in the middle of the load"
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
