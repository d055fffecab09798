"""Step two of the path: what happened becomes lines in inboxes and rows of the outbox, each with its reason.

`stage` runs inside the transaction that changed the world, for many webhooks at once and for a person's click alike.
People, addresses, preferences and templates are read once for all of them (`pipeline.world`), `policy.routing`
decides, and events, notifications, deliveries and decisions wait there to be written in bulk. It renders titles and
texts; bodies are rendered when a delivery is first claimed. Nobody is skipped in silence: an empty audience, or a
person who cannot be reached, is told to the office (A16).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from notify_app.domains import inputs, moves
from notify_app.domains.base import Draft, Priority
from notify_app.domains.hub import NOT_REACHED
from notify_app.ids import new_id
from notify_app.pipeline import crowd, endpoints, inbox, links, outbox, wording, world
from notify_app.pipeline.audience import Member, audience
from notify_app.pipeline.step import Step
from notify_app.pipeline.world import World
from notify_app.policy.channel import spoken
from notify_app.policy.formats import pack
from notify_app.policy.reasons import Reason, sentence
from notify_app.policy.routing import Matter, Plan, plan

__all__ = ["Origin", "Override", "Routed", "route", "stage"]


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


def route(
    step: Step, drafts: Sequence[Draft], origin: Origin, override: Override | None = None, *, first: int = 0
) -> Routed:
    """`stage`, and write all of it now."""
    known = world.of(step)
    routed = stage(known, drafts, origin, override, first=first)
    known.flush()
    return routed


def stage(
    known: World, drafts: Sequence[Draft], origin: Origin, override: Override | None = None, *, first: int = 0
) -> Routed:
    """Decide on all that `drafts` ask for; `first` is the ordinal of the first one on its inbound row.

    Raises TemplateProblem (an Invalid) when a message cannot be written and is not URGENT; the caller then goes back
    to its mark, or gives the step up.
    """
    override = override or Override()
    routed = Routed()
    drafts = [_typed(known, draft) for draft in drafts]
    audiences = [audience(known, known.words.event(draft.event), draft) for draft in drafts]
    # a crowd is not read here: it is written in chunks
    known.members(person for people in audiences if len(people) <= crowd.MANY for person in people)
    waiting = [(draft, override, people) for draft, people in zip(drafts, audiences, strict=True)]
    ordinal = first
    while waiting:
        draft, wish, people = waiting.pop(0)
        told = _one(known, draft, people, origin, wish, ordinal, routed)
        waiting += [(more, Override(item_id=wish.item_id), list(known.office)) for more in told]
        ordinal += 1
    return routed


def _typed(known: World, draft: Draft) -> Draft:
    """The draft with the facts of its event typed: what comes as text from a source by name is a time or money too."""
    type_ = known.words.event(draft.event)
    if not type_.facts:
        return draft
    return replace(draft, payload=inputs.typed(type_.facts, draft.payload, known.words.currency))


def _one(
    known: World,
    draft: Draft,
    wanted: Sequence[UUID],
    origin: Origin,
    override: Override,
    ordinal: int,
    routed: Routed,
) -> list[Draft]:
    """One event: returns the drafts that tell the office whom it did not reach."""
    says = known.words.of(draft, override.priority, override.category, asked=override.asked)
    event_id = new_id()
    item_id = draft.item.id if draft.item else override.item_id
    row = {
        "id": event_id,
        "name": draft.event,
        "inbound_id": origin.inbound_id,
        "ordinal": ordinal,
        "item_id": item_id,
        "item_version": draft.item.version if draft.item else None,
        "actor_id": origin.actor_id,
        "priority": says.priority.rank,
        "category": says.category,
        "payload": pack({**draft.payload, "item_id": str(item_id) if item_id else None}),
        "dedupe_key": override.dedupe_key,
        "error": None,
        "occurred_at": origin.occurred_at,
    }
    known.writes.events.append(row)
    routed.events.append(event_id)
    note = _Note(str(event_id), known.writes.decisions)
    if says.off:
        note.add(None, "", "not_told", Reason.template_inactive)
        return []
    if not known.words.on:
        note.add(None, "", "not_told", Reason.notifications_off)
        return []
    known.writes.to_endpoints += endpoints.rows_for(
        says, draft, event_id, origin.occurred_at, item_id=item_id, matter=_matter(known, says, draft)
    )
    if not wanted:
        who = " or ".join(says.type.audience) or "technician"
        note.add(None, "", "not_told", Reason.nobody, {"audience": who})
        return _tell_office(draft, f"the {who}", says.title(), f"no {who} is assigned")
    # who is asked for an answer has a link of their own, which a chunk does not write
    if len(wanted) > crowd.MANY and not says.type.answers:
        many = crowd.Audience.people(tuple(wanted))
        known.writes.crowds.append((event_id, says.priority.rank, many, override.action_url or ""))
        return []
    known.members(wanted)
    standing_in = _standing_in(known, says, wanted)
    drafts: list[Draft] = []
    others = dict.fromkeys(one for one in standing_in.values() if one not in wanted)
    for person_id in [*wanted, *others]:
        if says.type.except_actor and person_id == origin.actor_id:
            note.add(person_id, "", "not_told", Reason.is_actor)
            continue
        member = known.member(person_id)
        if member is None or member.left:
            note.add(person_id if member else None, "", "not_told", Reason.person_left)
            drafts += _tell_office(
                draft, member.name if member else "somebody", says.title(), sentence(Reason.person_left)
            )
            continue
        covered_by = known.member(standing_in[person_id]) if person_id in standing_in else None
        absent = [one for one, other in standing_in.items() if other == person_id and person_id in others]
        drafts += _person(
            known,
            says,
            member,
            draft,
            override,
            event_id,
            item_id,
            note,
            covered_by=covered_by,
            absent=absent,
        )
    known.writes.flaws += says.flaws
    if says.problems:
        row["error"] = "\n".join(says.problems)
        routed.problems += says.problems
    return drafts


def _standing_in(known: World, says: wording.Wording, wanted: Sequence[UUID]) -> dict[UUID, UUID]:
    """Of those that are away, who stands in for each. What asks its reader for an answer, and what holds a secret of theirs,
    is theirs alone."""
    away = [known.member(one) for one in wanted]
    if says.type.answers or says.type.secrets or not any(one and one.away_until for one in away):
        return {}
    found: dict[UUID, UUID] = {}
    for one in away:
        substitute = known.stand_in(one.id) if one and one.away_until and not one.left else None
        if one and substitute:
            found[one.id] = substitute
    return found


@dataclass
class _Note:
    """Collects decisions of one event."""

    event_id: str
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
                "event_id": self.event_id,
                "person_id": person_id,
                "channel": channel or None,
                "outcome": outcome,
                "reason": reason.value,
                "detail": dict(detail or {}),
            }
        )


def _person(
    known: World,
    says: wording.Wording,
    member: Member,
    draft: Draft,
    override: Override,
    event_id: UUID,
    item_id: UUID | None,
    note: _Note,
    *,
    covered_by: Member | None,
    absent: Sequence[UUID],
) -> list[Draft]:
    matter = Matter(draft.event, says.category, says.priority, says.type.channels, says.type.in_digests)
    decided: Plan = plan(
        matter,
        member.reaches,
        member.choice,
        signs_in=member.signs_in,
        zone=member.zone,
        now=known.step.now,
        covered_by=covered_by.name if covered_by else "",
    )
    line_id, same = new_id(), _matter(known, says, draft)
    action = override.action_url or says.action_url() or _leads_to(known, says, member, item_id, line_id)
    try:
        title, text = says.inbox(member, action)
    except wording.TemplateProblem as problem:
        if override.asked:
            raise
        why = " ".join([str(problem), *(one.message for one in problem.fields)])
        known.writes.answer_links = [
            row for row in known.writes.answer_links if row["notification_id"] != line_id
        ]
        note.add(member.id, "", "not_told", Reason.template_failed, {"error": why})
        return _tell_office(draft, member.name, says.title(), why)
    line = inbox.Line(
        id=line_id,
        event_id=event_id,
        person_id=member.id,
        name=draft.event,
        category=says.category,
        priority=says.priority.rank,
        title=title,
        text=text,
        action_url=action,
        item_id=item_id,
        dedupe_key=f"{same}/{member.id}" if same else None,
        for_person_id=absent[0] if absent else None,
    )
    if absent:
        who = ", ".join(known.members(absent)[one].name for one in absent)
        line = replace(line, title=wording.on_behalf(who, line.title))
        note.add(member.id, "", "told", Reason.stands_in, {"who": who})
    known.writes.lines.append(line)
    for message in decided.messages:
        known.writes.deliveries.append(outbox.Row.of(message, line, event_id))
    for told in decided.record:
        note.add(member.id, told.channel, told.outcome, told.reason, told.detail)
    if not decided.unreached:
        return []
    return _tell_office(draft, member.name, says.title(), _why(decided))


def _leads_to(
    known: World, says: wording.Wording, member: Member, item_id: UUID | None, line_id: UUID
) -> str:
    if says.type.answers:
        return links.to_answers(known, member, line_id)
    return links.to_item(known, member, item_id)


def _matter(known: World, says: wording.Wording, draft: Draft) -> str | None:
    """What makes it the same matter for one reader (D3), or None where each time is another."""
    on = known.step.now.astimezone(ZoneInfo(known.words.zone)).date()
    return moves.dedupe_key(says.type, draft.item, draft.step, on)


def _why(decided: Plan) -> str:
    """In sentences, why no channel is left."""
    said = [
        sentence(told.reason, {**told.detail, "channel": spoken(told.channel)})
        for told in decided.record
        if told.outcome == "not_told" and told.channel
    ]
    return " ".join(dict.fromkeys(said)) or "Neither a phone number nor an email address is known."


def _tell_office(draft: Draft, who: str, about: str, why: str) -> list[Draft]:
    if draft.event == NOT_REACHED.name:
        return []  # the office itself cannot be reached: the record says so, a message about it would not arrive either
    return [Draft(NOT_REACHED.name, {"who": who, "about": about, "why": why}, item=draft.item)]
