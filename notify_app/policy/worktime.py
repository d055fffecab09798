"""The organisation's working hours: what "eight working hours from now" means. Wall-clock windows in its own zone, one a
day at most, with holidays; over clock changes a window is as long as it really was.

Pure. A calendar that is never open counts as always open: a ladder must not wait for ever because of a setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from notify_app.policy.quiet import instant

__all__ = ["WorkingTime", "later", "opens"]

DAY = timedelta(days=1)
# days that are looked ahead: one working hour a week makes the longest ladder in 28 years
HORIZON = 40 * 366


@dataclass(frozen=True)
class WorkingTime:
    """`days`: weekday (Monday = 0) → from and until, in `zone`; an `until` at or before `from` is midnight."""

    zone: str
    days: Mapping[int, tuple[time, time]] = field(default_factory=dict)
    holidays: frozenset[date] = frozenset()

    @property
    def ever(self) -> bool:
        """Whether it is ever open."""
        return bool(self.days)


def later(work: WorkingTime | None, start: datetime, minutes: int) -> datetime:
    """The moment at which `minutes` of working time (None: of all time) have passed since `start`."""
    left = timedelta(minutes=minutes)
    if work is None or not work.ever:
        return start + left
    for opened, end in _windows(work, start):
        begin = max(opened, start)
        if begin + left <= end:
            return begin + left
        left -= end - begin
    return start + timedelta(minutes=minutes)


def opens(work: WorkingTime | None, at: datetime) -> datetime:
    """`at`, or when work begins next after it."""
    if work is None or not work.ever:
        return at
    return next((max(begin, at) for begin, _end in _windows(work, at)), at)


def _windows(work: WorkingTime, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The windows that end after `start`, in order."""
    tz = ZoneInfo(work.zone)
    first = start.astimezone(tz).date()
    for number in range(HORIZON):
        day = first + number * DAY
        hours = work.days.get(day.weekday())
        if hours is None or day in work.holidays:
            continue
        begin = instant(day, hours[0], tz)
        end = instant(day, hours[1], tz) if hours[1] > hours[0] else instant(day + DAY, time(0), tz)
        if end > start and end > begin:
            yield begin, end
