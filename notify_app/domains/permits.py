"""Permits to work: a creator asks, a verifier looks, an approver decides, and the work ends in time (requirements D1 to D8).

Nobody verifies or approves a permit of their own. A permit that is rejected can be corrected and submitted again, which
begins a new round: each round has its own messages and its own clocks. Isolation points (breakers, valves) are verified
one by one, and no work begins before the last. What must happen at an hour is planned when the permit is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from notify_app.domains.base import (
    OFFICE,
    REASON,
    Assignment,
    Category,
    Dedupe,
    Doing,
    DomainPack,
    Draft,
    EventType,
    Field,
    FieldKind,
    Item,
    PlannedReminder,
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

# in the order of the work: going back in it begins a new round
STATUSES = {
    "draft": "Being written",
    "submitted": "Waiting for verification",
    "verified": "Waiting for approval",
    "rejected": "Rejected",
    "approved": "Approved",
    "active": "Active",
    "expired": "Expired",
    "completed": "Completed",
    "cancelled": "Cancelled",
}
ORDER = list(STATUSES)
CLOSED = ("expired", "completed", "cancelled")
BEFORE_THE_END = timedelta(hours=2)
# a source makes nobody of the office: an approver who is one is known here already
ROLES = {"creator": "technician", "verifier": "technician", "approver": "technician"}


def _point_says(point: Mapping[str, Any]) -> str:
    return f"{point['name']}: {f'verified by {by}' if (by := point.get('verified_by')) else 'not verified'}"


TYPE = Field("type", "Type of permit")
WORK = Field("work", "Work", FieldKind.paragraph)
PLACE = Field("location", "Place")
START = Field("planned_start", "Planned start", FieldKind.moment)
END = Field("planned_end", "Planned end", FieldKind.moment)
POINT = Field("name", "Name", required=True)
POINTS = Field(
    "isolation_points",
    "Isolation points",
    FieldKind.records,
    of=(
        POINT,
        Field("verified_by", "Verified by"),
        Field("verified_at", "Verified at", FieldKind.moment),
    ),
    says=_point_says,
)
FIELDS = (TYPE, WORK, PLACE, START, END, POINTS)
NOT_VERIFIED = {"verified_by": None, "verified_at": None}


# --- what a change means -------------------------------------------------------------------------------------------


def told(item: Item, **more: Any) -> dict[str, Any]:
    """The payload of a permit's event: always with its id, number and type (D8)."""
    named = {role: item.people.get(role) for role in ROLES}
    return {
        "item": {
            **facts(item, FIELDS),
            "type": item.data.get("type") or "General work",
            "isolation_points": [{**NOT_VERIFIED, **one} for one in _points(item)],
        },
        **{role: {"name": one.name, "phone": one.phone} if one else None for role, one in named.items()},
        "unverified": unverified(item),
        **more,
    }


def unverified(item: Item) -> list[str]:
    """The names of the isolation points that nobody has verified."""
    return [one["name"] for one in _points(item) if not one.get("verified_by")]


def _points(item: Item) -> list[dict[str, Any]]:
    return item.data.get("isolation_points") or []


def on_change(before: Item | None, after: Item, reason: str, _in_batch: bool) -> list[Draft]:
    """D2. Whoever is to verify or approve hears of it when the permit comes to that step, or when they come to it; where
    there is nobody, the office does (A16)."""
    drafts = [Draft("permit_created", told(after), item=after)] if before is None else []
    moved = before is None or before.status != after.status
    if moved and after.status in TOLD:
        drafts.append(_told_of_state(before, after, reason))
    for status, (role, event) in ASKED.items():
        if after.status == status and (moved or _changed(role, before, after)):
            drafts.append(Draft(event, told(after), item=after))
    return drafts


def _told_of_state(before: Item | None, after: Item, reason: str) -> Draft:
    if after.status != "rejected":
        return Draft(TOLD[after.status], told(after), item=after)
    step = _step(before)
    payload = told(after, reason=reason or "No reason was given.", step=step)
    return Draft(TOLD[after.status], payload, item=after, step=step)


