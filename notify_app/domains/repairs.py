"""Repairs: a windshield shop, its customers and technicians (requirements A1 to A17, table A4).

A customer approves what the office proposes; a technician does it. Every event fires from a change of state,
whoever makes it, against the true previous value (A6).
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from notify_app.domains.base import (
    OFFICE,
    REASON,
    Batch,
    Category,
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
    WorkKind,
)
from notify_app.domains.fields import facts
from notify_app.domains.inputs import report_of
from notify_app.policy.formats import Money

__all__ = ["PACK"]

STATUSES = {
    "pending": "Waiting for approval",
    "approved": "Approved",
    "denied": "Denied",
    "in_progress": "In progress",
    "completed": "Completed",
}
ROLES = {"customer": "contact", "technician": "technician"}
FIELDS = (
    Field("vehicle", "Vehicle"),
    Field("damage", "Damage"),
    Field("location", "Place"),
    Field("price", "Price", FieldKind.money),
    Field("scheduled_at", "Planned for", FieldKind.moment),
)


def told(item: Item, **more: Any) -> dict[str, Any]:
    """The payload of a repair's event."""
    customer, technician = item.people.get("customer"), item.people.get("technician")
    return {
        "item": facts(item, FIELDS),
        "customer": {"name": customer.name, "phone": customer.phone} if customer else None,
        "technician": {"name": technician.name} if technician else None,
        **more,
    }


def on_change(before: Item | None, after: Item, reason: str, in_batch: bool) -> list[Draft]:
    """Table A4. A batch's own approvals and denials are told once for each technician (`on_batch`)."""
    drafts = []
    if before is None or before.status != after.status:
        drafts += _status_drafts(after, reason, in_batch)
    drafts += _assignment_drafts(before, after)
    return drafts


def _status_drafts(after: Item, reason: str, in_batch: bool) -> list[Draft]:
    if in_batch and after.status in ("approved", "denied"):
        return []
    more = {"reason": reason or "No reason was given."} if after.status == "denied" else {}
    event = "repair_pending_approval" if after.status == "pending" else f"repair_{after.status}"
    return [Draft(event, told(after, **more), item=after)]


def _assignment_drafts(before: Item | None, after: Item) -> list[Draft]:
    old = before.people.get("technician") if before else None
    new = after.people.get("technician")
    if (old and old.id) == (new and new.id):
        return []
    drafts = []
    if old:
        name = new.name if new else "nobody yet"
        drafts.append(
            Draft(
                "repair_reassigned_away", told(after, new_technician={"name": name}), to=(old.id,), item=after
            )
        )
    if new:
        drafts.append(Draft("repair_assigned", told(after), item=after))
    return drafts


def on_batch(batch: Batch) -> list[Draft]:
    """One event for each technician's part of the batch; those without a technician go to the office (A16)."""
    event = "repair_batch_approved" if batch.verb == "approve" else "repair_batch_denied"
    parts: dict[UUID | None, list[Item]] = {}
    for item in batch.items:
        technician = item.people.get("technician")
        parts.setdefault(technician.id if technician else None, []).append(item)
    return [_part(event, batch, technician, items) for technician, items in parts.items()]


def _part(event: str, batch: Batch, technician: UUID | None, items: list[Item]) -> Draft:
    payload = {
        "batch_id": batch.ref,
        "count": len(items),
        "items": [facts(item, FIELDS) for item in items],
        "technician": told(items[0])["technician"],
        "reason": batch.reason or "No reason was given.",
    }
    return Draft(
        event, payload, to=(technician,) if technician else (), item=items[0] if len(items) == 1 else None
    )


SAMPLE_ITEM: dict[str, Any] = {
    "id": "0199a3c4-7b1e-7cc3-8f00-1d2f3a4b5c6d",
    "number": "R-1042",
    "title": "2021 Subaru Outback: chip, driver's side",
    "status": "pending",
    "version": 1,
    "vehicle": "2021 Subaru Outback",
    "damage": "chip, driver's side",
    "location": "418 Alder Street, Bellingham",
    "price": Money(Decimal("149.50"), "USD"),
    "scheduled_at": datetime(2026, 11, 24, 22, 5, tzinfo=UTC),
}
SAMPLE: dict[str, Any] = {
    "item": SAMPLE_ITEM,
    "customer": {"name": "Dana Whitfield", "phone": "+13605552671"},
    "technician": {"name": "Marco Reyes"},
}
SECOND_ITEM = {
    **SAMPLE_ITEM,
    "number": "R-1043",
    "title": "2019 Ford Transit: crack, 30 cm",
    "vehicle": "2019 Ford Transit",
}
BATCH_SAMPLE: dict[str, Any] = {
    "batch_id": "B-207",
    "count": 2,
    "items": [SAMPLE_ITEM, SECOND_ITEM],
    "technician": {"name": "Marco Reyes"},
    "reason": "The fleet is being sold this month.",
}


def _event(name: str, title: str, category: str, priority: Priority, to: str, **more: Any) -> EventType:
    sample = {
        **SAMPLE,
        "item": {**SAMPLE_ITEM, "status": more.pop("status", "pending")},
        **more.pop("adds", {}),
    }
    requires = ("item.number", *more.pop("requires", ()))
    return EventType(
        name,
        title,
        category,
        priority,
        (to,),
        requires,
        sample,
        kind="repair",
        holds_while=more.pop("holds", None),
        in_bursts=more.pop("in_bursts", None),
    )


