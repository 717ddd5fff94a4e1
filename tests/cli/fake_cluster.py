"""Nodes that speak the HTTP API over one store in memory, and misbehave as a test tells them.

They are strict where a client could be sloppy: an unknown query parameter, a cursor of another
scan or a value without its length is an error.
"""

import base64
import json
import socket
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOMENT_PARAMETERS = {"consistency", "timeout", "revision", "at"}
SCAN_PARAMETERS = {"revision", "at", "prefix", "start", "end", "limit", "reverse", "keys_only", "count_only", "cursor",
                   "consistency", "timeout"}
PAGE_ITEMS = 1000


class Store:
    def __init__(self):
        self.lock = threading.Lock()
        self.revision = 1
        self.settings = {"keep_history": "1h"}
        self.items = {}  # key -> (value, create_revision, mod_revision, version)
        self.lifetimes = {}  # key -> what a scan tells of its end
        self.kept = {}  # Idempotency-Key -> (what was asked, the answer)

    def put(self, key, value):
        self.revision += 1
        old = self.items.get(key)
        created = old[1] if old else self.revision
        self.items[key] = (value, created, self.revision, old[3] + 1 if old else 1)
        return old is None


def json_bytes(name, value):
    try:
        return {name: value.decode("utf-8")}
    except UnicodeDecodeError:
        return {name + "_base64": base64.b64encode(value).decode()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves whole

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", headers=()):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def problem(self, status, code, outcome="not_applied", retryable=False, headers=()):
        self.answer(status, {"type": f"urn:holdfast:{code}", "title": code, "status": status,
                             "detail": f"{code} at {self.server.node.name}", "code": code,
                             "outcome": outcome, "retryable": retryable}, headers)

    def events_after(self, last):
        """What happens up to revision 9: a change at a time, and then this node ends the watch."""
        events = [("progress", last, {"revision": last})]
        if last < 9:
            kind = [{"type": "put", "key": f"k{last + 1}", "value": "a\nb", "mod_revision": last + 1},
                    {"type": "delete", "key": "gone", "mod_revision": last + 1}]
            events.append(("change", last + 1, {"revision": last + 1, "events": kind}))
        else:
            events.append(("overflow", last, {"revision": last, "compact_revision": 20}))
        return "".join(f"event: {name}\nid: {number}\ndata: {json.dumps(data)}\n\n"
                       for name, number, data in events).encode()

    def happenings_after(self, last):
        """Three things happen to each process of a node; the second time it is another process."""
        epoch = self.server.node.epoch
        kept = [("election", "info", "candidate in term 1"), ("role", "info", "leader in term 2"),
                ("fence", "error", "the disk says\nno")]
        told = {"time": "2026-11-29T08:48:57.250Z", "node": self.server.node.name, "term": 2}
        seen = 0
        if last is None or last.startswith(f"{epoch:016x}-"):
            seen = int(last.split("-")[1]) if last else 0
            events = [("progress", seen, {"id": f"{epoch:016x}-{seen}"})]
        else:
            events = [("reset", 0, {"id": f"{epoch:016x}-0", **told, "reason": "another process", "missed": None})]
        for number, (kind, level, text) in enumerate(kept, 1):
            if number > seen:
                events.append(("event", number, {"id": f"{epoch:016x}-{number}", **told, "kind": kind, "level": level,
                                                 "text": text, "fields": {}}))
        self.server.node.epoch += 1
        return "".join(f"event: {name}\nid: {epoch:016x}-{number}\ndata: {json.dumps(data)}\n\n"
                       for name, number, data in events).encode()

    def handle_request(self):
        node = self.server.node
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True,
                                            encoding="utf-8", errors="surrogateescape"))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with node.lock:
            node.requests.append((self.command, url.path, query, dict(self.headers)))
            fault = node.next_fault(self.command)
        if fault == "close":
            return self.drop()
        if fault and fault != "close_after":
            status, code, outcome = fault
            headers = [("Retry-After", "60" if code == "overloaded" else "1")] if status == 503 else []
            return self.problem(status, code, outcome, True, headers)
        if url.path == "/v1/cluster":
            if query:
                return self.problem(400, "bad_request")
            return self.answer(200, node.cluster_view())
        if url.path == "/v1/cluster/settings":
            if self.command == "PATCH":
                node.store.settings.update(json.loads(body))
            return self.answer(200, node.store.settings)
        if url.path == "/v1/faults":
            if self.command == "PUT":
                node.set_so = json.loads(body)
            return self.answer(200, {"faults": node.set_so, "since": "2026-01-31T13:03:22.123Z" if node.set_so else None,
                                     "warning": "the disk is stalled" if node.set_so else None})
        if url.path == "/v1/compact" and self.command == "POST":
            return self.answer(200, {"compact_revision": json.loads(body)["revision"]})
        if url.path == "/v1/usage" and set(query) <= {"prefix", "timeout"}:
            return self.answer(200, {"revision": 9, "keys": 1 if query.get("prefix") == "one" else 12345,
                                     "bytes": 67890, "stored_bytes": 99, "exact": query.get("prefix") == "exact"})
        if url.path.startswith("/v1/history/") and set(query) <= MOMENT_PARAMETERS | {"limit"}:
            return self.answer(200, {"revision": 9, "key": "k", "compact_revision": 2, "count": 2, "next": 3,
                                     "versions": [{"type": "delete", "mod_revision": 8},
                                                  {"type": "put", "mod_revision": 5, "create_revision": 4,
                                                   "version": 2, "value": "a\nb"}]})
        if url.path == "/v1/watch" and set(query) <= {"key", "prefix", "from", "prev", "filter", "timeout"}:
            return self.answer(200, self.events_after(int(self.headers.get("Last-Event-ID", "4"))),
                               [("Content-Type", "text/event-stream")])
        if url.path == "/v1/events" and set(query) <= {"last", "timeout"}:
            return self.answer(200, self.happenings_after(self.headers.get("Last-Event-ID")),
                               [("Content-Type", "text/event-stream")])
        if url.path.startswith("/v1/cluster/members/"):
            if set(query) != {"timeout"} or body:
                return self.problem(400, "bad_request")
            return self.change_members(node.cluster, url.path.split("/")[4:])
        if url.path == "/v1/bulk" and set(query) <= {"timeout"}:
            return self.bulk(body)
        if fault == "close_after":  # carried out, but the answer is lost
            with node.store.lock:
                self.change_once(url, query, body)
            return self.drop()
        with node.store.lock:
            if self.command in ("PUT", "DELETE", "POST"):
                return self.answer(*self.change_once(url, query, body))
            return self.read(url, query)

    do_GET = do_PUT = do_DELETE = do_POST = do_PATCH = handle_request

    def drop(self):
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def key_of(self, url):
        return urllib.parse.unquote_to_bytes(url.path[len("/v1/kv/"):])

    def condition_fails(self, key):
        item = self.server.node.store.items.get(key)
        etag = f'"{item[2]}"' if item else None
        match, none_match = self.headers.get("If-Match"), self.headers.get("If-None-Match")
        if match and not (etag and match in ("*", etag)):
            return True
        return bool(none_match and etag and none_match in ("*", etag))

    def change_once(self, url, query, body):
        kept, key = self.server.node.store.kept, self.headers.get("Idempotency-Key")
        asked = (self.command, url.path, {**query, "timeout": None}, body,
                 self.headers.get("If-Match"), self.headers.get("If-None-Match"))
        if key is None:
            return self.change(url, query, body)
        if key not in kept:
            kept[key] = (asked, self.change(url, query, body))
        if kept[key][0] != asked:
            return 422, {"code": "idempotency_mismatch", "outcome": "not_applied", "retryable": False}
        return kept[key][1]

    def change(self, url, query, body):
        store = self.server.node.store
        if url.path == "/v1/txn":
            transaction = json.loads(body)
            store.revision += 1
            return 200, {"revision": store.revision, "succeeded": not transaction.get("if"),
                         "results": [], "asked": transaction}
        if url.path == "/v1/kv":
            prefix = query["prefix"].encode("utf-8", "surrogateescape")
            doomed = [key for key in store.items if key.startswith(prefix)]
            for key in doomed:
                del store.items[key]
            store.revision += 1 if doomed else 0
            return 200, {"revision": store.revision, "deleted": len(doomed)}
        key = self.key_of(url)
        if self.condition_fails(key):
            return 412, {"code": "precondition_failed", "detail": "precondition_failed",
                         "outcome": "not_applied", "retryable": False}
        if url.path.startswith("/v1/leases/") and self.command == "PUT":
            return 200, {"id": url.path.split("/")[3], "ttl_ms": 1500}
        if self.command == "PUT":
            created = store.put(key, body)
            return (201 if created else 200, {"revision": store.revision, "created": created},
                    [("ETag", f'"{store.revision}"')])
        deleted = store.items.pop(key, None) is not None
        store.revision += 1 if deleted else 0
        return 200, {"revision": store.revision, "deleted": int(deleted)}

    def bulk(self, body):
        """A put a line. Faults are met line by line; one that closes cuts the answers off."""
        node, answers = self.server.node, []
        for number, line in enumerate(body.splitlines(), 1):
            put = json.loads(line)["put"]
            key, value = (put[name].encode() if name in put else base64.b64decode(put[name + "_base64"])
                          for name in ("key", "value"))
            with node.lock:
                node.bulk_lines += 1
                fault = node.next_fault("PUT")
            if isinstance(fault, tuple):
                status, code, outcome = fault
                answers.append({"error": {"line": number, "status": status, "code": code, "detail": f"{code} at line",
                                          "outcome": outcome, "retryable": status in (503, 504)}})
                continue
            if fault != "close":
                with node.store.lock:
                    created = node.store.put(key, value)
                    answers.append({"revision": node.store.revision, "put": {"created": created}})
            if fault:
                text = "".join(json.dumps(answer) + "\n" for answer in answers[:-1]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text) + 1))
                self.end_headers()
                self.wfile.write(text)
                return self.drop()
        return self.answer(200, "".join(json.dumps(answer) + "\n" for answer in answers).encode())

    def change_members(self, cluster, path):
        name, act = path[0], (self.command, *path[1:])
        if name not in cluster.members:
            return self.problem(404, "member_not_found")
        if act == ("DELETE",):
            if list(cluster.members) == [name]:
                return self.problem(409, "conflict")
            del cluster.members[name]
        elif act == ("POST", "promote"):
            cluster.members[name] = True
        else:
            return self.problem(405, "method_not_allowed")
        return self.answer(200, {"cluster_id": "00c0ffee", "warning": cluster.warning(), "members": [
            {"name": name, "id": "00ff", "peer": "127.0.0.1:9000", "voter": voter}
            for name, voter in cluster.members.items()]})

    def read(self, url, query):
        store = self.server.node.store
        if url.path == "/v1/kv":
            return self.scan(query)
        if set(query) - MOMENT_PARAMETERS:
            return self.problem(400, "bad_request")
        item = store.items.get(self.key_of(url))
        if item is None:
            return self.problem(404, "key_not_found")
        return self.answer(200, item[0], [("ETag", f'"{item[2]}"'),
                                          ("Holdfast-Create-Revision", str(item[1])),
                                          ("Holdfast-Version", str(item[3]))])

    def scan(self, query):
        store = self.server.node.store
        if set(query) - SCAN_PARAMETERS:
            return self.problem(400, "bad_request")
        of_bytes = lambda name: query.get(name, "").encode("utf-8", "surrogateescape")
        keys = sorted(key for key in store.items
                      if key.startswith(of_bytes("prefix")) and key >= of_bytes("start")
                      and ("end" not in query or key < of_bytes("end")))
        if query.get("reverse") == "true":
            keys.reverse()
        answer = {"revision": store.revision, "items": [], "count": len(keys)}
        if query.get("count_only") == "true":
            return self.answer(200, answer)
        first = int(query.get("cursor", "c0")[1:])
        page = keys[first:first + min(int(query.get("limit", PAGE_ITEMS)), PAGE_ITEMS)]
        answer["count"] = len(page)
        if first + len(page) < len(keys):
            answer["next"] = f"c{first + len(page)}"
        for key in page:
            value, created, modified, version = store.items[key]
            item = {**json_bytes("key", key), "create_revision": created, "mod_revision": modified,
                    "version": version, "lease": None, **store.lifetimes.get(key, {})}
            if query.get("keys_only") != "true":
                item.update(json_bytes("value", value))
            answer["items"].append(item)
        return self.answer(200, answer)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # A command that has enough ends, whatever is still on its way to it.
        if not isinstance(sys.exc_info()[1], ConnectionResetError):
            super().handle_error(request, client_address)


