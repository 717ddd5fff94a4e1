"""Values that fit a schema, drawn by a seeded generator, and values that do not: as much of JSON Schema as the
document of the API uses. What is drawn is checked against the schema, so that an approximation here is no lie."""

import copy
import re

from document import objection, resolved

TEXTS = ["", "a", "b/c", "x" * 40, "ü✓", "null", "0", "\x00", "a\nb", "%2F", "💧"]


def drawn_string(draw, schema):
    if "enum" in schema:
        return draw.choice(schema["enum"])
    if schema.get("contentEncoding") == "base64":
        return draw.choice(["", "AA==", "/w==", "aGVsbG8=", "aGVs"])
    pattern = schema.get("pattern")
    if schema.get("examples") and (pattern or draw.random() < 0.8):
        return draw.choice(schema["examples"])
    if pattern and "(ms|s|m|h)" in pattern:
        return draw.choice(["1ms", "250ms", "1s", "30s", "5m", "2h", "0s", "99999h"])
    if pattern and re.fullmatch(r"\^\[[^]]*\]\{16\}\$", pattern):
        return f"{draw.getrandbits(64):016x}"
    if pattern and re.fullmatch(pattern, "7"):
        return str(draw.randrange(50))
    return draw.choice([text for text in TEXTS if len(text) >= schema.get("minLength", 0)])


def drawn(draw, schema):
    """Most of the time it fits; `fitting` draws until it does."""
    schema = resolved(schema)
    if "const" in schema:
        return schema["const"]
    choices = [part for part in schema.get("oneOf", []) if set(part) != {"required"}]
    for part in schema.get("allOf", []):
        choices += [one for one in part.get("oneOf", []) if set(one) != {"required"}]
    if choices:
        value = drawn(draw, draw.choice(choices))
        return value if "allOf" not in schema else with_one_of_each(draw, schema, value)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = draw.choice(kind)
    if kind == "object":
        return drawn_object(draw, schema)
    if kind == "array":
        return [drawn(draw, schema["items"]) for _ in range(draw.choice([0, 1, 1, 2, 3]))]
    if kind == "integer":
        least = schema.get("minimum", 0)
        return draw.randint(least, min(schema.get("maximum", least + 40), least + 40))
    if kind == "number":
        return draw.choice([0, 0.1, 0.5, 1, 1.5, 7])
    if kind == "boolean":
        return draw.random() < 0.5
    if kind == "null":
        return None
    return drawn_string(draw, schema) if kind == "string" or "enum" in schema else {}


def groups_of(schema):
    """Lists of names of which exactly one is to be there, and of which not both."""
    parts = [schema, *schema.get("allOf", [])]
    one_of = [[one["required"][0] for one in part["oneOf"]] for part in parts
              if "oneOf" in part and all(set(one) == {"required"} for one in part["oneOf"])]
    not_both = [part["not"]["required"] for part in parts if "required" in part.get("not", {})]
    return one_of, not_both


def drawn_object(draw, schema):
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    value = {name: drawn(draw, part) for name, part in properties.items()
             if name in required or draw.random() < 0.4}
    return with_one_of_each(draw, schema, value)


def with_one_of_each(draw, schema, value):
    one_of, not_both = groups_of(schema)
    for names in one_of:
        for name in names:
            value.pop(name, None)
        # Bytes that are text are more usual.
        chosen = names[0] if draw.random() < 0.8 else draw.choice(names)
        if chosen in schema.get("properties", {}):
            value[chosen] = drawn(draw, schema["properties"][chosen])
    for first, second in not_both:
        if first in value:
            value.pop(second, None)
    return value


def fitting(draw, schema):
    for _ in range(100):
        value = drawn(draw, schema)
        if objection(schema, value) is None:
            return value
    raise AssertionError(f"nothing was found that fits {str(schema)[:300]}")


def places_in(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in items:
        yield from places_in(part, (*path, step))


def broken_once(draw, value):
    """A copy with one thing changed: a field more, a field less, or something else in a place."""
    value = copy.deepcopy(value)
    path = draw.choice(list(places_in(value)))
    holder, here = None, value
    for step in path:
        holder, here = here, here[step]
    if isinstance(here, dict) and draw.random() < 0.6:
        if here and draw.random() < 0.5:
            here.pop(draw.choice(sorted(here)))
        else:
            here["nobody_takes_this"] = 1
        return value
    other = draw.choice([None, -1, 1.5, "no", [], {}, True, [[]]])
    if holder is None:
        return other
    holder[path[-1]] = other
    return value


def unfitting(draw, schema):
    """None: nothing was found that does not fit."""
    for _ in range(100):
        value = broken_once(draw, fitting(draw, schema))
        if objection(schema, value) is not None:
            return value
    return None
