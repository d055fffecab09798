"""Reading JSON from strangers: what PostgreSQL or a later reader could choke on is refused here, with its place.

Python's parser accepts NaN, infinite numbers, doubled keys, lone surrogates, and recurses without a limit of
its own; none of these gets past `read`.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from notify_app.errors import FieldError, Invalid

__all__ = ["MAX_BYTES", "MAX_DEPTH", "read"]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_DIGITS = 40

# an unclosed string runs to the end, so that nothing is tried twice
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)


def read(body: bytes) -> dict[str, Any]:
    """The object in `body`. Raises Invalid, whose sentence says what to change."""
    _check_depth(body)
    try:
        text = body.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int
        )
    except UnicodeDecodeError as error:
        raise _invalid(f"Encode the body in UTF-8 (byte {error.start} is not).") from None
    except json.JSONDecodeError as error:
        raise _invalid(
            f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    if not isinstance(value, dict):
        raise _invalid("Send one JSON object.")
    _check_text(value, "")
    return value


def _check_depth(body: bytes) -> None:
    depth = 0
    for char in _STRING.sub(b"", body):
        if char in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _invalid(f"Nest at most {MAX_DEPTH} levels.")
        elif char in b"]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Invalid(
            "The body cannot be used.", FieldError(twice[:100], "This name stands twice in one object.")
        )
    return value


def _constant(word: str) -> Any:
    raise _invalid(f"{word} is not a JSON number.")


def _float(word: str) -> float:
    value = float(word)
    if math.isinf(value) or len(word) > MAX_DIGITS:
        raise _invalid(f"The number {word[:20]}… is too large.")
    return value


def _int(word: str) -> int:
    if len(word) > MAX_DIGITS:
        raise _invalid(f"The number {word[:20]}… is too large.")
    return int(word)


def _check_text(value: Any, path: str) -> None:
    if isinstance(value, str):
        if "\x00" in value or any(0xD800 <= ord(char) <= 0xDFFF for char in value if ord(char) >= 0xD800):
            raise Invalid(
                "The body cannot be used.",
                FieldError(path, "Remove the NUL characters and unpaired surrogates."),
            )
    elif isinstance(value, dict):
        for key, one in value.items():
            _check_text(key, path)
            _check_text(one, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            _check_text(one, f"{path}[{index}]")


def _invalid(message: str) -> Invalid:
    return Invalid("The body cannot be used.", FieldError("body", message))
