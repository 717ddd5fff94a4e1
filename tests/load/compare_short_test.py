#!/usr/bin/env python3
"""bench/compare/run from end to end, each part small: every product starts, is asked, killed and restarted, and no
table lacks a row. The figures are not looked at."""

import os
import pathlib
import re
import subprocess
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]


class ShortComparison(unittest.TestCase):
    def test_every_part_has_its_rows(self):
        before = set(pathlib.Path(os.environ["HOLDFAST"]).parent.glob("compare-*"))
        done = subprocess.run([TOP / "bench/compare/run", "--short"], capture_output=True, text=True, timeout=200)
        self.assertEqual(done.returncode, 0, done.stderr)
        tables = done.stdout.strip().split("\n\n")
        self.assertEqual(len(tables), 4, done.stdout)
        head, speed, size, failover = tables
        self.assertRegex(head, r"Commit .*etcd \d.*redis \d.*nginx \d")
        for name, rows in {"holdfast": 8, "etcd": 6, "redis": 6, "nginx": 1}.items():
            found = re.findall(rf"^\|[^|]*\| {name}(?:, by redis-benchmark)? \|", speed, re.MULTILINE)
            # Bulk requests are measured where there are any.
            self.assertIn(len(found), (rows, rows - 1) if name == "holdfast" else (rows,), speed)
        self.assertNotIn("ERRORS", speed)
        for name in ("holdfast", "etcd", "redis"):
            self.assertRegex(size, rf"\| {name} \| \d+ MiB \| \d+ MiB \| [\d.]+ s \| [\d.]+ s \|")
            self.assertRegex(failover, rf"\| {name} \| ({'not in short' if name == 'redis' else '[0-9.]+ (ms|µs), 1 ×'}) ")
        left = set(pathlib.Path(os.environ["HOLDFAST"]).parent.glob("compare-*")) - before
        self.assertFalse(left, "its folder is still there")


if __name__ == "__main__":
    unittest.main()
