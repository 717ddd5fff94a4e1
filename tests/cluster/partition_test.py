#!/usr/bin/env python3
"""Cuts links between three nodes under load, by a proxy on each direction of each pair: every single
direction, every pair, every node wholly or one way, and partial partitions. During each: whoever a
majority can talk with goes on, terms do not race, a node that hears no leader says so and serves
nothing, and local reads go on everywhere. After each: one leader, equal nodes, and a history that is
linearizable.

  FAULTS=WORD   only the faults whose name contains WORD
  FAULTS=all    each of the 63 ways to cut some of the 6 directions"""

import itertools
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402
from mixed_load import MixedLoad  # noqa: E402
from proxy import CUT, RESET  # noqa: E402

FAULTS = os.environ.get("FAULTS", "")

# A fault costs an election or two (one more where votes split); a cluster that flaps holds one in each
# election timeout, of which a fault lasts about six.
TERM_CHANGES_MAX = 3
LASTS_S = 2.5

# L leads when a fault begins; F and G follow.
PAIRS = list(itertools.permutations("LFG", 2))


def both(*pairs):
    return {direction for a, b in pairs for direction in ((a, b), (b, a))}


def into(node):
    return {pair for pair in PAIRS if pair[1] == node}


def out_of(node):
    return {pair for pair in PAIRS if pair[0] == node}


def named_faults():
    for a, b in itertools.combinations("LFG", 2):
        yield f"{a} and {b} apart", both((a, b)), CUT
    for a, b in PAIRS:
        yield f"{b} is deaf to {a}", {(a, b)}, CUT
    for node in "LFG":
        yield f"{node} cut off", into(node) | out_of(node), CUT
        yield f"{node} deaf", into(node), CUT
        yield f"{node} mute", out_of(node), CUT
    yield "all apart", set(PAIRS), CUT
    yield "a ring", {("F", "L"), ("G", "F"), ("L", "G")}, CUT
    yield "L hears only F, which only G hears", {("G", "L"), ("L", "F"), ("L", "G")}, CUT
    yield "F deaf to L, G to F", {("L", "F"), ("F", "G")}, CUT
    yield "F reset from L, which lives", {("F", "L")}, RESET
    yield "followers reset from L, which lives", {("F", "L"), ("G", "L")}, RESET
    yield "L and F reset", both(("L", "F")), RESET
    yield "all of L reset: replaced before it knows", into("L") | out_of("L"), RESET


def all_faults():
    for count in range(1, len(PAIRS) + 1):
        for pairs in itertools.combinations(PAIRS, count):
            yield "cut " + " ".join("→".join(pair) for pair in pairs), set(pairs), CUT


