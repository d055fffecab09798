"""A time as somebody typed it: which instant it is, and which does not exist."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from notify_app.policy.wall import NoSuchTime, instant_of, wall_of

BERLIN = "Europe/Berlin"


def test_a_wall_time_is_an_instant_of_its_zone_in_summer_and_in_winter():
    assert instant_of("2026-07-01T09:30", BERLIN) == datetime(2026, 7, 1, 7, 30, tzinfo=UTC)
    assert instant_of("2026-12-01T09:30", BERLIN) == datetime(2026, 12, 1, 8, 30, tzinfo=UTC)


def test_a_time_that_happens_twice_is_its_first():
    assert instant_of("2026-10-25T02:30", BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_time_that_the_clocks_jump_over_does_not_exist():
    with pytest.raises(NoSuchTime, match="02:30"):
        instant_of("2026-03-29T02:30", BERLIN)
    assert instant_of("2026-03-29T03:00", BERLIN) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize("typed", ["", "soon", "2026-13-01T10:00", "2026-07-01T09:30Z", "0001-01-01T00:00"])
def test_what_is_no_time_is_refused(typed):
    with pytest.raises(ValueError):
        instant_of(typed, "Asia/Tokyo")


def test_it_goes_back_to_the_form_as_it_was_typed():
    assert wall_of(instant_of("2026-07-01T09:30", BERLIN), BERLIN) == "2026-07-01T09:30"
