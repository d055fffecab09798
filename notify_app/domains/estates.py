"""Estates: residents, visitors, bills, the neighbourhood, and what must reach everybody at once (requirements C1 to C6).

Most of it happens without an item: it is reported by a source or by somebody of the office, and told to whom it names
or to everyone. Only maintenance is work: it is reported, given to a technician and completed. An emergency asks its
readers whether they are safe.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from notify_app.domains.base import (
    OFFICE,
    REASON,
    Answer,
    Category,
    Doing,
    DomainPack,
    Draft,
    EventType,
    Field,
    FieldKind,
    Happening,
    Item,
    Priority,
    Transition,
    Values,
    Verb,
    WorkKind,
)
from notify_app.domains.fields import facts
from notify_app.domains.inputs import report_of
from notify_app.policy.formats import Money

__all__ = ["PACK"]

STATUSES = {
    "reported": "Reported",
    "in_progress": "In progress",
    "completed": "Completed",
    "cancelled": "Cancelled",
}
OPEN = ("reported", "in_progress")
ROLES = {"resident": "contact", "technician": "technician"}
PROBLEM = Field("problem", "Problem")
UNIT = Field("unit", "Unit")
PLACE = Field("location", "Place")
URGENT = Field("urgent", "Urgent", FieldKind.yes_no)
COMPLETED = Field("completed_at", "Completed", FieldKind.moment)
FIELDS = (PROBLEM, UNIT, PLACE, URGENT, COMPLETED)


# --- maintenance ---------------------------------------------------------------------------------------------------


def told(item: Item, **more: Any) -> dict[str, Any]:
    """The payload of a maintenance event: the item, and the names that C2 gives its facts."""
    resident, technician = item.people.get("resident"), item.people.get("technician")
    return {
        "item": facts(item, FIELDS),
        "work_order": item.number,
        "problem": item.title,
        "unit": item.data.get("unit"),
        "location": item.data.get("location"),
        "completion_date": item.data.get("completed_at"),
        "technician": technician.name if technician else None,
        "resident": {"name": resident.name, "phone": resident.phone} if resident else None,
        **more,
    }


def on_change(before: Item | None, after: Item, _reason: str, _in_batch: bool) -> list[Draft]:
    """Work that is urgent, from the moment it is; and work that is done, once."""
    drafts = []
    if _pressing(after) and not (before and _pressing(before)):
        drafts.append(Draft("maintenance_urgent", told(after), item=after))
    elif _pressing(after) and before and _technician(after) not in (None, _technician(before)):
        technician = after.people["technician"]
        drafts.append(Draft("maintenance_urgent", told(after), to=(technician.id,), item=after))
    if after.status == "completed" and (before is None or before.status != "completed"):
        drafts.append(Draft("maintenance_complete", told(after), item=after))
    return drafts


def _pressing(item: Item) -> bool:
    return bool(item.data.get("urgent")) and item.status in OPEN


def _technician(item: Item) -> Any:
    technician = item.people.get("technician")
    return technician.id if technician else None


def _complete(item: Item, _values: Values, doing: Doing) -> Item:
    return replace(item, data={**item.data, "completed_at": doing.at})


DOERS = (*OFFICE, "technician")
TRANSITIONS = (
    Transition("start", "Start work", "Started", ("reported",), DOERS, target="in_progress", primary=True),
    Transition(
        "complete", "Complete", "Completed", OPEN, DOERS, apply=_complete, target="completed", primary=True
    ),
    Transition("cancel", "Cancel", "Cancelled", OPEN, OFFICE, (REASON,), target="cancelled", danger=True),
    Transition("reopen", "Open again", "Opened again", ("completed", "cancelled"), OFFICE, target="reported"),
)
VERBS = (
    Verb(
        "create",
        "New maintenance work",
        "Made",
        (),
        OFFICE,
        (
            replace(PROBLEM, required=True),
            UNIT,
            PLACE,
            URGENT,
            Field("resident", "Resident", FieldKind.person),
            Field("technician", "Technician", FieldKind.person),
        ),
    ),
    Verb("change", "Change", "Changed", OPEN, OFFICE, (PROBLEM, UNIT, PLACE, URGENT)),
)


# --- events --------------------------------------------------------------------------------------------------------

RESIDENTS = Field("residents", "Residents", FieldKind.people, required=True, makes="contact")
ANYBODY = Field("recipients", "Only these people", FieldKind.people, makes="contact")
SEVERITY = Field(
    "severity",
    "Severity",
    FieldKind.choice,
    choices={"low": "Low", "medium": "Medium", "high": "High", "critical": "Critical"},
)
ALARM = (
    Field("alert_message", "What has happened", required=True),
    Field("location", "Where", required=True),
    SEVERITY,
    Field("instructions", "What to do", FieldKind.paragraph),
)
SAMPLE_ITEM: dict[str, Any] = {
    "id": "0199a3c4-a1f7-7e02-9d31-2c7b5e9f0a44",
    "number": "M-318",
    "title": "No hot water",
    "status": "completed",
    "version": 4,
    "problem": "No hot water",
    "unit": "A101",
    "location": "Building A",
    "urgent": True,
    "completed_at": datetime(2026, 11, 24, 23, 5, tzinfo=UTC),
}
MAINTENANCE_SAMPLE: dict[str, Any] = {
    "item": SAMPLE_ITEM,
    "work_order": "M-318",
    "problem": "No hot water",
    "unit": "A101",
    "location": "Building A",
    "completion_date": datetime(2026, 11, 24, 23, 5, tzinfo=UTC),
    "technician": "John Smith",
    "resident": {"name": "Leila Haddad", "phone": "+12065554417"},
}
MAINTENANCE_FACTS = (
    Field("work_order", "Work order"),
    PROBLEM,
    UNIT,
    PLACE,
    Field("completion_date", "Completed", FieldKind.moment),
    Field("technician", "Technician"),
)


def _event(
    name: str, title: str, category: str, priority: Priority, channels: tuple[str, ...], *to: str, **more: Any
) -> EventType:
    """An event that is told by the channels that C2 names, whatever its priority's table says."""
    known = more.pop("facts")
    requires = more.pop("requires", tuple(one.name for one in known if one.required))
    return EventType(name, title, category, priority, to, requires, channels=channels, facts=known, **more)


