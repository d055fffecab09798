"""Which ladder a task gets, and what moves it: the organisation's rules, its switch, acknowledgements.

A task's ladder is chosen once, when it opens. What is to happen next stands on the task's own row (`next_level_at`);
`sweeps.escalate` comes for it. Everything here works under the lock of the task's row, as the sweep does: an
acknowledgement that is there before the sweep stops the level, one that comes after it stops the next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from notify_app import domains
from notify_app.domains.base import Item, TaskType, WorkKind
from notify_app.errors import NotFound, Refused
from notify_app.live.announce import Changed
from notify_app.pipeline import recall
from notify_app.pipeline.step import Step
from notify_app.policy.ladder import Fire, Ladder, Next, declared, following
from notify_app.policy.office import OfficeSettings
from notify_app.policy.reasons import Reason
from notify_app.policy.worktime import WorkingTime

if TYPE_CHECKING:
    from notify_app.pipeline.world import World

__all__ = [
    "WAS_TOLD",
    "Chosen",
    "Rule",
    "acknowledge",
    "choose",
    "fires_of",
    "give_back",
    "hasten",
    "is_on",
    "needed",
    "next_of",
    "read_rules",
    "see_to",
    "switch",
    "working_time",
]

RULES = """
    SELECT id, kind, sort, step, ladder, version FROM escalation_rule WHERE organisation_id = :org AND active
"""
FIRES = """
    SELECT task_id, level, repetition, due_at, done_at, reason FROM escalation
    WHERE organisation_id = :org AND task_id = ANY(:ids) ORDER BY done_at, level, repetition
"""


@dataclass(frozen=True)
class Rule:
    """An active rule of the organisation; what is None it does not ask."""

    id: UUID
    kind: str | None
    sort: str | None
    step: str | None
    ladder: Ladder
    version: int

    def fits(self, kind: str, sort: str, step: str) -> bool:
        """Whether it speaks of such a task."""
        asked = ((self.kind, kind), (self.sort, sort), (self.step, step))
        return all(mine is None or mine == its for mine, its in asked)

    @property
    def weight(self) -> tuple[int, bool, bool]:
        """The more it names, the more it counts; of two that name as many, the one that names the sort."""
        named = [part is not None for part in (self.kind, self.sort, self.step)]
        return sum(named), named[1], named[2]


@dataclass(frozen=True)
class Chosen:
    """The ladder of a task, and the rule that it is a copy of, if any."""

    ladder: Ladder
    rule: Rule | None = None


def read_rules(step: Step) -> list[Rule]:
    """The active rules."""
    return [
        Rule(row.id, row.kind, row.sort, row.step, Ladder.model_validate(row.ladder), row.version)
        for row in step.all(RULES)
    ]


def choose(rules: Iterable[Rule], kind: WorkKind, item: Item, task: TaskType) -> Chosen:
    """The most specific rule's ladder, or the task's own."""
    sort = str(item.data.get(kind.sort) or "") if kind.sort else ""
    fitting = [one for one in rules if one.fits(kind.name, sort, task.step)]
    rule = max(fitting, key=lambda one: one.weight, default=None)
    return Chosen(rule.ladder, rule) if rule else Chosen(declared(task))


def working_time(settings: OfficeSettings, zone: str) -> WorkingTime:
    """The organisation's working hours as the ladder asks for them."""
    days = {day: (hours.start, hours.end) for day, hours in settings.working_days.items()}
    return WorkingTime(zone, days, settings.holidays)


def next_of(known: World, chosen: Chosen, opened_at: datetime) -> Next | None:
    """The first level of a task that opens now."""
    return following(chosen.ladder, opened_at, (), known.working_time)


def fires_of(step: Step, ids: Sequence[UUID]) -> dict[UUID, list[Fire]]:
    """What was told of these tasks, in its order."""
    found: dict[UUID, list[Fire]] = {one: [] for one in ids}
    for row in step.all(FIRES, ids=list(ids)):
        found[row.task_id].append(Fire(row.level, row.repetition, row.due_at, row.done_at, row.reason))
    return found


# --- the switch ----------------------------------------------------------------------------------------------------

IS_ON = "SELECT coalesce((settings ->> 'escalations_on')::boolean, false) AS is_on FROM organisation WHERE id = :org"
PAUSE = "UPDATE task SET next_level_at = NULL WHERE organisation_id = :org AND next_level_at IS NOT NULL"
WAITING = """
    SELECT id, name, kind, item_id, hours, opened_at, ladder, resumed_at, hastened_at, acknowledged_at FROM task
    WHERE organisation_id = :org AND closed_at IS NULL ORDER BY id FOR UPDATE
"""
RESUME = """
    UPDATE task t SET next_level_at = r.next_level_at, ladder = r.ladder
    FROM json_populate_recordset(NULL::task, CAST(:rows AS json)) r
    WHERE t.organisation_id = :org AND t.id = r.id AND t.closed_at IS NULL
"""