# what is told of a state by itself, and who is asked in it
TOLD = {
    "submitted": "permit_submitted",
    "rejected": "permit_rejected",
    "approved": "permit_approved",
    "active": "permit_activated",
    "completed": "permit_completed",
    "expired": "permit_expired",
}
ASKED = {"submitted": ("verifier", "permit_verification"), "verified": ("approver", "permit_approval")}


def _step(before: Item | None) -> str:
    """At which step a permit was rejected."""
    return "approval" if before and before.status in ("verified", "approved") else "verification"


def _changed(role: str, before: Item | None, after: Item) -> bool:
    """Whether somebody else has the role now."""
    old, new = before.people.get(role) if before else None, after.people.get(role)
    return new is not None and (old is None or old.id != new.id)


def new_round(before: Item, after: Item) -> bool:
    """Whether the work goes back to an earlier step: after a rejection, after an end that was none."""
    return ORDER.index(after.status) < ORDER.index(before.status)


def check(item: Item) -> str:
    """Whether start and end fit together."""
    start, end = item.data.get("planned_start"), item.data.get("planned_end")
    if start and end and end <= start:
        return "The planned end must be after the planned start."
    return ""


def reminders(item: Item) -> list[PlannedReminder]:
    """D5, each at its own minute. Close-out and isolation are due at once where it is later than that already."""
    start, end = item.data.get("planned_start"), item.data.get("planned_end")
    open_points = bool(unverified(item))
    planned = []
    if item.status == "approved" and start and open_points:
        planned.append(PlannedReminder(start - BEFORE_THE_END, "permit_isolation_pending", late=True))
    if item.status == "active" and end:
        planned.append(PlannedReminder(end - BEFORE_THE_END, "permit_expiring"))
        planned.append(PlannedReminder(end - BEFORE_THE_END, "permit_closeout_required", late=True))
        if open_points:
            planned.append(PlannedReminder(end - BEFORE_THE_END, "permit_isolation_pending", late=True))
        planned.append(PlannedReminder(end, verb="expire", late=True))
    return planned


# --- verbs ---------------------------------------------------------------------------------------------------------


def _not_ones_own(item: Item, values: Values, doing: Doing) -> str:
    """No self-approval: whoever has made a permit neither verifies nor approves it."""
    creator = item.people.get("creator")
    chosen = [values[role] for role in ("verifier", "approver") if role in values]
    if creator and doing.person and doing.person.id == creator.id and not chosen:
        return f"Permit {item.number} is yours: somebody else has to look at it."
    if creator and any(one.id == creator.id for one in chosen):
        return f"{creator.name} has made permit {item.number}: choose somebody else to look at it."
    return ""


def _at_ones_step(item: Item, values: Values, doing: Doing) -> str:
    """The verifier rejects what waits for verification, the approver what waits for approval."""
    role = ASKED[item.status][0]
    asked = item.people.get(role)
    if asked is None or doing.person is None or asked.id != doing.person.id:
        return f"Permit {item.number} waits for its {role} now."
    return _not_ones_own(item, values, doing)


def _complete_enough(item: Item, _values: Values, _doing: Doing) -> str:
    """What whoever verifies must be able to see."""
    missing = [one.title.lower() for one in (TYPE, WORK, START, END) if not item.data.get(one.name)]
    return f"Permit {item.number} still needs its {', '.join(missing)}." if missing else ""


def _isolated(item: Item, _values: Values, _doing: Doing) -> str:
    """No work begins, and none is closed out, while an isolation point is not verified."""
    points = unverified(item)
    return f"Verify the isolation points first: {', '.join(points)}." if points else ""


def _for_whom(_item: Item, values: Values, doing: Doing) -> str:
    """Else somebody could make a permit in another's name and approve it."""
    creator = values.get("creator")
    if creator and doing.role not in OFFICE and not (doing.person and doing.person.id == creator.id):
        return "Only the office makes a permit for somebody else."
    return ""


