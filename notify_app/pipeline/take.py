"""Between ingest and routing: take inbound rows, change the world by them, route what follows. One transaction for many.

Rows of one item are taken in the order of their arrival: a row waits while an earlier one that touches the same
item is not settled. All that are free are taken together: what they touch is read at once, each is applied in memory
(a refusal leaves nothing but its record, and its neighbours do not notice), and everything is written at once. What
the database itself refuses fails for all; then each is taken alone. What the item's state refuses, or what is older
than what is known, is final and says so on the row. What fails unexpectedly is tried again with growing pauses, then
recorded as failed; it never blocks others.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from notify_app import domains
from notify_app.domains.base import Draft, Happening, PersonRef, Priority
from notify_app.domains.inputs import PersonIn
from notify_app.errors import HubError, Invalid, NotFound
from notify_app.extensions import db
from notify_app.pipeline import announcement, envelope, sql, world
from notify_app.pipeline.route import Origin, Override, stage
from notify_app.pipeline.step import Step, step
from notify_app.pipeline.world import World
from notify_app.work import apply, people

__all__ = ["LAST_ATTEMPT", "drain", "take"]

log = logging.getLogger(__name__)

LOOK = 200  # rows in one transaction: more gain little, and hold their items and people for longer
LAST_ATTEMPT = 6
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 120, 600))


def drain(seconds: float, stop: Callable[[], bool] = lambda: False) -> int:
    """Take what is due until nothing is, or `seconds` of real time have passed. Returns how many were settled."""
    until, settled = time.monotonic() + seconds, 0
    while time.monotonic() < until and not stop():
        with db.engines["engine"].connect() as conn:
            due = conn.execute(sql.DUE_INBOUND, {"limit": LOOK}).all()
        together: dict[UUID, list[UUID]] = {}
        for row in due:
            together.setdefault(row.organisation_id, []).append(row.id)
        done = sum(take(organisation, ids) for organisation, ids in together.items())
        settled += done
        if not done:
            break
    return settled


def take(organisation_id: UUID, ids: Sequence[UUID]) -> int:
    """Settle these rows; how many were. What another worker has, or what must wait for an earlier one, is left."""
    try:
        return _together(organisation_id, ids)
    except OperationalError as error:
        if error.connection_invalidated:
            raise
        # a lock that is held elsewhere, or two steps that wait for each other, cost a round
        log.warning("%s inbound rows wait for another round: %s", len(ids), type(error.orig).__name__)
        return 0
    except (InterfaceError, PoolTimeout):
        raise  # the database's own trouble is nothing of the rows'; what they hold may be refused by it, though
    except Exception as error:
        if len(ids) > 1:
            return sum(take(organisation_id, [one]) for one in ids)
        log.exception("inbound %s", ids[0])
        return _postpone(organisation_id, ids[0], error)


def _together(organisation_id: UUID, ids: Sequence[UUID]) -> int:
    with step(organisation_id) as work:
        known = world.of(work)
        rows = _ready(work, ids)
        said = [(row, _read(row)) for row in rows]
        _foresee(known, said)
        for row, data in said:
            _settle(known, row, data)
        known.flush()
    return len(rows)


LOCK = """
    SELECT * FROM inbound WHERE organisation_id = :org AND id = ANY(:ids) AND state = 'accepted'
    ORDER BY received_at, id FOR UPDATE SKIP LOCKED
"""


def _ready(work: Step, ids: Sequence[UUID]) -> list[Any]:
    """Those of these rows that are nobody else's, in the order of their arrival, without those of whose item an earlier
    one is not settled yet. The latter is asked as hub_engine: behind row-level security an index on arrays is not used."""
    rows = work.all(LOCK, ids=list(ids))
    about = [row.id for row in rows if row.item_refs]
    if not about:
        return rows
    with db.engines["engine"].connect() as conn:
        behind = set(conn.execute(sql.BEHIND, {"org": work.organisation_id, "ids": about}).scalars())
    return [row for row in rows if row.id not in behind]


def _read(row: Any) -> BaseModel | HubError:
    """What the message says, as its type's model; or why it cannot be read (any more)."""
    try:
        return envelope.read_data(row.type, row.body["data"])
    except HubError as refusal:
        return refusal