EMERGENCY = _event(
    "emergency_alert",
    "Emergency",
    "safety",
    Priority.urgent,
    ("email", "sms", "inapp"),
    "everyone",
    facts=ALARM,
    sample={
        "alert_message": "Fire alarm activated",
        "location": "Building A",
        "severity": "high",
        "instructions": "Leave by the stairs and meet at the main gate.",
    },
    admin_only=True,
    answers=(Answer("safe", "I am safe"), Answer("help", "I need help", event="help_needed", danger=True)),
    sms_whole=True,
)
HELP = _event(
    "help_needed",
    "Somebody needs help",
    "safety",
    Priority.urgent,
    ("email", "sms", "inapp"),
    "office",
    facts=(Field("who", "Who", required=True), Field("phone", "Phone"), *ALARM),
    requires=("who",),
    sample={
        "who": "Leila Haddad",
        "phone": "+12065554417",
        "alert_message": "Fire alarm activated",
        "location": "Building A",
        "severity": "high",
        "instructions": None,
    },
    sms_whole=True,
)
BREACH = _event(
    "security_breach",
    "Security breach",
    "safety",
    Priority.urgent,
    ("email", "sms"),
    "everyone",
    facts=ALARM,
    sample={
        "alert_message": "Break-in at the north gate",
        "location": "Parking level 1",
        "severity": "high",
        "instructions": "Stay inside and lock your door.",
    },
    admin_only=True,
    sms_whole=True,
)
VISITOR = _event(
    "visitor_arrival",
    "Visitor",
    "visitor",
    Priority.high,
    ("email", "inapp"),
    facts=(
        Field("visitor_name", "Visitor", required=True),
        UNIT,
        Field("arrival_time", "Arrival", FieldKind.moment, required=True),
        Field("access_code", "Access code", secret=True),
    ),
    sample={
        "visitor_name": "John Doe",
        "unit": "A101",
        "arrival_time": datetime(2026, 11, 24, 22, 5, tzinfo=UTC),
        "access_code": "ABC123",
    },
    sms_whole=True,
)
PAYMENT = _event(
    "payment_due",
    "Payment due",
    "bill",
    Priority.medium,
    ("email",),
    facts=(
        Field("amount", "Amount", FieldKind.money, required=True),
        Field("due_date", "Due", FieldKind.day, required=True),
        Field("bill_number", "Bill", required=True),
        UNIT,
        Field("purpose", "For"),
    ),
    sample={
        "amount": Money(Decimal("150.00"), "USD"),
        "due_date": date(2026, 12, 15),
        "bill_number": "BILL-001",
        "unit": "A101",
        "purpose": "Service charge, fourth quarter",
    },
)
ANNOUNCEMENT = _event(
    "announcement_posted",
    "Announcement",
    "community",
    Priority.medium,
    ("email",),
    "everyone",
    facts=(
        Field("headline", "Headline", required=True),
        Field("message", "Message", FieldKind.paragraph, required=True),
        Field("posted_by", "From"),
    ),
    sample={
        "headline": "Water off on Thursday morning",
        "message": "We replace the main valve on Thursday between 9 and 11. Please fill a jug the evening before.",
        "posted_by": "Estate office",
    },
    admin_only=True,
)
REPLY = _event(
    "comment_reply",
    "Reply to your comment",
    "community",
    Priority.low,
    ("email",),
    facts=(
        Field("author", "From", required=True),
        Field("reply", "Reply", FieldKind.paragraph, required=True),
        Field("topic", "About"),
    ),
    sample={
        "author": "Tomas Novak",
        "reply": "The garden group meets on Saturday at ten. Come along.",
        "topic": "Planting the courtyard",
    },
)
NEWSLETTER = _event(
    "newsletter",
    "Newsletter",
    "community",
    Priority.low,
    ("email",),
    "everyone",
    facts=(
        Field("headline", "Headline", required=True),
        Field("message", "Text", FieldKind.paragraph, required=True),
        Field("edition", "Edition"),
    ),
    sample={
        "headline": "The courtyard opens in spring",
        "message": "Benches are ordered, the trees come in March, and the bicycle room has a new door.",
        "edition": "December 2026",
    },
    admin_only=True,
)
EVENTS = (
    EMERGENCY,
    HELP,
    BREACH,
    VISITOR,
    _event(
        "maintenance_urgent",
        "Urgent maintenance",
        "maintenance",
        Priority.high,
        ("email",),
        "technician",
        "office",
        facts=MAINTENANCE_FACTS,
        requires=("work_order",),
        sample={
            **MAINTENANCE_SAMPLE,
            "item": {**SAMPLE_ITEM, "status": "reported", "completed_at": None},
            "completion_date": None,
        },
        kind="maintenance",
        holds_while=OPEN,
    ),
    _event(
        "maintenance_complete",
        "Maintenance complete",
        "maintenance",
        Priority.medium,
        ("email", "inapp"),
        "resident",
        facts=MAINTENANCE_FACTS,
        requires=("work_order",),
        sample=MAINTENANCE_SAMPLE,
        kind="maintenance",
    ),
    PAYMENT,
    ANNOUNCEMENT,
    REPLY,
    NEWSLETTER,
)

