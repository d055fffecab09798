"""A fact that is not true any more is taken off an item: by a form that comes back empty, by null in the API and in a
webhook. What is left out stays, and what an item is nothing without cannot be taken off."""

from __future__ import annotations

from typing import Any

import pytest

from tests.programs import Program
from tests.web.test_item_kinds import booking, item_of, order, path, permit

pytestmark = pytest.mark.proves("F1")

FULL = {"urgency": "high", "due_at": "2031-11-24T23:00:00Z"}


def facts(shop, external="W-1") -> Any:
    return item_of(shop, external).data


# --- a form --------------------------------------------------------------------------------------------------------


def test_what_was_shown_filled_and_comes_back_empty_is_cleared(shop):
    order(shop, **FULL)
    page = shop.alice.submit(path(shop, "W-1"), "/change", location="", urgency="", due_at="")
    assert "Changed: WO-1." in page.text
    assert facts(shop) == {"work": "Replace the pump"}
    for sentence in ("Place: none.", "Urgency: none.", "Due: none."):
        assert sentence in page.text
    shop.hub.settle()
    assert "Place: none." in shop.line("bob", "work_order_update").text


def test_what_is_left_as_it_was_stays_and_a_form_that_changes_nothing_makes_no_version(shop):
    order(shop, **FULL)
    before = item_of(shop, "W-1")
    shop.alice.submit(path(shop, "W-1"), "/change")
    assert (item_of(shop, "W-1").version, facts(shop)) == (before.version, before.data)
    shop.alice.submit(path(shop, "W-1"), "/change", location="Pier 4")
    assert facts(shop) == {**before.data, "location": "Pier 4"}


def test_a_field_that_a_form_does_not_bring_is_left_alone(shop):
    order(shop, **FULL)
    shop.alice.submit(path(shop, "W-1"), "/change", location=None, due_at=None, urgency="low")
    assert facts(shop)["location"] == "Harbor House" and facts(shop)["due_at"]
    assert facts(shop)["urgency"] == "low"


def test_what_an_item_needs_cannot_be_cleared_and_is_named(shop):
    order(shop, **FULL)
    page = shop.alice.get(path(shop, "W-1"))
    assert 'id="change-work"' in page.html and "required" in page.html.split('id="change-work"')[1][:200]
    page = shop.alice.submit(page, "/change", work="", location="Pier 4")
    assert page.status == 422 and "Work: this is needed and cannot be taken away." in page.text
    assert facts(shop)["work"] == "Replace the pump" and facts(shop)["location"] == "Harbor House"
    booking(shop)
    page = shop.alice.submit(path(shop, "B-1"), "/move", start="")
    assert page.status == 422 and "From: this is needed." in page.text


def test_records_are_cleared_by_an_empty_field_and_kept_by_an_untouched_one(shop):
    permit(shop, status="draft")
    where = path(shop, "P-1", "jobs")
    shop.bob.submit(where, "/change", location="Hall 2")
    assert len(facts(shop, "P-1")["isolation_points"]) == 2
    shop.bob.submit(where, "/change", isolation_points="")
    assert "isolation_points" not in facts(shop, "P-1") and facts(shop, "P-1")["location"] == "Hall 2"


# --- programs ------------------------------------------------------------------------------------------------------


def test_null_clears_for_a_program_and_what_is_left_out_stays(shop):
    order(shop, **FULL)
    call, where = Program(shop.hub, "alice"), f"/items/{item_of(shop, 'W-1').id}/change"
    answer = call.post(where, {"values": {"location": None}})
    assert answer.status_code == 200 and answer.json["facts"]["location"] is None
    assert answer.json["facts"]["urgency"] == "high" and answer.json["facts"]["due_at"]
    again = call.post(where, {"values": {"location": None}})
    assert again.json["version"] == answer.json["version"], "nothing is cleared twice"


def test_a_program_cannot_clear_what_an_item_needs(shop):
    order(shop)
    call = Program(shop.hub, "alice")
    answer = call.post(f"/items/{item_of(shop, 'W-1').id}/change", {"values": {"work": None}})
    assert answer.status_code == 422
    assert answer.json["errors"] == [
        {"field": "values.work", "message": "Work: this is needed and cannot be taken away."}
    ]
    made = call.post("/items", {"kind": "work_order", "values": {"work": None, "location": None}})
    assert [one["field"] for one in made.json["errors"]] == ["values.work"]


# --- webhooks ------------------------------------------------------------------------------------------------------


def test_null_clears_in_a_webhook_and_says_nothing_where_nothing_was_known(shop):
    order(shop, **FULL)
    assert shop.hub.post("work_order.upsert", {"id": "W-1", "location": None}).status_code == 202
    cleared = item_of(shop, "W-1")
    assert "location" not in cleared.data and cleared.data["urgency"] == "high"
    shop.hub.post("work_order.upsert", {"id": "W-1", "location": None})
    assert item_of(shop, "W-1").version == cleared.version
    assert "Place: none" in shop.alice.get(path(shop, "W-1")).text
