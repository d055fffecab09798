"""Reports of providers that came before their message was written down as sent, and answers by SMS that could not be taken
at once: looked at again, each for itself, until they are done or about nothing that was sent here."""

from __future__ import annotations

from datetime import datetime

from notify_app.extensions import db
from notify_app.pipeline import feedback, sql
from notify_app.pipeline.step import hub

__all__ = ["run"]


def run(now: datetime, limit: int = 0) -> int:
    """How many were done of those that are due at `now`, in batches of `limit` (0: the setting)."""
    size, done = limit or hub().feedback_batch, 0
    before: list[str] = []
    while True:
        with db.engines["engine"].connect() as conn:
            due = [row.id for row in conn.execute(sql.DUE_REPORTS, {"now": now, "limit": size})]
        done += sum([feedback.take(one) for one in due])
        # what was not done waits for a later moment, so there may be more behind a full batch; what is still there is in
        # somebody else's hands
        if len(due) < size or due == before:
            return done
        before = due
