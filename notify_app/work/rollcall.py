"""A roll-call: an event asks its readers something (`EventType.answers`), each answers, the silent are told again.

The last answer counts, the earlier ones stay as history. An answer with an event of its own ("I need help") tells that
at once, in the same transaction. Telling again is a new event of the same roll-call, not another delivery of the first:
it is decided anew by which addresses there are now, makes a fresh line on top of the inbox, and is recorded as what
somebody did. All its events share the first one's answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from notify_app import domains
from notify_app.domains.base import Answer, Draft, EventType, Happening
from notify_app.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from notify_app.ids import new_id
from notify_app.live.announce import Changed
from notify_app.pipeline import inbox, world
from notify_app.pipeline.route import Origin, stage
from notify_app.pipeline.step import Step
from notify_app.policy.formats import unpack
from notify_app.work import messages
from notify_app.work.messages import Letter

__all__ = [
    "SILENT",
    "Call",
    "again",
    "answer",
    "asking",
    "current",
    "happening_of",
    "load",
    "notice",
    "standing",
]

SILENT = "silent"  # the audience word of who has not answered

ROOT = """
    SELECT coalesce(m.again_of, e.id) AS id FROM event e
    LEFT JOIN written_message m ON m.organisation_id = e.organisation_id AND m.event_id = e.id
    WHERE e.organisation_id = :org AND e.id = :event
"""
LINE = """
    SELECT n.event_id, e.name, e.payload FROM notification n
    JOIN event e ON e.organisation_id = n.organisation_id AND e.id = n.event_id
    WHERE n.organisation_id = :org AND n.id = :id AND n.person_id = :person
"""
LAST = """
    SELECT name, answered_at FROM answer WHERE organisation_id = :org AND event_id = :root AND person_id = :person
    ORDER BY id DESC LIMIT 1
"""
CALLS = """
    SELECT CAST(:root AS uuid) AS id UNION ALL
    SELECT event_id FROM written_message WHERE organisation_id = :org AND again_of = :root AND event_id IS NOT NULL
"""
STANDING = f"""
    WITH calls AS ({CALLS}), told AS (
        SELECT n.person_id, count(*) AS times, max(n.created_at) AS told_at, max(n.read_at) AS read_at,
               (array_agg(n.id ORDER BY n.id DESC))[1] AS notification_id,
               (array_agg(n.event_id ORDER BY n.id DESC))[1] AS event_id
        FROM calls c JOIN notification n ON n.organisation_id = :org AND n.event_id = c.id GROUP BY n.person_id
    )
    SELECT t.*, p.name, p.role, p.left_at IS NOT NULL AS gone, a.name AS answer, a.answered_at, d.value AS phone,
           EXISTS (SELECT FROM decision x WHERE x.organisation_id = :org AND x.event_id = t.event_id
                     AND x.person_id = t.person_id AND x.reason = 'not_reached') AS unreached
    FROM told t
    JOIN person p ON p.organisation_id = :org AND p.id = t.person_id
    LEFT JOIN LATERAL (
        SELECT name, answered_at FROM answer WHERE organisation_id = :org AND event_id = :root AND person_id = t.person_id
        ORDER BY id DESC LIMIT 1
    ) a ON true
    LEFT JOIN LATERAL (
        SELECT value FROM address WHERE organisation_id = :org AND person_id = t.person_id AND channel = 'sms'
        ORDER BY position, id LIMIT 1
    ) d ON true
    ORDER BY lower(p.name), p.id
"""
ROUNDS = """
    SELECT m.id, m.created_at, m.author_id, p.name AS author, m.event_id,
           (SELECT count(*) FROM notification n WHERE n.organisation_id = :org AND n.event_id = m.event_id) AS told
    FROM written_message m JOIN person p ON p.organisation_id = m.organisation_id AND p.id = m.author_id
    WHERE m.organisation_id = :org AND m.again_of = :root ORDER BY m.created_at, m.id
