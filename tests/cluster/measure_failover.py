#!/usr/bin/env python3
"""Not a test: measures how long a cluster of three does not serve when its primary goes, under load by
clients of every node. Prints figures only.

  measure_failover.py [--rounds 30] [--only kill,stop,cut,switchover]

`kill` is SIGKILL, `stop` SIGSTOP, `cut` silence on all the primary's links, `switchover` a planned change.
Of the first three, seen by the clients of the surviving nodes: `until served` is the time from the fault
to the first acknowledgement of a change that began after it; `pause` the longest time around the fault
in which none of them had a change acknowledged. Of a switchover, seen by all clients: the longest that
any request took which was open while it went on, and how many failed."""

import argparse
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402
from history import OK  # noqa: E402
from mixed_load import MixedLoad  # noqa: E402
from proxy import CUT  # noqa: E402

CLIENTS_EACH = 5  # one of them only reads
WRITES_BETWEEN = 60  # through each node


def load_average():
    return "%.1f %.1f %.1f" % os.getloadavg()


def show(what, seconds):
    ordered = sorted(seconds)
    at = {f"p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)] for share in (50, 90, 99)}
    figures = "  ".join(f"{name} {value * 1000:5.0f}" for name, value in {**at, "max": ordered[-1]}.items())
    print(f"  {what:13} {figures}  ms", flush=True)


def strike(cluster, primary, kind):
    if kind == "kill":
        primary.end(signal.SIGKILL)
    elif kind == "stop":
        primary.process.send_signal(signal.SIGSTOP)
    else:
        cluster.links.set([pair for pair in cluster.links.pairs if primary.name in pair], CUT)


def mend(cluster, primary, kind):
    if kind == "kill":
        primary.start()
    elif kind == "stop":
        primary.process.send_signal(signal.SIGCONT)
    else:
        cluster.links.heal()


def wait_back(cluster, load, node):
    """It holds what the leader held when it came back, and serves."""
    goal = cluster.leader().cluster()["node"]["commit_index"]
    wait_for(f"{node.name} has caught up",
             lambda: (view := node.cluster()) is not None and view["node"]["applied_index"] >= goal)
    cluster.wait_ready()
    load.flow(wait_for, count=WRITES_BETWEEN)


def longest_pause(load, nodes, moment):
    """Between two acknowledgements through `nodes`, the second of them after `moment`."""
    ends = sorted(r.end for r in load.since(moment - 1, nodes) if r.is_change and r.outcome == OK)
    return max(after - before for before, after in zip(ends, ends[1:]) if after > moment)


def one_fault(cluster, load, kind):
    primary = cluster.leader()
    others = [node for node in cluster.nodes if node is not primary]
    moment = time.monotonic()
    strike(cluster, primary, kind)
    try:
        wait_for("changes are acknowledged again", lambda: load.failure or load.pause_after(moment, others))
        load.flow(wait_for, others)
    finally:
        mend(cluster, primary, kind)
    figures = load.pause_after(moment, others), longest_pause(load, others, moment)
    wait_back(cluster, load, primary)
    return figures


def one_switchover(cluster, load):
    """The longest request and how many failed, of those open from the order until it is served."""
    moment = time.monotonic()
    status, answer = cluster.leader().ask("POST", "/v1/cluster/leader")
    assert status == 200, (status, answer)
    done = time.monotonic()
    load.flow(wait_for, count=WRITES_BETWEEN)
    open_then = [r for r in load.since(moment) if r.call < done]
    return max(r.end - r.call for r in open_then), sum(r.outcome != OK for r in open_then), done - moment


def measure(kind, rounds):
    with Cluster(3, proxied=kind == "cut") as cluster:
        with MixedLoad(cluster.nodes, CLIENTS_EACH) as load:
            load.flow(wait_for, count=WRITES_BETWEEN)
            term, before = cluster.newest_term(), load_average()
            if kind == "switchover":
                figures = [one_switchover(cluster, load) for _ in range(rounds)]
            else:
                figures = [one_fault(cluster, load, kind) for _ in range(rounds)]
            terms = cluster.newest_term() - term
        cluster.wait_caught_up()
        load.final_reads()
        load.check()
    print(f"{kind}: {rounds} rounds, {terms} terms, {load.operations()} operations, linearizable; load average "
          f"{before} at the begin, {load_average()} at the end")
    if kind == "switchover":
        show("longest wait", [longest for longest, _, _ in figures])
        show("the order", [took for _, _, took in figures])
        print(f"  failed        {sum(failed for _, failed, _ in figures)} requests")
    else:
        show("until served", [served for served, _ in figures])
        show("pause", [pause for _, pause in figures])


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=30)
    arguments.add_argument("--only", default="kill,stop,cut,switchover")
    given = arguments.parse_args()
    print(f"{os.cpu_count()} processors, {3 * CLIENTS_EACH} clients, election timeout 300-600 ms")
    for kind in given.only.split(","):
        assert kind in ("kill", "stop", "cut", "switchover"), kind
        measure(kind, given.rounds)


if __name__ == "__main__":
    main()
