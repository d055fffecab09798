"""Estates: what happens without an item, whom it is told, and maintenance, which is work (C1 to C6)."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from notify_app import domains
from notify_app.domains import estates
from notify_app.domains.base import Item
from tests.domains.people import (
    ALICE,
    DANA,
    MARCO,
    NOW,
    PRIYA,
    RUTH,
    changes,
    do,
    expected,
    item,
    names,
    possible,
)

MAINTENANCE = estates.MAINTENANCE
REPORTS = {one.name: one for one in estates.PACK.reports}


def work(status: str = "reported", **data: Any) -> Item:
    people = {"resident": DANA, "technician": MARCO}
    return item(MAINTENANCE, status, people, **{"problem": "No hot water", "unit": "A101", **data})


# --- happenings ----------------------------------------------------------------------------------------------------


@pytest.mark.proves("C2")
@pytest.mark.parametrize("name", ["visitor.arrived", "payment.due", "comment.replied"])
def test_what_names_residents_is_told_to_each_of_them_once_and_says_nobody_elses_name(name: str) -> None:
    report = REPORTS[name]
    (draft,) = report.drafts(SimpleNamespace(**report.event.sample), {"residents": (DANA, RUTH, DANA)})
    assert (draft.event, draft.to) == (report.event.name, (DANA.id, RUTH.id))
    assert draft.payload == {one.name: report.event.sample[one.name] for one in report.event.facts}


@pytest.mark.proves("C2", "C5")
@pytest.mark.parametrize(
    "name", ["emergency.raised", "security.breached", "announcement.posted", "newsletter.published"]
)
def test_what_is_for_everybody_can_be_for_a_few(name: str) -> None:
    report = REPORTS[name]
    data = SimpleNamespace(**report.event.sample)
    assert report.drafts(data, {})[0].to is None, "its audience: everyone"
    assert report.event.audience == ("everyone",)
    assert report.drafts(data, {"recipients": (RUTH,)})[0].to == (RUTH.id,)


@pytest.mark.proves("C6")
def test_among_people_only_administrators_raise_what_reaches_everybody() -> None:
    assert {name: report.by for name, report in REPORTS.items()} == {
        "emergency.raised": ("administrator",),
        "security.breached": ("administrator",),
        "announcement.posted": ("administrator",),
        "newsletter.published": ("administrator",),
        "visitor.arrived": ("manager", "administrator", "role:technician"),
        "payment.due": ("manager", "administrator"),
        "comment.replied": (),
    }


def test_an_emergency_asks_who_is_safe_and_who_needs_help_is_told_to_the_office() -> None:
    event = domains.event("emergency_alert")
    assert event is not None
    assert [(one.name, one.event) for one in event.answers] == [("safe", ""), ("help", "help_needed")]
    told = domains.event("help_needed")
    assert told is not None
    assert told.audience == ("office",)
    assert {one.name for one in event.facts} | {"who", "phone"} == {one.name for one in told.facts}


# --- maintenance ---------------------------------------------------------------------------------------------------


@pytest.mark.proves("C2")
def test_urgent_work_is_told_when_it_is_reported_and_when_it_becomes_urgent_and_not_again() -> None:
    assert names(changes(MAINTENANCE, None, work(urgent=True))) == ["maintenance_urgent"]
    before = work()
    after = do(MAINTENANCE, before, "change", ALICE, urgent=True)
    assert names(changes(MAINTENANCE, before, after)) == ["maintenance_urgent"]
    assert changes(MAINTENANCE, after, do(MAINTENANCE, after, "start", MARCO)) == []


@pytest.mark.proves("C2")
def test_work_that_is_not_urgent_tells_nobody_until_it_is_done() -> None:
    assert changes(MAINTENANCE, None, work()) == []
    before = work("in_progress")
    after = do(MAINTENANCE, before, "complete", MARCO)
    (draft,) = changes(MAINTENANCE, before, after)
    assert draft.event == "maintenance_complete"
    assert (draft.payload["work_order"], draft.payload["technician"]) == ("M-1", "Marco")
    assert draft.payload["completion_date"] == NOW


def test_urgent_work_in_other_hands_is_told_to_those_hands_only() -> None:
    before = work(urgent=True)
    (draft,) = changes(MAINTENANCE, before, replace(before, people={**before.people, "technician": PRIYA}))
    assert (draft.event, draft.to) == ("maintenance_urgent", (PRIYA.id,))
    assert changes(MAINTENANCE, before, replace(before, people={"resident": DANA})) == []


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_what_is_closed_is_not_urgent_any_more(status: str) -> None:
    assert "maintenance_urgent" not in names(changes(MAINTENANCE, None, work(status, urgent=True)))
    assert "maintenance_urgent" in domains.moot("maintenance", status)


def test_who_may_do_what_in_which_state_and_nobody_else_may() -> None:
    office, doers = ("manager", "administrator"), ("manager", "administrator", "technician")
    table = {
        "start": (("reported",), doers),
        "complete": (("reported", "in_progress"), doers),
        "cancel": (("reported", "in_progress"), office),
        "reopen": (("completed", "cancelled"), office),
        "create": (tuple(MAINTENANCE.statuses), office),
        "change": (("reported", "in_progress"), office),
    }
    items = {status: work(status) for status in MAINTENANCE.statuses}
    assert possible(MAINTENANCE, items, {}) == expected(table)