def _by_its_maker(item: Item, values: Values, doing: Doing) -> Item:
    """A new permit belongs to whoever makes it, unless the office makes it for somebody."""
    if "creator" in values or doing.person is None:
        return item
    return replace(item, people={**item.people, "creator": doing.person})


def _left_to_verify(item: Item) -> dict[str, str]:
    return {name: name for name in unverified(item)}


def _verify_point(item: Item, values: Values, doing: Doing) -> Item:
    by = doing.person.name if doing.person else ""
    points = [
        {**one, "verified_by": by, "verified_at": doing.at} if one["name"] == values["point"] else one
        for one in _points(item)
    ]
    return replace(item, data={**item.data, "isolation_points": points})


def _verified_nothing_yet(item: Item, _values: Values, _doing: Doing) -> Item:
    """What was isolated for one round is looked at again in the next."""
    points = [{**one, **NOT_VERIFIED} for one in _points(item)]
    return replace(item, data={**item.data, "isolation_points": points}) if points else item


# who writes a permit names its points; that they are isolated is for the verifier to say
WRITTEN = (TYPE, WORK, PLACE, START, END, replace(POINTS, of=(POINT,)))
MAKERS = (*OFFICE, "creator")
VERIFIERS = ("role:technician", "office")
APPROVERS = ("office", "grade:A", "grade:B")
TRANSITIONS = (
    Transition(
        "submit",
        "Submit",
        "Submitted",
        ("draft", "rejected"),
        MAKERS,
        guard=_complete_enough,
        apply=_verified_nothing_yet,
        target="submitted",
        primary=True,
    ),
    Transition(
        "verify",
        "Verify",
        "Verified",
        ("submitted",),
        ("verifier",),
        guard=_not_ones_own,
        target="verified",
        primary=True,
    ),
    Transition(
        "approve",
        "Approve",
        "Approved",
        ("verified",),
        ("approver",),
        guard=_not_ones_own,
        target="approved",
        primary=True,
    ),
    Transition(
        "reject",
        "Reject",
        "Rejected",
        ("submitted", "verified"),
        ("verifier", "approver"),
        (REASON,),
        guard=_at_ones_step,
        target="rejected",
        danger=True,
    ),
    Transition(
        "activate",
        "Start the work",
        "Work started",
        ("approved",),
        MAKERS,
        guard=_isolated,
        target="active",
        primary=True,
    ),
    Transition(
        "complete",
        "Complete and close out",
        "Closed out",
        ("active", "expired"),
        (*MAKERS, "approver"),
        guard=_isolated,
        target="completed",
        primary=True,
    ),
    Transition("expire", "Let it expire", "Expired", ("active",), ("clock",), target="expired"),
    Transition(
        "cancel",
        "Cancel",
        "Cancelled",
        ("draft", "submitted", "verified", "rejected", "approved"),
        MAKERS,
        (REASON,),
        target="cancelled",
        danger=True,
    ),
)
VERBS = (
    Verb(
        "create",
        "New permit",
        "Made",
        (),
        (*OFFICE, "role:technician"),
        (
            replace(TYPE, required=True),
            replace(WORK, required=True),
            *WRITTEN[2:],
            Field("creator", "For", FieldKind.person, among=VERIFIERS),
        ),
        apply=_by_its_maker,
        guard=_for_whom,
    ),
    Verb("change", "Change", "Changed", ("draft", "rejected"), MAKERS, WRITTEN),
    Verb(
        "assign_verifier",
        "Assign the verifier",
        "Verifier assigned",
        ("draft", "submitted", "rejected"),
        OFFICE,
        (Field("verifier", "Verifier", FieldKind.person, required=True, among=VERIFIERS),),
        guard=_not_ones_own,
    ),
    Verb(
        "assign_approver",
        "Assign the approver",
        "Approver assigned",
        ("draft", "submitted", "verified", "rejected"),
        (*OFFICE, "verifier"),
        (Field("approver", "Approver", FieldKind.person, required=True, among=APPROVERS),),
        guard=_not_ones_own,
    ),
    Verb(
        "verify_point",
        "Verify an isolation point",
        "Verified",
        ("submitted", "verified", "approved", "active"),
        ("verifier",),
        (Field("point", "Isolation point", FieldKind.choice, required=True, offers=_left_to_verify),),
        apply=_verify_point,
        guard=_not_ones_own,
    ),
)

