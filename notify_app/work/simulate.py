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
from notify_app.domains.hub import late_event
from notify_app.pipeline import world
from notify_app.pipeline.step import Step, hub
from notify_app.pipeline.world import World
from notify_app.policy import sms
from notify_app.policy.ladder import Fire, Ladder, Level, play
from notify_app.policy.ladder import declared as own_ladder
from notify_app.policy.routing import Matter, plan
from notify_app.work import ladders
from notify_app.work.called import people_of
from notify_app.work.ladders import Rule

__all__ = [
    "MOST_FIRES",
    "MOST_TASKS",
    "Outcome",
    "Task",
    "fires",
    "happened",
    "names_of",
    "replay",
    "tasks_since",
]

MOST_TASKS = 2_000
MOST_FIRES = 20_000  # of one replay, all its tasks together
PAST = """
    SELECT t.id, t.kind, t.name, t.step, t.assignee_id, t.opened_at, coalesce(t.closed_at, hub_now()) AS until,
           coalesce(t.acknowledged_at, t.resumed_at - make_interval(mins => (t.ladder ->> 'lapses')::int)) AS acknowledged_at,
           t.ladder, w.data
    FROM task t JOIN work_item w ON w.organisation_id = t.organisation_id AND w.id = t.item_id
    WHERE t.organisation_id = :org AND t.opened_at >= :since AND (CAST(:kind AS text) IS NULL OR t.kind = :kind)
      AND (CAST(:step AS text) IS NULL OR t.step = :step)
    ORDER BY t.opened_at DESC, t.id DESC LIMIT :most
"""
FIRED = """
    SELECT level, count(*) AS times, sum(told) AS told FROM escalation
    WHERE organisation_id = :org AND task_id = ANY(:ids) GROUP BY level
"""
HEARD = """
    SELECT n.person_id, count(*) AS times FROM escalation e
    JOIN notification n ON n.organisation_id = e.organisation_id AND n.event_id = e.event_id
    WHERE e.organisation_id = :org AND e.task_id = ANY(:ids) GROUP BY n.person_id
"""
# what left; one that was collected is one, whatever else it carried
LEFT = """
    SELECT count(*) AS sms, coalesce(sum(d.cost_usd), 0) AS cost FROM delivery d
    WHERE d.organisation_id = :org AND d.channel = 'sms' AND d.state IN ('sent', 'delivered', 'bounced', 'unknown')
      AND d.id IN (
        SELECT i.delivery_id FROM escalation e
        JOIN notification n ON n.organisation_id = e.organisation_id AND n.event_id = e.event_id
        JOIN delivery_item i ON i.organisation_id = n.organisation_id AND i.notification_id = n.id
        WHERE e.organisation_id = :org AND e.task_id = ANY(:ids))
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
    """What was made of so many `tasks`: messages by person, levels by number, SMS and what they cost."""

    tasks: int = 0
    told: int = 0
    levels: Counter[int] = field(default_factory=Counter)
    by_person: Counter[UUID] = field(default_factory=Counter)
    sms: int = 0
    sms_cost: Decimal = Decimal(0)


def tasks_since(
    step: Step, since: datetime, kind: str | None = None, name: str | None = None
) -> tuple[list[Task], bool]:
    """Those that were opened since, the newest first, 2,000 at the most; and whether there are more."""
    rows = step.all(PAST, since=since, kind=kind, step=name, most=MOST_TASKS + 1)
    found = [task for row in rows[:MOST_TASKS] if (task := _task(row)) is not None]
    return found, len(rows) > MOST_TASKS


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


def happened(step: Step, tasks: Sequence[Task]) -> Outcome:
    """What in truth was told of these tasks: whatever rules and switches there were, and whoever stood in for whom."""
    ids = [one.id for one in tasks]
    outcome = Outcome(tasks=len(ids))
    for row in step.all(FIRED, ids=ids):
        outcome.levels[row.level] = row.times
        outcome.told += row.told
    outcome.by_person.update({row.person_id: row.times for row in step.all(HEARD, ids=ids)})
    left = step.one(LEFT, ids=ids)
    outcome.sms, outcome.sms_cost = left.sms, left.cost
    return outcome


def replay(step: Step, tasks: Iterable[Task], rules: Sequence[Rule]) -> Outcome:
    """What would have happened to these tasks under `rules`. Of what would have told more than 20,000 times the first
    tasks, each one whole: `Outcome.tasks` says how many."""
    known = world.of(step)
    outcome, calls = Outcome(), _Calls(known)
    for task in tasks:
        ladder = _under(rules, task)
        played = fires(known, task, ladder)
        if outcome.levels.total() + len(played) > MOST_FIRES:
            break
        outcome.tasks += 1
        for fire in played:
            _count(outcome, calls.of(task, ladder.levels[fire.level]), fire)
    return outcome


def _under(rules: Sequence[Rule], task: Task) -> Ladder:
    like = Item(task.id, task.kind.name, "", "", task.kind.first, 1, {task.kind.sort: task.sort}, {})
    return ladders.choose(rules, task.kind, like, task.declared).ladder


def _count(outcome: Outcome, call: _Call, fire: Fire) -> None:
    outcome.levels[fire.level] += 1
    outcome.told += len(call.people)
    outcome.by_person.update(call.people)
    outcome.sms += call.sms
    outcome.sms_cost += call.sms_cost


@dataclass(frozen=True)
class _Call:
    """Whom one telling of a level reaches, and what it costs."""

    people: tuple[UUID, ...]
    sms: int
    sms_cost: Decimal


class _Calls:
    """The calls of one replay, each asked for once: they are those of today's people, whenever the level comes."""

    def __init__(self, known: World) -> None:
        self.known = known
        self._found: dict[tuple[str, str, UUID | None, Level], _Call] = {}

    def of(self, task: Task, level: Level) -> _Call:
        """That of a level of a task."""
        key = (task.kind.name, task.declared.name, task.assignee_id, level)
        if key not in self._found:
            self._found[key] = self._asked(task, level)
        return self._found[key]

    def _asked(self, task: Task, level: Level) -> _Call:
        people = people_of(self.known, task.declared, task.assignee_id, level)
        prices = sms.prices(hub().sms_prices)
        numbers = [number for one in people for number in _numbers(self.known, one, task.declared, level)]
        return _Call(tuple(people), len(numbers), sum(map(prices.of, numbers), Decimal(0)))


def _numbers(known: World, person_id: UUID, task: TaskType, level: Level) -> list[str]:
    """The telephone numbers that would get an SMS of one part."""
    member = known.member(person_id)
    if member is None:
        return []
    type_ = known.words.event(late_event(task, level.says))
    priority = Priority.of(level.priority) if level.priority else type_.priority
    matter = Matter(type_.name, type_.category, priority, type_.channels, type_.in_digests)
    decided = plan(
        matter, member.reaches, member.choice, signs_in=member.signs_in, zone=member.zone, now=known.step.now
    )
    return [one.address for one in decided.messages if one.channel == "sms"]


def names_of(known: World, ids: Iterable[UUID]) -> dict[UUID, str]:
    """Names by id, of those that are known here."""
    return {one: member.name for one, member in known.members(ids).items()}
