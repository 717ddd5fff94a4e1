"""Whether a recorded history of keys is linearizable: an independent check, by search.

Keys are independent registers, so each is searched alone (Wing and Gong's search with Lowe's memory of
what was tried). Values are unique, so that a read names the write that it saw; an unknown outcome stays
open for ever, or until somebody has seen its value. The search has a budget, and one that ends without
a verdict is a failure: take fresh keys more often, or fewer clients."""

import dataclasses
import itertools
import math

# What an operation asks for. A condition names a value that its client has seen.
READ, PUT, CREATE, CAS, DELETE = "read", "put", "create", "cas", "delete"
UNKNOWN = "unknown"  # the result of a change that may or may not have happened
NOT_SEEN = "not seen"

CONFIGURATIONS_MAX = 300_000  # of one key: some seconds


@dataclasses.dataclass(eq=False)
class Operation:
    kind: str
    call: float
    end: float = math.inf
    value: object = None      # PUT, CREATE, CAS: what it writes
    expected: object = None   # CAS: the value that must be there
    # READ: the value, None where nothing is. PUT: whether the key is new. Others: whether they did it.
    result: object = UNKNOWN
    revision: int = 0         # of what it read or wrote; 0: none, or not known
    found: object = NOT_SEEN  # where a condition failed: the value that was there, if it is known
    where: str = ""

    def __str__(self):
        asked = {CAS: f"cas {self.expected} → {self.value}", PUT: f"put {self.value}",
                 CREATE: f"create {self.value}"}.get(self.kind, self.kind)
        said = f"found {self.found}" if self.found != NOT_SEEN else self.result
        end = "…" if self.end == math.inf else f"{self.end:.4f}"
        return f"[{self.call:.4f} {end}] {self.where} {asked}: {said} (revision {self.revision})"


class Illegal(Exception):
    pass


def step(operation, state):
    """The state after `operation`. Illegal: its answer could not be given in this state."""
    if operation.kind == READ:
        if operation.result != state:
            raise Illegal
        return state
    does = {PUT: True, CREATE: state is None, CAS: state is not None and state == operation.expected,
            DELETE: state is not None}[operation.kind]
    if operation.result != UNKNOWN:
        said = state is None if operation.kind == PUT else does
        if operation.result != said or (operation.found != NOT_SEEN and operation.found != state):
            raise Illegal
    return operation.value if does else state


def check(history):
    """`history`: key → operations, of which none was refused. Raises AssertionError."""
    for key, operations in history.items():
        name_what_was_found(key, operations)
        check_key(key, operations)
    check_revisions(history)


def seen_or_done(operation):
    """The value that was certainly in the register; None: nothing is known."""
    if operation.kind == READ:
        return operation.result if operation.result != UNKNOWN else None
    return operation.value if is_done(operation) else None


def is_done(operation):
    return operation.result is True or (operation.kind == PUT and operation.result is False)


def name_what_was_found(key, operations):
    """One value, one revision: more would be a change that was done twice. A condition that failed
    names the revision that it met; here it becomes the value, where somebody has seen both."""
    revision_of, value_at = {}, {}
    for operation in operations:
        value = seen_or_done(operation)
        if value is None or not operation.revision:
            continue
        known = revision_of.setdefault(value, operation.revision)
        assert known == operation.revision, \
            f"doubled: {key} has {value} at revision {known} and at {operation.revision}"
        other = value_at.setdefault(operation.revision, value)
        assert other == value, f"{key} has {other} and {value} at revision {operation.revision}"
    for operation in operations:
        if operation.kind in (CREATE, CAS) and operation.result is False and operation.revision:
            operation.found = value_at.get(operation.revision, NOT_SEEN)


def check_revisions(history):
    """Of all keys together: each change has a revision of its own, and one that began after another was
    acknowledged has a higher one."""
    changes = [(o.call, o.end, o.revision, f"{key} {o}") for key, operations in history.items()
               for o in operations if o.kind != READ and is_done(o) and o.revision]
    revisions = {}
    for change in changes:
        other = revisions.setdefault(change[2], change)
        assert other is change, f"one revision, two changes: {other[3]} and {change[3]}"
    by_end = sorted(changes, key=lambda change: change[1])
    newest, ended = (0, ""), 0
    for call, _, revision, said in sorted(changes):
        while ended < len(by_end) and by_end[ended][1] < call:
            newest = max(newest, by_end[ended][2:])
            ended += 1
        assert revision > newest[0], f"revisions went back: {said} after {newest[1]}"


