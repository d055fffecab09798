"""Wake the workers of every queue that has something due: retries, lost wake-ups.

It moves nothing itself: due rows are claimable by their time alone.
"""

from __future__ import annotations

from datetime import datetime

from notify_app.extensions import db
from notify_app.pipeline import sql
from notify_app.pipeline.step import hub
from notify_app.queue import connect, wake

__all__ = ["run"]


def run(now: datetime, limit: int = 0) -> int:  # noqa: ARG001  (every sweep has this form)
    """How many queues had something due (`now` and `limit` are every sweep's; the database's clock decides here)."""
    with db.engines["engine"].connect() as conn:
        row = conn.execute(sql.WAITING).one()
    due = [name for name, waiting in row._mapping.items() if waiting]
    wake(connect(hub().redis_url), due)
    return len(due)