REWARD = EventType(
    "reward",
    "Reward redeemed",
    "reward",
    Priority.medium,
    (),
    ("reward", "points", "redeemed_by", "redeemed_at"),
    {
        "technician": {"name": "Marco Reyes"},
        "reward": "Free wiper blades",
        "points": 1200,
        "redeemed_by": "Dana Whitfield",
        "redeemed_at": datetime(2026, 11, 24, 17, 40, tzinfo=UTC),
    },
    facts=(
        Field("reward", "Reward", required=True),
        Field("points", "Points", FieldKind.number, required=True, most=1_000_000),
        Field("redeemed_by", "Customer", required=True),
        Field("redeemed_at", "Redeemed", FieldKind.moment, required=True),
    ),
)

EVENTS = (
    _event(
        "repair_pending_approval",
        "Repair needs approval",
        "approval",
        Priority.high,
        "customer",
        holds=("pending",),
    ),
    # urgent, and yet a customer who goes through a list approves twenty in a minute (A14)
    _event(
        "repair_approved",
        "Repair approved",
        "approval",
        Priority.urgent,
        "technician",
        status="approved",
        in_bursts=True,
    ),
    _event(
        "repair_denied",
        "Repair denied",
        "approval",
        Priority.urgent,
        "technician",
        status="denied",
        in_bursts=True,
        requires=("reason",),
        adds={"reason": "The customer will claim on insurance first."},
    ),
    _event(
        "repair_assigned", "Repair assigned", "assignment", Priority.high, "technician", status="approved"
    ),
    _event(
        "repair_reassigned_away",
        "Repair handed to somebody else",
        "assignment",
        Priority.medium,
        "technician",
        status="approved",
        requires=("new_technician.name",),
        adds={"new_technician": {"name": "Priya Natarajan"}},
    ),
    _event(
        "repair_in_progress",
        "Repair under way",
        "repair_status",
        Priority.medium,
        "customer",
        status="in_progress",
    ),
    _event(
        "repair_completed", "Repair completed", "repair_status", Priority.high, "customer", status="completed"
    ),
    EventType(
        "repair_batch_approved",
        "Repairs approved together",
        "approval",
        Priority.urgent,
        (),
        ("batch_id", "count", "items"),
        BATCH_SAMPLE,
        kind="repair",
    ),
    EventType(
        "repair_batch_denied",
        "Repairs denied together",
        "approval",
        Priority.urgent,
        (),
        ("batch_id", "count", "items", "reason"),
        BATCH_SAMPLE,
        kind="repair",
    ),
    REWARD,
)

# a source decides by a batch; its other changes are reported states, not moves
DECIDERS = (*OFFICE, "contact", "source")
TRANSITIONS = (
    Transition(
        "approve", "Approve", "Approved", ("pending", "denied"), DECIDERS, target="approved", primary=True
    ),
    Transition(
        "deny", "Deny", "Denied", ("pending", "approved"), DECIDERS, (REASON,), target="denied", danger=True
    ),
    Transition(
        "start",
        "Start work",
        "Started",
        ("approved",),
        (*OFFICE, "technician"),
        target="in_progress",
        primary=True,
    ),
    Transition(
        "complete",
        "Complete",
        "Completed",
        ("in_progress",),
        (*OFFICE, "technician"),
        target="completed",
        primary=True,
    ),
    Transition("reopen", "Ask again", "Asked again", ("denied",), OFFICE, target="pending"),
)

APPROVAL = TaskType(
    "repair_approval",
    "Approve or deny the repair",
    step="approval",
    while_in=("pending",),
    assignee="customer",
    event="repair_pending_approval",
    verbs=("approve", "deny"),
    hours=24,
    # a customer is not hurried: the office sees how long it waits
    overdue="",
    escalated="",
)

REPAIR = WorkKind(
    name="repair",
    title="Repair",
    statuses=STATUSES,
    first="pending",
    roles=ROLES,
    fields=FIELDS,
    transitions=TRANSITIONS,
    # a source reports what has become of a repair; it may have missed steps, but not undo finished work unseen
    source_moves={
        "pending": ("approved", "denied", "in_progress", "completed"),
        "approved": ("pending", "denied", "in_progress", "completed"),
        "denied": ("pending", "approved"),
        "in_progress": ("approved", "completed"),
        "completed": ("in_progress",),
    },
    upsert=report_of(
        "repair",
        "`repair.upsert`: a repair as its system knows it now. What is left out stays as it was.",
        STATUSES,
        FIELDS,
        ROLES,
        batched=True,
    ),
    describe=lambda data: ": ".join(part for part in (data.vehicle, data.damage) if part),
    on_change=on_change,
    told=told,
    prefix="R",
    on_batch=on_batch,
    closed=("denied", "completed"),
    assignable="technician",
    tasks=(APPROVAL,),
    new_round=lambda before, after: after.status == "pending" != before.status,
)

PACK = DomainPack(
    name="repairs",
    title="Repairs",
    categories=(
        Category("approval", "Approvals", "A repair needs approval, was approved or denied."),
        Category("assignment", "Assignments", "Work that comes to you or leaves you."),
        Category("repair_status", "Repair status", "A repair is under way or done."),
        Category("reward", "Rewards", "A customer redeems a reward."),
    ),
    events=EVENTS,
    kinds=(REPAIR,),
    reports=(
        Happening(
            "reward.redeemed",
            REWARD,
            "`reward.redeemed`: a customer has redeemed a reward that a technician hands out.",
            people=(Field("technician", "Technician", FieldKind.person, required=True, makes="technician"),),
        ),
    ),
)
