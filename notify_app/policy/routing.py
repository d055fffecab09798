"""Who hears of an event by which channel, when, and why: pure, and handed `now` (requirements A5, A7, A8, A12, A16).

`plan(...)` decides for one person. It sends nothing and knows no table; `pipeline.route` writes what it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from notify_app.domains.base import Priority
from notify_app.policy.quiet import QuietHours, release_at
from notify_app.policy.reasons import Reason

__all__ = [
    "CHANNELS_BY_PRIORITY",
    "DIGEST",
    "OUTWARD",
    "Choice",
    "Plan",
    "Planned",
    "Reach",
    "Told",
    "in_digest",
    "plan",
    "switched_off",
]

# A5; the in-app row is always made and is not listed
CHANNELS_BY_PRIORITY: Mapping[Priority, tuple[str, ...]] = {
    Priority.urgent: ("sms", "email"),
    Priority.high: ("sms",),
    Priority.medium: ("email",),
    Priority.low: (),
}
# in the order in which another channel is taken when the planned ones reach nobody (A16)
OUTWARD = ("sms", "email")
# stands where a switch names its channel: (`category:<name>`, DIGEST) is on for what comes in a digest, not one by one
DIGEST = "digest"


@dataclass(frozen=True)
class Reach:
    """One address of a person on a channel; `blocked` says why it must not be used."""

    channel: str
    address: str
    blocked: str | None = None


@dataclass(frozen=True)
class Choice:
    """What a person has switched: (scope, channel) → on. Scopes are `event:<name>` and `category:<name>`. `digest_at` is
    when their next digest is due; None for somebody who has none."""

    switches: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    quiet: QuietHours | None = None
    digest_at: datetime | None = None


@dataclass(frozen=True)
class Planned:
    """One message to one address, not before `not_before` (None: at once)."""

    channel: str
    address: str
    not_before: datetime | None


@dataclass(frozen=True)
class Told:
    """One line of the record: told, deferred, digested or not told, by which channel, and why."""

    channel: str
    outcome: str
    reason: Reason
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What to do for one person. `unreached` is set when nothing will reach their pocket and something should."""

    messages: tuple[Planned, ...]
    record: tuple[Told, ...]
    unreached: bool


@dataclass(frozen=True)
class Matter:
    """What of the event matters for routing."""

    name: str
    category: str
    priority: Priority
    channels: tuple[str, ...] | None = None
    in_digests: bool = True


def plan(
    matter: Matter,
    reaches: Sequence[Reach],
    choice: Choice,
    *,
    signs_in: bool,
    zone: str,
    now: datetime,
    covered_by: str = "",
) -> Plan:
    """Decide for one person. `reaches` in the person's own order; the first unblocked of a channel is used.

    URGENT ignores switches and quiet hours, never a blocked address. When no planned channel has a usable
    address the next usable one is taken; a person who cannot sign in has no inbox, so for them this holds
    for LOW too. Someone is unreached when nothing is left, unless they sign in and it was not pressing.
    Whoever is away and `covered_by` somebody has it in the inbox alone.

    What is to come in a digest is no message of its own. It counts as one all the same: nothing stands in for it. What
    stands in for a message that could not be sent is never kept for a digest: the other one was to come at once.
    """
    wanted = matter.channels if matter.channels is not None else CHANNELS_BY_PRIORITY[matter.priority]
    wanted = tuple(channel for channel in wanted if channel != "inapp")
    why = Reason.event_channel if matter.channels is not None else Reason.priority_channel
    record = [Told("inapp", "told", Reason.in_inbox)]
    if covered_by:
        record += [Told(channel, "not_told", Reason.covered, {"who": covered_by}) for channel in wanted]
        return Plan((), tuple(record), False)
    messages: list[Planned] = []
    muted = kept = False
    for channel in wanted:
        refusal = switched_off(matter, choice, channel)
        if refusal:
            muted = True
            record.append(refusal)
            continue
        message, line = _take(matter, channel, reaches, choice, zone, now, why)
        if message and choice.digest_at and channel == "email" and in_digest(matter, choice):
            kept = True
            until = choice.digest_at.isoformat()
            record.append(Told(channel, "digested", Reason.digested, {"until": until}))
            continue
        record.append(line)
        messages += [message] if message else []
    handled = bool(messages) or muted or kept
    if not handled and (wanted or not signs_in):
        for channel in OUTWARD:
            if channel in wanted or switched_off(matter, choice, channel):
                continue
            message, line = _take(matter, channel, reaches, choice, zone, now, Reason.fallback_channel)
            record.append(line)
            if message:
                messages.append(message)
                handled = True
                break
    pressing = matter.priority in (Priority.urgent, Priority.high)
    unreached = not handled and bool(wanted or not signs_in) and (pressing or not signs_in)
    if unreached:
        record.append(Told("", "not_told", Reason.not_reached))
    return Plan(tuple(messages), tuple(record), unreached)


def switched_off(matter: Matter, choice: Choice, channel: str) -> Told | None:
    """Why the person does not want this matter on this channel, or None. URGENT is not asked."""
    if matter.priority is Priority.urgent:
        return None
    by_event = choice.switches.get((f"event:{matter.name}", channel))
    if by_event is not None:
        return None if by_event else Told(channel, "not_told", Reason.preference_event)
    if choice.switches.get((f"category:{matter.category}", channel), True):
        return None
    return Told(channel, "not_told", Reason.preference_category, {"category": matter.category})


def in_digest(matter: Matter, choice: Choice) -> bool:
    """Whether email about this is to come in the person's digest: its category is, and they want this event no other way.
    URGENT is not asked, nor an event that no digest may keep."""
    if matter.priority is Priority.urgent or not matter.in_digests or choice.digest_at is None:
        return False
    if choice.switches.get((f"event:{matter.name}", "email")):
        return False
    return choice.switches.get((f"category:{matter.category}", DIGEST), False)


def _take(
    matter: Matter,
    channel: str,
    reaches: Sequence[Reach],
    choice: Choice,
    zone: str,
    now: datetime,
    why: Reason,
) -> tuple[Planned | None, Told]:
    mine = [reach for reach in reaches if reach.channel == channel]
    usable = next((reach for reach in mine if not reach.blocked), None)
    if usable is None:
        if not mine:
            return None, Told(channel, "not_told", Reason.no_address)
        return None, Told(channel, "not_told", Reason.suppressed, {"why": mine[0].blocked})
    until = None if matter.priority is Priority.urgent else release_at(choice.quiet, zone, now)
    if until is not None:
        told = Told(channel, "deferred", Reason.quiet_hours, {"until": until.isoformat()})
        return Planned(channel, usable.address, until), told
    return Planned(channel, usable.address, None), Told(
        channel, "told", why, {"priority": matter.priority.value}
    )
