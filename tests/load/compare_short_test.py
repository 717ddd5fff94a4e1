#!/usr/bin/env python3
"""bench/compare/run, growth and session from end to end, each part small: every product starts, is asked, killed and
restarted, and no table lacks a row. The figures are not looked at. And that a pause without its cause is none."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import unittest
import unittest.mock

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "bench/compare"))
import outages  # noqa: E402
import peers  # noqa: E402

BIN = pathlib.Path(os.environ["HOLDFAST"]).parent
SIZE = r"\d+ MiB \| \d+ MiB \| [\d.]+ \| [\d.]+ s \| [\d.]+ s \|"
LATENCIES = r"[\d.]+ (?:s|ms|µs) / [\d.]+ (?:s|ms|µs)"


class Short(unittest.TestCase):
    def tables(self, name):
        """What it printed: where, each table, how long it took."""
        folders = {"run": "compare-*", "growth": "growth-*", "session": "session-*"}[name]
        before = set(BIN.glob(folders))
        done = subprocess.run([TOP / "bench/compare" / name, "--short"], capture_output=True, text=True, timeout=200)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(set(BIN.glob(folders)) - before, "its folder is still there")
        return done.stdout.strip().split("\n\n")

    def assert_rows(self, table, pattern, count):
        self.assertEqual(len(re.findall(pattern, table, re.MULTILINE)), count, table)

    def test_a_comparison_has_its_rows(self):
        tables = self.tables("run")
        self.assertEqual(len(tables), 5, tables)
        head, speed, size, failover, took = tables
        self.assertRegex(head, r"commit .*etcd \d.*redis \d.*nginx \d")
        self.assertRegex(took, r"^Took: speed \d+ s, size \d+ s, failover \d+ s\.$")
        for name, count in {"holdfast": 8, "etcd": 6, "redis": 6, "nginx": 1}.items():
            self.assert_rows(speed, rf"^\|[^|]*\| {name}(?:, by redis-benchmark)? \|", count)
        self.assertNotIn("ERRORS", speed)
        for name in ("holdfast", "etcd", "redis"):
            self.assert_rows(size, rf"^\| {name} \| {SIZE}$", 1)
            self.assertRegex(failover, rf"\| {name} \| ({'not in short' if name == 'redis' else '[0-9.]+ (ms|µs|s), 1 ×'}) ")

    def test_a_comparison_of_http_alone_has_its_rows(self):
        (table,) = self.tables("session")
        for name, ratio in {"holdfast": "", "nginx, one worker": r"[\d.]+", "nginx, a worker a core": r"[\d.]+"}.items():
            self.assert_rows(table, rf"^\|[^|]*\| {name} \| [\d,]+ \| {ratio} \|$", 2)

    def test_growth_has_its_rows(self):
        tables = self.tables("growth")
        self.assertEqual(len(tables), 8, tables)
        _, sizes, speeds, asleep, nodes, idle, matching, took = tables
        self.assertRegex(took, r"^Took: keys \d+ s, nodes \d+ s, watchers \d+ s\.$")
        load = rf"[\d,]+(?:, the generator was the limit)? \| {LATENCIES} \| [\d.]+ µs \|"
        for count in ("100", "1,000"):
            self.assert_rows(sizes, rf"^\| {count} \| {SIZE}$", 1)
            self.assert_rows(speeds, rf"^\| {count} \| {load} {load}$", 1)
        self.assert_rows(asleep, r"^\| [13] \| \d+ MiB \| [\d.]+ % \|$", 2)
        self.assert_rows(nodes, rf"\| 1 \| {load}$", 3)
        self.assert_rows(nodes, rf"\| 3 \| {load}$", 4)
        self.assert_rows(idle, rf"^\| 0 \|  \| {load}$", 1)
        for count in ("10", "50"):
            self.assert_rows(idle, rf"^\| {count} \| -?[\d.]+ KiB \| {load}$", 1)
            self.assert_rows(matching, rf"^\| {count} \| 100 \| [\d,]+(?:, NOT KEPT|, the generator was the limit)* \| "
                             rf"{LATENCIES} \| [\d,]+ \| {LATENCIES} \| (-?[\d.]+ µs|none) \|$", 1)


class WhatIsOnADisk(unittest.TestCase):
    def test_a_log_counts_and_what_a_node_says_does_not(self):
        with tempfile.TemporaryDirectory(dir=BIN) as folder:
            holdfast = peers.Holdfast(pathlib.Path(folder), "holdfastd")
            for name in ("n1/segment-1.log", "n2/000012.sst", "n3/LOCK", "n1.log"):
                with open(holdfast.folder / name, "wb") as file:
                    file.write(b"x" * 300_000)
                    file.flush()
                    os.fsync(file.fileno())  # blocks are taken at last
            self.assertGreaterEqual(holdfast.disk_bytes(), 300_000)
            self.assertLess(holdfast.disk_bytes(), 400_000)


class Stubborn:
    """Takes every write, and hands over to nobody."""
    name = "stubborn"

    def leader(self):
        return 0

    def put(self, number, timeout_s):
        return not threading.Event().wait(0.002)  # as long as an answer takes

    def hand_over(self):
        pass


class NoFigureWithoutItsCause(unittest.TestCase):
    def test_a_leader_that_stays_has_no_pause(self):
        with self.assertRaisesRegex(AssertionError, "another leads stubborn"):
            outages.pause_of(Stubborn(), "planned", 3)

    def test_a_refused_change_of_leader_is_said(self):
        with tempfile.TemporaryDirectory() as folder:
            holdfast = peers.Holdfast(pathlib.Path(folder), "holdfastd")
            leads = {"Holdfast-Leader": holdfast.url(1)}
            for answer in ((503, leads, b'{"code":"no_leader"}'), None):
                with unittest.mock.patch.object(holdfast, "leader", return_value=1), \
                     unittest.mock.patch.object(peers, "ask_http", return_value=answer), \
                     self.assertRaisesRegex(SystemExit, "holdfast does not hand over"):
                    holdfast.hand_over()


if __name__ == "__main__":
    unittest.main()
