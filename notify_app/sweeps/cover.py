"""Say in advance when nobody of a role or grade that ladders call will be there: to the administrators, once for each gap,
as soon as it is less than two days ahead.

Each organisation in a transaction of its own; the event's dedupe key is unique, so five schedulers say it once.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError

from notify_app.domains.base import Draft
from notify_app.domains.hub import COVER_GAP
from notify_app.extensions import db
from notify_app.pipeline import sql
from notify_app.pipeline.route import Origin, Override, route
from notify_app.pipeline.step import hub, step
from notify_app.work import absences

__all__ = ["run"]

log = logging.getLogger(__name__)

SOON = timedelta(days=2)
SAID = "SELECT 1 FROM event WHERE organisation_id = :org AND dedupe_key = :key"
NAMES = {
    "office": "The office",
    "role:administrator": "Administrators",
    "role:manager": "Managers",
    "role:technician": "Technicians",
}


def run(now: datetime, limit: int = 0) -> int:
    """How many gaps were said; `limit` organisations are looked up at a time (0: the setting)."""
    limit, after, said = limit or hub().cover_batch, UUID(int=0), 0
    while True:
        values = {"now": now, "until": now + SOON, "after": after, "limit": limit}
        with db.engines["engine"].connect() as conn:
            found = list(conn.execute(sql.ABSENT_SOON, values).scalars())
        said += sum(_one(organisation_id) for organisation_id in found)
        if len(found) < limit:
            return said
        after = found[-1]


def _one(organisation_id: UUID) -> int:
    try:
        return _say(organisation_id)
    except (InterfaceError, OperationalError):
        raise
    except Exception:
        log.exception("cover of organisation %s", organisation_id)
        return 0


def _say(organisation_id: UUID) -> int:
    said = 0
    with step(organisation_id) as work:
        work.one("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", key=f"cover/{organisation_id}")
        for one in absences.uncovered(work):
            key = f"cover_gap/{one.word}/{one.gap.starts_at.isoformat()}"
            if one.gap.starts_at > work.now + SOON or work.one(SAID, key=key):
                continue
            facts = {"group": _name(one.word), "starts": one.gap.starts_at, "ends": one.gap.ends_at}
            override = Override(dedupe_key=key, action_url="/cover")
            route(work, [Draft(COVER_GAP.name, facts)], Origin(work.now), override)
            said += 1
    return said


def _name(word: str) -> str:
    parts = [NAMES.get(part) or f"grade {part.partition(':')[2]}" for part in word.split("+")]
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]
