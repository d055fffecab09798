"""Telling many people of one event: begun in one step, written in chunks, ended with a word to the office.

`begin` writes the event and whom it is for; `advance` writes the next chunk of whatever broadcast is most pressing, in
a transaction of its own that moves the cursor on. A crash leaves nothing of the chunk that it was in, and whoever looks
next goes on at the cursor. Whoever no channel reaches is not told of one by one: the office hears once how many, why,
and of some by name (A16). Switching the message off stops what is left of it.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import OperationalError

from notify_app.domains.base import Draft, Priority
from notify_app.domains.hub import NOT_REACHED
from notify_app.extensions import db
from notify_app.ids import new_id
from notify_app.live.announce import Changed
from notify_app.pipeline import chunk, endpoints, flaws, sql, wording
from notify_app.pipeline.ahead import Ahead, looking_ahead
from notify_app.pipeline.audience import Member
from notify_app.pipeline.crowd import Audience, enlist
from notify_app.pipeline.route import Origin, Override, route
from notify_app.pipeline.step import Step, step
from notify_app.policy.channel import spoken
from notify_app.policy.formats import pack, unpack
from notify_app.policy.reasons import Reason, sentence
from notify_app.policy.routing import Choice

__all__ = ["CHUNK", "FIRST", "advance", "begin", "drain"]

log = logging.getLogger(__name__)

CHUNK = 5_000
FIRST = 500  # so that the first phones hear at once
WORDED = 1_000  # where each may have words or a link of their own, which are written one by one
LOOK = 10
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 120, 600))
NAMED = 3  # of those who were not reached, to the office
LONGEST_ERROR = 500
# the outcome with which a decision says why a channel does not reach somebody
REFUSED = """
    SELECT x.class_id, x.channel, x.reason, x.detail, x.people FROM decision x
    WHERE x.organisation_id = :org AND x.event_id = :event AND x.outcome = 'not_told' AND x.class_id IN (
        SELECT class_id FROM decision WHERE organisation_id = :org AND event_id = :event AND reason = 'not_reached')
"""
WITHHELD = """
    SELECT reason, detail, count(*) AS people FROM decision
    WHERE organisation_id = :org AND event_id = :event AND person_id IS NOT NULL GROUP BY reason, detail
"""
EXAMPLES = """
    SELECT n.id, p.name FROM notification n JOIN person p ON p.organisation_id = n.organisation_id AND p.id = n.person_id
    WHERE n.organisation_id = :org AND n.event_id = :event AND n.class_id = ANY(:classes) LIMIT :limit
"""
TAKE = """
    SELECT b.*, e.name, e.category, e.payload, e.item_id
    FROM broadcast b JOIN event e ON e.organisation_id = b.organisation_id AND e.id = b.event_id
    WHERE b.organisation_id = :org AND b.event_id = :event AND b.done_at IS NULL FOR UPDATE OF b SKIP LOCKED
