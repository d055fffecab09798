"""Who hears of an event by which channel, when, and why: pure, and handed `now` (requirements A5, A7, A8, A12, A16).

`plan(...)` decides for one person. It sends nothing and knows no table; `pipeline.route` writes what it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from notify_app.domains.base import Priority
from notify_app.policy.channel import INBOX, ChannelType, in_order
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.own_order import arranged
from notify_app.policy.quiet import QuietHours, release_at
from notify_app.policy.reasons import Reason

__all__ = [
    "DIGEST",
    "NOT_VERIFIED",
    "Choice",
    "Plan",
    "Planned",
    "Reach",
    "Told",
    "by_priority",
    "every",
    "in_digest",
    "outward",
    "plan",
    "stand_ins",
    "switched_off",
]

# stands where a switch names its channel: (`category:<name>`, DIGEST) is on for what comes in a digest, not one by one
DIGEST = "digest"
# the reason for which a `Reach` must not be used that nobody has verified
NOT_VERIFIED = "not verified yet"


def by_priority(priority: Priority) -> tuple[str, ...]:
    """By which channels a message of this priority goes to everybody (A5); the inbox has it always and is not listed."""
    return tuple(one.name for one in in_order() if priority.value in one.told and not one.by_wish)


def outward() -> tuple[str, ...]:
    """Every channel by which people are reached outside the house."""
    return tuple(one.name for one in in_order() if one.personal)


def every() -> tuple[str, ...]:
    """The channels of which each address of a person has a message of its own."""
    return tuple(one.name for one in in_order() if one.every)


def stand_ins() -> tuple[str, ...]:
    """In the order in which another channel is taken when the planned ones reach nobody (A16)."""
    return tuple(one.name for one in in_order() if one.rank is not None)


@dataclass(frozen=True)
class Reach:
    """One address of a person on a channel; `blocked` says why it must not be used."""

    channel: str
    address: str
    blocked: str | None = None


@dataclass(frozen=True)
class Choice:
    """What a person has switched: (scope, channel) → on. Scopes are `event:<name>` and `category:<name>`. `digest_at` is
    when their next digest is due; None for somebody who has none. `order` is their own order of the channels, the first
    first; channels that it does not name come after, as the hub has them."""

    switches: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    quiet: QuietHours | None = None
    digest_at: datetime | None = None
    order: tuple[str, ...] = ()


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
    Whoever is away and `covered_by` somebody has it in the inbox alone. A channel that they have connected for
    themselves takes the place of those that it replaces, and has besides what it declares. In whose own order the channels
    stand, they have it by the first of them that works, unless it is urgent or the event says by which channels it goes.

    What is to come in a digest is no message of its own. It counts as one all the same: nothing stands in for it. What
    stands in for a message that could not be sent is never kept for a digest: the other one was to come at once.
    """
    wanted = matter.channels if matter.channels is not None else by_priority(matter.priority)
    wanted = tuple(channel for channel in wanted if channel != INBOX)
    why = Reason.event_channel if matter.channels is not None else Reason.priority_channel
    record = [Told(INBOX, "told", Reason.in_inbox)]
    if covered_by:
        record += [Told(channel, "not_told", Reason.covered, {"who": covered_by}) for channel in wanted]
        return Plan((), tuple(record), False)
    decide = _Deciding(matter, reaches, choice, zone, now)
    own = decide.in_own_order(wanted)
    if own != wanted:
        wanted, why = own, Reason.own_order
    messages: list[Planned] = []
    muted = kept = False
    for channel in wanted:
        refusal = switched_off(matter, choice, channel)
        if refusal:
            muted = True
            record.append(refusal)
            continue
        if choice.digest_at and channel == "email" and in_digest(matter, choice) and decide.usable(channel):
            kept = True
            until = choice.digest_at.isoformat()
            record.append(Told(channel, "digested", Reason.digested, {"until": until}))
            continue
        preferred = decide.preferred_to(channel)
        if preferred:
            record.append(Told(channel, "not_told", Reason.other_preferred, {"other": preferred.spoken}))
            if preferred.name not in {message.channel for message in messages}:
                found, line = decide.take(preferred.name, Reason.preferred_channel)
                record.append(line)
                messages += found
            continue
        found, line = decide.take(channel, why)
        record.append(line)
        messages += found
    handled = bool(messages) or muted or kept
    if not handled and (wanted or not signs_in):
        for channel in arranged(stand_ins(), choice.order):
            if channel in wanted or switched_off(matter, choice, channel):
                continue
            if channel_type(channel).by_wish and not decide.known(channel):
                continue
            found, line = decide.take(channel, Reason.fallback_channel)
            record.append(line)
            if found:
                messages += found
                handled = True
                break
    pressing = matter.priority in (Priority.urgent, Priority.high)
    unreached = not handled and bool(wanted or not signs_in) and (pressing or not signs_in)
    if unreached:
        record.append(Told("", "not_told", Reason.not_reached))
    for one in _besides(matter, decide, messages):
        refusal = switched_off(matter, choice, one.name)
        found, line = ([], refusal) if refusal else decide.take(one.name, Reason.connected_channel)
        record.append(line)
        messages += found
    return Plan(tuple(messages), tuple(record), unreached)


