"""What bench/compare/run and bench/compare/growth share: a run of the generator, and tables of what it told."""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from outages import restart_of

TOP = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("HOLDFAST", TOP / "build/bin/holdfast")).parent
KEY_BYTES, VALUE_BYTES = len("bench/0000000000"), 100
SIZE_HEAD = ["memory of a node", "on a node's disk", "disk bytes a byte put", "loaded in", "all killed and started: first write"]
# Of holdfast-bench: measured; with errors, which its report tells; and as quick as itself allows, which it tells too.
REPORTED = (0, 2, 3)


def say(text):
    print(text, file=sys.stderr, flush=True)


def bench(peer, arguments, number, seconds, keys, preload=False, warmup_s=None, runs=1):
    """Runs of the generator at one node, as its JSON has them."""
    warmup_s = seconds / 4 if warmup_s is None else warmup_s
    command = [BIN / "holdfast-bench", *arguments, "--product", peer.flavour, "--endpoint", peer.url(number),
               "--keys", keys, "--value-size", VALUE_BYTES, "--runs", runs, "--duration", f"{round(seconds * 1000)}ms",
               "--warmup", f"{round(warmup_s * 1000)}ms" if warmup_s else "0", "--json",
               *([] if preload else ["--no-preload"])]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode not in REPORTED:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}{done.stdout}")
    return json.loads(done.stdout)["runs"]


def load(peer, keys):
    """Stores so many keys; how long that took."""
    begun = time.monotonic()
    bench(peer, ["get", "--connections", "64"], peer.leader(), 0.1, keys, preload=True)
    return time.monotonic() - begun


def size_cells(peer, keys):
    """What so many keys cost nodes that had none, and how soon all are back after they were killed at once."""
    seconds, put = load(peer, keys), keys * (KEY_BYTES + VALUE_BYTES)
    memory, disk = peer.memory_bytes(), peer.disk_bytes()
    return (f"{memory / 2**20:.0f} MiB", f"{disk / 2**20:.0f} MiB", f"{disk / put:.2f}", f"{seconds:.1f} s",
            f"{restart_of(peer):.2f} s")


def errors_of(runs):
    """Of what was asked: refused, unknown, not delivered; and not there, since all that is read was stored before."""
    def count(outcomes):
        return (sum(outcomes["refused"].values()) + sum(outcomes["unknown"].values()) + outcomes["missing"] +
                outcomes["not_connected"] + outcomes["not_delivered"])
    return sum(count(run["outcomes"]) for run in runs)


def median(runs, *path):
    """Of a figure that stands at `path` in the report of each."""
    def at(found):
        for key in path:
            found = found[key]
        return found
    return statistics.median(at(run) for run in runs)


class Table:
    """Rows as they are measured; at the end all of them, as Markdown."""

    def __init__(self, head):
        self.rows = [head, ["---"] * len(head)]

    def add(self, *cells):
        assert len(cells) == len(self.rows[0]), cells
        self.rows.append(list(cells))
        say("  " + " | ".join(cell for cell in cells if cell))

    def text(self):
        return "\n".join("| " + " | ".join(row) + " |" for row in self.rows) + "\n"


def spread(values, form):
    if len(values) == 1:
        return form(values[0])
    return f"{form(statistics.median(values))} ({form(min(values))}–{form(max(values))})"


def latency(ms):
    if ms >= 1000:
        return f"{ms / 1000:.1f} s"
    return f"{ms * 1000:.0f} µs" if ms < 1 else f"{ms:.2f} ms" if ms < 10 else f"{ms:.0f} ms"


def rate(value):
    return f"{value:,.0f}"


def describe(given, programs):
    """In what place the figures were measured; `programs`: how each says its version."""
    model = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=TOP, capture_output=True, text=True).stdout
    said = [f"commit {commit.strip() or 'unknown'}"]
    for name, command in programs.items():
        told = subprocess.run(command, capture_output=True, text=True)
        words = (told.stdout + told.stderr).replace("v=", "").replace("nginx/", "").split()
        said.append(f"{name} {next(word for word in words if word[0].isdigit())}")
    return (f"{', '.join(said)}; {os.cpu_count()} cores ({model}); load average {os.getloadavg()[0]:.1f} as it began; "
            f"{given.runs} runs of {given.seconds} s each; one thread of the generator on the same machine.\n")


def parser_of(about, parts):
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="every part, small: the figures mean nothing")
    parser.add_argument("--only", choices=parts)
    parser.add_argument("--seconds", type=float, default=2.5, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="of each load")
    parser.add_argument("--out", help="a file for the tables")
    return parser


def install_and_build(packages=()):
    if packages:
        subprocess.run([TOP / "deploy/install_packages", *packages], check=True)
    if not all((BIN / program).exists() for program in ("holdfastd", "holdfast-bench")):
        subprocess.run([TOP / "deploy/install_packages", TOP / "deploy/packages.build"], check=True)
        subprocess.run(["cmake", "--preset", "release"], cwd=TOP, check=True)
        subprocess.run(["cmake", "--build", "build", "--target", "holdfastd", "holdfast-bench"], cwd=TOP, check=True)


@contextlib.contextmanager
def folder_of_its_own(name):
    """Beside the binaries, on a real file system: on tmpfs a sync costs nothing."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=BIN))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(*peers):
    try:
        for peer in peers:
            peer.start()
        yield
    finally:
        for peer in peers:
            peer.stop()


def measure(parts, given, folder, head):
    """Each part, or the one that is asked for, as tables, which stand also if a later part fails; then how long each
    took."""
    said, took = [], []

    def tell(text):
        said.append(text)
        print(("\n" if len(said) > 1 else "") + text, end="", flush=True)
        if given.out:
            pathlib.Path(given.out).write_text("\n".join(said))
    tell(head)
    for part, tables in parts.items():
        if given.only not in (None, part):
            continue
        say(part)
        begun = time.monotonic()
        for table in tables(given, folder / part):
            tell(table.text())
        took.append(f"{part} {time.monotonic() - begun:.0f} s")
        say(f"  {took[-1]}")
    tell(f"Took: {', '.join(took)}.\n")


def speak(main):
    """What was waited for in vain is said in a line."""
    try:
        main()
    except AssertionError as vain:
        raise SystemExit(f"no figures: {vain}") from vain
