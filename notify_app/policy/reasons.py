"""Every reason for which somebody is told or not told, and the sentence that a person reads (invariant 7)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

__all__ = ["Reason", "sentence", "titled"]


class Reason(StrEnum):
    """One code for each; stored with decisions and deliveries."""

    in_inbox = "in_inbox"
    priority_channel = "priority_channel"
    event_channel = "event_channel"
    fallback_channel = "fallback_channel"
    preferred_channel = "preferred_channel"
    other_preferred = "other_preferred"
    connected_channel = "connected_channel"
    own_order = "own_order"
    asked_for = "asked_for"
    quiet_hours = "quiet_hours"
    digested = "digested"
    preference_event = "preference_event"
    preference_category = "preference_category"
    no_address = "no_address"
    suppressed = "suppressed"
    not_verified = "not_verified"
    not_reached = "not_reached"
    nobody = "nobody"
    unknown_person = "unknown_person"
    person_left = "person_left"
    is_actor = "is_actor"
    covered = "covered"
    stands_in = "stands_in"
    template_inactive = "template_inactive"
    template_failed = "template_failed"
    duplicate = "duplicate"
    notifications_off = "notifications_off"
    # at send time
    read_meanwhile = "read_meanwhile"
    withdrawn = "withdrawn"
    acknowledged = "acknowledged"
    too_old = "too_old"
    bad_address = "bad_address"
    provider_refused = "provider_refused"
    attempts_used_up = "attempts_used_up"
    provider_trouble = "provider_trouble"
    in_doubt = "in_doubt"
    sent_unconfirmed = "sent_unconfirmed"
    lease_ran_out = "lease_ran_out"
    provider_config = "provider_config"
    provider_down = "provider_down"
    provider_pace = "provider_pace"
    budget = "budget"
    endpoint_off = "endpoint_off"
    # held, and leaving together
    burst = "burst"
    throttled = "throttled"
    collected = "collected"
    # what the provider says after it has taken it
    delayed = "delayed"
    soft_bounce = "soft_bounce"
    hard_bounce = "hard_bounce"
    rejected_later = "rejected_later"
    opted_out = "opted_out"
    complained = "complained"


SENTENCES = {
    Reason.in_inbox: "It is in their inbox.",
    Reason.priority_channel: "A message of {priority} priority goes out by {channel}.",
    Reason.event_channel: "This event always goes out by {channel}.",
    Reason.fallback_channel: "No usable address on the planned channels, so {channel} was taken.",
    Reason.preferred_channel: "They have connected {channel}, which takes its place.",
    Reason.other_preferred: "They have connected {other}, which takes the place of {channel}.",
    Reason.connected_channel: "They have connected {channel}, which has such messages too.",
    Reason.own_order: "It goes by {channel}, which comes first in their own order.",
    Reason.asked_for: "They asked for it by {channel}.",
    Reason.quiet_hours: "Quiet hours: {channel} waits until {until}.",
    Reason.digested: "It is kept for their digest, an email that is due at {until}.",
    Reason.preference_event: "They switched {channel} off for this event.",
    Reason.preference_category: "They switched {channel} off for {category}.",
    Reason.no_address: "No address for {channel} is known.",
    Reason.suppressed: "Their {channel} address is blocked: {why}.",
    Reason.not_verified: "Their {channel} address is not verified yet.",
    Reason.not_reached: "They could not be reached on any channel.",
    Reason.nobody: "Nobody holds the part of {audience} here.",
    Reason.unknown_person: "{who} is not known in this organisation.",
    Reason.person_left: "They have left the organisation.",
    Reason.is_actor: "They did it themselves.",
    Reason.covered: "They are away; {who} stands in for them.",
    Reason.stands_in: "They stand in for {who}.",
    Reason.template_inactive: "The office has switched this message off.",
    Reason.template_failed: "The message could not be written: {error}",
    Reason.duplicate: "They were told of the same matter already.",
    Reason.notifications_off: "Notifications are switched off for the organisation.",
    Reason.read_meanwhile: "It was read before the message left.",
    Reason.withdrawn: "It was withdrawn before the message left.",
    Reason.acknowledged: "Somebody saw to it before the message left.",
    Reason.too_old: "It was too old to be of use, or would have been before it could leave.",
    Reason.bad_address: "The address cannot be used.",
    Reason.provider_refused: "The provider refused it for good.",
    Reason.attempts_used_up: "All attempts were used up.",
    Reason.provider_trouble: "The provider could not take it; it is tried again.",
    Reason.in_doubt: "It may have arrived; it is sent once more, so that it surely does.",
    Reason.sent_unconfirmed: "It may have arrived; another try could double it, so it was left.",
    Reason.lease_ran_out: "The worker that was sending it went away.",
    Reason.provider_config: "The provider's account is not set up properly; the message waits.",
    Reason.provider_down: "The provider does not work at the moment; it waits until it does.",
    Reason.provider_pace: "The provider takes only so many at once; it waits for its turn.",
    Reason.budget: "The organisation's budget for SMS is used up but for what is urgent, and this is not.",
    Reason.endpoint_off: "The endpoint was paused, switched off or removed before the message left.",
    Reason.burst: "Others like it have just gone out: {channel} waits until {until} and leaves with what else has come.",
    Reason.throttled: "They had as many by {channel} as the office allows: it waits until {until} and leaves with what else has come.",
    Reason.collected: "By {channel} it left together with others, in one message.",
    Reason.delayed: "The other side does not take it yet; the provider goes on trying.",
    Reason.soft_bounce: "It came back, for a cause that may pass.",
    Reason.hard_bounce: "It came back for good: there is no such address.",
    Reason.rejected_later: "The provider took it and then did not send it.",
    Reason.opted_out: "This number wants no messages.",
    Reason.complained: "It arrived and was reported as spam.",
}


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return key.replace("_", " ")


# for who reads it about themselves
YOURS = (("They ", "You "), ("Their ", "Your "), (" their ", " your "), ("themselves", "yourself"))


def titled(reason: str) -> str:
    """The sentence of a reason where nothing particular is known: of many, or as the title of a group."""
    pattern = SENTENCES[Reason(reason)] if reason in list(Reason) else "{"
    return pattern if "{" not in pattern else f"{reason.replace('_', ' ').capitalize()}."


def sentence(reason: str, values: Mapping[str, Any] | None = None, *, you: bool = False) -> str:
    """The sentence for a stored reason, said to the person themselves if `you`; a code from another release reads
    as its words."""
    try:
        pattern = SENTENCES[Reason(reason)]
    except (KeyError, ValueError):
        return reason.replace("_", " ").capitalize() + "."
    for theirs, yours in YOURS if you else ():
        pattern = pattern.replace(theirs, yours)
    return pattern.format_map(_Known(values or {}))
