"""What an organisation may spend on SMS: who may still take of it, what is kept for what is urgent, when to warn. Pure.

A budget is an amount a month, and a second one a day where that is wanted, both in the organisation's own time zone. A share
of each, the reserve, is for what is urgent. What is not urgent may spend up to the rest, and its percentages are of that
rest: at 80 % a warning, at 100 % no more of it. What is urgent is counted and never refused, also when the reserve is gone: the
amount protects an account, the message may protect a life.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from enum import StrEnum

__all__ = [
    "MOST",
    "MOST_RESERVE",
    "USUAL_RESERVE",
    "WARN_AT",
    "Budget",
    "Level",
    "Period",
    "Purse",
    "amount",
    "days_of_month",
    "first_of_month",
    "level",
    "next_month",
    "projected",
]

USUAL_RESERVE, MOST_RESERVE = 15, 50  # percent
WARN_AT = Decimal("0.8")
MOST = Decimal(1_000_000)  # US$: more is a slip of the keyboard
CENT = Decimal("0.01")


class Period(StrEnum):
    """For how long an amount is."""

    month = "month"
    day = "day"


class Level(StrEnum):
    """How far a budget is used; each is told once."""

    near = "near"  # 80 % of what is not urgent may spend
    used = "used"  # all of that
    gone = "gone"  # the reserve too


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent in US$; `reserve` in percent of each amount."""

    month: Decimal
    day: Decimal | None = None
    reserve: int = USUAL_RESERVE

    def limit(self, period: Period) -> Decimal | None:
        """The whole amount of a period; None where there is none."""
        return self.month if period is Period.month else self.day

    def ordinary(self, period: Period) -> Decimal | None:
        """What of it is for messages that are not urgent."""
        limit = self.limit(period)
        return None if limit is None else limit * (100 - self.reserve) / 100


class Purse:
    """What is left while messages are decided on one after the other: spent, or about to be by others, in each period."""

    def __init__(self, budget: Budget, *, month: Decimal, day: Decimal) -> None:
        self._budget = budget
        self._spent = {Period.month: month, Period.day: day}
        self.taken = Decimal(0)
        self.short: set[Period] = set()  # for want of which something was refused

    def take(self, cost: Decimal, *, urgent: bool) -> bool:
        """Whether this message may be paid; then it counts for those after it."""
        short = set() if urgent else {one for one in Period if self._over(one, cost)}
        self.short |= short
        if short:
            return False
        self.taken += cost
        return True

    def left(self, period: Period) -> Decimal | None:
        """What messages that are not urgent may still cost; None is without limit."""
        ordinary = self._budget.ordinary(period)
        return None if ordinary is None else max(Decimal(0), ordinary - self._spent[period] - self.taken)

    def _over(self, period: Period, cost: Decimal) -> bool:
        ordinary = self._budget.ordinary(period)
        return ordinary is not None and self._spent[period] + self.taken + cost > ordinary


def level(budget: Budget, period: Period, spent: Decimal, *, refused: bool) -> Level | None:
    """How far the budget of a period is used, or None. `refused`: a message did not leave for want of it, which is as good as
    used up, though the last cents are too few to be spent."""
    limit, ordinary = budget.limit(period), budget.ordinary(period)
    if limit is None or ordinary is None:
        return None
    if spent >= limit and (spent > 0 or refused) and budget.reserve:
        return Level.gone
    if refused or (spent >= ordinary and spent > 0):
        return Level.used
    return Level.near if spent > 0 and spent >= ordinary * WARN_AT else None


def amount(said: str) -> Decimal:
    """US dollars as somebody types them: "250", "12.50", "1,200.50", "$50". Raises ValueError, a sentence."""
    try:
        value = Decimal(said.strip().removeprefix("$").replace(",", "").strip())
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value <= MOST:
        raise ValueError(f"Write an amount in US dollars from 0 to {MOST:,}, such as 250 or 12.50.")
    if value != value.quantize(CENT):
        raise ValueError("Write it with two decimals at most, such as 12.50.")
    return abs(value.quantize(CENT))


def first_of_month(on: date) -> date:
    return on.replace(day=1)


def next_month(on: date) -> date:
    return (on.replace(day=1) + timedelta(days=32)).replace(day=1)


def days_of_month(on: date) -> int:
    return (next_month(on) - first_of_month(on)).days


def projected(spent: Decimal, local_now: datetime) -> Decimal | None:
    """What the month will have cost at its end if it goes on as it has begun; None in its first day, which says nothing.
    `local_now` on the organisation's own clock."""
    midnight = local_now.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = Decimal(local_now.day - 1) + Decimal((local_now - midnight).total_seconds()) / 86400
    if passed < 1:
        return None
    return (spent / passed * days_of_month(local_now.date())).quantize(CENT, ROUND_DOWN)
