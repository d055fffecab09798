"""When a digest is due and what is shown in it (requirement A12), over both clock changes and odd zones."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.domains.base import Priority
from notify_app.policy.digest import SHOWN, Line, Rhythm, Schedule, arrange, next_due
from notify_app.policy.quiet import QuietHours, release_at
from notify_app.policy.reasons import Reason
from notify_app.policy.routing import DIGEST, Choice, Matter, Reach, plan
from tests.policy.test_quiet import ZONES, at

pytestmark = pytest.mark.proves("A12")

DAILY, HOURLY = Schedule(Rhythm.daily), Schedule(Rhythm.hourly)
BERLIN = "Europe/Berlin"


def wall(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M}"


def due(schedule: Schedule, zone: str, *parts: int, **more: object) -> str:
    return wall(next_due(schedule, zone, at(zone, *parts), **more), zone)  # type: ignore[arg-type]


# --- when ----------------------------------------------------------------------------------------------------------


def test_a_daily_one_comes_at_nine_where_the_person_lives() -> None:
    assert due(DAILY, "Asia/Tokyo", 2026, 11, 24, 8, 59) == "Tue 2026-11-24 09:00"
    assert due(DAILY, "Asia/Tokyo", 2026, 11, 24, 9, 0) == "Wed 2026-11-25 09:00"


def test_a_weekly_one_comes_on_its_day() -> None:
    assert due(Schedule(Rhythm.weekly), BERLIN, 2026, 11, 24, 12, 0) == "Mon 2026-11-30 09:00"
    friday = Schedule(Rhythm.weekly, time(17, 30), 4)
    assert due(friday, BERLIN, 2026, 11, 27, 17, 29) == "Fri 2026-11-27 17:30"
    assert due(friday, BERLIN, 2026, 11, 27, 17, 30) == "Fri 2026-12-04 17:30"


def test_an_hourly_one_comes_at_the_full_hour_of_the_wall_clock() -> None:
    assert due(HOURLY, "Asia/Kathmandu", 2026, 11, 24, 14, 1) == "Tue 2026-11-24 15:00"
    assert due(HOURLY, "Asia/Kathmandu", 2026, 11, 24, 15, 0) == "Tue 2026-11-24 16:00"


def test_a_time_that_the_clock_jumps_over_is_the_first_instant_after_it() -> None:
    assert due(Schedule(Rhythm.daily, time(2, 30)), BERLIN, 2026, 3, 28, 12, 0) == "Sun 2026-03-29 03:00"


def test_a_time_that_comes_twice_is_its_first_and_comes_once() -> None:
    schedule = Schedule(Rhythm.daily, time(2, 30))
    first = next_due(schedule, BERLIN, at(BERLIN, 2026, 10, 24, 12, 0))
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert wall(next_due(schedule, BERLIN, first, last=first), BERLIN) == "Mon 2026-10-26 02:30"


def test_a_date_that_a_zone_has_left_out_has_none() -> None:
    # Apia had no 30 December 2011
    after = at("Pacific/Apia", 2011, 12, 29, 9, 0)
    assert wall(next_due(DAILY, "Pacific/Apia", after, last=after), "Pacific/Apia") == "Sat 2011-12-31 09:00"


def test_who_travels_has_one_on_a_local_date() -> None:
    had = at(BERLIN, 2026, 11, 24, 9, 0)
    # it is 04:00 of the same date in New York
    moved = next_due(DAILY, "America/New_York", had + timedelta(hours=1), last=had)
    assert wall(moved, "America/New_York") == "Wed 2026-11-25 09:00"
    assert next_due(DAILY, "America/New_York", had + timedelta(hours=1)) < moved, "without the first it comes"


def test_one_that_was_late_is_that_dates_only_one() -> None:
    late = at(BERLIN, 2026, 11, 24, 8, 0)
    assert wall(next_due(DAILY, BERLIN, late, last=late), BERLIN) == "Wed 2026-11-25 09:00"


def test_a_last_one_in_the_future_is_no_reason_to_wait() -> None:
    """As when the clock of a demo was moved back."""
    now = at(BERLIN, 2026, 11, 24, 8, 0)
    assert next_due(DAILY, BERLIN, now, last=now + timedelta(days=7)) == now + timedelta(hours=1)


def test_in_quiet_hours_it_waits_for_their_end() -> None:
    quiet = QuietHours(time(22), time(10))
    assert due(DAILY, BERLIN, 2026, 11, 24, 8, 0, quiet=quiet) == "Tue 2026-11-24 10:00"
    assert due(HOURLY, BERLIN, 2026, 11, 24, 21, 30, quiet=quiet) == "Wed 2026-11-25 10:00"


def test_one_of_yesterday_that_waits_for_the_morning_is_still_the_next() -> None:
    late, quiet = Schedule(Rhythm.daily, time(23, 30)), QuietHours(time(22), time(7))
    assert due(late, BERLIN, 2026, 11, 25, 3, 0, quiet=quiet) == "Wed 2026-11-25 07:00"
    had = at(BERLIN, 2026, 11, 25, 7, 0)
    assert due(late, BERLIN, 2026, 11, 25, 7, 0, quiet=quiet, last=had) == "Thu 2026-11-26 07:00"


SCHEDULES = st.builds(
    Schedule,
    st.sampled_from(Rhythm),
    st.times().map(lambda one: one.replace(second=0, microsecond=0, fold=0)),
    st.integers(0, 6),
)
MOMENTS = st.integers(0, 3 * 365 * 24 * 60 * 60).map(
    lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@given(schedule=SCHEDULES, zone=st.sampled_from(ZONES), now=MOMENTS)
def test_the_next_one_is_later_and_not_too_late(schedule: Schedule, zone: str, now: datetime) -> None:
    found = next_due(schedule, zone, now)
    longest = {
        Rhythm.hourly: timedelta(hours=1.5),
        Rhythm.daily: timedelta(hours=26),
        Rhythm.weekly: timedelta(days=7, hours=2),
    }[schedule.rhythm]
    assert now < found <= now + longest
    local = found.astimezone(ZoneInfo(zone))
    if schedule.rhythm is Rhythm.hourly:
        assert local.minute == local.second == 0
    elif schedule.rhythm is Rhythm.weekly:
        assert local.weekday() == schedule.day


@given(schedule=SCHEDULES, zone=st.sampled_from(ZONES), now=MOMENTS)
def test_they_follow_each_other_once_on_each_local_date(schedule: Schedule, zone: str, now: datetime) -> None:
    moments = [next_due(schedule, zone, now)]
    for _ in range(9):
        moments.append(next_due(schedule, zone, moments[-1], last=moments[-1]))
    assert moments == sorted(set(moments))
    if schedule.rhythm is not Rhythm.hourly:
        dates = [moment.astimezone(ZoneInfo(zone)).date() for moment in moments]
        step = 1 if schedule.rhythm is Rhythm.daily else 7
        assert {(b - a).days for a, b in pairwise(dates)} == {step}


@given(
    schedule=SCHEDULES,
    zone=st.sampled_from(ZONES),
    now=MOMENTS,
    start=st.times(),
    end=st.times(),
)
def test_it_is_never_due_in_quiet_hours(
    schedule: Schedule, zone: str, now: datetime, start: time, end: time
) -> None:
    quiet = QuietHours(start.replace(microsecond=0, fold=0), end.replace(microsecond=0, fold=0))
    found = next_due(schedule, zone, now, quiet=quiet)
    assert found > now
    if quiet.start != quiet.end:
        assert release_at(quiet, zone, found) is None


# --- what is shown -------------------------------------------------------------------------------------------------


def line(title: str, priority: int = 3, category: str = "reward", minute: int = 0) -> Line:
    return Line(category, priority, datetime(2026, 11, 24, 12, minute, tzinfo=UTC), title)


def test_the_most_pressing_come_first_then_the_newest() -> None:
    lines = [line("old", minute=1), line("new", minute=9), line("high", 2), line("low", 4, minute=30)]
    (group,) = arrange(lines, {"reward": 4})
    assert [one.title for one in group.lines] == ["high", "new", "old", "low"]


def test_ten_are_shown_and_all_are_counted() -> None:
    lines = [line(f"{number}", minute=number) for number in range(12)]
    (group,) = arrange(lines, {"reward": 312})
    assert (group.count, len(group.lines)) == (312, SHOWN)
    assert [one.title for one in group.lines] == [str(number) for number in range(11, 1, -1)]


def test_a_category_comes_as_early_as_its_most_pressing_line_and_none_is_left_out() -> None:
    lines = [line("a", 3, "reward"), line("b", 2, "approval"), line("c", 4, "system")]
    groups = arrange(lines, {"reward": 9, "approval": 1, "system": 4}, shown=2)
    assert [(one.category, one.count, len(one.lines)) for one in groups] == [
        ("approval", 1, 1),
        ("reward", 9, 1),
        ("system", 4, 0),
    ]


# --- what is kept for it -------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DUE = datetime(2026, 11, 25, 9, tzinfo=UTC)
MAIL, PHONE = Reach("email", "marco@example.com"), Reach("sms", "+12025550102")
KEPT = ("digested", Reason.digested)


def decided(
    priority: Priority,
    *reaches: Reach,
    on: bool = True,
    channels: tuple[str, ...] | None = None,
    **switches: bool,
) -> dict[str, tuple[str, Reason]]:
    """What is decided for somebody whose rewards come in a digest (unless `on` is False)."""
    chosen = {("category:reward", DIGEST): True}
    chosen |= {(name.replace("_", ":"), "email"): value for name, value in switches.items()}
    matter = Matter("voucher", "reward", priority, channels)
    choice = Choice(chosen, None, DUE if on else None)
    found = plan(matter, reaches, choice, signs_in=True, zone="UTC", now=NOW)
    assert {one.channel for one in found.messages} == {
        one.channel for one in found.record if one.outcome == "told" and one.channel != "inapp"
    }
    return {one.channel: (one.outcome, one.reason) for one in found.record if one.channel != "inapp"}


def test_an_email_is_kept_with_when_it_is_due() -> None:
    assert decided(Priority.medium, MAIL, PHONE) == {"email": KEPT}
    matter, choice = Matter("voucher", "reward", Priority.medium), {("category:reward", DIGEST): True}
    told = plan(matter, [MAIL], Choice(choice, None, DUE), signs_in=True, zone="UTC", now=NOW).record[1]
    assert told.detail == {"until": DUE.isoformat()}


def test_without_a_digest_the_choice_of_its_categories_means_nothing() -> None:
    assert decided(Priority.medium, MAIL, on=False) == {"email": ("told", Reason.priority_channel)}


def test_urgent_is_never_kept() -> None:
    assert decided(Priority.urgent, MAIL, PHONE) == {
        "sms": ("told", Reason.priority_channel),
        "email": ("told", Reason.priority_channel),
    }


def test_an_sms_never_waits_and_an_email_beside_it_does() -> None:
    assert decided(Priority.high, MAIL, PHONE, channels=("sms", "email")) == {
        "sms": ("told", Reason.event_channel),
        "email": KEPT,
    }


def test_what_stands_in_for_an_sms_goes_at_once() -> None:
    assert decided(Priority.high, MAIL) == {
        "sms": ("not_told", Reason.no_address),
        "email": ("told", Reason.fallback_channel),
    }


def test_without_an_address_nothing_is_kept_and_another_way_is_taken() -> None:
    assert decided(Priority.medium, PHONE) == {
        "email": ("not_told", Reason.no_address),
        "sms": ("told", Reason.fallback_channel),
    }


def test_a_choice_for_the_event_beats_the_digest_of_its_category() -> None:
    assert decided(Priority.medium, MAIL, event_voucher=True) == {"email": ("told", Reason.priority_channel)}
    assert decided(Priority.medium, MAIL, event_voucher=False) == {
        "email": ("not_told", Reason.preference_event)
    }
    assert decided(Priority.medium, MAIL, category_reward=False) == {
        "email": ("not_told", Reason.preference_category)
    }


def test_nobody_is_unreached_because_of_a_digest() -> None:
    matter = Matter("voucher", "reward", Priority.high, ("email",))
    choice = Choice({("category:reward", DIGEST): True}, None, DUE)
    found = plan(matter, [MAIL, PHONE], choice, signs_in=True, zone="UTC", now=NOW)
    assert (found.messages, found.unreached) == ((), False)
