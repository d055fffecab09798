"""Reading JSON from strangers: what PostgreSQL or a later reader could choke on is refused here, with its place.

Python's parser accepts NaN, infinite numbers, doubled keys, lone surrogates, and recurses without a limit of its own;
none of these gets past `read`. `read_parts` is for many messages in one body: it refuses what makes all of it
unreadable, and leaves a `Flaw` in the place of what only its own part has to answer for; `check` then finds it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from notify_app.errors import FieldError, Invalid

__all__ = ["MAX_BYTES", "MAX_DEPTH", "Flaw", "check", "read", "read_parts"]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
# a part lies in a list in an object; deeper than this, the parser would be asked to recurse for nothing
AROUND_PARTS, MAX_DEPTH_OF_PARTS = 2, 100
MAX_DIGITS = 40
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


@dataclass(frozen=True)
class Flaw:
    """Stands where a value cannot be used. `name`: the name in the object that is to blame, if it is one."""

    message: str
    name: str = ""

    def error(self, path: str = "") -> Invalid:
        """As it is said of a field; without a path, of the body."""
        field = f"{path}.{self.name}" if path and self.name else path or self.name[:100] or "body"
        return Invalid("The body cannot be used.", FieldError(field[:200], self.message))


TOO_DEEP = Flaw(f"Nest at most {MAX_DEPTH} levels.")


def read(body: bytes) -> dict[str, Any]:
    """The object in `body`. Raises Invalid, whose sentence says what to change."""
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(body, MAX_DEPTH) > MAX_DEPTH:
        raise TOO_DEEP.error()
    value = _parse(body, _STRICT)
    if _has_escapes(body):
        check(value, "")
    return value


def read_parts(body: bytes) -> tuple[dict[str, Any], bool]:
    """The object in `body`, and whether its parts must be checked before they are used, because some flaw may be in
    them. Raises Invalid for what concerns the whole."""
    depth = _depth(body, MAX_DEPTH_OF_PARTS)
    if depth > MAX_DEPTH_OF_PARTS:
        raise TOO_DEEP.error()
    try:
        value = _parse(body, _STRICT)
    except Invalid:
        return _parse(body, _PATIENT), True
    return value, depth > MAX_DEPTH + AROUND_PARTS or _has_escapes(body)


def check(value: Any, path: str, depth: int = MAX_DEPTH) -> None:
    """Raises Invalid for the first flaw in what was read; `path` is what the names of its fields begin with."""
    if isinstance(value, str):
        if "\x00" in value or any(0xD800 <= ord(char) <= 0xDFFF for char in value if ord(char) >= 0xD800):
            raise Flaw("Remove the NUL characters and unpaired surrogates.").error(path)
    elif isinstance(value, Flaw):
        raise value.error(path)
    elif isinstance(value, dict | list) and not depth:
        raise TOO_DEEP.error(path)
    elif isinstance(value, dict):
        for key, one in value.items():
            check(key, path)
            check(one, f"{path}.{key}" if path else key, depth - 1)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            check(one, f"{path}[{index}]", depth - 1)


def _has_escapes(body: bytes) -> bool:
    """Without one, strict UTF-8 and JSON can say neither a NUL nor half a surrogate pair."""
    return b"\\u" in body


def _parse(body: bytes, decoder: json.JSONDecoder) -> dict[str, Any]:
    try:
        text = body.decode("utf-8")
        if text.startswith("\ufeff"):
            raise json.JSONDecodeError("Unexpected byte order mark", text, 0)
        value = decoder.decode(text)
    except UnicodeDecodeError as error:
        raise Flaw(f"Encode the body in UTF-8 (byte {error.start} is not).").error() from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Flaw(f"This is not JSON: {error.msg} at {place}.").error() from None
    if isinstance(value, Flaw):
        raise value.error()
    if not isinstance(value, dict):
        raise Flaw("Send one JSON object.").error()
    return value


def _depth(body: bytes, enough: int) -> int:
    """How deep it nests, or something above `enough`. (An unclosed string runs to the end, as for the parser.)"""
    outside = b"".join(body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    depth = deepest = 0
    for char in outside.translate(None, NO_BRACKETS):
        if char in b"[{":
            depth += 1
            if depth > deepest:
                deepest = depth
                if deepest > enough:
                    break
        else:
            depth -= 1
    return deepest


# --- what the parser calls ---------------------------------------------------------------------------------------------


def _object(pairs: list[tuple[str, Any]]) -> Any:
    value = dict(pairs)
    return value if len(value) == len(pairs) else _twice(pairs)


def _strict_object(pairs: list[tuple[str, Any]]) -> Any:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _twice(pairs).error()
    return value


def _twice(pairs: list[tuple[str, Any]]) -> Flaw:
    seen: set[str] = set()
    name = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return Flaw("This name stands twice in one object.", name)


def _constant(word: str) -> Any:
    return Flaw(f"{word} is not a JSON number.")


def _float(word: str) -> Any:
    value = float(word)
    return _too_large(word) if math.isinf(value) or len(word) > MAX_DIGITS else value


def _int(word: str) -> Any:
    return _too_large(word) if len(word) > MAX_DIGITS else int(word)


def _too_large(word: str) -> Flaw:
    return Flaw(f"The number {word[:20]}… is too large.")


def _or_raise(make: Callable[[str], Any]) -> Callable[[str], Any]:
    def strict(word: str) -> Any:
        value = make(word)
        if isinstance(value, Flaw):
            raise value.error()
        return value

    return strict


_PATIENT = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int
)
_STRICT = json.JSONDecoder(
    object_pairs_hook=_strict_object,
    parse_constant=_or_raise(_constant),
    parse_float=_or_raise(_float),
    parse_int=_or_raise(_int),
)
