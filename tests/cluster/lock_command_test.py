#!/usr/bin/env python3
"""`holdfast lock` with a real node: one command at a time, signals, exit codes, and commands that end when
their lock is lost."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import BUILT, Cluster, wait_for  # noqa: E402

HOLDFAST = os.environ.get("HOLDFAST", str(pathlib.Path(BUILT).parent / "holdfast"))
LOST, NOT_HAD, NOT_BEGUN, NOT_EXECUTABLE, NOT_THERE = 123, 124, 125, 126, 127
PATIENCE_S = 30


class Shell:
    def __init__(self, cluster):
        self.node = cluster.nodes[0]
        self.directory = cluster.directory
        self.environment = {**os.environ, "HOLDFAST_ENDPOINTS": f"http://127.0.0.1:{self.node.port}"}

    def start(self, *arguments):
        return subprocess.Popen([HOLDFAST, *arguments], env=self.environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments):
        done = self.start(*arguments)
        out, errors = done.communicate(timeout=PATIENCE_S)
        return done.returncode, out, errors

    def lock(self, name):
        status, body = self.node.ask("GET", f"/v1/locks/{name}")
        return json.loads(body) if status == 200 else None

    def path(self, name):
        return self.directory / name

    def begun(self, name):
        return wait_for(f"{name} is begun", self.path(name).exists)


def ended(process, code):
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, (process.returncode, errors)
    return errors


def runs_a_command_as_it_is(shell):
    code, out, _ = shell.run("lock", "a/b", "--", "sh", "-c",
                             'echo "$HOLDFAST_LOCK_NAME $HOLDFAST_LOCK_TOKEN"; exit 7')
    name, token = out.split()
    assert (code, name) == (7, "a/b") and int(token) > 0, (code, out)
    assert shell.lock("a/b") is None, "it is released"
    code, out, _ = shell.run("lock", "a/b", "--", "printenv", "HOLDFAST_LOCK_TOKEN")
    assert code == 0 and int(out) > int(token), "tokens grow"
    assert shell.run("lock", "a", "--", "sh", "-c", "kill -9 $$")[0] == 128 + 9
    assert shell.run("lock", "a", "--", "/not/there")[0] == NOT_THERE
    assert shell.run("lock", "a", "--", "/")[0] == NOT_EXECUTABLE
    code, _, errors = shell.run("lock", "a")
    assert code == 1 and "say what to run" in errors, errors
    assert shell.run("lock", "--ttl", "10ms", "a", "--", "true")[0] == NOT_BEGUN
    assert shell.run("--endpoint", "http://127.0.0.1:1", "lock", "a", "--", "true")[0] == NOT_BEGUN
    code, out, _ = shell.run("lock", "--", "show", "echo", "--json")
    assert (code, out) == (0, "--json\n"), (code, out)


def shows_and_releases(shell):
    code, out, errors = shell.run("lock", "show", "l")
    assert code == 2 and "nobody has the lock" in errors, (code, errors)
    holder = shell.start("lock", "--owner", "me", "--ttl", "20s", "l", "--", "sh", "-c",
                         f"touch {shell.path('shown')}; exec sleep 1000")
    shell.begun("shown")
    code, out, _ = shell.run("--json", "lock", "show", "l", "--consistency", "local")
    seen = json.loads(out)
    assert code == 0 and seen["owner"] == "me" and seen["ttl_ms"] == 20000, seen
    assert {key: seen[key] for key in ("name", "token", "lease")} == \
        {key: shell.lock("l")[key] for key in ("name", "token", "lease")}
    assert "held by me under token" in shell.run("lock", "show", "l")[1]

    began = time.monotonic()
    code, _, errors = shell.run("lock", "--wait", "0s", "l", "--", "true")
    assert code == NOT_HAD and "held by 'me'" in errors, (code, errors)
    code, _, errors = shell.run("--json", "lock", "--wait", "1s", "l", "--", "true")
    assert code == NOT_HAD and json.loads(errors)["code"] == "conflict", (code, errors)
    assert time.monotonic() - began >= 1

    wrong = shell.run("lock", "release", "--token", str(seen["token"] + 1), "l")
    assert wrong[0] == 2, wrong
    assert shell.run("lock", "release", "l", "--token", str(seen["token"]))[:2] == (0, "released\n")
    assert "is lost" in ended(holder, LOST)


def one_after_the_other(shell):
    journal = shell.path("journal")
    script = f"echo begin $HOLDFAST_LOCK_TOKEN >>{journal}; sleep 0.2; echo end $HOLDFAST_LOCK_TOKEN >>{journal}"
    for process in [shell.start("lock", "turns", "--", "sh", "-c", script) for _ in range(5)]:
        ended(process, 0)
    lines = journal.read_text().split("\n")[:-1]
    assert len(lines) == 10, lines
    tokens = [int(line.split()[1]) for line in lines[::2]]
    assert tokens == sorted(set(tokens)), lines
    assert lines == [f"{what} {token}" for token in tokens for what in ("begin", "end")], lines


def passes_signals_on(shell):
    script = f"trap 'echo told >{shell.path('told')}; exit 9' USR1; touch {shell.path('ready')}; " \
             "while :; do sleep 0.05; done"
    holder = shell.start("lock", "signals", "--", "sh", "-c", script)
    shell.begun("ready")
    holder.send_signal(signal.SIGUSR1)
    ended(holder, 9)
    assert shell.path("told").read_text() == "told\n"
    waiter_at = shell.start("lock", "signals", "--", "sh", "-c", f"touch {shell.path('up')}; exec sleep 1000")
    shell.begun("up")
    waiting = shell.start("lock", "signals", "--", "touch", shell.path("never"))
    wait_for("it waits", lambda: waiting.poll() is None and shell.lock("signals"))
    waiting.send_signal(signal.SIGTERM)
    ended(waiting, -signal.SIGTERM)
    waiter_at.send_signal(signal.SIGTERM)
    ended(waiter_at, 128 + signal.SIGTERM)
    assert not shell.path("never").exists()
    assert shell.lock("signals") is None


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends_with_the_lock(shell, name, ending):
    """The cluster falls silent: the command ends before another can have the lock, and all it started."""
    script = f"trap '{ending}' TERM; sleep 1000 & echo $$ $! >{shell.path(name + '.tmp')}; " \
             f"mv {shell.path(name + '.tmp')} {shell.path(name)}; while :; do sleep 0.05; done"
    holder = shell.start("lock", "--ttl", "3s", name, "--", "sh", "-c", script)
    shell.begun(name)
    pids = [int(pid) for pid in shell.path(name).read_text().split()]
    shell.node.process.send_signal(signal.SIGSTOP)
    try:
        errors = ended(holder, LOST)
        wait_for("all of it has ended", lambda: not any(map(alive, pids)))
    finally:
        shell.node.process.send_signal(signal.SIGCONT)
    assert "is lost, or was not confirmed in time" in errors, errors
    if ending.startswith("touch"):
        assert shell.path(name + ".told").exists()


def ends_a_deaf_child_of_a_command_that_heeds(shell):
    """What the command has started in its group does not outlive the lock, though the command itself ends."""
    up = shell.path("deaf_child")
    child = f"trap '' TERM; echo $PPID $$ >{up}.tmp; mv {up}.tmp {up}; while :; do sleep 0.05; done"
    script = f'trap "exit 0" TERM; sh -c "$CHILD" & while :; do sleep 0.05; done'
    shell.environment["CHILD"] = child
    holder = shell.start("lock", "--ttl", "3s", "deaf_child", "--", "sh", "-c", script)
    del shell.environment["CHILD"]
    shell.begun("deaf_child")
    pids = [int(pid) for pid in up.read_text().split()]
    shell.node.process.send_signal(signal.SIGSTOP)
    try:
        ended(holder, LOST)
        wait_for("all of it has ended", lambda: not any(map(alive, pids)))
    finally:
        shell.node.process.send_signal(signal.SIGCONT)
        for pid in filter(alive, pids):
            os.kill(pid, signal.SIGKILL)


def main():
    with Cluster(1) as cluster:
        shell = Shell(cluster)
        runs_a_command_as_it_is(shell)
        shows_and_releases(shell)
        one_after_the_other(shell)
        passes_signals_on(shell)
        ends_with_the_lock(shell, "heeds", f"touch {shell.path('heeds.told')}; exit 0")
        ends_with_the_lock(shell, "deaf", "touch " + str(shell.path("deaf.told")))
        ends_a_deaf_child_of_a_command_that_heeds(shell)
        print("holdfast lock: ok")


if __name__ == "__main__":
    main()
