"""How long writes are not acknowledged when a leader goes, or when all nodes do."""

import signal
import threading
import time

from peers import PATIENCE_S, wait_for

SETTLE_S = 0.7
CALM_S = 0.5  # of acknowledgements, after which a change of leaders is over


class Writers:
    """Clients that write through given nodes, one after the other as fast as they are answered, and note when they
    were."""

    def __init__(self, peer, numbers, timeout_s):
        self.peer, self.timeout_s = peer, timeout_s
        self.acknowledged = []  # when; appended by all, which is one step in Python
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.write, args=(n,)) for n in numbers]
        for thread in self.threads:
            thread.start()

    def write(self, number):
        while not self.stopping.is_set():
            if self.peer.put(number, self.timeout_s):
                self.acknowledged.append(time.monotonic())
            else:
                time.sleep(0.001)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def longest_pause(self, since):
        times = sorted(self.acknowledged)
        return max((b - a for a, b in zip(times, times[1:]) if b >= since), default=None)


def begin_writing(peer, how, patience_s):
    """The leader, and writers that have been at work for a while under it."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        leader = peer.leader()
        numbers = [i for i in range(3) if how == "planned" or i != leader]
        # Redis takes no writes at its replicas: until the fault its writers are at the master.
        writers = Writers(peer, range(3) if peer.name == "redis" else numbers, timeout_s=1.0)
        time.sleep(SETTLE_S)
        if peer.leader() == leader:
            return leader, writers
        writers.stop()
    raise SystemExit(f"{peer.name} changes its leader by itself again and again, for {patience_s} s: its outage cannot be "
                     "measured on this machine while it is so busy")


def strike(peer, leader, how):
    if how == "kill -9":
        peer.nodes[leader].end(signal.SIGKILL)
    elif how == "SIGSTOP":
        peer.nodes[leader].tell(signal.SIGSTOP)
    else:
        peer.hand_over()


def pause_of(peer, how, patience_s):
    """The longest time around a change of leaders in which nobody's write was acknowledged."""
    leader, writers = begin_writing(peer, how, patience_s)
    struck = time.monotonic()

    def is_over():
        # Long enough for the fault to be felt, and then writes as before.
        now = time.monotonic()
        recent = [t for t in writers.acknowledged[-50:] if t > now - CALM_S]
        return now > struck + 2 * CALM_S and len(recent) >= 20 and recent[0] > struck
    try:
        strike(peer, leader, how)
        wait_for(f"writes after a leader of {peer.name} has gone", is_over, patience_s)
        if how == "planned":
            # Else it is no change whose pause this would be.
            wait_for(f"another leads {peer.name}, as it was asked", lambda: peer.leader() != leader, patience_s)
    finally:
        writers.stop()
        if how == "SIGSTOP":
            peer.nodes[leader].tell(signal.SIGCONT)
        elif how == "kill -9":
            peer.nodes[leader].start()
    return writers.longest_pause(struck)


def wait_whole(peer):
    """All nodes serve again, also the one that was gone."""
    wait_for(f"{peer.name} is whole again", lambda: all(peer.put(i, 2.0) for i in range(len(peer.ports))), PATIENCE_S)


def restart_of(peer):
    """From the start of all nodes, which were killed at once, to the first acknowledged write."""
    for node in peer.nodes:
        node.end(signal.SIGKILL)
    begun = time.monotonic()
    for node in peer.nodes:
        node.start()
    while not any(peer.put(i, 1.0) for i in range(len(peer.ports))):
        if time.monotonic() > begun + 180:
            raise SystemExit(f"{peer.name} does not come back")
        time.sleep(0.002)
    return time.monotonic() - begun
