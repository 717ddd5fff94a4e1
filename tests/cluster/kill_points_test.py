#!/usr/bin/env python3
"""A node is killed right before a write, a sync, a rename or a removal of any of its files, one place
after another, from its first start on; strace puts the kill into the system call. After each kill the
node starts, and holds what it acknowledged: what was in flight is there or not, and nothing else."""

import http.client
import itertools
import os
import random
import signal
import sys

sys.path.insert(0, os.path.dirname(__file__))
from cluster import PATIENCE_S, Cluster, wait_for  # noqa: E402

# The acts, and at which call of a thread the kill comes: the first ones are those of the start.
POINTS = {
    "pwrite64": (1, 2, 3, 5, 8, 21),
    "fdatasync": (1, 2, 3, 4, 9, 25, 60),
    "write": (60, 120),
    "fsync": (1, 2, 4, 7),
    "rename": (1, 2, 3),
    "unlink": (1, 2, 4),
    "fallocate": (1,),
}


class Kept:
    """What the node has acknowledged, and what it may hold beside it."""

    def __init__(self):
        self.values = {}   # key → value; None: deleted
        self.maybe = {}    # key → value of the change whose answer never came

    def change(self, node, key, value):
        method = "DELETE" if value is None else "PUT"
        self.maybe[key] = value
        status, _ = node.ask(method, f"/v1/kv/{key}", value)
        assert status in (200, 201), status
        self.values[key] = value
        del self.maybe[key]

    def check(self, node):
        for key in list(self.values.keys() | self.maybe.keys()):
            status, body = node.ask("GET", f"/v1/kv/{key}")
            found = body if status == 200 else None
            assert status in (200, 404), (status, body)
            allowed = [self.values.get(key)] + ([self.maybe[key]] if key in self.maybe else [])
            assert found in allowed, f"{key}: {found!r} instead of {allowed}"
            self.values[key] = found
        self.maybe.clear()


def live(node, kept, dice, numbers):
    """Changes until the node is gone. False: it was still there after all of them."""
    try:
        wait_for("the node serves or is gone", lambda: node.process.poll() is not None or node.is_ready())
        for _ in range(150):
            key = f"k{dice.randrange(20)}"
            kept.change(node, key, None if dice.random() < 0.2 else f"v{next(numbers)}".encode() * dice.randrange(1, 200))
    except (OSError, http.client.HTTPException):
        return True
    return node.process.poll() is not None


def stop_traced(node):
    """Asks the node to stop, which runs below strace; it may be gone already."""
    try:
        with open(f"/proc/{node.process.pid}/task/{node.process.pid}/children") as children:
            for child in children.read().split():
                os.kill(int(child), signal.SIGTERM)
    except (FileNotFoundError, ProcessLookupError):
        pass


def main():
    dice = random.Random(1)
    numbers = itertools.count()
    kept = Kept()
    killed = 0
    with Cluster(1) as cluster:
        node = cluster.nodes[0]
        plain = node.command
        node.end(signal.SIGKILL)
        for call, places in POINTS.items():
            for place in places:
                node.command = ["strace", "-f", "--quiet=all", "-o", "/dev/null", "-e", f"trace={call}",
                                "-e", f"inject={call}:signal=SIGKILL:when={place}"] + plain
                node.start()
                was_killed = live(node, kept, dice, numbers)
                # A clean stop flushes, and removes what is not needed: more calls that may be the one.
                stop_traced(node)
                node.process.wait(PATIENCE_S)
                killed += was_killed or node.process.returncode != 0
                node.process = None
                node.command = plain
                node.start()
                try:
                    wait_for("the node serves", lambda: cluster.check_alive() or node.is_ready())
                    kept.check(node)
                except AssertionError as problem:
                    raise AssertionError(f"killed before {call} {place}: {problem}") from None
                node.end(signal.SIGKILL)
    assert killed > 12, f"only {killed} places were met"
    print(f"{killed} passed, 0 failed")


if __name__ == "__main__":
    main()
