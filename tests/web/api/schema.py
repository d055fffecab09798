"""Whether a value fits a schema of the OpenAPI document: as much of JSON Schema as that document uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
FORMATS = {"uuid": UUID, "date-time": datetime.fromisoformat, "date": datetime.fromisoformat}


def problems(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str = "") -> Iterator[str]:
    """What does not fit, each with its place."""
    if "$ref" in schema:
        named = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        yield from problems(value, named, document, at)
        return
    for word in ("anyOf", "oneOf"):
        if word in schema:
            tries = [list(problems(value, one, document, at)) for one in schema[word]]
            if all(tries):
                yield f"{at}: fits none of {len(tries)}: {min(tries, key=len)}"
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is not one of {schema['enum']}"
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (kind != "boolean" and isinstance(value, bool))):
        yield f"{at}: {value!r} is no {kind}"
        return
    if isinstance(value, str):
        yield from _of_text(value, schema, at)
    if isinstance(value, list) and "items" in schema:
        for number, one in enumerate(value):
            yield from problems(one, schema["items"], document, f"{at}[{number}]")
    if isinstance(value, dict):
        yield from _of_object(value, schema, document, at)


def _of_text(value: str, schema: dict[str, Any], at: str) -> Iterator[str]:
    try:
        FORMATS.get(schema.get("format", ""), str)(value)
    except ValueError:
        yield f"{at}: {value!r} is no {schema['format']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {value!r} is not like {schema['pattern']}"


def _of_object(
    value: dict[str, Any], schema: dict[str, Any], document: dict[str, Any], at: str
) -> Iterator[str]:
    known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    yield from (f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value)
    for name, one in value.items():
        if name in known:
            yield from problems(one, known[name], document, f"{at}.{name}")
        elif rest is False:
            yield f"{at}: {name} is not known"
        elif isinstance(rest, dict):
            yield from problems(one, rest, document, f"{at}.{name}")