class Node:
    def __init__(self, cluster, name):
        self.cluster, self.name, self.store = cluster, name, cluster.store
        self.lock = threading.Lock()
        self.requests = []
        self.faults = []            # taken one by one, by every request
        self.set_so = {}            # by PUT /v1/faults
        self.fault_of_write = None  # asked with the number of a write
        self.writes = 0
        self.bulk_lines = 0
        self.epoch = 1              # of its events
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.node = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def next_fault(self, method):
        if self.faults:
            return self.faults.pop(0)
        if method == "PUT" and self.fault_of_write:
            self.writes += 1
            return self.fault_of_write(self.writes)
        return None

    def puts(self):
        with self.lock:
            return [request for request in self.requests if request[0] == "PUT"]

    def cluster_view(self):
        leader = self.cluster.leader
        role = "leader" if leader == self.name else "follower"
        voters = self.cluster.members
        members = [{"name": node.name, "id": str(2**64 - 1 - i), "voter": voters[node.name],
                    "role": "leader" if node.name == leader else
                            "follower" if voters[node.name] else "learner",
                    "peer": f"127.0.0.1:{9000 + i}", "client_url": node.url, "healthy": True,
                    "match_index": 90, "lag_entries": i, "last_contact_ms": 12 if leader else None}
                   for i, node in enumerate(self.cluster.nodes) if node.name in voters]
        return {"cluster_id": "00c0ffee", "leader": leader, "term": 3, "quorum": leader is not None,
                "node": {"name": self.name, "role": role, "term": 3, "commit_index": 1091,
                         "applied_index": 1090, "durable_index": 60,
                         "revision": self.store.revision, "state_hash": None,
                         "state_hash_index": None, "fenced": None},
                "members": members, "warning": self.cluster.warning()}

    def stop(self):
        if self.thread:
            self.server.shutdown()
            self.thread.join()
            self.server.server_close()
            self.thread = None


class FakeCluster:
    def __init__(self, nodes=1):
        self.store = Store()
        self.leader = "n1"
        self.nodes = []
        for i in range(nodes):
            self.nodes.append(Node(self, f"n{i + 1}"))
        self.members = {node.name: True for node in self.nodes}  # and whether each votes

    def warning(self):
        voters = sum(self.members.values())
        return f"{voters} voters: even" if voters % 2 == 0 else None

    @property
    def urls(self):
        return ",".join(node.url for node in self.nodes)

    def stop(self):
        for node in self.nodes:
            node.stop()
