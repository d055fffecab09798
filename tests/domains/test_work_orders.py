"""Work orders: one update tells up to three things, and who has an order knows it (B1, B2)."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from notify_app import domains
from notify_app.domains import moves, work_orders
from notify_app.domains.base import Item
from tests.domains.people import (
    ALICE,
    DANA,
    MARCO,
    NOW,
    PRIYA,
    changes,
    do,
    expected,
    hours,
    item,
    names,
    possible,
    refused,
)

ORDER = work_orders.WORK_ORDER


def order(status: str = "open", technician: Any = MARCO, **data: Any) -> Item:
    people = {"technician": technician} if technician else {}
    return item(ORDER, status, people, **{"work": "Replace the pump", "location": "Plant room", **data})


# --- one update, three messages ------------------------------------------------------------------------------------


@pytest.mark.proves("B2")
def test_an_update_with_everything_tells_three_things_each_with_what_it_is_about() -> None:
    before = order()
    after = do(
        ORDER, before, "start", MARCO, notes="Old pump is out.", issues="The valve leaks.", alert_office=True
    )
    status, issue, alert = changes(ORDER, before, after)
    assert (status.event, issue.event, alert.event) == ("status_update", "issue_detected", "office_alert")
    assert status.payload["item"]["status_title"] == "In progress"
    assert status.payload["notes"] == "Old pump is out."
    assert issue.payload["issues"] == "The valve leaks."
    assert (alert.payload["notes"], alert.payload["issues"]) == ("Old pump is out.", "The valve leaks.")


@pytest.mark.proves("B2")
@pytest.mark.parametrize(
    ("verb", "values", "told"),
    [
        ("note", {"notes": "Parts come on Monday."}, ["status_update"]),
        ("report_issue", {"issues": "The valve leaks."}, ["issue_detected"]),
        (
            "report_issue",
            {"issues": "The valve leaks.", "alert_office": True},
            ["issue_detected", "office_alert"],
        ),
        ("alert_office", {}, ["office_alert"]),
        ("alert_office", {"notes": "Please call."}, ["status_update", "office_alert"]),
    ],
)
def test_notes_issues_and_alerts_need_no_change_of_state(verb: str, values: Any, told: list[str]) -> None:
    before = order("in_progress")
    after = do(ORDER, before, verb, MARCO, **values)
    assert after.status == before.status
    assert names(changes(ORDER, before, after)) == told


@pytest.mark.proves("B2")
def test_the_same_issue_said_twice_is_two_issues_and_one_that_is_only_remembered_is_none() -> None:
    first = do(ORDER, order("in_progress"), "report_issue", MARCO, issues="The valve leaks.")
    again = do(ORDER, first, "report_issue", MARCO, issues="The valve leaks.")
    assert names(changes(ORDER, first, again)) == ["issue_detected"]
    later = do(ORDER, again, "complete", MARCO)
    assert "issues" not in later.data
    assert names(changes(ORDER, again, later)) == ["status_update"]


@pytest.mark.proves("B2")
def test_whoever_has_done_it_is_not_told_of_it() -> None:
    event = domains.event("status_update")
    assert event is not None
    assert event.except_actor


def test_a_new_order_is_no_progress_and_one_that_comes_in_another_state_is() -> None:
    assert names(changes(ORDER, None, order(technician=None))) == []
    assert names(changes(ORDER, None, order("in_progress", technician=None))) == ["status_update"]


def test_a_cancellation_says_why() -> None:
    before = order()
    after = do(ORDER, before, "cancel", ALICE, reason="The tenant has moved out.")
    (draft,) = changes(ORDER, before, after, "The tenant has moved out.")
    assert (draft.event, draft.payload["reason"]) == ("status_update", "The tenant has moved out.")


# --- who has it ----------------------------------------------------------------------------------------------------


@pytest.mark.proves("B1")
def test_who_gets_an_order_hears_of_it_and_so_does_who_had_it() -> None:
    before = order()
    gone, new = changes(ORDER, before, replace(before, people={"technician": PRIYA}))
    assert (gone.event, gone.to, gone.payload["handed_to"]) == (
        "work_order_update",
        (MARCO.id,),
        {"name": "Priya"},
    )
    assert (new.event, new.to, new.payload["assigned"]) == ("work_order_update", None, True)


def test_an_order_that_is_taken_away_and_given_to_nobody_tells_the_one_who_had_it() -> None:
    before = order()
    (gone,) = changes(ORDER, before, replace(before, people={}))
    assert (gone.to, gone.payload["handed_to"]) == ((MARCO.id,), {"name": "nobody yet"})


@pytest.mark.proves("B1")
def test_what_has_changed_of_an_order_is_named_to_its_technician() -> None:
    before = order(due_at=NOW)
    after = do(ORDER, before, "change", ALICE, due_at=NOW + hours(2), urgency="high")
    (draft,) = changes(ORDER, before, after)
    assert (draft.event, draft.payload["assigned"]) == ("work_order_update", False)
    assert draft.payload["changes"] == [
        {"title": "Urgency", "value": "High"},
        {"title": "Due", "value": NOW + hours(2)},
    ]


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_what_is_closed_is_given_to_nobody(status: str) -> None:
    assert changes(ORDER, order(status, technician=None), order(status)) == []


# --- urgent --------------------------------------------------------------------------------------------------------


@pytest.mark.proves("D4")
def test_an_urgent_order_waits_to_be_acknowledged_by_whoever_has_it_now() -> None:
    urgent = order(urgency="urgent")
    assert names(changes(ORDER, order(technician=None, urgency="urgent"), urgent)) == ["work_order_urgent"]
    assert [task.step for task in moves.pending(ORDER, urgent)] == ["acknowledgement"]
    known = do(ORDER, urgent, "acknowledge", MARCO)
    assert moves.pending(ORDER, known) == ()
    assert changes(ORDER, urgent, known) == []
    assert "does not wait" in refused(ORDER, known, "acknowledge", MARCO)
    handed = replace(known, people={"technician": PRIYA})
    assert [task.name for task in moves.pending(ORDER, handed)] == ["work_order_acknowledgement"]
    assert names(changes(ORDER, known, handed)) == ["work_order_update", "work_order_urgent"]


def test_an_order_that_becomes_urgent_says_so_once() -> None:
    before = order(urgency="high")
    after = do(ORDER, before, "change", ALICE, urgency="urgent")
    assert names(changes(ORDER, before, after)) == ["work_order_urgent"]
    moved = do(ORDER, after, "change", ALICE, location="Roof")
    assert names(changes(ORDER, after, moved)) == ["work_order_update"]


@pytest.mark.parametrize(
    ("status", "data", "technician"),
    [
        ("open", {"urgency": "high"}, MARCO),
        ("open", {"urgency": "urgent"}, None),
        ("in_progress", {"urgency": "urgent"}, MARCO),
        ("completed", {"urgency": "urgent"}, MARCO),
    ],
)
def test_nothing_waits_to_be_acknowledged_where_it_is_not_urgent_not_given_or_begun(
    status: str, data: Any, technician: Any
) -> None:
    assert moves.pending(ORDER, order(status, technician, **data)) == ()


# --- verbs ---------------------------------------------------------------------------------------------------------


def test_who_may_do_what_in_which_state_and_nobody_else_may() -> None:
    office, doers = ("manager", "administrator"), ("manager", "administrator", "technician")
    under_way, closed = ("open", "in_progress", "on_hold"), ("completed", "cancelled")
    table = {
        "start": (("open", "on_hold"), doers),
        "hold": (("in_progress",), doers),
        "complete": (("in_progress",), doers),
        "cancel": (under_way, office),
        "reopen": (closed, office),
        "create": (tuple(ORDER.statuses), office),
        "change": (under_way, office),
        "acknowledge": (under_way, ("technician",)),
        "note": (under_way, doers),
        "report_issue": (under_way, doers),
        "alert_office": (under_way, ("technician",)),
    }
    items = {status: order(status, urgency="urgent") for status in ORDER.statuses}
    assert possible(ORDER, items, {}) == expected(table)


def test_the_office_makes_an_order_with_its_people() -> None:
    blank = moves.blank(ORDER, MARCO.id, "WO-7")
    made = do(ORDER, blank, "create", ALICE, work="Paint the hall", technician=MARCO, customer=DANA)
    assert (made.title, made.status, made.version) == ("Paint the hall", "open", 1)
    assert made.people == {"technician": MARCO, "customer": DANA}
    assert names(changes(ORDER, None, made)) == ["work_order_update"]


# --- without an order ----------------------------------------------------------------------------------------------


@pytest.mark.proves("B2")
@pytest.mark.parametrize(
    ("type_", "event"), [("equipment.alerted", "equipment_alert"), ("inventory.alerted", "inventory_alert")]
)
def test_equipment_and_inventory_go_to_the_office(type_: str, event: str) -> None:
    model, make = work_orders.PACK.happenings[type_]
    known = domains.event(event)
    assert known is not None
    data = SimpleNamespace(**known.sample)
    (draft,) = make(data, {})
    assert (draft.event, draft.to) == (event, None)
    assert draft.payload == known.sample
    assert set(model.model_fields) == set(known.sample)
