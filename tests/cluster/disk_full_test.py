#!/usr/bin/env python3
"""Disks that fill up, by the data or by others, as small ones in memory that this process alone sees.
Growing writes are refused in time, reads and deletes go on, deletes make room, everything recovers
by itself when there is some, and nothing acknowledged is lost. Only for root; else it is skipped."""

import json
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402

DISK_MIB = 300
VALUE_BYTES = 64 << 10
SKIPPED = 77


class SmallDisks(Cluster):
    """Each node's folder is a disk of its own; where logs lie apart, each log's too."""

    def __init__(self, size, logs_apart=False):
        super().__init__(size)
        self.folders = [self.folder(node) for node in self.nodes]
        for node in self.nodes if logs_apart else []:
            node.command += ["--log-dir", str(self.log_folder(node))]
            self.folders.append(self.log_folder(node))

    def __enter__(self):
        for folder in self.folders:
            folder.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", folder], check=True)
        return super().__enter__()

    def __exit__(self, kind, value, trace):
        for node in self.nodes:
            if node.process is not None:
                node.end(signal.SIGKILL)
        for folder in self.folders:
            subprocess.run(["umount", folder], check=True)
        super().__exit__(kind, value, trace)

    def folder(self, node):
        return self.directory / node.name

    def log_folder(self, node):
        return self.directory / f"{node.name}-log"

    def free(self, folder):
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize

    def fill(self, *folders, calm_s=3):
        """Others take all that is left, also what the nodes give back then, until nothing more comes."""
        since = time.monotonic()
        while time.monotonic() - since < calm_s:
            for folder in folders:
                if self.free(folder) > 0:
                    self._take(folder)
                    since = time.monotonic()
            time.sleep(0.05)

    def _take(self, folder):
        with open(folder / "others", "ab", buffering=0) as file:
            piece = bytes(1 << 20)
            try:
                while True:
                    if file.write(piece) < len(piece):
                        piece = piece[:max(len(piece) // 2, 4096)]
            except OSError:
                pass

    def empty(self, folder):
        (folder / "others").unlink()


class Ledger:
    """What was acknowledged, and what must be there."""

    def __init__(self):
        self.there = {}
        self.next = 0

    def value(self, key):
        return random.Random(key).randbytes(VALUE_BYTES)

    def put(self, node, size=VALUE_BYTES):
        """The status, and the body where it was refused."""
        key = f"k/{self.next}"
        self.next += 1
        value = self.value(key)[:size]
        status, body = node.ask("PUT", f"/v1/kv/{key}", value)
        if status == 201:
            self.there[key] = value
        return status, body

    def put_until_refused(self, node, for_s=5):
        """For so long: what the log can do without is given back first, and then more is taken."""
        since = None
        while len(self.there) * VALUE_BYTES < DISK_MIB << 20:
            status, body = self.put(node)
            if status == 201:
                since = None
                continue
            since = since or time.monotonic()
            if time.monotonic() - since > for_s:
                return status, json.loads(body)
            time.sleep(0.05)
        raise AssertionError(f"more was taken than a disk of {DISK_MIB} MiB holds")

    def delete(self, node, key):
        status, body = node.ask("DELETE", f"/v1/kv/{key}")
        assert status == 200 and json.loads(body)["deleted"] == 1, f"{key}: {status} {body}"
        del self.there[key]

    def delete_some(self, node, count):
        for key in list(self.there)[:count]:
            self.delete(node, key)

    def check(self, node):
        for key, value in self.there.items():
            status, body = node.ask("GET", f"/v1/kv/{key}")
            assert (status, body) == (200, value), f"{key} was acknowledged: {status}"
        status, body = node.ask("GET", "/v1/kv?prefix=k/&count_only=true")
        assert json.loads(body)["count"] == len(self.there), body


def refuses(node):
    view = node.cluster()
    return view is not None and view["refuses_growth"]


# The past is let go of every 30 s.
def grows_again(ledger, node, patience_s=120):
    began = time.monotonic()
    wait_for("growing writes are taken again", lambda: ledger.put(node)[0] == 201, patience_s)
    return time.monotonic() - began


def by_its_own_data():
    with SmallDisks(1) as cluster:
        node, ledger = cluster.nodes[0], Ledger()
        status, problem = ledger.put_until_refused(node)
        assert (status, problem["code"], problem["outcome"]) == (507, "no_space", "not_applied"), problem
        assert problem["retryable"], problem
        free = cluster.free(cluster.folder(node))
        assert free > 8 << 20, f"refused only with {free} bytes left"
        taken = len(ledger.there)
        status, body = node.ask("POST", "/v1/txn", json.dumps({"then": [{"put": {"key": "a", "value": "b"}}]}))
        assert status == 507, body
        status, body = node.ask("POST", "/v1/leases", json.dumps({"ttl": "10s"}))
        assert status == 507, body
        assert b"no room" in node.ask("GET", "/readyz")[1]
        assert b"holdfast_refuses_growth 1" in node.ask("GET", "/metrics")[1]
        view = node.cluster()
        assert view["node"]["short_of_room"] and view["node"]["disk_free_bytes"] > 0 and view["warning"], view
        ledger.check(node)
        ledger.delete_some(node, taken * 2 // 3)
        seconds = grows_again(ledger, node)
        ledger.check(node)
        assert node.end(signal.SIGTERM) == 0
        node.start()
        cluster.wait_ready()
        ledger.check(node)
        print(f"  {taken} values of 64 KiB on {DISK_MIB} MiB, {free >> 20} MiB left; "
              f"{seconds:.1f} s after the deletes they are taken again")


def by_others():
    with SmallDisks(1) as cluster:
        node, ledger = cluster.nodes[0], Ledger()
        for _ in range(1000):
            assert ledger.put(node)[0] == 201
        cluster.fill(cluster.folder(node))
        wait_for("growth is refused", lambda: refuses(node))
        assert ledger.put(node)[0] == 507
        began = time.monotonic()
        ledger.delete_some(node, 500)
        seconds = time.monotonic() - began
        ledger.check(node)
        assert ledger.put(node)[0] == 507
        cluster.empty(cluster.folder(node))
        again = grows_again(ledger, node)
        ledger.check(node)
        print(f"  500 deletes on a full disk in {seconds:.1f} s; {again:.1f} s after there was room writes go on")


def start_on_a_full_disk():
    with SmallDisks(1) as cluster:
        node, ledger = cluster.nodes[0], Ledger()
        for _ in range(1000):
            assert ledger.put(node)[0] == 201
        cluster.fill(cluster.folder(node))
        for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            node.end(how)
            node.start()
            cluster.wait_ready()
            ledger.check(node)
            ledger.delete_some(node, 20)
            assert ledger.put(node)[0] == 507
        assert "the reserve there is given back" in node.log_path.read_text(errors="replace")
        cluster.empty(cluster.folder(node))
        grows_again(ledger, node)
        ledger.check(node)


def no_room_and_no_reserve():
    """Whatever the disk has no room for, the process says it, and starts when there is some."""
    with SmallDisks(1) as cluster:
        node, ledger = cluster.nodes[0], Ledger()
        for _ in range(200):
            assert ledger.put(node)[0] == 201
        node.end(signal.SIGKILL)
        (cluster.folder(node) / "RESERVE").unlink()
        cluster.fill(cluster.folder(node), calm_s=0.1)
        node.start()
        code = node.process.wait(20)
        node.process = None
        said = node.log_path.read_text(errors="replace")
        assert code != 0 and "No space left" in said, said
        cluster.empty(cluster.folder(node))
        node.start()
        cluster.wait_ready()
        ledger.check(node)


def log_on_a_disk_of_its_own():
    with SmallDisks(1, logs_apart=True) as cluster:
        node, ledger = cluster.nodes[0], Ledger()
        for _ in range(500):
            assert ledger.put(node)[0] == 201
        cluster.fill(cluster.log_folder(node))
        wait_for("growth is refused", lambda: refuses(node))
        assert ledger.put(node)[0] == 507
        ledger.delete_some(node, 100)
        ledger.check(node)
        node.end(signal.SIGKILL)
        node.start()
        cluster.wait_ready()
        ledger.delete_some(node, 20)
        ledger.check(node)
        assert (cluster.folder(node) / "RESERVE").exists(), "the state's disk is not full"
        cluster.empty(cluster.log_folder(node))
        grows_again(ledger, node)
        ledger.check(node)


def one_of_three():
    with SmallDisks(3) as cluster:
        ledger = Ledger()
        leader = cluster.leader()
        for _ in range(100):
            assert ledger.put(leader)[0] == 201
        cluster.fill(cluster.folder(leader))
        successor = wait_for("another leads", lambda: next(
            (n for n in cluster.nodes if n is not leader and (n.cluster() or {"node": {"role": ""}})["node"]["role"] == "leader"), None))
        wait_for("growth goes on", lambda: ledger.put(successor)[0] == 201)
        # More than its log has room for.
        for _ in range(800):
            assert ledger.put(successor)[0] == 201
        short = [m["name"] for m in successor.cluster()["members"] if m["short_of_room"]]
        assert short == [leader.name], short
        assert successor.cluster()["compact_revision"] == 1, "one short disk has cost all of them the past"
        ledger.check(successor)
        cluster.check_alive()
        # The two that are left are a majority, if who has no room can vote.
        third = next(node for node in cluster.nodes if node not in (leader, successor))
        successor.end(signal.SIGKILL)
        wait_for("the third leads", lambda: (third.cluster() or {"node": {"role": ""}})["node"]["role"] == "leader")
        successor.start()
        wait_for("growth goes on", lambda: ledger.put(third)[0] == 201)
        cluster.empty(cluster.folder(leader))
        wait_for("it is not short any more", lambda: (leader.cluster() or {"node": {"short_of_room": True}})["node"]["short_of_room"] is False, 60)
        cluster.wait_ready()
        cluster.wait_caught_up()
        ledger.check(leader)


def three_of_three():
    with SmallDisks(3) as cluster:
        ledger = Ledger()
        for _ in range(600):
            assert ledger.put(cluster.nodes[0])[0] == 201
        cluster.fill(*cluster.folders)
        for node in cluster.nodes:
            wait_for(f"{node.name} refuses growth", lambda node=node: refuses(node))
            assert ledger.put(node)[0] == 507
        for node in cluster.nodes:
            ledger.delete_some(node, 60)
            ledger.check(node)
        cluster.check_alive()
        for folder in cluster.folders:
            cluster.empty(folder)
        grows_again(ledger, cluster.nodes[0])
        cluster.wait_caught_up()
        cluster.wait_hashes_agree()
        for node in cluster.nodes:
            ledger.check(node)


def main():
    if os.geteuid() != 0:
        print("skipped, nothing was tested: only root may mount the small disks that this fills")
        sys.exit(SKIPPED)
    if "HOLDFAST_OWN_MOUNTS" not in os.environ:
        os.environ["HOLDFAST_OWN_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    tests = [by_its_own_data, by_others, start_on_a_full_disk, no_room_and_no_reserve, log_on_a_disk_of_its_own,
             one_of_three, three_of_three]
    wanted = [test for test in tests if len(sys.argv) < 2 or test.__name__ in sys.argv[1:]]
    for test in wanted:
        print(test.__name__, flush=True)
        test()
    print(f"{len(wanted)} passed, 0 failed")


if __name__ == "__main__":
    main()
