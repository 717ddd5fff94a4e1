"""The holdfast command against a scripted cluster. HOLDFAST names the program."""

import base64
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from fake_cluster import FakeCluster  # noqa: E402

HOLDFAST = os.environ["HOLDFAST"]
NO_LEADER = (503, "no_leader", "not_applied")
TIMEOUT = (504, "timeout", "unknown")
OK, OTHER, NOT_FOUND, PRECONDITION, UNKNOWN, UNAVAILABLE = range(6)


class CommandLineTest(unittest.TestCase):
    nodes = 1

    def setUp(self):
        self.cluster = FakeCluster(self.nodes)
        self.addCleanup(self.cluster.stop)
        self.directory = tempfile.mkdtemp(dir=os.path.dirname(HOLDFAST))
        self.addCleanup(shutil.rmtree, self.directory)

    def run_holdfast(self, *arguments, stdin=b"", endpoints=None, environment=()):
        clean = {"PATH": os.environ["PATH"], "TZ": "UTC",
                 "HOLDFAST_ENDPOINTS": endpoints or self.cluster.urls, **dict(environment)}
        return subprocess.run([HOLDFAST, *arguments], input=stdin, capture_output=True, timeout=60,
                              env=clean, check=False)

    def expect(self, exit_code, *arguments, **options):
        result = self.run_holdfast(*arguments, **options)
        self.assertEqual(result.returncode, exit_code, (arguments, result))
        return result

    def put(self, key, value):
        with self.cluster.store.lock:
            self.cluster.store.put(key, value)

    def file_of(self, lines):
        path = pathlib.Path(self.directory, "records.ndjson")
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return str(path)


class ExitCodes(CommandLineTest):
    def test_each_end_has_its_code(self):
        self.put(b"there", b"x")  # revision 2
        table = [
            (OK, ["get", "there"], []),
            (OK, ["put", "there", "y", "--if-match", "2"], []),
            (OK, ["put", "new", "y", "--if-none-match", "*"], []),
            (OK, ["delete", "not-there"], []),
            (OTHER, [], []),
            (OTHER, ["get"], []),
            (OTHER, ["get", "a", "--consistency", "wrong"], []),
            (OTHER, ["--timeout", "5", "get", "a"], []),
            (OTHER, ["--endpoint", "https://a", "get", "a"], []),
            (OTHER, ["put", "a"], []),
            (OTHER, ["put", "a", "b", "--file", "c"], []),
            (OTHER, ["put", "a", "--file", "/not/there"], []),
            (OTHER, ["delete", "--prefix", ""], []),
            (OTHER, ["nonsense"], []),
            (NOT_FOUND, ["get", "not-there"], []),
            (PRECONDITION, ["put", "there", "z", "--if-match", "99"], []),
            (PRECONDITION, ["put", "there", "z", "--if-none-match", "*"], []),
            (PRECONDITION, ["delete", "there", "--if-match", "99"], []),
            (UNKNOWN, ["--timeout", "200ms", "put", "a", "b"], ["close"] * 99),
            (UNKNOWN, ["--timeout", "200ms", "put", "a", "b"], [TIMEOUT] * 99),
            (UNKNOWN, ["--timeout", "200ms", "put", "a", "b"], [TIMEOUT] + [NO_LEADER] * 99),
            (UNKNOWN, ["--timeout", "200ms", "delete", "a"], [TIMEOUT] * 99),
            (UNKNOWN, ["--timeout", "200ms", "delete", "--prefix", "a", "--yes"], ["close"] * 99),
            (UNKNOWN, ["--timeout", "200ms", "txn", "--then", "put a b"], ["close"] * 99),
            (UNAVAILABLE, ["--timeout", "200ms", "put", "a", "b"], [NO_LEADER] * 99),
            (UNAVAILABLE, ["--timeout", "200ms", "get", "there"], [NO_LEADER] * 99),
        ]
        for code, arguments, faults in table:
            with self.subTest(arguments=arguments, faults=faults[:1]):
                self.cluster.nodes[0].faults = list(faults)
                self.expect(code, *arguments)
                self.cluster.nodes[0].faults = []

    def test_nobody_there_is_unavailable_and_said_at_once(self):
        url = self.cluster.nodes[0].url
        self.cluster.stop()
        for arguments in (["get", "a"], ["put", "a", "b"], ["status"], ["members"], ["export"]):
            result = self.expect(UNAVAILABLE, *arguments, endpoints=url)
            self.assertIn(b"Connection refused", result.stderr)
            self.assertEqual(result.stdout, b"")


