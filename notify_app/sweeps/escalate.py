"""Ladders that are due climb (D4): a level is told, and the time of the next one is set, in one transaction.

The item is under lock and so is the task, so that five schedulers tell a level once and whoever acknowledges or finishes
comes before it or after it, never in the middle. What an item's source has reported and is not applied yet is waited for
a while: it may be the very thing that the ladder asks for. One level per delay, whatever time has passed. A surprise is
kept on the task, which is tried again; its neighbours go on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from notify_app import domains
from notify_app.domains.base import Draft, Item, Priority, WorkKind
from notify_app.domains.hub import late_event
from notify_app.extensions import db
from notify_app.ids import new_id
from notify_app.pipeline import sql, world
from notify_app.pipeline.route import Origin, Override, stage
from notify_app.pipeline.step import hub, step
from notify_app.pipeline.world import World
from notify_app.policy.ladder import Fire, Ladder, Level, Next, following
from notify_app.work import ladders
from notify_app.work.called import people_of

__all__ = ["run"]

log = logging.getLogger(__name__)

# how long a ladder waits for what was reported and is not applied: not for ever, that may be stuck
PATIENCE = timedelta(minutes=5)
LOOK_AGAIN = timedelta(seconds=10)
TRY_AGAIN = timedelta(minutes=5)

DUE = """
    SELECT t.id, t.item_id, t.kind, t.name, t.step, t.assignee_id, t.hours, t.opened_at, t.ladder, t.level, t.next_level_at,
           t.resumed_at, t.hastened_at, t.acknowledged_at, t.awaits_since,
           EXISTS (SELECT FROM inbound i JOIN work_item w ON w.organisation_id = t.organisation_id AND w.id = t.item_id
                    WHERE i.organisation_id = t.organisation_id AND i.settled_at IS NULL AND i.source_id = w.source_id
                      AND i.item_refs && ARRAY[w.external_id]) AS reported
    FROM task t
    WHERE t.organisation_id = :org AND t.id = ANY(:ids) AND t.next_level_at <= :now ORDER BY t.next_level_at, t.id
    FOR UPDATE OF t SKIP LOCKED
"""
MOVED = """
    UPDATE task t SET level = r.level, next_level_at = r.next_level_at, resumed_at = r.resumed_at,
           hastened_at = r.hastened_at, awaits_since = r.awaits_since, acknowledged_at = r.acknowledged_at, acknowledged_by = CASE WHEN r.acknowledged_at IS NULL THEN NULL ELSE t.acknowledged_by END,
           ladder_error = r.ladder_error
    FROM json_populate_recordset(NULL::task, CAST(:rows AS json)) r WHERE t.organisation_id = :org AND t.id = r.id
