"""What an office may spend on SMS: the purse against a plain sum, levels that only rise, amounts as people type them."""

from __future__ import annotations

import contextlib
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from notify_app.policy.budget import (
    MOST,
    Budget,
    Level,
    Period,
    Purse,
    amount,
    days_of_month,
    first_of_month,
    level,
    next_month,
    projected,
)

pytestmark = pytest.mark.proves("A9", "A14")

CENTS = st.integers(0, 100_000).map(lambda cents: Decimal(cents) / 100)
COSTS = st.integers(0, 50_000).map(lambda units: Decimal(units) / 100_000)
BUDGETS = st.builds(Budget, CENTS, st.none() | CENTS, st.integers(0, 50))
RISING: list[Level | None] = [None, Level.near, Level.used, Level.gone]


@given(BUDGETS, CENTS, CENTS, st.lists(st.tuples(COSTS, st.booleans()), max_size=40))
def test_what_is_not_urgent_never_goes_over_its_part_and_what_is_urgent_always_goes(
    budget: Budget, month: Decimal, day: Decimal, messages: list[tuple[Decimal, bool]]
) -> None:
    purse = Purse(budget, month=month, day=day)
    total = Decimal(0)
    for cost, urgent in messages:
        fits = True
        for spent, whole in ((month, budget.month), (day, budget.day)):
            if whole is not None and spent + total + cost > whole - whole * budget.reserve / 100:
                fits = False
        assert purse.take(cost, urgent=urgent) == (urgent or fits)
        total += cost if urgent or fits else 0
        assert purse.taken == total
    refused_for = {period for period in purse.short if budget.limit(period) is not None}
    assert refused_for == purse.short


@given(BUDGETS, CENTS)
def test_what_is_left_can_be_taken_and_not_a_cent_more(budget: Budget, spent: Decimal) -> None:
    purse = Purse(budget, month=spent, day=Decimal(0))
    left = min(one for one in map(purse.left, Period) if one is not None)
    assume(left > 0)
    assert not purse.take(left + Decimal("0.00001"), urgent=False)
    assert purse.take(left, urgent=False)


@given(BUDGETS, st.sampled_from(Period), CENTS, CENTS, st.booleans())
def test_more_spent_is_never_less_used(
    budget: Budget, period: Period, spent: Decimal, more: Decimal, refused: bool
) -> None:
    before = level(budget, period, spent, refused=refused)
    after = level(budget, period, spent + more, refused=refused)
    assert RISING.index(after) >= RISING.index(before)
    assert level(budget, period, Decimal(0), refused=False) is None


@pytest.mark.parametrize(
    ("spent", "refused", "reached"),
    [
        ("67.99", False, None),
        ("68.00", False, "near"),  # 80 % of the 85 that are not kept
        ("84.99", False, "near"),
        ("84.99", True, "used"),
        ("85.00", False, "used"),
        ("99.99", True, "used"),
        ("100.00", False, "gone"),
    ],
)
def test_the_levels_of_a_hundred_dollars_of_which_fifteen_are_kept(
    spent: str, refused: bool, reached: str | None
) -> None:
    assert level(Budget(Decimal(100)), Period.month, Decimal(spent), refused=refused) == reached
    assert level(Budget(Decimal(100)), Period.day, Decimal(spent), refused=refused) is None


def test_without_a_reserve_used_up_is_the_last_word() -> None:
    assert level(Budget(Decimal(100), None, 0), Period.month, Decimal(200), refused=True) is Level.used


@pytest.mark.parametrize(
    ("said", "value"),
    [("250", "250"), (" 12.50 ", "12.5"), ("$1,200.5", "1200.5"), ("0", "0"), ("1e2", "100")],
)
def test_an_amount_is_read_as_people_type_it(said: str, value: str) -> None:
    assert amount(said) == Decimal(value)


@given(st.text(max_size=30))
def test_whatever_is_typed_is_an_amount_within_bounds_or_a_sentence(said: str) -> None:
    value: Decimal | None = None
    with contextlib.suppress(ValueError):
        value = amount(said)
    assert value is None or (0 <= value <= MOST and value == round(value, 2))


@given(st.dates(date(1970, 1, 1), date(9000, 1, 1)))
def test_a_month_begins_ends_and_has_its_days(on: date) -> None:
    first, following = first_of_month(on), next_month(on)
    assert first <= on < following
    assert (first.day, following.day) == (1, 1)
    assert following - timedelta(days=1) == first + timedelta(days=days_of_month(on) - 1)


@given(COSTS, st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1)))  # noqa: DTZ001 - a clock on a wall
def test_a_forecast_is_never_less_than_what_is_spent(spent: Decimal, clock: Any) -> None:
    found = projected(spent, clock)
    assert (found is None) == (clock.day == 1)
    assert found is None or found >= spent.quantize(Decimal("0.01"), "ROUND_DOWN")
