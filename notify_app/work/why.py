"""Why somebody was, or was not, told of an event: the whole story in sentences (invariant 7).

One builder for the notification page, the item page and the command `flask why`. It reads what was recorded at
the time (the event, the decisions, the deliveries and their attempts) and decides nothing again. Of a broadcast the
decisions are those of the person's class, which their line names. A person who was never considered is answered as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from notify_app import domains
from notify_app.domains.base import Priority
from notify_app.domains.hub import NOT_REACHED
from notify_app.errors import NotFound
from notify_app.pipeline.crowd import Audience, belongs
from notify_app.pipeline.step import Step
from notify_app.policy import formats
from notify_app.policy.channel import spoken
from notify_app.policy.reasons import Reason, sentence
from notify_app.policy.routing import by_priority

__all__ = ["Line", "Said", "Sent", "Why", "explain", "plain", "reason_of"]

PRIORITIES = {1: "urgent", 2: "high", 3: "medium", 4: "low"}
KINDS = {
    Reason.preference_event: "preference",
    Reason.preference_category: "preference",
    Reason.quiet_hours: "quiet",
    Reason.digested: "preference",
    Reason.not_reached: "result",
    Reason.nobody: "result",
    Reason.template_inactive: "rule",
    Reason.notifications_off: "rule",
    Reason.person_left: "rule",
    Reason.duplicate: "rule",
}
OUTCOMES = {
    "accepted": "accepted",
    "transient": "failed for the moment",
    "permanent": "refused for good",
    "throttled": "put off by the provider",
    "ambiguous": "may have arrived",
    "config": "not possible, the provider's account is not set up properly",
}
ENDS = {
    "sent": "{channel} was handed over.",
    "delivered": "{channel} was delivered.",
    "bounced": "{channel} came back.",
    "failed": "{channel} failed.",
    "skipped": "{channel} was not needed any more.",
    "suppressed": "{channel} was not sent.",
    "unknown": "Whether {channel} arrived is not known.",
}


@dataclass(frozen=True)
class Line:
    """One sentence of the story. `kind` is event, rule, preference, quiet, channel, provider, attempt or result."""

    text: str
    at: datetime | None
    kind: str


@dataclass(frozen=True)
class Sent:
    """One delivery. `reason` is a sentence, or nothing."""

    id: UUID
    channel: str
    address: str
    state: str
    reason: str
    provider: str
    attempts: int
    at: datetime
    next_at: datetime | None
    cost: Decimal | None


@dataclass(frozen=True)
class Why:
    """The story of one event and one person. `told`: they have a line in their inbox."""

    event_id: UUID
    event: str
    person_id: UUID
    person: str
    told: bool
    lines: tuple[Line, ...]
    deliveries: tuple[Sent, ...] = ()


@dataclass(frozen=True)
class Said:
    """How sentences are said: in which zone times are, at which moment, and whether the person reads it themselves."""

    zone: str
    now: datetime
    you: bool = False
    locale: str = formats.DEFAULT_LOCALE

    def time(self, value: datetime) -> str:
        """ "07:00" within a day of now, with its date otherwise."""
        if abs((value - self.now).total_seconds()) < 24 * 3600:
            return formats.time_of(value, self.zone)
        return formats.moment(value, self.zone, "long", self.locale)


EVENT = """
    SELECT e.*, a.name AS actor, a.id AS actor_id, s.name AS source, w.number, b.audience, b.cursor, b.last_id, b.done_at
    FROM event e
    LEFT JOIN broadcast b ON b.organisation_id = e.organisation_id AND b.event_id = e.id
    LEFT JOIN person a ON a.organisation_id = e.organisation_id AND a.id = e.actor_id
    LEFT JOIN inbound i ON i.organisation_id = e.organisation_id AND i.id = e.inbound_id
    LEFT JOIN source s ON s.organisation_id = i.organisation_id AND s.id = i.source_id
    LEFT JOIN work_item w ON w.organisation_id = e.organisation_id AND w.id = e.item_id
    WHERE e.organisation_id = :org AND e.id = :event
"""
DECISIONS = """
    SELECT person_id, channel, outcome, reason, detail, created_at FROM decision
    WHERE organisation_id = :org AND event_id = :event AND (person_id = :person OR class_id = CAST(:class AS uuid)
        OR (person_id IS NULL AND class_id IS NULL AND CAST(:class AS uuid) IS NULL))
    ORDER BY created_at, id
