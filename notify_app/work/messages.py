"""What people write: a message in their own words, or a happening that they report; at once, or at a time.

Who may write what, how it is kept, and how it leaves: `write` sends at once or schedules, `cancel` takes back what has
not left, `leave` is what the scheduled sweep calls when the time has come. The same form sent twice is one message. At
its time it is decided again: whether its author still may, and who is meant by its words. All of it goes to routing
through `tell`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from notify_app import domains
from notify_app.domains import inputs, moves
from notify_app.domains.base import OFFICE, Draft, Happening, PersonRef, Priority
from notify_app.domains.fields import Field
from notify_app.domains.hub import MANUAL_MESSAGE, NOT_REACHED
from notify_app.errors import FieldError, Forbidden, HubError, Invalid, NotFound, Refused
from notify_app.ids import new_id
from notify_app.live.announce import Changed
from notify_app.pipeline import world
from notify_app.pipeline.route import Origin, Override, stage
from notify_app.pipeline.step import Step
from notify_app.pipeline.world import World
from notify_app.policy.formats import pack, unpack
from notify_app.work import addressees

__all__ = [
    "Letter",
    "Written",
    "about",
    "cancel",
    "draft",
    "fail",
    "fields",
    "form",
    "keep",
    "leave",
    "letter_of",
    "may",
    "read",
    "sent",
    "tell",
    "write",
]

KEEP = """
    INSERT INTO written_message
        (organisation_id, id, form_key, author_id, event, happening, priority, facts, audience, item_id, again_of, due_at,
         created_at)
    VALUES (:org, :id, :key, :author, :event, :happening, :priority, CAST(:facts AS jsonb), :audience, :item, :again_of,
            :due, :now)
    ON CONFLICT ON CONSTRAINT uq_written_message_form DO NOTHING RETURNING id
"""
KEPT = "SELECT id, state FROM written_message WHERE organisation_id = :org AND author_id = :author AND form_key = :key"
LOCK = """
    SELECT * FROM written_message WHERE organisation_id = :org AND id = :id AND state = 'scheduled' FOR UPDATE SKIP LOCKED
"""
CANCEL = """
    UPDATE written_message SET state = 'cancelled', cancelled_by = :who, settled_at = :now
    WHERE organisation_id = :org AND id = :id AND state = 'scheduled'
"""
FAILED = """
    UPDATE written_message SET state = 'failed', error = :error, settled_at = :now
    WHERE organisation_id = :org AND id = :id AND state = 'scheduled'
"""
SENT = """
    UPDATE written_message SET state = 'sent', event_id = :event, settled_at = :now WHERE organisation_id = :org AND id = :id
"""
LONGEST_ERROR = 2000


@dataclass(frozen=True)
class Letter:
    """What is to be said, for whom, and when (None: at once). `happening` is None for a message in one's own words, which
    alone has a priority of its own choice and may be about an item."""

    happening: Happening | None
    facts: Mapping[str, Any]
    audience: tuple[str, ...]
    priority: Priority | None = None
    item_id: UUID | None = None
    due_at: datetime | None = None

    @property
    def event(self) -> str:
        return self.happening.event.name if self.happening else MANUAL_MESSAGE.name


@dataclass(frozen=True)
class Written:
    """What has become of a form: the message's id, and whether it is this very form that made it."""

    id: UUID
    fresh: bool


# --- who may, and what it says -------------------------------------------------------------------------------------


def may(person: PersonRef, happening: Happening | None) -> bool:
    """Whether this person may write so: the office in its own words, a happening whoever its `by` names (C6)."""
    if happening is None:
        return person.role in OFFICE
    if happening.event.admin_only and person.role != "administrator":
        return False
    return any(person.role == word if word in OFFICE else moves.is_one(word, person) for word in happening.by)


def fields(happening: Happening | None) -> tuple[Field, ...]:
    """What is to be filled in."""
    facts = happening.event.facts if happening else MANUAL_MESSAGE.facts
    return tuple(one for one in facts if one.given and (happening or one.name != "sender"))


@cache
def _own_words() -> type[inputs.StrictInput]:
    return inputs.model_of(MANUAL_MESSAGE.name, MANUAL_MESSAGE.title, fields(None))


