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
MOST_FIRES = 3_000  # of a simulation: every quarter of an hour for a month

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

    after: Annotated[int, Field(strict=True, ge=1, le=LONGEST)]
    tell: Annotated[tuple[Word, ...], Field(min_length=1, max_length=20)]
    says: Literal["overdue", "escalated"] = "overdue"
    # None: as the event's own
    priority: Annotated[int, Field(strict=True, ge=1, le=4)] | None = None
    # minutes between two times while it waits; None: once
    repeat: Annotated[int, Field(strict=True, ge=5, le=LONGEST)] | None = DAILY
    # so many of those told have to acknowledge before the ladder stops
    needs: Annotated[int, Field(strict=True, ge=1, le=20)] = 1

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
    lapses: Annotated[int, Field(strict=True, ge=5, le=LONGEST)] | None = None

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
    told = _Told(resumed_at)
    for fire in fires:
        told.add(fire)
    return _next(ladder, opened_at, told, work, hastened_at)


class _Told:
    """What was told so far, as far as what follows depends on it. After an acknowledgement that lapsed (`resumed_at`) only
    what was told since then counts, but for how often each level has been."""

    def __init__(self, resumed_at: datetime | None = None) -> None:
        self.resumed_at = resumed_at
        self.top = -1
        self.times: dict[int, int] = {}
        self.first: dict[int, Fire] = {}
        self.last: dict[int, Fire] = {}

    def add(self, fire: Fire) -> None:
        """One more."""
        self.top = max(self.top, fire.level)
        self.times[fire.level] = self.times.get(fire.level, 0) + 1
        if self.resumed_at is None or fire.due_at >= self.resumed_at:
            self.first.setdefault(fire.level, fire)
            self.last[fire.level] = fire

    def resume(self, at: datetime) -> None:
        """An acknowledgement has lapsed."""
        self.resumed_at = at
        self.first, self.last = {}, {}


def _next(
    ladder: Ladder, opened_at: datetime, told: _Told, work: WorkingTime | None, hastened_at: datetime | None
) -> Next | None:
    work = work if ladder.clock == "working" else None
    if told.resumed_at is not None and not told.last and told.top >= 0:
        return Next(told.top, told.times[told.top], told.resumed_at)
    ahead = [
        Next(level, told.times[level], opens(work, fire.counts_from + timedelta(minutes=repeat)))
        for level, fire in told.last.items()
        if level < len(ladder.levels) and (repeat := ladder.levels[level].repeat) is not None
    ]
    following_level = told.top + 1
    if following_level < len(ladder.levels):
        below = told.first.get(told.top)
        at = later(work, below.counts_from if below else opened_at, ladder.levels[following_level].after)
        if hastened_at is not None:
            at = min(at, hastened_at)
        if told.resumed_at is not None:
            at = max(at, told.resumed_at)
        ahead.append(Next(following_level, 0, at))
    return min(ahead, key=lambda one: (one.due_at, -one.level), default=None)


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
    told = _Told()
    while len(fires) < MOST_FIRES:
        one = _next(ladder, opened_at, told, work, None)
        seen_to = acknowledged_at is not None and told.resumed_at is None
        if seen_to and acknowledged_at and (one is None or one.due_at >= acknowledged_at):
            if ladder.lapses is None:
                break
            told.resume(acknowledged_at + timedelta(minutes=ladder.lapses))
            continue
        if one is None or one.due_at >= until:
            break
        fires.append(Fire(one.level, one.repetition, one.due_at, one.due_at))
        told.add(fires[-1])
    return fires
