"""One step of the path: one transaction of one organisation, and what is told to others once it is committed.

What is handed to `after` (wake-ups, live announcements) happens after the commit and never fails the step:
all of it is a hint that a sweep or a reconnecting stream makes up for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import Connection, text

from notify_app import queue, tenancy
from notify_app.config import Settings
from notify_app.extensions import db
from notify_app.live import announce

__all__ = ["Step", "hub", "step"]


@dataclass
class Step:
    """The open transaction. `now` is the hub's time, read once."""

    conn: Connection
    organisation_id: UUID
    now: datetime
    wakes: set[str] = field(default_factory=set)
    news: list[announce.News] = field(default_factory=list)

    def all(self, statement: Any, **values: Any) -> list[Any]:
        """Rows of a statement; `:org` is always known."""
        bound = text(statement) if isinstance(statement, str) else statement
        return list(self.conn.execute(bound, {"org": self.organisation_id, **values}).all())

    def one(self, statement: Any, **values: Any) -> Any:
        """The first row or None."""
        return next(iter(self.all(statement, **values)), None)

    def run(self, statement: str, **values: Any) -> int:
        """Execute and count the rows touched."""
        return self.conn.execute(text(statement), {"org": self.organisation_id, **values}).rowcount

    def insert(
        self, table: str, rows: Sequence[Mapping[str, Any]], *, json_columns: Sequence[str] = ()
    ) -> None:
        """Insert rows in one round trip. The columns are those of the first row; JSON columns hold JSON text."""
        if not rows:
            return
        names = list(rows[0])
        holes = ", ".join(f"CAST(:{name} AS jsonb)" if name in json_columns else f":{name}" for name in names)
        self.conn.execute(
            text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({holes})"), [dict(row) for row in rows]
        )


def hub() -> Settings:
    """The application's settings."""
    settings: Settings = current_app.extensions["hub"]
    return settings


@contextmanager
def step(organisation_id: UUID) -> Iterator[Step]:
    """Open the transaction, commit it at the end of the block (or roll back on any error), then tell others."""
    with tenancy.scope(organisation_id), db.engine.begin() as conn:
        now = conn.execute(text("SELECT hub_now()")).scalar_one()
        work = Step(conn, organisation_id, now)
        yield work
    connection = queue.connect(hub().redis_url)
    announce.publish(connection, work.news)
    queue.wake(connection, work.wakes)
