#!/usr/bin/env python3
"""A storm over three nodes under load: kill -9, processes that fall silent, links that are cut, slow or
reset, several at once, also all nodes. It comes in waves; after each everything heals, and then one
leader serves through every node, all nodes hold the same, and the history of all clients must be
linearizable. A seed says what happens when; who leads then is not its choice.

  nemesis_test.py [--seed N] [--seconds 40]     or NEMESIS_SEED, NEMESIS_SECONDS in the environment"""

import argparse
import collections
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402
from history import OK, REFUSED, UNKNOWN  # noqa: E402
from mixed_load import MixedLoad  # noqa: E402
from proxy import CUT, OPEN, RESET  # noqa: E402

WAVE_S = 8
LEADER = "the leader"
NAMES = ("n1", "n2", "n3")

Act = collections.namedtuple("Act", "at kind targets rule until")


def plan(dice):
    """One wave: acts by their moment, each with the moment when it is taken back."""
    acts, moment = [], 0.0
    while moment < WAVE_S:
        kind = dice.choice(("kill", "kill", "kill some", "stop", "stop", "isolate", "deaf", "mute", "cut", "one way",
                            "slow", "narrow", "reset"))
        who = dice.choice((LEADER, LEADER, *NAMES))
        targets = dice.sample(NAMES, dice.choice((2, 2, 3))) if kind == "kill some" else [who]
        targets += [dice.choice(NAMES)] if kind in ("cut", "one way") else []
        rule = {"slow": {"mode": "open", "delay_ms": dice.choice((5, 30, 120)), "jitter_ms": dice.choice((0, 20, 200))},
                "narrow": {"mode": "open", "bytes_per_s": dice.choice((5_000, 50_000, 500_000))},
                "reset": RESET}.get(kind, CUT)
        lasts = dice.choice((0.05, 0.3, 0.8, 1.5, 3.0)) * dice.uniform(0.7, 1.3)
        acts.append(Act(moment, kind, targets, rule, min(moment + lasts, WAVE_S)))
        moment += dice.choice((0.1, 0.5, 1.0, 2.0)) * dice.uniform(0.5, 1.5)
    return acts


class Storm:
    def __init__(self, cluster):
        self.cluster = cluster
        self.nodes = {node.name: node for node in cluster.nodes}
        self.stopped = set()
        self.counts = collections.Counter()

    def blow(self, acts):
        begun = time.monotonic()
        moments = [(act.at, 0, number) for number, act in enumerate(acts)]
        moments += [(act.until, 1, number) for number, act in enumerate(acts)]
        taken = {}
        for moment, is_end, number in sorted(moments):
            wait_for("the next act", lambda moment=moment: time.monotonic() - begun >= moment)
            self.cluster.check_alive()
            if is_end:
                self.take_back(acts[number], taken[number])
            else:
                taken[number] = self.begin(acts[number])
                print(f"  {time.monotonic() - begun:5.2f} s  {acts[number].kind} {', '.join(taken[number])} "
                      f"for {acts[number].until - acts[number].at:.2f} s", flush=True)

    def begin(self, act):
        """Whom it has met."""
        names = [self.leading() if name == LEADER else name for name in act.targets]
        self.counts[act.kind] += 1
        if act.kind in ("kill", "kill some"):
            for name in names:
                self.kill(name)
        elif act.kind == "stop":
            if self.nodes[names[0]].process:
                self.nodes[names[0]].process.send_signal(signal.SIGSTOP)
                self.stopped.add(names[0])
        else:
            self.cluster.links.set(self.pairs(act.kind, names), act.rule)
        return names

    def take_back(self, act, names):
        if act.kind in ("kill", "kill some"):
            for name in names:
                if self.nodes[name].process is None:
                    self.nodes[name].start()
        elif act.kind == "stop":
            self.wake(names[0])
        else:
            self.cluster.links.set(self.pairs(act.kind, names), OPEN)

    def pairs(self, kind, names):
        def hit(source, target):
            if kind == "deaf":
                return target == names[0]
            if kind == "mute":
                return source == names[0]
            if kind == "one way":
                return [source, target] == names
            if kind == "cut":
                return {source, target} == set(names)
            return names[0] in (source, target)
        return [pair for pair in self.cluster.links.pairs if hit(*pair)]

    def leading(self):
        """Whoever says that it leads, or any: it must not take long to find out."""
        for name, node in self.nodes.items():
            view = node.cluster() if node.process and name not in self.stopped else None
            if view and view["node"]["role"] == "leader":
                return name
        return NAMES[0]

    def kill(self, name):
        if self.nodes[name].process:
            self.nodes[name].end(signal.SIGKILL)
            self.stopped.discard(name)

    def wake(self, name):
        if name in self.stopped:
            self.nodes[name].process.send_signal(signal.SIGCONT)
            self.stopped.discard(name)

    def end(self):
        self.cluster.links.heal()
        for name in list(self.stopped):
            self.wake(name)
        for node in self.cluster.nodes:
            if node.process is None:
                node.start()


def wave(cluster, storm, seed, number):
    """What its clients counted."""
    print(f"wave {number}", flush=True)
    with MixedLoad(cluster.nodes, seed=f"{seed}/{number}", prefix=f"w{number}/") as load:
        load.flow(wait_for)
        try:
            storm.blow(plan(random.Random(f"{seed}/{number}")))
        finally:
            storm.end()
        cluster.wait_ready()
        load.flow(wait_for)
    cluster.check_alive()
    cluster.wait_caught_up()
    cluster.wait_hashes_agree()
    load.final_reads()
    load.check()
    return {**load.counts, "operations": load.operations()}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seed", type=int, default=int(os.environ.get("NEMESIS_SEED", time.time_ns() % 1_000_000)))
    arguments.add_argument("--seconds", type=int, default=int(os.environ.get("NEMESIS_SECONDS", "40")))
    given = arguments.parse_args()
    print(f"seed {given.seed}; again: {sys.argv[0]} --seed {given.seed} --seconds {given.seconds}", flush=True)
    counts = collections.Counter()
    with Cluster(3, proxied=True) as cluster:
        storm = Storm(cluster)
        for number in range(max(1, given.seconds // WAVE_S)):
            counts.update(wave(cluster, storm, given.seed, number))
        term = cluster.newest_term()
    acts = ", ".join(f"{count} {kind}" for kind, count in sorted(storm.counts.items()))
    print(f"{acts}; {term - 1} terms; {counts['operations']} operations, {counts[OK]} answered, {counts[REFUSED]} "
          f"refused, {counts[UNKNOWN]} unknown; linearizable, and all nodes equal")


if __name__ == "__main__":
    main()