def is_on(step: Step, *, lock: bool = False) -> bool:
    """Whether the organisation escalates; with `lock`, nobody switches it before this step has ended. Before any task is
    written: whoever switches has this first, and then the tasks."""
    row = step.one(f"{IS_ON} FOR SHARE" if lock else IS_ON)
    return bool(row.is_on)


def switch(step: Step, settings: OfficeSettings, zone: str) -> int:
    """Escalations were switched on or off (D6), or the working hours have changed: the ladders of what waits stand still,
    or go on from where they stood. Returns how many tasks that concerned."""
    if not settings.escalations_on:
        return step.run(PAUSE)
    work = working_time(settings, zone)
    waiting = step.all(WAITING)
    fires = fires_of(step, [row.id for row in waiting])
    rows = [_resumed(row, fires[row.id], work) for row in waiting]
    if rows:
        step.write(RESUME, rows)
    return len(rows)


def _resumed(row: Any, fires: Sequence[Fire], work: WorkingTime) -> dict[str, Any]:
    ladder = Ladder.model_validate(row.ladder) if row.ladder else _without_rule(row)
    at: datetime | None = None
    if ladder is not None and row.acknowledged_at is not None:
        at = row.acknowledged_at + timedelta(minutes=ladder.lapses) if ladder.lapses else None
    elif ladder is not None:
        one = following(
            ladder, row.opened_at, fires, work, resumed_at=row.resumed_at, hastened_at=row.hastened_at
        )
        at = one.due_at if one else None
    return {
        "id": row.id,
        "ladder": ladder.model_dump(mode="json") if ladder else None,
        "next_level_at": at,
    }


def _without_rule(row: Any) -> Ladder | None:
    """Of a task that was opened without a ladder; None where this release does not know it."""
    kind = domains.kind(row.kind)
    task = next((one for one in kind.tasks if one.name == row.name), None) if kind else None
    return declared(task, row.hours) if task else None


# --- acknowledging -------------------------------------------------------------------------------------------------

# whether :me has a line of a level of task t's ladder, their own or of whom they stand in for: then they may see to it
WAS_TOLD = """
    EXISTS (SELECT FROM escalation e
        JOIN notification n ON n.organisation_id = e.organisation_id AND n.event_id = e.event_id AND n.person_id = :me
        WHERE e.organisation_id = t.organisation_id AND e.task_id = t.id)
"""
OF_EVENT = """
    SELECT e.task_id FROM escalation e JOIN task t ON t.organisation_id = e.organisation_id AND t.id = e.task_id
    WHERE e.organisation_id = :org AND e.event_id = :event AND t.closed_at IS NULL
"""
LOCK = """
    SELECT t.id, t.item_id, t.ladder, t.level, t.acknowledged_at, t.closed_at FROM task t
    WHERE t.organisation_id = :org AND t.id = :id FOR UPDATE
"""
NOTED = """
    INSERT INTO task_acknowledgement (organisation_id, task_id, person_id, created_at)
    VALUES (:org, :id, :person, hub_now()) ON CONFLICT DO NOTHING
"""
# the time is that of having the task's lock: a level that was told before it has an earlier one
STOPPED = """
    UPDATE task SET acknowledged_at = hub_now(), acknowledged_by = :person, hastened_at = NULL,
           next_level_at = CASE WHEN :on THEN hub_now() + make_interval(mins => :lapses) END
    WHERE organisation_id = :org AND id = :id
"""
# what was to tell others of it, and has not left, does not leave any more
UNSENT = """
    UPDATE delivery SET state = 'skipped', reason = :reason, settled_at = :now
    WHERE organisation_id = :org AND state IN ('queued', 'held') AND group_key = ANY(:groups)
"""
# nor what was collected of nothing else
UNSENT_TOGETHER = """
    UPDATE delivery d SET state = 'skipped', reason = :reason, settled_at = :now
    WHERE d.organisation_id = :org AND d.purpose = 'collected' AND d.state IN ('queued', 'held') AND d.id IN (
        SELECT i.delivery_id FROM notification n
        JOIN delivery_item i ON i.organisation_id = n.organisation_id AND i.notification_id = n.id
        WHERE n.organisation_id = :org AND n.event_id = ANY(:events))
      AND NOT EXISTS (
        SELECT FROM delivery_item o JOIN notification m ON m.organisation_id = o.organisation_id AND m.id = o.notification_id
        WHERE o.organisation_id = :org AND o.delivery_id = d.id AND m.event_id <> ALL(:events))
"""
GROUPS = (
    "SELECT event_id FROM escalation WHERE organisation_id = :org AND task_id = :id AND event_id IS NOT NULL"
)