class Retries(CommandLineTest):
    nodes = 2

    def test_unknown_is_sent_again_under_its_key_and_made_once(self):
        for arguments in (["put", "a", "b"], ["put", "a", "b", "--if-none-match", "*"],
                          ["put", "a", "b", "--if-match", "*"], ["delete", "a"],
                          ["delete", "--prefix", "a", "--yes"], ["txn", "--then", "put a b"]):
            for fault in ("close", "close_after", TIMEOUT):
                with self.subTest(arguments=arguments, fault=fault):
                    self.cluster.nodes[0].faults = [fault]
                    with self.cluster.store.lock:
                        self.cluster.store.items.clear()
                        if "--if-none-match" not in arguments:
                            self.cluster.store.put(b"a", b"old")
                        before = self.cluster.store.revision
                    self.expect(OK, *arguments)
                    keys = [node.requests[-1][3]["Idempotency-Key"] for node in self.cluster.nodes]
                    self.assertEqual(keys[0], keys[1])
                    self.assertEqual(len(keys[0]), 32)
                    self.assertEqual(self.cluster.store.revision, before + 1)

    def test_where_no_answer_can_be_kept_it_goes_without_a_key(self):
        self.cluster.nodes[0].faults = [(429, "too_many_requests", "not_applied")]
        self.expect(OK, "put", "a", "b")
        self.assertIn("Idempotency-Key", self.cluster.nodes[0].requests[-1][3])
        self.assertNotIn("Idempotency-Key", self.cluster.nodes[1].requests[-1][3])

    def test_refused_is_made_again_at_the_next_node(self):
        self.cluster.nodes[0].faults = [NO_LEADER]
        self.expect(OK, "put", "a", "b", "--if-none-match", "*")
        self.assertEqual(len(self.cluster.nodes[1].puts()), 1)

    def test_a_dead_node_is_passed_over(self):
        urls = self.cluster.urls
        self.cluster.nodes[0].stop()
        self.expect(OK, "put", "a", "b", endpoints=urls)
        self.expect(OK, "get", "a", endpoints=urls)

    def test_reads_are_made_again_whatever_happened(self):
        self.put(b"a", b"x")
        self.cluster.nodes[0].faults = ["close"]
        self.cluster.nodes[1].faults = [(504, "timeout", "not_applied")]
        self.assertEqual(self.expect(OK, "get", "a").stdout, b"x")

    def test_conditions_arrive_as_etags(self):
        self.put(b"a", b"x")
        for given, sent in (("2", '"2"'), ("*", "*"), ('"2"', '"2"')):
            self.run_holdfast("put", "a", "b", "--if-match", given)
            self.assertEqual(self.cluster.nodes[0].puts()[-1][3]["If-Match"], sent)