TASKS = (
    TaskType(
        "permit_verification",
        "Verify the permit",
        step="verification",
        while_in=("submitted",),
        assignee="verifier",
        event="permit_verification",
        verbs=("verify", "reject"),
        overdue="permit_overdue",
        escalated="permit_escalated",
    ),
    TaskType(
        "permit_approval",
        "Approve the permit",
        step="approval",
        while_in=("verified",),
        assignee="approver",
        event="permit_approval",
        verbs=("approve", "reject"),
        overdue="permit_overdue",
        escalated="permit_escalated",
    ),
)
AUTOMATIC_VERIFIER = Assignment(
    "verifier",
    while_in=("submitted",),
    among=("role:technician+grade:A", "role:technician+grade:B"),
    never=("creator", "approver"),
    option="assign_verifiers",
    title="Give a submitted permit to a verifier by itself: a technician of grade A or B with the fewest open tasks",
)


# --- events --------------------------------------------------------------------------------------------------------

SAMPLE_ITEM: dict[str, Any] = {
    "id": "0199a3c4-b3d0-7a55-8c19-7e4f2d6b1c90",
    "number": "PTW-2026-0147",
    "title": "Electrical work: replace the main breaker of panel MDP-2",
    "status": "submitted",
    "version": 3,
    "type": "Electrical work",
    "work": "Replace the main breaker of panel MDP-2",
    "location": "North Tower, switch room, level 2",
    "planned_start": datetime(2026, 11, 24, 16, 0, tzinfo=UTC),
    "planned_end": datetime(2026, 11, 25, 1, 0, tzinfo=UTC),
    "isolation_points": [
        {
            "name": "Breaker Q4",
            "verified_by": "Vera Lang",
            "verified_at": datetime(2026, 11, 24, 15, 20, tzinfo=UTC),
        },
        {"name": "Feeder F-12", "verified_by": None, "verified_at": None},
    ],
}
SAMPLE: dict[str, Any] = {
    "item": SAMPLE_ITEM,
    "creator": {"name": "Carlos Mendes", "phone": "+12065556120"},
    "verifier": {"name": "Vera Lang", "phone": "+12065556121"},
    "approver": {"name": "Abel Okafor", "phone": "+12065556122"},
    "unverified": ["Feeder F-12"],
}


def _event(
    name: str,
    title: str,
    priority: Priority,
    to: tuple[str, ...],
    status: str,
    holds: tuple[str, ...] | None = None,
    category: str = "permit",
    **adds: Any,
) -> EventType:
    """An event of permits, told once for each round; `status` is that of its sample, `adds` what it has beside."""
    sample = {**SAMPLE, "item": {**SAMPLE_ITEM, "status": status}, **adds}
    requires = (*ALWAYS, *(REQUIRED[one] for one in adds if one in REQUIRED))
    dedupe = Dedupe.daily if "task" in adds else Dedupe.round
    return EventType(
        f"permit_{name}",
        title,
        category,
        priority,
        to,
        requires,
        sample,
        "permit",
        None,
        holds,
        dedupe=dedupe,
    )


