"""Reminders: what a kind plans for a time, kept with the item in the transaction that creates or moves it.

`replan` makes, keeps and gives up; `sweeps.remind` asks `still_true` when the time has come.
"""

from __future__ import annotations

from typing import Any

from notify_app.domains import moves
from notify_app.domains.base import Item, PlannedReminder, WorkKind
from notify_app.ids import new_id
from notify_app.pipeline.world import World

__all__ = ["replan", "settle", "still_true"]

WAITS, GONE = "pending", ("sent", "skipped", "failed")


def replan(known: World, kind: WorkKind, item: Item) -> None:
    """The plan for the item's new version (E3): what is past and not late is not made, what is not true is given up."""
    if kind.reminders is None:
        return
    before = known.plan(item.id)
    plan = moves.replanned(
        kind,
        item,
        [key for key, state in before.items() if state == WAITS],
        [key for key, state in before.items() if state in GONE],
        known.step.now,
    )
    removed = item.status in kind.removed
    rows = [_row(item, one) for one in (*plan.keep, *plan.make)]
    rows += [_given_up(known, item, key, deleted=removed) for key in plan.drop]
    if not rows:
        return
    after = {**before, **{one.key: WAITS for one in (*plan.keep, *plan.make)}}
    after |= dict.fromkeys(plan.drop, "cancelled")
    known.keep_plan(item, after, rows)


def still_true(kind: WorkKind, item: Item, key: str) -> PlannedReminder | None:
    """What the item plans under this key now, or None if it does not any more."""
    planned = kind.reminders(item) if kind.reminders else ()
    return next((one for one in planned if one.key == key), None)


def settle(known: World, item: Item, row: Any, state: str, error: str | None = None) -> None:
    """A reminder has gone, or could not."""
    written = _columns(item, row.key, row.event, row.verb, row.due_at) | {
        "state": state,
        "error": error,
        "settled_at": known.step.now,
    }
    known.keep_plan(item, {**known.plan(item.id), row.key: state}, [written])


def _row(item: Item, one: PlannedReminder) -> dict[str, Any]:
    return _columns(item, one.key, one.event, one.verb, one.due_at)


def _given_up(known: World, item: Item, key: str, *, deleted: bool) -> dict[str, Any]:
    return _columns(item, key, "", "", known.step.now) | {
        "state": "deleted" if deleted else "cancelled",
        "settled_at": known.step.now,
    }


def _columns(item: Item, key: str, event: str, verb: str, due_at: Any) -> dict[str, Any]:
    return {
        "id": new_id(),
        "item_id": item.id,
        "item_version": item.version,
        "key": key,
        "event": event,
        "verb": verb,
        "due_at": due_at,
        "state": WAITS,
        "error": None,
        "settled_at": None,
    }
