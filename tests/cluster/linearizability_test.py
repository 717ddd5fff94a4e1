#!/usr/bin/env python3
"""The check is checked: known histories, good and bad; thousands of small ones against the definition
itself; a long one with and without a planted mistake; and a budget that ends."""

import math
import os
import random
import sys

sys.path.insert(0, os.path.dirname(__file__))
from linearizability import (CAS, CREATE, DELETE, PUT, READ, UNKNOWN, Operation, check,  # noqa: E402
                             check_key, is_linearizable_by_force, search, settle, step)

SMALL_HISTORIES = 6000
LONG_HISTORY = 3000
CLIENTS = 10


def put(value, call, end, result=False, revision=0):
    return Operation(PUT, call, end, value=value, result=result, revision=revision)


def lost(value, call):
    return Operation(PUT, call, value=value)


def read(value, call, end, revision=0):
    return Operation(READ, call, end, result=value, revision=revision)


def cas(expected, value, call, end, result=True, revision=0):
    return Operation(CAS, call, end, value=value, expected=expected, result=result, revision=revision)


def delete(call, end, result=True, revision=0):
    return Operation(DELETE, call, end, result=result, revision=revision)


A, B = put("a", 0, 1, result=True), put("b", 2, 3)

GOOD = {
    "one after the other": [A, read("a", 1.1, 1.2), B, read("b", 4, 5)],
    "a read beside a write sees either": [A, read("a", 2.2, 2.9), B, read("b", 2.3, 2.8)],
    "lost, and happened": [A, lost("b", 2), read("a", 3, 4), read("b", 5, 6)],
    "lost, and never happened": [A, lost("b", 2), read("a", 3, 4), read("a", 5, 6)],
    "lost, and happened long after": [A, lost("b", 2), put("c", 3, 4), read("c", 5, 6), read("b", 7, 8)],
    "lost, and only its marks are seen": [A, Operation(DELETE, 2), put("b", 3, 4, result=True)],
    "a condition that is met": [A, cas("a", "b", 2, 3), read("b", 4, 5)],
    "of two that compete one wins": [A, cas("a", "b", 2, 5), cas("a", "c", 2, 5, result=False), read("b", 6, 7)],
    "made once": [Operation(CREATE, 0, 1, value="a", result=True),
                  Operation(CREATE, 2, 3, value="b", result=False), read("a", 4, 5)],
    "deleted": [A, delete(2, 3), delete(4, 5, result=False), read(None, 6, 7)],
    "revisions rise": [put("a", 0, 1, True, revision=2), put("b", 2, 3, revision=3), read("b", 4, 5, revision=3)],
}
BAD = {
    "stale read": [A, B, read("a", 4, 5)],
    "stale read of nothing": [A, read(None, 2, 3)],
    "went back": [A, lost("b", 2), read("b", 3, 4), read("a", 5, 6)],
    "lost write": [A, B, cas("a", "c", 4, 5)],
    "lost write, by its marks": [A, put("b", 2, 3, result=True)],
    "lost delete": [A, delete(2, 3), read("a", 4, 5)],
    "phantom": [A, read("x", 2, 3)],
    "from the future": [A, read("b", 1.1, 1.2), B],
    "split brain": [A, put("b", 2, 10), put("c", 2, 10), read("b", 3, 4), read("c", 5, 6), read("b", 7, 8)],
    "split brain, both conditions met": [A, cas("a", "b", 2, 9), cas("a", "c", 2, 9)],
    "doubled cas": [A, cas("a", "b", 2, 3), put("a2", 4, 5), read("b", 6, 7)],
    "doubled, though nobody came between": [A, put("b", 2, 3, revision=3), read("b", 4, 5, revision=4)],
    "made twice": [Operation(CREATE, 0, 1, value="a", result=True),
                   Operation(CREATE, 2, 3, value="b", result=True)],
    "a condition that failed though it was met": [A, cas("a", "b", 2, 3, result=False)],
    "a failed condition names an old value": [put("a", 0, 1, True, revision=2), put("b", 2, 3, revision=3),
                                              cas("x", "c", 4, 5, result=False, revision=2)],
    "revisions went back": [put("a", 0, 1, True, revision=3), put("b", 2, 3, revision=2)],
    "one revision, two changes": [put("a", 0, 3, True, revision=2), put("b", 1, 2, revision=2)],
}


