"""Classes of people: all who share what `routing.plan` looks at are decided on once, by that same function.

A broadcast groups its people by `Standing` before it decides, and by `class_id` after: people whose standings differ
(another zone, another role) and of whom the same was decided are one class in the record.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from notify_app.policy.routing import Choice, Matter, Plan, Reach, plan

__all__ = ["Standing", "class_id", "decide"]


@dataclass(frozen=True)
class Standing:
    """What people have in common, as far as decisions and words depend on it. `reaches` has one entry for each channel
    on which they have an address, without the address: that is each one's own."""

    role: str
    zone: str
    locale: str
    signs_in: bool
    left: bool
    reaches: tuple[Reach, ...]
    choice: Choice


def decide(matter: Matter, standing: Standing, now: datetime) -> Plan:
    """The plan for each of them; a message's address is still empty."""
    return plan(
        matter, standing.reaches, standing.choice, signs_in=standing.signs_in, zone=standing.zone, now=now
    )


def class_id(event_id: UUID, decided: Plan) -> UUID:
    """The same for all of whom the same was decided, in whichever chunk; of no other event."""
    record = [[told.channel, told.outcome, told.reason.value, dict(told.detail)] for told in decided.record]
    said = json.dumps([str(event_id), record], sort_keys=True)
    return UUID(bytes=hashlib.sha256(said.encode()).digest()[:16])
