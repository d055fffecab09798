"""Tell the administrators what stays wrong for five minutes, each finding once, and once that all of it is well again; and
which of the office's own templates could not be used (`pipeline.flaws`), once for each version; and how far their budget for
SMS is used (`policy.budget`), each level once in a month or day and once more when the amount was changed.

What the auditor has found are rows (`audit_finding`); this writes down whom it told in the transaction that tells them, so
whatever runs twice tells once. It goes the normal path: a line in the inbox, and an email. Where nobody is an
administrator, the office hears of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError

from notify_app import domains
from notify_app.audit.checks import check, meaning, said
from notify_app.domains.base import Draft
from notify_app.domains.hub import HUB_UNWELL, HUB_WELL, SMS_BUDGET, TEMPLATE_BROKEN
from notify_app.extensions import db
from notify_app.pipeline import budget, sql, world
from notify_app.pipeline.route import Origin, Override, route
from notify_app.pipeline.step import Step, hub, step
from notify_app.policy.budget import Level, Period, first_of_month, level
from notify_app.policy.formats import Money

__all__ = ["CALM", "STAYS", "run"]

log = logging.getLogger(__name__)

STAYS = timedelta(minutes=5)  # what passes by itself sooner is nobody's trouble
CALM = timedelta(minutes=1)  # well again is what has been well for so long
PAGE, TEMPLATES, SPEND = "/running", "/templates", "/spend"
CENT = Decimal("0.01")
SHOWN = 8  # different matters in one message; the page has all

OPEN = """
    SELECT id, name, subject, found, total, since, told_at FROM audit_finding
    WHERE organisation_id = :org AND cleared_at IS NULL ORDER BY since, name, subject FOR UPDATE
"""
OVER = """
    SELECT id, name, subject, found, total, since, cleared_at FROM audit_finding
    WHERE organisation_id = :org AND told_at IS NOT NULL AND well_at IS NULL AND cleared_at IS NOT NULL
    ORDER BY since, name, subject FOR UPDATE
"""
STILL_WRONG = """
    SELECT 1 FROM audit_finding WHERE organisation_id = :org AND cleared_at IS NULL AND told_at IS NOT NULL LIMIT 1
"""
TOLD = "UPDATE audit_finding SET told_at = :now WHERE organisation_id = :org AND id = ANY(:ids)"
WELL = "UPDATE audit_finding SET well_at = :now WHERE organisation_id = :org AND id = ANY(:ids)"
BROKEN = """
    SELECT id, event, version, broken_why FROM template
    WHERE organisation_id = :org AND broken_at IS NOT NULL AND broken_told_at IS NULL ORDER BY id FOR UPDATE SKIP LOCKED
