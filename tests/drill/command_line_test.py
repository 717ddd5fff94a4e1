#!/usr/bin/env python3
"""What `holdfast drill` says to who asks for help, or for what there is not: what is wrong, and what to do. Nothing
is started before it is known to be sensible. HOLDFAST_DRILL names the program."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cluster"))
from cluster import free_ports  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
DRILL = pathlib.Path(os.environ.get("HOLDFAST_DRILL", HERE.parents[1] / "build" / "bin" / "holdfast-drill"))
CLEAN, USAGE, VIOLATION, UNDECIDED, COULD_NOT = 0, 1, 6, 7, 8
PUT = '{"client":"c1","op":"put","key":"a","value":"x","start":10,"end":20,"outcome":"ok","revision":5}'


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir=DRILL.parent)))

    def drill(self, *words, program=DRILL):
        return subprocess.run([program, *words], cwd=self.folder, capture_output=True, text=True, timeout=60,
                              env={**os.environ, "TMPDIR": str(self.folder)})

    def refused(self, words, *said):
        done = self.drill(*words)
        self.assertEqual(done.returncode, USAGE, f"{words}: {done.stdout}{done.stderr}")
        self.assertEqual(done.stdout, "", words)
        for part in said:
            self.assertIn(part, done.stderr, words)
        # No cluster was started for it.
        self.assertEqual(list(self.folder.glob("holdfast-drill-*")), [], words)

    def history(self, *lines):
        path = self.folder / "history.ndjson"
        path.write_text("".join(line + "\n" for line in lines))
        return path


class Help(CommandLine):
    def test_each_part_tells_what_it_takes(self):
        for words, said in [(["--help"], ["list", "run", "check", "lecture", "Exit codes", "which is no pass"]),
                            (["run", "--help"], ["--nodes", "--endpoints", "--enable-faults", "Examples"]),
                            (["check", "--help"], ["HISTORY", "NDJSON"]), (["lecture", "--help"], ["--part"])]:
            done = self.drill(*words)
            self.assertEqual((done.returncode, done.stderr), (CLEAN, ""), words)
            for part in said:
                self.assertIn(part, done.stdout, words)

    def test_the_list_tells_means_and_where(self):
        done = self.drill("list")
        self.assertEqual((done.returncode, done.stderr), (CLEAN, ""))
        names = [line.split()[0] for line in done.stdout.split("\n\n")[0].split("\n") if not line.startswith(" ")]
        self.assertEqual(len(names), len(set(names)))
        # Those that tests/CMakeLists.txt runs.
        lists = (HERE.parent / "CMakeLists.txt").read_text().split("# Each drill in a short form")[1]
        self.assertEqual(sorted(names), sorted(lists.split("foreach(name ")[1].split(")")[0].split()))
        self.assertEqual(done.stdout.count("made by: "), len(names))
        self.assertIn("not with --endpoints: signals reach only processes that the drill has started", done.stdout)
        self.assertIn("with --endpoints: PUT /v1/faults", done.stdout)


class WrongUsage(CommandLine):
    def test_what_there_is_not(self):
        self.refused([], "say what to do: list, run, check or lecture")
        self.refused(["frobnicate"], "frobnicate")
        self.refused(["run"], "NAME")
        self.refused(["run", "kill-primry"], "there is no drill 'kill-primry'", "holdfast drill list")
        self.refused(["run", "kill-primary", "frobnicate"], "there is no drill 'frobnicate'")
        self.refused(["run", "kill-primary", "--frobnicate"], "--frobnicate")

    def test_what_an_option_cannot_be(self):
        for words, said in [(["--nodes", "4"], "{3,5}"), (["--clients", "0"], "1 to 64"),
                            (["--duration", "5"], "'5' is not a duration"), (["--duration", "0s"], "not a duration"),
                            (["--duration", "10ms"], "1s"), (["--seed", "x"], "--seed"),
                            (["--endpoints", "nonsense:x"], "nonsense:x"), (["--endpoints", "https://a"], "https://a"),
                            (["--nodes", "3", "--endpoints", "http://127.0.0.1:1"],
                             "with --endpoints it starts none")]:
            self.refused(["run", "switchover", *words], said)
        self.refused(["lecture", "--part", "soon"], "'soon' is not a duration")

    def test_a_result_that_has_no_place(self):
        for option in ("--report", "--json"):
            self.refused(["run", "kill-primary", option, "not/there"], "'not/there' cannot be written: No such file")


class CouldNot(CommandLine):
    def could_not(self, done, *said):
        self.assertEqual(done.returncode, COULD_NOT, done.stdout + done.stderr)
        for part in said:
            self.assertIn(part, done.stdout)

    def test_a_cluster_that_is_not_there(self):
        port = free_ports(1)[0]
        self.could_not(self.drill("run", "switchover", "--endpoints", f"http://127.0.0.1:{port}"), f"127.0.0.1:{port}")

    def test_a_server_that_is_not_there(self):
        alone = self.folder / "holdfast-drill"
        os.link(DRILL, alone)
        self.could_not(self.drill("run", "kill-primary", program=alone), f"'{self.folder}/holdfastd' is not there")

    def test_no_place_for_the_nodes(self):
        done = subprocess.run([DRILL, "run", "kill-primary"], cwd=self.folder, capture_output=True, text=True, timeout=60,
                              env={**os.environ, "TMPDIR": str(self.folder / "no")})
        self.could_not(done, f"no folder can be made in '{self.folder}/no': set TMPDIR")


class Check(CommandLine):
    def test_its_ends(self):
        done = self.drill("check", self.history('{"about":"a put"}', PUT))
        self.assertEqual(done.returncode, CLEAN, done.stderr)
        self.assertIn("a put", done.stdout)
        self.assertIn("no violation found in 1 operation", done.stdout)
        stale = ('{"client":"c2","op":"get","key":"a","start":30,"end":40,"outcome":"ok","found":{"value":"y"}}')
        done = self.drill("check", "--json", self.history(PUT, stale))
        self.assertEqual(done.returncode, VIOLATION, done.stderr)
        self.assertFalse(json.loads(done.stdout)["clean"])

    def test_a_broken_file_is_named_with_its_line(self):
        cut_off = PUT[:40]
        for lines, said in [([PUT, "", cut_off], ":3: this is no JSON object"), (["[]"], ":1: this is no JSON object"),
                            ([PUT.replace('"put"', '"pat"')], ":1: "), ([PUT.replace('"key":"a",', "")], "'key'"),
                            ([PUT.replace('"ok"', '"well"')], "'well'"), ([PUT.replace('10', '"ten"')], "'start'"),
                            ([PUT.replace('"end":20', '"end":5')], ":1: "), ([], "holds no operation"),
                            (['{"about":"nothing"}'], "holds no operation")]:
            path = self.history(*lines)
            self.refused(["check", str(path)], str(path), said)

    def test_what_is_no_file(self):
        self.refused(["check"], "HISTORY")
        self.refused(["check", "not-there"], "'not-there' cannot be read: No such file")
        self.refused(["check", "."], "'.' cannot be read whole: Is a directory")


if __name__ == "__main__":
    unittest.main()
