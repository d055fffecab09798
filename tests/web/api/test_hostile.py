"""Whatever is sent, the API answers what its document says: never 5xx, and what is wrong is named (S4)."""

from __future__ import annotations

import json
import random
from typing import Any
from uuid import uuid4

import pytest

from notify_app import domains
from notify_app.web.api.access import PATH
from notify_app.web.api.openapi import document
from tests.programs import Program
from tests.web.api.conftest import Act, misfits
from tests.web.conftest import Shop

pytestmark = pytest.mark.proves("S4")

WORDS = (
    "", " ", "x", "0", "-1", "true", "null", "open", "approved", "repair", "permit", "2026-11-24T17:05:00Z", "2026-11-24",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "1e999", "149.50", "😀" * 50, "a\nb", "\u202e", "a" * 3000, "%00",
    "'; DROP TABLE person; --", "<script>alert(1)</script>", "{{ 7*7 }}", "../../etc/passwd", "\ud800",
)  # fmt: skip
ROUNDS = 25


def anything(dice: random.Random, deep: int = 0) -> Any:
    """A JSON value that nobody asked for."""
    match dice.randrange(8 if deep < 3 else 6):
        case 0:
            return dice.choice((None, True, False))
        case 1:
            return dice.choice((0, -1, 2**31, 2**63, 10**30, 1.5, -0.0))
        case 2:
            return str(uuid4())
        case 6:
            return [anything(dice, deep + 1) for _ in range(dice.randrange(3))]
        case 7:
            return {dice.choice(WORDS): anything(dice, deep + 1) for _ in range(dice.randrange(3))}
    return dice.choice(WORDS)


def filled(dice: random.Random) -> dict[str, Any]:
    """A body that looks like one: known names, unknown values."""
    kind = dice.choice(list(domains.kinds()))
    verb = dice.choice((*kind.transitions, *kind.verbs))
    values: Any = {one.name: anything(dice) for one in verb.inputs if dice.random() < 0.8}
    body: dict[str, Any] = {"values": values if dice.random() < 0.8 else anything(dice)}
    if dice.random() < 0.3:
        body["version"] = anything(dice)
    if dice.random() < 0.5:
        body["kind"] = kind.name if dice.random() < 0.8 else anything(dice)
    return body


def reported(dice: random.Random) -> dict[str, Any]:
    """The same for what happens without an item."""
    happening = dice.choice(list(domains.happenings()))
    values: Any = {one.name: anything(dice) for one in happening.event.facts if dice.random() < 0.8}
    if dice.random() < 0.4:
        values = {name: value for name, value in happening.event.sample.items() if isinstance(value, str)}
    body: dict[str, Any] = {"values": values if dice.random() < 0.8 else anything(dice)}
    if dice.random() < 0.5:
        words = ("everyone", "office", "role:technician", "grade:A", f"person:{uuid4()}", "person:x")
        body["to"] = [dice.choice(words)] if dice.random() < 0.8 else anything(dice)
    return body


def operations() -> list[tuple[str, str]]:
    return [
        (method, path)
        for path, methods in document()["paths"].items()
        if path.startswith(PATH)
        for method in methods
    ]


@pytest.mark.parametrize("operation", operations(), ids=" ".join)
def test_nothing_that_is_sent_breaks_it(
    shop: Shop, acts: Act, repair: str, operation: tuple[str, str]
) -> None:
    method, template = operation
    dice = random.Random(template)
    programs = [acts(key) for key in ("alice", "bob")]
    event = shop.line("bob", "repair_approved")
    known = {"items": repair, "notifications": str(event.id), "events": str(event.event_id)}
    verbs = [verb.verb for kind in domains.kinds() for verb in (*kind.transitions, *kind.verbs)]
    names = [one.name for one in domains.happenings()]
    wrong = []
    for _ in range(ROUNDS):
        room = template.removeprefix(f"{PATH}/").partition("/")[0]
        path = template.removeprefix(PATH)
        path = path.replace("{id}", dice.choice((known.get(room, repair), str(uuid4()))))
        path = path.replace("{person}", str(shop.hub.people["bob"].id))
        path = path.replace("{verb}", dice.choice((*verbs, "assign", "timeline", "read")))
        path = path.replace("{name}", dice.choice((*names, "x.y", "emergency_raised", "%00")))
        response = send(dice, dice.choice(programs), method, path)
        if response.status_code >= 500:
            wrong.append(f"{method} {path}: {response.status_code}")
        wrong += misfits(method, path, response)
    assert not wrong, "\n".join(wrong)


def send(dice: random.Random, program: Program, method: str, path: str) -> Any:
    headers = {"Authorization": f"Bearer {program.token}"}
    if dice.random() < 0.2:
        headers["If-Match"] = dice.choice(('"1"', "*", "1", 'W/"1"', '"x"', '"99999999999"'))
    if dice.random() < 0.2:
        headers["Idempotency-Key"] = dice.choice(("k", "k" * 300, "ключ", " "))
    client = program._client
    if method == "get":
        names = ("kind", "state", "person", "after", "limit", "unread", "role", "x")
        query = [(dice.choice(names), dice.choice(WORDS[:-1])) for _ in range(dice.randrange(3))]
        return client.get(f"{PATH}{path}", query_string=query, headers=headers)
    likely = reported if path.startswith("/happenings") else filled
    body = json.dumps(likely(dice) if dice.random() < 0.8 else anything(dice)).encode()
    return client.post(f"{PATH}{path}", data=body, headers=headers, content_type="application/json")
