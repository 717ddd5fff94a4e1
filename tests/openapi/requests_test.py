#!/usr/bin/python3
"""Requests made of the document of the API, such as fit it and such as do not, against a node that runs: no answer
is a 500 or comes late, each has a status that the document lists for its call and a body as its schema says, what
does not fit is refused, and every call succeeds now and then; and so are messages on a WebSocket. Prints its seed;
--seed N repeats it.

The node makes faults as it is asked to, but is asked only for such as let it go on: its clocks run and stand
otherwise, and its syncs are a little late. A disk that stalls, fails or is full, and links, are for
tests/cluster/faults_test.py. Here they are only refused. Nobody waits long for a lock."""

import argparse
import asyncio
import collections
import http.client
import json
import os
import random
import socket
import sys
import urllib.parse

import websockets

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "cluster")]
from cluster import Cluster  # noqa: E402
from document import calls, objection, resolved  # noqa: E402
from generate import TEXTS, fitting, unfitting  # noqa: E402

PATIENCE_S = 20
KEYS = ["a", "b/c", "ü", "k1", "k2", "k3", "x/y/z"]
LOCKS = ["l", "jobs/nightly", "ü"]
HANDSHAKE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
# Each makes a handshake none; None: without the field.
BROKEN_HANDSHAKE = {"Connection": ["keep-alive", None], "Upgrade": ["h2c", None], "Sec-WebSocket-Version": ["8", None],
                    "Sec-WebSocket-Key": ["x", None], "Origin": ["http://elsewhere.example", "null"]}
METHODS = ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"]
# One node alone has nobody to hand over to.
MAY_NEVER_SUCCEED = {"changeLeader"}
BROKEN_FIELDS = {"If-Match": ["7", "\"7", "", "\"7\" \"8\""], "If-None-Match": ["7", "W/7", ""],
                 "Idempotency-Key": ["", "a b", "x" * 129], "Last-Event-ID": ["x", "-1", ""]}


class Request:
    def __init__(self, call):
        self.call, self.method, self.path = call, call.method, call.path
        self.query, self.fields, self.body = [], {}, None
        self.must_fail = False
        self.lines = []  # of a bulk, those that have answers: (number, whether it fits)

    def target(self):
        pairs = [f"{urllib.parse.quote(name, safe='')}={urllib.parse.quote(value, safe='')}"
                 for name, value in self.query]
        return self.path + ("?" + "&".join(pairs) if pairs else "")

    def __str__(self):
        return f"{self.method} {self.target()[:300]} {self.fields} {(self.body or b'')[:300]!r}"


