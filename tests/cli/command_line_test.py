"""The holdfast command against a scripted cluster. HOLDFAST names the program."""

import base64
import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from command_line import (CommandLineTest, NO_LEADER, NOT_FOUND, OK, OTHER, OVERLOADED, PRECONDITION, TIMEOUT,  # noqa: E402
                          UNAVAILABLE, UNKNOWN)


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
            (UNKNOWN, ["--timeout", "200ms", "lease", "keep-alive", "00a1"], ["close"] + [NO_LEADER] * 99),
            (OK, ["lease", "keep-alive", "00a1"], ["close"]),
            (UNAVAILABLE, ["put", "a", "b"], [NO_LEADER, OVERLOADED]),
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
        for fault in ((429, "too_many_requests", "not_applied"), (413, "range_too_large", "not_applied")):
            with self.subTest(fault=fault):
                self.cluster.nodes[0].faults = [fault]
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

    def test_input_that_cannot_be_read_is_no_empty_value(self):
        directory = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, directory)
        for arguments in (["put", "a", "-"], ["put", "a", "--file", "/"], ["txn", "-"], ["import", "-"],
                          ["import", "/"], ["digest", "--file", "-"]):
            result = self.expect(OTHER, *arguments, stdin=directory)
            self.assertIn(b"cannot be read: Is a directory", result.stderr, arguments)
        self.assertEqual(self.cluster.store.items, {})

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
        self.assertIn(b"give --yes to delete 2 keys with the prefix 'p/'", refused.stderr)
        self.assertIn(b"delete 1 key with", self.expect(OTHER, "delete", "--prefix", "q").stderr)
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
                          {"type": "put", "mod_revision": 5, "create_revision": 4, "version": 2, "value": "a\nb"},
                          {"compact_revision": 2, "count": 2, "next": 3}])

    def test_a_watch_goes_on_until_it_is_enough(self):
        node = self.cluster.nodes[0]
        lines = self.expect(OK, "watch", "--prefix", "", "--only", "put", "--from", "3", "--count", "2").stdout
        self.assertEqual(lines, b"5\tput\tk5\ta\\nb\n5\tdelete\tgone\n6\tput\tk6\ta\\nb\n6\tdelete\tgone\n")
        self.assertEqual({k: v for k, v in node.requests[-1][2].items() if k != "timeout"},
                         {"prefix": "", "from": "3", "filter": "put"})
        line = self.expect(OK, "--json", "watch", "--count", "1", "--prev", "k").stdout
        self.assertEqual(json.loads(line)["events"][1], {"type": "delete", "key": "gone", "mod_revision": 5})
        self.assertEqual(node.requests[-1][2]["key"], "k")
        self.assertEqual(node.requests[-1][2]["prev"], "true")

    def test_a_watch_ends_where_what_follows_is_not_kept(self):
        ended = self.expect(OTHER, "watch", "k")
        self.assertEqual(len(ended.stdout.splitlines()), 10)
        self.assertIn(b"what followed revision 9 is not kept any more", ended.stderr)
        self.assertIn(b"say what to watch", self.expect(OTHER, "watch").stderr)

    def test_events_go_on_with_the_next_process_of_a_node(self):
        node = self.cluster.nodes[0]
        lines = self.expect(OK, "events", "--last", "3", "--count", "5").stdout.decode().splitlines()
        time = "2026-11-29T08:48:57.250Z  n1  term 2  "
        self.assertEqual(lines, [time + "election    candidate in term 1", time + "role        leader in term 2",
                                 time + "fence       the disk says\\nno", time + "reset       another process",
                                 time + "election    candidate in term 1"])
        self.assertEqual(node.requests[0][2]["last"], "3")
        self.assertEqual(node.requests[1][3]["Last-Event-ID"], f"{1:016x}-3")
        line = self.expect(OK, "--json", "events", "--count", "1").stdout
        self.assertEqual(json.loads(line)["kind"], "election")

    def test_how_much_of_the_past_is_kept(self):
        self.assertEqual(self.expect(OK, "settings").stdout, b"keep_history 1h\n")
        self.assertEqual(self.expect(OK, "settings", "--keep-history", "2h").stdout, b"keep_history 2h\n")
        self.assertEqual(json.loads(self.expect(OK, "--json", "settings").stdout), {"keep_history": "2h"})
        self.assertEqual(self.expect(OK, "compact", "41").stdout, b"the oldest revision is 41\n")
        self.assertEqual(json.loads(self.expect(OK, "--json", "compact", "41").stdout), {"compact_revision": 41})
        self.assertIn(b"about 12,345 keys, 67,890 bytes", self.expect(OK, "usage").stdout)
        self.assertTrue(self.expect(OK, "usage", "--prefix", "exact").stdout.startswith(b"12,345 keys"))
        self.assertIn(b"about 1 key, ", self.expect(OK, "usage", "--prefix", "one").stdout)

    def test_faults_of_one_node(self):
        self.assertEqual(self.expect(OK, "faults", "show").stdout, b"no faults are set\n")
        stall = '{"disk":{"stall":true}}'
        set_so = self.expect(OK, "faults", "set", stall).stdout
        self.assertEqual(set_so, b"since 2026-01-31T13:03:22.123Z: the disk is stalled\n")
        self.assertEqual(self.cluster.nodes[0].set_so, json.loads(stall))
        self.assertEqual(self.expect(OK, "faults", "show").stdout, set_so)
        shown = json.loads(self.expect(OK, "--json", "faults", "show").stdout)
        self.assertEqual(shown["faults"], json.loads(stall))
        self.assertEqual(self.expect(OK, "faults", "clear").stdout, b"no faults are set\n")
        self.assertEqual(self.cluster.nodes[0].set_so, {})
        self.expect(OK, "faults", "set", "-", stdin=stall.encode())
        self.assertEqual(self.cluster.nodes[0].set_so, json.loads(stall))
        self.expect(OTHER, "faults", "set")
        self.expect(OTHER, "faults")

    def test_faults_are_not_set_on_whichever_node_answers(self):
        node = self.cluster.nodes[0]
        for arguments in (["show"], ["set", "{}"], ["clear"]):
            refused = self.expect(OTHER, "faults", *arguments, endpoints=f"{node.url},{node.url}")
            self.assertIn(b"faults are of one node: name it alone with --endpoint", refused.stderr)
        self.assertEqual(node.requests, [])

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

    def test_scan_as_json_says_what_ends_a_key(self):
        for key, ends in ((b"a", {"lease": "00a1"}), (b"b", {"ttl_ms": 1500}), (b"c", {})):
            self.put(key, b"x")
            self.cluster.store.lifetimes[key] = ends
        items = [json.loads(line) for line in self.expect(OK, "--json", "scan").stdout.splitlines()[:3]]
        self.assertEqual([(item.get("lease"), item.get("ttl_ms")) for item in items],
                         [("00a1", None), (None, 1500), (None, None)])

    def test_scan_escapes_what_would_break_a_line(self):
        self.put(b"a\tb", b"x\ny\xff")
        self.assertEqual(self.expect(OK, "scan").stdout, b"a\\tb\tx\\ny\\xff\n")


if __name__ == "__main__":
    unittest.main()
