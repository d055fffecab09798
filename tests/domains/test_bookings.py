"""Bookings: what is planned when one is written, moved, cancelled or deleted (E1 to E3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from notify_app.domains import bookings, moves
from notify_app.domains.base import Item
from tests.domains.people import ALICE, DANA, HENRY, NOW, changes, do, expected, hours, item, names, possible

BOOKING = bookings.BOOKING
START, END = NOW + hours(48), NOW + hours(52)


def booking(status: str = "booked", **data: Any) -> Item:
    return item(
        BOOKING, status, {"guest": DANA}, **{"resource": "Studio 3", "start": START, "end": END, **data}
    )


def made(plan: moves.Replanned) -> list[str]:
    return [one.event or one.verb for one in plan.make]


@pytest.mark.proves("E1", "E3")
def test_a_new_booking_plans_its_four_reminders_in_elapsed_hours() -> None:
    plan = moves.replanned(BOOKING, booking(), (), (), NOW)
    assert [(one.event, one.due_at) for one in plan.make] == [
        ("booking_24h", START - hours(24)),
        ("booking_1h", START - hours(1)),
        ("booking_start", START),
        ("booking_end", END),
    ]
    assert changes(BOOKING, None, booking()) == [], "a booking tells nothing when it is made"


@pytest.mark.proves("E3")
@pytest.mark.parametrize(
    ("now", "left"),
    [
        (START - hours(24), ["booking_1h", "booking_start", "booking_end"]),
        (START - hours(2), ["booking_1h", "booking_start", "booking_end"]),
        (START, ["booking_end"]),
        (END + hours(1), ["finish"]),
    ],
)
def test_what_has_passed_is_not_made_and_what_is_over_ends_in_silence(now: Any, left: list[str]) -> None:
    assert made(moves.replanned(BOOKING, booking(), (), (), now)) == left


@pytest.mark.proves("E3")
def test_a_moved_booking_moves_all_that_has_not_gone_yet() -> None:
    before = booking()
    waiting = [one.key for one in bookings.reminders(before)]
    after = do(BOOKING, before, "move", ALICE, start=START + hours(24), end=END + hours(24))
    plan = moves.replanned(BOOKING, after, waiting, (), NOW)
    assert plan.drop == tuple(waiting)
    assert [one.due_at for one in plan.make] == [START, START + hours(23), START + hours(24), END + hours(24)]
    assert changes(BOOKING, before, after) == []


@pytest.mark.proves("E3")
def test_another_change_leaves_the_plan_as_it_is_even_what_is_due_this_moment() -> None:
    waiting = [one.key for one in bookings.reminders(booking())][1:]
    gone = [one.key for one in bookings.reminders(booking())][:1]
    plan = moves.replanned(BOOKING, booking(resource="Studio 4"), waiting, gone, START - hours(1))
    assert ([one.key for one in plan.keep], plan.make, plan.drop) == (waiting, (), ())


@pytest.mark.proves("E3")
@pytest.mark.parametrize(
    ("verb", "who", "told"), [("cancel", ALICE, ["booking_cancelled"]), ("delete", HENRY, [])]
)
def test_cancelling_tells_the_guest_and_deleting_does_not_and_both_give_up_the_plan(
    verb: str, who: Any, told: list[str]
) -> None:
    before = booking()
    waiting = [one.key for one in bookings.reminders(before)]
    after = do(BOOKING, before, verb, who)
    assert names(changes(BOOKING, before, after)) == told
    assert moves.replanned(BOOKING, after, waiting, (), NOW) == moves.Replanned((), (), tuple(waiting))
    assert (after.status in BOOKING.removed) is (verb == "delete")


def test_the_reason_of_a_cancellation_is_told_where_there_is_one() -> None:
    before = booking()
    after = do(BOOKING, before, "cancel", DANA, reason="I am ill.")
    assert changes(BOOKING, before, after, "I am ill.")[0].payload["reason"] == "I am ill."
    assert changes(BOOKING, before, after)[0].payload["reason"] is None


@pytest.mark.proves("E3")
def test_a_booking_that_is_first_seen_cancelled_or_cancelled_twice_tells_nothing() -> None:
    gone = booking("cancelled")
    assert changes(BOOKING, None, gone) == changes(BOOKING, gone, replace(gone, version=2)) == []


def test_a_booking_is_over_at_its_end_by_itself() -> None:
    *_, last = bookings.reminders(booking())
    assert (last.event, last.verb, last.due_at) == ("booking_end", "finish", END)
    after = do(BOOKING, booking(), "finish", "clock")
    assert after.status in BOOKING.closed
    assert bookings.reminders(after) == changes(BOOKING, booking(), after) == []


@pytest.mark.proves("E3")
def test_a_booking_that_is_booked_again_begins_anew() -> None:
    assert moves.follows(BOOKING, booking("cancelled"), booking()).round == 2
    assert moves.follows(BOOKING, booking(), booking("ended")).round == 1


def test_who_may_do_what_in_which_state_and_nobody_else_may() -> None:
    guest = "contact"
    office = ("manager", "administrator")
    table = {
        "cancel": (("booked",), (*office, guest)),
        "finish": (("booked",), ("clock",)),
        "delete": (("booked", "ended", "cancelled"), ("administrator",)),
        "move": (("booked",), office),
        "create": (tuple(BOOKING.statuses), office),
    }
    items = {status: booking(status) for status in BOOKING.statuses}
    assert possible(BOOKING, items, {}) == expected(table)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"end": START}, "A booking ends after it starts."),
        ({"end": None, "resource": ""}, "Booking B-1 needs: resource, until."),
        ({}, ""),
    ],
)
def test_a_booking_is_of_something_for_a_time(data: dict[str, Any], said: str) -> None:
    assert bookings.check(booking(**data)) == said