class Maker:
    """Makes requests, and learns from the answers what there is to ask for."""

    def __init__(self, draw):
        self.draw = draw
        self.revision = 1
        self.leases = ["0000000000000001"]
        self.cursors = {}
        self.event_id = "0123456789abcdef-1"
        self.tokens = {}  # by the names of locks
        self.lock = LOCKS[0]  # of the request that is being made

    def learn(self, call, headers, body):
        self.revision = max(self.revision, int(headers.get("holdfast-revision", 1)))
        if call.name == "followEvents" and b"id: " in body:
            self.event_id = body.split(b"id: ")[1].split()[0].decode()
        if headers.get("content-type") != "application/json" or not body:
            return
        said = json.loads(body)
        if call.name == "grantLease" and "ttl_ms" in said:
            self.leases = [*self.leases[-7:], said["id"]]
        if call.name == "acquireLock":
            self.tokens[said["name"]] = said["token"]
        if isinstance(said.get("next"), str):
            self.cursors[call.name] = said["next"]

    def value_of(self, call, parameter):
        draw, name = self.draw, parameter["name"]
        if name == "key":
            return draw.choice(KEYS)
        if name in ("id", "lease"):
            return draw.choice(self.leases)
        if name == "name" and call.path.startswith("/v1/locks/"):
            self.lock = draw.choice(sorted(self.tokens) if "token" in call.those_in("query") and self.tokens else LOCKS)
            return self.lock
        if name == "token":
            return str(self.tokens.get(self.lock, 7) if draw.random() < 0.9 else draw.randrange(50))
        if name == "name":
            return draw.choice(["n1", "n4", "n5"])
        if name in ("revision", "min_revision", "from") and draw.random() < 0.9:
            return str(draw.randint(max(1, self.revision - 20), self.revision + (name == "from")))
        if name == "cursor" and call.name in self.cursors and draw.random() < 0.8:
            return self.cursors[call.name]
        if name == "at":
            return draw.choice(["2026-01-01T00:00:00Z", "2036-01-01T00:00:00Z", "1971-01-01T00:00:00.5+01:00"])
        if name == "timeout":
            return draw.choice(["300ms", "1s", "2s", "1ms"])
        if name == "Last-Event-ID" and "-" in str(parameter["schema"]):
            return draw.choice([self.event_id, "0123456789abcdef-1"])
        value = fitting(draw, parameter["schema"])
        return value if isinstance(value, str) else json.dumps(value)

    def fitting_request(self, call):
        request = Request(call)
        for name, parameter in call.those_in("path").items():
            request.path = request.path.replace("{" + name + "}", urllib.parse.quote(self.value_of(call, parameter)))
        few = self.draw.random() < 0.5
        for name, parameter in call.those_in("query").items():
            if parameter.get("required") or self.draw.random() < (0.1 if few else 0.3):
                request.query.append((name, self.value_of(call, parameter)))
        for name, parameter in call.those_in("header").items():
            if name not in BROKEN_HANDSHAKE and self.draw.random() < 0.2:
                request.fields[name] = self.value_of(call, parameter)
        if call.name == "watchKeys" and self.draw.random() < 0.3:
            request.query, request.fields = [], dict(HANDSHAKE)
        if call.name == "scanKeys" and self.draw.random() < 0.2:
            request.fields["Accept"] = "application/x-ndjson"
        if call.body and (call.body["required"] or self.draw.random() < 0.8):
            schema = call.body_schema()
            if call.line_schema():
                request.body = self.lines_of(call.line_schema(), request.lines)
            elif schema is None:
                request.body = self.draw.choice(TEXTS).encode()
            else:
                request.body = json.dumps(self.body_of(call, schema)).encode()
        return request

    def lines_of(self, schema, answered):
        """Lines that fit, that do not, and empty ones. Of those that are not empty it is noted what they are."""
        lines = []
        for number in range(1, 1 + self.draw.choice([0, 1, 3, 10])):
            fits = self.draw.random() < 0.7
            value = fitting(self.draw, schema) if fits else unfitting(self.draw, schema)
            is_empty = self.draw.random() < 0.1
            lines.append(self.draw.choice(["", "\t "]) if is_empty else json.dumps(value))
            if not is_empty:
                answered.append((number, fits))
        return ("\n".join(lines) + self.draw.choice(["", "\n"])).encode()

    def body_of(self, call, schema):
        body = fitting(self.draw, schema)
        if call.name == "addMember":  # nobody is to be dialled but who is not there
            body.update(name=self.draw.choice(["n4", "n5", "n1"]), id=f"{self.draw.getrandbits(64):016x}",
                        peer=f"127.0.0.1:{self.draw.choice([1, 2])}", client_url="http://127.0.0.1:1", learner=True)
        if call.name == "acquireLock":
            body.update(ttl=self.draw.choice(["1s", "1500ms", "30s"]), wait=self.draw.choice(["0s", "1ms", "20ms"]))
        if call.name == "setFaults":  # with a link it is refused: there is no peer
            body.update(disk=self.draw.choice([{}, {"stall": False}, {"delay": "1ms"}]), clock=self.draw.choice(
                [{}, {"rate": 2}, {"rate": 0.5, "wall_jump": "1h"}, {"wall_jump": "-1h"}]))
            if self.draw.random() < 0.7:
                body["links"] = []
        return body

    def unfitting_request(self, call):
        """One that is to be refused, whatever else it asks for; None: this kind of mistake cannot be made here."""
        draw, request = self.draw, self.fitting_request(call)
        request.must_fail = True
        if "Sec-WebSocket-Key" in request.fields:  # a handshake goes before whatever else is wrong
            name = draw.choice(sorted(BROKEN_HANDSHAKE))
            request.fields[name] = draw.choice(BROKEN_HANDSHAKE[name])
            request.fields = {name: value for name, value in request.fields.items() if value is not None}
            return request
        query = call.those_in("query")
        mistake = draw.choice(["unknown", "twice", "value", "field", "body", "no JSON", "a body", "escape", "long key"])
        if mistake == "unknown":
            request.query.append((draw.choice(["nobody", "Limit", "limit ", ""]), "1"))
        elif mistake == "twice" and query:
            name = draw.choice(sorted(query))
            value = self.value_of(call, query[name])
            request.query = [pair for pair in request.query if pair[0] != name] + [(name, value), (name, value)]
        elif mistake == "value" and query:
            name = draw.choice(sorted(query))
            schema = resolved(query[name]["schema"])
            bad = draw.choice(["", "x", "-1", "1.5", "true ", "0x10", "99999999999999999999999"])
            is_number = schema.get("type") == "integer" and bad.lstrip("-").isdigit()
            if objection(schema, int(bad) if is_number else bad) is None:
                return None
            if schema.get("type") == "string" and "enum" not in schema and "pattern" not in schema:
                return None
            request.query = [pair for pair in request.query if pair[0] != name] + [(name, bad)]
        elif mistake == "field" and set(call.those_in("header")) & set(BROKEN_FIELDS) and call.path.startswith("/v1/"):
            name = draw.choice(sorted(set(call.those_in("header")) & set(BROKEN_FIELDS)))
            request.fields[name] = draw.choice(BROKEN_FIELDS[name])
        elif mistake == "body" and call.body_schema():
            body = unfitting(draw, call.body_schema())
            request.body = json.dumps(body).encode()
        elif mistake == "no JSON" and call.body_schema():
            request.body = draw.choice([b"{", b"\xff", b"{\"a\":1,\"a\":1}", b"[" * 40 + b"]" * 40, b"{} {}"])
        elif mistake == "a body" and not call.body and call.path.startswith("/v1"):
            request.body = b"{}"
        elif mistake == "escape" and call.those_in("path"):
            request.path = call.path.replace("{key}", "%zz").replace("{id}", "%f").replace("{name}", "%")
        elif mistake == "long key" and ("{key}" in call.path or call.path.startswith("/v1/locks/")):
            request.path = call.path[:call.path.index("{")] + "k" * draw.choice([4097, 20000])
        else:
            return None
        return request


