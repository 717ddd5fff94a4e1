#!/usr/bin/env python3
"""What the compiler and clang-tidy cannot see: who may include whom, words that are banned with
what to use instead, sizes, and files that nobody uses. Reads only; says `file:line: what, instead`."""

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]

# folder → what its files may include of ours. The first match by longest prefix counts.
MAY_INCLUDE = {
    "storage/base": ["storage/base"],
    "storage/fs": ["storage/base", "storage/fs"],
    "storage/log": ["storage/base", "storage/fs", "storage/log"],
    "storage/kv": ["storage/base", "storage/fs", "storage/kv", "storage/log/log_entry.h",
                   "storage/state_machine.h"],
    "storage/backup": ["storage/base", "storage/backup"],
    "storage": ["storage"],
    "replication/raft": ["storage/base", "storage/log/log_entry.h", "storage/log/log_store.h",
                         "replication/raft"],
    "replication/transport": ["storage/base", "storage/fs", "storage/log/log_entry.h",
                              "replication/raft", "replication/transport"],
    # recovery.h makes what Raft starts from out of a log and a state.
    "replication/node": ["storage/base", "storage/log/log_entry.h", "storage/log/log_store.h",
                         "storage/log/segmented_log.h", "storage/kv/kv_state_machine.h",
                         "storage/kv/agreement.h", "storage/kv/command.h",
                         "storage/kv/settings.h",
                         "storage/state_machine.h", "replication"],
    "server/http": ["storage/base", "server/http"],
    "server": ["storage", "replication", "server"],
    # A node that joins a cluster is a client of it, for one call.
    "server/join.cc": ["storage/base", "server", "client/http_connection.h"],
    "client": ["storage/base", "client"],
    # A backup is checked while it is received; its format is pure.
    "client/cli/backup_file.h": ["storage/base", "storage/backup", "client"],
    "client/cli/backup_file.cc": ["storage/base", "storage/backup", "client"],
    "bench/micro": ["storage", "replication", "server", "bench", "tests/sim"],
    "bench": ["storage/base", "client", "bench"],
    "tests": ["storage", "replication", "server", "client", "bench", "tests"],
}

# Headers of others, and the only files that may see them.
KEPT_TO = {
    r"rocksdb/": r"^storage/kv/(rocks_\w+\.cc|rocks_words\.h|revision_order\.cc)$|^(bench/micro|tests)/",
    r"boost/beast": r"^server/http/[a-z_]+\.cc$|^client/[a-z_/]+\.cc$|^(bench|tests)/.*\.cc$",
    r"spdlog/": r"^storage/base/log\.cc$",
    r"nlohmann/json\.hpp": r"\.cc$|^tests/",  # that its types are there, a header may say
    r"CLI/": r"\.cc$",
    r"prometheus/": r"\.cc$",
    r"\.pb\.h": r"\.cc$",
    r"boost/asio": r"^(replication/(transport|node)|server|client|bench|tests)/",
    r"xxhash\.h": r"^storage/base/bytes\.cc$",
    r"zstd\.h": r"^storage/backup/[a-z]+\.cc$",
}

