"""Quiet hours in wall-clock time (requirement A8), over both clock changes and odd zones."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.policy.quiet import QuietHours, release_at

pytestmark = pytest.mark.proves("A8")

NIGHT = QuietHours(time(22), time(7))
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Africa/Casablanca",
    "Antarctica/Troll",
)


def at(zone: str, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[misc,arg-type]


def test_outside_of_the_window_nothing_waits() -> None:
    assert release_at(NIGHT, "Europe/Berlin", at("Europe/Berlin", 2026, 11, 24, 21, 59)) is None
    assert release_at(NIGHT, "Europe/Berlin", at("Europe/Berlin", 2026, 11, 24, 7, 0)) is None
    assert release_at(None, "Europe/Berlin", at("Europe/Berlin", 2026, 11, 24, 23, 0)) is None


def test_a_window_across_midnight_ends_in_the_morning_of_the_persons_own_zone() -> None:
    morning = at("America/New_York", 2026, 11, 25, 7, 0)
    for hour, day in ((22, 24), (23, 24), (0, 25), (6, 25)):
        assert (
            release_at(NIGHT, "America/New_York", at("America/New_York", 2026, 11, day, hour, 0)) == morning
        )


def test_days_are_those_on_which_the_window_begins() -> None:
    weekdays = QuietHours(time(22), time(7), frozenset({0, 1, 2, 3, 4}))
    friday_night, saturday_night = at("UTC", 2026, 11, 27, 23, 0), at("UTC", 2026, 11, 28, 23, 0)
    assert release_at(weekdays, "UTC", friday_night) == at("UTC", 2026, 11, 28, 7, 0)
    assert release_at(weekdays, "UTC", saturday_night) is None


def test_the_night_of_a_clock_change_is_an_hour_shorter_or_longer() -> None:
    spring = release_at(NIGHT, "Europe/Berlin", at("Europe/Berlin", 2026, 3, 28, 22, 0))
    autumn = release_at(NIGHT, "Europe/Berlin", at("Europe/Berlin", 2026, 10, 24, 22, 0))
    assert spring == datetime(2026, 3, 29, 5, 0, tzinfo=UTC)
    assert autumn == datetime(2026, 10, 25, 6, 0, tzinfo=UTC)


def test_an_end_that_the_clock_jumps_over_is_the_first_instant_after_it() -> None:
    quiet = QuietHours(time(22), time(2, 30))
    released = release_at(quiet, "Europe/Berlin", at("Europe/Berlin", 2026, 3, 28, 23, 0))
    assert released == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)  # 03:00 in Berlin


def test_an_end_that_comes_twice_is_its_first() -> None:
    quiet = QuietHours(time(22), time(2, 30))
    released = release_at(quiet, "Europe/Berlin", at("Europe/Berlin", 2026, 10, 24, 23, 0))
    assert released == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_day_that_does_not_exist_holds_nobody_for_ever() -> None:
    # Apia had no 30 December 2011
    released = release_at(NIGHT, "Pacific/Apia", at("Pacific/Apia", 2011, 12, 29, 23, 0))
    assert released is not None
    assert released - at("Pacific/Apia", 2011, 12, 29, 23, 0) <= timedelta(hours=10)


@given(
    start=st.times(),
    end=st.times(),
    zone=st.sampled_from(ZONES),
    now=st.integers(0, 3 * 365 * 24 * 60).map(
        lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    days=st.frozensets(st.integers(0, 6)),
)
def test_what_is_held_is_released_later_and_then_is_free(
    start: time, end: time, zone: str, now: datetime, days: frozenset[int]
) -> None:
    start, end = start.replace(microsecond=0, fold=0), end.replace(microsecond=0, fold=0)
    quiet = QuietHours(start, end, days)
    released = release_at(quiet, zone, now)
    if released is None:
        return
    assert now < released <= now + timedelta(days=9)
    if len(days) < 7 and start != end:
        assert release_at(quiet, zone, released) is None