class KeysAndValues(CommandLineTest):
    def test_values_come_from_arguments_files_and_standard_input(self):
        path = pathlib.Path(self.directory, "value")
        path.write_bytes(b"\0\xff from a file")
        for arguments, stdin, value in ((["x"], b"", b"x"), ([""], b"", b""),
                                        (["-"], b"piped\n\0", b"piped\n\0"),
                                        (["--file", str(path)], b"", b"\0\xff from a file")):
            self.expect(OK, "put", "a/ü %?#", *arguments, stdin=stdin)
            self.assertEqual(self.expect(OK, "get", "a/ü %?#").stdout, value)

    def test_text_says_what_happened(self):
        self.assertEqual(self.expect(OK, "put", "a", "x").stdout, b"created at revision 2\n")
        self.assertEqual(self.expect(OK, "put", "a", "x").stdout, b"updated at revision 3\n")
        got = self.expect(OK, "get", "a", "--revision-info")
        self.assertEqual(got.stdout, b"x")
        self.assertEqual(got.stderr, b"changed at revision 3, created at 2, version 2\n")
        self.assertEqual(self.expect(OK, "delete", "a").stdout, b"deleted 1 key at revision 4\n")
        self.assertEqual(self.expect(OK, "delete", "a").stdout, b"nothing to delete (revision 4)\n")
        self.assertIn(b"key_not_found", self.expect(NOT_FOUND, "get", "a").stderr)

    def test_json_is_json(self):
        def output(*arguments):
            return json.loads(self.expect(OK, "--json", *arguments).stdout)
        self.assertEqual(output("put", "a", "x"), {"revision": 2, "created": True})
        self.assertEqual(output("get", "a"), {"key": "a", "value": "x", "create_revision": 2,
                                              "mod_revision": 2, "version": 1})
        self.put(b"a", b"\xff")
        self.assertEqual(output("get", "a")["value_base64"], base64.b64encode(b"\xff").decode())
        self.assertEqual(output("delete", "a"), {"revision": 4, "deleted": 1})
        refused = json.loads(self.expect(NOT_FOUND, "get", "a", "--json").stderr)
        self.assertEqual((refused["code"], refused["outcome"]), ("key_not_found", "not_applied"))
        self.cluster.nodes[0].faults = ["close"] * 99
        unknown = json.loads(
            self.expect(UNKNOWN, "--json", "--timeout", "200ms", "put", "a", "b").stderr)
        self.cluster.nodes[0].faults = []
        self.assertEqual(unknown["outcome"], "unknown")

    def test_transactions_come_from_files_from_standard_input_and_typed(self):
        body = b'{"then":[{"get":{"key":"a"}}]}'
        path = pathlib.Path(self.directory, "txn.json")
        path.write_bytes(body)
        for arguments, stdin in (([str(path)], b""), (["-"], body)):
            answer = json.loads(self.expect(OK, "txn", *arguments, stdin=stdin).stdout)
            self.assertEqual(answer["asked"], json.loads(body))
        typed = self.expect(PRECONDITION, "txn", "--if", "a mod_revision == 7", "--if", "b exists != true",
                            "--if", "c value < x y", "--if", "d lease == none", "--then", "put k a b",
                            "--then", "delete k", "--else", "delete-prefix p/", "--else", "scan s/")
        self.assertEqual(json.loads(typed.stdout)["asked"], {
            "if": [{"key": "a", "target": "mod_revision", "op": "==", "value": 7},
                   {"key": "b", "target": "exists", "op": "!=", "value": True},
                   {"key": "c", "target": "value", "op": "<", "value": "x y"},
                   {"key": "d", "target": "lease", "op": "==", "value": None}],
            "then": [{"put": {"key": "k", "value": "a b"}}, {"delete": {"key": "k"}}],
            "else": [{"delete": {"prefix": "p/"}}, {"scan": {"prefix": "s/"}}]})
        for wrong in ([], [str(path), "--then", "get a"], ["--then", "set a"], ["--then", "put a"],
                      ["--if", "a version =="], ["--if", "a version == x"], ["/not/there"]):
            self.expect(OTHER, "txn", *wrong)

    def test_deleting_a_prefix_says_how_many_and_asks(self):
        for key in (b"p/1", b"p/2", b"q"):
            self.put(key, b"")
        refused = self.expect(OTHER, "delete", "--prefix", "p/")
        self.assertIn(b"2 keys begin with 'p/'; give --yes", refused.stderr)
        self.assertEqual(len(self.cluster.store.items), 3)
        self.assertEqual(self.expect(OK, "delete", "--prefix", "p/", "--yes").stdout,
                         b"deleted 2 keys at revision 5\n")
        self.assertEqual(list(self.cluster.store.items), [b"q"])

    def test_the_past(self):
        self.put(b"a", b"x")
        node = self.cluster.nodes[0]
        self.assertEqual(self.expect(OK, "get", "--revision", "7", "a").stdout, b"x")
        self.assertEqual(node.requests[-1][2]["revision"], "7")
        self.expect(OK, "scan", "--at", "2026-11-25T14:00:00+01:00")
        self.assertEqual(node.requests[-1][2]["at"], "2026-11-25T14:00:00+01:00")
        self.expect(OTHER, "get", "--revision", "7", "--at", "2026-11-25T14:00:00Z", "a")
        history = self.expect(OK, "history", "--limit", "2", "a")
        self.assertEqual(history.stdout, b"8\t\n5\ta\\nb\n")
        self.assertEqual(history.stderr, b"older ones: --revision 3\n")
        self.assertEqual(node.requests[-1][2]["limit"], "2")
        lines = self.expect(OK, "--json", "history", "a").stdout.splitlines()
        self.assertEqual([json.loads(line) for line in lines],
                         [{"type": "delete", "mod_revision": 8},
                          {"type": "put", "mod_revision": 5, "create_revision": 4, "version": 2, "value": "a\nb"}])

    def test_how_much_of_the_past_is_kept(self):
        self.assertEqual(self.expect(OK, "settings").stdout, b"keep_history 1h\n")
        self.assertEqual(self.expect(OK, "settings", "--keep-history", "2h").stdout, b"keep_history 2h\n")
        self.assertEqual(json.loads(self.expect(OK, "--json", "settings").stdout), {"keep_history": "2h"})
        self.assertEqual(self.expect(OK, "compact", "41").stdout, b"the oldest revision is 41\n")
        self.assertEqual(json.loads(self.expect(OK, "--json", "compact", "41").stdout), {"compact_revision": 41})
        self.assertIn(b"about 12,345 keys, 67,890 bytes", self.expect(OK, "usage").stdout)
        self.assertTrue(self.expect(OK, "usage", "--prefix", "exact").stdout.startswith(b"12,345 keys"))

    def test_scan_follows_pages_to_the_end_or_to_the_limit(self):
        for i in range(2500):
            self.put(b"k%04d" % i, b"v%d" % i)
        lines = self.expect(OK, "scan").stdout.splitlines()
        self.assertEqual(len(lines), 2500)
        self.assertEqual(lines[1], b"k0001\tv1")
        self.assertEqual(len(self.expect(OK, "scan", "--limit", "1500").stdout.splitlines()), 1500)
        self.assertEqual(self.expect(OK, "scan", "--limit", "2", "--reverse", "--keys-only").stdout,
                         b"k2499\nk2498\n")
        self.assertEqual(self.expect(OK, "scan", "--start", "k0001", "--end", "k0003",
                                     "--keys-only").stdout, b"k0001\nk0002\n")
        self.assertEqual(self.expect(OK, "scan", "--prefix", "k1", "--count").stdout, b"1000\n")
        last = self.expect(OK, "--json", "scan", "--prefix", "k24").stdout.splitlines()
        self.assertEqual(len(last), 101)
        self.assertEqual(json.loads(last[0])["value"], "v2400")
        self.assertEqual(json.loads(last[-1]), {"revision": 2501, "count": 100})

    def test_scan_escapes_what_would_break_a_line(self):
        self.put(b"a\tb", b"x\ny\xff")
        self.assertEqual(self.expect(OK, "scan").stdout, b"a\\tb\tx\\ny\\xff\n")


