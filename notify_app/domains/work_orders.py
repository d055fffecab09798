"""Work orders: an office and its technicians (requirements B1, B2).

One update of an order, by its system or by a technician on the phone, may say three things at once: how it stands (a
state, a note), what is wrong (an issue), and that the office must look (an alert). Each is told by itself, the latter
two whether or not the state has changed. Equipment and inventory are reported without an order.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from notify_app.domains.base import (
    OFFICE,
    REASON,
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
    TaskType,
    Transition,
    Values,
    Verb,
    WorkKind,
)
from notify_app.domains.fields import facts
from notify_app.domains.inputs import report_of

__all__ = ["PACK"]

STATUSES = {
    "open": "Open",
    "in_progress": "In progress",
    "on_hold": "On hold",
    "completed": "Completed",
    "cancelled": "Cancelled",
}
CLOSED = ("completed", "cancelled")
UNDER_WAY = ("open", "in_progress", "on_hold")
ROLES = {"technician": "technician", "customer": "contact"}

WORK = Field("work", "Work")
PLACE = Field("location", "Place")
URGENCY = Field(
    "urgency",
    "Urgency",
    FieldKind.choice,
    choices={"urgent": "Urgent", "high": "High", "normal": "Normal", "low": "Low"},
)
DUE = Field("due_at", "Due", FieldKind.moment)
NOTES = Field("notes", "Note", FieldKind.paragraph, passing=True)
ISSUES = Field("issues", "Issue", FieldKind.paragraph, passing=True)
ALERT = Field("alert_office", "Alert the office", FieldKind.yes_no, passing=True)
ACKNOWLEDGED = Field("acknowledged_by", "Acknowledged by", FieldKind.person, given=False)

PLANNED = (WORK, PLACE, URGENCY, DUE)
UPDATE = (NOTES, ISSUES, ALERT)
FIELDS = (*PLANNED, *UPDATE, ACKNOWLEDGED)


# --- what a change means -------------------------------------------------------------------------------------------


def told(item: Item, **more: Any) -> dict[str, Any]:
    """The payload of a work order's event."""
    technician, customer = item.people.get("technician"), item.people.get("customer")
    return {
        "item": {**facts(item, FIELDS), "status_title": STATUSES[item.status]},
        "technician": {"name": technician.name, "phone": technician.phone} if technician else None,
        "customer": {"name": customer.name, "phone": customer.phone} if customer else None,
        "notes": item.data.get("notes"),
        "issues": item.data.get("issues"),
        **more,
    }


def on_change(before: Item | None, after: Item, reason: str, _in_batch: bool) -> list[Draft]:
    """B2: up to three messages for one update, and who has the order hears what it is now."""
    drafts = [*_progress(before, after, reason), *_assignment(before, after)]
    if _brought(before, after, "issues"):
        drafts.append(Draft("issue_detected", told(after), item=after))
    if _brought(before, after, "alert_office"):
        drafts.append(Draft("office_alert", told(after), item=after))
    return drafts


def _brought(before: Item | None, after: Item, name: str) -> Any:
    """What this very change has said, if it has."""
    value = after.data.get(name)
    return value if value and not (before and before.data.get(name) == value) else None


def _progress(before: Item | None, after: Item, reason: str) -> list[Draft]:
    """On a new state or a note. A new order that waits to be begun is no progress yet."""
    moved = after.status != (before.status if before else "open")
    if not moved and not _brought(before, after, "notes"):
        return []
    return [Draft("status_update", told(after, moved=moved, reason=reason or None), item=after)]


def _assignment(before: Item | None, after: Item) -> list[Draft]:
    """Who gets an order, who gives one away, and who has one that has changed."""
    old, new = before.people.get("technician") if before else None, after.people.get("technician")
    drafts = []
    if old and old != new and (new is None or old.id != new.id):
        name = new.name if new else "nobody yet"
        drafts.append(
            Draft("work_order_update", told(after, handed_to={"name": name}), to=(old.id,), item=after)
        )
    if new is None or after.status in CLOSED:
        return drafts
    assigned = old is None or old.id != new.id
    changes = [] if assigned or before is None else _changes(before, after)
    if _urgent(after) and (assigned or before is None or not _urgent(before)):
        drafts.append(Draft("work_order_urgent", told(after), item=after))
    elif assigned or changes:
        drafts.append(Draft("work_order_update", told(after, assigned=assigned, changes=changes), item=after))
    return drafts


def _changes(before: Item, after: Item) -> list[dict[str, Any]]:
    was, now = facts(before, PLANNED), facts(after, PLANNED)
    return [{"title": one.title, "value": now[one.name]} for one in PLANNED if was[one.name] != now[one.name]]


