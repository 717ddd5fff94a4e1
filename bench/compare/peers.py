"""Nodes of each product as real processes on free loopback ports, with their data below one folder: how each is
started, asked and looked at. Only processes that were started here are ended."""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/cluster"))
from cluster import free_ports, wait_for  # noqa: E402

PATIENCE_S = 90  # etcd takes long to read a million keys
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def ask_http(port, method, path, body=None, timeout_s=5.0):
    """(status, headers, body); None where nobody answers in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def ask_redis(port, *words, timeout_s=5.0):
    """The first line of the answer; None where nobody answers in time."""
    command = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(command.encode())
            return connection.recv(65536).decode(errors="replace")
    except OSError:
        return None


class Process:
    def __init__(self, command, log):
        self.command, self.log, self.process = [str(word) for word in command], log, None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def tell(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGKILL):
        if self.process is not None:
            # One that was stopped hears nothing else.
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(PATIENCE_S)
            self.process = None

    def check_alive(self):
        if self.process is None or self.process.poll() is not None:
            raise SystemExit(f"{self.command[0]} ended by itself: see {self.log}")

    def memory_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise SystemExit(f"the system does not tell what memory {self.command[0]} takes: no VmRSS in /proc/PID/status")

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def processor_seconds(self):
        """Since it was started."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


class Peer:
    """What all have in common. `ports` are those that clients ask, in the order of `nodes`."""
    name = flavour = ""

    def __init__(self, folder):
        self.folder = folder / self.name
        self.folder.mkdir(parents=True)
        self.nodes, self.ports, self.others = [], [], []
        self.make()

    def start(self):
        for one in self.nodes + self.others:
            one.start()
        self.wait_ready()

    def stop(self):
        for one in self.others + self.nodes:
            one.end()

    def log(self, name):
        return self.folder / f"{name}.log"

    def data(self, name):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def follower(self):
        leader = self.leader()
        return next(i for i in range(len(self.ports)) if i != leader)

    def url(self, number):
        return f"http://127.0.0.1:{self.ports[number]}"

    def memory_bytes(self):
        return max(node.memory_bytes() for node in self.nodes)

    def processor_seconds(self):
        """Of all nodes together."""
        return sum(node.processor_seconds() for node in self.nodes)

    def disk_bytes(self):
        """Of one node: blocks that are taken, as `du` counts them; all but what it says, which lies beside its data."""
        return sum(path.stat().st_blocks * 512 for path in self.folder.rglob("*")
                   if path.is_file() and path.parent != self.folder) // len(self.nodes)

    def wait_ready(self):
        wait_for(f"{len(self.nodes)} nodes of {self.name} take a write", self.takes_write, PATIENCE_S)

    def takes_write(self):
        for node in self.nodes:
            node.check_alive()
        return any(self.put(i, 2.0) for i in range(len(self.nodes)))


class Holdfast(Peer):
    name = flavour = "holdfast"

    def __init__(self, folder, binary, size=3):
        self.binary, self.size = binary, size
        super().__init__(folder)

    def make(self):
        ports = free_ports(2 * self.size)
        self.ports, peer_ports = ports[:self.size], ports[self.size:]
        cluster = ",".join(f"n{i + 1}=127.0.0.1:{port}" for i, port in enumerate(peer_ports))
        for i in range(self.size):
            self.nodes.append(Process(
                [self.binary, "--name", f"n{i + 1}", "--data-dir", self.data(f"n{i + 1}"), "--listen",
                 f"127.0.0.1:{ports[i]}", "--peer-listen", f"127.0.0.1:{peer_ports[i]}", "--initial-cluster", cluster],
                self.log(f"n{i + 1}")))

    def wait_ready(self):
        for port in self.ports:
            def is_ready(port=port):
                answer = ask_http(port, "GET", "/readyz")
                return answer and answer[0] == 200
            wait_for("a node of holdfast is ready", is_ready, PATIENCE_S)

    def leader(self):
        def find():
            answer = ask_http(self.ports[0], "GET", "/v1/cluster")
            url = answer and answer[1].get("Holdfast-Leader")
            return next((i + 1 for i in range(self.size) if url == self.url(i)), None)
        return wait_for("a leader of holdfast", find, PATIENCE_S) - 1

    def put(self, number, timeout_s):
        answer = ask_http(self.ports[number], "PUT", "/v1/kv/probe", b"x", timeout_s)
        return answer is not None and answer[0] in (200, 201)

    def hand_over(self):
        answer = ask_http(self.ports[self.leader()], "POST", "/v1/cluster/leader", b"{}")
        if answer is None or answer[0] != 200:
            raise SystemExit(f"holdfast does not hand over: {answer}")


