"""Reading JSON strictly: the depth is that of the parser, and what is read in parts is what is read whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.errors import Invalid
from notify_app.pipeline import strict_json
from notify_app.pipeline.strict_json import MAX_DEPTH, Flaw

TEXT = st.text(st.sampled_from(['"', "\\", "[", "]", "{", "}", "a", "é", "\n", "\x00", "\ud83d", "\ude97"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def depth_of(value: Any) -> int:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth_of, inner), default=0)
    return 0


@given(JSON, st.booleans())
def test_the_depth_is_that_of_what_is_said_whatever_stands_in_its_texts(value: Any, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert strict_json._depth(body, 10_000) == depth_of(value)


@given(st.lists(st.sampled_from([b'"', b"\\", b"[", b"]", b"{", b"}", b":", b",", b"1", b"a"])))
def test_whatever_the_parser_reads_is_as_deep_as_it_was_found_to_be(parts: list[bytes]) -> None:
    body = b"".join(parts)
    try:
        value = json.loads(body)
    except ValueError:
        return
    assert strict_json._depth(body, 10_000) == depth_of(value)


@given(st.dictionaries(TEXT, JSON, max_size=4))
def test_an_object_is_read_as_what_it_is_or_refused(value: dict[str, Any]) -> None:
    body = json.dumps(value).encode()
    # two halves of a surrogate pair beside each other are one character on the wire
    meant = json.loads(body)
    try:
        read = strict_json.read(body)
    except Invalid:
        assert "\\u0000" in body.decode() or "\\ud83d" in body.decode() or "\\ude97" in body.decode()
    else:
        assert read == meant
        parts, _ = strict_json.read_parts(body)
        assert parts == meant


@pytest.mark.parametrize("levels", [MAX_DEPTH - 1, MAX_DEPTH])
def test_a_part_may_be_as_deep_as_a_whole(levels: int) -> None:
    part = '{"a":' * levels + "1" + "}" * levels
    assert strict_json.read(part.encode())
    value, flawed = strict_json.read_parts(f'{{"parts":[{part}]}}'.encode())
    assert not flawed
    strict_json.check(value["parts"][0], "parts[0]")


def test_a_part_that_is_deeper_is_found_in_its_place() -> None:
    part = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    value, flawed = strict_json.read_parts(f'{{"parts":[1,{part}]}}'.encode())
    assert flawed
    strict_json.check(value["parts"][0], "parts[0]")
    with pytest.raises(Invalid) as refusal:
        strict_json.check(value["parts"][1], "parts[1]")
    assert refusal.value.fields[0].field.startswith("parts[1][0]")


def test_flaws_stay_where_they_are_and_the_rest_is_read() -> None:
    value, flawed = strict_json.read_parts(b'{"parts":[NaN,{"a":1,"a":2},1e999,2]}')
    assert flawed
    assert [isinstance(one, Flaw) for one in value["parts"]] == [True, True, True, False]


def test_an_outermost_name_that_stands_twice_is_the_wholes_own_flaw() -> None:
    with pytest.raises(Invalid) as refusal:
        strict_json.read_parts(b'{"parts":[],"parts":[]}')
    assert refusal.value.fields[0].field == "parts"
