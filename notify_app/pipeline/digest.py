"""Digests as rows: whose is due, what is in it, and the delivery that carries it, all in one transaction (requirement A12).

A person's digest goes on where the last one ended by their inbox's counter, not by the clock: numbers are in the order of
the commits, so nothing that was written while a digest was made is lost between two of them. In it is what is unread then
of the categories that they get so, and what routing has kept for it, whatever they have chosen since. What had an email
of its own is not repeated, nor is what they want no email about. Where there is nothing, there is no digest.

Whoever cannot be written to, or has it quiet just now, is put off; what was kept stays kept. The words come when it
leaves (`digest_words`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from notify_app.ids import new_id
from notify_app.pipeline.step import Step
from notify_app.policy.digest import Rhythm, Schedule, next_due
from notify_app.policy.quiet import QuietHours, release_at
from notify_app.policy.routing import DIGEST
from notify_app.queue import BULK

__all__ = ["LOW", "PURPOSE", "UNREAD", "Plan", "due", "of", "put_off", "replan", "write"]

PURPOSE = "digest"  # of its delivery
LOW = 4  # it never goes before a message that was to come at once

PLAN = """
    SELECT f.person_id, f.digest_rhythm, f.digest_time, f.digest_day, f.digest_due_at,
           f.quiet_from, f.quiet_until, f.quiet_days, coalesce(p.zone, o.zone) AS zone,
           (SELECT d.period_end FROM digest d WHERE d.organisation_id = f.organisation_id AND d.person_id = f.person_id
             ORDER BY d.period_start DESC LIMIT 1) AS last_at
    FROM preference f
    JOIN person p ON p.organisation_id = f.organisation_id AND p.id = f.person_id
    JOIN organisation o ON o.id = f.organisation_id
    WHERE f.organisation_id = :org AND f.person_id = ANY(CAST(:ids AS uuid[]))
"""
DUE = f"{PLAN} AND f.digest_due_at <= :now ORDER BY f.person_id FOR UPDATE OF f SKIP LOCKED"
LATER = f"{PLAN} AND f.digest_due_at > :now"
# taken before they are looked at: what a row's holder has just written elsewhere is seen by the next statement only
LOCK = """
    SELECT person_id FROM preference WHERE organisation_id = :org AND person_id = ANY(CAST(:ids AS uuid[]))
    ORDER BY person_id FOR UPDATE
"""

# Of a notification `n`: whether it belongs into its reader's digest, read or not. What a delivery has failed to tell by
# email was not told by email. The category of one that was kept may be none of the digest's by now. (What is IS NULL could be
# NOT EXISTS, which the planner may turn into a join with all deliveries that there are.)
BELONGS = f"""
    coalesce((SELECT w.enabled FROM preference_choice w WHERE w.organisation_id = n.organisation_id
                 AND w.person_id = n.person_id AND w.scope = 'event:' || n.name AND w.channel = 'email'),
             (SELECT w.enabled FROM preference_choice w WHERE w.organisation_id = n.organisation_id
                 AND w.person_id = n.person_id AND w.scope = 'category:' || n.category AND w.channel = 'email'), true)
    AND (EXISTS (SELECT FROM preference_choice w WHERE w.organisation_id = n.organisation_id AND w.person_id = n.person_id
                    AND w.scope = 'category:' || n.category AND w.channel = '{DIGEST}' AND w.enabled)
         OR EXISTS (SELECT FROM decision k WHERE k.organisation_id = n.organisation_id AND k.event_id = n.event_id
                       AND (k.person_id = n.person_id OR k.class_id = n.class_id) AND k.outcome = 'digested'))
    AND (SELECT true FROM delivery_item i
         JOIN delivery d ON d.organisation_id = i.organisation_id AND d.id = i.delivery_id
         WHERE i.organisation_id = n.organisation_id AND i.notification_id = n.id AND d.channel = 'email'
           AND d.state NOT IN ('failed', 'bounced', 'skipped', 'suppressed') LIMIT 1) IS NULL
"""  # noqa: S608  (constants of this program)
# Of a preference `f`: its person's lines that are new since their last digest and unread. A line's number of its last
# change is never below that of its making, and has an index.
UNREAD = f"""
    n.organisation_id = f.organisation_id AND n.person_id = f.person_id AND n.changed_seq > f.digest_seq
    AND n.seq > f.digest_seq AND n.read_at IS NULL AND n.withdrawn_at IS NULL AND {BELONGS}
