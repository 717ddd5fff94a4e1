#!/usr/bin/env python3
"""`holdfast bench` as people use it: against a real cluster, and with arguments that make no sense."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cluster"))
from cluster import Cluster, free_ports  # noqa: E402

MEASURED, OTHER, ERRORS, NOT_KEPT, UNREACHABLE = 0, 1, 2, 3, 5
QUICK = ["--runs", "1", "--warmup", "0", "--keys", "200", "--connections", "8", "--duration", "200ms"]


def bench(*arguments, url=None):
    environment = {k: v for k, v in os.environ.items() if k != "HOLDFAST_ENDPOINTS"}
    if url:
        environment["HOLDFAST_ENDPOINTS"] = url
    return subprocess.run([os.environ["HOLDFAST"], "bench", *arguments], capture_output=True, text=True, timeout=60,
                          env=environment)


class Arguments(unittest.TestCase):
    def refused(self, said, *arguments):
        done = bench(*arguments)
        self.assertEqual(done.returncode, OTHER, done)
        self.assertIn(said, done.stderr + done.stdout)

    def test_what_makes_no_sense_is_said(self):
        self.refused("which workload?")
        self.refused("there is no workload 'putt'", "putt")
        self.refused("--value-size '1x'", "put", "--value-size", "1x")
        self.refused("--connections", "put", "--connections", "0")
        self.refused("--rate", "put", "--rate", "-5")
        self.refused("--choice", "put", "--choice", "all")
        self.refused("is not a duration", "put", "--duration", "5")
        self.refused("is not a duration", "put", "--warmup", "x")
        self.refused("leave --rate out", "put", "--sweep", "--rate", "5")
        self.refused("for the workload mixed only", "put", "--read-share", "0.5")
        self.refused("each thread needs at least one", "put", "--threads", "8", "--connections", "4")
        self.refused("redis is not asked for 'scan'", "scan", "--product", "redis")
        self.refused("at least 32", "watch", "--value-size", "10")
        self.refused("--endpoint", "put", "--endpoint")
        self.refused("cannot be read", "compare", "/no/such/file", "/nor/this")

    def test_help_names_every_workload(self):
        done = bench("--help")
        self.assertEqual(done.returncode, MEASURED)
        for name in ["put", "get", "mixed", "scan", "txn", "bulk", "watch"] + [f"ycsb-{c}" for c in "abcdef"]:
            self.assertRegex(done.stdout, rf"\n +{name} ")

    def test_where_nobody_listens_it_says_so(self):
        port, = free_ports(1)
        done = bench("put", url=f"http://127.0.0.1:{port}")
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertIn(f"nobody answers at 127.0.0.1:{port}", done.stderr)


class RealCluster(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster(3))
        cls.urls = ",".join(f"http://127.0.0.1:{node.port}" for node in cls.cluster.nodes)

    def run_of(self, *arguments, duration="200ms"):
        """Whether it is called measured, or its rate not kept, which a busy machine decides: all say the same."""
        done = bench(*arguments, *QUICK[:-1], duration, "--json", url=self.urls)
        self.assertIn(done.returncode, (MEASURED, NOT_KEPT), done.stderr + done.stdout)
        report = json.loads(done.stdout)
        run = report["runs"][0]
        self.assertFalse(report["errors"])
        self.assertEqual(report["measured"], done.returncode == MEASURED)
        self.assertEqual(run["rate"] is None, not run["kept"])
        if not run["kept"]:
            self.assertFalse(report["measured"])
        return run

    def measured(self, *arguments, seen=()):
        """One that is long enough that all of `seen` are among what was done."""
        for duration in ("200ms", "2s", "20s"):
            run = self.run_of(*arguments, duration=duration)
            if run["rate"] and set(seen) <= set(run["operations"]):
                break
        return run

    def test_every_workload_is_measured_without_errors(self):
        for name, operations in {"put": {"put"}, "get": {"get"}, "mixed": {"get", "put"}, "scan": {"scan"},
                                 "txn": {"txn"}, "ycsb-a": {"get", "put"}, "ycsb-d": {"get", "insert"},
                                 "ycsb-e": {"scan", "insert"}, "ycsb-f": {"get", "read-modify-write"}}.items():
            with self.subTest(name):
                run = self.measured(name, seen=operations)
                self.assertEqual(set(run["operations"]), operations)
                self.assertGreater(run["rate"], 0)
                self.assertEqual(run["outcomes"]["missing"], 0)
        self.measured("get", "--consistency", "local", "--depth", "8", "--threads", "2")

    def test_bulk_counts_its_lines(self):
        run = self.measured("bulk", "--bulk-lines", "10")
        self.assertGreater(run["outcomes"]["ok"], 0)
        self.assertEqual(run["outcomes"]["ok"] % 10, 0)

    def test_each_watcher_has_each_change(self):
        run = self.run_of("watch", "--watchers", "5", "--rate", "100")
        self.assertEqual(run["outcomes"]["ok"] + run["never_sent"], 20)
        self.assertEqual(run["operations"]["delivery"]["count"], 5 * run["outcomes"]["ok"])
        self.assertEqual(run["outcomes"]["not_delivered"], 0)

    def test_an_open_loop_keeps_its_rate_or_says_that_it_does_not(self):
        run = self.run_of("put", "--rate", "100")
        self.assertEqual(run["outcomes"]["ok"] + run["never_sent"], 20)
        done = bench("put", "--rate", "5000000", *QUICK, "--timeout", "1s", url=self.urls)
        self.assertEqual(done.returncode, NOT_KEPT, done.stdout)
        self.assertIn("NOT KEPT: 5000000/s were asked for", done.stdout)
        self.assertNotRegex(done.stdout, r"rate  \d")

    def test_refusals_come_first_and_are_counted(self):
        done = bench("put", *QUICK, "--key-prefix", "x" * 5_000, url=self.urls)
        self.assertEqual(done.returncode, ERRORS, done.stdout)
        self.assertRegex(done.stdout.splitlines()[0], r"^run 1: ERRORS: [\d,]+ refused \(key_too_large")

    def test_a_sweep_ends_at_a_knee(self):
        done = bench("put", *QUICK, "--sweep", "--from", "50", "--factor", "100", "--p99-limit", "10s",
                     "--timeout", "1s", url=self.urls)
        self.assertEqual(done.returncode, MEASURED, done.stdout)
        self.assertRegex(done.stdout, r"\nknee  [\d,]+/s: the highest rate that was kept")

    def test_reports_are_written_and_compared(self):
        with tempfile.TemporaryDirectory() as folder:
            a, b, page = f"{folder}/a.json", f"{folder}/b.json", f"{folder}/a.html"
            arguments = ["put", *QUICK, "--runs", "2"]
            arguments.remove("1")
            arguments.remove("--runs")
            self.assertEqual(bench(*arguments, "--out", a, "--html", page, "--label", "first", url=self.urls).returncode,
                             MEASURED)
            self.assertEqual(bench(*arguments, "--out", b, url=self.urls).returncode, MEASURED)
            self.assertTrue(pathlib.Path(page).read_text().startswith("<!doctype html>"))
            done = bench("compare", a, b)
            self.assertEqual(done.returncode, MEASURED, done.stderr)
            self.assertIn("A  first\n", done.stdout)
            self.assertRegex(done.stdout, r"rate /s +[\d.]+ \(")
            self.assertIn("figures", json.loads(bench("compare", a, b, "--json").stdout))
            pathlib.Path(b).write_text("{}")
            self.assertIn("is no report", bench("compare", a, b).stderr)
        self.assertEqual(bench("put", *QUICK, "--out", "/no/such/folder/x", url=self.urls).returncode, OTHER)


if __name__ == "__main__":
    unittest.main()
