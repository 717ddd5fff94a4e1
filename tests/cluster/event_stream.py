"""Server-Sent Events of a node, as they come."""


def events_of(answer):
    """Each event that came whole, as its fields by name, until the stream ends."""
    event = {}
    for line in iter(answer.readline, b""):
        if not line.endswith(b"\n"):
            return
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            event[name] = value
        else:
            yield event
            event = {}
