"""Quiet hours: whether a moment lies in a person's window, and when that window ends (requirement A8).

Windows are wall-clock times in the person's own zone. A time that the clock jumps over means the first valid
instant after it; a time that happens twice means its first occurrence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

__all__ = ["EVERY_DAY", "QuietHours", "instant", "release_at"]

EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True)
class QuietHours:
    """`start` up to but not including `end`, on the days (Monday = 0) on which the window begins.
    `end` at or before `start` is on the next day; equal times are a whole day."""

    start: time
    end: time
    days: frozenset[int] = EVERY_DAY


def release_at(quiet: QuietHours | None, zone: str, now: datetime) -> datetime | None:
    """The end (UTC) of the window that `now` lies in, or None outside of any. Windows that touch count as one."""
    if quiet is None or not quiet.days:
        return None
    tz = ZoneInfo(zone)
    release = None
    moment = now
    # a person whose every day is quiet all day would never be released: eight windows are a week and a day
    for _ in range(8):
        end = _window_end(quiet, tz, moment)
        if end is None:
            break
        release = moment = end
    return release


def _window_end(quiet: QuietHours, tz: ZoneInfo, now: datetime) -> datetime | None:
    today = now.astimezone(tz).date()
    ends = [
        end
        for day in (today - timedelta(days=1), today)
        if day.weekday() in quiet.days
        for begin, end in [_window(quiet, tz, day)]
        if begin <= now < end
    ]
    return max(ends, default=None)


def _window(quiet: QuietHours, tz: ZoneInfo, day: date) -> tuple[datetime, datetime]:
    last = day if quiet.end > quiet.start else day + timedelta(days=1)
    return instant(day, quiet.start, tz), instant(last, quiet.end, tz)


def instant(day: date, wall: time, tz: ZoneInfo) -> datetime:
    """The wall time as an instant (UTC): in a gap, the first valid one after it; of two, the first."""
    local = datetime.combine(day, wall, tzinfo=tz)
    first = local.astimezone(UTC)
    if first.astimezone(tz).replace(tzinfo=None) == local.replace(tzinfo=None):
        return first
    # in a gap: fold=1 reads it with the offset after the jump, whose difference is the gap's length
    after = local.replace(fold=1).astimezone(UTC)
    low, high = min(first, after), max(first, after)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(tz).utcoffset() == low.astimezone(tz).utcoffset():
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
