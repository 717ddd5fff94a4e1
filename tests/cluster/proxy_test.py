#!/usr/bin/env python3
"""The proxy is checked: what a link carries when it is open, slow, cut and reset, and that the others
do not notice. So are the ports that nodes are given."""

import contextlib
import itertools
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(__file__))
import cluster  # noqa: E402
from cluster import PATIENCE_S, free_ports, wait_for  # noqa: E402
from proxy import CUT, OPEN, RESET, Links  # noqa: E402

MANY_BYTES = 4 << 20


def dial(links, source, target):
    end = socket.create_connection(("127.0.0.1", links.port(source, target)), timeout=PATIENCE_S)
    return end


def pair(links, listeners, source, target):
    """A connection over the link, both ends; it has carried a byte each way."""
    near = dial(links, source, target)
    far, _ = listeners[target].accept()
    far.settimeout(PATIENCE_S)
    near.sendall(b"a")
    assert far.recv(1) == b"a"
    far.sendall(b"b")
    assert near.recv(1) == b"b"
    return near, far


def receive(end, count):
    received = b""

    def all_came():
        nonlocal received
        received += end.recv(count - len(received)) or b"the end"
        return len(received) >= count
    wait_for(f"{count} bytes come", all_came)
    return received


def nothing_came(end, busy):
    """`busy`, a connection over an open link, shows that the proxy has had its turns."""
    near, far = busy
    for _ in range(20):
        near.sendall(b"x")
        assert far.recv(1) == b"x"
    end.setblocking(False)
    try:
        came = end.recv(1)
    except BlockingIOError:
        return True
    finally:
        end.settimeout(PATIENCE_S)
    raise AssertionError(f"a link that is cut has carried {came!r}")


def is_reset(act):
    try:
        return act() == b""
    except ConnectionError:
        return True


def open_and_slow(links, listeners):
    near, far = pair(links, listeners, "a", "b")
    content = os.urandom(MANY_BYTES)
    for rule in (OPEN, {"mode": "open", "delay_ms": 20, "jitter_ms": 30},
                 {"mode": "open", "bytes_per_s": 8 * MANY_BYTES}):
        links.set([("a", "b")], rule)
        near.settimeout(None)
        near.setblocking(False)
        sent = received = 0
        far.setblocking(False)

        def carried():
            nonlocal sent, received
            with contextlib.suppress(BlockingIOError):
                sent += near.send(content[sent:sent + 65536]) if sent < MANY_BYTES else 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    part = far.recv(65536)
                    assert part == content[received:received + len(part)] and part, (rule, received)
                    received += len(part)
            return received == MANY_BYTES

        wait_for(f"all comes through under {rule}", carried)
        for end in (near, far):
            end.settimeout(PATIENCE_S)
    links.set([("a", "b")], {"mode": "open", "bytes_per_s": 1000})
    near.sendall(content[:100_000])
    assert receive(far, 500) == content[:500]
    links.heal()
    assert receive(far, 99_500) == content[500:100_000], "what a slow link held is not let go"
    near.close()
    assert far.recv(1) == b""


def cut(links, listeners):
    near, far = pair(links, listeners, "a", "b")
    back, forth = pair(links, listeners, "b", "a")
    links.set([("a", "b")], CUT)
    near.sendall(b"held")
    far.sendall(b"too")
    late = dial(links, "a", "b")
    late.sendall(b"later")
    assert nothing_came(far, (back, forth)) and nothing_came(near, (back, forth))
    listeners["b"].setblocking(False)
    try:
        listeners["b"].accept()
        raise AssertionError("a link that is cut has connected")
    except BlockingIOError:
        listeners["b"].settimeout(PATIENCE_S)
    links.heal()
    assert receive(far, 4) == b"held" and receive(near, 3) == b"too"
    later, _ = listeners["b"].accept()
    assert receive(later, 5) == b"later"


def reset(links, listeners):
    near, far = pair(links, listeners, "a", "b")
    back, forth = pair(links, listeners, "b", "a")
    links.set([("a", "b")], RESET)
    assert is_reset(lambda: near.recv(1)) and is_reset(lambda: far.recv(1))
    assert is_reset(lambda: dial(links, "a", "b").recv(1))
    assert nothing_came(back, (back, forth))
    links.heal()
    pair(links, listeners, "a", "b")


def nobody_there(links, listeners):
    near, far = pair(links, listeners, "a", "b")
    far.close()
    assert is_reset(lambda: near.recv(1))
    listeners["b"].close()
    assert is_reset(lambda: dial(links, "a", "b").recv(1)), "where nobody listens, a dialler was held"


def ports():
    """Nobody gets one again while it is held, or where somebody listens, wherever one begins to look."""
    held, listened, *rest = free_ports(4)
    assert max(held, listened, *rest) < 32768, "the system gives such a port to anybody"
    with socket.create_server(("127.0.0.1", held)), socket.create_server(("127.0.0.1", listened)):
        cluster.held_numbers.pop(listened).close()
        cluster.next_ports = itertools.cycle([held, listened, *rest, *cluster.PORTS])
        assert held not in (got := free_ports(2)) and listened not in got, got
    cluster.next_ports = itertools.cycle([held, *cluster.PORTS])
    assert held not in free_ports(1), "its node is down, and has it still"


def main():
    ports()
    listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in ("a", "b", "c")}
    for listener in listeners.values():
        listener.settimeout(PATIENCE_S)
    links = Links({name: listener.getsockname()[1] for name, listener in listeners.items()})
    try:
        for part in (open_and_slow, cut, reset, nobody_there):
            part(links, listeners)
    finally:
        links.close()
    print("ports, open, slow, cut, reset, nobody there: 6 passed, 0 failed")


if __name__ == "__main__":
    main()
