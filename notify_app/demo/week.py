"""What happens in an office in a week, written down before it is played.

Days are the office's own (`day(6, "09:30")` is half past nine, six days ago, there); what waits now is so many minutes
ago. Whatever hour it is when the demo is made: the days before today are over, and the last hours end now.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

__all__ = ["Acknowledged", "Did", "Moment", "Read", "Said", "Week"]


@dataclass(frozen=True)
class Said:
    """The office's system posts a webhook."""

    type: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Did:
    """A person does a verb to an item."""

    who: str
    number: str
    verb: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Read:
    """Those who sign in read so much of what they have not read."""

    share: float


@dataclass(frozen=True)
class Acknowledged:
    """Somebody of the office ends the alerts of an event for everybody."""

    who: str
    event: str


@dataclass(frozen=True)
class Moment:
    """Something that happens at a time."""

    at: datetime
    what: Said | Did | Read | Acknowledged


class Week:
    """A week's sheet. `now` is real time (aware), `zone` the office's; `rng` is the same for everybody."""

    def __init__(self, now: datetime, zone: str, seed: str) -> None:
        self._now, self._zone = now, ZoneInfo(zone)
        self._today = now.astimezone(self._zone).date()
        self.rng = random.Random(seed)
        self.moments: list[Moment] = []

    # --- when ------------------------------------------------------------------------------------------------------

    def day(self, ago: int, at: str) -> datetime:
        """This time of the day, so many days ago; days to come are negative."""
        there = datetime.combine(self._today - timedelta(days=ago), time.fromisoformat(at), self._zone)
        return there.astimezone(self._now.tzinfo)

    def ago(self, minutes: float) -> datetime:
        """So many minutes ago."""
        return self._now - timedelta(minutes=minutes)

    def ahead(self, minutes: float) -> datetime:
        """In so many minutes, at the quarter of an hour before: people plan with round times. Negative: so many ago."""
        there = (self._now + timedelta(minutes=minutes)).replace(second=0, microsecond=0)
        return there - timedelta(minutes=there.minute % 15)

    # --- what ------------------------------------------------------------------------------------------------------

    def says(self, at: datetime, type: str, /, **data: Any) -> None:
        """The office's system reports it."""
        self.moments.append(Moment(at, Said(type, _plain(data))))

    def does(self, at: datetime, who: str, number: str, verb: str, /, **values: Any) -> None:
        """Somebody does it."""
        self.moments.append(Moment(at, Did(who, number, verb, _plain(values))))

    def reads(self, at: datetime, share: float) -> None:
        """Most people read most of what there is."""
        self.moments.append(Moment(at, Read(share)))

    def acknowledges(self, at: datetime, who: str, event: str) -> None:
        """The office has seen to it."""
        self.moments.append(Moment(at, Acknowledged(who, event)))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }
