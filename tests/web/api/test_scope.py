"""Every route of the API by keys of all roles, with ids of another organisation in every position (S1)."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from notify_app.web.api.access import PATH
from tests.web.api.conftest import Act
from tests.web.conftest import Shop

pytestmark = pytest.mark.proves("S1", "C5")

TABLES = (
    "work_item",
    "change",
    "event",
    "notification",
    "delivery",
    "task",
    "person",
    "inbox_counter",
    "api_call",
    "written_message",
)
# what a path names by a word, not by an id
WORDS = {"verb", "name"}


@pytest.fixture
def ids(shop: Shop, repair: str) -> dict[str, UUID]:
    """Ids of the first organisation, by the name of the route's argument and its room."""
    line = shop.line("bob", "repair_approved")
    return {
        "api_items.id": UUID(repair),
        "api_notifications.id": line.id,
        "api_events.id": line.event_id,
        "api_events.person": shop.hub.people["bob"].id,
    }


def calls(app: Flask, ids: dict[str, UUID], *, missing: str = "") -> list[tuple[str, str, str]]:
    """(endpoint, method, path behind /api/v1) of every route with ids; the argument `missing` is of nothing at all."""
    found = []
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(PATH) or not rule.arguments - WORDS:
            continue
        room = rule.endpoint.partition(".")[0]
        values: dict[str, Any] = {
            name: uuid4() if name == missing else ids[f"{room}.{name}"] for name in rule.arguments - WORDS
        }
        path = rule.rule.removeprefix(PATH)
        for name, value in {**values, "verb": "start"}.items():
            path = path.replace(f"<uuid:{name}>", str(value)).replace(f"<{name}>", str(value))
        found += [
            (rule.endpoint, method, path) for method in sorted((rule.methods or set()) & {"GET", "POST"})
        ]
    return found


def call(program: Any, method: str, path: str) -> Any:
    return program.get(path) if method == "GET" else program.post(path)


def everything(shop: Shop) -> str:
    """A hash of all rows of the first organisation."""
    org = shop.hub.organisation.id
    rows = [
        sorted(map(str, shop.hub.build.all(f"SELECT * FROM {table} WHERE organisation_id = :org", org=org)))
        for table in TABLES
    ]
    return hashlib.sha256(str(rows).encode()).hexdigest()


def test_nobody_gets_in_without_a_key(app: Flask, shop: Shop, acts: Act, ids: dict[str, UUID]) -> None:
    nobody = acts("alice")
    nobody.token = ""
    before = everything(shop)
    for endpoint, method, path in [*calls(app, ids), ("api_items.index", "GET", "/items")]:
        assert call(nobody, method, path).status_code == 401, endpoint
    assert nobody.post("/items", {"kind": "work_order", "values": {"work": "x"}}).status_code == 401
    assert everything(shop) == before


def test_another_organisations_ids_are_answered_as_ids_of_nothing(
    app: Flask, shop: Shop, acts: Act, ids: dict[str, UUID]
) -> None:
    before = everything(shop)
    shop.other.person("ada", "administrator")
    for key in ("charlie", "cleo", "ada"):
        who = acts(key, shop.other)
        for argument in ("id", "person"):
            for theirs, nothing in zip(calls(app, ids), calls(app, ids, missing=argument), strict=True):
                seen, unseen = call(who, *theirs[1:]), call(who, *nothing[1:])
                assert (seen.status_code, seen.json) == (unseen.status_code, unseen.json), theirs
                assert seen.status_code == 404, theirs
    assert everything(shop) == before


def test_another_organisations_people_cannot_be_named_in_a_value(
    shop: Shop, acts: Act, ids: dict[str, UUID]
) -> None:
    stranger = str(shop.other.people["cleo"].id)
    alice = acts("alice")
    given = alice.post(f"/items/{ids['api_items.id']}/assign", {"values": {"person": stranger}})
    made = alice.post("/items", {"kind": "work_order", "values": {"work": "x", "technician": stranger}})
    assert (given.status_code, made.status_code) == (422, 422)
    assert alice.get("/items", person=stranger).json["data"] == []
    assert alice.get("/items", after=stranger).status_code == 200
