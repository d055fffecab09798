"""What people have written for a time that has come: it leaves, each in a transaction of its own.

The row is claimed with SKIP LOCKED, so two schedulers never send it twice and a crash leaves it due. Its author and its
audience are looked at again (`work.messages.leave`). A surprise is put on the row alone, and the others go on.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError

from notify_app.extensions import db
from notify_app.pipeline import sql
from notify_app.pipeline.step import hub, step
from notify_app.work import messages

__all__ = ["run"]

log = logging.getLogger(__name__)


def run(now: datetime, limit: int = 0) -> int:
    """Send what is due at `now`, `limit` at a time (0: the setting), until nothing is. Returns how many left or failed."""
    limit, settled = limit or hub().scheduled_batch, 0
    while True:
        with db.engines["engine"].connect() as conn:
            due = conn.execute(sql.DUE_WRITTEN, {"now": now, "limit": limit}).all()
        done = sum(_one(row) for row in due)
        settled += done
        if not done or len(due) < limit:
            return settled


def _one(row: Any) -> bool:
    try:
        with step(row.organisation_id) as work:
            return messages.leave(work, row.id)
    except (InterfaceError, OperationalError):
        raise  # the database's own trouble is not the message's: it stays due
    except Exception as error:
        log.exception("written message %s", row.id)
        return _give_up(row.organisation_id, row.id, error)


def _give_up(organisation_id: UUID, message_id: UUID, error: Exception) -> bool:
    with step(organisation_id) as work:
        row = work.one(messages.LOCK, id=message_id)
        if row is None:
            return False
        messages.fail(work, row, f"{type(error).__name__}: {error}".replace("\x00", ""))
    return True
