"""Real holdfastd processes on loopback, for tests that kill them. Every wait is a condition with a
deadline; only processes that were started here are ended."""

import hashlib
import http.client
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from proxy import Links

PATIENCE_S = 20
BUILT = str(pathlib.Path(__file__).resolve().parents[2] / "build" / "bin" / "holdfastd")


# Below the ports that Linux gives by itself, from 32768 on: an outgoing connection would have a node's port while the
# node is down, and it could not come back. As bench/drill/ports, whose processes run beside ours.
PORTS = range(10000, 32768)
held_numbers = {}  # port → a UDP socket: nodes speak TCP, so that it keeps the number from other tests and from no node
next_ports = itertools.cycle([*PORTS[os.getpid() * 16 % len(PORTS):], *PORTS[:os.getpid() * 16 % len(PORTS)]])


def free_ports(count):
    """Where nobody listens; no other test gets them as long as this process lives."""
    def take():
        for port in itertools.islice(next_ports, len(PORTS)):
            number = socket.socket(type=socket.SOCK_DGRAM)
            with socket.socket() as listener:
                try:
                    number.bind(("127.0.0.1", port))
                    listener.bind(("127.0.0.1", port))
                except OSError:
                    number.close()
                    continue
            held_numbers[port] = number
            return port
        raise AssertionError("no port of loopback is free")
    return [take() for _ in range(count)]


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

    def ask(self, method, path, body=None, headers=None, timeout_s=PATIENCE_S):
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
    """`with Cluster(3) as cluster:` starts nodes n1…; the folder is kept when the block fails. Where it
    is proxied, each node reaches each other through a link of its own: `cluster.links`. Where it has faults,
    they can be set: PUT /v1/faults."""

    def __init__(self, size, proxied=False, faults=False):
        self.binary = os.environ.get("HOLDFASTD", BUILT)
        # Beside the binary, on a real file system: a test on tmpfs would not see a missing sync.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="cluster-", dir=pathlib.Path(self.binary).parent))
        ports = free_ports(2 * size)
        names = [f"n{i + 1}" for i in range(size)]
        peer_ports = dict(zip(names, ports[1::2]))
        self.links = Links(peer_ports) if proxied else None
        self.flags = ["--enable-faults"] if faults else []
        self.nodes = [Node(self.binary, self.directory, name, ports[2 * i], ports[2 * i + 1],
                           ["--initial-cluster", self._seen_by(name, peer_ports), *self.flags])
                      for i, name in enumerate(names)]

    def _seen_by(self, name, peer_ports):
        """The members' addresses, as this node reaches them."""
        def port(other):
            return self.links.port(name, other) if self.links and other != name else peer_ports[other]
        return ",".join(f"{other}=127.0.0.1:{port(other)}" for other in peer_ports)

    def newcomer(self, name, *more):
        """A node that will join when it is started: at any node, or as `more` says."""
        client_port, peer_port = free_ports(2)
        urls = ",".join(f"http://127.0.0.1:{node.port}" for node in self.nodes if node.process)
        node = Node(self.binary, self.directory, name, client_port, peer_port,
                    [*(more or ["--join", urls]), *self.flags])
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
        if self.links:
            self.links.close()
        if kind is None:
            shutil.rmtree(self.directory)
        else:
            print(f"kept for a look: {self.directory}")

    def wait_ready(self):
        def ready(node):
            self.check_alive()
            return node.is_ready()
        for node in self.nodes:
            wait_for(f"{node.name} is ready", lambda node=node: ready(node))

    def leader(self):
        """The node that says that it leads, and of several the one of the newest term."""
        def find():
            led = [(view["node"]["term"], node.name, node) for node in self.nodes if node.process
                   for view in [node.cluster()] if view and view["node"]["role"] == "leader"]
            return max(led)[2] if led else None
        return wait_for("a leader", find)

    def check_alive(self):
        """No node has ended that nobody ended."""
        for node in self.nodes:
            assert node.process is None or node.process.poll() is None, \
                f"{node.name} ended by itself with {node.process.returncode}: see {node.log_path}"

    def newest_term(self):
        return max(view["node"]["term"] for view in [node.cluster() for node in self.nodes] if view)

    def wait_caught_up(self):
        """All nodes hold the same rows, as of a moment behind all that was acknowledged before."""
        revision = self._newest()
        rows = f"/v1/kv?revision={revision}&consistency=local"

        def held(node):
            # 400: it has not come so far yet.
            status, body = node.ask("GET", rows, headers={"Accept": "application/x-ndjson"})
            # What is left of a time to live is as of this reading, and each node reads at another moment. No key
            # and no value is touched: a quote within them is escaped.
            return hashlib.sha256(re.sub(rb',"ttl_ms":\d+', b"", body)).hexdigest() if status == 200 else None
        digests = {node.name: wait_for(f"{node.name} has revision {revision}", lambda node=node: held(node))
                   for node in self.nodes}
        assert len(set(digests.values())) == 1, f"at revision {revision} the nodes differ: {digests}"

    def wait_hashes_agree(self):
        """The replicas' own comparison says so, of all that the state holds: up to 10 s later."""
        self._newest()
        index = max(view["node"]["applied_index"] for view in map(Node.cluster, self.nodes) if view)

        def compared():
            views = [node.cluster() for node in self.nodes]
            if not all(views):
                return None
            views = [view["node"] for view in views]
            checks = {view["state_hash_index"] for view in views}
            return views if len(checks) == 1 and (checks.pop() or 0) >= index else None
        views = wait_for("all nodes know a newer check of their states", compared, 30)
        hashes = {view["name"]: view["state_hash"] for view in views}
        assert len(set(hashes.values())) == 1, f"at the same index the nodes differ: {hashes}"

    def _newest(self):
        """The revision of a write that is made for it."""
        def write():
            status, body = self.nodes[0].ask("PUT", "/v1/kv/caught-up", b"")
            return json.loads(body)["revision"] if status < 300 else None
        return wait_for("a change is taken", write)
