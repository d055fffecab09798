"""The ladder (D4): which level comes next and when; the same function climbs and simulates."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from notify_app import domains
from notify_app.policy.ladder import DAILY, Fire, Ladder, Level, declared, following, play
from notify_app.policy.worktime import WorkingTime, later, opens

pytestmark = pytest.mark.proves("D4")

OPENED = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TWO = Ladder(
    levels=(
        Level(after=240, tell=("assignee",)),
        Level(after=240, tell=("role:administrator",), says="escalated"),
    )
)
ONCE = Ladder(
    levels=(
        Level(after=60, tell=("assignee",), repeat=None),
        Level(after=30, tell=("office",), says="escalated", repeat=None),
        Level(after=30, tell=("grade:A",), says="escalated", repeat=None),
    )
)


def fire(level: int, repetition: int, due: datetime, late: timedelta = timedelta(0)) -> Fire:
    return Fire(level, repetition, due, due + late)


# --- what comes next -----------------------------------------------------------------------------------------------


def test_past_its_limit_then_past_twice_the_limit_then_both_every_day() -> None:
    told = [(one.level, one.repetition, one.due_at) for one in play(TWO, OPENED, OPENED + 2.5 * DAY)]
    first, second = OPENED + 4 * HOUR, OPENED + 8 * HOUR
    assert told == [
        (0, 0, first),
        (1, 0, second),
        (0, 1, first + DAY),
        (1, 1, second + DAY),
        (0, 2, first + 2 * DAY),
        (1, 2, second + 2 * DAY),
    ]


def test_a_level_that_does_not_repeat_comes_once_and_then_there_is_no_more() -> None:
    told = play(ONCE, OPENED, OPENED + 90 * DAY)
    assert [(one.level, one.due_at - OPENED) for one in told] == [
        (0, 1 * HOUR),
        (1, 1.5 * HOUR),
        (2, 2 * HOUR),
    ]
    assert following(ONCE, OPENED, told) is None


def test_a_few_seconds_of_a_sweep_do_not_add_up() -> None:
    told = [fire(0, 0, OPENED + HOUR, timedelta(seconds=14))]
    coming = following(ONCE, OPENED, told)
    assert coming is not None and coming.due_at == OPENED + 1.5 * HOUR


def test_after_an_outage_it_climbs_one_level_per_delay() -> None:
    back = OPENED + 5 * HOUR
    told = [Fire(0, 0, OPENED + HOUR, back)]
    coming = following(ONCE, OPENED, told)
    assert coming is not None
    assert (coming.level, coming.due_at) == (1, back + timedelta(minutes=30)), "not at once, though long past"


def test_of_repetitions_that_an_outage_swallowed_one_comes() -> None:
    first = OPENED + 4 * HOUR
    back = first + 5 * DAY
    told = [fire(0, 0, first), fire(1, 0, first + 4 * HOUR), Fire(0, 1, first + DAY, back)]
    coming = following(TWO, OPENED, told)
    assert coming is not None
    assert (coming.level, coming.repetition, coming.due_at) == (1, 1, first + 4 * HOUR + DAY)
    told.append(Fire(1, 1, coming.due_at, back))
    coming = following(TWO, OPENED, told)
    assert coming is not None and coming.due_at == back + DAY


def test_an_acknowledgement_that_lapses_tells_the_last_one_again_and_goes_on_from_there() -> None:
    resumed = OPENED + 10 * HOUR
    told = [fire(0, 0, OPENED + HOUR)]
    again = following(ONCE, OPENED, told, resumed_at=resumed)
    assert again is not None and (again.level, again.repetition, again.due_at) == (0, 1, resumed)
    told.append(fire(0, 1, resumed))
    coming = following(ONCE, OPENED, told, resumed_at=resumed)
    assert coming is not None and (coming.level, coming.due_at) == (1, resumed + timedelta(minutes=30))


def test_one_that_was_acknowledged_before_its_first_level_begins_with_it() -> None:
    resumed = OPENED + 3 * HOUR
    coming = following(ONCE, OPENED, [], resumed_at=resumed)
    assert coming is not None and (coming.level, coming.due_at) == (0, resumed)


def test_what_did_not_arrive_brings_the_next_level_at_once() -> None:
    lost = OPENED + HOUR + timedelta(minutes=3)
    coming = following(ONCE, OPENED, [fire(0, 0, OPENED + HOUR)], hastened_at=lost)
    assert coming is not None and (coming.level, coming.due_at) == (1, lost)
    late = following(ONCE, OPENED, [fire(0, 0, OPENED + HOUR)], hastened_at=OPENED + 9 * HOUR)
    assert late is not None and late.due_at == OPENED + 1.5 * HOUR, "it never comes later for that"


def test_what_is_acknowledged_is_not_played_on() -> None:
    told = play(TWO, OPENED, OPENED + 3 * DAY, acknowledged_at=OPENED + 6 * HOUR)
    assert [one.level for one in told] == [0]


def test_what_is_acknowledged_for_a_while_is_played_on_after_that() -> None:
    ladder = ONCE.model_copy(update={"lapses": 120})
    told = play(ladder, OPENED, OPENED + DAY, acknowledged_at=OPENED + 1.2 * HOUR)
    assert [(one.level, one.repetition, one.due_at - OPENED) for one in told] == [
        (0, 0, HOUR),
        (0, 1, 3.2 * HOUR),
        (1, 0, 3.7 * HOUR),
        (2, 0, 4.2 * HOUR),
    ]


# --- declarations --------------------------------------------------------------------------------------------------


def test_without_a_rule_the_tasks_own_limit_counts() -> None:
    for kind in domains.kinds():
        for task in kind.tasks:
            ladder = declared(task)
            names = [("overdue", task.overdue), ("escalated", task.escalated)]
            assert [one.says for one in ladder.levels] == [says for says, event in names if event]
            if task.escalated:
                assert sum(one.after for one in ladder.levels) == 2 * 60 * task.hours
            assert all(one.repeat == DAILY for one in ladder.levels)


@pytest.mark.parametrize(
    "wrong",
    [
        {"levels": [{"after": 0, "tell": ["office"]}]},
        {"levels": [{"after": 60, "tell": []}]},
        {"levels": [{"after": 60, "tell": ["everyone"]}]},
        {"levels": [{"after": 60, "tell": ["office; drop"]}]},
        {"levels": [{"after": 60, "tell": ["office"], "repeat": 1}]},
        {"levels": [{"after": 60, "tell": ["office"], "says": "shout"}]},
        {"levels": [{"after": 86_400, "tell": ["office"]}] * 2},
        {"levels": [{"after": 60, "tell": ["office"]}] * 9},
        {"levels": [{"after": 60, "tell": ["office"]}], "clock": "lunar"},
        {"levels": [{"after": 60, "tell": ["office"]}], "more": 1},
    ],
)
def test_a_ladder_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Ladder.model_validate(wrong)


# --- properties ----------------------------------------------------------------------------------------------------

levels = st.builds(
    Level,
    after=st.integers(1, 3 * DAILY),
    tell=st.just(("office",)),
    says=st.sampled_from(["overdue", "escalated"]),
    repeat=st.none() | st.integers(30, 3 * DAILY),
)
ladders = st.builds(Ladder, levels=st.lists(levels, min_size=1, max_size=4).map(tuple))
# how late each sweep comes, in seconds: mostly at once, sometimes after an outage
lateness = st.lists(st.integers(0, 20) | st.integers(0, 5 * 86_400), min_size=1, max_size=40)


@given(ladders, lateness)
def test_every_level_comes_once_in_order_and_never_before_its_delay(ladder: Ladder, late: list[int]) -> None:
    fires: list[Fire] = []
    now = OPENED
    for seconds in late:
        coming = following(ladder, OPENED, fires)
        if coming is None:
            break
        now = max(now, coming.due_at) + timedelta(seconds=seconds)
        fires.append(Fire(coming.level, coming.repetition, coming.due_at, now))
    keys = [(one.level, one.repetition) for one in fires]
    assert len(set(keys)) == len(keys), "each level and repetition once"
    firsts = [one for one in fires if one.repetition == 0]
    assert [one.level for one in firsts] == list(range(len(firsts))), "in order, none left out"
    before = OPENED
    for one in firsts:
        assert one.done_at - before >= timedelta(minutes=ladder.levels[one.level].after) - timedelta(
            minutes=1
        )
        before = one.done_at


@given(ladders, st.integers(60, 10 * DAILY))
def test_a_simulation_is_what_the_engine_does_when_it_is_on_time(ladder: Ladder, minutes: int) -> None:
    until = OPENED + timedelta(minutes=minutes)
    played = play(ladder, OPENED, until)
    climbed: list[Fire] = []
    # the engine looks every ten seconds, and keeps what it did in rows
    while (coming := following(ladder, OPENED, climbed)) is not None and coming.due_at < until:
        if len(climbed) >= len(played):
            break
        climbed.append(
            Fire(coming.level, coming.repetition, coming.due_at, coming.due_at + timedelta(seconds=9))
        )
    assert [(one.level, one.repetition, one.due_at) for one in climbed] == [
        (one.level, one.repetition, one.due_at) for one in played
    ]


# --- working time --------------------------------------------------------------------------------------------------

WEEK = WorkingTime("Europe/Berlin", {day: (time(8), time(17)) for day in range(5)})


def berlin(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        (berlin(2026, 11, 24, 9, 0), 4, berlin(2026, 11, 24, 13, 0)),
        (berlin(2026, 11, 24, 15, 0), 4, berlin(2026, 11, 25, 10, 0)),
        (berlin(2026, 11, 24, 3, 0), 4, berlin(2026, 11, 24, 12, 0)),
        (berlin(2026, 11, 27, 16, 0), 2, berlin(2026, 11, 30, 9, 0)),
        (berlin(2026, 11, 28, 12, 0), 9, berlin(2026, 11, 30, 17, 0)),
        (berlin(2026, 11, 24, 17, 0), 1, berlin(2026, 11, 25, 9, 0)),
        # both clock changes fall on a Sunday: a working week has 45 hours all the same
        (berlin(2026, 3, 27, 8, 0), 9 + 1, berlin(2026, 3, 30, 9, 0)),
        (berlin(2026, 10, 23, 8, 0), 9 + 1, berlin(2026, 10, 26, 9, 0)),
    ],
)
def test_working_hours_end_when_so_many_have_been_worked(start: datetime, hours: int, end: datetime) -> None:
    assert later(WEEK, start, 60 * hours) == end


def test_a_holiday_is_not_worked() -> None:
    work = WorkingTime(WEEK.zone, WEEK.days, frozenset({date(2026, 12, 25)}))
    assert later(work, berlin(2026, 12, 24, 16, 0), 120) == berlin(2026, 12, 28, 9, 0)


def test_a_night_shift_across_a_clock_change_is_as_long_as_it_was() -> None:
    nights = WorkingTime("Europe/Berlin", {day: (time(0), time(6)) for day in range(7)})
    # 02:00 became 03:00: that night had five hours
    assert later(nights, berlin(2026, 3, 29, 0, 0), 5 * 60) == berlin(2026, 3, 29, 6, 0)
    assert later(nights, berlin(2026, 10, 25, 0, 0), 7 * 60) == berlin(2026, 10, 25, 6, 0)


def test_who_never_works_counts_as_always_there() -> None:
    assert later(WorkingTime("UTC"), OPENED, 90) == OPENED + 1.5 * HOUR
    assert opens(WorkingTime("UTC"), OPENED) == OPENED


def test_a_long_holiday_is_waited_for_to_its_end() -> None:
    first = date(2026, 1, 1)
    shut = WorkingTime(
        "UTC", {0: (time(8), time(9))}, frozenset(first + number * DAY for number in range(900))
    )
    assert later(shut, OPENED, 30) == datetime(2028, 6, 19, 8, 30, tzinfo=UTC)


def test_what_repeats_waits_for_the_morning() -> None:
    ladder = Ladder(levels=(Level(after=60, tell=("office",), repeat=8 * 60),), clock="working")
    opened = berlin(2026, 11, 24, 15, 0)
    told = [one.due_at for one in play(ladder, opened, opened + 2 * DAY, WEEK)]
    assert told == [
        berlin(2026, 11, 24, 16, 0),
        berlin(2026, 11, 25, 8, 0),
        berlin(2026, 11, 25, 16, 0),
        berlin(2026, 11, 26, 8, 0),
    ]


@given(
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"]
    ),
    st.dictionaries(st.integers(0, 6), st.tuples(st.integers(0, 23), st.integers(1, 24)), min_size=1),
    st.integers(0, 2 * 365 * 24 * 60),
    st.integers(1, 3 * DAILY),
    st.integers(1, 3 * DAILY),
)
def test_working_time_adds_up(
    zone: str, days: dict[int, tuple[int, int]], begin: int, first: int, second: int
) -> None:
    work = WorkingTime(
        zone, {day: (time(start), time((start + length) % 24)) for day, (start, length) in days.items()}
    )
    start = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=begin)
    middle = later(work, start, first)
    assert middle >= start + timedelta(minutes=first)
    assert later(work, middle, second) == later(work, start, first + second)