# always there (D8), and beside it whatever a message is about
ALWAYS = ("item.id", "item.number", "item.type")
REQUIRED = {"reason": "reason", "task": "task.title"}
CREATOR, BOTH, RESPONSIBLE = ("creator",), ("creator", "verifier"), ("creator", "approver")
VERIFIER, APPROVER, LADDER = ("verifier",), ("approver",), ()
SUBMITTED, VERIFIED, ACTIVE = ("submitted",), ("verified",), ("active",)
AT_WORK, OVER = ("approved", "active"), ("active", "expired")
WAITS = (*SUBMITTED, *VERIFIED)
TASK = "permit_task"
LATE: dict[str, Any] = {
    "title": "Verify the permit",
    "since": datetime(2026, 11, 24, 17, 0, tzinfo=UTC),
    "hours": 4,
    "assignee": "Vera Lang",
}
WHY = "The isolation of feeder F-12 is not described."
EVENTS = (
    _event("created", "Permit created", Priority.low, CREATOR, "draft"),
    _event("submitted", "Permit submitted", Priority.low, CREATOR, "submitted"),
    _event("verification", "Permit to verify", Priority.high, VERIFIER, "submitted", SUBMITTED, TASK),
    _event("approval", "Permit to approve", Priority.high, APPROVER, "verified", VERIFIED, TASK),
    _event("approved", "Permit approved", Priority.medium, BOTH, "approved"),
    _event(
        "rejected", "Permit rejected", Priority.high, CREATOR, "rejected", reason=WHY, step="verification"
    ),
    _event("activated", "Work under the permit started", Priority.medium, BOTH, "active"),
    _event("completed", "Permit closed out", Priority.medium, BOTH, "completed"),
    _event("expired", "Permit expired", Priority.high, CREATOR, "expired"),
    _event("expiring", "Permit expires soon", Priority.high, RESPONSIBLE, "active", ACTIVE),
    _event("closeout_required", "Close-out is due", Priority.high, RESPONSIBLE, "active", OVER, TASK),
    _event("isolation_pending", "Isolation not verified", Priority.high, VERIFIER, "active", AT_WORK, TASK),
    _event("escalated", "Permit escalated", Priority.urgent, LADDER, "submitted", WAITS, TASK, task=LATE),
    _event("overdue", "Permit overdue", Priority.high, LADDER, "submitted", WAITS, TASK, task=LATE),
)

PERMIT = WorkKind(
    name="permit",
    title="Permit",
    statuses=STATUSES,
    first="draft",
    roles=ROLES,
    fields=FIELDS,
    transitions=TRANSITIONS,
    # a source may have missed steps and may take a step back; what is over it opens only as what it can be again
    source_moves={
        "draft": ("submitted", "verified", "rejected", "approved", "active", "completed", "cancelled"),
        "submitted": ("verified", "rejected", "approved", "active", "completed", "expired", "cancelled"),
        "verified": ("submitted", "rejected", "approved", "active", "completed", "expired", "cancelled"),
        "rejected": ("draft", "submitted", "verified", "approved", "active", "cancelled"),
        "approved": ("rejected", "active", "completed", "expired", "cancelled"),
        "active": ("approved", "completed", "expired", "cancelled"),
        "completed": ("active",),
        "expired": ("active", "completed", "cancelled"),
        "cancelled": ("draft",),
    },
    upsert=report_of(
        "permit",
        "`permit.upsert`: a permit to work as its system knows it now. What is left out stays as it was; isolation_points "
        "are all of them, each verified when verified_by is named.",
        STATUSES,
        FIELDS,
        ROLES,
    ),
    describe=lambda data: " ".join(": ".join(part for part in (data.type, data.work) if part).split())[:200],
    on_change=on_change,
    told=told,
    prefix="PTW",
    closed=CLOSED,
    verbs=VERBS,
    tasks=TASKS,
    reminders=reminders,
    assignments=(AUTOMATIC_VERIFIER,),
    check=check,
    new_round=new_round,
    sort="type",
)

PACK = DomainPack(
    name="permits",
    title="Permits to work",
    categories=(
        Category("permit", "Permits", "Your permit is submitted, approved, rejected, active, over."),
        Category(
            "permit_task",
            "Permits that wait for you",
            "Verify, approve, isolate, close out; and what is late.",
        ),
    ),
    events=EVENTS,
    kinds=(PERMIT,),
)