def read(known: World, happening: Happening | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as they were filled in, typed. Raises Invalid, which names each that cannot be used."""
    wanted = fields(happening)
    return inputs.typed(wanted, inputs.read(form(happening), wanted, given), known.words.currency)


def form(happening: Happening | None) -> type[inputs.StrictInput]:
    """The model of what is to be filled in."""
    return _facts_of(happening.name) if happening else _own_words()


@cache
def _facts_of(name: str) -> type[inputs.StrictInput]:
    """The model of a happening's facts alone: its people are chosen in words."""
    happening = domains.happening(name)
    assert happening is not None, "only what is declared is asked for"
    return inputs.model_of(name, happening.text, fields(happening))


def about(step: Step, number: str) -> Any:
    """The item of this number (the one that changed last, where several have it), or None where nothing was typed.
    Raises Invalid."""
    if not number:
        return None
    row = step.one(
        "SELECT id, kind, number, title FROM work_item WHERE organisation_id = :org AND upper(number) = upper(:number) "
        "ORDER BY updated_at DESC, id LIMIT 1",
        number=number,
    )
    if row is None:
        raise Invalid(
            "It cannot be sent so.", FieldError("item", f"There is no work with the number {number}.")
        )
    return row


def draft(known: World, author: PersonRef, letter: Letter) -> Draft:
    """Its event, before anybody is looked up."""
    if letter.happening:
        return letter.happening.drafts(SimpleNamespace(**letter.facts), {})[0]
    held = known.item(letter.item_id) if letter.item_id else None
    item = held.item if held else None
    said = {"id": str(item.id), "number": item.number, "title": item.title} if item else None
    return Draft(MANUAL_MESSAGE.name, {**letter.facts, "sender": author.name, "item": said}, item=item)


# --- writing -------------------------------------------------------------------------------------------------------


def write(step: Step, author_id: UUID, letter: Letter, key: str) -> Written:
    """Send it now, or keep it for its time. `key` is the form's: what was written with it already is answered, not
    written again. Raises Forbidden, Invalid (a name in `to` that means nobody, words that cannot be said)."""
    known = world.of(step)
    author = _author(known, author_id, letter.happening)
    found = step.one(KEPT, author=author_id, key=key)
    if found:
        return Written(found.id, fresh=False)
    addressees.check(known, letter.audience)
    message_id = keep(step, author_id, letter, key)
    if message_id is None:
        return Written(step.one(KEPT, author=author_id, key=key).id, fresh=False)
    if letter.due_at is None:
        _send(known, message_id, author, letter)
    step.news.append(Changed(step.organisation_id, "written"))
    return Written(message_id, fresh=True)


def keep(
    step: Step, author_id: UUID, letter: Letter, key: str, *, again_of: UUID | None = None
) -> UUID | None:
    """The row of what was written; None where this form has made one already."""
    made = step.one(
        KEEP,
        id=new_id(),
        key=key,
        author=author_id,
        event=letter.event,
        happening=letter.happening.name if letter.happening else "",
        priority=letter.priority.rank if letter.priority else None,
        facts=json.dumps(pack(dict(letter.facts))),
        audience=list(letter.audience),
        item=letter.item_id,
        again_of=again_of,
        due=letter.due_at or step.now,
        now=step.now,
    )
    return made.id if made else None


def cancel(step: Step, message_id: UUID, who: UUID) -> None:
    """Take back what has not left. Raises NotFound, Refused (it has left, or was taken back)."""
    if step.run(CANCEL, id=message_id, who=who, now=step.now):
        step.news.append(Changed(step.organisation_id, "written"))
        return
    row = step.one(
        "SELECT state FROM written_message WHERE organisation_id = :org AND id = :id", id=message_id
    )
    if row is None:
        raise NotFound("There is no such message.")
    raise Refused("It has left already." if row.state == "sent" else "It is not waiting any more.")


def tell(
    known: World, said: Draft, people: Sequence[UUID], author_id: UUID, override: Override | None = None
) -> UUID:
    """Hand it to routing with all its people; the event's id. The one place from which what was written leaves."""
    origin = Origin(known.step.now, actor_id=author_id)
    return stage(known, [replace(said, to=tuple(people))], origin, override).events[0]


def sent(known: World, message_id: UUID, event_id: UUID) -> None:
    """Write what waits, and that the message has left as this event."""
    known.flush()
    known.step.run(SENT, id=message_id, event=event_id, now=known.step.now)


def _send(known: World, message_id: UUID, author: PersonRef, letter: Letter) -> None:
    people = addressees.people(known, letter.audience)
    if not people:
        raise Refused("Nobody is left whom it was for.")
    # somebody has asked for these very words: where the office has switched them off, that is said and not passed over
    override = Override(priority=letter.priority, asked=True)
    sent(known, message_id, tell(known, draft(known, author, letter), people, author.id, override))


def _author(known: World, author_id: UUID, happening: Happening | None) -> PersonRef:
    member = known.member(author_id)
    if member is None or member.left:
        raise Forbidden("Who wrote it has left the organisation.")
    if not may(member.ref, happening):
        what = happening.event.title.lower() if happening else "message"
        raise Forbidden(f"{member.name} may not send this: {what}.")
    return member.ref


# --- its time has come ---------------------------------------------------------------------------------------------


def leave(step: Step, message_id: UUID) -> bool:
    """Send what was written for now; False where somebody else has it in hand, or it was taken back. What cannot be sent
    any more fails with its reason, and the office hears of it (A16)."""
    row = step.one(LOCK, id=message_id)
    if row is None:
        return False
    known = world.of(step)
    mark = known.mark()
    try:
        letter = letter_of(row)
        _send(known, row.id, _author(known, row.author_id, letter.happening), letter)
    except HubError as refusal:
        known.undo(mark)
        fail(step, row, _sentence(refusal))
    step.news.append(Changed(step.organisation_id, "written"))
    return True


def letter_of(row: Any) -> Letter:
    """The letter of a row. Raises Refused for a happening that this release does not know."""
    happening = domains.happening(row.happening) if row.happening else None
    if row.happening and happening is None:
        raise Refused(f"{row.happening} is not known to this release.")
    priority = Priority.of(row.priority) if row.priority else None
    return Letter(happening, unpack(row.facts), tuple(row.audience), priority, row.item_id, row.due_at)


def fail(step: Step, row: Any, why: str) -> None:
    """It will not leave; the office is told."""
    step.run(FAILED, id=row.id, error=why[:LONGEST_ERROR], now=step.now)
    type_ = domains.event(row.event)
    about_ = row.facts.get("headline") or (type_.title if type_ else row.event)
    said = {"who": "Those it was written for", "about": str(about_), "why": why}
    stage(world.of(step), [Draft(NOT_REACHED.name, said)], Origin(step.now))


def _sentence(refusal: HubError) -> str:
    more = [one.message for one in refusal.fields] if isinstance(refusal, Invalid) else []
    return " ".join([str(refusal), *more])