"""


@dataclass(frozen=True)
class Call:
    """A roll-call: its first event, and the times that the silent were told again (`rounds`, oldest first)."""

    id: UUID
    type: EventType
    payload: dict[str, Any]
    created_at: datetime
    author: str
    rounds: list[Any] = field(default_factory=list)


def asking() -> list[str]:
    """The names of events that ask something."""
    return [one.name for one in domains.events() if one.answers]


def load(step: Step, event_id: UUID) -> Call:
    """The roll-call that an event belongs to. Raises NotFound, also for an event that asks nothing."""
    root = step.one(ROOT, event=event_id)
    row = root and step.one(
        "SELECT e.id, e.name, e.payload, e.created_at, p.name AS author FROM event e "
        "LEFT JOIN person p ON p.organisation_id = e.organisation_id AND p.id = e.actor_id "
        "WHERE e.organisation_id = :org AND e.id = :id",
        id=root.id,
    )
    type_ = domains.event(row.name) if row else None
    if row is None or type_ is None or not type_.answers:
        raise NotFound("There is no such roll-call.")
    payload = {name: value for name, value in unpack(row.payload).items() if name != "item_id"}
    return Call(row.id, type_, payload, row.created_at, row.author or "", step.all(ROUNDS, root=row.id))


def standing(step: Step, call: Call) -> list[Any]:
    """Everybody who was told, with their last answer, by name."""
    return step.all(STANDING, root=call.id)


def current(step: Step, person_id: UUID, notification_id: UUID) -> Any:
    """What this person has answered last to the matter of this line (`name`, `answered_at`), or None."""
    line = step.one(LINE, id=notification_id, person=person_id)
    root = step.one(ROOT, event=line.event_id) if line else None
    return step.one(LAST, root=root.id, person=person_id) if root else None


# --- answering -----------------------------------------------------------------------------------------------------


def answer(step: Step, person_id: UUID, notification_id: UUID, name: str) -> Answer:
    """Keep what this person answers to their line, and tell at once what the answer tells. The same answer again changes
    nothing. Raises NotFound (not their line), Invalid (no such answer)."""
    line = step.one(LINE, id=notification_id, person=person_id)
    type_ = domains.event(line.name) if line else None
    if line is None or type_ is None or not type_.answers:
        raise NotFound("There is nothing to answer here.")
    chosen = next((one for one in type_.answers if one.name == name), None)
    if chosen is None:
        raise Invalid(f"Answer with one of: {', '.join(one.title for one in type_.answers)}.")
    root: UUID = step.one(ROOT, event=line.event_id).id
    # two taps at once are one after the other
    step.one("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", key=f"answer/{root}/{person_id}")
    last = step.one(LAST, root=root, person=person_id)
    if last and last.name == name:
        return chosen
    row = {
        "id": new_id(),
        "event_id": root,
        "person_id": person_id,
        "notification_id": notification_id,
        "name": name,
    }
    step.insert("answer", [row], stamp="answered_at")
    step.news.append(Changed(step.organisation_id, "answer"))
    if chosen.event:
        _raise(step, person_id, chosen, unpack(line.payload))
    return chosen


def _raise(step: Step, person_id: UUID, chosen: Answer, payload: dict[str, Any]) -> None:
    known = world.of(step)
    member = known.member(person_id)
    assert member is not None, "it is their line"
    payload.pop("item_id", None)
    said = {**payload, "who": member.name, "phone": member.ref.phone or None}
    stage(known, [Draft(chosen.event, said)], Origin(step.now, actor_id=person_id))


def notice(step: Step, person_id: UUID, notification_id: UUID) -> None:
    """Who has answered has taken notice of every line of the roll-call. In a transaction of its own: it raises this
    person's counter, and what an answer tells has raised others' by then."""
    line = step.one(LINE, id=notification_id, person=person_id)
    root = step.one(ROOT, event=line.event_id) if line else None
    for row in step.all(CALLS, root=root.id) if root else ():
        inbox.acknowledge(step, row.id, person_id)


# --- again ---------------------------------------------------------------------------------------------------------


def happening_of(type_: EventType) -> Happening | None:
    """What it takes to trigger such an event by hand."""
    return next((one for one in domains.happenings() if one.event.name == type_.name), None)


def again(step: Step, event_id: UUID, who: UUID, key: str, seen: int) -> int:
    """Tell the silent, and nobody else, once more; how many they were. `seen` is how often that had been done when the
    page was read. Raises Forbidden, Refused (nobody is silent), Conflict (somebody else has just done it)."""
    known = world.of(step)
    call = load(step, event_id)
    member, happening = known.member(who), happening_of(call.type)
    if member is None or happening is None or not messages.may(member.ref, happening):
        raise Forbidden("Only who may raise this alert sends it again.")
    step.one("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", key=f"again/{call.id}")
    call = load(step, call.id)
    silent = [row.person_id for row in standing(step, call) if not row.answer and not row.gone]
    letter = Letter(happening, call.payload, (SILENT,))
    message_id = messages.keep(step, who, letter, key, again_of=call.id)
    if message_id is None:  # the same form, sent twice
        return 0
    if len(call.rounds) != seen:
        raise Conflict("It was sent again meanwhile. Look at who is still silent, then decide.")
    if not silent:
        raise Refused("Everybody has answered: there is nobody to send it to.")
    messages.sent(known, message_id, messages.tell(known, Draft(call.type.name, call.payload), silent, who))
    return len(silent)