"""
BROKEN_TOLD = "UPDATE template SET broken_told_at = :now WHERE organisation_id = :org AND id = :id"
KNOWN = "SELECT 1 FROM event WHERE organisation_id = :org AND dedupe_key = :key"


def run(now: datetime, limit: int = 0) -> int:
    """How many organisations were told something; `limit` are looked up at a time (0: the setting)."""
    limit, told = limit or hub().warn_batch, 0
    values = {"now": now, "stays": STAYS, "calm": CALM, "limit": limit}
    while True:
        with db.engines["engine"].connect() as conn:
            found = list(conn.execute(sql.TO_WARN, values).scalars())
        done = sum(_organisation(one) for one in found)
        told += done
        if not done or len(found) < limit:
            return told + _budgets(limit)


def _budgets(limit: int) -> int:
    """How many organisations heard of their budget."""
    after, told = UUID(int=0), 0
    while True:
        with db.engines["engine"].connect() as conn:
            found = list(conn.execute(sql.BUDGETED, {"after": after, "limit": limit}).scalars())
        told += sum(_in_step(one, _budget) for one in found)
        if len(found) < limit:
            return told
        after = found[-1]


def _organisation(organisation_id: UUID) -> bool:
    return _in_step(organisation_id, _look)


def _look(work: Step) -> bool:
    broken = _broken(work)
    return _unwell(work) or _well(work) or broken


def _in_step(organisation_id: UUID, look: Callable[[Step], bool]) -> bool:
    """One that cannot be told keeps no other from hearing; it is tried again."""
    try:
        with step(organisation_id) as work:
            return look(work)
    except (InterfaceError, OperationalError):
        raise
    except Exception:
        log.exception("warnings of %s", organisation_id)
        return False


def _unwell(work: Step) -> bool:
    """Tell what has stayed wrong for long enough; whether there was anything."""
    rows = work.all(OPEN)
    late = [row for row in rows if row.told_at is None and row.since <= work.now - STAYS]
    if late:
        _tell(work, HUB_UNWELL.name, late)
        work.run(TOLD, now=work.now, ids=[row.id for row in late])
    return bool(late)


def _well(work: Step) -> bool:
    """Tell that all that was told is over; whether it is."""
    rows = work.all(OVER)
    if not rows or work.one(STILL_WRONG) or max(row.cleared_at for row in rows) > work.now - CALM:
        return False
    _tell(work, HUB_WELL.name, rows)
    work.run(WELL, now=work.now, ids=[row.id for row in rows])
    return True


def _broken(work: Step) -> bool:
    """Tell which templates could not be used; whether there was one."""
    rows = work.all(BROKEN)
    for row in rows:
        key = f"template_broken:{row.event}:{row.version}"
        if not work.one(KNOWN, key=key):
            known = domains.event(row.event)
            payload = {"message": known.title if known else row.event, "why": row.broken_why}
            override = Override(action_url=f"{TEMPLATES}/{row.event}", dedupe_key=key)
            draft = Draft(TEMPLATE_BROKEN.name, payload, to=_administrators(work))
            route(work, [draft], Origin(work.now), override)
        work.run(BROKEN_TOLD, now=work.now, id=row.id)
    return bool(rows)


def _budget(work: Step) -> bool:
    """Tell how far the budget is used; whether there was anything new to tell. Of a month and a day that are used up at
    once each is told."""
    stands = budget.standing(work)
    return sum(_budget_of(work, stands, period) for period in Period) > 0


def _budget_of(work: Step, stands: budget.Standing, period: Period) -> bool:
    limits = stands.budget
    reached = limits and level(limits, period, stands.spent(period), refused=stands.refused(period))
    if limits is None or not reached:
        return False
    whole = limits.limit(period) or Decimal(0)
    begins = first_of_month(stands.today) if period is Period.month else stands.today
    # what is less than what was told before is no news: another amount is
    keys = {
        one: f"sms_budget:{period}:{begins}:{whole.normalize():f}:{limits.reserve}:{one}"
        for one in list(Level)[list(Level).index(reached) :]
    }
    work.one("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", key=keys[reached])
    if any(work.one(KNOWN, key=key) for key in keys.values()):
        return False
    ordinary = limits.ordinary(period) or Decimal(0)
    payload = {
        "period": period.value,
        "level": reached.value,
        "spent": Money(stands.spent(period).quantize(CENT), "USD"),
        "limit": Money(whole.quantize(CENT), "USD"),
        "ordinary": Money(ordinary.quantize(CENT), "USD"),
        "reserve": Money((whole - ordinary).quantize(CENT), "USD"),
    }
    draft = Draft(SMS_BUDGET.name, payload, to=_administrators(work))
    override = Override(action_url=SPEND, dedupe_key=keys[reached])
    route(work, [draft], Origin(work.now), override)
    return True


def _administrators(work: Step) -> tuple[UUID, ...] | None:
    """None where there is none: then the office hears of it."""
    return world.of(work).matching("role:administrator") or None


def _tell(work: Step, event: str, rows: list[Any]) -> None:
    matters = _matters(rows)
    payload = {
        "first": matters[0]["title"],
        "more": len(matters) - 1,
        "since": min(row.since for row in rows),
        "matters": matters[:SHOWN],
    }
    draft = Draft(event, payload, to=_administrators(work))
    route(work, [draft], Origin(work.now), Override(action_url=PAGE))


def _matters(rows: list[Any]) -> list[dict[str, Any]]:
    """What is said of them: those of a check whose subjects are one matter are one, with their number."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        known = check(row.name)
        key = (row.name, row.subject if known.each else "")
        one = found.setdefault(key, {"subject": row.subject, "found": 0, "total": row.total})
        one["found"] += row.found
    return [
        {
            "title": said(name, one["subject"], one["found"], one["total"]),
            "means": meaning(name, one["subject"]),
            "todo": check(name).todo,
        }
        for (name, _), one in found.items()
    ]
