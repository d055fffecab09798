"""Bookings: a guest has a resource from a start to an end, and is reminded of both (requirements E1 to E6).

What is to be said is planned when the booking is written, moved when it moves, and given up when it is cancelled or
deleted. A deleted booking was never meant: its guest hears nothing of it, and only what was sent stays.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from notify_app.domains.base import (
    OFFICE,
    Category,
    Dedupe,
    DomainPack,
    Draft,
    EventType,
    Field,
    FieldKind,
    Item,
    PlannedReminder,
    Priority,
    Transition,
    Verb,
    WorkKind,
)
from notify_app.domains.fields import facts
from notify_app.domains.inputs import report_of

__all__ = ["PACK"]

STATUSES = {"booked": "Booked", "ended": "Ended", "cancelled": "Cancelled", "deleted": "Deleted"}
ROLES = {"guest": "contact"}
RESOURCE = Field("resource", "Resource", required=True)
PLACE = Field("location", "Place")
START = Field("start", "From", FieldKind.moment, required=True)
END = Field("end", "Until", FieldKind.moment, required=True)
FIELDS = (RESOURCE, PLACE, START, END)


def told(item: Item, **more: Any) -> dict[str, Any]:
    """The payload of a booking's event."""
    guest = item.people.get("guest")
    return {
        "item": facts(item, FIELDS),
        "guest": {"name": guest.name, "phone": guest.phone} if guest else None,
        **more,
    }


def on_change(before: Item | None, after: Item, reason: str, _in_batch: bool) -> list[Draft]:
    """E3: cancelling is told; all else that a guest hears is planned."""
    if after.status == "cancelled" and before is not None and before.status != "cancelled":
        return [Draft("booking_cancelled", told(after, reason=reason or None), item=after)]
    return []


def reminders(item: Item) -> list[PlannedReminder]:
    """E1, in elapsed hours. At its end a booking is over, also one that is written down too late to say so."""
    start, end = item.data.get("start"), item.data.get("end")
    if item.status != "booked" or not start or not end:
        return []
    return [
        PlannedReminder(start - timedelta(hours=24), "booking_24h"),
        PlannedReminder(start - timedelta(hours=1), "booking_1h"),
        PlannedReminder(start, "booking_start"),
        PlannedReminder(end, "booking_end", verb="finish"),
    ]


def check(item: Item) -> str:
    """A booking is of something, for a time."""
    missing = [one.title.lower() for one in (RESOURCE, START, END) if not item.data.get(one.name)]
    if missing:
        return f"Booking {item.number} needs: {', '.join(missing)}."
    return "A booking ends after it starts." if item.data["end"] <= item.data["start"] else ""


NOTE = Field("reason", "Reason, told to the guest", FieldKind.paragraph)
TRANSITIONS = (
    Transition(
        "cancel",
        "Cancel",
        "Cancelled",
        ("booked",),
        (*OFFICE, "guest"),
        (NOTE,),
        target="cancelled",
        danger=True,
    ),
    Transition("finish", "End", "Ended", ("booked",), ("clock",), target="ended"),
    Transition(
        "delete",
        "Delete",
        "Deleted",
        ("booked", "ended", "cancelled"),
        ("administrator",),
        target="deleted",
        danger=True,
    ),
)
VERBS = (
    Verb(
        "create",
        "New booking",
        "Booked",
        (),
        OFFICE,
        (*FIELDS, Field("guest", "Guest", FieldKind.person, required=True)),
    ),
    Verb("move", "Move", "Moved", ("booked",), OFFICE, (START, END)),
)

SAMPLE: dict[str, Any] = {
    "item": {
        "id": "0199a3c4-c8e2-7f6b-b7a0-5d3c1a9e2f08",
        "number": "B-2086",
        "title": "Studio 3",
        "status": "booked",
        "version": 1,
        "resource": "Studio 3",
        "location": "88 Pier Road, second floor",
        "start": datetime(2026, 11, 24, 22, 0, tzinfo=UTC),
        "end": datetime(2026, 11, 25, 1, 30, tzinfo=UTC),
    },
    "guest": {"name": "Mei Tanaka", "phone": "+12065557830"},
}
REQUIRES = ("item.number", "item.resource", "item.start", "item.end")


def _reminder(name: str, title: str, priority: Priority) -> EventType:
    return EventType(
        f"booking_{name}",
        title,
        "booking",
        priority,
        ("guest",),
        REQUIRES,
        SAMPLE,
        kind="booking",
        holds_while=("booked", "ended") if name == "end" else ("booked",),
        dedupe=Dedupe.round,
    )


EVENTS = (
    _reminder("24h", "Booking in 24 hours", Priority.medium),
    _reminder("1h", "Booking in an hour", Priority.high),
    _reminder("start", "Booking starts", Priority.high),
    _reminder("end", "Booking ends", Priority.medium),
    EventType(
        "booking_cancelled",
        "Booking cancelled",
        "booking",
        Priority.high,
        ("guest",),
        REQUIRES,
        {
            **SAMPLE,
            "item": {**SAMPLE["item"], "status": "cancelled"},
            "reason": "The heating of Studio 3 is being repaired.",
        },
        kind="booking",
        holds_while=("cancelled",),
    ),
)

BOOKING = WorkKind(
    name="booking",
    title="Booking",
    statuses=STATUSES,
    first="booked",
    roles=ROLES,
    fields=FIELDS,
    transitions=TRANSITIONS,
    source_moves={
        "booked": ("ended", "cancelled", "deleted"),
        "ended": ("booked", "deleted"),
        "cancelled": ("booked", "deleted"),
        "deleted": (),
    },
    upsert=report_of(
        "booking",
        "`booking.upsert`: a booking as its system knows it now. What is left out stays as it was; other times move what "
        "is planned to be said.",
        STATUSES,
        FIELDS,
        ROLES,
    ),
    describe=lambda data: data.resource or "",
    on_change=on_change,
    told=told,
    prefix="B",
    closed=("ended", "cancelled", "deleted"),
    removed=("deleted",),
    verbs=VERBS,
    reminders=reminders,
    check=check,
    new_round=lambda before, after: after.status == "booked" != before.status,
)

PACK = DomainPack(
    name="bookings",
    title="Bookings",
    categories=(Category("booking", "Bookings", "Reminders of what you have booked, and cancellations."),),
    events=EVENTS,
    kinds=(BOOKING,),
)