# pattern, where it is banned, where it is allowed all the same, what to do instead
BANNED = [
    (r"\brandom_device\b|\bmt19937|\bstd::rand\b|\brand\(\)", r"\.(cc|h)$", r"^$",
     "a holdfast::Random that was given in"),
    (r"steady_clock::now|system_clock::now|clock_gettime|gettimeofday", r"\.(cc|h)$",
     r"^storage/base/clock\.cc$|^bench/micro/", "a holdfast::Clock that was given in"),
    (r"\bsleep_for\b|\bsleep_until\b|\busleep\(|\bnanosleep\(", r"\.(cc|h)$", r"^client/|^bench/",
     "a condition with a deadline, or a step of virtual time"),
    (r"\bunordered_(map|set)\b", r"^replication/raft/", r"^$", "an ordered container"),
    (r"\b(std::)?(mutex|thread|atomic)\b", r"^replication/raft/", r"^$", "nothing: the core is pure"),
    (r"\blog_(info|warning|error)\(", r"^(replication/raft|storage/kv|storage/log)/", r"log_writer\.cc$",
     "an output or a returned error"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", r"\.(cc|h|py|sh|js|proto)$", r"^tests/tidy/", "do it now"),
    (r"\busing namespace (?!std::\w*_?literals)", r"\.(cc|h)$", r"^$", "the names that are used"),
    (r"(class|struct) \w*(Manager|Helper|Util|Impl)\b", r"\.(cc|h)$", r"^$", "a noun that says what it is"),
    (r"co_await [^;]*\[[^\]]*\] ?[({]", r"\.(cc|h)$", r"^$", "a named awaitable: GCC 12 miscompiles this"),
    (r"/work/|/root/", r".", r"^tests/tidy/", "a path inside the project"),
]

LINES_MAX = [(r"_test\.cc$", 800), (r"\.cc$", 500), (r"\.h$", 250)]


def files():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, check=True,
                            capture_output=True, text=True).stdout.split("\n")
    return [f for f in listed if f and (TOP / f).is_file()]


def layer_of(path):
    fits = [folder for folder in MAY_INCLUDE if (path + "/").startswith(folder + "/")]
    return max(fits, key=len) if fits else None


def check_includes(path, number, line):
    ours = re.match(r'#include "([^"]+)"', line)
    if ours:
        target, layer = ours.group(1), layer_of(path)
        if layer and not any(target == a or target.startswith(a + "/") for a in MAY_INCLUDE[layer]):
            yield f"{path}:{number}: {layer} may not include {target}; it may: {', '.join(MAY_INCLUDE[layer])}"
    theirs = re.match(r'#include [<"]([^>"]+)[>"]', line)
    if theirs:
        for header, allowed in KEPT_TO.items():
            if re.search(header, theirs.group(1)) and not re.search(allowed, path):
                yield f"{path}:{number}: {theirs.group(1)} is not for this file; only for {allowed}"


def check_file(path):
    text = (TOP / path).read_text(errors="replace")
    lines = text.split("\n")
    is_code = re.search(r"\.(cc|h)$", path)
    for number, line in enumerate(lines, 1):
        code = line.split("//")[0] if is_code else line
        if is_code:
            yield from check_includes(path, number, line)
        for pattern, where, allowed, instead in BANNED:
            seen = line if "TODO" in pattern else code
            if re.search(where, path) and not re.search(allowed, path) and re.search(pattern, seen):
                yield f"{path}:{number}: '{re.search(pattern, seen).group(0)}' is banned here; use {instead}"
    for pattern, limit in LINES_MAX:
        if re.search(pattern, path):
            if len(lines) > limit + 1:
                yield f"{path}:{limit}: {len(lines)} lines, at most {limit}: two subjects in one room?"
            break
    if path.endswith(".h") and "#pragma once" not in text:
        yield f"{path}:1: no '#pragma once'"


def check_dead_headers(paths):
    included = set()
    for path in paths:
        if re.search(r"\.(cc|h)$", path):
            included.update(re.findall(r'#include "([^"]+)"', (TOP / path).read_text()))
    for path in paths:
        if path.endswith(".h") and path not in included:
            yield f"{path}:1: no file includes this header"


def check_readmes(paths):
    folders = {str(pathlib.Path(p).parent) for p in paths if re.search(r"\.(cc|h|py)$", p)}
    for folder in sorted({f.split("/")[0] for f in folders if f != "."}):
        if f"{folder}/README.md" not in paths:
            yield f"{folder}/README.md:1: every folder says on one page what lives in it"


def main():
    paths = files()
    problems = [p for path in paths if re.search(r"\.(cc|h|py|sh|js|proto|md|txt|json)$", path)
                for p in check_file(path)]
    problems += check_dead_headers(paths)
    problems += check_readmes(paths)
    for problem in problems:
        print(problem)
    print(f"tidy: {len(paths)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
