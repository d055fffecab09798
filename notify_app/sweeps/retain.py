"""Let go of what is old: attempts after 90 days (A13), webhook bodies after 90 days, sessions and links that expired,
answers to calls of the API after two weeks, findings of the auditor 90 days after they were over, ids of providers' messages
and codes of SMS after 30 days, what came back after 400 days, addresses that nobody has verified a week after the last code
was sent to them.

The idempotency key and the hash of a body stay, so that an old message sent again is still recognised. Each batch is one
statement and one transaction; between two of them `go_on` may rest, and may end it: what is left goes the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import TextClause

from notify_app.extensions import db
from notify_app.pipeline import sql
from notify_app.pipeline.step import hub
from notify_app.policy.verification import FORGOTTEN_AFTER

__all__ = [
    "ATTEMPTS_KEPT",
    "BODIES_KEPT",
    "CALLS_KEPT",
    "CODES_KEPT",
    "FEEDBACK_KEPT",
    "FINDINGS_KEPT",
    "REPORTS_KEPT",
    "run",
]

ATTEMPTS_KEPT = timedelta(days=90)
BODIES_KEPT = timedelta(days=90)
CALLS_KEPT = timedelta(days=14)  # the sweep is weekly: a call may be repeated for a week at least
FINDINGS_KEPT = timedelta(days=90)
REPORTS_KEPT = timedelta(days=30)  # SNS gives up long before
CODES_KEPT = timedelta(days=30)
FEEDBACK_KEPT = timedelta(days=400)

GoOn = Callable[[], bool]


def run(now: datetime, limit: int = 0, go_on: GoOn = lambda: True) -> int:
    """How many rows went, in transactions of at most `limit` rows each (0: the setting). `go_on` is asked after each."""
    limit = limit or hub().retain_batch
    work: tuple[tuple[TextClause, Mapping[str, Any]], ...] = (
        (sql.RETAIN_ATTEMPTS, {"age": ATTEMPTS_KEPT}),
        (sql.RETAIN_BODIES, {"age": BODIES_KEPT}),
        (sql.RETAIN_CALLS, {"age": CALLS_KEPT}),
        (sql.RETAIN_FINDINGS, {"age": FINDINGS_KEPT}),
        (sql.RETAIN_REPORTS, {"age": REPORTS_KEPT}),
        (sql.RETAIN_CODES, {"age": CODES_KEPT}),
        (sql.RETAIN_FEEDBACK, {"age": FEEDBACK_KEPT}),
        (sql.RETAIN_UNVERIFIED, {"age": FORGOTTEN_AFTER}),
        (sql.EXPIRED_SESSIONS, {"now": now}),
        (sql.EXPIRED_LINKS, {"now": now}),
        (sql.EXPIRED_START_LINKS, {"now": now}),
    )
    gone = 0
    for batch in chain.from_iterable(_batches(one, {**values, "limit": limit}) for one, values in work):
        gone += batch
        if batch and not go_on():
            break
    return gone


def _batches(statement: TextClause, values: Mapping[str, Any]) -> Iterator[int]:
    """How many rows each transaction touched, until one finds fewer than it may take."""
    touched = values["limit"]
    while touched == values["limit"]:
        with db.engines["engine"].begin() as conn:
            conn.execute(sql.TAKE_TURNS, {"name": "retain"})
            touched = conn.execute(statement, values).rowcount
        yield touched
