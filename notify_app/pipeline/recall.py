"""Pushes are taken back: what a device shows goes away once its line needs nobody any more, or says who sees to it.

A recall is a delivery of its own to each device that was sent the line and may still show it. It takes the one path, with its
retries and its attempts on record; its body names the pushes by their tags.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from notify_app.channels.push import PUSH, goes_in_silence
from notify_app.ids import new_id
from notify_app.pipeline.outbox import keep_bodies
from notify_app.pipeline.step import Step
from notify_app.queue import BULK

__all__ = ["PURPOSE", "close", "say"]

PURPOSE = "recall"
MEDIUM = 3
LIES = timedelta(days=2)  # a push that was not looked at for so long is left where it is
MOST = 60  # tags in one recall: a device takes 4,096 bytes
ON_ITS_WAY = timedelta(seconds=3)  # a push that is leaving now arrives before what takes it back
# What may lie on a device is what was tried, however that ended. A push of several lines goes when none of them needs anybody
SHOWN = """
    SELECT d.person_id, min(n.title) AS title, array_agg(DISTINCT d.address) AS devices,
           array_agg(DISTINCT CASE WHEN d.purpose = 'collected' THEN d.id ELSE n.id END) AS pushes,
           bool_or(d.state = 'sending') AS leaving
    FROM notification n
    JOIN delivery_item i ON i.organisation_id = n.organisation_id AND i.notification_id = n.id
    JOIN delivery d ON d.organisation_id = i.organisation_id AND d.id = i.delivery_id
    JOIN address a ON a.organisation_id = d.organisation_id AND a.person_id = d.person_id AND a.channel = d.channel
        AND a.value = d.address
    WHERE n.organisation_id = :org AND n.created_at > :since AND {which}
      AND d.channel = :channel AND d.claimed_at > :since AND d.attempts > 0
      AND (d.purpose = 'notification' OR d.purpose = 'collected' AND NOT EXISTS (
          SELECT FROM delivery_item o
          JOIN notification m ON m.organisation_id = o.organisation_id AND m.id = o.notification_id
          WHERE o.organisation_id = :org AND o.delivery_id = d.id AND m.read_at IS NULL AND m.withdrawn_at IS NULL))
    GROUP BY d.person_id ORDER BY d.person_id
"""
OF_LINES = SHOWN.format(which="n.id = ANY(:ids)")
OF_EVENTS = SHOWN.format(
    which="n.event_id = ANY(:ids) AND n.person_id <> :but AND n.read_at IS NULL AND n.withdrawn_at IS NULL "
    "AND d.purpose = 'notification'"
)


def close(step: Step, lines: Collection[UUID]) -> None:
    """These lines were read or withdrawn: their pushes go, on every device that lets them go without a word."""
    if lines:
        _send(step, step.all(OF_LINES, **_asked(step, lines)), "")


def say(step: Step, events: Collection[UUID], who: UUID) -> None:
    """Somebody sees to what these events told of: so say the pushes of all others who have not read it, in place of what they
    said. Their own go with their line."""
    shown = step.all(OF_EVENTS, but=who, **_asked(step, events)) if events else []
    if shown:
        name = step.one("SELECT name FROM person WHERE organisation_id = :org AND id = :id", id=who).name
        _send(step, shown, f"{name} sees to it.")


def _asked(step: Step, ids: Collection[UUID]) -> dict[str, Any]:
    return {"ids": list(ids), "channel": PUSH.name, "since": step.now - LIES}


def _send(step: Step, shown: Sequence[Any], words: str) -> None:
    """A recall to each device of these people; without words, to those alone that need none."""
    told = [one for one in shown if _devices(one, words)]
    if not told:
        return
    bodies = [{"subject": one.title, "text": words, "recalls": _tags(one.pushes)} for one in told]
    rows = [
        _row(one.person_id, device, body, step.now + ON_ITS_WAY if one.leaving else step.now)
        for one, body in zip(told, keep_bodies(step, bodies), strict=True)
        for device in _devices(one, words)
    ]
    step.insert("delivery", rows)
    if any(row["next_attempt_at"] == step.now for row in rows):
        step.wakes.add(BULK)


def _devices(one: Any, words: str) -> list[str]:
    return [device for device in one.devices if words or goes_in_silence(device)]


def _tags(pushes: Sequence[UUID]) -> str:
    return " ".join(push.hex for push in sorted(pushes)[-MOST:])


def _row(person_id: UUID, device: str, body: UUID, at: datetime) -> dict[str, Any]:
    own = new_id()
    return {
        "id": own,
        "person_id": person_id,
        "channel": PUSH.name,
        "address": device,
        "purpose": PURPOSE,
        "group_key": f"{PURPOSE}/{own}",
        "priority": MEDIUM,
        "content_id": body,
        "due_at": at,
        "next_attempt_at": at,
    }
