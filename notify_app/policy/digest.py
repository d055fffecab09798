"""Digests: when a person's next one is due, and what of all that is unread is shown in it (requirement A12).

Times are wall-clock times in the person's own zone, with both clock changes: one that the clock jumps over means the
first valid instant after it, one that comes twice its first. A digest of the day or week comes once on a local date,
also for somebody who travels; one that would fall into quiet hours comes when they end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from itertools import count
from zoneinfo import ZoneInfo

from notify_app.policy.quiet import QuietHours, instant, release_at

__all__ = ["SHOWN", "USUAL", "Group", "Line", "Rhythm", "Schedule", "arrange", "next_due"]

SHOWN = 10  # of all that is counted (A12)
USUAL = time(9)
HOUR = timedelta(hours=1)


class Rhythm(StrEnum):
    """How often."""

    hourly = "hourly"
    daily = "daily"
    weekly = "weekly"


@dataclass(frozen=True)
class Schedule:
    """`at` is the time of day of a daily or weekly digest, `day` the weekday of a weekly one (Monday = 0). An hourly one
    comes at the full hour."""

    rhythm: Rhythm
    at: time = USUAL
    day: int = 0


def next_due(
    schedule: Schedule,
    zone: str,
    now: datetime,
    *,
    quiet: QuietHours | None = None,
    last: datetime | None = None,
) -> datetime:
    """The first moment (UTC) after `now` at which a digest is due. `last` is when the person had one; there is no second
    one on that local date, however the zone, the time or the day of the week has changed since."""
    tz = ZoneInfo(zone)
    once_a_day = schedule.rhythm is not Rhythm.hourly
    had = last.astimezone(tz).date() if last is not None and last <= now and once_a_day else None
    for moment in _moments(schedule, tz, now):
        due = release_at(quiet, zone, moment) or moment
        if due > now and (had is None or due.astimezone(tz).date() > had):
            return due
    raise AssertionError("there is always another day")


def _moments(schedule: Schedule, tz: ZoneInfo, now: datetime) -> Iterator[datetime]:
    """Without an end. Yesterday's first: in quiet hours it may still wait."""
    if schedule.rhythm is Rhythm.hourly:
        yield from _hours(tz, now)
        return
    today = now.astimezone(tz).date()
    for days in count(-1):
        day = today + timedelta(days=days)
        if schedule.rhythm is Rhythm.weekly and day.weekday() != schedule.day:
            continue
        moment = instant(day, schedule.at, tz)
        # a date that a zone has left out (Apia, 30 December 2011) has no digest
        if moment.astimezone(tz).date() == day:
            yield moment


def _hours(tz: ZoneInfo, now: datetime) -> Iterator[datetime]:
    """Each full hour of the wall clock after `now`, also where the clock changes by half an hour."""
    moment = now
    while True:
        local = moment.astimezone(tz)
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        moment += HOUR - into
        if moment.astimezone(tz).minute == 0:
            yield moment


# --- what stands in it ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One unread message. `priority` 1 is the most pressing."""

    category: str
    priority: int
    at: datetime
    title: str
    text: str = ""
    link: str = ""


@dataclass(frozen=True)
class Group:
    """A category: how many of it there are, and those that are shown, which may be none."""

    category: str
    count: int
    lines: tuple[Line, ...]


def arrange(lines: Sequence[Line], counts: Mapping[str, int], shown: int = SHOWN) -> tuple[Group, ...]:
    """The most pressing `shown` of `lines`, by category: highest priority first, then the newest. `counts` says how many
    there are of each category; a category comes as early as the most pressing of its lines, and none is left out."""
    order = sorted(lines, key=lambda line: (line.priority, -line.at.timestamp()))
    first = order[:shown]
    categories = dict.fromkeys([*(line.category for line in order), *counts])
    return tuple(
        Group(one, counts[one], tuple(line for line in first if line.category == one)) for one in categories
    )
