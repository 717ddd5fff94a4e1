#!/usr/bin/env python3
"""clang-tidy over every source of the build folder, remembering what was clean: a file is looked at
again only when it, a header of ours that it includes, its flags or the rules have changed."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
CLANG_TIDY = "clang-tidy-19"


def included_headers(build):
    """object → our files that it was made from, as ninja has them."""
    listed = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], capture_output=True, text=True,
                            check=True).stdout
    found, current = {}, None
    for line in listed.split("\n"):
        if line and not line.startswith(" "):
            current = found.setdefault(line.split(":")[0], [])
        elif line.strip().startswith(str(TOP)) and current is not None:
            current.append(line.strip())
    return found


def key_of(command, headers):
    digest = hashlib.sha256()
    digest.update((TOP / ".clang-tidy").read_bytes())
    digest.update(command["command"].encode())
    for path in sorted({command["file"], *headers}):
        if os.path.exists(path):
            digest.update(path.encode() + b"\0" + pathlib.Path(path).read_bytes())
    return digest.hexdigest()


def lint(build, command):
    run = subprocess.run([CLANG_TIDY, "-p", str(build), "--quiet", command["file"]],
                         capture_output=True, text=True)
    noise = re.compile(r"^\d+ warnings? generated|^Suppressed|^Use -header-filter|^$")
    return run.returncode, [line for line in run.stdout.split("\n") if not noise.match(line)]


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    cache = build / "lint"
    cache.mkdir(exist_ok=True)
    headers = included_headers(build)
    commands = json.loads((build / "compile_commands.json").read_text())
    commands = [c for c in commands if not c["file"].endswith(".pb.cc")]
    if len(sys.argv) > 2:
        commands = [c for c in commands if any(part in c["file"] for part in sys.argv[2:])]
    todo = []
    for command in commands:
        made = re.search(r" -o (\S+)", command["command"]).group(1)
        key = key_of(command, headers.get(made, []))
        if not (cache / key).exists():
            todo.append((command, key))
    problems = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (command, key), (code, lines) in zip(todo, pool.map(lambda t: lint(build, t[0]), todo)):
            if code == 0:
                (cache / key).touch()
                continue
            problems += 1
            print("\n".join(lines))
    print(f"lint: {len(commands)} sources, {len(todo)} looked at, {problems} with problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