def check_key(key, operations, configurations_max=CONFIGURATIONS_MAX):
    known, unknown = settle(operations)
    verdict = search(known, unknown, configurations_max)
    if verdict is None:
        return
    tried, furthest, state = verdict
    around = "\n  ".join(str(o) for o in known[max(0, furthest - 12):furthest + 12])
    open_ones = "\n  ".join(map(str, unknown))
    what = "not decided within the budget" if tried > configurations_max else "not linearizable"
    raise AssertionError(f"{key}: {what}, {tried} configurations tried. It goes well up to the value {state} "
                         f"at operation {furthest} of {len(known)}:\n  {around}\nnever answered:\n  {open_ones}")


def settle(operations):
    """Operations with an end, by their beginning, and those without. A change whose value was seen
    has happened, by the end of whatever saw it first."""
    seen_by = {}

    def note(value, end):
        if value is not None:
            seen_by[value] = min(seen_by.get(value, math.inf), end)

    for operation in operations:
        if operation.kind == READ and operation.result != UNKNOWN:
            note(operation.result, operation.end)
        if operation.kind == CAS and operation.result is True:
            note(operation.expected, operation.end)
        if operation.found != NOT_SEEN:
            note(operation.found, operation.end)
    known, unknown = [], []
    for operation in sorted(operations, key=lambda o: o.call):
        if operation.kind == READ and operation.result == UNKNOWN:
            continue
        if operation.result == UNKNOWN and operation.value in seen_by:
            result = UNKNOWN if operation.kind == PUT else True  # of a put: whether the key was new
            operation = dataclasses.replace(operation, end=seen_by[operation.value], result=result)
        (known if operation.end < math.inf else unknown).append(operation)
    return known, unknown


def search(known, unknown, configurations_max):
    """None: linearizable. Else how many configurations were tried, and where the furthest stopped.

    A configuration: all of `known` before `first` are placed, of those after it the ones in `ahead`
    (bits), of `unknown` the ones in `placed`, and the register then holds `state`."""
    tried = set()
    stack = [(0, 0, 0, None)]
    furthest = (0, None)
    while stack:
        configuration = stack.pop()
        if configuration in tried:
            continue
        tried.add(configuration)
        first, ahead, placed, state = configuration
        if first > furthest[0]:
            furthest = (first, state)
        if first == len(known):
            return None
        if len(tried) > configurations_max:
            break
        stack += successors(known, unknown, configuration)
    return len(tried), *furthest


def successors(known, unknown, configuration):
    """What can come next, the most promising last: what ends soonest. An operation may come next if
    none that is not placed ended before it began."""
    first, ahead, placed, state = configuration
    horizon, candidates = math.inf, []
    for place in range(first, len(known)):
        if known[place].call > horizon:
            break
        if not ahead >> (place - first) & 1:
            candidates.append(place)
            horizon = min(horizon, known[place].end)
    following = []
    for number in range(len(unknown)):
        if not placed >> number & 1 and unknown[number].call <= horizon:
            after = step(unknown[number], state)
            # One that changes nothing can as well never happen.
            if after != state:
                following.append((first, ahead, placed | 1 << number, after))
    for place in sorted(candidates, key=lambda place: -known[place].end):
        if known[place].call > horizon:
            continue
        try:
            after = step(known[place], state)
        except Illegal:
            continue
        bits, lowest = ahead | 1 << (place - first), first
        while bits & 1:
            bits, lowest = bits >> 1, lowest + 1
        if after == state:
            # It fits here and disturbs nobody: no other order can do better.
            return [(lowest, bits, placed, after)]
        following.append((lowest, bits, placed, after))
    return following


def is_linearizable_by_force(operations):
    """The definition itself, for a few operations: every order of every choice of the unknown ones."""
    known = [o for o in operations if o.end < math.inf]
    unknown = [o for o in operations if o.end == math.inf and o.kind != READ]
    for count in range(len(unknown) + 1):
        for chosen in itertools.combinations(unknown, count):
            for order in itertools.permutations(known + list(chosen)):
                if respects_time(order) and is_legal(order):
                    return True
    return False


def respects_time(order):
    latest_call = -math.inf
    for operation in order:
        latest_call = max(latest_call, operation.call)
        if operation.end < latest_call:
            return False
    return True


def is_legal(order):
    state = None
    try:
        for operation in order:
            state = step(operation, state)
    except Illegal:
        return False
    return True
