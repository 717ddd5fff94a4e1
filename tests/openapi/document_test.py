#!/usr/bin/env python3
"""server/api/openapi.json is OpenAPI 3.1, and whole: every reference leads somewhere, everything that is defined
is used, every example is what it says it is an example of, and every name that a handler reads is in it.

The lint comes from npm, into the folder that NODE_MODULES names; without npm, or where it cannot fetch, all but
the lint is looked at, and the end is 77."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "npm")]
import packages  # noqa: E402
from document import (COMPONENTS, DOCUMENT, PATH, all_references, calls, examples_of,  # noqa: E402
                      names_taken_by_handlers, objection, resolved)


def check_references():
    used = set(all_references(DOCUMENT))
    for reference in used:
        resolved({"$ref": reference})
    defined = {f"#/components/{kind}/{name}" for kind, parts in COMPONENTS.items() for name in parts}
    # What streams say stands in text/event-stream, of which a schema can say nothing.
    in_streams = {f"#/components/schemas/{name}" for name in
                  ("WatchChange", "WatchProgress", "WatchOverflow", "Event", "EventsProgress", "EventsReset")}
    assert used | in_streams >= defined, f"nothing uses {sorted(defined - used - in_streams)}"


def check_examples():
    seen = 0
    holders = [resolved(parameter) for call in calls() for parameter in call.parameters]
    holders += list(COMPONENTS["parameters"].values())
    pairs = [pair for holder in holders for pair in examples_of(holder, holder["schema"])]
    contents = [call.body["content"] for call in calls() if call.body]
    contents += [resolved(response).get("content", {}) for call in calls()
                 for response in call.operation["responses"].values()]
    pairs += [pair for content in contents for kind in content.values() for pair in examples_of(kind, kind["schema"])]
    pairs += [(schema, example) for schema in COMPONENTS["schemas"].values() for example in schema.get("examples", [])]
    for schema, example in pairs:
        why = objection(schema, example)
        assert why is None, f"the example {json.dumps(example)[:200]}: {why}"
        seen += 1
    assert seen > 50, f"only {seen} examples were found"


def check_calls():
    names = [call.name for call in calls()]
    assert len(names) == len(set(names)), "an operationId comes twice"
    for call in calls():
        in_path = {part[1:-1] for part in call.path.split("/") if part.startswith("{")}
        assert set(call.those_in("path")) == in_path, f"{call.method} {call.path}: parameters of the path"
        responses = call.operation["responses"]
        assert "default" in responses and any(status.startswith("2") for status in responses), call.name
        for status, response in responses.items():
            narrowed = resolved(response).get("content", {}).get("application/problem+json")
            if status != "default" and status[0] in "45":
                const = narrowed["schema"]["allOf"][-1]["properties"]["status"]
                allowed = const.get("enum", [const.get("const")])
                assert int(status) in allowed, f"{call.name}: {status} is answered by {allowed}"


def check_names():
    queries, fields = names_taken_by_handlers()
    assert len(queries) > 15 and len(fields) > 4, (queries, fields)
    documented = {name for call in calls() for name in call.those_in("query")}
    assert documented == queries, f"only in one of document and sources: {sorted(documented ^ queries)}"
    # Accept has its place in what is answered, and Content-Range is only refused.
    in_headers = {name for call in calls() for name in call.those_in("header")} | {"Accept", "Content-Range"}
    assert fields | {"Idempotency-Key"} <= in_headers, sorted(fields - in_headers)


def lint():
    """False: it cannot be had here."""
    folder = pathlib.Path(os.environ["NODE_MODULES"])
    if not packages.install(HERE, folder):
        print("not linted")
        return False
    shutil.copy(HERE / "lint.mjs", folder)
    subprocess.run(["node", folder / "lint.mjs", PATH], check=True, timeout=60)
    return True


def main():
    check_references()
    check_examples()
    check_calls()
    check_names()
    return 0 if lint() else 77


if __name__ == "__main__":
    sys.exit(main())
