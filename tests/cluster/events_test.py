#!/usr/bin/env python3
"""Events of three real nodes: a change of leader is told with its cause by the one that hands over, a kill by those
who are left, members as they come and go; who comes back with an id of a process that is gone is told so; and a
stop ends every stream behind its last word."""

import http.client
import json
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402
from event_stream import events_of  # noqa: E402


class Follower:
    """All that one process of a node tells, from its beginning to its end."""

    def __init__(self, node, last_id=None):
        self.events, self.first, self.ended = [], None, threading.Event()
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=30)
        connection.request("GET", "/v1/events", headers={"Last-Event-ID": last_id} if last_id else {})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        self.thread = threading.Thread(target=self.run, args=(answer, connection))
        self.thread.start()
        wait_for(f"{node.name} tells where it begins", lambda: self.first)

    def run(self, answer, connection):
        try:
            for event in events_of(answer):
                told = (event["event"], event["id"], json.loads(event["data"]))
                if self.first is None:
                    self.first = told
                elif told[0] == "event":
                    self.events.append(told[2])
        except (OSError, http.client.HTTPException):
            pass  # it was killed
        finally:
            connection.close()
            self.ended.set()

    def wait(self, kind, **fields):
        def find():
            return next((event for event in self.events if event["kind"] == kind
                         and fields.items() <= event["fields"].items()), None)
        return wait_for(f"an event {kind} {fields} among {[event['text'] for event in self.events]}", find)


def check_switchover(cluster, followers):
    leader = cluster.leader()
    target = next(node for node in cluster.nodes if node is not leader)
    status, body = leader.ask("POST", "/v1/cluster/leader", json.dumps({"to": target.name}))
    assert status == 200, body
    followers[leader.name].wait("handover", stage="begins", to=target.name, cause="asked")
    told = followers[target.name].wait("role", role="leader")
    assert told["term"] == json.loads(body)["term"] and told["node"] == target.name, (told, body)
    for node in cluster.nodes:
        if node is not target:
            followers[node.name].wait("role", role="follower", leader=target.name)
    return target


def check_members(cluster, followers):
    newcomer = cluster.newcomer("n4")
    newcomer.start()
    for change in ("added", "promoted"):
        for name in ("n1", "n2", "n3"):
            followers[name].wait("membership", change=change, member="n4")
    status, body = cluster.nodes[0].ask("DELETE", "/v1/cluster/members/n4")
    assert status == 200, body
    for name in ("n1", "n2", "n3"):
        followers[name].wait("membership", change="removed", member="n4")
    assert newcomer.process.wait(20) == 3
    newcomer.process = None
    cluster.nodes.remove(newcomer)


def check_kill(cluster, followers, leader):
    followers[leader.name].events.clear()
    last_id = followers[leader.name].first[1]
    leader.end(signal.SIGKILL)
    assert followers[leader.name].ended.wait(20)
    new = cluster.leader()
    followers[new.name].wait("role", role="leader", leader=new.name)
    followers[new.name].wait("contact", member=leader.name, contact=False)
    leader.start()
    wait_for(f"{leader.name} is ready", leader.is_ready)
    followers[new.name].wait("contact", member=leader.name, contact=True)
    # Another process of the same node.
    followers[leader.name] = Follower(leader, last_id)
    kind, begin, data = followers[leader.name].first
    assert kind == "reset" and "another process" in data["reason"] and data["node"] == leader.name, data
    assert begin != last_id and begin.endswith("-0"), begin
    followers[leader.name].wait("process", stage="serves")


def main():
    with Cluster(3) as cluster:
        followers = {node.name: Follower(node) for node in cluster.nodes}
        for node in cluster.nodes:
            assert followers[node.name].first[0] == "progress"
            followers[node.name].wait("process", stage="serves")
        leader = check_switchover(cluster, followers)
        check_members(cluster, followers)
        check_kill(cluster, followers, leader)
        for node in cluster.nodes:
            assert node.end(signal.SIGTERM) == 0
            assert followers[node.name].ended.wait(20)
            followers[node.name].thread.join()
            last = followers[node.name].wait("process", stage="stopping")
            assert last["fields"]["signal"] == "SIGTERM", last


if __name__ == "__main__":
    main()
