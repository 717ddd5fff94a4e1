"""Commands that look at a whole cluster, move whole data sets, or run other programs. HOLDFAST names the program."""

import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from command_line import (CommandLineTest, HOLDFAST, NO_LEADER, NOT_FOUND, OK, OTHER, OVERLOADED, TIMEOUT,  # noqa: E402
                          UNAVAILABLE, UNKNOWN)


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

    def test_events_of_all_nodes_that_are_given(self):
        lines = self.expect(OK, "--json", "events", "--count", "9").stdout.splitlines()
        self.assertEqual(len(lines), 9)
        # Each begins with what it keeps, so that no node can have told all of them.
        self.assertGreater(len({json.loads(line)["node"] for line in lines}), 0)
        self.cluster.nodes[1].stop()
        lost = self.expect(OK, "--timeout", "1s", "--json", "events", "--count", "40")
        self.assertEqual({json.loads(line)["node"] for line in lost.stdout.splitlines()} - {"n1", "n3"}, set())
        for node in (self.cluster.nodes[0], self.cluster.nodes[2]):
            node.stop()
        gone = self.expect(UNAVAILABLE, "--timeout", "1s", "events")
        self.assertEqual(gone.stdout, b"")
        self.assertEqual(len(gone.stderr.splitlines()), 3)

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

    def test_status_goes_on_until_it_has_looked_often_enough(self):
        text = self.expect(OK, "status", "--watch", "--every", "10ms", "--count", "3").stdout.decode()
        self.assertEqual(text.count("leader n1"), 3)
        self.assertEqual(text.count(" changes/s"), 2)
        self.assertNotIn("\x1b", text)
        looks = self.expect(OK, "--json", "status", "--watch", "--every", "10ms", "--count", "2").stdout
        self.assertEqual([json.loads(look)["leader"] for look in looks.splitlines()], ["n1", "n1"])
        self.expect(OTHER, "status", "--count", "2")

    def test_status_watches_a_cluster_that_is_gone(self):
        for node in self.cluster.nodes:
            node.stop()
        text = self.expect(OK, "status", "--watch", "--every", "10ms", "--count", "2").stdout.decode()
        self.assertEqual(text.count("revision -"), 2)

    def test_a_watched_status_ends_with_ctrl_c(self):
        command = [HOLDFAST, "--endpoint", self.cluster.nodes[0].url, "status", "--watch", "--every", "10m"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            self.assertIn(b"revision", process.stdout.readline())
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(20), OK)

    def test_ctrl_c_ends_it_in_the_middle_of_a_survey_too(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            command = [HOLDFAST, "--endpoint", f"127.0.0.1:{silent.getsockname()[1]}", "status", "--watch"]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
                connection, _ = silent.accept()
                with connection:
                    self.assertTrue(connection.recv(1))  # it asks
                    process.send_signal(signal.SIGINT)
                    self.assertEqual(process.wait(20), OK)
                    self.assertEqual(process.stdout.read(), b"")  # it did not see the end of its question

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
            for again in (NO_LEADER, (409, "conflict", "not_applied")):
                for node in self.cluster.nodes:
                    node.faults = [again, OVERLOADED]
                self.assertIn(b"overloaded", self.expect(UNAVAILABLE, "members", act, "n2").stderr)
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
            self.assertGreater(node.bulk_lines, 50)

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

    def test_they_keep_it_where_some_are_sent_again(self):
        chance = random.Random(2)
        faults = [NO_LEADER, TIMEOUT, "close", "close_after"]
        for node in self.cluster.nodes:
            node.fault_of_write = lambda _: chance.choice(faults) if chance.random() < 0.1 else None
        path = self.file_of([json.dumps({"key": f"k{i % 5}", "value": str(i)}).encode() for i in range(500)])
        self.assertGreater(self.report(OK, path)["repeated"], 0)
        self.assertEqual(self.expect(OK, "digest").stdout, self.expect(OK, "digest", "--file", path).stdout)

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
        self.expect(UNAVAILABLE, "--timeout", "2s", "import", self.file_of(self.records(5)),
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
        helped = subprocess.run([program, "help", "greet"], capture_output=True, check=False, timeout=20,
                                env={"HOLDFAST_ENDPOINTS": "a:1"})
        self.assertEqual((helped.returncode, helped.stdout), (7, b"a:1 --help\n"))
        missing = subprocess.run([program, "sing"], capture_output=True, check=False, timeout=20)
        self.assertEqual(missing.returncode, OTHER)
        self.assertIn(b"no program holdfast-sing", missing.stderr)


class Help(CommandLineTest):
    def test_every_command_has_examples_of_its_own_that_fit(self):
        for arguments in (["put"], ["get"], ["delete"], ["scan"], ["history"], ["watch"], ["events"], ["usage"],
                          ["compact"],
                          ["settings"], ["status"], ["members"], ["members", "remove"], ["leader"], ["lease"],
                          ["lease", "grant"], ["lease", "keep-alive"], ["lock"], ["lock", "show"],
                          ["lock", "release"], ["txn"], ["import"], ["export"], ["digest"], ["backup"], ["dev"],
                          ["completion"], ["help"]):
            text = self.expect(OK, *arguments, "--help").stdout.decode()
            footer = text[text.index("Example"):]
            self.assertIn(f"holdfast {arguments[0]}", footer.replace("--json ", ""), arguments)
            self.assertEqual(footer.count("Exit codes:"), 1, arguments)
            self.assertLessEqual(max(map(len, footer.splitlines())), 100, arguments)


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


class Completion(CommandLineTest):
    def complete(self, *words, program=HOLDFAST):
        """What bash offers for the last of these words."""
        script = ('source <("$1" completion bash); shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
                  '_holdfast; printf "%s\\n" "${COMPREPLY[@]}"')
        result = subprocess.run(["bash", "-c", script, "bash", program, "holdfast", *words], capture_output=True,
                                timeout=60, check=True)
        self.assertEqual(result.stderr, b"")
        return result.stdout.decode().split()

    def test_bash_offers_commands_and_their_options(self):
        self.assertEqual(self.complete("sta"), ["status"])
        self.assertEqual(self.complete("lease", "gr"), ["grant"])
        self.assertEqual(self.complete("--json", "lease", "gr"), ["grant"])
        self.assertEqual(self.complete("status", "--wa"), ["--watch"])
        self.assertIn("--endpoint", self.complete("--"))
        self.assertEqual(self.complete("status", "sta"), [])
        self.assertEqual(self.complete("rest"), ["restore"])  # a program beside it

    def test_of_what_lies_beside_it_only_programs_with_plain_names_are_offered(self):
        program = shutil.copy(HOLDFAST, self.directory)
        wrong = pathlib.Path(self.directory, "wrong")
        for name in ("greet_2-u", "notes.txt", "data", f"$(touch {wrong.name})", 'a"b', "folder"):
            path = pathlib.Path(self.directory, f"holdfast-{name}")
            path.mkdir() if name == "folder" else path.write_text("#!/bin/sh\n")
            path.chmod(0o644 if name == "data" else 0o755)
        offered = self.complete("", program=program)
        commands = self.complete("")
        self.assertEqual({word for word in offered if word not in commands}, {"greet_2-u"})
        self.assertFalse({"notes.txt", "data", "folder"} & set(offered))
        self.assertFalse(pathlib.Path("wrong").exists())

    def test_every_command_is_offered(self):
        helped = self.expect(OK, "--help").stdout.decode().split("Subcommands:")[1].split("Examples:")[0]
        commands = [line.split()[0] for line in helped.splitlines() if line.startswith("  ") and line[2] != " "]
        self.assertGreater(len(commands), 15)
        self.assertLessEqual(set(commands), set(self.complete("")))

    def test_other_shells_can_read_theirs(self):
        for shell, check in (("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])):
            script = self.expect(OK, "completion", shell).stdout
            self.assertIn(b"status", script)
            path = pathlib.Path(self.directory, shell)
            path.write_bytes(script)
            checked = subprocess.run([*check, str(path)], capture_output=True, timeout=60, check=False)
            self.assertEqual((checked.returncode, checked.stderr), (0, b""), shell)
        self.expect(OTHER, "completion", "tcsh")


if __name__ == "__main__":
    unittest.main()
