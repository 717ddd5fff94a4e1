#!/usr/bin/env python3
"""The client library is installed, and the examples are built against what was installed, as a
stranger's program is, and run beside a cluster whose leader is killed meanwhile. BUILD names the build
folder."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402

# What each says that needs nobody beside it, at least at its beginning.
TOLD = {
    "transaction": "ann has 30, bob has 70\n",
    "bulk": "2000 of 2000 records are stored\n",
    "lease": "1 key lives as long as the lease\nwith the lease its key is gone\n",
    "lock": "the holder's change was made\nan older holder's change was refused\n",
    "async_follow": "20 changes were made and seen\n",
    "past": "at revision ",
    "cluster": "3 members\n",
}
SOURCES = pathlib.Path(__file__).parents[2] / "client" / "examples"


def build_in(directory):
    """Where the programs are."""
    installed = directory / "installed"
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(["cmake", "--install", os.environ["BUILD"], "--prefix", installed], **quiet)
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if os.path.exists("/usr/bin/ccache") else []
    subprocess.run(["cmake", "-S", SOURCES, "-B", directory / "out", f"-DCMAKE_PREFIX_PATH={installed}",
                    *launcher], **quiet)
    subprocess.run(["cmake", "--build", directory / "out"], **quiet)
    assert (installed / "bin" / "holdfastd").exists() and (installed / "bin" / "holdfast").exists()
    assert not list(installed.glob("include/**/rocks*")), "only what the library needs"
    return directory / "out"


def run(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (program.name, done)
    return done.stdout


def main():
    with tempfile.TemporaryDirectory() as directory:
        programs = build_in(pathlib.Path(directory))
        with Cluster(3) as cluster:
            urls = ",".join(f"http://127.0.0.1:{node.port}" for node in cluster.nodes)

            def are_announced():
                view = cluster.nodes[0].cluster()
                return view and all(member["client_url"] for member in view["members"])
            wait_for("all have said where clients go", are_announced)
            said = run(programs / "first_steps", urls)
            assert "it says hello\n" in said and "certainly not stored" in said, said
            assert said.count("a member: ") == 3, said
            assert run(programs / "async", urls) == "50 of 50 were stored and read back\n"

            with subprocess.Popen([programs / "follow", urls, "examples/", "101"], stdout=subprocess.PIPE,
                                  text=True) as follower:
                assert follower.stdout.readline().startswith("50 keys at revision ")
                counter = subprocess.Popen([programs / "counter", urls], stdout=subprocess.PIPE, text=True)
                follower.stdout.readline()
                leader = cluster.leader()
                leader.end(signal.SIGKILL)
                said = counter.communicate(timeout=60)[0]
                assert (counter.returncode, said) == (0, "raised 100 times\n"), said
                leader.start()
                wait_for("it serves again", leader.is_ready)
                status, _ = leader.ask("PUT", "/v1/kv/examples/last", b"1")
                assert status == 201
                lines = follower.stdout.readlines()
                assert follower.wait(30) == 0
                # 100 raises, and the last key.
                assert lines[-1].startswith("52 keys at revision "), lines[-1]
            for name, told in TOLD.items():
                said = run(programs / name, urls)
                assert said.startswith(told), (name, said)
    print(f"{4 + len(TOLD)} examples built and run, 0 failed")


if __name__ == "__main__":
    main()
