"""Tasks: what waits for somebody, opened and closed by the item's own state and by nothing else.

`follow` compares what a kind says is pending with what is open. A step that begins in a new round begins anew; one that
is open follows its assignee without starting its time again. With its time a task gets its ladder (`work.ladders`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from notify_app.domains import moves
from notify_app.domains.base import Item, TaskType, WorkKind
from notify_app.domains.hub import late_event
from notify_app.ids import new_id
from notify_app.pipeline.world import OpenTask, World
from notify_app.work import ladders

__all__ = ["follow"]


def follow(known: World, kind: WorkKind, item: Item, verb: str, by: UUID | None) -> None:
    """Open, close and hand over the item's tasks as its new state asks for. `verb` brought it there ('reported': its
    source says so), `by` whoever did it."""
    if not kind.tasks:
        return
    before = known.tasks(item.id)
    wanted = {one.name: one for one in moves.pending(kind, item)}
    after: dict[str, OpenTask] = {}
    rows: list[dict[str, Any]] = []
    for name, task in before.items():
        if name not in wanted or task.round != item.round:
            rows.append(_closed(known, kind, task, verb, by))
            _not_late_any_more(known, kind, item, name, before.keys() & wanted.keys())
    for name, declared in wanted.items():
        mine = before.get(name)
        assignee = _assignee(item, declared)
        if mine is None or mine.round != item.round:
            after[name], row = _opened(known, kind, item, declared, assignee)
            rows.append(row)
            continue
        after[name] = replace(mine, assignee_id=assignee)
        if mine.assignee_id != assignee:
            rows.append(_row(after[name]) | {"handed_from": mine.assignee_id})
    if rows:
        known.keep_tasks(item, after, rows)


def _assignee(item: Item, declared: TaskType) -> UUID | None:
    person = item.people.get(declared.assignee)
    return person.id if person else None


def _opened(
    known: World, kind: WorkKind, item: Item, declared: TaskType, assignee: UUID | None
) -> tuple[OpenTask, dict[str, Any]]:
    now = known.step.now
    chosen = ladders.choose(known.rules, kind, item, declared)
    first = ladders.next_of(known, chosen, now)
    due = first.due_at if first else now + timedelta(hours=declared.hours)
    task = OpenTask(new_id(), declared.name, item.round, assignee, due)
    row = _row(task) | {
        "new": True,
        "item_id": item.id,
        "kind": item.kind,
        "step": declared.step,
        "hours": max(1, round(chosen.ladder.levels[0].after / 60)) if first else declared.hours,
        "opened_at": now,
        "ladder": chosen.ladder.model_dump(mode="json"),
        "rule_id": chosen.rule.id if chosen.rule else None,
        "rule_version": chosen.rule.version if chosen.rule else None,
        "level": 0,
        "next_level_at": due
        if first
        else None,  # none while escalations are off, which is asked when it is written
    }
    return task, row


def _closed(known: World, kind: WorkKind, task: OpenTask, verb: str, by: UUID | None) -> dict[str, Any]:
    """Done by one of its own verbs, wherever that was done; moot where something else made it needless."""
    declared = next((one for one in kind.tasks if one.name == task.name), None)
    done = verb == "reported" or (declared is not None and verb in declared.verbs)
    outcome = "done" if done else "moot"
    return _row(task) | {"closed_at": known.step.now, "closed_by": by, "outcome": outcome}


def _not_late_any_more(known: World, kind: WorkKind, item: Item, name: str, stay: Collection[str]) -> None:
    """What was told of its lateness and nobody has read is not true any more, unless a step that goes on waiting may
    have told the same."""
    told = _late_events(kind, [name])
    others = _late_events(kind, [one for one in stay if one != name])
    known.writes.moot.append({"item_id": item.id, "names": sorted(told - others)})


def _late_events(kind: WorkKind, names: Collection[str]) -> set[str]:
    return {
        late_event(one, says) for one in kind.tasks if one.name in names for says in ("overdue", "escalated")
    }


def _row(task: OpenTask) -> dict[str, Any]:
    return {
        "id": task.id,
        "new": False,
        "name": task.name,
        "round": task.round,
        "assignee_id": task.assignee_id,
        "due_at": task.due_at,
        "closed_at": None,
        "closed_by": None,
        "outcome": None,
    }
