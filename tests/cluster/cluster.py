"""Real holdfastd processes on loopback, for tests that kill them. Every wait is a condition with a
deadline; only processes that were started here are ended."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PATIENCE_S = 20


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(what, condition, patience_s=PATIENCE_S):
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.005)
    raise AssertionError(f"waited {patience_s} s in vain: {what}")


class Node:
    def __init__(self, binary, directory, name, client_port, peer_port, belonging):
        self.name = name
        self.port = client_port
        self.log_path = directory / f"{name}.log"
        self.command = [binary, "--name", name, "--data-dir", str(directory / name),
                        "--listen", f"127.0.0.1:{client_port}", "--peer-listen", f"127.0.0.1:{peer_port}",
                        *belonging]
        self.process = None

    def start(self):
        assert self.process is None
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def end(self, how):
        self.process.send_signal(how)
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    def ask(self, method, path, body=None, headers=None, timeout_s=5):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def cluster(self):
        try:
            status, body = self.ask("GET", "/v1/cluster", timeout_s=2)
        except (OSError, http.client.HTTPException):
            return None
        return json.loads(body) if status == 200 else None

    def is_ready(self):
        try:
            return self.ask("GET", "/readyz", timeout_s=2)[0] == 200
        except (OSError, http.client.HTTPException):
            return False


class Cluster:
    """`with Cluster(3) as cluster:` starts nodes n1…; the folder is kept when the block fails."""

    def __init__(self, size):
        self.binary = os.environ["HOLDFASTD"]
        # Beside the binary, on a real file system: a test on tmpfs would not see a missing sync.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="cluster-", dir=pathlib.Path(self.binary).parent))
        ports = free_ports(2 * size)
        names = [f"n{i + 1}" for i in range(size)]
        listed = ",".join(f"{name}=127.0.0.1:{ports[2 * i + 1]}" for i, name in enumerate(names))
        self.nodes = [Node(self.binary, self.directory, name, ports[2 * i], ports[2 * i + 1],
                           ["--initial-cluster", listed]) for i, name in enumerate(names)]

    def newcomer(self, name, *more):
        """A node that will join when it is started: at any node, or as `more` says."""
        client_port, peer_port = free_ports(2)
        urls = ",".join(f"http://127.0.0.1:{node.port}" for node in self.nodes if node.process)
        node = Node(self.binary, self.directory, name, client_port, peer_port,
                    more or ["--join", urls])
        self.nodes.append(node)
        return node

    def __enter__(self):
        for node in self.nodes:
            node.start()
        try:
            self.wait_ready()
        except AssertionError:
            self.__exit__(AssertionError, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        for node in self.nodes:
            if node.process is not None:
                node.end(signal.SIGKILL)
        if kind is None:
            shutil.rmtree(self.directory)
        else:
            print(f"kept for a look: {self.directory}")

    def wait_ready(self):
        for node in self.nodes:
            wait_for(f"{node.name} is ready", node.is_ready)

    def leader(self):
        """The node that a live node calls the leader, and that says so itself."""
        def find():
            for node in self.nodes:
                view = node.cluster() if node.process else None
                if view and view["node"]["role"] == "leader":
                    return node
            return None
        return wait_for("a leader", find)

    def wait_caught_up(self):
        """All nodes have applied the same entries."""
        def equal():
            views = [node.cluster() for node in self.nodes]
            if not all(views):
                return False
            return len({view["node"]["applied_index"] for view in views}) == 1 and all(
                view["node"]["applied_index"] == view["node"]["commit_index"] for view in views)
        wait_for("all nodes hold the same", equal)
