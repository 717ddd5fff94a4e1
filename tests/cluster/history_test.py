#!/usr/bin/env python3
"""The check itself is checked: it accepts what may be, and names what may not."""

import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from history import OK, REFUSED, UNKNOWN, Key, check_final, check_key  # noqa: E402
from workers import Workers  # noqa: E402


def key(writes, reads):
    made = Key("k")
    made.writes = [list(w) for w in writes]
    made.reads = reads
    return made


ONE_TWO = [(1, 0, 1, OK), (2, 2, 3, OK)]
GOOD = [
    key(ONE_TWO, [(2, 4, 5)]),
    key(ONE_TWO, [(1, 2.1, 2.9), (2, 2.2, 2.8)]),
    key(ONE_TWO, [(0, 0.1, 0.5), (1, 0.6, 0.7)]),
    key([(1, 0, 1, OK), (2, 2, float("inf"), UNKNOWN)], [(1, 5, 6), (2, 7, 8)]),
]
BAD = [
    ("stale", key(ONE_TWO, [(1, 4, 5)])),
    ("stale", key(ONE_TWO, [(0, 1.5, 1.6)])),
    ("phantom", key(ONE_TWO, [(2, 0.5, 1.5)])),
    ("refused but seen", key([(1, 0, 1, REFUSED)], [(1, 2, 3)])),
    ("went back", key([(1, 0, 1, OK), (2, 2, float("inf"), UNKNOWN)], [(2, 5, 6), (1, 7, 8)])),
]


def expect_refusal(word, check):
    try:
        check()
    except AssertionError as problem:
        assert str(problem).startswith(word), f"expected '{word}', got '{problem}'"
        return
    raise AssertionError(f"'{word}' was not seen")


def fail(word):
    raise AssertionError(word)


def work(*words):
    workers = Workers()
    for word in words:
        workers.add(fail, word)
    with workers:
        pass


def main():
    for good in GOOD:
        check_key(good)
    for word, bad in BAD:
        expect_refusal(word, lambda bad=bad: check_key(bad))
    unsure = key([(1, 0, 1, OK), (2, 2, float("inf"), UNKNOWN)], [])
    check_final(unsure, 1)
    check_final(unsure, 2)
    expect_refusal("lost or doubled", lambda: check_final(unsure, 0))
    expect_refusal("lost or doubled", lambda: check_final(key(ONE_TWO, []), 1))
    work()
    expect_refusal("a thread failed", lambda: work("a thread failed"))
    print(f"{len(GOOD) + len(BAD) + 6} passed, 0 failed")


if __name__ == "__main__":
    main()
