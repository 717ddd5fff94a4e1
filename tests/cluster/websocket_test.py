#!/usr/bin/python3
"""Many watches on each of a few WebSockets, by a client that is not ours, through kills, a planned stop, a
change of leader and restarts: each watch is told every change of its keys, whole revisions, in order and once,
also when it is cancelled and begun again on its connection. A node that stops says so (1001)."""

import asyncio
import json
import os
import random
import signal
import sys
import urllib.parse

import websockets

sys.path.insert(0, os.path.dirname(__file__))
from cluster import Cluster, wait_for  # noqa: E402
from watch_test import RANGES, Watcher, check, disturb, history, write  # noqa: E402
from workers import Workers  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SOCKETS = 3


class Follower:
    """All ranges on one connection, that comes back wherever it is let in."""

    def __init__(self, ports, seed):
        self.ports, self.random = ports, random.Random(seed)
        self.watchers = {f"w{i}": Watcher(query, ports, seed) for i, query in enumerate(RANGES)}
        self.connections = self.cancelled = 0
        self.codes = []
        self.port = None  # of the node that it is connected to

    async def run(self, stopping):
        while not stopping.is_set():
            port = self.random.choice(self.ports)
            try:
                async with websockets.connect(f"ws://127.0.0.1:{port}/v1/watch", max_size=None, open_timeout=5,
                                              close_timeout=1) as socket:
                    self.connections += 1
                    self.port = port
                    for name in self.watchers:
                        await self.watch(socket, name)
                    await self.follow(socket, stopping)
            except websockets.ConnectionClosed as closed:
                self.codes.append(closed.rcvd.code if closed.rcvd else None)
            except (OSError, asyncio.TimeoutError, websockets.InvalidHandshake):
                await asyncio.sleep(0.05)

    async def watch(self, socket, name):
        watcher = self.watchers[name]
        fields = dict(urllib.parse.parse_qsl(watcher.query))
        await socket.send(json.dumps({"watch": {"id": name, "from": watcher.last_id + 1, **fields}}))

    async def follow(self, socket, stopping):
        ending = set()
        while not stopping.is_set():
            try:
                message = json.loads(await asyncio.wait_for(socket.recv(), 1))
            except asyncio.TimeoutError:
                continue
            name = message.pop("id")
            kind, data = message.popitem()
            if kind == "error":
                assert data["status"] == 503, data
                await asyncio.sleep(0.05)
                await self.watch(socket, name)
            elif kind == "cancelled":
                # Begun again behind what the node says that it was told.
                self.take(name, "progress", data)
                ending.remove(name)
                self.cancelled += 1
                await self.watch(socket, name)
            else:
                self.take(name, kind, data)
                if kind == "change" and name not in ending and self.random.random() < 0.01:
                    ending.add(name)
                    await socket.send(json.dumps({"cancel": {"id": name}}))

    def take(self, name, kind, data):
        self.watchers[name].take({"event": kind, "id": data["revision"], "data": json.dumps(data)})


def follow_all(followers, stopping):
    async def together():
        await asyncio.gather(*(follower.run(stopping) for follower in followers))
    asyncio.run(together())


def main():
    with Cluster(3) as cluster:
        ports = [node.port for node in cluster.nodes]
        followers = [Follower(ports, seed) for seed in range(SOCKETS)]
        watchers = [watcher for follower in followers for watcher in follower.watchers.values()]
        watching, writing = Workers(), Workers()
        watching.add(follow_all, followers, watching.stopping)
        for seed in range(4):
            writing.add(write, ports, writing.stopping, seed)
        with watching:
            with writing:
                for round_number in range(ROUNDS):
                    before = watchers[0].last_id
                    wait_for("changes are told", lambda: watching.failure or watchers[0].last_id > before + 100)
                    disturb(cluster, round_number)
            cluster.wait_caught_up()
            made = history(cluster.nodes[0])
            newest = max(made)
            # Each is told of something at the latest when nothing has happened for 10 s.
            for watcher in watchers:
                wait_for(f"{watcher.query} has come to revision {newest}",
                         lambda watcher=watcher: watching.failure or watcher.last_id >= newest, 40)
            # By chance the nodes that were stopped so far may have had no socket.
            said = followers[0].codes.count(1001)
            assert next(node for node in cluster.nodes if node.port == followers[0].port).end(signal.SIGTERM) == 0
            wait_for("the node has said that it stops",
                     lambda: watching.failure or followers[0].codes.count(1001) > said)
        check(watchers, made)
        codes = [code for follower in followers for code in follower.codes]
        assert set(codes) <= {None, 1001}, f"connections ended with {codes}"
    print(f"{ROUNDS} disturbances, {len(made)} revisions, {len(watchers)} watches on {SOCKETS} sockets that came "
          f"{sum(follower.connections for follower in followers)} times, "
          f"{sum(follower.cancelled for follower in followers)} times cancelled and begun again: each was told all "
          f"of its keys' changes, in order, once; {codes.count(1001)} times a node said that it stops")


if __name__ == "__main__":
    main()
