"""When an account is left alone, and how fast it may be asked, as pure arithmetic (reliability.md §3.3, A14)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.policy.provider import FIRST_PAUSE, IN_A_ROW, LONGEST_PAUSE, Answer, Rate, Standing, after

pytestmark = pytest.mark.proves("A14")

NOON = datetime(2027, 2, 10, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
GOOD, TROUBLE, WRONG, SLOWER = Answer.good, Answer.trouble, Answer.wrong, Answer.slower


def test_five_in_a_row_pause_it_and_four_do_not() -> None:
    assert after(Standing(), [TROUBLE] * 4, NOON).paused_until is None
    assert after(Standing(), [TROUBLE] * 4 + [GOOD] + [TROUBLE] * 4, NOON).paused_until is None
    assert after(Standing(), [TROUBLE] * 5, NOON).paused_until == NOON + FIRST_PAUSE


def test_half_of_twenty_within_a_minute_pause_it() -> None:
    mixed = [GOOD, TROUBLE] * 10
    assert after(Standing(), mixed[:-1], NOON).paused_until is None
    assert after(Standing(), mixed, NOON).paused_until == NOON + FIRST_PAUSE
    earlier = after(Standing(), mixed[:-1], NOON - timedelta(seconds=61))
    assert after(earlier, [TROUBLE], NOON).paused_until is None, "that minute is over"


def test_a_wrong_account_is_paused_at_once_and_one_that_wants_it_slower_is_not() -> None:
    assert after(Standing(), [WRONG], NOON).paused_until == NOON + FIRST_PAUSE
    assert after(Standing(), [SLOWER] * 50, NOON).paused_until is None


def test_each_failed_probe_doubles_the_pause_up_to_ten_minutes_and_a_good_one_ends_it() -> None:
    standing, now, pauses = after(Standing(), [WRONG], NOON), NOON, []
    for _ in range(7):
        assert standing.paused_until is not None
        now = standing.paused_until + SECOND
        standing = after(standing, [TROUBLE], now)
        assert standing.paused_until is not None
        pauses.append((standing.paused_until - now).total_seconds())
    assert pauses == [60, 120, 240, 480, 600, 600, 600]
    assert after(standing, [GOOD], standing.paused_until + SECOND).well


def test_what_was_on_its_way_when_the_pause_began_neither_ends_nor_lengthens_it() -> None:
    paused = after(Standing(), [TROUBLE] * IN_A_ROW, NOON)
    late = after(paused, [TROUBLE, GOOD, TROUBLE], NOON + SECOND)
    assert (late.paused_until, late.pauses) == (paused.paused_until, 1)


@given(st.lists(st.tuples(st.sampled_from(Answer), st.integers(0, 700)), max_size=80))
def test_a_pause_always_ends_and_is_never_longer_than_ten_minutes(
    answers: list[tuple[Answer, int]],
) -> None:
    standing, now = Standing(), NOON
    for answer, gap in answers:
        now += gap * SECOND
        standing = after(standing, [answer], now)
        assert standing.paused_until is None or standing.paused_until - now <= LONGEST_PAUSE
        assert standing.troubles <= standing.calls


@pytest.mark.parametrize(
    ("text", "rate", "says"),
    [
        ("14/s", Rate(14.0, 14), "14/s"),
        ("600/m", Rate(10.0, 10), "10/s"),
        ("90/m", Rate(1.5, 1), "1.5/s"),
        ("30/m", Rate(0.5, 1), "30/m"),
        (" 0.5/s ", Rate(0.5, 1), "30/m"),
    ],
)
def test_a_rate_reads_as_people_write_it(text: str, rate: Rate, says: str) -> None:
    assert Rate.of(text) == rate
    assert str(rate) == says
    assert Rate.of(str(rate)) == rate


@pytest.mark.parametrize("text", ["", "fast", "14", "14/d", "-1/s", "0/s", "1e9/s", "14/s/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        Rate.of(text)


# --- asked too often -------------------------------------------------------------------------------------------------


def test_a_provider_that_is_asked_too_often_has_half_its_rate_and_a_tenth_more_each_minute() -> None:
    slowed = after(Standing(), [Answer.slower], NOON)
    shares = [round(slowed.share(NOON + timedelta(minutes=minutes)), 3) for minutes in range(7)]
    assert shares == [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0]
    again = after(slowed, [Answer.slower], NOON + timedelta(minutes=2))
    assert again.share(NOON + timedelta(minutes=2)) == pytest.approx(0.35)


def test_all_that_were_on_their_way_halve_it_once() -> None:
    many = after(Standing(), [Answer.slower, Answer.good] * 30, NOON)
    later = after(many, [Answer.slower], NOON + timedelta(seconds=9))
    assert many.share(NOON) == later.slowed_to == 0.5


@given(st.lists(st.tuples(st.sampled_from(Answer), st.integers(0, 900)), max_size=60))
def test_a_rate_never_ends_and_is_whole_again_ten_minutes_later(steps: list[tuple[Answer, int]]) -> None:
    standing, now = Standing(), NOON
    for answer, seconds in steps:
        now += timedelta(seconds=seconds)
        before = standing.share(now)
        standing = after(standing, [answer], now)
        assert 1 / 64 <= standing.share(now) <= 1
        # nothing that is answered speeds it up: only time does
        assert standing.share(now) <= before or before < 1 / 64
        assert standing.share(now + timedelta(minutes=10)) == 1


@pytest.mark.parametrize(("share", "times"), [(1.0, Rate(10, 10)), (0.5, Rate(5, 5)), (0.01, Rate(0.1, 1))])
def test_a_share_of_a_rate_lets_at_least_one_leave(share: float, times: Rate) -> None:
    assert Rate(10, 10).times(share) == times