def see_to(step: Step, event_id: UUID, person_id: UUID) -> None:
    """Somebody acknowledges an event: if it is a level of a ladder whose task still waits, they see to that."""
    row = step.one(OF_EVENT, event=event_id)
    if row is not None:
        with contextlib.suppress(Refused):  # done in this moment
            acknowledge(step, row.task_id, person_id)


def acknowledge(step: Step, task_id: UUID, person_id: UUID) -> bool:
    """Somebody sees to it. Once as many as its level asks for have, the ladder stops, in this transaction: what was to
    be told and has not left stays, and pushes that have left say who it is. Returns whether it has stopped. Raises NotFound,
    Refused (it is done already)."""
    row = step.one(LOCK, id=task_id)
    if row is None:
        raise NotFound("There is no such task.")
    if row.closed_at is not None:
        raise Refused("This is done already.")
    if row.acknowledged_at is not None:
        return True
    step.run(NOTED, id=task_id, person=person_id)
    ladder = Ladder.model_validate(row.ladder) if row.ladder else None
    said = step.one(
        "SELECT count(*) AS n FROM task_acknowledgement WHERE organisation_id = :org AND task_id = :id",
        id=task_id,
    ).n
    step.news.append(Changed(step.organisation_id, "work", (str(row.item_id),)))
    if said < needed(ladder, row.level):
        return False
    step.run(STOPPED, id=task_id, person=person_id, lapses=ladder.lapses if ladder else None, on=is_on(step))
    events = [one.event_id for one in step.all(GROUPS, id=task_id)]
    if events:
        why = {"reason": Reason.acknowledged.value, "now": step.now}
        step.run(UNSENT, groups=[str(one) for one in events], **why)
        step.run(UNSENT_TOGETHER, events=events, **why)
        recall.say(step, events, person_id)
    return True


def needed(ladder: Ladder | None, level: int) -> int:
    """How many have to acknowledge: what the highest level that was told asks for."""
    if ladder is None or level < 1:
        return 1
    return ladder.levels[min(level, len(ladder.levels)) - 1].needs


# Whose acknowledgement it was has it no more. Who has it now gets the first level's time, then whoever was told last is
# told again
GIVEN_BACK = """
    UPDATE task t SET acknowledged_at = NULL, acknowledged_by = NULL,
           resumed_at = :now + make_interval(mins => coalesce((t.ladder -> 'levels' -> 0 ->> 'after')::int, 0)),
           next_level_at = CASE WHEN :on AND jsonb_array_length(t.ladder -> 'levels') > 0
               THEN :now + make_interval(mins => (t.ladder -> 'levels' -> 0 ->> 'after')::int) END
    WHERE t.organisation_id = :org AND t.closed_at IS NULL AND t.acknowledged_by = :person
      AND (CAST(:ids AS uuid[]) IS NULL OR t.id = ANY(:ids))
    RETURNING t.id
"""
FORGOTTEN = """
    DELETE FROM task_acknowledgement WHERE organisation_id = :org AND person_id = :person AND task_id = ANY(:ids)
"""


def give_back(step: Step, person_id: UUID, ids: Sequence[UUID] | None = None) -> None:
    """What somebody saw to is not theirs any more (these tasks; None: they have left, and all of them)."""
    rows = step.all(
        GIVEN_BACK, person=person_id, ids=list(ids) if ids else None, now=step.now, on=is_on(step)
    )
    if rows:
        step.run(FORGOTTEN, person=person_id, ids=[row.id for row in rows])


# --- a message that did not arrive ---------------------------------------------------------------------------------

HASTEN = """
    UPDATE task t SET hastened_at = :now, next_level_at = LEAST(t.next_level_at, :now)
    FROM escalation e
    WHERE e.organisation_id = :org AND e.event_id = :event AND t.organisation_id = :org AND t.id = e.task_id
      AND t.next_level_at IS NOT NULL AND t.acknowledged_at IS NULL AND e.level = t.level - 1
      AND t.level < jsonb_array_length(t.ladder -> 'levels')
"""


def hasten(step: Step, event_id: UUID) -> None:
    """Nobody is left by whom this level's urgent message could go: the next level, if there is one, is due now."""
    step.run(HASTEN, event=event_id, now=step.now)