"""
DELIVERIES = """
    SELECT d.*, (SELECT count(*) FROM delivery_item o WHERE o.organisation_id = d.organisation_id AND o.delivery_id = d.id)
                AS carried,
                (SELECT coalesce(json_agg(json_build_array(
                    t.number, coalesce(t.account, t.provider), t.outcome, t.error_code, t.error,
                    to_char(t.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')) ORDER BY t.number), '[]')
                 FROM attempt t WHERE t.organisation_id = d.organisation_id AND t.delivery_id = d.id) AS tries
    FROM notification n
    JOIN delivery_item i ON i.organisation_id = n.organisation_id AND i.notification_id = n.id
    JOIN delivery d ON d.organisation_id = i.organisation_id AND d.id = i.delivery_id
    WHERE n.organisation_id = :org AND n.event_id = :event AND n.person_id = :person
    ORDER BY d.created_at, d.id
"""
PERSON = """
    SELECT p.id, p.name, n.created_at AS told_at, n.class_id, n.read_at, n.withdrawn_at FROM person p
    LEFT JOIN notification n ON n.organisation_id = p.organisation_id AND n.person_id = p.id AND n.event_id = :event
    WHERE p.organisation_id = :org AND p.id = :person
"""


def explain(step: Step, event_id: UUID, person_id: UUID, said: Said) -> Why:
    """The story. Raises NotFound for an event or a person that is not of this organisation."""
    event = step.one(EVENT, event=event_id)
    if event is None:
        raise NotFound("There is no such event.")
    person = step.one(PERSON, event=event_id, person=person_id)
    if person is None:
        raise NotFound("There is no such person.")
    decisions = step.all(DECISIONS, event=event_id, person=person_id, **{"class": person.class_id})
    deliveries = step.all(DELIVERIES, event=event_id, person=person_id)
    lines = [_happened(event, said, person_id), _rule(event)]
    lines += [_decided(one, said) for one in decisions]
    if not decisions:
        lines.append(_never_considered(step, event, said, person))
    for delivery in deliveries:
        lines += _delivery_lines(delivery, said)
    lines += _ending(person, said)
    return Why(
        event_id,
        event.name,
        person.id,
        person.name,
        person.told_at is not None,
        tuple(lines),
        # what was collected was sent as a part of another one, which is here too
        tuple(_sent(one, said) for one in deliveries if one.reason != Reason.collected),
    )


def plain(step: Step, event_id: UUID, person_id: UUID) -> Iterator[str]:
    """The story as lines of text, its times in the organisation's zone. Raises NotFound as `explain` does."""
    zone = step.one("SELECT zone FROM organisation WHERE id = :org").zone
    story = explain(step, event_id, person_id, Said(zone, step.now))
    yield f"{story.person} was {'told' if story.told else 'not told'} of {story.event}."
    for line in story.lines:
        at = f"{formats.local(line.at, zone):%Y-%m-%d %H:%M:%S}" if line.at else " " * 19
        yield f"  {at}  {line.text}"


# --- what happened, and the rule ---------------------------------------------------------------------------------------


def _happened(event: Any, said: Said, person_id: UUID) -> Line:
    type_ = domains.event(event.name)
    title = type_.title if type_ else event.name.replace("_", " ").capitalize()
    about = f"{title} ({event.number})" if event.number else title
    if event.actor_id is not None:
        who = "you" if said.you and event.actor_id == person_id else event.actor
        cause = f"by {who}"
    elif event.source and event.name != NOT_REACHED.name:
        cause = f"reported by {event.source}"
    else:
        cause = "noticed by the hub itself"
    return Line(f"{about}, {cause}.", event.occurred_at, "event")


def _rule(event: Any) -> Line:
    type_ = domains.event(event.name)
    priority = PRIORITIES[event.priority]
    declared = type_.channels if type_ else None
    outward = declared if declared is not None else by_priority(Priority.of(priority))
    ways = _listed(["inapp", *(one for one in outward if one != "inapp")])
    why = "This event always goes to" if declared is not None else f"Its priority is {priority}: it goes to"
    audience = f" It is for the {_either(type_.audience)}." if type_ and type_.audience else ""
    if event.audience:
        audience = f" It is for {Audience.of(event.audience).words()}."
    return Line(f"{why} {ways}.{audience}", None, "rule")


def _listed(channels: Iterable[str]) -> str:
    said = [spoken(one) for one in channels]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def _either(audience: Iterable[str]) -> str:
    return " or the ".join(audience)


def _never_considered(step: Step, event: Any, said: Said, person: Any) -> Line:
    type_ = domains.event(event.name)
    who = "You were" if said.you else f"{person.name} was"
    if event.audience:
        text = _not_of_many(step, event, said, person, who)
    elif type_ and type_.audience:
        text = f"{who} never considered: not the {_either(type_.audience)} concerned."
    else:
        text = f"{who} never considered: the event named somebody else."
    return Line(text, event.created_at, "rule")


def _not_of_many(step: Step, event: Any, said: Said, person: Any, who: str) -> str:
    audience = Audience.of(event.audience)
    if not belongs(step, audience, person.id):
        return f"{who} never considered: it is for {audience.words()}."
    if person.id > event.last_id:
        return f"{who} never considered: {'you' if said.you else 'they'} came after it was sent out."
    if event.done_at is None and (event.cursor is None or person.id > event.cursor):
        return f"It has not come to {'you' if said.you else person.name} yet: many are told, one after the other."
    return f"{who} not of {audience.words()} when it was sent out."


# --- what was decided ------------------------------------------------------------------------------------------------


def _decided(row: Any, said: Said) -> Line:
    text = reason_of(row.reason, row.channel, row.detail, said)
    return Line(text, row.created_at, KINDS.get(row.reason, "channel"))


def reason_of(reason: str, channel: str | None, detail: Mapping[str, Any] | None, said: Said) -> str:
    """The sentence of a stored reason, its values shaped for the reader."""
    values = dict(detail or {})
    if "until" in values:
        values["until"] = said.time(datetime.fromisoformat(values["until"]))
    if "category" in values:
        known = (one.title for one in domains.categories() if one.name == values["category"])
        values["category"] = next(known, values["category"])
    if channel:
        values["channel"] = spoken(channel)
    return sentence(reason, values, you=said.you)


# --- what was sent ---------------------------------------------------------------------------------------------------


def _delivery_lines(row: Any, said: Said) -> list[Line]:
    name = spoken(row.channel)
    name = f"digest by {name}" if row.purpose == "digest" else name
    if row.carried > 1:
        name = f"{name} with {row.carried} messages"
    lines = []
    for number, provider, outcome, code, error, started in row.tries:
        words = f"{_attempt(name, number, provider)}: {OUTCOMES.get(outcome, outcome)}"
        because = " ".join(part for part in (f"({code})" if code else "", error or "") if part)
        text = f"{words} {because}".rstrip(". ") + "."
        lines.append(Line(text, datetime.fromisoformat(started), "attempt"))
    if row.state == "sending":
        # its attempt is written when it has ended
        text = f"{_attempt(name, row.attempts, row.provider)}: is under way."
        lines.append(Line(text, row.claimed_at, "attempt"))
    elif row.reason == Reason.collected:
        lines.append(Line(_because(row, said), row.settled_at, "quiet"))
    elif row.state in ENDS:
        why = "" if row.state in ("sent", "delivered") else _because(row, said)
        text = ENDS[row.state].format(channel=f"The {name}" if row.state != "unknown" else f"the {name}")
        lines.append(Line(f"{text} {why}".strip(), row.settled_at, "result"))
    elif row.reason == Reason.budget or (row.state == "held" and row.reason != Reason.quiet_hours):
        lines.append(Line(_because(row, said), None, "quiet"))
    elif row.state in ("queued", "held") and row.next_attempt_at > said.now:
        lines.append(Line(f"The {name} is to leave at {said.time(row.next_attempt_at)}.", None, "quiet"))
    return lines


def _attempt(name: str, number: int, provider: str) -> str:
    return f"{_capital(name)}, attempt {number} through {provider}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _because(row: Any, said: Said) -> str:
    values = {"until": row.due_at.isoformat()}
    reason = reason_of(row.reason, row.channel, values, said) if row.reason else ""
    return " ".join(part for part in (reason, row.detail or "") if part)


def _sent(row: Any, said: Said) -> Sent:
    waiting = row.state in ("queued", "held") and row.next_attempt_at > said.now
    provider = row.provider or next((one[1] for one in reversed(row.tries)), "")
    return Sent(
        row.id,
        row.channel,
        row.address,
        row.state,
        "" if row.state in ("sent", "delivered") else _because(row, said),
        provider or "",
        row.attempts,
        row.settled_at or row.created_at,
        row.next_attempt_at if waiting else None,
        row.cost_usd,
    )


def _ending(person: Any, said: Said) -> list[Line]:
    lines = []
    if person.read_at is not None:
        lines.append(
            Line("You have read it." if said.you else f"{person.name} has read it.", person.read_at, "result")
        )
    if person.withdrawn_at is not None:
        lines.append(Line("It was withdrawn.", person.withdrawn_at, "result"))
    return lines