class Etcd(Peer):
    name = flavour = "etcd"

    def make(self):
        ports = free_ports(6)
        self.ports = ports[:3]
        cluster = ",".join(f"e{i + 1}=http://127.0.0.1:{port}" for i, port in enumerate(ports[3:]))
        for i in range(3):
            peer = f"http://127.0.0.1:{ports[3 + i]}"
            self.nodes.append(Process(
                ["etcd", "--name", f"e{i + 1}", "--data-dir", self.data(f"e{i + 1}"), "--log-level", "error",
                 "--listen-client-urls", self.url(i), "--advertise-client-urls", self.url(i),
                 "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster],
                self.log(f"e{i + 1}")))

    def status(self, number):
        answer = ask_http(self.ports[number], "POST", "/v3/maintenance/status", b"{}")
        return json.loads(answer[2]) if answer and answer[0] == 200 else {}

    def leader(self):
        def find():
            for i in range(3):
                status = self.status(i)
                if status.get("leader", "0") == status.get("header", {}).get("member_id", "?"):
                    return i + 1
            return None
        return wait_for("a leader of etcd", find, PATIENCE_S) - 1

    def put(self, number, timeout_s):
        answer = ask_http(self.ports[number], "POST", "/v3/kv/put", b'{"key":"cHJvYmU=","value":"eA=="}', timeout_s)
        return answer is not None and answer[0] == 200

    def hand_over(self):
        leader = self.leader()
        target = self.status((leader + 1) % 3)["header"]["member_id"]
        answer = ask_http(self.ports[leader], "POST", "/v3/maintenance/transfer-leadership",
                          json.dumps({"targetID": target}).encode())
        if answer is None or answer[0] != 200:
            raise SystemExit(f"etcd does not hand over: {answer}")


class Redis(Peer):
    """One master and two replicas, each with its own append-only file, synced on each write; a write counts when one
    replica has said that it has it. Where it is watched, three sentinels do, as in Redis' own manual."""
    name = flavour = "redis"

    def __init__(self, folder, watched=False):
        self.watched = watched
        super().__init__(folder)

    def make(self):
        ports = free_ports(6)
        self.ports, self.sentinels = ports[:3], ports[3:]
        for i, port in enumerate(self.ports):
            more = ["--replicaof", "127.0.0.1", self.ports[0]] if i else []
            self.nodes.append(Process(
                ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", self.data(f"r{i + 1}"), "--appendonly",
                 "yes", "--appendfsync", "always", "--save", "", *more], self.log(f"r{i + 1}")))
        for i, port in enumerate(self.sentinels if self.watched else []):
            config = self.data(f"s{i + 1}") / "sentinel.conf"
            # Everything else is as Redis has it: a master is given up after 30 s of silence.
            config.write_text(f"port {port}\nbind 127.0.0.1\ndir {config.parent}\n"
                              f"sentinel monitor main 127.0.0.1 {self.ports[0]} 2\n")
            self.others.append(Process(["redis-server", config, "--sentinel"], self.log(f"s{i + 1}")))

    def wait_ready(self):
        def is_whole():
            seen = ask_redis(self.ports[0], "INFO", "replication") or ""
            return seen.count("state=online") == 2
        wait_for("the replicas of redis", is_whole, PATIENCE_S)

    def leader(self):
        def find():
            return next((i + 1 for i, port in enumerate(self.ports)
                         if "role:master" in (ask_redis(port, "INFO", "replication") or "")), None)
        return wait_for("a master of redis", find, PATIENCE_S) - 1

    def put(self, number, timeout_s):
        """SET and WAIT on one connection: a replica only says that it is one."""
        command = "*3\r\n$3\r\nSET\r\n$5\r\nprobe\r\n$1\r\nx\r\n*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$4\r\n1000\r\n"
        try:
            with socket.create_connection(("127.0.0.1", self.ports[number]), timeout_s) as connection:
                connection.settimeout(timeout_s)
                connection.sendall(command.encode())
                said = b""
                while said.count(b"\r\n") < 2:
                    part = connection.recv(4096)
                    if not part:
                        return False
                    said += part
        except OSError:
            return False
        return said.startswith(b"+OK\r\n:") and not said.startswith(b"+OK\r\n:0")

    def wait_watched(self):
        """The sentinels know the replicas and each other: else they would not agree on a failover."""
        for port in self.sentinels:
            def knows(port=port):
                said = ask_redis(port, "SENTINEL", "MASTER", "main") or ""
                words = said.split("\r\n")
                about = dict(zip(words[2::4], words[4::4]))
                return about.get("num-slaves") == "2" and about.get("num-other-sentinels") == "2"
            wait_for("the sentinels of redis", knows, PATIENCE_S)

    def hand_over(self):
        answer = ask_redis(self.sentinels[0], "SENTINEL", "FAILOVER", "main")
        if answer is None or not answer.startswith("+OK"):
            raise SystemExit(f"redis does not hand over: {answer}")


class Nginx(Peer):
    """A static answer from memory, which is as little as a web server can do."""
    name, flavour = "nginx", "static"

    def __init__(self, folder, answer, media_type="application/octet-stream", workers="auto"):
        self.answer, self.media_type, self.workers = answer, media_type, workers
        super().__init__(folder)

    def make(self):
        self.ports = free_ports(1)
        config = self.folder / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes {self.workers}; pid {self.folder}/pid; error_log {self.folder}/error.log;\n"
            f"events {{ worker_connections 4096; }}\nhttp {{ access_log off; keepalive_requests 100000000;\n"
            f"client_body_temp_path {self.folder}/t1; proxy_temp_path {self.folder}/t2; fastcgi_temp_path "
            f"{self.folder}/t3; uwsgi_temp_path {self.folder}/t4; scgi_temp_path {self.folder}/t5;\n"
            f"server {{ listen 127.0.0.1:{self.ports[0]}; location / {{ default_type {self.media_type}; "
            f"return 200 \"{self.answer}\"; }} }} }}\n")
        self.nodes.append(Process(["nginx", "-p", self.folder, "-c", config], self.log("nginx")))

    def leader(self):
        return 0

    def put(self, number, timeout_s):
        answer = ask_http(self.ports[number], "GET", "/", timeout_s=timeout_s)
        return answer is not None and answer[0] == 200

    def stop(self):
        # Its workers end with it only if it ends them itself.
        for one in self.nodes:
            one.end(signal.SIGTERM)
