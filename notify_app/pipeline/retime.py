"""When somebody's quiet hours or zone change, what these hold is timed anew, in the same transaction (A8).

What they hold no longer is due now, and leaves with the next `sweeps.collect`; what bursts and limits hold is left alone.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from notify_app.pipeline.audience import members
from notify_app.pipeline.step import Step
from notify_app.policy.quiet import release_at

__all__ = ["retime"]

HELD = """
    SELECT DISTINCT person_id FROM delivery WHERE organisation_id = :org AND person_id = ANY(:people) AND state = 'held'
    AND reason = 'quiet_hours'
"""
MOVE = """
    UPDATE delivery d SET next_attempt_at = r.until, due_at = r.until
    FROM json_to_recordset(CAST(:rows AS json)) AS r(person uuid, until timestamptz)
    WHERE d.organisation_id = :org AND d.person_id = r.person AND d.state = 'held' AND d.reason = 'quiet_hours'
    AND d.next_attempt_at <> r.until
"""


def retime(step: Step, people: Collection[UUID]) -> int:
    """Hold what waits for these people until their quiet hours end as they are now; how many messages moved."""
    waiting = [row.person_id for row in step.all(HELD, people=list(people))]
    if not waiting:
        return 0
    rows = [
        {"person": one.id, "until": release_at(one.choice.quiet, one.zone, step.now) or step.now}
        for one in members(step, waiting).values()
    ]
    return step.write(MOVE, rows)
