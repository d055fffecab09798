"""The rules that all kinds share: who a word means, what a verb does, rounds, reminders, and one matter told once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta, timezone

import pytest

from notify_app import domains
from notify_app.domains import moves, repairs
from notify_app.domains.base import Dedupe, PlannedReminder
from tests.domains.people import (
    ALICE,
    DANA,
    EVERYBODY,
    HENRY,
    MARCO,
    NOW,
    VERA,
    by,
    changes,
    do,
    expected,
    hours,
    item,
    possible,
    verb,
)

REPAIR = repairs.REPAIR


@pytest.mark.parametrize(
    ("word", "who"),
    [
        ("everyone", set(EVERYBODY)),
        ("office", {"manager", "administrator"}),
        ("role:contact", {"contact", "other contact"}),
        ("grade:B", {"manager", "approver"}),
        ("role:administrator+grade:A", {"administrator"}),
        ("role:administrator+grade:B", set()),
    ],
)
def test_an_audience_word_means_these_people_and_no_others(word: str, who: set[str]) -> None:
    assert {name for name, one in EVERYBODY.items() if moves.is_one(word, one)} == who


def test_a_role_on_the_item_is_whoever_has_it_and_a_contact_needs_a_part() -> None:
    mine = item(REPAIR, "pending", {"customer": DANA, "technician": MARCO})
    approve, start = verb(REPAIR, "approve"), verb(REPAIR, "start")
    assert moves.may(REPAIR, approve, mine, by(DANA))
    assert not moves.may(REPAIR, approve, replace(mine, people={}), by(DANA))
    assert moves.may(REPAIR, start, mine, by(MARCO))
    assert not moves.may(REPAIR, start, mine, by(VERA)), "a technician, but of another job"
    assert moves.may(REPAIR, approve, mine, by("source"))
    assert not moves.may(REPAIR, approve, mine, by("clock"))


@pytest.mark.proves("A4", "A6")
def test_who_may_do_what_to_a_repair_in_which_state_and_nobody_else_may() -> None:
    doers = ("manager", "administrator", "technician")
    deciders = ("manager", "administrator", "contact", "source")
    table = {
        "approve": (("pending", "denied"), deciders),
        "deny": (("pending", "approved"), deciders),
        "start": (("approved",), doers),
        "complete": (("in_progress",), doers),
        "reopen": (("denied",), ("manager", "administrator")),
    }
    people = {"customer": DANA, "technician": MARCO}
    items = {status: item(REPAIR, status, people) for status in REPAIR.statuses}
    assert possible(REPAIR, items, {}) == expected(table)


def test_a_repair_waits_for_its_customer_in_each_round_anew_and_hurries_nobody() -> None:
    before = item(REPAIR, "denied", {"customer": DANA})
    again = do(REPAIR, before, "reopen", ALICE)
    (task,) = moves.pending(REPAIR, again)
    assert (task.step, task.assignee, task.verbs, again.round) == (
        "approval",
        "customer",
        ("approve", "deny"),
        2,
    )
    assert (task.overdue, task.escalated) == ("", "")
    assert moves.pending(REPAIR, before) == ()


def test_a_refusal_says_what_the_item_is_now() -> None:
    done = item(REPAIR, "completed", {"technician": MARCO})
    assert moves.refusal(REPAIR, verb(REPAIR, "start"), done, {}, by(MARCO)) == (
        "Repair R-1 is completed; start work is not possible now."
    )
    assert (
        moves.refusal(REPAIR, verb(REPAIR, "reopen"), done, {}, by(MARCO))
        == "You cannot ask again this repair."
    )


def test_a_change_of_a_repair_means_what_it_did() -> None:
    """The rules of `moves` and the pack agree with what the stories prove through HTTP."""
    before = item(REPAIR, "pending", {"customer": DANA, "technician": MARCO}, vehicle="2019 Ford")
    after = do(REPAIR, before, "approve", HENRY)
    assert [(one.event, one.to) for one in changes(REPAIR, before, after)] == [("repair_approved", None)]
    assert (after.title, after.version, after.round) == ("2019 Ford", 2, 1)


# --- reminders -----------------------------------------------------------------------------------------------------


def test_one_moment_is_one_reminder_in_whatever_zone_it_is_written() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    assert PlannedReminder(NOW, "booking_1h").key == PlannedReminder(elsewhere, "booking_1h").key
    assert PlannedReminder(NOW, "booking_1h").key != PlannedReminder(NOW + hours(1), "booking_1h").key


def test_what_has_gone_does_not_come_again_and_what_is_not_wanted_any_more_is_dropped() -> None:
    kind = replace(
        REPAIR, reminders=lambda _item: [PlannedReminder(NOW + hours(n), "reward") for n in (1, 2, 3)]
    )
    one, two, three = (one.key for one in kind.reminders(item(kind)))
    plan = moves.replanned(kind, item(kind), [two, "old@2026"], [one], NOW)
    assert ([k.key for k in plan.keep], [m.key for m in plan.make], plan.drop) == (
        [two],
        [three],
        ("old@2026",),
    )
    assert moves.replanned(REPAIR, item(REPAIR), ["old@2026"], [], NOW).drop == ("old@2026",)


def test_what_must_be_done_is_done_again_as_long_as_it_is_planned_but_told_once() -> None:
    over = PlannedReminder(NOW - hours(1), "reward", "complete")
    kind = replace(REPAIR, reminders=lambda _item: [over])
    assert moves.replanned(kind, item(kind), [], [], NOW).make == (replace(over, event=""),)
    assert moves.replanned(kind, item(kind), [], [over.key], NOW - hours(2)).make == (
        replace(over, event=""),
    )
    assert moves.replanned(kind, item(kind), [], [], NOW - hours(2)).make == (over,)
    assert replace(over, event="").key == over.key


# --- one matter, told once -----------------------------------------------------------------------------------------


@pytest.mark.proves("D3")
def test_a_matter_is_the_same_for_item_round_and_step_and_for_a_day_where_it_repeats_daily() -> None:
    event = domains.event("permit_rejected")
    assert event is not None
    first = item(REPAIR)
    today, tomorrow = date(2026, 11, 24), date(2026, 11, 25)
    key = moves.dedupe_key(event, first, "verification", today)
    assert key == moves.dedupe_key(event, first, "verification", tomorrow)
    assert key != moves.dedupe_key(event, first, "approval", today)
    assert key != moves.dedupe_key(event, replace(first, round=2), "verification", today)
    daily = replace(event, dedupe=Dedupe.daily)
    assert moves.dedupe_key(daily, first, "", today) != moves.dedupe_key(daily, first, "", tomorrow)


def test_what_is_each_time_another_matter_has_no_key() -> None:
    event = domains.event("issue_detected")
    assert event is not None
    assert moves.dedupe_key(event, item(REPAIR), "", date(2026, 11, 24)) is None
    general = replace(event, dedupe=Dedupe.round)
    assert moves.dedupe_key(general, None, "", date(2026, 11, 24)) is None


@pytest.mark.proves("D3")
def test_what_permits_and_reminders_tell_has_a_key_and_what_repeats_daily_has_the_day() -> None:
    keyed = {event.name: event.dedupe for event in domains.events() if event.dedupe is not Dedupe.never}
    assert {name for name, rule in keyed.items() if rule is Dedupe.daily} == {
        "permit_overdue",
        "permit_escalated",
        "task_overdue",
        "task_escalated",
    }
    permits = {event.name for event in domains.events() if event.kind == "permit"}
    assert permits <= set(keyed)
    assert set(keyed) - permits == {
        "booking_24h",
        "booking_1h",
        "booking_start",
        "booking_end",
        "task_overdue",
        "task_escalated",
    }
