"""How often one person is written to, as pure arithmetic (requirement A14)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.errors import Invalid
from notify_app.policy.channel import Limit, limits, longest
from notify_app.policy.limits import Pace, burst_until, limit_until
from notify_app.policy.office import OfficeSettings, read

pytestmark = pytest.mark.proves("A14")

NOON = datetime(2027, 2, 10, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
THREE_AN_HOUR = Limit("sms_an_hour", "sms", 3, HOUR)
TEN_A_DAY = Limit("sms_a_day", "sms", 10, DAY)


def test_the_first_goes_at_once() -> None:
    assert burst_until(MINUTE, [], NOON) is None
    assert burst_until(MINUTE, [NOON - MINUTE], NOON) is None, "the minute before is over"


def test_the_rest_waits_for_the_end_of_the_minute_that_the_first_began() -> None:
    first = NOON - timedelta(seconds=40)
    assert burst_until(MINUTE, [NOON - timedelta(seconds=5), first], NOON) == first + MINUTE


@given(
    st.lists(st.integers(0, 300).map(lambda seconds: NOON - timedelta(seconds=seconds))),
    st.integers(0, 600).map(lambda seconds: timedelta(seconds=seconds)),
)
def test_nothing_waits_longer_than_a_burst_gathers(left: list[datetime], burst: timedelta) -> None:
    until = burst_until(burst, left, NOON)
    assert until is None or NOON < until <= NOON + burst


def test_a_limit_allows_as_many_as_it_says_in_any_of_its_windows() -> None:
    left = [NOON - timedelta(minutes=minutes) for minutes in (50, 20, 10)]
    assert limit_until([THREE_AN_HOUR], left[1:], NOON) is None
    assert limit_until([THREE_AN_HOUR], left, NOON) == left[0] + HOUR
    assert limit_until([THREE_AN_HOUR], left, left[0] + HOUR) is None


def test_of_several_limits_the_longest_wait_counts() -> None:
    left = [NOON - timedelta(minutes=minutes) for minutes in range(10)]
    assert limit_until([THREE_AN_HOUR, TEN_A_DAY], left, NOON) == NOON - timedelta(minutes=9) + DAY


@given(st.lists(st.integers(0, 2 * 24 * 3600).map(lambda seconds: NOON - timedelta(seconds=seconds))))
def test_when_a_limit_lets_go_one_more_is_within_it(left: list[datetime]) -> None:
    until = limit_until([THREE_AN_HOUR, TEN_A_DAY], left, NOON)
    at = until or NOON
    for limit in (THREE_AN_HOUR, TEN_A_DAY):
        assert sum(at - one < limit.window for one in left) < limit.most
    if until:
        just_before = until - timedelta(microseconds=1)
        assert limit_until([THREE_AN_HOUR, TEN_A_DAY], left, just_before) is not None, (
            "and no later than it must"
        )


def test_every_limit_is_a_setting_of_the_office_and_0_is_without() -> None:
    assert Pace.of(OfficeSettings()).limits == limits()
    assert all(OfficeSettings().most(one) == one.most for one in limits())
    assert max(one.window for one in limits()) == longest()
    pace = Pace.of(read(OfficeSettings, {"sms_an_hour": 0, "sms_a_day": 5, "burst_seconds": 0}))
    assert [(one.name, one.most, one.window) for one in pace.limits_of("sms")] == [("sms_a_day", 5, DAY)]
    assert not pace.burst


@pytest.mark.parametrize("name", ["burst_seconds", "sms_an_hour", "email_a_day"])
@pytest.mark.parametrize("value", [-1, 10_001, "many"])
def test_a_number_that_cannot_be_is_refused_and_named(name: str, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        read(OfficeSettings, {name: value})
    assert [one.field for one in refused.value.fields] == [name]
