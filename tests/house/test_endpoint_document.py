"""docs/endpoints.md says what is true: its examples run against what the hub really sends."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from notify_app.channels.base import Message
from notify_app.channels.endpoint import ENDPOINT, TIMEOUT, headers

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "endpoints.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- example: [^>]*-->\n```python\n(.*?)```", DOCUMENT, re.DOTALL)
BODY = '{"type":"x","data":{"title":"Öl"}}'


def example(name: str) -> dict[str, Any]:
    """The names that the example which has this one defines."""
    (found,) = [one for one in EXAMPLES if f"def {name}(" in one]
    room: dict[str, Any] = {}
    exec(found, room)  # noqa: S102 - our own document
    return room


def sent(secret: str, at: int | None = None) -> dict[str, str]:
    message = Message("d", "endpoint", "https://x.example.com", 1, "id-1", "high", text=BODY, keys=(secret,))
    return headers(message, at or int(time.time()))


@pytest.mark.proves("A10")
def test_the_example_with_the_library_takes_what_is_ours_once_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    room = example("received")
    good = sent(room["SECRET"])
    assert [room["received"](good, BODY.encode()) for _ in range(2)] == [204, 204]
    assert capsys.readouterr().out == "x Öl\n"
    assert room["received"](good, BODY.encode() + b" ") == 401


@pytest.mark.proves("A10")
def test_the_example_without_a_library_agrees() -> None:
    room = example("is_ours")
    good = sent(room["SECRET"])
    both = good | {"webhook-signature": f"v1,AAAA {good['webhook-signature']}"}
    assert room["is_ours"](good, BODY.encode())
    assert room["is_ours"](both, BODY.encode())
    assert not room["is_ours"](good, b"{}")
    assert not room["is_ours"](sent(room["SECRET"], int(time.time()) - 400), BODY.encode())


def test_times_are_those_of_the_code() -> None:
    schedule = ENDPOINT.schedule
    assert [int(one.total_seconds()) for one in schedule.gaps] == [5, 300, 1800, 7200, 18000, 36000, 36000]
    assert schedule.attempts == len(schedule.gaps) + 1
    assert f"within {TIMEOUT:.0f} seconds" in DOCUMENT
    assert f"for {schedule.oldest('low').total_seconds() / 3600:.0f} hours at most" in DOCUMENT
