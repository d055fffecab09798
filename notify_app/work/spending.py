"""Setting the budget for SMS, and what was spent of it: by day, event, country and person (requirement A9; reliability.md §3.2).

What was spent is read from `sms_spent`, a few rows a day that settlement keeps, by its key. Only who cost most is read from
the deliveries themselves, and only when somebody asks: of the pages of that month alone (`ix_delivery_made`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from notify_app.live.announce import Changed
from notify_app.pipeline import budget
from notify_app.pipeline.step import Step
from notify_app.policy.budget import Budget, next_month
from notify_app.queue import BULK
from notify_app.work import record
from notify_app.work.record import By, What

__all__ = [
    "by_country",
    "by_day",
    "by_event",
    "by_person",
    "changes",
    "months",
    "remove",
    "rows",
    "set_budget",
]

BEFORE = "SELECT month_usd, day_usd, reserve FROM sms_budget WHERE organisation_id = :org FOR UPDATE"
SET = """
    INSERT INTO sms_budget (organisation_id, month_usd, day_usd, reserve, changed_at) VALUES (:org, :month, :day, :reserve, :now)
    ON CONFLICT ON CONSTRAINT pk_sms_budget DO UPDATE SET month_usd = excluded.month_usd, day_usd = excluded.day_usd,
        reserve = excluded.reserve, changed_at = excluded.changed_at, month_refused_at = NULL, day_refused_at = NULL
"""
# for two that set the first budget at once
TAKE_TURNS = "SELECT pg_advisory_xact_lock(hashtextextended('budget/' || CAST(:org AS text), 0))"
GROUPED = """
    SELECT {what} AS what, sum(messages) AS messages, sum(segments) AS segments, sum(cost_usd) AS cost FROM sms_spent
    WHERE organisation_id = :org AND day >= :first AND day < :until GROUP BY {what} ORDER BY {order}
"""
ROWS = """
    SELECT day, country, event, messages, segments, cost_usd FROM sms_spent
    WHERE organisation_id = :org AND day >= :first AND day < :until ORDER BY day, country, event
"""
MONTHS = """
    SELECT CAST(date_trunc('month', day) AS date) AS month, sum(cost_usd) AS cost FROM sms_spent
    WHERE organisation_id = :org AND day >= :since GROUP BY 1 ORDER BY 1 DESC
"""
# what was made in the month: its pages are found by the summary of `created_at`
PEOPLE = """
    SELECT p.id, p.name, sum(t.messages) AS messages, sum(t.segments) AS segments, sum(t.cost) AS cost FROM (
        SELECT person_id, count(*) AS messages, sum(segments) AS segments, sum(cost_usd) AS cost FROM delivery
        WHERE organisation_id = :org AND created_at >= :start AND created_at < :end AND channel = :channel
          AND cost_usd IS NOT NULL GROUP BY person_id ORDER BY 4 DESC LIMIT :limit
    ) AS t JOIN person p ON p.organisation_id = :org AND p.id = t.person_id
    GROUP BY p.id, p.name ORDER BY cost DESC, p.name
"""
CHANGES = """
    SELECT a.*, m.name AS actor FROM audit a
    LEFT JOIN person m ON m.organisation_id = a.organisation_id AND m.id = a.actor_id
    WHERE a.organisation_id = :org AND a.what = 'office.budget' ORDER BY a.at DESC, a.id DESC LIMIT :limit
"""


def set_budget(work: Step, wanted: Budget, by: By) -> bool:
    """Set it, note who did, and let go what waits for money; whether anything has changed."""
    return _change(work, wanted, by)


def remove(work: Step, by: By) -> bool:
    """No budget any more: nothing is refused for money. Whether there was one."""
    return _change(work, None, by)


def _change(work: Step, wanted: Budget | None, by: By) -> bool:
    work.one(TAKE_TURNS)
    row = work.one(BEFORE)
    old = Budget(row.month_usd, row.day_usd, row.reserve) if row else None
    before, after = record.differing(_plain(old), _plain(wanted))
    if not after:
        return False
    if wanted is None:
        work.run("DELETE FROM sms_budget WHERE organisation_id = :org")
    else:
        work.run(SET, month=wanted.month, day=wanted.day, reserve=wanted.reserve, now=work.now)
    record.note(work, by, What.budget, before=before, after=after)
    if budget.let_go(work):
        work.wakes.add(BULK)
    work.news.append(Changed(work.organisation_id, "switches"))
    return True


def _plain(one: Budget | None) -> dict[str, Any]:
    if one is None:
        return {"month": None, "day": None, "reserve": None}
    day = None if one.day is None else f"{one.day:.2f}"
    return {"month": f"{one.month:.2f}", "day": day, "reserve": one.reserve}


# --- what was spent --------------------------------------------------------------------------------------------------


def rows(work: Step, month: date) -> list[Any]:
    """Every row of a month, as it is kept."""
    return work.all(ROWS, first=month, until=next_month(month))


def by_day(work: Step, month: date) -> list[Any]:
    return _grouped(work, month, "day", "day")


def by_event(work: Step, month: date) -> list[Any]:
    return _grouped(work, month, "event", "cost DESC, event")


def by_country(work: Step, month: date) -> list[Any]:
    return _grouped(work, month, "country", "cost DESC, country")


def _grouped(work: Step, month: date, what: str, order: str) -> list[Any]:
    statement = GROUPED.format(what=what, order=order)
    return work.all(statement, first=month, until=next_month(month))


def by_person(work: Step, month: date, zone: str, limit: int) -> list[Any]:
    """Whose SMS of a month cost most."""
    start, end = (_midnight(one, zone) for one in (month, next_month(month)))
    return work.all(PEOPLE, start=start, end=end, channel=budget.CHANNEL, limit=limit)


def _midnight(on: date, zone: str) -> datetime:
    return datetime.combine(on, time(), ZoneInfo(zone)).astimezone(UTC)


def months(work: Step, since: date) -> list[tuple[date, Decimal]]:
    """The months in which something was spent, the newest first."""
    return [(row.month, row.cost) for row in work.all(MONTHS, since=since)]


def changes(work: Step, limit: int) -> list[Any]:
    """Who has changed the budget, the newest first."""
    return work.all(CHANGES, limit=limit)