class Cluster(CommandLineTest):
    nodes = 3

    def test_status_asks_every_member_found_through_one(self):
        result = self.expect(OK, "status", endpoints=self.cluster.nodes[1].url)
        lines = result.stdout.decode().splitlines()
        self.assertEqual(lines[0], "cluster 00c0ffee   leader n1   term 3   quorum yes")
        self.assertEqual(lines[2].split(), ["NAME", "ROLE", "TERM", "COMMIT", "APPLIED", "LAG",
                                            "LAST", "CONTACT", "CLIENT", "URL"])
        self.assertEqual([line.split()[:2] for line in lines[3:6]],
                         [["n1", "leader"], ["n2", "follower"], ["n3", "follower"]])
        self.assertIn("1,090", lines[4])
        self.assertNotIn("\x1b", result.stdout.decode())
        for node in self.cluster.nodes:
            self.assertEqual(len(node.requests), 1)

    def test_a_node_is_asked_once_whatever_its_address(self):
        port = self.cluster.nodes[0].server.server_port
        self.expect(OK, "status", endpoints=f"localhost:{port}")
        self.assertEqual(len(self.cluster.nodes[0].requests), 1)

    def test_status_shows_who_does_not_answer(self):
        self.cluster.nodes[2].stop()
        result = self.expect(OK, "status", endpoints=self.cluster.nodes[0].url)
        self.assertIn(b"unreachable", result.stdout)
        self.assertIn(b"n3: http://127.0.0.1:", result.stdout)
        status = json.loads(self.expect(OK, "--json", "status",
                                        endpoints=self.cluster.nodes[0].url).stdout)
        self.assertEqual([node["reachable"] for node in status["nodes"]], [True, True, False])
        self.assertEqual(status["nodes"][1]["applied_index"], 1090)
        self.assertEqual(status["leader"], "n1")

    def test_status_without_a_leader_is_unavailable(self):
        self.cluster.leader = None
        self.assertIn(b"no leader", self.expect(UNAVAILABLE, "status").stdout)
        status = json.loads(self.expect(UNAVAILABLE, "--json", "status").stdout)
        self.assertIsNone(status["leader"])
        self.assertFalse(status["quorum"])

    def test_members(self):
        lines = self.expect(OK, "members").stdout.decode().splitlines()
        self.assertEqual(lines[1].split(), ["n1", str(2**64 - 1), "leader", "yes", "yes",
                                            "127.0.0.1:9000", self.cluster.nodes[0].url])
        members = json.loads(self.expect(OK, "--json", "members").stdout)
        self.assertEqual(len(members["members"]), 3)
        self.assertIsNone(members["warning"])

    def test_members_shows_learners_and_warns_of_an_even_number(self):
        self.cluster.members["n3"] = False
        lines = self.expect(OK, "members").stdout.decode().splitlines()
        self.assertEqual(lines[3].split()[2:4], ["learner", "no"])
        self.assertEqual(lines[4], "2 voters: even")
        members = json.loads(self.expect(OK, "--json", "members").stdout)
        self.assertEqual(members["warning"], "2 voters: even")

    def test_members_are_removed_and_promoted(self):
        self.cluster.members["n3"] = False
        self.assertEqual(self.expect(OK, "members", "promote", "n3").stdout,
                         b"n3 has a vote; the cluster now: n1, n2, n3\n")
        self.cluster.members["n1"] = False
        removed = self.expect(OK, "members", "remove", "n2").stdout
        self.assertEqual(removed, b"n2 is no member any more; the cluster now: n1 (learner), n3\n")
        self.cluster.members["n2"] = True
        answer = json.loads(self.expect(OK, "members", "remove", "n1", "--json").stdout)
        self.assertEqual([member["name"] for member in answer["members"]], ["n3", "n2"])
        self.assertEqual(answer["warning"], "2 voters: even")

    def test_changes_of_members_end_as_any_other_call(self):
        self.expect(NOT_FOUND, "members", "remove", "n9")
        self.expect(OTHER, "members", "remove")
        self.expect(OTHER, "members", "add", "n9")
        for act in ("remove", "promote"):
            self.cluster.nodes[0].faults = ["close"]
            self.expect(UNKNOWN, "members", act, "n2")
            for fault, code in ((NO_LEADER, UNAVAILABLE), ((409, "conflict", "not_applied"), UNAVAILABLE)):
                for node in self.cluster.nodes:
                    node.faults = [fault] * 99
                self.expect(code, "--timeout", "200ms", "members", act, "n2")
                for node in self.cluster.nodes:
                    node.faults = []
        for name in ("n2", "n3"):
            self.expect(OK, "members", "remove", name)
        self.assertIn(b"conflict", self.expect(OTHER, "members", "remove", "n1").stderr)
        self.assertIn(b"--join http://", self.expect(OK, "members", "--help").stdout)


