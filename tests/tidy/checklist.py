#!/usr/bin/env python3
"""replication/CHECKLIST.md names rules and proofs: each must exist, and no number may be missing.
Reads only; says `file:line: what`."""

import functools
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
PAGE = "replication/CHECKLIST.md"
# How many pitfalls each letter has.
LETTERS = {"A": 20, "B": 16, "C": 14, "D": 11, "E": 10, "F": 14, "J": 12}


@functools.cache
def text_of(path):
    return path.read_text(errors="replace")


@functools.cache
def unit_tests():
    found = set()
    for path in TOP.glob("tests/*/*_test.cc"):
        for suite, name in re.findall(r"TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", text_of(path)):
            found.add(f"{suite}.{name}")
    return found


def file_of(name):
    """Files of replication/ are named without it."""
    for path in (TOP / "replication" / name, TOP / name):
        if path.is_file():
            return path
    return None


def defines(path, name):
    """A function, at the left margin or in a class; or a type."""
    word = re.escape(name)
    return re.search(rf"^(?:\S[^;\n]*[\s:*&]|  \S[^;\n]*[\s*&]){word}\([^;]*$|"
                     rf"^(?:class|struct|enum class) {word}\b", text_of(path), re.MULTILINE)


def check_rule(cell):
    here = None
    for name in re.findall(r"`([^`]+)`", cell):
        if "/" in name:
            here = file_of(name)
            if here is None:
                yield f"there is no file {name}"
        elif re.fullmatch(r"\w+", name) and here is None:
            yield f"{name}: in which file?"
        elif re.fullmatch(r"\w+", name) and not re.search("[A-Z]{2}|_applied$|^unknown$", name):
            if not defines(here, name):
                yield f"{here.relative_to(TOP)} has no {name}"


def is_there(name):
    folder, _, rest = name.partition("/")
    if folder == "scenarios":
        return (TOP / "tests/scenarios" / f"{rest}.txt").is_file()
    if folder == "planted":
        return len(list((TOP / "tests/planted").glob(f"{rest}-*.patch"))) == 1
    if folder == "sim":
        return any(defines(path, rest) for path in (TOP / "tests/sim").glob("*.cc"))
    if folder == "cluster":
        return (TOP / "tests/cluster" / rest).is_file()
    return name in unit_tests()


def check_proof(cell, rule):
    names = [name for name in re.findall(r"`([^`]+)`", cell) if "=" not in name]
    if not names and "there are no" not in rule:
        yield "no proof"
    for name in names:
        if not is_there(name):
            yield f"there is no {name}"


def check_page():
    seen = []
    for number, line in enumerate(text_of(TOP / PAGE).splitlines(), 1):
        row = re.fullmatch(r"\| ([A-Z])(\d+) \| ([^|]+) \| ([^|]+) \|([^|]*)\|", line)
        if line.startswith("| ") and not row and not re.match(r"\| (#|---) ", line):
            yield f"{PAGE}:{number}: not a row of four cells, the first a letter and a number"
        if not row:
            continue
        letter, index, _, rule, proof = row.groups()
        seen.append((letter, int(index)))
        for problem in [*check_rule(rule), *check_proof(proof, rule)]:
            yield f"{PAGE}:{number}: {letter}{index}: {problem}"
    wanted = [(letter, index) for letter, most in LETTERS.items() for index in range(1, most + 1)]
    if seen != wanted:
        lost = [f"{letter}{index}" for letter, index in wanted if (letter, index) not in seen]
        yield f"{PAGE}:1: not every number once and in order; missing: {', '.join(lost) or 'none'}"


def main():
    problems = list(check_page())
    for problem in problems:
        print(problem)
    print(f"checklist: {sum(LETTERS.values())} pitfalls, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