def copy(operations):
    return [Operation(**vars(o)) for o in operations]


def is_accepted(operations):
    try:
        check({"k": copy(operations)})
    except AssertionError:
        return False
    return True


def perform(dice, count, clients, unknown_share=0.1):
    """A history that is linearizable by its making: each operation happens at a moment between its
    call and its end. Of those without an answer some happen, some do not."""
    operations, state, free_at = [], None, [0.0] * clients
    moment, seen = 0.0, [None]
    for serial in range(count):
        moment += dice.random()
        client = min(range(clients), key=lambda c: free_at[c])
        call = max(free_at[client], moment - dice.uniform(0, 3))
        moment = max(moment, call)
        kind = dice.choice((READ, READ, PUT, CREATE, CAS, DELETE))
        operation = Operation(kind, call, moment + dice.uniform(0, 3))
        if kind in (PUT, CREATE, CAS):
            operation.value = f"v{serial}"
        if kind == CAS:
            operation.expected = dice.choice(seen[-3:])
        free_at[client] = operation.end
        is_lost = kind != READ and dice.random() < unknown_share
        if not is_lost or dice.random() < 0.5:
            after = step_of(operation, state)
            if not is_lost:
                operation.result = result_of(operation, state, after)
            state = after
            seen.append(state)
        if is_lost:
            operation.end = math.inf
        operations.append(operation)
    return operations


def step_of(operation, state):
    return state if operation.kind == READ else step(operation, state)


def result_of(operation, before, after):
    if operation.kind == READ:
        return before
    return before is None if operation.kind == PUT else after != before


def spoil(dice, operations):
    """A different answer for one operation: maybe still linearizable, maybe not."""
    operation = dice.choice(operations)
    values = [None] + [o.value for o in operations if o.value]
    if operation.kind == READ:
        operation.result = dice.choice(values)
    elif operation.result != UNKNOWN:
        operation.result = not operation.result


def compare_with_the_definition():
    verdicts = {True: 0, False: 0}
    for seed in range(SMALL_HISTORIES):
        dice = random.Random(seed)
        operations = perform(dice, dice.randint(2, 6), 3, unknown_share=0.3)
        if seed % 3:
            spoil(dice, operations)
        known, unknown = settle(operations)
        verdict = search(known, unknown, 100_000) is None
        truth = is_linearizable_by_force(operations)
        assert verdict == truth, f"seed {seed}: said {verdict}, is {truth}:\n" + "\n".join(map(str, operations))
        verdicts[verdict] += 1
    assert min(verdicts.values()) > SMALL_HISTORIES / 10, verdicts
    return verdicts


def long_history():
    dice = random.Random(7)
    operations = perform(dice, LONG_HISTORY, CLIENTS, unknown_share=0.003)
    check({"k": copy(operations)})
    reads = [o for o in operations if o.kind == READ and o.result]
    stale = reads[-1]
    stale.result = reads[len(reads) // 2].result
    assert not is_accepted(operations), "a stale read among thousands was not seen"


def budget():
    # Many writes at once without an answer, and a read that none of them explains.
    operations = [lost(f"v{i}", 0) for i in range(14)] + [Operation(DELETE, 0) for _ in range(14)]
    operations += [put("a", 1, 2, result=True), read("x", 3, 4)]
    try:
        check_key("k", operations, configurations_max=1000)
    except AssertionError as problem:
        assert "not decided within the budget" in str(problem), problem
        return
    raise AssertionError("a search that cannot end has passed")


def main():
    for name, operations in GOOD.items():
        check({name: copy(operations)})
    for name, operations in BAD.items():
        assert not is_accepted(operations), f"'{name}' was not seen"
    verdicts = compare_with_the_definition()
    long_history()
    budget()
    print(f"{len(GOOD)} good and {len(BAD)} bad histories told apart; {SMALL_HISTORIES} small ones as the "
          f"definition has it ({verdicts[True]} good, {verdicts[False]} bad); {LONG_HISTORY} operations with "
          f"{CLIENTS} clients; the budget ends")


if __name__ == "__main__":
    main()