MAINTENANCE = WorkKind(
    name="maintenance",
    title="Maintenance",
    statuses=STATUSES,
    first="reported",
    roles=ROLES,
    fields=FIELDS,
    transitions=TRANSITIONS,
    source_moves={
        "reported": ("in_progress", "completed", "cancelled"),
        "in_progress": ("reported", "completed", "cancelled"),
        "completed": ("reported", "in_progress"),
        "cancelled": ("reported",),
    },
    upsert=report_of(
        "maintenance",
        "`maintenance.upsert`: maintenance work as its system knows it now. What is left out stays as it was.",
        STATUSES,
        FIELDS,
        ROLES,
    ),
    describe=lambda data: data.problem or "",
    on_change=on_change,
    told=told,
    prefix="M",
    closed=("completed", "cancelled"),
    assignable="technician",
    verbs=VERBS,
    new_round=lambda before, after: before.status not in OPEN and after.status in OPEN,
)

ADMINISTRATOR = ("administrator",)
PACK = DomainPack(
    name="estates",
    title="Estates",
    categories=(
        Category("safety", "Safety", "Emergencies and security."),
        Category("visitor", "Visitors", "Somebody has come to see you."),
        Category("maintenance", "Maintenance", "Work in the buildings, urgent or done."),
        Category("bill", "Bills", "Something is to be paid."),
        Category("community", "Neighbourhood", "Announcements, replies to your comments, the newsletter."),
    ),
    events=EVENTS,
    kinds=(MAINTENANCE,),
    reports=(
        Happening(
            "emergency.raised",
            EMERGENCY,
            "`emergency.raised`: everybody, or those named, must know at once, and say whether they are safe.",
            people=(ANYBODY,),
            by=ADMINISTRATOR,
        ),
        Happening(
            "security.breached",
            BREACH,
            "`security.breached`: everybody, or those named, must know at once.",
            people=(ANYBODY,),
            by=ADMINISTRATOR,
        ),
        Happening(
            "visitor.arrived",
            VISITOR,
            "`visitor.arrived`: somebody is at the gate for the residents of a unit.",
            people=(RESIDENTS,),
            by=(*OFFICE, "role:technician"),
        ),
        Happening(
            "payment.due",
            PAYMENT,
            "`payment.due`: residents have something to pay.",
            people=(RESIDENTS,),
            by=OFFICE,
        ),
        Happening(
            "announcement.posted",
            ANNOUNCEMENT,
            "`announcement.posted`: news for everybody, or for those named.",
            people=(ANYBODY,),
            by=ADMINISTRATOR,
        ),
        Happening(
            "comment.replied",
            REPLY,
            "`comment.replied`: somebody has answered a resident's comment.",
            people=(RESIDENTS,),
        ),
        Happening(
            "newsletter.published",
            NEWSLETTER,
            "`newsletter.published`: a new edition for everybody, or for those named.",
            people=(ANYBODY,),
            by=ADMINISTRATOR,
        ),
    ),
)
