"""A person's own digest: how often, when, and of what; chosen by them, and shown with what is in the next one so far.

Whoever gives it up has what was kept for it at once, as a last one. The first digest goes back over the 24 hours before
it, or to where it was chosen, if that was earlier: a weekly one lacks nothing of its first week.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from notify_app.pipeline import digest
from notify_app.pipeline.step import Step
from notify_app.policy.digest import Rhythm, Schedule
from notify_app.policy.routing import DIGEST
from notify_app.work import record, wishes
from notify_app.work.record import By, What

__all__ = ["KEPT", "Kept", "choose", "kept"]

FIRST = timedelta(hours=24)  # A12

ON = """
    UPDATE preference SET digest_rhythm = :rhythm, digest_time = :at, digest_day = :day, digest_due_at = :due,
           digest_since = coalesce(digest_since, :since), digest_seq = coalesce(digest_seq, :seq), updated_at = :now
    WHERE organisation_id = :org AND person_id = :me
"""
OFF = """
    UPDATE preference SET digest_rhythm = NULL, digest_due_at = NULL, digest_since = NULL, digest_seq = NULL, updated_at = :now
    WHERE organisation_id = :org AND person_id = :me AND digest_rhythm IS NOT NULL
"""
# the counter from which a first digest goes: before the first line since then, and behind what an earlier one has carried
FROM = """
    SELECT greatest(
        (SELECT max(until_seq) FROM digest WHERE organisation_id = :org AND person_id = :me),
        coalesce((SELECT min(seq) - 1 FROM notification WHERE organisation_id = :org AND person_id = :me AND created_at >= :since),
                 (SELECT seq FROM inbox_counter WHERE organisation_id = :org AND person_id = :me), 0)) AS seq
"""
KEPT = f"""
    SELECT f.digest_rhythm, f.digest_time, f.digest_day, f.digest_due_at,
           CASE WHEN f.digest_seq IS NOT NULL THEN (SELECT count(*) FROM notification n WHERE {digest.UNREAD}) ELSE 0 END AS unread
    FROM preference f WHERE f.organisation_id = :org AND f.person_id = :me
"""  # noqa: S608  (constants of this program)


@dataclass(frozen=True)
class Kept:
    """A person's digest as it stands. `due_at` is None while it is off; then the schedule is what they had, or the usual."""

    schedule: Schedule
    due_at: datetime | None = None
    unread: int = 0


def choose(
    step: Step,
    person_id: UUID,
    schedule: Schedule | None,
    categories: Collection[str],
    offered: Collection[str],
    by: By,
) -> int:
    """Keep the schedule (None: no digest), and which of the `offered` categories come in it. Returns how many digests
    leave at once because of that: one, when it is given up and something was kept for it."""
    before = digest.of(step, person_id)
    last = 0
    if schedule is None:
        if before.schedule is not None:
            last = digest.write(step, [before])
        step.run(OFF, me=person_id, now=step.now)
    else:
        _on(step, before, schedule)
    choices: dict[tuple[str, str], bool | None] = {
        (f"category:{one}", DIGEST): True if one in categories else None for one in offered
    }
    _note(step, person_id, before.schedule, schedule, by)
    wishes.choose(step, person_id, choices, by)
    return last


def _note(step: Step, person_id: UUID, before: Schedule | None, after: Schedule | None, by: By) -> None:
    if before != after:
        record.note(step, by, What.digest, person_id, before=_said(before), after=_said(after))


def _said(schedule: Schedule | None) -> dict[str, Any]:
    """A schedule as the record keeps it; nothing while there is none."""
    if schedule is None:
        return {}
    return {"rhythm": schedule.rhythm.value, "at": f"{schedule.at:%H:%M}", "day": schedule.day}


def _on(step: Step, before: digest.Plan, schedule: Schedule) -> None:
    after = digest.Plan(before.person_id, schedule, before.due_at, before.zone, before.quiet, before.last_at)
    overdue = before.due_at is not None and before.due_at <= step.now
    due = before.due_at if overdue else after.next(step.now)
    assert due is not None, "one of the two is known"
    since = min(due - FIRST, step.now)
    since = max(since, before.last_at) if before.last_at else since
    step.run(
        ON,
        me=before.person_id,
        rhythm=schedule.rhythm.value,
        at=schedule.at,
        day=schedule.day,
        due=due,
        since=since,
        seq=step.one(FROM, me=before.person_id, since=since).seq,
        now=step.now,
    )


def kept(step: Step, person_id: UUID) -> Kept:
    """How the person's digest stands, with how many unread messages are in the next one so far."""
    row: Any = step.one(KEPT, me=person_id)
    if row is None:
        return Kept(Schedule(Rhythm.daily))
    schedule = Schedule(Rhythm(row.digest_rhythm or Rhythm.daily), row.digest_time, row.digest_day)
    return Kept(schedule, row.digest_due_at, row.unread)