"""
LAPSED = "DELETE FROM task_acknowledgement WHERE organisation_id = :org AND task_id = :id"


def run(now: datetime, limit: int = 0) -> int:
    """Climb what is due at `now`, in batches of `limit` (0: the setting), until nothing is. Returns how many levels were told;
    none while escalations are switched off for the whole installation."""
    size, told = limit or hub().escalate_batch, 0
    with db.engines["engine"].connect() as conn:
        if not conn.execute(sql.ESCALATIONS_ON).one().is_on:
            return 0
    while True:
        with db.engines["engine"].connect() as conn:
            due = conn.execute(sql.DUE_TASKS, {"now": now, "limit": size}).all()
        done = sum(_together(organisation, rows, now) for organisation, rows in _by_organisation(due).items())
        told += done
        if not done or len(due) < size:
            return told


def _by_organisation(due: Iterable[Any]) -> Mapping[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = {}
    for row in due:
        found.setdefault(row.organisation_id, []).append(row)
    return found


def _together(organisation_id: UUID, due: list[Any], now: datetime) -> int:
    try:
        return _climb(organisation_id, due, now)
    except OperationalError as error:
        if error.connection_invalidated:
            raise
        log.warning("%s ladders wait for another round: %s", len(due), type(error.orig).__name__)
        return 0
    except (InterfaceError, PoolTimeout):
        raise
    except Exception as error:
        if len(due) > 1:
            return sum(_together(organisation_id, [one], now) for one in due)
        log.exception("ladder of task %s", due[0].id)
        _keep_error(organisation_id, due[0].id, error)
        return 0


def _keep_error(organisation_id: UUID, task_id: UUID, error: Exception) -> None:
    with step(organisation_id) as work:
        work.run(
            "UPDATE task SET ladder_error = :error, next_level_at = hub_now() + CAST(:wait AS interval) "
            "WHERE organisation_id = :org AND id = :id AND next_level_at IS NOT NULL",
            id=task_id,
            wait=TRY_AGAIN,
            error=f"{type(error).__name__}: {error}".replace("\x00", "")[:2000],
        )


def _climb(organisation_id: UUID, due: list[Any], now: datetime) -> int:
    with step(organisation_id) as work:
        known = world.of(work)
        # items first, as everybody else takes them: whoever changes an item changes its tasks under its lock
        known.items((row.item_id for row in due), lock=True)
        rows = work.all(DUE, ids=[row.id for row in due], now=now)
        fires = ladders.fires_of(work, [row.id for row in rows])
        told, moved = [], []
        for row in rows:
            fired, after = _one(known, row, fires[row.id])
            told += fired
            moved.append(after)
        known.flush()
        work.insert("escalation", told, stamp="")
        if moved:
            work.write(MOVED, moved)
    return len(told)


def _one(known: World, row: Any, fires: list[Fire]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What is told of this task now, and its row after that."""
    now = known.step.now
    since = row.awaits_since or now
    if row.reported and now - since < PATIENCE:
        return [], _row(row, next_level_at=now + LOOK_AGAIN, awaits_since=since)
    ladder = Ladder.model_validate(row.ladder)
    resumed, why = row.resumed_at, ""
    if row.acknowledged_at is not None:
        resumed, why = row.next_level_at, "lapsed"
        known.step.run(LAPSED, id=row.id)
    hastened = row.hastened_at
    told: list[dict[str, Any]] = []
    while (one := _due(known, ladder, row, fires, resumed, hastened)) is not None:
        if hastened is not None and one.due_at == hastened:
            why = "not_delivered"
        event_id, people, reached = _tell(known, row, ladder.levels[one.level], one)
        told.append(
            {
                "id": new_id(),
                "task_id": row.id,
                "level": one.level,
                "repetition": one.repetition,
                "due_at": one.due_at,
                "done_at": now,
                "event_id": event_id,
                "told": people,
                "reason": why,
            }
        )
        fires.append(Fire(one.level, one.repetition, one.due_at, now))
        # nobody who could be told: those above hear of it now, not after their delay
        hastened = now if not reached else None if one.repetition == 0 else hastened
        why = ""
    after = following(
        ladder, row.opened_at, fires, known.working_time, resumed_at=resumed, hastened_at=hastened
    )
    return told, _row(
        row,
        level=max((fire.level + 1 for fire in fires), default=0),
        next_level_at=after.due_at if after else None,
        resumed_at=resumed,
        hastened_at=hastened,
        acknowledged_at=None,
    )


def _due(
    known: World,
    ladder: Ladder,
    row: Any,
    fires: list[Fire],
    resumed: datetime | None,
    hastened: datetime | None,
) -> Next | None:
    one = following(
        ladder, row.opened_at, fires, known.working_time, resumed_at=resumed, hastened_at=hastened
    )
    return one if one is not None and one.due_at <= known.step.now else None


def _row(row: Any, **changes: Any) -> dict[str, Any]:
    same = {
        name: getattr(row, name)
        for name in ("id", "level", "next_level_at", "resumed_at", "hastened_at", "acknowledged_at")
    }
    return same | {"awaits_since": None, "ladder_error": None} | changes


# --- telling -------------------------------------------------------------------------------------------------------


def _tell(known: World, row: Any, level: Level, one: Next) -> tuple[UUID, int, bool]:
    """Tell one level: its event, to how many, and whether that leaves it at that. It does not where it is urgent and
    nothing of it leaves for anybody's pocket."""
    held = known.item(row.item_id)
    assert held is not None, "its task points at it"
    kind = domains.kind(row.kind)
    task = next((one for one in kind.tasks if one.name == row.name), None) if kind else None
    if kind is None or task is None:
        raise LookupError(f"This release does not know {row.name} of {row.kind}.")
    name = late_event(task, level.says)
    people = people_of(known, task, row.assignee_id, level)
    written = len(known.writes.lines)
    draft = Draft(
        name, _payload(known, kind, held.item, row), to=tuple(people), item=held.item, step=_step(row, one)
    )
    priority = Priority.of(level.priority) if level.priority else None
    event_id = stage(known, [draft], Origin(known.step.now), Override(priority=priority)).events[0]
    lines = [line for line in known.writes.lines[written:] if line.event_id == event_id]
    urgent = any(line.priority == Priority.urgent.rank for line in lines)
    leaves = any(row.group_key == str(event_id) for row in known.writes.deliveries)
    return event_id, len(people), leaves or not urgent


def _step(row: Any, one: Next) -> str:
    """Each level of each task, each time, is a matter of its own (D3)."""
    return f"{row.step}/{row.id}/{one.level}.{one.repetition}"


def _payload(known: World, kind: WorkKind, item: Item, row: Any) -> dict[str, Any]:
    assignee = known.member(row.assignee_id) if row.assignee_id else None
    task = next(one for one in kind.tasks if one.name == row.name)
    return {
        **kind.told(item),
        "task": {
            "title": task.title,
            "since": row.opened_at,
            "hours": row.hours,
            "assignee": assignee.name if assignee else None,
        },
    }
