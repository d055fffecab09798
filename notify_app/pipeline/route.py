"""Step two of the path: what happened becomes lines in inboxes and rows of the outbox, each with its reason.

`route` runs inside the transaction that changed the world, for a webhook and for a person's click alike. It
reads people, addresses, preferences and templates once for all drafts, decides by `policy.routing`, and writes
events, notifications, deliveries and decisions in bulk. It renders titles and texts; bodies are rendered when a
delivery is first claimed. Nobody is skipped in silence: an empty audience, or a person who cannot be reached,
is told to the office (A16).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from notify_app.domains.base import Draft, Priority
from notify_app.domains.hub import NOT_REACHED
from notify_app.ids import new_id
from notify_app.live.announce import Changed
from notify_app.pipeline import crowd, inbox, links, outbox, wording
from notify_app.pipeline.audience import Member, audience, members
from notify_app.pipeline.step import Step
from notify_app.policy.formats import pack
from notify_app.policy.reasons import Reason, sentence
from notify_app.policy.routing import Matter, Plan, plan

__all__ = ["Origin", "Override", "Routed", "route"]


SPOKEN = {"sms": "SMS"}


@dataclass(frozen=True)
class Origin:
    """Where the drafts come from: the inbound row or the person who acted, and when it happened."""

    occurred_at: datetime
    inbound_id: UUID | None = None
    actor_id: UUID | None = None


@dataclass(frozen=True)
class Override:
    """What the caller sets beside the template (A1)."""

    priority: Priority | None = None
    category: str | None = None
    action_url: str | None = None
    item_id: UUID | None = None
    dedupe_key: str | None = None
    asked: bool = False  # somebody named the template: it must exist and be active


@dataclass
class Routed:
    """What was made: the events' ids, and the problems that a source should hear of."""

    events: list[UUID] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class _Rows:
    events: list[dict[str, Any]] = field(default_factory=list)
    notifications: list[inbox.Line] = field(default_factory=list)
    deliveries: list[outbox.Row] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    # audiences that are written in chunks: event, priority, people, action
    crowds: list[tuple[UUID, int, crowd.Audience, str]] = field(default_factory=list)


def route(
    step: Step, drafts: Sequence[Draft], origin: Origin, override: Override | None = None, *, first: int = 0
) -> Routed:
    """Write all that `drafts` ask for; `first` is the ordinal of the first one on its inbound row.

    Raises TemplateProblem (an Invalid) when a message cannot be written and is not URGENT; the caller's
    transaction or savepoint then leaves nothing half made.
    """
    override = override or Override()
    routed, rows = Routed(), _Rows()
    words = wording.Words(step)
    people = members(
        step, [person for draft in drafts for person in audience(step, words.event(draft.event), draft)]
    )
    waiting = [(draft, override) for draft in drafts]
    ordinal = first
    while waiting:
        draft, wish = waiting.pop(0)
        told = _one(step, words, people, draft, origin, wish, ordinal, rows, routed)
        if told:
            people |= members(
                step, [person for more in told for person in audience(step, NOT_REACHED, more)], people
            )
            waiting += [(more, Override(item_id=wish.item_id)) for more in told]
        ordinal += 1
    _write(step, rows)
    return routed


def _one(
    step: Step,
    words: wording.Words,
    people: Mapping[UUID, Member],
    draft: Draft,
    origin: Origin,
    override: Override,
    ordinal: int,
    rows: _Rows,
    routed: Routed,
) -> list[Draft]:
    """One event: returns the drafts that tell the office whom it did not reach."""
    says = words.of(draft, override.priority, override.category, asked=override.asked)
    event_id = new_id()
    item_id = draft.item.id if draft.item else override.item_id
    row = {
        "organisation_id": step.organisation_id,
        "id": event_id,
        "name": draft.event,
        "inbound_id": origin.inbound_id,
        "ordinal": ordinal,
        "item_id": item_id,
        "item_version": draft.item.version if draft.item else None,
        "actor_id": origin.actor_id,
        "priority": says.priority.rank,
        "category": says.category,
        "payload": json.dumps(pack({**draft.payload, "item_id": str(item_id) if item_id else None})),
        "dedupe_key": override.dedupe_key,
        "error": None,
        "occurred_at": origin.occurred_at,
    }
    rows.events.append(row)
    routed.events.append(event_id)
    wanted = audience(step, says.type, draft)
    note = _Note(step.organisation_id, event_id, rows.decisions)
    if says.off:
        note.add(None, "", "not_told", Reason.template_inactive)
        return []
    if not words.on:
        note.add(None, "", "not_told", Reason.notifications_off)
        return []
    if not wanted:
        who = " or ".join(says.type.audience) or "technician"
        note.add(None, "", "not_told", Reason.nobody, {"audience": who})
        return _tell_office(draft, f"the {who}", says.title(), f"no {who} is assigned")
    if len(wanted) > crowd.MANY:
        many = crowd.Audience.people(tuple(wanted))
        rows.crowds.append((event_id, says.priority.rank, many, override.action_url or ""))
        return []
    drafts: list[Draft] = []
    for person_id in wanted:
        member = people.get(person_id)
        if member is None or member.left:
            note.add(person_id if member else None, "", "not_told", Reason.person_left)
            drafts += _tell_office(
                draft, member.name if member else "somebody", says.title(), sentence(Reason.person_left)
            )
            continue
        drafts += _person(step, says, member, draft, override, event_id, item_id, note, rows)
    if says.problems:
        row["error"] = "\n".join(says.problems)
        routed.problems += says.problems
    return drafts


