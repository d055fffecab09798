"""The escalation ladder (requirement D4): which level of a task comes next, and when. Pure: the sweep climbs by it, the
simulator plays by it, and both are the same function.

A ladder is copied onto its task when the task opens, so that a rule that is changed later changes no task that runs. A
level's delay counts from when the level before was due; where that one came late (an outage) from when it came, so that
a ladder climbs one level per delay whatever happened. A level that repeats does so as long as the task waits, also when
a higher one has been reached. What stops it (an acknowledgement, the end of the task) is not known here: who has
stopped is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from notify_app.domains.base import TaskType
from notify_app.policy.worktime import WorkingTime, later, opens

__all__ = ["DAILY", "Fire", "Ladder", "Level", "Next", "declared", "following", "play"]

DAILY = 24 * 60
LATE = timedelta(minutes=1)  # by more than this, the next delay counts from when it was really told
LONGEST = 60 * DAILY
MOST_LEVELS = 8
MOST_FIRES = 1_000  # of a simulation: a year of daily repetitions of two levels, and more

Word = Annotated[
    str,
    Field(
        pattern=r"^(assignee|office|(role|grade):[A-Za-z]+(\+(role|grade):[A-Za-z]+)?|person:[0-9a-f-]{36})$",
        max_length=80,
    ),
]


class Level(BaseModel):
    """One level: after so many minutes `tell` hear of it, in the words of the task's `overdue` or `escalated` event."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Annotated[int, Field(ge=1, le=LONGEST)]
    tell: Annotated[tuple[Word, ...], Field(min_length=1, max_length=20)]
    says: Literal["overdue", "escalated"] = "overdue"
    # None: as the event's own
    priority: Annotated[int, Field(ge=1, le=4)] | None = None
    # minutes between two times while it waits; None: once
    repeat: Annotated[int, Field(ge=5, le=LONGEST)] | None = DAILY
    # so many of those told have to acknowledge before the ladder stops
    needs: Annotated[int, Field(ge=1, le=20)] = 1

    @field_validator("tell")
    @classmethod
    def _each_once(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(words))


class Ladder(BaseModel):
    """The levels, and the clock that they go by. Without a level nobody is hurried."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: Annotated[tuple[Level, ...], Field(max_length=MOST_LEVELS)]
    clock: Literal["always", "working"] = "always"
    # minutes after which an acknowledgement without an end of the task counts no more; None: it counts for good
    lapses: Annotated[int, Field(ge=5, le=LONGEST)] | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if sum(one.after for one in self.levels) > LONGEST:
            raise ValueError("the last level lies more than 60 days ahead")
        return self


@dataclass(frozen=True)
class Fire:
    """A level that was told: which, for which time (0 first), when it was due and when it was done. `why` is set where it
    came otherwise than by its delay: 'not_delivered' (the level before reached nobody), 'lapsed' (an acknowledgement)."""

    level: int
    repetition: int
    due_at: datetime
    done_at: datetime
    why: str = ""

    @property
    def counts_from(self) -> datetime:
        """When what follows it begins to count."""
        return self.done_at if self.done_at - self.due_at > LATE else self.due_at


@dataclass(frozen=True)
class Next:
    """What comes next, and when."""

    level: int
    repetition: int
    due_at: datetime


def declared(task: TaskType, hours: int | None = None) -> Ladder:
    """The ladder of a task for which no rule was made: past its limit those whose step it is, past twice the limit those
    above; both daily while it waits. `hours` replaces the declared limit."""
    minutes = 60 * (hours or task.hours)
    levels: list[Level] = []
    if task.overdue:
        levels.append(Level(after=minutes, tell=("assignee",), says="overdue"))
    if task.escalated:
        after = minutes if levels else 2 * minutes
        levels.append(Level(after=after, tell=task.escalate_to, says="escalated"))
    return Ladder(levels=tuple(levels))


def following(
    ladder: Ladder,
    opened_at: datetime,
    fires: Sequence[Fire],
    work: WorkingTime | None = None,
    *,
    resumed_at: datetime | None = None,
    hastened_at: datetime | None = None,
) -> Next | None:
    """What follows `fires` (in the order in which they were done) of a task that waits since `opened_at`; None when
    nothing does any more. `work` counts only where the ladder goes by working time.

    `resumed_at`: an acknowledgement lapsed then; whoever was told last is told again at once, and from there it goes on.
    `hastened_at`: the level that was told last did not arrive; the next one is due then, if it is not due before.
    """
    work = work if ladder.clock == "working" else None
    top = max((one.level for one in fires), default=-1)
    live = [one for one in fires if resumed_at is None or one.due_at >= resumed_at]
    if resumed_at is not None and not live and top >= 0:
        return Next(top, _times(fires, top), resumed_at)
    ahead = _repeats(ladder, live, fires, work)
    if top + 1 < len(ladder.levels):
        first = next((one.counts_from for one in live if one.level == top), opened_at)
        at = later(work, first, ladder.levels[top + 1].after)
        if hastened_at is not None:
            at = min(at, hastened_at)
        if resumed_at is not None:
            at = max(at, resumed_at)
        ahead.append(Next(top + 1, 0, at))
    return min(ahead, key=lambda one: (one.due_at, -one.level), default=None)


def _repeats(
    ladder: Ladder, live: Sequence[Fire], fires: Sequence[Fire], work: WorkingTime | None
) -> list[Next]:
    last = {one.level: one for one in live}
    return [
        Next(level, _times(fires, level), opens(work, one.counts_from + timedelta(minutes=repeat)))
        for level, one in last.items()
        if level < len(ladder.levels) and (repeat := ladder.levels[level].repeat) is not None
    ]


def _times(fires: Sequence[Fire], level: int) -> int:
    return sum(one.level == level for one in fires)


def play(
    ladder: Ladder,
    opened_at: datetime,
    until: datetime,
    work: WorkingTime | None = None,
    *,
    acknowledged_at: datetime | None = None,
) -> list[Fire]:
    """All that is told of a task between its opening and `until`, if every level comes on time and somebody saw to it at
    `acknowledged_at` (for good, or until that lapses)."""
    fires: list[Fire] = []
    resumed: datetime | None = None
    while len(fires) < MOST_FIRES:
        one = following(ladder, opened_at, fires, work, resumed_at=resumed)
        if acknowledged_at is not None and resumed is None and (one is None or one.due_at >= acknowledged_at):
            if ladder.lapses is None:
                break
            resumed = acknowledged_at + timedelta(minutes=ladder.lapses)
            continue
        if one is None or one.due_at >= until:
            break
        fires.append(Fire(one.level, one.repetition, one.due_at, one.due_at))
    return fires
