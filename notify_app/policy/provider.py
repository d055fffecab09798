"""When a provider's account is left alone for a while, and how fast it may be written to (reliability.md §3.3, A14). Pure.

An account is one way to a provider: a server, or a key and a region. What it answers is added up as its standing. Trouble is
what was not taken and not the message's fault; a wrong account is trouble that no second try mends. After so much trouble
nothing is handed to it until a time that doubles with each failed probe; then one message tries whether it is well again.

An account that says it is asked too often has its rate halved, and a tenth of it back each minute. An office may take a
share of a rate while others want some of it too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

__all__ = ["Answer", "Rate", "Standing", "after"]

IN_A_ROW = 5
FEWEST_CALLS, WINDOW = 20, timedelta(seconds=60)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=10)
RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|m|h)")
SECONDS = {"s": 1, "m": 60, "h": 3600}
SPARED = 5  # of so many places one is kept for what is urgent
HALVED_FOR = timedelta(seconds=10)  # what was on its way when the rate was halved says nothing new
LEAST, RECOVERY = (
    1 / 64,
    timedelta(minutes=10),
)  # the rate never ends; from nothing it would be whole after so long


class Answer(StrEnum):
    """What one message taught of its account."""

    good = "good"  # it answered; what it refused for good, it refused as it should
    trouble = "trouble"
    wrong = "wrong"  # our account or its settings
    slower = "slower"  # it works, and wants to be asked less often


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `a_second` messages a second on average, and `burst` at once."""

    a_second: float
    burst: int

    @classmethod
    def of(cls, text: str) -> Rate:
        """From "14/s", "600/m" or "1000/h". Raises ValueError."""
        found = RATE.fullmatch(text.strip())
        number = float(found[1]) if found else 0.0
        if not found or not number:
            raise ValueError(f"{text!r} is not a rate: write it as 14/s, 600/m or 1000/h")
        a_second = number / SECONDS[found[2]]
        return cls(a_second, max(1, int(a_second)))

    def times(self, share: float) -> Rate:
        """A share of it, of which at least one message can leave at once."""
        return self if share >= 1 else Rate(self.a_second * share, max(1, int(self.burst * share)))

    @property
    def spared(self) -> int:
        """How many of the burst only urgent messages may take."""
        return self.burst // SPARED

    def __str__(self) -> str:
        for unit in ("s", "m", "h"):
            number = self.a_second * SECONDS[unit]
            if number >= 1:
                return f"{number:g}/{unit}"
        return f"{self.a_second * SECONDS['h']:g}/h"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an account: troubles in a row, calls and troubles since `since` (a minute at most), how often it
    was paused without having worked between, and until when it is (None: it is used). `slowed_to`: the share of its rate
    that was left at `slowed_at`, when it last wanted to be asked less often."""

    in_a_row: int = 0
    calls: int = 0
    troubles: int = 0
    since: datetime | None = None
    pauses: int = 0
    paused_until: datetime | None = None
    slowed_to: float | None = None
    slowed_at: datetime | None = None

    def share(self, now: datetime) -> float:
        """How much of its rate is used now: it recovers by itself, a tenth a minute."""
        if self.slowed_to is None or self.slowed_at is None:
            return 1.0
        return min(1.0, self.slowed_to + max(timedelta(0), now - self.slowed_at) / RECOVERY)

    @property
    def well(self) -> bool:
        """Whether what works has nothing to make good. That it was slowed down passes by itself."""
        return self.paused_until is None and not self.in_a_row and not self.pauses


def after(standing: Standing, answers: Iterable[Answer], now: datetime) -> Standing:
    """The standing after these answers, in their order."""
    for answer in answers:
        standing = _after_one(standing, answer, now)
    return standing


def _after_one(standing: Standing, answer: Answer, now: datetime) -> Standing:
    if answer is Answer.slower:
        standing = _slowed(standing, now)
    if answer in (Answer.good, Answer.slower):
        # whatever works again is used again at once; what was begun before the pause says nothing of now
        if standing.paused_until is not None and now < standing.paused_until:
            return standing
        return replace(_counted(standing, 0, now), in_a_row=0, pauses=0, paused_until=None)
    counted = _counted(standing, 1, now)
    counted = replace(counted, in_a_row=standing.in_a_row + 1)
    if standing.paused_until is not None and now < standing.paused_until:
        return counted  # it was on its way when the pause began
    if standing.paused_until is not None or answer is Answer.wrong or _too_many(counted):
        return _paused(counted, now)
    return counted


def _slowed(standing: Standing, now: datetime) -> Standing:
    """Half of the rate it has now, once for all that were on their way."""
    if standing.slowed_at is not None and now - standing.slowed_at < HALVED_FOR:
        return standing
    return replace(standing, slowed_to=max(LEAST, standing.share(now) / 2), slowed_at=now)


def _counted(standing: Standing, trouble: int, now: datetime) -> Standing:
    if standing.since is None or now - standing.since > WINDOW:
        return replace(standing, calls=1, troubles=trouble, since=now)
    return replace(standing, calls=standing.calls + 1, troubles=standing.troubles + trouble)


def _too_many(standing: Standing) -> bool:
    half = standing.calls >= FEWEST_CALLS and 2 * standing.troubles >= standing.calls
    return standing.in_a_row >= IN_A_ROW or half


def _paused(standing: Standing, now: datetime) -> Standing:
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**standing.pauses)
    return replace(standing, pauses=standing.pauses + 1, paused_until=now + pause)
