"""How often one person is written to: the usual limits of each channel, and bursts (requirement A14). Pure.

An office may change each number (`OfficeSettings`, under the same name); 0 is without limit. What is over a limit is kept
and leaves later, together; URGENT is counted and never held back by a limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from notify_app.policy.channel import Limit, limits

__all__ = ["BURST_SECONDS", "Pace", "burst_until", "limit_until"]

# A14: the first of a burst goes at once, the rest join one message at most so much later
BURST_SECONDS = 60


@dataclass(frozen=True)
class Pace:
    """What holds in one office: how long a burst gathers, and its limits; none of them is 0."""

    burst: timedelta
    limits: tuple[Limit, ...]

    @classmethod
    def of(cls, settings: Any) -> Pace:
        """From an office's settings (`OfficeSettings`)."""
        kept = [(limit, settings.most(limit)) for limit in limits()]
        wanted = tuple(replace(one, most=most) for one, most in kept if most)
        return cls(timedelta(seconds=settings.burst_seconds), wanted)

    def limits_of(self, channel: str) -> tuple[Limit, ...]:
        """Those of one channel."""
        return tuple(limit for limit in self.limits if limit.channel == channel)


def burst_until(burst: timedelta, alike: Iterable[datetime], now: datetime) -> datetime | None:
    """Until when a message joins the others of its burst, or None: `alike` are the times at which messages like it
    have left to the same person. It waits for the end of the minute (`burst`) that the first of them began."""
    first = min((at for at in alike if now - at < burst), default=None)
    return None if first is None else first + burst


def limit_until(limits: Iterable[Limit], left: Sequence[datetime], now: datetime) -> datetime | None:
    """When all limits allow one more, or None for now. `left`: when messages have left, in any order."""
    times = sorted(left, reverse=True)
    over = [
        times[limit.most - 1] + limit.window
        for limit in limits
        if len(times) >= limit.most and now - times[limit.most - 1] < limit.window
    ]
    return max(over, default=None)
