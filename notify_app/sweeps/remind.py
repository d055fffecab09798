"""Reminders whose time has come: an event is told, a verb is done by the clock, or first the verb and then the event.

The item is under lock and is asked once more: what it does not plan any more is skipped, and says so. One transaction
for an organisation's batch, so two schedulers never tell it twice and a crash leaves it due. What the item refuses is
recorded as failed; a surprise is put on the row alone, and its neighbours go on. The database's own trouble is nobody's
fault: what it hits stays due.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from notify_app import domains
from notify_app.domains.base import Draft
from notify_app.errors import HubError
from notify_app.extensions import db
from notify_app.pipeline import sql, world
from notify_app.pipeline.route import Origin, stage
from notify_app.pipeline.step import hub, step
from notify_app.pipeline.world import World
from notify_app.work import apply, reminders

__all__ = ["run"]

log = logging.getLogger(__name__)

CLOCK = apply.Actor("clock")
DUE = """
    SELECT id, item_id, key, event, verb, due_at FROM reminder
    WHERE organisation_id = :org AND id = ANY(:ids) AND state = 'pending' ORDER BY due_at, id FOR UPDATE SKIP LOCKED
"""


def run(now: datetime, limit: int = 0) -> int:
    """Settle what is due at `now`, in batches of `limit` (0: the setting), until nothing is. Returns how many were."""
    size, settled = limit or hub().reminder_batch, 0
    while True:
        with db.engines["engine"].connect() as conn:
            due = conn.execute(sql.DUE_REMINDERS, {"now": now, "limit": size}).all()
        done = sum(_together(organisation, ids) for organisation, ids in _by_organisation(due))
        settled += done
        if not done or len(due) < size:
            return settled


def _by_organisation(due: Iterable[Any]) -> Iterable[tuple[UUID, list[UUID]]]:
    found: dict[UUID, list[UUID]] = {}
    for row in due:
        found.setdefault(row.organisation_id, []).append(row.id)
    return found.items()


def _together(organisation_id: UUID, ids: list[UUID]) -> int:
    try:
        return _settle(organisation_id, ids)
    except OperationalError as error:
        if error.connection_invalidated:
            raise
        # two steps that wait for each other: one of them is ended, and comes again
        log.warning("%s reminders wait for another round: %s", len(ids), type(error.orig).__name__)
        return 0
    except (InterfaceError, PoolTimeout):
        raise
    except Exception as error:
        if len(ids) > 1:
            return sum(_together(organisation_id, [one]) for one in ids)
        log.exception("reminder %s", ids[0])
        return _give_up(organisation_id, ids[0], error)


def _settle(organisation_id: UUID, ids: list[UUID]) -> int:
    with step(organisation_id) as work:
        known = world.of(work)
        # items first, as everybody else takes them: whoever changes an item rewrites its reminders under its lock
        items = work.all(
            "SELECT item_id FROM reminder WHERE organisation_id = :org AND id = ANY(:ids)", ids=ids
        )
        known.items((row.item_id for row in items), lock=True)
        due = work.all(DUE, ids=ids)
        for row in due:
            _one(known, row)
    return len(due)


def _one(known: World, row: Any) -> None:
    mark = known.mark()
    try:
        _do(known, row)
    except HubError as refusal:
        known.undo(mark)
        held = known.item(row.item_id)
        assert held is not None, "its reminder points at it"
        reminders.settle(known, held.item, row, "failed", str(refusal))


def _do(known: World, row: Any) -> None:
    held = known.item(row.item_id)
    kind = domains.kind(held.item.kind) if held else None
    assert held is not None, "its reminder points at it"
    item = held.item
    planned = reminders.still_true(kind, item, row.key) if kind else None
    if kind is None or planned is None:
        reminders.settle(known, item, row, "skipped", "It was not true any more when its time came.")
        return
    # gone before the verb is done, so that the plan of the new version knows it
    reminders.settle(known, item, row, "sent")
    origin = Origin(row.due_at)
    if row.verb:
        applied = apply.act(known.step, item.id, row.verb, {}, CLOCK)
        item = applied.items[0]
        stage(known, applied.drafts, origin)
    if row.event:
        stage(known, [Draft(row.event, kind.told(item), item=item, step=planned.step)], origin)


def _give_up(organisation_id: UUID, reminder_id: UUID, error: Exception) -> int:
    with step(organisation_id) as work:
        return work.run(
            "UPDATE reminder SET state = 'failed', error = :error, settled_at = hub_now() "
            "WHERE organisation_id = :org AND id = :id AND state = 'pending'",
            id=reminder_id,
            error=f"{type(error).__name__}: {error}".replace("\x00", "")[:2000],
        )
