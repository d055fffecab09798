"""Let go of what is old: attempts after 90 days (A13), webhook bodies after 90 days, sessions and links that expired,
answers to calls of the API after two weeks.

The idempotency key and the hash of a body stay, so that an old message sent again is still recognised.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text

from notify_app.extensions import db
from notify_app.pipeline import sql

__all__ = ["ATTEMPTS_KEPT", "BODIES_KEPT", "CALLS_KEPT", "run"]

ATTEMPTS_KEPT = timedelta(days=90)
BODIES_KEPT = timedelta(days=90)
CALLS_KEPT = timedelta(days=14)  # the sweep is weekly: a call may be repeated for a week at least

SESSIONS = text(
    "DELETE FROM account_session WHERE id IN (SELECT id FROM account_session WHERE expires_at < :now LIMIT :limit)"
)
LINKS = text(
    "DELETE FROM link WHERE (organisation_id, id) IN "
    "(SELECT organisation_id, id FROM link WHERE expires_at < :now LIMIT :limit)"
)


def run(now: datetime, limit: int = 5000) -> int:
    """How many rows went, in transactions of at most `limit` rows each."""
    return (
        _all(sql.RETAIN_ATTEMPTS, {"age": ATTEMPTS_KEPT, "limit": limit})
        + _all(sql.RETAIN_BODIES, {"age": BODIES_KEPT, "limit": limit})
        + _all(sql.RETAIN_CALLS, {"age": CALLS_KEPT, "limit": limit})
        + _all(SESSIONS, {"now": now, "limit": limit})
        + _all(LINKS, {"now": now, "limit": limit})
    )


def _all(statement: object, values: dict[str, object]) -> int:
    total = 0
    while True:
        with db.engines["engine"].begin() as conn:
            touched = conn.execute(statement, values).rowcount  # type: ignore[call-overload]
        total += touched
        if touched < int(str(values["limit"])):
            return total