class ImportAndExport(CommandLineTest):
    nodes = 3

    def records(self, count):
        return [json.dumps({"key": f"r/{i:05}", "value": f"value {i}"}).encode()
                for i in range(count)]

    def report(self, exit_code, *arguments, **options):
        return json.loads(self.expect(exit_code, "--json", "import", *arguments, **options).stdout)

    def test_everything_is_stored_over_all_endpoints(self):
        report = self.report(OK, self.file_of(self.records(500)), "--connections", "6")
        self.assertEqual(report["records"], 500)
        self.assertEqual((report["refused"], report["unknown"], report["repeated"]), (0, 0, 0))
        self.assertEqual(report["sent"], 500)
        self.assertGreaterEqual(report["p99_ms"], report["p50_ms"])
        self.assertEqual(self.cluster.store.items[b"r/00499"][0], b"value 499")
        for node in self.cluster.nodes:
            self.assertGreater(len(node.puts()), 50)

    def test_every_record_is_acknowledged_whatever_happens(self):
        chance = random.Random(1)
        faults = [NO_LEADER, TIMEOUT, "close", "close_after"]
        for node in self.cluster.nodes:
            node.fault_of_write = lambda _: chance.choice(faults) if chance.random() < 0.2 else None
        path = self.file_of(self.records(600))
        report = self.report(OK, path, "--connections", "8")
        self.assertEqual(report["records"], 600)
        self.assertGreater(report["refused"], 0)
        self.assertGreater(report["unknown"], 0)
        self.assertEqual(report["repeated"], report["refused"] + report["unknown"])
        self.assertEqual(report["sent"], 600 + report["repeated"])
        self.assertEqual(self.expect(OK, "digest", "--prefix", "r/").stdout,
                         self.expect(OK, "digest", "--file", path).stdout)

    def test_a_pause_is_measured(self):
        for node in self.cluster.nodes:
            node.fault_of_write = lambda number: NO_LEADER if 60 < number <= 70 else None
        report = self.report(OK, self.file_of(self.records(400)), "--connections", "3")
        self.assertGreater(report["longest_pause_ms"], 0)
        self.assertRegex(report["longest_pause_began"], r"^\d{4}-.*T.*Z$")

    def test_lines_of_one_key_keep_their_order(self):
        lines = [json.dumps({"key": f"k{i % 5}", "value": str(i)}).encode() for i in range(500)]
        path = self.file_of(lines)
        self.report(OK, path)
        self.assertEqual(self.cluster.store.items[b"k4"][0], b"499")
        self.assertEqual(self.expect(OK, "digest").stdout,
                         self.expect(OK, "digest", "--file", path).stdout)

    def test_text_report_and_progress_lines(self):
        result = self.expect(OK, "import", "-", stdin=b"\n".join(self.records(10)))
        lines = result.stdout.decode().splitlines()
        self.assertRegex(lines[0], r"^stored    10 records in .*, [\d,]+ a second$")
        self.assertRegex(lines[1], r"^latency   p50 .*, p99 .*, longest ")
        self.assertEqual(lines[2], "requests  10 sent, 0 refused, 0 unknown, 0 repeated")
        self.assertRegex(lines[3], r"^longest pause between two acknowledgements  .*, from \d\d:")
        self.assertNotIn(b"\x1b", result.stderr)

    def test_a_line_that_is_no_record_is_named(self):
        result = self.expect(OTHER, "import", self.file_of([*self.records(3), b"nonsense"]))
        self.assertIn(b"line 4: the line is not a JSON object", result.stderr)
        self.assertEqual(len(self.cluster.store.items), 3)

    def test_what_can_never_be_stored_ends_the_import(self):
        refusal = (413, "value_too_large", "not_applied")
        for node in self.cluster.nodes:
            node.fault_of_write = lambda number: refusal if number >= 5 else None
        original = self.cluster.nodes[0].server.RequestHandlerClass.problem

        def not_retryable(handler, status, code, outcome="not_applied", retryable=False, headers=()):
            original(handler, status, code, outcome, False, headers)
        self.cluster.nodes[0].server.RequestHandlerClass.problem = not_retryable
        self.addCleanup(setattr, self.cluster.nodes[0].server.RequestHandlerClass, "problem",
                        original)
        result = self.expect(OTHER, "import", self.file_of(self.records(200)))
        self.assertRegex(result.stderr, rb"line \d+ cannot be stored")

    def test_patience_has_an_end(self):
        for node in self.cluster.nodes:
            node.fault_of_write = lambda _: NO_LEADER
        self.expect(UNAVAILABLE, "--timeout", "100ms", "import", self.file_of(self.records(5)),
                    "--patience", "300ms")

    def test_export_comes_back_the_same(self):
        for key, value in ((b"b", b"2"), (b"a\xff", b"\0\xfe"), (b"a", "ü".encode()), (b"z/1", b"")):
            self.put(key, value)
        exported = self.expect(OK, "export").stdout
        self.assertEqual([json.loads(line).get("key") for line in exported.splitlines()],
                         ["a", None, "b", "z/1"])
        digest = self.expect(OK, "digest").stdout
        self.assertRegex(digest, rb"^[0-9a-f]{64} 4\n$")
        self.assertEqual(self.expect(OK, "digest", "--file", "-", stdin=exported).stdout, digest)
        with self.cluster.store.lock:
            self.cluster.store.items.clear()
        self.report(OK, "-", stdin=exported)
        self.assertEqual(self.expect(OK, "export", "--consistency", "local").stdout, exported)
        self.assertEqual(len(self.expect(OK, "export", "--prefix", "z/").stdout.splitlines()), 1)
        self.assertEqual(json.loads(self.expect(OK, "--json", "digest").stdout)["count"], 4)


