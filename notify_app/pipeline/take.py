"""Between ingest and routing: take an inbound row, change the world by it, route what follows. One transaction each.

Rows of one item are taken in the order of their arrival: a row waits while an earlier one that touches the same
item is not settled. What the item's state refuses, or what is older than what is known, is final and says so on
the row. What fails unexpectedly is tried again with growing pauses, then recorded as failed; it never blocks others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from notify_app import domains
from notify_app.domains.base import Draft, Priority
from notify_app.domains.inputs import PersonIn
from notify_app.errors import HubError, Invalid, NotFound
from notify_app.extensions import db
from notify_app.live.announce import Changed
from notify_app.pipeline import announcement, envelope, sql
from notify_app.pipeline.route import Origin, Override, route
from notify_app.pipeline.step import Step, step
from notify_app.work import apply, people

__all__ = ["LAST_ATTEMPT", "drain", "take"]

log = logging.getLogger(__name__)

LOOK = 100
LAST_ATTEMPT = 6
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 120, 600))


def drain(seconds: float, stop: Callable[[], bool] = lambda: False) -> int:
    """Take what is due until nothing is, or `seconds` of real time have passed. Returns how many were settled."""
    until, settled = time.monotonic() + seconds, 0
    while time.monotonic() < until and not stop():
        with db.engines["engine"].connect() as conn:
            due = conn.execute(sql.DUE_INBOUND, {"limit": LOOK}).all()
        done = 0
        for row in due:
            if time.monotonic() >= until or stop():
                break
            done += _take_or_leave(row)
        settled += done
        if not done:
            break
    return settled


def _take_or_leave(row: Any) -> bool:
    """A lock that is held elsewhere, or two steps that wait for each other, cost this row a round, not the others."""
    try:
        return take(row.organisation_id, row.id)
    except OperationalError as error:
        if error.connection_invalidated:
            raise
        log.warning("inbound %s waits for another round: %s", row.id, type(error.orig).__name__)
        return False


def take(organisation_id: UUID, inbound_id: UUID) -> bool:
    """Settle one row; False when another worker has it or an earlier one of its item must go first."""
    try:
        with step(organisation_id) as work:
            row = _lock(work, inbound_id)
            if row is None or _must_wait(work, row):
                return False
            _apply(work, row)
        return True
    except (OperationalError, InterfaceError, PoolTimeout):
        raise  # the database's own trouble is nothing of the row's; what the row holds may be refused by it, though
    except Exception as error:
        log.exception("inbound %s", inbound_id)
        return _postpone(organisation_id, inbound_id, error)


def _lock(work: Step, inbound_id: UUID) -> Any:
    return work.one(
        "SELECT * FROM inbound WHERE organisation_id = :org AND id = :id AND state = 'accepted' FOR UPDATE SKIP LOCKED",
        id=inbound_id,
    )


def _must_wait(work: Step, row: Any) -> bool:
    if not row.item_refs:
        return False
    earlier = work.one(
        "SELECT 1 FROM inbound WHERE organisation_id = :org AND source_id = :source AND state = 'accepted' "
        "AND item_refs && :refs AND (received_at, id) < (:at, :id) LIMIT 1",
        source=row.source_id,
        refs=row.item_refs,
        at=row.received_at,
        id=row.id,
    )
    return earlier is not None


def _apply(work: Step, row: Any) -> None:
    """Apply in a savepoint, so that a refusal leaves nothing but its record."""
    state, error = "applied", None
    wakes, news = set(work.wakes), list(work.news)
    try:
        with work.conn.begin_nested():
            problems = _handle(work, row)
        error = "\n".join(problems) or None
    except HubError as refusal:
        work.wakes, work.news = wakes, news
        state = "stale" if isinstance(refusal, apply.Stale) else "refused"
        error = _sentence(refusal)
    work.run(
        "UPDATE inbound SET state = :state, error = :error, settled_at = hub_now(), attempts = attempts + 1 "
        "WHERE organisation_id = :org AND id = :id",
        id=row.id,
        state=state,
        error=error,
    )


def _sentence(error: HubError) -> str:
    fields = error.fields if isinstance(error, Invalid) else ()
    return " ".join([str(error), *(f"{one.field}: {one.message}" for one in fields)])


def _handle(work: Step, row: Any) -> list[str]:
    data = envelope.read_data(row.type, row.body["data"])
    if isinstance(data, envelope.SendIn):
        return _send(work, row, data)
    if isinstance(data, envelope.BatchIn):
        return _batch(work, row, data)
    if isinstance(data, envelope.AnnouncementIn):
        return announcement.send(work, row, data)
    happening = next(
        (pack.happenings[row.type] for pack in domains.packs() if row.type in pack.happenings), None
    )
    if happening:
        return _happen(work, row, data, happening[1])
    kind = domains.kind(row.type.removesuffix(".upsert"))
    if kind is None:
        raise NotFound(f"{row.type} is not known to this release.")
    applied = apply.upsert(
        work, kind, row.source_id, data, row.occurred_at, apply.Actor("source", inbound_id=row.id)
    )
    return _follow(work, row, applied)


def _follow(work: Step, row: Any, applied: apply.Applied) -> list[str]:
    work.news.append(Changed(work.organisation_id, "work", tuple(str(item.id) for item in applied.items)))
    return route(work, applied.drafts, Origin(row.occurred_at, inbound_id=row.id)).problems


def _batch(work: Step, row: Any, data: envelope.BatchIn) -> list[str]:
    kind = row.type.removesuffix(".batch")
    found = work.all(
        "SELECT id, external_id FROM work_item WHERE organisation_id = :org AND kind = :kind AND source_id = :source "
        "AND external_id = ANY(:refs)",
        kind=kind,
        source=row.source_id,
        refs=[one.id for one in data.items],
    )
    missing = sorted({one.id for one in data.items} - {one.external_id for one in found})
    verb = "approve" if data.decision == "approved" else "deny"
    actor = apply.Actor("source", inbound_id=row.id)
    reason = data.reason or "No reason was given."
    applied, refusals = apply.decide_batch(
        work, [one.id for one in found], verb, reason, data.batch_id, actor, row.occurred_at
    )
    problems = [f"{one} is not known here." for one in missing] + refusals
    return problems + _follow(work, row, applied)


def _happen(work: Step, row: Any, data: Any, make: Callable[..., Any]) -> list[str]:
    given = {name: value for name, value in data if isinstance(value, PersonIn)}
    known = {name: people.resolve(work, row.source_id, person, name) for name, person in given.items()}
    drafts = make(data, known)
    return route(work, drafts, Origin(row.occurred_at, inbound_id=row.id)).problems


def _send(work: Step, row: Any, data: envelope.SendIn) -> list[str]:
    """A1: each recipient for themselves; one that fails is named and leaves the others."""
    problems: list[str] = []
    item_id = _item_id(work, row, data)
    about = _customer(work, row, data)
    priority = Priority.of(data.priority) if data.priority else None
    override = Override(priority, data.category, data.action_url, item_id, asked=True)
    for ordinal, recipient in enumerate(data.recipients):
        # two ordinals each: the message, and what the office may have to hear of it
        problems += _send_one(work, row, data, recipient, override, ordinal * 2, about)
    return problems


def _send_one(
    work: Step,
    row: Any,
    data: envelope.SendIn,
    recipient: envelope.RecipientIn,
    override: Override,
    ordinal: int,
    about: dict[str, Any],
) -> list[str]:
    name = recipient.id or recipient.person
    person = people.find(work, row.source_id, recipient.id, recipient.person)
    if person is None:
        return [f"recipients[{ordinal // 2}]: {name} is not known in this organisation."]
    payload = {**about, **data.context, **recipient.context}
    if data.batch_id:
        payload.setdefault("batch_id", data.batch_id)
    draft = Draft(data.template, payload, to=(person.id,))
    wakes, news = set(work.wakes), list(work.news)
    try:
        with work.conn.begin_nested():
            routed = route(work, [draft], Origin(row.occurred_at, inbound_id=row.id), override, first=ordinal)
    except HubError as refusal:
        work.wakes, work.news = wakes, news
        return [f"recipients[{ordinal // 2}] ({name}): {_sentence(refusal)}"]
    return [f"recipients[{ordinal // 2}] ({name}): {problem}" for problem in routed.problems]


def _customer(work: Step, row: Any, data: envelope.SendIn) -> dict[str, Any]:
    """The link to a customer (A1): their facts for the message, their id with the event."""
    if data.customer is None:
        return {}
    person = people.find(work, row.source_id, data.customer, None)
    if person is None:
        raise NotFound(f"customer: {data.customer} is not known here.")
    return {"customer": {"name": person.name, "phone": person.phone}, "customer_id": str(person.id)}


def _item_id(work: Step, row: Any, data: envelope.SendIn) -> UUID | None:
    if data.repair is None:
        return None
    found = work.one(
        "SELECT id FROM work_item WHERE organisation_id = :org AND kind = 'repair' AND source_id = :source "
        "AND external_id = :external",
        source=row.source_id,
        external=data.repair,
    )
    if found is None:
        raise NotFound(f"repair: {data.repair} is not known here.")
    item_id: UUID = found.id
    return item_id


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
