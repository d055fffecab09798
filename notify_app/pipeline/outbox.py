"""Step three of the path: rows of the outbox. A delivery is written in the transaction that decided on it.

Its identity is (person, channel, address, purpose, group key, generation): whatever runs twice writes it once. What is to
leave at a later time is held, and leaves with what else is held for its address then (`sweeps.collect`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from notify_app.ids import new_id
from notify_app.pipeline.step import Step
from notify_app.policy.routing import Planned
from notify_app.queue import BULK, URGENT

if TYPE_CHECKING:
    from notify_app.pipeline.inbox import Line

__all__ = ["Row", "body_hash", "carry", "keep_bodies", "keep_body", "put", "put_items", "put_messages"]

CARRY = """
    INSERT INTO delivery_item (organisation_id, delivery_id, notification_id)
    SELECT DISTINCT CAST(:org AS uuid), r.carrier, i.notification_id
    FROM json_to_recordset(CAST(:rows AS json)) AS r(carrier uuid, part uuid)
    JOIN delivery_item i ON i.organisation_id = :org AND i.delivery_id = r.part
    ON CONFLICT DO NOTHING
"""
# of one hash there is one row; the touch makes it come back. In one order, so that two never wait for each other in a circle
KEEP_BODIES = """
    INSERT INTO content (organisation_id, id, hash, body)
    SELECT DISTINCT ON (hash) CAST(:org AS uuid), id, decode(hash, 'hex'), body
    FROM json_to_recordset(CAST(:rows AS json)) AS g(id uuid, hash text, body jsonb) ORDER BY hash
    ON CONFLICT ON CONSTRAINT uq_content_hash DO UPDATE SET created_at = content.created_at
    RETURNING id, encode(hash, 'hex') AS hash
"""


@dataclass(frozen=True)
class Row:
    """One message to one address, carrying one notification, or `more`. `reason` says why its parts had waited."""

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
    more: tuple[UUID, ...] = ()
    reason: str | None = None

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


def body_hash(body: Mapping[str, str | None]) -> str:
    """By what a body is known again, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def keep_body(step: Step, body: Mapping[str, str | None]) -> UUID:
    """Keep a body that is written before its delivery is claimed, and return its `content_id`."""
    return keep_bodies(step, [body])[0]


def keep_bodies(step: Step, bodies: Sequence[Mapping[str, str | None]]) -> list[UUID]:
    """The same of many, in one statement; the `content_id` of each, in their order."""
    hashes = [body_hash(body) for body in bodies]
    rows = [
        {"id": str(new_id()), "hash": hash_, "body": body} for hash_, body in zip(hashes, bodies, strict=True)
    ]
    kept = {row.hash: row.id for row in step.all(KEEP_BODIES, rows=json.dumps(rows))}
    return [kept[hash_] for hash_ in hashes]


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
                "state": "held" if row.not_before else "queued",
                "reason": "quiet_hours" if row.not_before else row.reason,
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
            {"delivery_id": row.id, "notification_id": one}
            for row in rows
            for one in (row.notification_id, *row.more)
            if one
        ],
        stamp="",
    )


def carry(step: Step, parts: Iterable[tuple[UUID, UUID]]) -> None:
    """(carrier, part): a delivery carries all that another one was to carry."""
    step.write(CARRY, [{"carrier": carrier, "part": part} for carrier, part in parts])
