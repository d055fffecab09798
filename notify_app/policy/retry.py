"""When a failed message is tried again, and when it is not (reliability.md §3.1 and §3.2; requirement A11).

Decides from the channel, the class of the failure, how many attempts counted, how old the message is and
how pressing. Draws its jitter from a random source that is handed in. How patient a channel is, it declares itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from notify_app.policy.channel import Schedule
from notify_app.policy.channel import channel as channel_type

__all__ = ["FailureClass", "Retry", "Stop", "StopReason", "next_attempt"]


class FailureClass(StrEnum):
    """What kind of failure it was; the words are those of `attempt.outcome`."""

    TRANSIENT = "transient"  # refused before acceptance, may pass
    THROTTLED = "throttled"  # told to come back later; costs no attempt, but the message ages
    AMBIGUOUS = "ambiguous"  # may have been accepted
    PERMANENT = "permanent"  # will never work for this address or content
    CONFIG = "config"  # our account is not right; the message waits, it is not burnt


COUNTED = frozenset({FailureClass.TRANSIENT, FailureClass.AMBIGUOUS, FailureClass.PERMANENT})


class StopReason(StrEnum):
    PERMANENT = "permanent"
    ATTEMPTS = "attempts_used_up"
    TOO_OLD = "too_old"
    UNCONFIRMED = "unconfirmed"


class Random(Protocol):
    """What is needed of `random.Random`."""

    def uniform(self, a: float, b: float, /) -> float: ...


# A throttled or held message waits about as long as it has waited already, within these bounds
# (SES advises backing off for at most 10 minutes).
SHORTEST_HOLD, LONGEST_HOLD = timedelta(seconds=15), timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again `at` this long from now."""

    at: timedelta


@dataclass(frozen=True, slots=True)
class Stop:
    """No more attempts: the delivery ends in `state` ("failed" or "unknown") for this reason."""

    state: str
    reason: StopReason


def next_attempt(
    channel: str,
    failure_class: FailureClass | str,
    attempt_number: int,
    age: timedelta,
    priority: str,
    rng: Random,
    *,
    after: timedelta | None = None,
    ambiguous_before: int = 0,
    max_age: timedelta | None = None,
) -> Retry | Stop:
    """What follows a failed attempt.

    `attempt_number` counts the attempts of the COUNTED classes, this one included (from 1). `age` is the time
    since the message was first due. `after` is what the provider asked for; the wait is never shorter.
    `ambiguous_before` is how many earlier attempts ended ambiguous. `max_age` replaces the channel's own,
    as for a digest that the next digest makes worthless.
    """
    schedule, kind = channel_type(channel).schedule, FailureClass(failure_class)
    if kind is FailureClass.PERMANENT:
        return Stop("failed", StopReason.PERMANENT)
    if kind is FailureClass.AMBIGUOUS and ambiguous_before >= _risks(schedule, priority):
        return Stop("unknown", StopReason.UNCONFIRMED)
    in_doubt = kind is FailureClass.AMBIGUOUS or ambiguous_before > 0  # an earlier try may have arrived
    unsettled = "unknown" if in_doubt else "failed"
    if kind in COUNTED and attempt_number >= schedule.attempts:
        return Stop(unsettled, StopReason.ATTEMPTS)
    wait = max(_wait(schedule, kind, attempt_number, age, rng), after or timedelta(0))
    if age + wait > (schedule.oldest(priority) if max_age is None else max_age):
        return Stop(unsettled, StopReason.TOO_OLD)
    return Retry(wait)


def _risks(schedule: Schedule, priority: str) -> int:
    return schedule.ambiguous_retries.get(priority, schedule.ambiguous_retries[""])


def _wait(schedule: Schedule, kind: FailureClass, attempt: int, age: timedelta, rng: Random) -> timedelta:
    if kind is FailureClass.AMBIGUOUS and schedule.ambiguous_wait is not None:
        return schedule.ambiguous_wait
    longest = schedule.gap(attempt) if kind in COUNTED else min(LONGEST_HOLD, max(SHORTEST_HOLD, age))
    return longest * rng.uniform(0.5, 1.0)
