"""Clients that do everything that a key allows, through every node, and write down what they saw, for
linearizability.py. Each client keeps to one node, so that a node that hangs holds up only its own, and
one of each node's only reads: the others soon wait for a change where none is taken, and then nobody
would see what such a node still serves. All share the same few keys, which are replaced before their
histories are too long, or hold too many unknown outcomes, to be searched."""

import collections
import itertools
import json
import random
import threading
import time

from history import OK, REFUSED, UNKNOWN, Connection
from linearizability import CAS, CREATE, DELETE, PUT, READ, Operation, check
from workers import Workers

KEYS = 10
KEY_OPERATIONS_MAX = 400
KEY_UNKNOWN_MAX = 4
CLIENT_TIMEOUT_S = 2
PAUSE_S = 0.003  # between a client's requests: the machine has to carry three nodes beside them
PAUSE_WHEN_REFUSED_S = 0.02


Request = collections.namedtuple("Request", "call end outcome is_change")


class Key:
    def __init__(self, name):
        self.name = name
        self.operations = []
        self.unknown = 0
        self.seen = []  # (value, etag) of late


class MixedLoad(Workers):
    """`with MixedLoad(cluster.nodes) as load:` runs until the block ends."""

    def __init__(self, nodes, clients_each=4, seed=1, prefix=""):
        super().__init__()
        self.nodes = nodes
        self.prefix = prefix
        self.lock = threading.Lock()
        self.serial = itertools.count(1)
        self.history = {}
        self.keys = [self._fresh() for _ in range(KEYS)]
        self.counts = {OK: 0, REFUSED: 0, UNKNOWN: 0}
        self.requests = {node.name: [] for node in nodes}  # all of them: Request, by their ends
        self.changes = {node.name: 0 for node in nodes}    # acknowledged
        for node in nodes:
            for i in range(clients_each):
                self.add(self._work, node, random.Random(f"{seed}/{node.name}/{i}"), i == 0)

    def _fresh(self):
        key = Key(f"{self.prefix}k{len(self.history)}")
        self.history[key.name] = key.operations
        return key

    def _work(self, node, dice, only_reads):
        connection = Connection(node.port, CLIENT_TIMEOUT_S)
        while not self.stopping.is_set():
            place = dice.randrange(KEYS)
            outcome = self._perform(connection, node, self.keys[place], dice, only_reads)
            self._renew(place)
            self.stopping.wait(PAUSE_WHEN_REFUSED_S if outcome == REFUSED else PAUSE_S)

    def _renew(self, place):
        with self.lock:
            key = self.keys[place]
            if len(key.operations) > KEY_OPERATIONS_MAX or key.unknown > KEY_UNKNOWN_MAX:
                self.keys[place] = self._fresh()

    def _perform(self, connection, node, key, dice, only_reads):
        kind = READ if only_reads else dice.choices((READ, PUT, CREATE, CAS, DELETE), (30, 25, 12, 25, 8))[0]
        expected, etag = dice.choice(key.seen[-2:] or [(None, None)])
        if kind == CAS and etag is None:
            kind = CREATE
        value = f"v{next(self.serial)}" if kind in (PUT, CREATE, CAS) else None
        headers = {CREATE: {"If-None-Match": "*"}, CAS: {"If-Match": etag}}.get(kind, {})
        method = {READ: "GET", DELETE: "DELETE"}.get(kind, "PUT")
        call = time.monotonic()
        answer = connection.request(method, f"/v1/kv/{key.name}", value, headers)
        end = time.monotonic()
        operation = Operation(kind, call, value=value, expected=expected if kind == CAS else None, where=node.name)
        with self.lock:
            self.counts[answer.outcome] += 1
            self.requests[node.name].append(Request(call, end, answer.outcome, kind != READ))
            self.changes[node.name] += answer.outcome == OK and kind != READ
            if answer.outcome == OK:
                operation.end = end
                note_answer(operation, answer)
            elif answer.outcome == UNKNOWN:
                key.unknown += kind != READ
            if answer.outcome != REFUSED:
                key.operations.append(operation)
        if answer.outcome == OK:
            shown = operation.result if kind == READ else value
            if shown is not None and answer.status != 412:
                key.seen.append((shown, answer.etag))
        return answer.outcome

    def since(self, moment, nodes=None):
        """The requests that ended after `moment` at `nodes`."""
        for node in nodes or self.nodes:
            for request in reversed(self.requests[node.name][:]):
                if request.end > moment:
                    yield request
                elif request.end < moment - 1:  # beside each other, clients do not write down in order
                    break

    def pause_after(self, moment, nodes=None):
        """Seconds from `moment` until a change that began after it was acknowledged, through any of
        `nodes`; None: not yet."""
        ends = [r.end for r in self.since(moment, nodes) if r.is_change and r.outcome == OK and r.call > moment]
        return min(ends) - moment if ends else None

    def final_reads(self):
        """Of each key through each node, as part of the history: what was unknown shows here."""
        for node in self.nodes:
            connection = Connection(node.port)
            for key, operations in self.history.items():
                call = time.monotonic()
                answer = connection.request("GET", f"/v1/kv/{key}")
                assert answer.outcome == OK, f"{node.name}: GET {key}: {answer}"
                operation = Operation(READ, call, time.monotonic(), where=node.name)
                note_answer(operation, answer)
                operations.append(operation)

    def check(self):
        assert all(self.changes.values()), f"nothing was done: {self.counts}"
        check(self.history)

    def flow(self, wait_for, nodes=None, count=20):
        """Waits until `count` more changes were acknowledged through each of `nodes`."""
        nodes = nodes or self.nodes
        goals = {node.name: self.changes[node.name] + count for node in nodes}
        wait_for(f"changes flow through {', '.join(goals)}", lambda: self.failure or all(
            self.changes[name] >= goal for name, goal in goals.items()))

    def operations(self):
        return sum(map(len, self.history.values()))


def note_answer(operation, answer):
    revision = int(answer.etag.strip('"')) if answer.etag else 0
    operation.revision = revision
    if answer.status == 412:
        assert operation.kind in (CREATE, CAS), f"412 to {operation}"
        operation.result = False
        if not revision:
            operation.found = None
    elif operation.kind == READ:
        operation.result = None if answer.status == 404 else answer.content.decode()
    elif operation.kind == DELETE:
        said = json.loads(answer.content)
        operation.result, operation.revision = said["deleted"] == 1, said["revision"]
    else:
        created = answer.status == 201
        assert revision, f"no ETag to {operation}"
        operation.result = created if operation.kind == PUT else True
        assert operation.kind != CAS or not created, f"a condition on a version was met, and made the key: {operation}"