def _urgent(item: Item) -> bool:
    return item.data.get("urgency") == "urgent"


def _waits_to_be_acknowledged(item: Item) -> bool:
    """An urgent order that its technician, whoever it is now, has not acknowledged."""
    technician, said = item.people.get("technician"), item.data.get("acknowledged_by")
    return _urgent(item) and technician is not None and (not said or said["id"] != str(technician.id))


# --- verbs ---------------------------------------------------------------------------------------------------------


def _acknowledge(item: Item, _values: Values, doing: Doing) -> Item:
    assert doing.person is not None, "only the order's technician acknowledges it"
    person = {"id": str(doing.person.id), "name": doing.person.name}
    return replace(item, data={**item.data, "acknowledged_by": person})


def _nothing_to_acknowledge(item: Item, _values: Values, _doing: Doing) -> str:
    if _waits_to_be_acknowledged(item):
        return ""
    return f"Work order {item.number} does not wait to be acknowledged."


def _alert(item: Item, _values: Values, _doing: Doing) -> Item:
    return replace(item, data={**item.data, "alert_office": True})


DOERS = (*OFFICE, "technician")
TRANSITIONS = (
    Transition(
        "start",
        "Start work",
        "Started",
        ("open", "on_hold"),
        DOERS,
        UPDATE,
        target="in_progress",
        primary=True,
    ),
    Transition("hold", "Put on hold", "Put on hold", ("in_progress",), DOERS, UPDATE, target="on_hold"),
    Transition(
        "complete", "Complete", "Completed", ("in_progress",), DOERS, UPDATE, target="completed", primary=True
    ),
    Transition(
        "cancel", "Cancel", "Cancelled", UNDER_WAY, OFFICE, (REASON,), target="cancelled", danger=True
    ),
    Transition("reopen", "Open again", "Opened again", CLOSED, OFFICE, (NOTES,), target="open"),
)
VERBS = (
    Verb(
        "create",
        "New work order",
        "Made",
        (),
        OFFICE,
        (
            replace(WORK, required=True),
            PLACE,
            URGENCY,
            DUE,
            Field("technician", "Technician", FieldKind.person),
            Field("customer", "Customer", FieldKind.person),
        ),
    ),
    Verb("change", "Change", "Changed", UNDER_WAY, OFFICE, PLANNED),
    Verb(
        "acknowledge",
        "I have it",
        "Acknowledged",
        UNDER_WAY,
        ("technician",),
        apply=_acknowledge,
        guard=_nothing_to_acknowledge,
        primary=True,
    ),
    Verb("note", "Add a note", "Noted", UNDER_WAY, DOERS, (replace(NOTES, required=True),)),
    Verb(
        "report_issue",
        "Report an issue",
        "Issue reported",
        UNDER_WAY,
        DOERS,
        (replace(ISSUES, required=True), ALERT),
    ),
    Verb(
        "alert_office",
        "Alert the office",
        "The office knows",
        UNDER_WAY,
        ("technician",),
        (NOTES,),
        apply=_alert,
        danger=True,
    ),
)

ACKNOWLEDGEMENT = TaskType(
    "work_order_acknowledgement",
    "Say that you have the urgent order",
    step="acknowledgement",
    while_in=("open",),
    assignee="technician",
    event="work_order_urgent",
    verbs=("acknowledge", "start"),
    hours=1,
    needed=_waits_to_be_acknowledged,
    unassigned=("office",),
    escalate_to=("office",),
)


# --- events --------------------------------------------------------------------------------------------------------

SAMPLE: dict[str, Any] = {
    "item": {
        "id": "0199a3c4-9c52-7d10-a2f4-6b0d1e7f8a21",
        "number": "WO-2118",
        "title": "Replace the pump of boiler 2",
        "status": "in_progress",
        "status_title": "In progress",
        "version": 3,
        "work": "Replace the pump of boiler 2",
        "location": "Harbor House, plant room B1",
        "urgency": "High",
        "due_at": datetime(2026, 11, 24, 23, 0, tzinfo=UTC),
        "acknowledged_by": None,
    },
    "technician": {"name": "Ines Calder", "phone": "+12065553118"},
    "customer": {"name": "Ruth Feldman", "phone": "+12065553140"},
    "notes": "Old pump is out, the new one fits.",
    "issues": None,
}


def _event(name: str, title: str, category: str, priority: Priority, *to: str, **more: Any) -> EventType:
    sample = {**SAMPLE, **more.pop("adds", {})}
    requires = ("item.number", *more.pop("requires", ()))
    return EventType(name, title, category, priority, to, requires, sample, kind="work_order", **more)


