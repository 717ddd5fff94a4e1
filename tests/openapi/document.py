"""The document of the API, server/api/openapi.json, for the tests that hold it and the server together."""

import json
import pathlib
import re

import jsonschema

TOP = pathlib.Path(__file__).resolve().parents[2]
PATH = TOP / "server" / "api" / "openapi.json"
DOCUMENT = json.loads(PATH.read_text(encoding="utf-8"))
COMPONENTS = DOCUMENT["components"]
LINES = "application/x-ndjson"


def resolved(part):
    """What a "$ref" stands for; anything else as it is."""
    while "$ref" in part:
        where = part["$ref"].removeprefix("#/").split("/")
        part = DOCUMENT
        for step in where:
            part = part[step]
    return part


def validator(schema):
    return jsonschema.Draft202012Validator({**schema, "components": COMPONENTS})


def objection(schema, instance):
    """What the schema has against the instance; None: nothing."""
    error = jsonschema.exceptions.best_match(validator(schema).iter_errors(instance))
    return None if error is None else f"{error.json_path}: {error.message[:300]}"


class Call:
    """One operation: how it is asked and what it may answer."""

    def __init__(self, path, method, item, operation):
        self.path, self.method, self.operation = path, method.upper(), operation
        self.name = operation["operationId"]
        listed = item.get("parameters", []) + operation.get("parameters", [])
        self.parameters = [resolved(parameter) for parameter in listed]
        self.body = operation.get("requestBody")

    def those_in(self, where):
        return {parameter["name"]: parameter for parameter in self.parameters if parameter["in"] == where}

    def response(self, status):
        """What is said of a status, resolved, and whether it is listed by itself."""
        responses = self.operation["responses"]
        listed = str(status) in responses
        return resolved(responses[str(status)] if listed else responses["default"]), listed

    def body_schema(self):
        """Of a JSON body; None: it is something else, or there is none."""
        return self.body["content"].get("application/json", {}).get("schema") if self.body else None

    def line_schema(self):
        """Of each line of a body of lines; None: it is something else, or there is none."""
        return self.body["content"].get(LINES, {}).get("x-lines", {}).get("each") if self.body else None

    def objection_to(self, status, headers, body):
        """What the document has against an answer; None: nothing. `headers` with their names in lower case."""
        said, listed = self.response(status)
        if not listed and status < 400:
            return f"{status} is not listed"
        for name, header in said.get("headers", {}).items():
            value = headers.get(name.lower())
            if value is None:
                continue
            schema = resolved(header)["schema"]
            if resolved(schema).get("type") == "integer":
                value = int(value)
            why = objection(schema, value)
            if why:
                return f"{name}: {why}"
        content = said.get("content")
        kind = headers.get("content-type", "").split(";")[0]
        if content is None:
            return f"a body of {len(body)} bytes where there is none" if body else None
        if kind not in content:
            return f"{kind} is not listed for {status}"
        if self.method == "HEAD" or not kind.endswith("json"):
            return None
        if "x-lines" in content[kind]:
            lines = content[kind]["x-lines"]
            found = [json.loads(line) for line in body.splitlines()]
            schemas = [lines["each"]] * len(found)
            if "last" in lines:
                if not found:
                    return "the last line is missing"
                schemas[-1] = lines["last"]
            return next(filter(None, map(objection, schemas, found)), None)
        why = objection(content[kind]["schema"], json.loads(body))
        return f"{status} {body[:300]!r}: {why}" if why else None


def calls():
    return [Call(path, method, item, operation) for path, item in DOCUMENT["paths"].items()
            for method, operation in item.items() if method != "parameters"]


def examples_of(holder, schema):
    """(schema, example) of a parameter or a kind of content."""
    if "example" in holder:
        yield schema, holder["example"]
        for line in holder["example"].splitlines() if "x-lines" in holder else ():
            yield holder["x-lines"]["each"], json.loads(line)
    for example in holder.get("examples", {}).values():
        yield schema, example["value"]


def all_references(part):
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for value in part.values():
            yield from all_references(value)
    elif isinstance(part, list):
        for value in part:
            yield from all_references(value)


def names_taken_by_handlers():
    """The query parameters and header fields that the sources of the API read, by their names there."""
    queries, fields = set(), set()
    for source in sorted((TOP / "server" / "api").glob("*.cc")):
        text = source.read_text(encoding="utf-8")
        queries.update(re.findall(r'query(?:\.|->)take\("(\w+)"\)', text))
        queries.update(re.findall(r'take_\w+\(\*?query, "(\w+)"\)', text))
        fields.update(re.findall(r'headers?\("([A-Za-z-]+)"\)', text))
    return queries, fields
