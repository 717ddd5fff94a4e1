"""What tests of the holdfast command share: a scripted cluster, and the program that HOLDFAST names."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from fake_cluster import FakeCluster  # noqa: E402

HOLDFAST = os.environ["HOLDFAST"]
NO_LEADER = (503, "no_leader", "not_applied")
OVERLOADED = (503, "overloaded", "not_applied")  # and asks for a minute: nobody with less than half of one tries again
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
        source = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
        return subprocess.run([HOLDFAST, *arguments], **source, capture_output=True, timeout=60, env=clean,
                              check=False)

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