class Asker:
    """One connection, made anew where the node or a stream ends it."""

    def __init__(self, port):
        self.port, self.connection = port, None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def ask(self, request):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        fields = dict(request.fields)
        self.connection.request(request.method, request.target(), request.body, fields)
        answer = self.connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        if headers.get("content-type") == "text/event-stream" and request.method == "GET":
            body = answer.fp.readline() + answer.fp.readline() + answer.fp.readline() if answer.status == 200 else b""
            self.close()
            return answer.status, headers, body
        body = answer.read()
        if answer.will_close or "Upgrade" in fields:
            self.close()
        return answer.status, headers, body


def check(request, status, headers, body, statuses):
    why = request.call.objection_to(status, headers, body)
    assert why is None, f"{request}\n  {why}"
    assert status != 500, f"{request}\n  {body[:500]}"
    assert status < 500 or status in (503, 504), f"{request}: {status}"
    if request.must_fail:
        assert 400 <= status < 500, f"what does not fit was taken: {request}: {status} {body[:300]}"
    if request.call.line_schema() and status == 200:
        check_lines(request, [json.loads(line) for line in body.splitlines()])
    statuses[request.call.name][status] += 1


def check_lines(request, answers):
    assert len(answers) == len(request.lines), f"{request}: {len(answers)} answers to {len(request.lines)} lines"
    for (number, fits), answer in zip(request.lines, answers):
        error = answer.get("error")
        assert fits or (error and 400 <= error["status"] < 500), f"line {number} was taken: {request}: {answer}"
        if error:
            assert error["line"] == number and "last" not in error, f"line {number}: {request}: {answer}"
            assert error["status"] != 500, f"line {number}: {request}: {answer}"