"""


# --- begin -------------------------------------------------------------------------------------------------------------


def begin(
    step: Step, draft: Draft, audience: Audience, origin: Origin, override: Override | None = None
) -> tuple[UUID, list[str]]:
    """Write the event and have its audience told: the event's id, and the problems that whoever asked should hear of.

    The message is asked for by name: raises TemplateProblem (an Invalid) when it is switched off, or cannot be
    written and is not URGENT. An audience of nobody is told to the office.
    """
    override = override or Override()
    words = wording.Words(step)
    says = words.of(draft, override.priority, override.category, asked=True)
    says.inbox(_somebody(step), override.action_url or "")
    flaws.note(step, says.flaws)
    event_id = new_id()
    step.insert(
        "event",
        [
            {
                "id": event_id,
                "name": draft.event,
                "inbound_id": origin.inbound_id,
                "item_id": draft.item.id if draft.item else override.item_id,
                "item_version": draft.item.version if draft.item else None,
                "actor_id": origin.actor_id,
                "priority": says.priority.rank,
                "category": says.category,
                "payload": pack(draft.payload),
                "dedupe_key": override.dedupe_key,
                "error": "\n".join(says.problems) or None,
                "occurred_at": origin.occurred_at,
            }
        ],
    )
    step.news.append(Changed(step.organisation_id, "event"))
    if not words.on:
        _note(step, event_id, Reason.notifications_off)
    else:
        item_id = draft.item.id if draft.item else override.item_id
        endpoints.put(step, endpoints.rows_for(says, draft, event_id, origin.occurred_at, item_id=item_id))
        if not enlist(step, event_id, says.priority.rank, audience, override.action_url or ""):
            _nobody(step, event_id, audience, _about(says, draft.payload), origin)
    return event_id, says.problems


def _somebody(step: Step) -> Member:
    """A reader for whom the message is tried before anybody is told."""
    row = step.one("SELECT zone, locale FROM organisation WHERE id = :org")
    return Member(UUID(int=0), "Somebody", "contact", "", row.zone, row.locale, False, False, (), Choice())


def _note(step: Step, event_id: UUID, reason: Reason, detail: dict[str, Any] | None = None) -> None:
    step.run(
        "INSERT INTO decision (organisation_id, event_id, outcome, reason, detail) "
        "VALUES (:org, :event, 'not_told', :reason, CAST(:detail AS jsonb))",
        event=event_id,
        reason=reason.value,
        detail=json.dumps(detail or {}),
    )


def _nobody(step: Step, event_id: UUID, audience: Audience, about: str, origin: Origin) -> None:
    who = audience.words()
    _note(step, event_id, Reason.nobody, {"audience": who})
    why = sentence(Reason.nobody, {"audience": who})
    told = Draft(NOT_REACHED.name, {"who": who, "about": about, "why": why})
    route(step, [told], origin, first=1)


def _about(says: wording.Wording, payload: Any) -> str:
    """What the office knows it as."""
    title = payload.get("title")
    return f"{says.type.title}: {title}" if title else says.title()


# --- go on -------------------------------------------------------------------------------------------------------------


def drain(
    seconds: float, stop: Callable[[], bool] = lambda: False, *, size: int = CHUNK, first: int = FIRST
) -> int:
    """Write chunk after chunk until nothing is due or `seconds` of real time have passed; how many were written."""
    until, written = time.monotonic() + seconds, 0
    with looking_ahead() as ahead:
        while time.monotonic() < until and not stop() and advance(size, first, ahead):
            written += 1
    return written


def advance(size: int = CHUNK, first: int = FIRST, ahead: Ahead | None = None) -> bool:
    """Write one chunk of the most pressing broadcast that nobody else has in hand; False when there is none, or
    it has to wait. `first` is how many people the first chunk of each is for. `ahead` looks who is next meanwhile."""
    with db.engines["engine"].connect() as conn:
        due = conn.execute(sql.DUE_BROADCASTS, {"limit": LOOK}).all()
    return any(_chunk_or_later(row.organisation_id, row.event_id, (first, size), ahead) for row in due)


def _chunk_or_later(
    organisation_id: UUID, event_id: UUID, sizes: tuple[int, int], ahead: Ahead | None
) -> bool:
    try:
        with step(organisation_id) as work:
            row = work.one(TAKE, event=event_id)
            if row is None:
                return False
            _go_on(work, row, sizes, ahead)
        return True
    except OperationalError as error:
        if error.connection_invalidated:
            raise
        # a lock that is held elsewhere, or two who waited for each other
        log.warning("broadcast %s waits for another round: %s", event_id, type(error.orig).__name__)
        _postpone(organisation_id, event_id, error, PAUSES[:1])
    except Exception as error:
        log.exception("broadcast %s", event_id)
        _postpone(organisation_id, event_id, error, PAUSES)
    return False


def _go_on(work: Step, row: Any, sizes: tuple[int, int], ahead: Ahead | None) -> None:
    words = wording.Words(work)
    draft = Draft(row.name, unpack(row.payload))
    says = words.of(draft, Priority.of(row.priority), row.category)
    stopped = Reason.template_inactive if says.off else None if words.on else Reason.notifications_off
    if stopped:
        _note(work, row.event_id, stopped)
        people = None
    else:
        people = _next(work, row, says, sizes, ahead)
    done = people is None or people.last == row.last_id
    told = chunk.write(work, row, says, people) if people else 0
    work.run(
        "UPDATE broadcast SET cursor = coalesce(:last, cursor), considered = considered + :people, told = told + :told, "
        "attempts = 0, error = NULL, next_chunk_at = hub_now(), done_at = CASE WHEN :done THEN hub_now() END "
        "WHERE organisation_id = :org AND event_id = :event",
        event=row.event_id,
        last=people.last if people else None,
        people=people.count if people else 0,
        told=told,
        done=done,
    )
    if done:
        _tell_office(work, row, _about(says, draft.payload))
    work.news.append(Changed(work.organisation_id, "event"))


def _next(
    work: Step, row: Any, says: wording.Wording, sizes: tuple[int, int], ahead: Ahead | None
) -> chunk.People | None:
    """Who is next; and have somebody look who comes after them."""
    each = says.names_reader or (row.item_id is not None and not row.action_url)
    first, size = (min(one, WORDED) for one in sizes) if each else sizes
    people = ahead.answer(row) if ahead else None
    if people is None:
        people = chunk.look(work, row, says.category, row.cursor, size if row.cursor else first)
    if ahead and people and people.last != row.last_id:
        ahead.ask(row, says.category, people.last, size)
    return people


def _postpone(organisation_id: UUID, event_id: UUID, error: Exception, pauses: Sequence[timedelta]) -> None:
    """It is never given up: what is left of it would be told to nobody."""
    with step(organisation_id) as work:
        row = work.one(TAKE, event=event_id)
        if row is not None:
            work.run(
                "UPDATE broadcast SET attempts = least(attempts + 1, 1000), error = :error, next_chunk_at = hub_now() + :pause "
                "WHERE organisation_id = :org AND event_id = :event",
                event=event_id,
                error=_said(error),
                pause=pauses[min(row.attempts, len(pauses) - 1)],
            )


def _said(error: Exception) -> str:
    """The first line of it, without the statement that an error of the database carries along."""
    cause = getattr(error, "orig", None) or error
    line = next(iter(str(cause).splitlines()), "")
    return f"{type(cause).__name__}: {line}".replace("\x00", "")[:LONGEST_ERROR]


# --- end ---------------------------------------------------------------------------------------------------------------


def _tell_office(work: Step, row: Any, about: str) -> None:
    """Once for all who were not reached: how many, why, and some of them by name."""
    if row.name == NOT_REACHED.name:
        return  # the office itself; a message about it would not arrive either
    refused = work.all(REFUSED, event=row.event_id)
    classes = {one.class_id: one.people for one in refused if one.reason == Reason.not_reached}
    withheld = work.all(WITHHELD, event=row.event_id)
    missed = sum(classes.values()) + sum(one.people for one in withheld)
    if not missed:
        return
    why: Counter[str] = Counter()
    for one in refused:
        if one.channel:
            why[_sentence(one)] += one.people
    for one in withheld:
        why[_sentence(one)] += one.people
    examples = work.all(EXAMPLES, event=row.event_id, classes=list(classes), limit=NAMED)
    said = [f"{text} ({people:,})" for text, people in why.most_common()]
    if examples:
        said.append(f"Among them: {', '.join(one.name for one in examples)}.")
    who = "1 person" if missed == 1 else f"{missed:,} people"
    told = Draft(NOT_REACHED.name, {"who": who, "about": about, "why": " ".join(said)})
    key = f"not_reached:{row.event_id}"
    action = f"/inbox/{examples[0].id}" if examples else None
    route(work, [told], Origin(work.now), Override(item_id=row.item_id, dedupe_key=key, action_url=action))


def _sentence(decision: Any) -> str:
    values = dict(decision.detail)
    if "channel" in decision._mapping:
        values["channel"] = spoken(decision.channel)
    return sentence(decision.reason, values).rstrip(".")
