"""A time as somebody typed it, in their own zone: which instant is meant, and which does not exist."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

__all__ = ["NoSuchTime", "instant_of", "wall_of"]


class NoSuchTime(ValueError):
    """The clocks jump over it on that day."""


def instant_of(typed: str, zone: str) -> datetime:
    """The instant (UTC) of "2026-11-24T09:30" in a zone; of a time that happens twice the first. Raises ValueError for
    what is no time, NoSuchTime for one that the clocks jump over."""
    wall = datetime.fromisoformat(typed)
    if wall.tzinfo is not None:
        raise ValueError(f"{typed} has a zone of its own")
    tz = ZoneInfo(zone)
    try:
        instant = wall.replace(tzinfo=tz, fold=0).astimezone(UTC)
        if instant.astimezone(tz).replace(tzinfo=None, fold=0) != wall.replace(fold=0):
            raise NoSuchTime(f"{typed} does not exist in {zone}")
    except OverflowError as error:
        raise ValueError(f"{typed} lies at the end of the calendar") from error
    return instant


def wall_of(instant: datetime, zone: str) -> str:
    """The other way, to the minute, as a form's field wants it."""
    return instant.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")