EQUIPMENT = EventType(
    "equipment_alert",
    "Equipment alert",
    "supply",
    Priority.high,
    ("office",),
    ("equipment", "problem"),
    {
        "equipment": "Scissor lift 3",
        "problem": "hydraulic oil on the floor below it",
        "location": "Harbor House, loading bay",
        "work_order": "WO-2118",
        "reported_by": "Ines Calder",
    },
    facts=(
        Field("equipment", "Equipment", required=True),
        Field("problem", "What is wrong", required=True),
        PLACE,
        Field("work_order", "Work order"),
        Field("reported_by", "Reported by"),
    ),
)
INVENTORY = EventType(
    "inventory_alert",
    "Inventory alert",
    "supply",
    Priority.medium,
    ("office",),
    ("part", "quantity"),
    {
        "part": "Circulation pump UPS 25-60",
        "quantity": 1,
        "minimum": 4,
        "location": "Store room, shelf C",
        "work_order": "WO-2118",
        "reported_by": "Ines Calder",
    },
    facts=(
        Field("part", "Part", required=True),
        Field("quantity", "Left", FieldKind.number, required=True),
        Field("minimum", "Least", FieldKind.number),
        PLACE,
        Field("work_order", "Work order"),
        Field("reported_by", "Reported by"),
    ),
)
EVENTS = (
    _event(
        "status_update",
        "Work order moved on",
        "work_order",
        Priority.low,
        "office",
        "technician",
        requires=("item.status_title",),
        adds={"moved": True, "reason": None},
        except_actor=True,
    ),
    _event(
        "issue_detected",
        "Issue reported",
        "issue",
        Priority.medium,
        "office",
        requires=("issues",),
        adds={"issues": "The shut-off valve behind it leaks as well.", "notes": None},
    ),
    _event(
        "office_alert",
        "The office is needed",
        "issue",
        Priority.high,
        "office",
        adds={"issues": "Water is close to the switchboard.", "notes": None},
    ),
    _event(
        "work_order_update",
        "Work order assigned or changed",
        "work_order",
        Priority.medium,
        "technician",
        adds={"assigned": True, "changes": [], "handed_to": None, "notes": None},
    ),
    _event(
        "work_order_urgent",
        "Urgent work order",
        "work_order",
        Priority.urgent,
        "technician",
        adds={"item": {**SAMPLE["item"], "status": "open", "status_title": "Open", "urgency": "Urgent"}},
        holds_while=UNDER_WAY,
    ),
    EQUIPMENT,
    INVENTORY,
)

WORK_ORDER = WorkKind(
    name="work_order",
    title="Work order",
    statuses=STATUSES,
    first="open",
    roles=ROLES,
    fields=FIELDS,
    transitions=TRANSITIONS,
    # a source may have missed steps, and may open again what was closed too early
    source_moves={
        "open": ("in_progress", "on_hold", "completed", "cancelled"),
        "in_progress": ("open", "on_hold", "completed", "cancelled"),
        "on_hold": ("open", "in_progress", "completed", "cancelled"),
        "completed": ("open", "in_progress"),
        "cancelled": ("open",),
    },
    upsert=report_of(
        "work_order",
        "`work_order.upsert`: a work order as its system knows it now. What is left out stays as it was; notes, issues "
        "and alert_office are said of this update only.",
        STATUSES,
        FIELDS,
        ROLES,
    ),
    describe=lambda data: data.work or "",
    on_change=on_change,
    told=told,
    prefix="WO",
    closed=CLOSED,
    assignable="technician",
    verbs=VERBS,
    tasks=(ACKNOWLEDGEMENT,),
    new_round=lambda before, after: before.status in CLOSED and after.status in UNDER_WAY,
    sort="urgency",
)

REPORTERS = (*OFFICE, "role:technician")
PACK = DomainPack(
    name="work_orders",
    title="Work orders",
    categories=(
        Category("work_order", "Work orders", "An order comes to you, changes or moves on."),
        Category("issue", "Issues and alerts", "A technician reports an issue or needs the office."),
        Category("supply", "Equipment and inventory", "Equipment fails, or a part runs low."),
    ),
    events=EVENTS,
    kinds=(WORK_ORDER,),
    reports=(
        Happening(
            "equipment.alerted",
            EQUIPMENT,
            "`equipment.alerted`: a machine or tool needs attention.",
            by=REPORTERS,
        ),
        Happening(
            "inventory.alerted", INVENTORY, "`inventory.alerted`: a part runs low or is gone.", by=REPORTERS
        ),
    ),
)