def check_other_methods(asker):
    """A path takes the methods that it has in the document, and HEAD with GET; of any other it says which it takes."""
    methods = collections.defaultdict(set)
    for call in calls():
        methods[call.path].add(call.method)
    for path, taken in methods.items():
        if path.endswith("/promote"):
            continue  # the router has it with the path before
        allowed = taken | ({"HEAD"} if "GET" in taken else set())
        if path == "/v1/cluster/members/{name}":
            allowed |= {"POST"}
        for method in METHODS:
            if method in allowed:
                continue
            request = Request(next(call for call in calls() if call.path == path))
            request.method, request.path = method, path.replace("{", "").replace("}", "")
            status, headers, body = asker.ask(request)
            assert status == 405, f"{method} {path}: {status} {body}"
            listed = set(headers["allow"].split(", "))
            assert listed == allowed, f"{path}: Allow: {headers['allow']}, in the document {sorted(allowed)}"
            assert method == "HEAD" or request.call.objection_to(status, headers, body) is None, body


async def check_messages(port, maker, count):
    """On a WebSocket, message by message: each is answered, by what the document says, and what does not fit by an
    error. What watches that go on have to tell comes between."""
    draw, call = maker.draw, next(call for call in calls() if "x-messages" in call.operation)
    asks, answers = call.operation["x-messages"]["client"], call.operation["x-messages"]["server"]
    kinds, watching = collections.Counter(), set()
    async with websockets.connect(f"ws://127.0.0.1:{port}{call.path}", max_size=None) as socket:
        for _ in range(count):
            fits = draw.random() < 0.7
            message = fitting(draw, asks) if fits else unfitting(draw, asks)
            if fits and "watch" in message:
                watch = message["watch"]
                if draw.random() < 0.7:  # what is asked for with it seldom goes together
                    watch = message["watch"] = {name: watch[name] for name in ("id", "from", "prev") if name in watch}
                for name in [name for name in ("from", "min_revision") if name in watch]:
                    watch[name] = draw.randint(max(1, maker.revision - 5), maker.revision)
            await socket.send(json.dumps(message))
            kind, answer = None, {}
            while kind not in ("cancelled", "error") and (kind != "progress" or answer["id"] in watching):
                answer = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_S))
                why = objection(answers, answer)
                assert why is None, f"{message}: {str(answer)[:300]}: {why}"
                kind = next(iter(answer.keys() - {"id"}))
                kinds[kind] += 1
                if kind == "overflow":
                    watching.discard(answer["id"])
            if kind == "error":
                assert answer["error"]["status"] not in range(500, 503), f"{message}: {answer}"
                assert fits or answer["error"]["status"] < 500, f"{message}: {answer}"
            else:
                asked = message.get("watch" if kind == "progress" else "cancel", {}) if fits else {}
                assert answer["id"] == asked.get("id"), f"what does not fit was taken: {message}: {answer}"
                (watching.add if kind == "progress" else watching.discard)(answer["id"])
    assert {"progress", "cancelled", "error"} <= kinds.keys() or count < 100, kinds
    print(f"{'messages':16} {dict(sorted(kinds.items()))}")


def warm_up(asker):
    """Some of everything that may be asked for."""
    for key in KEYS:
        request = Request(next(call for call in calls() if call.name == "putKey"))
        request.path, request.body = "/v1/kv/" + urllib.parse.quote(key), key.encode()
        assert asker.ask(request)[0] == 201


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--requests", type=int, default=3000)
    options = parser.parse_args()
    print(f"--seed {options.seed}")
    draw = random.Random(options.seed)
    statuses = collections.defaultdict(collections.Counter)
    with Cluster(1, faults=True) as cluster:
        asker, maker = Asker(cluster.nodes[0].port), Maker(draw)
        check_other_methods(asker)
        warm_up(asker)
        all_calls = calls()
        made = 0
        while made < options.requests:
            call = all_calls[made % len(all_calls)]
            fits = draw.random() < 0.6
            request = maker.fitting_request(call) if fits else maker.unfitting_request(call)
            if request is None:
                continue
            made += 1
            try:
                status, headers, body = asker.ask(request)
            except (socket.timeout, http.client.HTTPException, OSError) as error:
                raise AssertionError(f"no whole answer to {request}: {error!r}") from error
            check(request, status, headers, body, statuses)
            maker.learn(call, headers, body)
        asyncio.run(check_messages(cluster.nodes[0].port, maker, options.requests // 10))
        cluster.check_alive()
        asker.close()
    for call in all_calls:
        seen = statuses[call.name]
        print(f"{call.name:16} {dict(sorted(seen.items()))}")
        assert any(status < 300 for status in seen) or call.name in MAY_NEVER_SUCCEED, f"{call.name} never succeeded"


if __name__ == "__main__":
    main()
