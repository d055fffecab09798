"""Decide again before a message leaves (invariant 6): what the person and the office have changed since it was queued.

Read in the transaction that prepares the message. What the claim's own row tells (read, withdrawn, blocked, too old)
is `deliver.verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from notify_app.domains.base import Priority
from notify_app.pipeline.audience import members
from notify_app.pipeline.step import Step
from notify_app.policy.quiet import release_at
from notify_app.policy.reasons import Reason
from notify_app.policy.routing import Matter, switched_off

__all__ = ["Refusal", "refusal"]


@dataclass(frozen=True)
class Refusal:
    """Not now, or not any more: the state and reason to settle with; `wait` in seconds where it is put off."""

    state: str
    reason: Reason
    wait: float | None = None


def refusal(work: Step, delivery: Any) -> Refusal | None:
    """Why this delivery must not leave now, or None. URGENT passes choices and quiet hours; a test passes them too."""
    member = members(work, [delivery.person_id])[delivery.person_id]
    if member.left:
        return Refusal("skipped", Reason.person_left)
    if not any(one.channel == delivery.channel and one.address == delivery.address for one in member.reaches):
        return Refusal("skipped", Reason.no_address)
    priority = Priority.of(delivery.priority)
    carried = work.one(
        "SELECT n.name, n.category FROM delivery_item i JOIN notification n ON n.organisation_id = i.organisation_id "
        "AND n.id = i.notification_id WHERE i.organisation_id = :org AND i.delivery_id = :id ORDER BY n.id LIMIT 1",
        id=delivery.id,
    )
    if priority is Priority.urgent or delivery.purpose != "notification" or carried is None:
        return None
    off = switched_off(Matter(carried.name, carried.category, priority), member.choice, delivery.channel)
    if off:
        return Refusal("skipped", off.reason)
    until = release_at(member.choice.quiet, member.zone, work.now)
    if until:
        return Refusal("queued", Reason.quiet_hours, (until - work.now).total_seconds())
    return None
