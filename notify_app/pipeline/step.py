"""One step of the path: one transaction of one organisation, and what is told to others once it is committed.

What is handed to `after` (wake-ups, live announcements) happens after the commit and never fails the step:
all of it is a hint that a sweep or a reconnecting stream makes up for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
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
    """The open transaction. `now` is the hub's time, read once; `world` is what it knows (`pipeline.world`)."""

    conn: Connection
    organisation_id: UUID
    now: datetime
    wakes: set[str] = field(default_factory=set)
    news: list[announce.News] = field(default_factory=list)
    world: Any = None
    before_commit: list[Callable[[], None]] = field(default_factory=list)

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

    def insert(self, table: str, rows: Iterable[Mapping[str, Any]], *, stamp: str = "created_at") -> None:
        """Insert rows in one statement. The columns are those of the first row; a JSON column takes plain values.
        `stamp` names the column that holds the step's time ('' for none): the default would ask for it row by row."""
        rows = list(rows)
        if not rows:
            return
        names = ", ".join(rows[0])
        into, values = (f", {stamp}", ", CAST(:now AS timestamptz)") if stamp else ("", "")
        self._write(
            f"INSERT INTO {table} (organisation_id, {names}{into}) SELECT :org, {names}{values} "
            f"FROM json_populate_recordset(NULL::{table}, CAST(:rows AS json))",
            rows,
            **({"now": self.now} if stamp else {}),
        )

    def write(self, statement: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Execute a statement whose `:rows` is a JSON array of `rows`; count what it touched. One parameter is a third
        of the time of as many as there are values, and the statement stays prepared whatever their number."""
        return self._write(statement, rows)

    def _write(self, statement: str, rows: Iterable[Mapping[str, Any]], **values: Any) -> int:
        text_ = json.dumps(list(rows), default=_plain, separators=(",", ":"))
        return self.run(statement, rows=text_, **values)


def _plain(value: Any) -> Any:
    """A value as the text that PostgreSQL reads into the column's own type."""
    if type(value) is UUID:  # nearly all of them
        return str(value)
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return value.value if isinstance(value, Enum) else str(value)


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
        for write in work.before_commit:
            write()
    connection = queue.connect(hub().redis_url)
    announce.publish(connection, work.news)
    queue.wake(connection, work.wakes)
