"""How many people a broadcast has told, by which channel, and why others were not: in sentences, from its decisions.

Its cost does not depend on how many they are: the decisions of a broadcast are by class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notify_app.pipeline.crowd import Audience
from notify_app.pipeline.step import Step
from notify_app.policy.channel import spoken
from notify_app.policy.reasons import sentence
from notify_app.work import why

__all__ = ["Crowd", "Line", "crowd"]

BROADCAST = "SELECT * FROM broadcast WHERE organisation_id = :org AND event_id = :event"
# quiet hours end at many times: one line for all of them. What is about nobody in particular has stopped it: it is about
# whoever was left
DECISIONS = """
    SELECT nullif(channel, '') AS channel, outcome, reason, detail - 'until' AS detail, sum(coalesce(people, 1)) AS people,
           bool_and(people IS NULL AND person_id IS NULL) AS stopped, min(detail ->> 'until') AS first, max(detail ->> 'until') AS last
    FROM decision WHERE organisation_id = :org AND event_id = :event
    GROUP BY 1, 2, 3, 4 ORDER BY bool_or(channel = 'inapp') IS NOT TRUE, people DESC, 1, 3
"""
ORDER = ("told", "deferred", "digested", "not_told")


@dataclass(frozen=True)
class Line:
    """So many people, and what was decided on them. `outcome` is told, deferred, digested or not_told."""

    people: int
    text: str
    outcome: str


@dataclass(frozen=True)
class Crowd:
    """A broadcast as it stands: `considered` of `people` were decided on, `told` of them have a line. `trouble`: it is
    tried again, because of that."""

    audience: str
    people: int
    considered: int
    told: int
    done: bool
    trouble: str
    lines: tuple[Line, ...]


def crowd(step: Step, event_id: UUID, said: why.Said) -> Crowd | None:
    """What has come of a broadcast; None for an event that was not told to many."""
    row = step.one(BROADCAST, event=event_id)
    if row is None:
        return None
    left = row.people - row.considered
    lines = [_line(one, left, said) for one in step.all(DECISIONS, event=event_id)]
    return Crowd(
        Audience.of(row.audience).words(),
        row.people,
        row.considered,
        row.told,
        row.done_at is not None,
        row.error or "",
        tuple(sorted(lines, key=lambda line: ORDER.index(line.outcome))),
    )


def _line(row: Any, left: int, said: why.Said) -> Line:
    if row.first == row.last:
        detail = row.detail if row.first is None else {**row.detail, "until": row.first}
        text = why.reason_of(row.reason, row.channel, detail, said)
    else:
        until = "its own time" if row.outcome == "digested" else "they end"
        text = sentence(row.reason, {"channel": spoken(row.channel), "until": until})
    return Line(left if row.stopped else int(row.people), text, row.outcome)