def _foresee(known: World, said: Sequence[tuple[Any, BaseModel | HubError]]) -> None:
    """Read at once what all of these are going to touch."""
    items, named, addresses = [], [], []
    for row, data in said:
        if isinstance(data, HubError):
            continue
        kind, _, what = row.type.partition(".")
        if what == "upsert":
            items.append((kind, row.source_id, data.id))  # type: ignore[attr-defined]
        given = list(_people_in(data))
        named += [(row.source_id, one.id) for one in given]
        addresses += [("email", one.email) for one in given if one.email]
        addresses += [("sms", one.phone) for one in given if one.phone]
        if isinstance(data, envelope.SendIn):
            known.members(UUID(one.person) for one in data.recipients if one.person)
            named += [(row.source_id, one.id) for one in data.recipients if one.id]
    known.foresee(items, named, addresses)


def _people_in(data: BaseModel) -> Iterator[PersonIn]:
    for _, value in data:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, PersonIn):
                yield one


def _settle(known: World, row: Any, data: BaseModel | HubError) -> None:
    """Apply one row in memory, and note how that ended."""
    mark = known.mark()
    try:
        state, error = "applied", _apply(known, row, data)
    except HubError as refusal:
        known.undo(mark)
        state, error = ("stale" if isinstance(refusal, apply.Stale) else "refused"), _sentence(refusal)
    known.writes.settled.append({"id": row.id, "state": state, "error": error or None})


def _apply(known: World, row: Any, data: BaseModel | HubError) -> str:
    if isinstance(data, HubError):
        raise data
    return "\n".join(_handle(known, row, data))


def _sentence(error: HubError) -> str:
    fields = error.fields if isinstance(error, Invalid) else ()
    return " ".join([str(error), *(f"{one.field}: {one.message}" for one in fields)])


def _handle(known: World, row: Any, data: Any) -> list[str]:
    if isinstance(data, envelope.SendIn):
        return _send(known, row, data)
    if isinstance(data, envelope.BatchIn):
        return _batch(known, row, data)
    if isinstance(data, envelope.AnnouncementIn):
        return announcement.send(known, row, data)
    happening = domains.happening(row.type)
    if happening:
        return _happen(known, row, data, happening)
    kind = domains.kind(row.type.removesuffix(".upsert"))
    if kind is None:
        raise NotFound(f"{row.type} is not known to this release.")
    applied = apply.upsert(
        known, kind, row.source_id, data, row.occurred_at, apply.Actor("source", inbound_id=row.id)
    )
    return _follow(known, row, applied)


def _follow(known: World, row: Any, applied: apply.Applied) -> list[str]:
    return stage(known, applied.drafts, Origin(row.occurred_at, inbound_id=row.id)).problems


def _batch(known: World, row: Any, data: envelope.BatchIn) -> list[str]:
    kind = row.type.removesuffix(".batch")
    found = {one.id: known.item_of(kind, row.source_id, one.id) for one in data.items}
    missing = sorted(name for name, held in found.items() if held is None)
    verb = "approve" if data.decision == "approved" else "deny"
    actor = apply.Actor("source", inbound_id=row.id)
    reason = data.reason or "No reason was given."
    applied, refusals = apply.decide_batch(
        known.step,
        [held.item.id for held in found.values() if held],
        verb,
        reason,
        data.batch_id,
        actor,
        row.occurred_at,
    )
    problems = [f"{one} is not known here." for one in missing] + refusals
    return problems + _follow(known, row, applied)


def _happen(known: World, row: Any, data: Any, happening: Happening) -> list[str]:
    named: dict[str, PersonRef | tuple[PersonRef, ...]] = {}
    for one in happening.people:
        given = getattr(data, one.name)
        if isinstance(given, list):
            named[one.name] = tuple(people.resolve(known, row.source_id, each, one.makes) for each in given)
        elif given is not None:
            named[one.name] = people.resolve(known, row.source_id, given, one.makes)
    return stage(known, happening.drafts(data, named), Origin(row.occurred_at, inbound_id=row.id)).problems


# --- a message by name ---------------------------------------------------------------------------------------------


