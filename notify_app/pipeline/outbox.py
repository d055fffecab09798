"""Step three of the path: rows of the outbox. A delivery is written in the transaction that decided on it.

Its identity is (person, channel, address, purpose, group key, generation): whatever runs twice writes it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from notify_app.ids import new_id
from notify_app.pipeline.inbox import Line
from notify_app.pipeline.step import Step
from notify_app.policy.routing import Planned
from notify_app.queue import BULK, URGENT

__all__ = ["Row", "put", "put_items", "put_messages"]


@dataclass(frozen=True)
class Row:
    """One message to one address, carrying one notification."""

    id: UUID
    person_id: UUID
    channel: str
    address: str
    group_key: str
    priority: int
    not_before: datetime | None
    notification_id: UUID | None
    purpose: str = "notification"
    generation: int = 0

    @classmethod
    def of(cls, planned: Planned, line: Line, event_id: UUID) -> Row:
        """The row for what routing planned."""
        return cls(
            new_id(),
            line.person_id,
            planned.channel,
            planned.address,
            str(event_id),
            line.priority,
            planned.not_before,
            line.id,
        )


def put(step: Step, rows: Sequence[Row]) -> None:
    """Insert deliveries with what they carry, and wake the workers whose turn it is."""
    put_messages(step, rows)
    put_items(step, rows)


def put_messages(step: Step, rows: Sequence[Row]) -> None:
    """The deliveries alone; in the same transaction `put_items` must follow, once their notifications are there."""
    step.insert(
        "delivery",
        [
            {
                "id": row.id,
                "person_id": row.person_id,
                "channel": row.channel,
                "address": row.address,
                "purpose": row.purpose,
                "group_key": row.group_key,
                "generation": row.generation,
                "priority": row.priority,
                "reason": "quiet_hours" if row.not_before else None,
                "due_at": row.not_before or step.now,
                "next_attempt_at": row.not_before or step.now,
            }
            for row in rows
        ],
    )
    for row in rows:
        if row.not_before is None:
            step.wakes.add(URGENT if row.priority == 1 else BULK)


def put_items(step: Step, rows: Sequence[Row]) -> None:
    """What each delivery carries."""
    step.insert(
        "delivery_item",
        [
            {"delivery_id": row.id, "notification_id": row.notification_id}
            for row in rows
            if row.notification_id
        ],
        stamp="",
    )
