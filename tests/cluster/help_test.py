#!/usr/bin/env python3
"""The help of the command line is true: every example in it is run as it stands, by a shell, against a cluster,
and ends as it should. HOLDFAST names the program."""

import contextlib
import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__))
from cluster import BUILT, Cluster, wait_for  # noqa: E402

HOLDFAST = os.environ.get("HOLDFAST", str(pathlib.Path(BUILT).parent / "holdfast"))
PATIENCE_S = 60
# What the cluster of this test does not have, or has otherwise: the exit code that says so.
ENDS_OTHERWISE = {
    "holdfast put --lease 52a1f5ce1d6b93a0 me here": 2,
    "holdfast put --if-match 7 counter 8": 3,
    "holdfast delete --if-match 7 greeting": 3,
    "holdfast lock release --token 42 nightly": 2,
    "holdfast lock show nightly": 2,
    "holdfast txn --if 'a mod_revision == 7' --then 'put a x' --then 'delete b' --else 'get a'": 3,
    "holdfast members promote n4": 2,
    "holdfast dev": 1,  # there is no room for its nodes here: see STUB
    "holdfast dev --nodes 5 --dir /tmp/five": 1,
}
# They go on until they are ended.
ENDLESS = ("events", "watch", "status --watch")
# In the place of holdfastd, for `holdfast dev`: other clusters may have its ports.
STUB = "#!/bin/sh\nexit 3\n"
# Changed for good by their examples, so they come last.
LAST = ["faults", "members"]


def help_of(*command):
    done = subprocess.run([HOLDFAST, "help", *command], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, (command, done)
    same = subprocess.run([HOLDFAST, *command, "--help"], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert same.stdout == done.stdout, command
    return done.stdout


def subcommands_in(text):
    listed = text.split("\nSubcommands:\n")[1].split("\n\n")[0] if "\nSubcommands:\n" in text else ""
    return re.findall(r"^  (\S+)", listed, re.MULTILINE)


def examples_in(text):
    """The lines under "Examples", without what is said beside them."""
    lines = text.split("\nExamples")[1].split("\n\n")[0].split("\n")[1:]
    return [re.split(r"\s{3,}|  (?=[a-z]+ )", line.strip())[0] for line in lines]


def check_form(command, text):
    first, empty, usage = text.split("\n")[:3]
    name = " ".join(("holdfast", *command))
    assert re.fullmatch(re.escape(name) + r" - \S.*", first), first
    assert empty == "" and usage.startswith(f"Usage: {name} "), (command, usage)
    assert "Exit codes:" in text, command
    assert len(examples_in(text)) >= 2, command
    assert max(map(len, text.split("\n"))) <= 110, (command, max(text.split("\n"), key=len))


class Shell:
    """Where the files are that the examples speak of."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.home = cluster.directory / "home"
        (self.home / ".config/fish/completions").mkdir(parents=True)
        for name, text in (("holdfastd", STUB), ("ssh", '#!/bin/sh\nexec sh -c "$2"\n'), ("jq", "#!/bin/sh\nexec cat\n"),
                           ("backup.sh", "#!/bin/sh\n")):
            self.write(name, text).chmod(0o755)
        shutil.copy(HOLDFAST, self.home / "holdfast")
        records = "".join(json.dumps({"key": f"records/{i:04}", "value": "x"}) + "\n" for i in range(1300))
        self.write("records.ndjson", records)
        self.write("packages.ndjson", records)
        self.write("photo.jpg", "a photo")
        self.write("transfer.json", '{"then":[{"put":{"key":"a","value":"x"}}]}')
        (self.home / "photos.ndjson.gz").write_bytes(gzip.compress(b'{"key":"photos/1","value":"a photo"}\n'))
        urls = [f"http://127.0.0.1:{node.port}" for node in cluster.nodes]
        self.all = ",".join(urls)
        self.places = {"http://127.0.0.1:4653": urls[0], "http://127.0.0.1:4663": urls[1],
                       "http://db1:4653": urls[0], "http://db2:4653": urls[1], "/tmp/five": str(self.home / "five")}

    def write(self, name, text):
        path = self.home / name
        path.write_text(text)
        return path

    def start(self, line, endpoints):
        for said, here in self.places.items():
            line = line.replace(said, here)
        is_for_zsh = "completion zsh" in line
        line = "autoload -U compinit && compinit -u; " + line if is_for_zsh else line
        shell = "zsh" if is_for_zsh else "bash"
        environment = {**os.environ, "HOME": str(self.home), "PATH": f"{self.home}:{os.environ['PATH']}",
                       "HOLDFAST_ENDPOINTS": endpoints, "lease": self.lease}
        return subprocess.Popen([shell, "-c", line], cwd=self.home, env=environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def run(self, line, endpoints):
        process = self.start(line, endpoints)
        if any(f"{endless}" in line for endless in ENDLESS) and "--count" not in line and "events --last 0" not in line:
            assert process.stdout.readline(), (line, process.stderr.read())
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=PATIENCE_S)
            return
        if "events --last 0" in line:
            # Nothing need happen.
            wait_for(f"'{line}' goes on", lambda: process.poll() is None)
            os.killpg(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=PATIENCE_S)
            assert process.returncode in (-signal.SIGINT, 128 + signal.SIGINT), (line, process.returncode, errors)
            return
        out, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == ENDS_OTHERWISE.get(line, 0), (line, process.returncode, out[-500:], errors)

    def prepare(self):
        self.lease = ""
        self.run("holdfast put greeting hello && holdfast put a 1 && holdfast import records.ndjson", self.all)
        made = self.start("holdfast lease grant 10m", self.all)
        self.lease = made.communicate(timeout=PATIENCE_S)[0].decode().strip()
        assert self.lease
        past = "holdfast get --at \"$(date -u -d '2 seconds ago' +%FT%TZ)\" greeting"
        wait_for("there is a past", lambda: self.start(past, self.all).wait(PATIENCE_S) == 0)


@contextlib.contextmanager
def changes(cluster):
    """Keys that are watched change all the time."""
    stopping = threading.Event()

    def write():
        while not stopping.wait(0.05):
            for key in ("greeting", "jobs/1"):
                with contextlib.suppress(OSError):
                    cluster.nodes[1].ask("PUT", f"/v1/kv/{key}", b"x")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stopping.set()
        writer.join()


def main():
    top = help_of()
    commands = [(name,) for name in subcommands_in(top)]
    assert len(commands) > 20, commands
    assert subprocess.run([HOLDFAST, "help", "nonsense"], capture_output=True, check=False).returncode == 1
    commands.sort(key=lambda command: LAST.index(command[0]) if command[0] in LAST else -1)
    with Cluster(3) as cluster:
        for node in cluster.nodes:
            node.end(signal.SIGKILL)
            node.command.append("--enable-faults")
            node.start()
        cluster.wait_ready()
        wait_for("all have said where clients go",
                 lambda: all(member["client_url"] for member in cluster.nodes[0].cluster()["members"]))
        shell = Shell(cluster)
        shell.prepare()
        ran = 0
        for command in commands:
            text = help_of(*command)
            check_form(command, text)
            for one in subcommands_in(text):
                check_form((*command, one), help_of(*command, one))
            alone = f"http://127.0.0.1:{cluster.nodes[0].port}"
            with changes(cluster) if command[0] in ("watch", "get") else contextlib.nullcontext():
                for line in examples_in(text):
                    shell.run(line, alone if command[0] == "faults" else shell.all)
                    ran += 1
    print(f"{len(commands)} commands, {ran} examples run")


if __name__ == "__main__":
    main()
