#!/usr/bin/env python3
"""clang-tidy over every source of the build folder, remembering what was clean: a file is looked at
again only when it, a header of ours that it includes, its flags or the rules have changed."""

import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

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


def batches_of(todo, most=24):
    """The sources of one target, so many at a time: most of the work is in the headers that they
    share. The largest batches come first, so that all processors have something to do to the end."""
    alike = {}
    for command, key in todo:
        target = object_of(command).split(".dir/")[0]
        alike.setdefault(target, []).append((command, key))
    batches = []
    for some in alike.values():
        size = -(-len(some) // -(-len(some) // most))
        batches += [some[i:i + size] for i in range(0, len(some), size)]
    return sorted(batches, key=len, reverse=True)


def object_of(command):
    return re.search(r" -o (\S+)", command["command"]).group(1)


def tidy(build, path, flags=()):
    run = subprocess.run([CLANG_TIDY, "-p", str(build), "--quiet", *flags, str(path)],
                         capture_output=True, text=True)
    noise = re.compile(r"^\d+ warnings? generated|^Suppressed|^Use -header-filter|^$")
    return run.returncode, [line for line in run.stdout.split("\n") if not noise.match(line)]


def lint_together(build, folder, batch):
    """What is wrong with a file that includes all of `batch`."""
    whole = folder / f"{batch[0][1]}.cc"
    whole.write_text("".join(f'#include "{command["file"]}"\n' for command, _ in batch))
    first, _ = batch[0]
    line = first["command"].replace(first["file"], str(whole))
    database = folder / batch[0][1]
    database.mkdir(exist_ok=True)
    (database / "compile_commands.json").write_text(
        json.dumps([{"directory": first["directory"], "command": line, "file": str(whole)}]))
    code, lines = tidy(database, whole,
                       [f"--config-file={TOP / '.clang-tidy'}", "--checks=-bugprone-suspicious-include",
                        r"--header-filter=/(storage|replication|server|client|bench|tests)/.*\.(h|cc)$"])
    shutil.rmtree(database)
    whole.unlink()
    return [] if code == 0 else lines or [f"{CLANG_TIDY} ended with {code}"]


def lint(build, clean, folder, batch):
    """What is wrong with the sources of a batch, and why they had to be looked at one by one, if so. Where
    not all is well together, also because two of them may not be in one file, what each says by itself counts."""
    together = lint_together(build, folder, batch) if len(batch) > 1 else ["it is the only one"]
    said = []
    for command, key in batch:
        code, lines = tidy(build, command["file"]) if together else (0, [])
        if code == 0:
            (clean / key).touch()
        else:
            said.append("\n".join(lines))
    return said, together[:1] if len(batch) > 1 else []


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    clean = build / "lint"
    clean.mkdir(exist_ok=True)
    headers = included_headers(build)
    commands = json.loads((build / "compile_commands.json").read_text())
    commands = [c for c in commands if not c["file"].endswith(".pb.cc")]
    if len(sys.argv) > 2:
        commands = [c for c in commands if any(part in c["file"] for part in sys.argv[2:])]
    keys = [(c, key_of(c, headers.get(object_of(c), []))) for c in commands]
    todo = [(c, key) for c, key in keys if not (clean / key).exists()]
    problems = 0
    with (tempfile.TemporaryDirectory(dir=build) as folder,
          concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool):
        look = functools.partial(lint, build, clean, pathlib.Path(folder))
        for said, split in pool.map(look, batches_of(todo)):
            problems += len(said)
            print("\n".join(said), end="\n" if said else "")
            if split and not said:
                print(f"lint: clean one by one, but not in one file, which takes longer: {split[0]}")
    print(f"lint: {len(commands)} sources, {len(todo)} looked at, {problems} with problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
