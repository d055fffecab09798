"""Who stands in for whom, and when nobody is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from notify_app.policy.cover import Absence, Gap, gaps, stand_in

ANA, BEN, CLEO, DAN = (UUID(int=number) for number in range(1, 5))
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIME = (NOON, NOON + 24 * HOUR)


def away(who: UUID, first: int, last: int, other: UUID | None = None) -> Absence:
    return Absence(who, other, NOON + first * HOUR, NOON + last * HOUR)


def test_who_is_there_needs_nobody() -> None:
    assert stand_in(ANA, {}) is None


def test_a_substitute_stands_in_and_hands_on_when_away_too() -> None:
    assert stand_in(ANA, {ANA: BEN}) == BEN
    assert stand_in(ANA, {ANA: BEN, BEN: CLEO}) == CLEO
    assert stand_in(ANA, {ANA: BEN, BEN: None}) is None
    assert stand_in(ANA, {ANA: None}) is None


def test_those_who_stand_in_for_each_other_stand_in_for_nobody() -> None:
    assert stand_in(ANA, {ANA: BEN, BEN: ANA}) is None
    assert stand_in(ANA, {ANA: BEN, BEN: CLEO, CLEO: BEN}) is None


def test_a_gap_is_when_all_are_away_and_nobody_stands_in() -> None:
    both = [away(ANA, 2, 8), away(BEN, 5, 12)]
    assert gaps([ANA, BEN], both, *TIME) == [Gap(NOON + 5 * HOUR, NOON + 8 * HOUR)]
    assert gaps([ANA, BEN, CLEO], both, *TIME) == []
    assert gaps([ANA, BEN], [away(ANA, 2, 8), away(BEN, 5, 12, CLEO)], *TIME) == []


def test_a_substitute_who_is_away_too_leaves_a_gap() -> None:
    found = gaps([ANA], [away(ANA, 0, 10, BEN), away(BEN, 4, 6)], *TIME)
    assert found == [Gap(NOON + 4 * HOUR, NOON + 6 * HOUR)]


def test_gaps_that_touch_are_one_and_end_where_it_is_looked_no_further() -> None:
    found = gaps([ANA], [away(ANA, 1, 3), away(ANA, 3, 5), away(ANA, 20, 40)], *TIME)
    assert found == [Gap(NOON + HOUR, NOON + 5 * HOUR), Gap(NOON + 20 * HOUR, NOON + 24 * HOUR)]


people = st.sampled_from([ANA, BEN, CLEO, DAN])
absences = st.lists(
    st.builds(
        lambda who, first, length, other: away(who, first, first + length, other if other != who else None),
        people,
        st.integers(-5, 23),
        st.integers(1, 20),
        st.none() | people,
    ),
    max_size=8,
)


@given(st.lists(people, min_size=1, unique=True), absences, st.integers(0, 24 * 60 - 1))
def test_at_every_minute_a_gap_says_what_is_so(
    holders: list[UUID], those: list[Absence], minute: int
) -> None:
    at = NOON + timedelta(minutes=minute)
    now_away = {one.person_id: one.substitute_id for one in those if one.holds(at)}
    there = any(one not in now_away or stand_in(one, now_away) for one in holders)
    inside = any(one.starts_at <= at < one.ends_at for one in gaps(holders, those, *TIME))
    assert inside == (not there)
