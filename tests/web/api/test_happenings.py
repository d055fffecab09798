"""Happenings by the API: reported by those who may, once, for those whom they are for (C6)."""

from __future__ import annotations

from typing import Any

import pytest

from notify_app import domains
from tests.web.api.conftest import Act
from tests.web.conftest import Shop

pytestmark = pytest.mark.proves("C6", "C5")

EMERGENCY = {"alert_message": "Fire alarm activated", "location": "Building A", "severity": "high"}
PART = {"part": "Circulation pump", "quantity": 1}
VISITOR = {"visitor_name": "John Doe", "arrival_time": "2026-11-24T22:05:00Z", "access_code": "ABC123"}


@pytest.fixture
def ada(shop: Shop, acts: Act) -> Any:
    shop.hub.person("ada", "administrator", name="Ada Quist", sms="+12025550150")
    return acts("ada")


def named(response: Any) -> list[str]:
    return [one["field"] for one in response.json["errors"]]


def events(shop: Shop) -> list[str]:
    return [row.name for row in shop.hub.build.all("SELECT name FROM event ORDER BY id")]


def test_an_emergency_is_told_to_everybody_at_once_in_the_persons_name(shop: Shop, ada: Any) -> None:
    answer = ada.post("/happenings/emergency.raised", {"values": EMERGENCY})
    assert answer.status_code == 201
    assert answer.json["happening"] == "emergency.raised" and answer.json["people"] == 5
    assert shop.line("bob", "emergency_alert").text
    row = shop.hub.build.one("SELECT * FROM event WHERE name = 'emergency_alert'")
    assert (str(row.id), row.actor_id) == (answer.json["event_id"], shop.hub.people["ada"].id)
    why = ada.get(f"/events/{row.id}/why/{shop.hub.people['bob'].id}")
    assert why.json["told"] is True
    shop.hub.settle()
    shop.hub.sms("+12025550103").says("Fire alarm activated")


def test_a_happening_is_for_those_whom_it_names_and_nobody_else(shop: Shop, acts: Act) -> None:
    tess = shop.hub.people["tess"]
    answer = acts("bob").post(
        "/happenings/visitor.arrived", {"values": VISITOR, "to": [f"person:{tess.id}", f"person:{tess.id}"]}
    )
    assert (answer.status_code, answer.json["people"]) == (201, 1)
    found = shop.hub.build.all("SELECT person_id FROM notification WHERE name = 'visitor_arrival'")
    assert [row.person_id for row in found] == [tess.id]


@pytest.mark.parametrize("name", [one.name for one in domains.happenings() if one.event.admin_only])
def test_what_is_for_administrators_is_refused_to_everybody_else(shop: Shop, acts: Act, name: str) -> None:
    for key in ("alice", "bob"):
        answer = acts(key).post(f"/happenings/{name}", {"values": {}})
        assert (answer.status_code, answer.json["type"]) == (403, "/docs/problems#forbidden")
    assert events(shop) == []


def test_what_only_a_source_reports_is_nobody_elses_to_report(ada: Any) -> None:
    for one in domains.happenings():
        if not one.by:
            assert ada.post(f"/happenings/{one.name}", {"values": {}}).status_code == 403, one.name


def test_the_same_report_again_is_told_once(shop: Shop, acts: Act) -> None:
    call = acts("bob")
    first = call.post("/happenings/inventory.alerted", {"values": PART}, Idempotency_Key="shelf-c")
    again = call.post("/happenings/inventory.alerted", {"values": PART}, Idempotency_Key="shelf-c")
    assert first.status_code == again.status_code == 201 and first.json == again.json
    assert again.headers["Idempotent-Replayed"] == "true"
    other = call.post("/happenings/equipment.alerted", {"values": PART}, Idempotency_Key="shelf-c")
    assert other.status_code == 409
    assert events(shop) == ["inventory_alert"]


@pytest.mark.parametrize(
    ("name", "body", "fields"),
    [
        ("inventory.alerted", {"values": {"part": "Pump", "quantity": -1}}, ["values.quantity"]),
        ("inventory.alerted", {"values": {"quantity": 1, "prt": "x"}}, ["values.part", "values.prt"]),
        ("inventory.alerted", {"values": PART, "to": ["everyone"]}, ["to"]),
        ("visitor.arrived", {"values": {}}, ["values.visitor_name", "values.arrival_time", "to"]),
        ("visitor.arrived", {"values": VISITOR, "to": ["role:king"]}, ["to"]),
        ("visitor.arrived", {"values": VISITOR, "to": []}, ["to"]),
        ("visitor.arrived", {"values": VISITOR, "to": "everyone"}, ["to"]),
        ("visitor.arrived", {"values": VISITOR, "audience": ["everyone"]}, ["audience"]),
    ],
)
def test_what_cannot_be_used_is_named_and_nothing_is_told(
    shop: Shop, acts: Act, name: str, body: Any, fields: list[str]
) -> None:
    answer = acts("bob").post(f"/happenings/{name}", body)
    assert answer.status_code == 422 and sorted(named(answer)) == sorted(fields)
    assert events(shop) == []


def test_nobody_of_another_organisation_is_reached_or_named(shop: Shop, acts: Act) -> None:
    cleo = shop.other.people["cleo"].id
    answer = acts("bob").post("/happenings/visitor.arrived", {"values": VISITOR, "to": [f"person:{cleo}"]})
    assert answer.status_code == 422 and "Cleo" not in answer.text
    shop.other.person("zed", "administrator")
    answer = acts("zed", shop.other).post("/happenings/emergency.raised", {"values": EMERGENCY})
    assert (answer.status_code, answer.json["people"]) == (201, 3)
    assert not shop.hub.build.all(
        "SELECT 1 FROM notification WHERE organisation_id = :org", org=shop.hub.organisation.id
    )


def test_there_is_no_happening_of_another_name(ada: Any) -> None:
    answer = ada.post("/happenings/emergency.raisd", {"values": EMERGENCY})
    assert answer.status_code == 404
