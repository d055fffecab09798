"""Old notifications go: of closed permits what was read and is older than 30 days (D5), of any closed work, or of none,
what is older than a year (C8; `HUB_KEEP_DAYS`).

Only the lines in inboxes go. Their events, decisions, deliveries and attempts stay for their own time, and so does what
somebody has answered. Each batch is one statement and one transaction that goes on where the last one ended; between two
of them `go_on` may rest, and may end it: the next run begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause

from notify_app import domains
from notify_app.extensions import db
from notify_app.pipeline import sql
from notify_app.pipeline.step import hub

__all__ = ["READ_PERMITS_KEPT", "run"]

READ_PERMITS_KEPT = timedelta(days=30)
PERMIT = "permit"
FIRST = UUID(int=0)
# ids are made in real time, lines dated by the hub's clock, which the demo sets back by a week while it is made
CLOCKS_APART = timedelta(days=8)

GoOn = Callable[[], bool]


def run(now: datetime, limit: int = 0, go_on: GoOn = lambda: True) -> int:
    """How many notifications went; a transaction looks at no more than `limit` permits or lines (0: the setting)."""
    limit, gone = limit or hub().tidy_batch, 0
    for batch in chain(
        _permits(now - READ_PERMITS_KEPT, limit), _old(now - timedelta(days=hub().keep_days), limit)
    ):
        gone += batch
        if not go_on():
            break
    return gone


def _permits(before: datetime, limit: int) -> Iterator[int]:
    kind, at = domains.kind(PERMIT), (FIRST, FIRST)
    closed = list(kind.closed) if kind else []
    values = {"kind": PERMIT, "closed": closed, "before": before, "limit": limit}
    while row := _batch(sql.TIDY_PERMITS, {**values, "organisation": at[0], "after": at[1]}):
        at = (row.organisation_id, row.id)
        yield row.gone


def _old(before: datetime, limit: int) -> Iterator[int]:
    closed = [f"{kind.name}/{state}" for kind in domains.kinds() for state in kind.closed]
    edge = _first_id_of(before + CLOCKS_APART)
    for organisation_id in _organisations(limit):
        values = {"organisation": organisation_id, "before": before, "closed": closed, "limit": limit}
        after = FIRST
        while row := _batch(sql.TIDY_OLD, {**values, "edge": edge, "after": after}):
            after = row.id
            yield row.gone


def _batch(statement: TextClause, values: Mapping[str, Any]) -> Any:
    """One transaction; where it ended and how much went, or None when there was nothing left to look at."""
    with db.engines["engine"].begin() as conn:
        conn.execute(sql.TAKE_TURNS, {"name": "tidy"})
        return conn.execute(statement, values).one_or_none()


def _organisations(limit: int) -> Iterator[UUID]:
    after = FIRST
    while True:
        with db.engines["engine"].connect() as conn:
            found = list(conn.execute(sql.ORGANISATIONS, {"after": after, "limit": limit}).scalars())
        yield from found
        if len(found) < limit:
            return
        after = found[-1]


def _first_id_of(moment: datetime) -> UUID:
    """The smallest uuidv7 of that millisecond."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