class ProgramBeside(CommandLineTest):
    def test_an_unknown_name_is_looked_for_beside_the_program(self):
        program = pathlib.Path(self.directory, "holdfast")
        shutil.copy(HOLDFAST, program)
        beside = pathlib.Path(self.directory, "holdfast-greet")
        beside.write_text('#!/bin/sh\necho "$HOLDFAST_ENDPOINTS" "$@"\nexit 7\n')
        beside.chmod(0o755)
        result = subprocess.run([program, "--endpoint", "a:1,b:2", "--json", "greet", "--loud", "x"],
                                capture_output=True, check=False, timeout=20)
        self.assertEqual(result.returncode, 7, result)
        self.assertEqual(result.stdout, b"a:1,b:2 --json --loud x\n")
        missing = subprocess.run([program, "sing"], capture_output=True, check=False, timeout=20)
        self.assertEqual(missing.returncode, OTHER)
        self.assertIn(b"no program holdfast-sing", missing.stderr)


class Dev(CommandLineTest):
    """holdfast dev, with a holdfastd beside it that only writes down how it was started."""

    def start_dev(self, holdfastd):
        program = pathlib.Path(self.directory, "holdfast")
        shutil.copy(HOLDFAST, program)
        node = pathlib.Path(self.directory, "holdfastd")
        node.write_text(holdfastd)
        node.chmod(0o755)
        port = self.cluster.nodes[0].server.server_port  # answers GET /v1/cluster
        return subprocess.Popen([program, "dev", "--nodes", "2", "--dir", self.directory + "/dev",
                                 "--client-port", str(port)], stdout=subprocess.PIPE)

    def test_starts_nodes_says_roles_and_stops_them(self):
        dev = self.start_dev('#!/bin/sh\necho "$@"\ntrap "echo bye; exit 0" TERM\n'
                             'while :; do sleep 0.05; done\n')
        seen = []
        for line in dev.stdout:
            seen.append(line.decode())
            if "is leader" in seen[-1]:
                dev.terminate()
        self.assertEqual(dev.wait(timeout=30), 0)
        dev.stdout.close()
        text = "".join(seen)
        self.assertIn("n1 is leader in term 3", text)
        self.assertIn("stopped", text)
        port = self.cluster.nodes[0].server.server_port
        log = pathlib.Path(self.directory, "dev", "n2.log").read_text()
        self.assertEqual(log.splitlines()[0],
                         f"--name n2 --data-dir {self.directory}/dev/n2 --listen 127.0.0.1:{port + 10}"
                         f" --peer-listen 127.0.0.1:{port + 11} --initial-cluster "
                         f"n1=127.0.0.1:{port + 1},n2=127.0.0.1:{port + 11}")
        self.assertTrue(log.endswith("bye\n"), log)

    def test_says_who_died_and_of_what(self):
        dev = self.start_dev('#!/bin/sh\n[ "$2" = n1 ] && exit 3\nkill -9 $$\n')
        text = dev.communicate(timeout=30)[0].decode()
        self.assertEqual(dev.returncode, OTHER)
        self.assertIn("n1 died: exit code 3", text)
        self.assertIn("n2 died: signal 9 (Killed)", text)


if __name__ == "__main__":
    unittest.main()