@dataclass
class _Note:
    """Collects decisions of one event."""

    organisation_id: UUID
    event_id: UUID
    rows: list[dict[str, Any]]

    def add(
        self,
        person_id: UUID | None,
        channel: str,
        outcome: str,
        reason: Reason,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        self.rows.append(
            {
                "organisation_id": self.organisation_id,
                "id": new_id(),
                "event_id": self.event_id,
                "person_id": person_id,
                "channel": channel or None,
                "outcome": outcome,
                "reason": reason.value,
                "detail": json.dumps(detail or {}),
            }
        )


def _person(
    step: Step,
    says: wording.Wording,
    member: Member,
    draft: Draft,
    override: Override,
    event_id: UUID,
    item_id: UUID | None,
    note: _Note,
    rows: _Rows,
) -> list[Draft]:
    matter = Matter(draft.event, says.category, says.priority, says.type.channels)
    decided: Plan = plan(
        matter, member.reaches, member.choice, signs_in=member.signs_in, zone=member.zone, now=step.now
    )
    action = override.action_url or says.action_url() or links.to_item(step, member, item_id)
    try:
        title, text = says.inbox(member, action)
    except wording.TemplateProblem as problem:
        if override.asked:
            raise
        why = " ".join([str(problem), *(one.message for one in problem.fields)])
        note.add(member.id, "", "not_told", Reason.template_failed, {"error": why})
        return _tell_office(draft, member.name, says.title(), why)
    line = inbox.Line(
        id=new_id(),
        event_id=event_id,
        person_id=member.id,
        name=draft.event,
        category=says.category,
        priority=says.priority.rank,
        title=title,
        text=text,
        action_url=action,
        item_id=item_id,
    )
    rows.notifications.append(line)
    for message in decided.messages:
        rows.deliveries.append(outbox.Row.of(message, line, event_id))
    for told in decided.record:
        note.add(member.id, told.channel, told.outcome, told.reason, told.detail)
    if not decided.unreached:
        return []
    return _tell_office(draft, member.name, says.title(), _why(decided))


def _why(decided: Plan) -> str:
    """In sentences, why no channel is left."""
    said = [
        sentence(told.reason, {**told.detail, "channel": SPOKEN.get(told.channel, told.channel)})
        for told in decided.record
        if told.outcome == "not_told" and told.channel
    ]
    return " ".join(dict.fromkeys(said)) or "Neither a phone number nor an email address is known."


def _tell_office(draft: Draft, who: str, about: str, why: str) -> list[Draft]:
    if draft.event == NOT_REACHED.name:
        return []  # the office itself cannot be reached: the record says so, a message about it would not arrive either
    return [Draft(NOT_REACHED.name, {"who": who, "about": about, "why": why}, item=draft.item)]


def _write(step: Step, rows: _Rows) -> None:
    step.insert("event", rows.events, json_columns=("payload",))
    inbox.put(step, rows.notifications)
    outbox.put(step, rows.deliveries)
    step.insert("decision", rows.decisions, json_columns=("detail",))
    for event_id, priority, many, action in rows.crowds:
        crowd.enlist(step, event_id, priority, many, action)
    touched = tuple(dict.fromkeys(str(row["item_id"]) for row in rows.events if row["item_id"]))
    step.news.append(Changed(step.organisation_id, "event", touched))
