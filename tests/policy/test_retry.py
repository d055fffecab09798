"""When a failed message is tried again (A11; reliability.md §3)."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.channels import OFF  # noqa: F401  (the channels declare themselves)
from notify_app.policy.channel import channels
from notify_app.policy.retry import (
    COUNTED,
    FailureClass,
    Retry,
    Stop,
    StopReason,
    next_attempt,
)

SCHEDULES = {one.name: one.schedule for one in channels()}
CHANNELS = st.sampled_from(sorted(SCHEDULES))
CLASSES = st.sampled_from(list(FailureClass))
PRIORITIES = st.sampled_from(["urgent", "high", "medium", "low"])
AGES = st.timedeltas(timedelta(0), timedelta(days=3))
NOW = timedelta(0)


class Full:
    """A random source that always draws the longest wait."""

    def uniform(self, a: float, b: float, /) -> float:
        return b


def seconds(channel: str, attempt: int) -> float:
    step = next_attempt(channel, "transient", attempt, NOW, "high", Full())
    assert isinstance(step, Retry)
    return step.at.total_seconds()


def test_email_waits_longer_each_time_then_hourly_and_ends_after_twelve() -> None:
    assert [seconds("email", n) for n in range(1, 12)] == [15, 45, 180, 360, 1200] + [3600] * 6
    assert next_attempt("email", "transient", 12, NOW, "high", Full()) == Stop("failed", StopReason.ATTEMPTS)


def test_sms_has_five_attempts_in_ten_minutes() -> None:
    assert [seconds("sms", n) for n in range(1, 5)] == [15, 45, 120, 420]
    assert next_attempt("sms", "transient", 5, NOW, "high", Full()) == Stop("failed", StopReason.ATTEMPTS)


def test_a_permanent_failure_stops_at_once() -> None:
    for channel in SCHEDULES:
        assert next_attempt(channel, "permanent", 1, NOW, "urgent", Full()) == Stop(
            "failed", StopReason.PERMANENT
        )


def test_an_email_that_may_have_arrived_goes_once_more_and_then_stays_unknown() -> None:
    assert isinstance(next_attempt("email", "ambiguous", 1, NOW, "low", Full()), Retry)
    assert next_attempt("email", "ambiguous", 2, NOW, "low", Full(), ambiguous_before=1) == Stop(
        "unknown", StopReason.UNCONFIRMED
    )


def test_an_sms_that_may_have_arrived_is_sent_again_only_when_urgent_and_only_once() -> None:
    assert next_attempt("sms", "ambiguous", 1, NOW, "high", Full()) == Stop("unknown", StopReason.UNCONFIRMED)
    assert next_attempt("sms", "ambiguous", 1, NOW, "urgent", Full()) == Retry(timedelta(seconds=60))
    assert next_attempt("sms", "ambiguous", 2, NOW, "urgent", Full(), ambiguous_before=1) == Stop(
        "unknown", StopReason.UNCONFIRMED
    )


def test_what_was_once_in_doubt_never_ends_as_plainly_failed() -> None:
    assert next_attempt("email", "transient", 12, NOW, "low", Full(), ambiguous_before=1) == Stop(
        "unknown", StopReason.ATTEMPTS
    )


def test_throttling_and_our_own_misconfiguration_burn_no_attempt_but_the_message_ages() -> None:
    for kind in ("throttled", "config"):
        assert isinstance(next_attempt("sms", kind, 99, NOW, "high", Full()), Retry)
        assert next_attempt("sms", kind, 1, timedelta(hours=2), "high", Full()) == Stop(
            "failed", StopReason.TOO_OLD
        )


def test_a_held_message_is_looked_at_again_within_ten_minutes() -> None:
    assert next_attempt("email", "throttled", 1, timedelta(hours=5), "high", Full()) == Retry(
        timedelta(minutes=10)
    )


def test_the_urgent_grow_old_sooner() -> None:
    age = timedelta(minutes=31)
    assert next_attempt("sms", "transient", 2, age, "urgent", Full()) == Stop("failed", StopReason.TOO_OLD)
    assert isinstance(next_attempt("sms", "transient", 2, age, "high", Full()), Retry)


def test_a_digest_may_bring_its_own_age() -> None:
    step = next_attempt(
        "email", "transient", 1, timedelta(hours=1), "low", Full(), max_age=timedelta(minutes=30)
    )
    assert step == Stop("failed", StopReason.TOO_OLD)


def test_an_unknown_channel_has_no_schedule() -> None:
    with pytest.raises(KeyError):
        next_attempt("pigeon", "transient", 1, NOW, "high", Full())


@given(
    CHANNELS,
    CLASSES,
    st.integers(1, 20),
    AGES,
    PRIORITIES,
    st.integers(),
    st.none() | AGES,
    st.integers(0, 3),
)
def test_the_wait_is_bounded_jittered_and_never_past_the_age(
    channel: str,
    kind: FailureClass,
    attempt: int,
    age: timedelta,
    priority: str,
    seed: int,
    after: timedelta | None,
    before: int,
) -> None:
    step = next_attempt(
        channel, kind, attempt, age, priority, random.Random(seed), after=after, ambiguous_before=before
    )
    if isinstance(step, Stop):
        assert step.state in {"failed", "unknown"}
        assert step.state == "failed" or kind is FailureClass.AMBIGUOUS or before
        return
    schedule = SCHEDULES[channel]
    assert step.at > timedelta(0)
    assert step.at >= (after or timedelta(0))
    assert age + step.at <= schedule.oldest(priority)
    if kind in COUNTED:
        assert attempt < schedule.attempts
        longest = schedule.ambiguous_wait or schedule.gap(attempt)
        assert step.at <= max(after or NOW, schedule.gap(attempt), longest)


@given(CHANNELS, PRIORITIES, st.integers())
def test_what_may_pass_has_at_least_three_attempts_and_ends(channel: str, priority: str, seed: int) -> None:
    rng, age, attempts = random.Random(seed), timedelta(0), 1
    while isinstance(step := next_attempt(channel, "transient", attempts, age, priority, rng), Retry):
        age, attempts = age + step.at, attempts + 1
    assert 3 <= attempts <= SCHEDULES[channel].attempts


@given(CHANNELS, PRIORITIES, st.integers())
def test_a_message_that_is_always_throttled_ends_by_its_age(channel: str, priority: str, seed: int) -> None:
    rng, age, turns = random.Random(seed), timedelta(0), 0
    while isinstance(step := next_attempt(channel, "throttled", 1, age, priority, rng), Retry):
        age, turns = age + step.at, turns + 1
    assert turns < 400