class Fault:
    """One fault in force: who can talk with whom, and what each node must answer therefore."""

    def __init__(self, cluster, load, cut):
        self.cluster = cluster
        self.load = load
        leader = cluster.leader()
        self.nodes = dict(zip("LFG", [leader] + [node for node in cluster.nodes if node is not leader]))
        self.letters = {node: letter for letter, node in self.nodes.items()}
        self.cut = cut

    def begin(self, rule):
        self.begun = time.monotonic()
        self.cluster.links.set([(self.nodes[a].name, self.nodes[b].name) for a, b in self.cut], rule)

    def hears(self, a, b):
        return (self.letters[b], self.letters[a]) not in self.cut

    def talk(self, a, b):
        return self.hears(a, b) and self.hears(b, a)

    def partners(self, node):
        """Those with whom it can exchange words, itself too."""
        return [other for other in self.cluster.nodes if other is node or self.talk(node, other)]

    def can_lead(self):
        return [node for node in self.cluster.nodes if len(self.partners(node)) * 2 > len(self.cluster.nodes)]

    def wait_served(self):
        """Who leads, once a change that began in the fault was acknowledged by each node that can talk
        with the leader; None where nobody can lead."""
        if not self.can_lead():
            return None

        def served():
            if self.load.failure:
                return self.cluster.nodes[0]
            for node in self.can_lead():
                view = node.cluster()
                if view["node"]["role"] == "leader" and view["quorum"] and all(
                        self.load.pause_after(self.begun, [partner]) for partner in self.partners(node)):
                    return node
            return None
        return wait_for("a majority goes on", served)

    def check_answers(self, leader):
        """Of nodes that cannot serve, each says so. One that hears no leader knows it, and does not let
        its clients wait until their deadline; one that is only not heard cannot know."""
        for node in self.cluster.nodes:
            status, _ = node.ask("GET", "/v1/kv/seen?consistency=local")
            assert status == 200, f"{node.name} serves no local read: {status}"
            if leader and node in self.partners(leader):
                continue
            if leader and self.hears(node, leader):
                answers = [code(node.ask("GET", "/v1/kv/seen?timeout=1s")),
                           code(node.ask("PUT", "/v1/kv/other?timeout=1s", "1"))]
                may_be = {(504, "timeout"), (504, "outcome_unknown"), (503, "no_leader")}
                assert may_be.issuperset(answers), f"{node.name}, which nobody hears, answers {answers}"
                continue
            wait_for(f"{node.name} knows that it is alone", lambda node=node: self.admits(node))
            answer = code(patient(node, "PUT", "/v1/kv/other", "1"))
            assert answer == (503, "no_leader"), f"{node.name}, which hears no leader, answers a change {answer}"

    @staticmethod
    def admits(node):
        answer = code(patient(node, "GET", "/v1/kv/seen"))
        assert answer in ((200, None), (503, "no_leader")), f"{node.name} answers a read with {answer}"
        return answer[0] == 503

    def wait_old(self):
        wait_for("the fault has lasted", lambda: time.monotonic() - self.begun > LASTS_S)


def patient(node, method, path, body=None):
    """The answer to a request whose own deadline is further away than the test's patience."""
    try:
        return node.ask(method, f"{path}?timeout=60s", body)
    except TimeoutError:
        raise AssertionError(f"{node.name}, which hears no leader, holds a {method} instead of saying so") from None


def code(answer):
    status, body = answer
    return (status, json.loads(body).get("code")) if status >= 400 else (status, None)


def drill(cluster, number, name, cut, rule):
    """The line that says how it went."""
    with MixedLoad(cluster.nodes, seed=number, prefix=f"f{number}/") as load:
        load.flow(wait_for)
        fault = Fault(cluster, load, cut)
        term = cluster.newest_term()
        fault.begin(rule)
        try:
            leader = fault.wait_served()
            pause = load.pause_after(fault.begun, fault.partners(leader)) if leader else None
            fault.check_answers(leader)
            fault.wait_old()
            in_fault = cluster.newest_term() - term
        finally:
            cluster.links.heal()
        cluster.check_alive()
        cluster.wait_ready()
        load.flow(wait_for)
    changes = cluster.newest_term() - term
    cluster.wait_caught_up()
    load.final_reads()
    load.check()
    assert changes <= TERM_CHANGES_MAX, f"{changes} terms for one fault: {name}"
    served = f"served again after {pause * 1000:5.0f} ms" if leader else "nobody could lead     "
    return f"{name:40} {served}, terms +{in_fault} and +{changes - in_fault} healed, {load.operations()} operations"


def main():
    faults = list(all_faults() if FAULTS == "all" else
                  [fault for fault in named_faults() if FAULTS in fault[0]])
    assert faults, f"no fault has '{FAULTS}' in its name"
    with Cluster(3, proxied=True) as cluster:
        assert cluster.nodes[0].ask("PUT", "/v1/kv/seen", "1")[0] == 201
        for number, (name, cut, rule) in enumerate(faults):
            try:
                print(drill(cluster, number, name, cut, rule), flush=True)
            except AssertionError:
                print(f"in the fault '{name}':")
                raise
    print(f"{len(faults)} partitions, no violation found")


if __name__ == "__main__":
    main()
