"""What a ladder would do (the editor's simulator): to a task that opens at some time, and to the tasks of the last weeks.

The same function climbs and simulates (`policy.ladder.following`); who is meant is asked of today's people, and by which
channel they would hear of it, and at what cost, of the routing policy. Nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from notify_app import domains
from notify_app.domains.base import Item, Priority, TaskType, WorkKind
from notify_app.domains.hub import TASK_ESCALATED, TASK_OVERDUE
from notify_app.pipeline import world
from notify_app.pipeline.step import Step
from notify_app.pipeline.world import World
from notify_app.policy import sms
from notify_app.policy.ladder import Fire, Ladder, Level, play
from notify_app.policy.ladder import declared as own_ladder
from notify_app.policy.routing import Matter, plan
from notify_app.work import ladders
from notify_app.work.called import people_of
from notify_app.work.ladders import Rule

__all__ = ["Outcome", "Task", "fires", "names_of", "replay", "tasks_since"]

MOST_TASKS = 2_000
PAST = """
    SELECT t.id, t.kind, t.name, t.step, t.assignee_id, t.opened_at, coalesce(t.closed_at, hub_now()) AS until,
           coalesce(t.acknowledged_at, t.resumed_at - make_interval(mins => (t.ladder ->> 'lapses')::int)) AS acknowledged_at,
           t.ladder, w.data
    FROM task t JOIN work_item w ON w.organisation_id = t.organisation_id AND w.id = t.item_id
    WHERE t.organisation_id = :org AND t.opened_at >= :since AND (CAST(:kind AS text) IS NULL OR t.kind = :kind)
      AND (CAST(:step AS text) IS NULL OR t.step = :step)
    ORDER BY t.opened_at DESC LIMIT :most
"""


@dataclass(frozen=True)
class Task:
    """A task as it went: when it waited, when somebody saw to it, and the ladder that it had."""

    id: UUID
    kind: WorkKind
    declared: TaskType
    sort: str
    assignee_id: UUID | None
    opened_at: datetime
    until: datetime
    acknowledged_at: datetime | None
    ladder: Ladder


@dataclass
class Outcome:
    """What a rule would have made of `tasks`: messages by person, levels by number, SMS and what they would cost."""

    tasks: int = 0
    told: int = 0
    levels: Counter[int] = field(default_factory=Counter)
    by_person: Counter[UUID] = field(default_factory=Counter)
    sms: int = 0
    sms_cost: Decimal = Decimal(0)


def tasks_since(step: Step, since: datetime, kind: str | None = None, name: str | None = None) -> list[Task]:
    """Those that were opened since, the newest first, 2,000 at the most."""
    rows = step.all(PAST, since=since, kind=kind, step=name, most=MOST_TASKS)
    return [task for row in rows if (task := _task(row)) is not None]


def _task(row: Any) -> Task | None:
    kind = domains.kind(row.kind)
    declared = next((one for one in kind.tasks if one.name == row.name), None) if kind else None
    if kind is None or declared is None:
        return None
    sort = str(row.data.get(kind.sort) or "") if kind.sort else ""
    return Task(
        row.id,
        kind,
        declared,
        sort,
        row.assignee_id,
        row.opened_at,
        row.until,
        row.acknowledged_at,
        Ladder.model_validate(row.ladder) if row.ladder else own_ladder(declared),
    )


def fires(known: World, task: Task, ladder: Ladder) -> list[Fire]:
    """What a ladder would have told of a task while it waited."""
    return play(ladder, task.opened_at, task.until, known.working_time, acknowledged_at=task.acknowledged_at)


def replay(step: Step, tasks: Iterable[Task], rules: Sequence[Rule] | None = None) -> Outcome:
    """What would have happened to these tasks under `rules`; None: under the ladders that they had."""
    known = world.of(step)
    outcome = Outcome()
    for task in tasks:
        ladder = task.ladder if rules is None else _under(rules, task)
        outcome.tasks += 1
        for fire in fires(known, task, ladder):
            _count(known, outcome, task, ladder.levels[fire.level], fire)
    return outcome


def _under(rules: Sequence[Rule], task: Task) -> Ladder:
    like = Item(task.id, task.kind.name, "", "", task.kind.first, 1, {task.kind.sort: task.sort}, {})
    return ladders.choose(rules, task.kind, like, task.declared).ladder


def _count(known: World, outcome: Outcome, task: Task, level: Level, fire: Fire) -> None:
    outcome.levels[fire.level] += 1
    for person_id in people_of(known, task.declared, task.assignee_id, level):
        outcome.told += 1
        outcome.by_person[person_id] += 1
        for number in _numbers(known, person_id, task.declared, level):
            outcome.sms += 1
            outcome.sms_cost += sms.price(number)


def _numbers(known: World, person_id: UUID, task: TaskType, level: Level) -> list[str]:
    """The telephone numbers that would get an SMS of one part."""
    member = known.member(person_id)
    if member is None:
        return []
    own = task.overdue if level.says == "overdue" else task.escalated
    type_ = known.words.event(own or (TASK_OVERDUE if level.says == "overdue" else TASK_ESCALATED).name)
    priority = Priority.of(level.priority) if level.priority else type_.priority
    matter = Matter(type_.name, type_.category, priority, type_.channels, type_.in_digests)
    decided = plan(
        matter, member.reaches, member.choice, signs_in=member.signs_in, zone=member.zone, now=known.step.now
    )
    return [one.address for one in decided.messages if one.channel == "sms"]


def names_of(known: World, ids: Iterable[UUID]) -> dict[UUID, str]:
    """Names by id, of those that are known here."""
    return {one: member.name for one, member in known.members(ids).items()}
