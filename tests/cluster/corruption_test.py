#!/usr/bin/env python3
"""One byte of one file of a stopped node is changed, here and there in each of its files, and the node
is started. It may refuse to start, and say which file is damaged; it may stop or fail a read when it
meets the damage; and it may not be harmed at all. It must never answer with anything else than what was
acknowledged. `--seed N` chooses other bytes, `--samples N` more of them."""

import argparse
import collections
import http.client
import os
import random
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402

# Written anew at each start, or never read.
OF_NO_CONCERN = ("LOCK", "LOG", "RESERVE", "spare")


def fill(cluster):
    """A state in several files, and a log that holds more than it. What every key holds."""
    node = cluster.nodes[0]
    values = {}
    for life in range(3):
        for number in range(60):
            key = f"k{number if life < 2 else number + 30}"
            values[key] = f"{key} in life {life} ".encode() * 40
            assert node.ask("PUT", f"/v1/kv/{key}", values[key])[0] in (200, 201)
        for number in range(life, 60, 7):
            assert node.ask("DELETE", f"/v1/kv/k{number}")[0] == 200
            values[f"k{number}"] = None
        # A clean stop leaves no replay to the next start, a kill does.
        node.end(signal.SIGTERM if life < 2 else signal.SIGKILL)
        if life < 2:
            node.start()
            wait_for("the node serves", node.is_ready)
    return values


def used_bytes(path):
    """Up to the last that is not 0: the rest of a log's file is blank."""
    return max(1, len(path.read_bytes().rstrip(b"\0")))


def wrong_answers(node, values):
    """What the node says that is not so; None: a read failed, or the node stopped."""
    failed = False
    for key, value in values.items():
        try:
            status, body = node.ask("GET", f"/v1/kv/{key}", timeout_s=5)
        except (OSError, http.client.HTTPException):
            return None
        if status >= 500:
            failed = True
        elif (status, body) != ((200, value) if value is not None else (404, body)):
            return f"{key}: {status} {body[:60]!r} instead of {value[:60] if value else None!r}"
    return None if failed else ""


def outcome_of(node, values):
    node.start()

    def settled():
        return node.process.poll() is not None or node.is_ready()
    wait_for("the node serves or refuses", settled)
    if node.process.poll() is not None:
        node.process = None
        said = node.log_path.read_text(errors="replace")
        assert node.log_path.stat().st_size > 0, "it ended without a word"
        return "refused", said
    wrong = wrong_answers(node, values)
    said = node.log_path.read_text(errors="replace")
    if node.process.poll() is None:
        node.end(signal.SIGKILL)
    node.process = None
    assert not wrong, wrong
    return ("noticed" if wrong is None else "unharmed"), said


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--samples", type=int, default=3, help="of each file, four times as many of the log")
    options = parser.parse_args()
    dice = random.Random(options.seed)
    seen = collections.Counter()
    with Cluster(1) as cluster:
        values = fill(cluster)
        node = cluster.nodes[0]
        data = cluster.directory / "n1"
        whole = cluster.directory / "whole"
        data.rename(whole)
        files = [path.relative_to(whole) for path in sorted(whole.rglob("*"))
                 if path.is_file() and path.stat().st_size and path.name.split(".")[0] not in OF_NO_CONCERN]
        for spare in whole.rglob("spare.log"):
            spare.unlink()
        for name in files:
            size = used_bytes(whole / name)
            samples = options.samples * (4 if "segment-" in name.name else 1)
            for place in sorted(dice.randrange(size) for _ in range(samples)):
                subprocess.run(["cp", "-r", "--reflink=auto", str(whole), str(data)], check=True)
                with open(data / name, "r+b") as file:
                    file.seek(place)
                    byte = file.read(1)[0]
                    file.seek(place)
                    file.write(bytes([byte ^ (1 << dice.randrange(8))]))
                node.log_path.unlink(missing_ok=True)
                try:
                    outcome, said = outcome_of(node, values)
                except AssertionError as problem:
                    raise AssertionError(f"byte {place} of {name} (seed {options.seed}): {problem}") from None
                kind = "log" if "segment-" in name.name else name.name.split("-")[0].split(".")[-1]
                if "state" in name.parts:
                    kind = f"state {kind}"
                seen[kind, outcome] += 1
                if kind == "IDENTITY":
                    assert outcome == "refused" and "IDENTITY is damaged" in said, said
                shutil.rmtree(data)
        for (kind, outcome), count in sorted(seen.items()):
            print(f"{kind:>12}  {outcome:9} {count}")
    assert seen["log", "refused"], "no damage to the log was met"
    print(f"{sum(seen.values())} passed, 0 failed")


if __name__ == "__main__":
    main()
