"""What a provider says of a message after it has taken it, what then is true of the message, and which addresses it closes.

Reports come late, twice and in any order. They are ordered by what they prove, and what proves more stays: so every
order, with every repetition, ends the same. Pure; `pipeline.feedback` does what is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from notify_app.policy.reasons import Reason

__all__ = [
    "SOFT_LIMIT",
    "SOFT_WINDOW_DAYS",
    "TROUBLE",
    "Block",
    "Heard",
    "Shown",
    "after",
    "blocks",
    "heard",
    "stronger",
]

SOFT_LIMIT = 5  # so many messages that came back for a passing cause close an address,
SOFT_WINDOW_DAYS = 14  # when they came back within so many days


class Heard(IntEnum):
    """What is known of a message that was handed over; the larger proves more.

    A server that has taken a message may still send it back for good (`hard_bounce`); what looks like a passing bounce after
    that is an answering machine's. Whoever complains has got it.
    """

    nothing = 0
    delayed = 1
    soft_bounce = 2
    rejected = 3
    delivered = 4
    hard_bounce = 5
    opted_out = 6
    complaint = 7


TROUBLE = frozenset(Heard) - {Heard.nothing, Heard.delivered}
LOST = frozenset((Heard.soft_bounce, Heard.rejected, Heard.hard_bounce, Heard.opted_out))
REASONS: dict[Heard, Reason] = {
    Heard.delayed: Reason.delayed,
    Heard.soft_bounce: Reason.soft_bounce,
    Heard.rejected: Reason.rejected_later,
    Heard.hard_bounce: Reason.hard_bounce,
    Heard.opted_out: Reason.opted_out,
    Heard.complaint: Reason.complained,
}
BY_REASON = {reason.value: one for one, reason in REASONS.items()}
BOUNCING = ("email",)  # elsewhere what does not arrive has failed
# states of a message that was handed over
HANDED_OVER = {"sent": Heard.nothing, "unknown": Heard.nothing, "delivered": Heard.delivered}


@dataclass(frozen=True, slots=True)
class Shown:
    """A delivery's state and reason. `lost`: it has not arrived, and was not known to be lost before."""

    state: str
    reason: str | None
    lost: bool = False


class Block(StrEnum):
    """Why an address is not written to. Later ones weigh more: what a person wants weighs most."""

    refused = "refused"  # the provider did not take it
    soft_bounces = "soft_bounces"
    bounce = "bounce"
    complaint = "complaint"
    opt_out = "opt_out"


def stronger(one: Block, other: Block) -> bool:
    """Whether `one` weighs more."""
    order = list(Block)
    return order.index(one) > order.index(other)


def heard(state: str, reason: str | None) -> Heard | None:
    """What was heard of a delivery, as its row says; None while it has not been handed over, or will not be."""
    by_reason = BY_REASON.get(reason or "")
    if by_reason is not None and state in ("sent", "delivered", "bounced", "failed"):
        return by_reason
    if state == "bounced":
        return Heard.hard_bounce
    return HANDED_OVER.get(state)


def after(state: str, reason: str | None, channel: str, report: Heard) -> Shown:
    """What a delivery is after this report; the same as before where the report says nothing new."""
    known = heard(state, reason)
    if known is None or report <= known:
        return Shown(state, reason)
    lost = report in LOST and known not in LOST
    mine = REASONS.get(report)
    return Shown(_state(report, channel), mine.value if mine else None, lost)


def _state(report: Heard, channel: str) -> str:
    if report is Heard.delayed:
        return "sent"
    if report in (Heard.delivered, Heard.complaint):
        return "delivered"
    return "failed" if report is Heard.rejected or channel not in BOUNCING else "bounced"


def blocks(report: Heard, soft_bounces: int, limit: int = SOFT_LIMIT) -> Block | None:
    """Why the address is not written to any more after this report, or None; `soft_bounces` are those of the window, this
    one included."""
    match report:
        case Heard.hard_bounce:
            return Block.bounce
        case Heard.complaint:
            return Block.complaint
        case Heard.opted_out:
            return Block.opt_out
        case Heard.soft_bounce if soft_bounces >= limit:
            return Block.soft_bounces
    return None