def _send(known: World, row: Any, data: envelope.SendIn) -> list[str]:
    """A1: each recipient for themselves; one that fails is named and leaves the others. Those who are told the same
    share one event."""
    priority = Priority.of(data.priority) if data.priority else None
    override = Override(priority, data.category, data.action_url, _item_id(known, row, data), asked=True)
    about = _customer(known, row, data)
    problems: list[str] = []
    together: dict[str, list[tuple[int, envelope.RecipientIn, UUID]]] = {}
    for number, recipient in enumerate(data.recipients):
        person = people.find(
            known, row.source_id, recipient.id, UUID(recipient.person) if recipient.person else None
        )
        if person is None:
            problems.append(f"{_called(number)}: {_name(recipient)} is not known in this organisation.")
        else:
            told = json.dumps(recipient.context, sort_keys=True)
            together.setdefault(told, []).append((number, recipient, person.id))
    # ordinals: the message, and what the office may have to hear of each recipient
    ordinal = 0
    for those in together.values():
        problems += _send_to(known, row, data, those, override, ordinal, about)
        ordinal += 1 + len(those)
    return problems


def _called(number: int) -> str:
    return f"recipients[{number}]"


def _name(recipient: envelope.RecipientIn) -> str:
    return recipient.id or recipient.person or ""


def _send_to(
    known: World,
    row: Any,
    data: envelope.SendIn,
    those: Sequence[tuple[int, envelope.RecipientIn, UUID]],
    override: Override,
    ordinal: int,
    about: dict[str, Any],
) -> list[str]:
    payload = {**about, **data.context, **those[0][1].context}
    if data.batch_id:
        payload.setdefault("batch_id", data.batch_id)
    draft = Draft(data.template, payload, to=tuple(person for _, _, person in those))
    mark = known.mark()
    try:
        routed = stage(known, [draft], Origin(row.occurred_at, inbound_id=row.id), override, first=ordinal)
    except HubError as refusal:
        known.undo(mark)
        if len(those) > 1:  # one of them may be the reason: each for themselves
            return [
                problem
                for at, one in enumerate(those)
                for problem in _send_to(known, row, data, [one], override, ordinal + at, about)
            ]
        number, recipient, _ = those[0]
        return [f"{_called(number)} ({_name(recipient)}): {_sentence(refusal)}"]
    return [
        f"{_called(number)} ({_name(recipient)}): {problem}"
        for number, recipient, _ in those
        for problem in routed.problems
    ]


def _customer(known: World, row: Any, data: envelope.SendIn) -> dict[str, Any]:
    """The link to a customer (A1): their facts for the message, their id with the event."""
    if data.customer is None:
        return {}
    person = people.find(known, row.source_id, data.customer, None)
    if person is None:
        raise NotFound(f"customer: {data.customer} is not known here.")
    return {"customer": {"name": person.name, "phone": person.phone}, "customer_id": str(person.id)}


def _item_id(known: World, row: Any, data: envelope.SendIn) -> UUID | None:
    if data.repair is None:
        return None
    held = known.item_of("repair", row.source_id, data.repair)
    if held is None:
        raise NotFound(f"repair: {data.repair} is not known here.")
    return held.item.id


def _postpone(organisation_id: UUID, inbound_id: UUID, error: Exception) -> bool:
    """Count the failure and put the row off; at the last attempt record it as failed (which settles it)."""
    with step(organisation_id) as work:
        # not the whole row: it may be what could not be read
        row = work.one(
            "SELECT attempts FROM inbound WHERE organisation_id = :org AND id = :id AND state = 'accepted' "
            "FOR UPDATE SKIP LOCKED",
            id=inbound_id,
        )
        if row is None:
            return False
        last: bool = row.attempts + 1 >= LAST_ATTEMPT
        work.run(
            "UPDATE inbound SET attempts = attempts + 1, error = :error, state = :state, "
            "next_attempt_at = hub_now() + :pause, settled_at = CASE WHEN :last THEN hub_now() END "
            "WHERE organisation_id = :org AND id = :id",
            id=inbound_id,
            error=f"{type(error).__name__}: {error}".replace("\x00", "")[:2000],
            state="failed" if last else "accepted",
            pause=PAUSES[min(row.attempts, len(PAUSES) - 1)],
            last=last,
        )
        return last