def _besides(matter: Matter, decide: _Deciding, planned: Sequence[Planned]) -> list[ChannelType]:
    """The channels that this person has connected for themselves and that have such a message too: what an event says of
    its own channels is all that there is, but for what belongs to the inbox."""
    taken = {message.channel for message in planned}
    declared = matter.channels
    return [
        one
        for one in in_order()
        if one.by_wish
        and one.name not in taken
        and matter.priority.value in one.told
        and (declared is None or one.name in declared or (one.rank is None and INBOX in declared))
        and decide.known(one.name)
    ]


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


@dataclass(frozen=True)
class _Deciding:
    """What is known of one person while it is decided."""

    matter: Matter
    reaches: Sequence[Reach]
    choice: Choice
    zone: str
    now: datetime

    def known(self, channel: str) -> bool:
        """Whether they have an address there at all."""
        return any(reach.channel == channel for reach in self.reaches)

    def usable(self, channel: str) -> list[Reach]:
        """Their addresses there that may be used."""
        return [reach for reach in self.reaches if reach.channel == channel and not reach.blocked]

    def preferred_to(self, channel: str) -> ChannelType | None:
        """A channel that they have connected and that takes the place of this one. What is urgent comes by both."""
        if self.matter.priority is Priority.urgent:
            return None
        return next(
            (
                one
                for one in in_order()
                if channel in one.replaces
                and one.name not in self.choice.order  # there they have said themselves when it comes
                and self.usable(one.name)
                and not switched_off(self.matter, self.choice, one.name)
            ),
            None,
        )

    def in_own_order(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """As many channels as these, by the person's own order and such that work and are not switched off; these, where
        they have no order, it is urgent, its event names its channels, or it is to come in their digest."""
        matter, choice = self.matter, self.choice
        if not choice.order or matter.channels is not None or matter.priority is Priority.urgent:
            return wanted
        if "email" in wanted and in_digest(matter, choice) and self.usable("email"):
            return wanted
        found = tuple(
            channel
            for channel in arranged(stand_ins(), choice.order)
            if self.usable(channel) and not switched_off(matter, choice, channel)
        )
        return found[: len(wanted)] if len(found) >= len(wanted) else wanted

    def take(self, channel: str, why: Reason) -> tuple[list[Planned], Told]:
        """The messages by one channel, and the line of the record."""
        usable = self.usable(channel)
        if not usable:
            mine = [reach for reach in self.reaches if reach.channel == channel]
            if not mine:
                return [], Told(channel, "not_told", Reason.no_address)
            if mine[0].blocked == NOT_VERIFIED:
                return [], Told(channel, "not_told", Reason.not_verified)
            return [], Told(channel, "not_told", Reason.suppressed, {"why": mine[0].blocked})
        if not channel_type(channel).every:
            usable = usable[:1]
        until = None
        if self.matter.priority is not Priority.urgent:
            until = release_at(self.choice.quiet, self.zone, self.now)
        planned = [Planned(channel, reach.address, until) for reach in usable]
        if until is not None:
            return planned, Told(channel, "deferred", Reason.quiet_hours, {"until": until.isoformat()})
        return planned, Told(channel, "told", why, {"priority": self.matter.priority.value})