"""
# One snapshot: up to the counter that it sees, it sees every line. Whoever left has none, and theirs are passed over;
# without an address the next one goes on from the same place.
WRITE = text(
    f"""
    WITH asked AS MATERIALIZED (
        SELECT f.organisation_id, f.person_id, f.digest_since, f.digest_seq, r.delivery_id, r.leaves_at, r.next_at,
               r.nothing_next_at, p.left_at IS NOT NULL AS gone, coalesce(c.seq, f.digest_seq) AS until_seq,
               (SELECT a.value FROM address a WHERE a.organisation_id = f.organisation_id AND a.person_id = f.person_id
                   AND a.channel = 'email' AND NOT EXISTS (
                       SELECT FROM suppression s WHERE s.organisation_id = a.organisation_id AND s.channel = a.channel
                          AND s.value = a.value)
                 ORDER BY a.position, a.id LIMIT 1) AS address
        FROM json_to_recordset(CAST(:rows AS json))
             AS r(person_id uuid, delivery_id uuid, leaves_at timestamptz, next_at timestamptz, nothing_next_at timestamptz)
        JOIN preference f ON f.organisation_id = :org AND f.person_id = r.person_id
        JOIN person p ON p.organisation_id = f.organisation_id AND p.id = f.person_id
        LEFT JOIN inbox_counter c ON c.organisation_id = f.organisation_id AND c.person_id = f.person_id
    ), line AS MATERIALIZED (
        SELECT f.person_id, f.delivery_id, n.id FROM asked f JOIN notification n ON {UNREAD}
        WHERE f.address IS NOT NULL AND NOT f.gone
    ), full_ AS MATERIALIZED (
        SELECT person_id, count(*)::int AS carried FROM line GROUP BY person_id
    ), message AS (
        INSERT INTO delivery (organisation_id, id, person_id, channel, address, purpose, group_key, priority, reason,
                              due_at, next_attempt_at, created_at)
        SELECT organisation_id, delivery_id, person_id, 'email', address, '{PURPOSE}', 'digest:' || digest_seq, {LOW},
               CASE WHEN leaves_at > :now THEN 'quiet_hours' END, leaves_at, leaves_at, :now
        FROM asked JOIN full_ USING (person_id)
    ), item AS (
        INSERT INTO delivery_item (organisation_id, delivery_id, notification_id) SELECT :org, delivery_id, id FROM line
    ), record AS (
        INSERT INTO digest (organisation_id, person_id, period_start, period_end, until_seq, delivery_id, carried)
        SELECT organisation_id, person_id, digest_since, :now, until_seq, delivery_id, carried
        FROM asked JOIN full_ USING (person_id)
    ), moved AS (
        UPDATE preference f
        SET digest_due_at = CASE WHEN carried IS NULL THEN nothing_next_at ELSE next_at END,
            digest_seq = CASE WHEN address IS NULL AND NOT gone THEN f.digest_seq ELSE until_seq END,
            digest_since = CASE WHEN address IS NULL AND NOT gone THEN f.digest_since ELSE CAST(:now AS timestamptz) END
        FROM asked LEFT JOIN full_ USING (person_id)
        WHERE f.organisation_id = :org AND f.person_id = asked.person_id
    )
    SELECT count(*) AS written, coalesce(bool_or(leaves_at <= :now), false) AS at_once
    FROM asked JOIN full_ USING (person_id)
    """  # noqa: S608  (constants of this program)
)
MOVE = """
    UPDATE preference f SET digest_due_at = r.due_at FROM json_to_recordset(CAST(:rows AS json))
        AS r(person_id uuid, due_at timestamptz)
    WHERE f.organisation_id = :org AND f.person_id = r.person_id AND f.digest_due_at IS NOT NULL
"""


@dataclass(frozen=True)
class Plan:
    """When somebody wants a digest, under lock. `schedule` and `due_at` are None where they want none; `last_at` is when
    they had one."""

    person_id: UUID
    schedule: Schedule | None
    due_at: datetime | None
    zone: str
    quiet: QuietHours | None
    last_at: datetime | None

    def next(self, now: datetime, last: datetime | None = None) -> datetime:
        """When the next one is due, if they had one at `last` (None: when they had the last). There must be a schedule."""
        assert self.schedule is not None, "asked of those who want a digest"
        return next_due(self.schedule, self.zone, now, quiet=self.quiet, last=last or self.last_at)

    def quiet_until(self, now: datetime) -> datetime | None:
        """The end of the quiet hours that `now` lies in, or None."""
        return release_at(self.quiet, self.zone, now)


def of(step: Step, person_id: UUID) -> Plan:
    """One person's, whose preferences are made if there are none yet."""
    step.run(
        "INSERT INTO preference (organisation_id, person_id) VALUES (:org, :me) ON CONFLICT DO NOTHING",
        me=person_id,
    )
    step.all(LOCK, ids=[person_id])
    return _plan(step.one(PLAN, ids=[person_id]))


def due(step: Step, ids: Sequence[UUID]) -> list[Plan]:
    """Those of these people whose digest is due and who are not in somebody else's hands."""
    return [_plan(row) for row in step.all(DUE, ids=list(ids), now=step.now)]


def replan(step: Step, ids: Sequence[UUID]) -> None:
    """Their zone or their quiet hours have changed: so does when their next digest is due, unless it is due already."""
    step.all(LOCK, ids=list(ids))
    plans = [_plan(row) for row in step.all(LATER, ids=list(ids), now=step.now)]
    put_off(step, [(one, one.next(step.now)) for one in plans])


def put_off(step: Step, moments: Iterable[tuple[Plan, datetime]]) -> None:
    """No digest before that moment; what is kept stays kept."""
    rows = [{"person_id": one.person_id, "due_at": at} for one, at in moments if at != one.due_at]
    if rows:
        step.write(MOVE, rows)


def write(step: Step, plans: Sequence[Plan]) -> int:
    """A digest for each of these people (under lock) of whom something is unread, and when the next one is due. Returns
    how many there were. In quiet hours it leaves when they end."""
    if not plans:
        return 0
    rows = [
        {
            "person_id": one.person_id,
            "delivery_id": new_id(),
            "leaves_at": one.quiet_until(step.now) or step.now,
            "next_at": one.next(step.now, last=step.now),
            "nothing_next_at": one.next(step.now),
        }
        for one in plans
    ]
    found = step.one(WRITE, rows=json.dumps(rows, default=str), now=step.now)
    if found.at_once:
        step.wakes.add(BULK)
    return int(found.written)


def _plan(row: Any) -> Plan:
    schedule = quiet = None
    if row.digest_rhythm is not None:
        schedule = Schedule(Rhythm(row.digest_rhythm), row.digest_time, row.digest_day)
    if row.quiet_from is not None:
        quiet = QuietHours(row.quiet_from, row.quiet_until, frozenset(row.quiet_days))
    return Plan(row.person_id, schedule, row.digest_due_at, row.zone, quiet, row.last_at)
