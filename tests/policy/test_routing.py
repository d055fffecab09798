"""Who hears by which channel, when and why (requirements A5, A7, A8, A16): the decider alone, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from notify_app.domains.base import Priority
from notify_app.policy.quiet import QuietHours
from notify_app.policy.reasons import Reason
from notify_app.policy.routing import Choice, Matter, Plan, Reach, plan

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 24, 23, 10, tzinfo=UTC)
BOTH = (Reach("sms", "+12065552671"), Reach("email", "a@example.com"))
QUIET = QuietHours(time(22), time(7))


def decide(priority: Priority, *reaches: Reach, choice: Choice | None = None, **more: object) -> Plan:
    values = {"signs_in": True, "zone": "UTC", "now": NOON} | more
    channels = values.pop("channels", None)
    matter = Matter("repair_approved", "approval", priority, channels)  # type: ignore[arg-type]
    return plan(matter, reaches, choice or Choice(), **values)  # type: ignore[arg-type]


def channels(decided: Plan) -> list[str]:
    return [message.channel for message in decided.messages]


@pytest.mark.proves("A5")
@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        (Priority.urgent, ["sms", "email"]),
        (Priority.high, ["sms"]),
        (Priority.medium, ["email"]),
        (Priority.low, []),
    ],
)
def test_the_priority_decides_the_channels_and_the_inbox_is_always_one(
    priority: Priority, expected: list[str]
) -> None:
    decided = decide(priority, *BOTH)
    assert channels(decided) == expected
    assert decided.record[0].channel == "inapp"


@pytest.mark.proves("A5")
def test_an_event_that_declares_its_channels_replaces_the_table() -> None:
    assert channels(decide(Priority.urgent, *BOTH, channels=("email",))) == ["email"]
    assert channels(decide(Priority.urgent, *BOTH, channels=("inapp",))) == []


@pytest.mark.proves("A7")
def test_a_choice_for_the_event_beats_its_category() -> None:
    off = {("category:approval", "sms"): False}
    assert channels(decide(Priority.high, *BOTH, choice=Choice(off))) == []
    both = {**off, ("event:repair_approved", "sms"): True}
    assert channels(decide(Priority.high, *BOTH, choice=Choice(both))) == ["sms"]


@pytest.mark.proves("A7")
def test_what_a_person_switched_off_is_not_forced_on_them_by_another_channel() -> None:
    decided = decide(Priority.high, *BOTH, choice=Choice({("category:approval", "sms"): False}))
    assert not decided.messages
    assert not decided.unreached
    assert decided.record[-1].reason is Reason.preference_category


@pytest.mark.proves("A7", "C1")
def test_urgent_passes_switches_and_quiet_hours_but_never_a_blocked_address() -> None:
    choice = Choice({("category:approval", "sms"): False, ("event:repair_approved", "email"): False}, QUIET)
    decided = decide(Priority.urgent, *BOTH, choice=choice, now=NIGHT)
    assert [(one.channel, one.not_before) for one in decided.messages] == [("sms", None), ("email", None)]
    blocked = (Reach("sms", "+12065552671", "opted out"), Reach("email", "a@example.com", "bounced"))
    decided = decide(Priority.urgent, *blocked, choice=choice, now=NIGHT)
    assert not decided.messages
    assert decided.unreached


@pytest.mark.proves("A8")
def test_quiet_hours_put_off_and_drop_nothing() -> None:
    decided = decide(Priority.high, *BOTH, choice=Choice(quiet=QUIET), now=NIGHT)
    assert decided.messages[0].not_before == datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
    assert decided.record[-1].outcome == "deferred"


@pytest.mark.proves("A16")
def test_a_person_without_the_planned_address_is_told_on_their_next_channel() -> None:
    assert channels(decide(Priority.high, Reach("email", "a@example.com"))) == ["email"]
    assert channels(decide(Priority.medium, Reach("sms", "+12065552671"))) == ["sms"]


@pytest.mark.proves("A16")
def test_a_second_address_of_the_channel_is_taken_before_another_channel() -> None:
    reaches = (
        Reach("sms", "+12065552671", "opted out"),
        Reach("sms", "+12065552672"),
        Reach("email", "a@example.com"),
    )
    assert [one.address for one in decide(Priority.high, *reaches).messages] == ["+12065552672"]


@pytest.mark.proves("A16", "A17")
def test_somebody_who_never_signs_in_is_reached_for_low_priority_too() -> None:
    assert channels(decide(Priority.low, Reach("email", "a@example.com"), signs_in=False)) == ["email"]
    assert channels(decide(Priority.low, Reach("email", "a@example.com"), signs_in=True)) == []


@pytest.mark.proves("A16")
@pytest.mark.parametrize(
    ("priority", "signs_in", "unreached"),
    [
        (Priority.urgent, True, True),
        (Priority.high, True, True),
        (Priority.medium, True, False),
        (Priority.low, True, False),
        (Priority.medium, False, True),
        (Priority.low, False, True),
    ],
)
def test_nobody_is_unreached_in_silence(priority: Priority, signs_in: bool, unreached: bool) -> None:
    assert decide(priority, signs_in=signs_in).unreached is unreached
