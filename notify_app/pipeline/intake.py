"""What one process keeps between webhooks: the sources that it has met, the group that is open, the connection.

`store` writes rows together with those of all other requests that wait. `wake` tells the route workers of all that was
kept since: it is called when an answer has left, so that no sender waits for Redis, and once for many.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import psycopg
from flask import Flask, current_app
from sqlalchemy import Engine, event

from notify_app import queue
from notify_app.config import Settings
from notify_app.extensions import db
from notify_app.pipeline import inbound
from notify_app.pipeline.group import GroupCommit
from notify_app.pipeline.sources import Sources
from notify_app.secrets import Secrets

__all__ = ["Intake", "current"]

# a group: enough rows to share a commit well, few enough to be written within milliseconds
MOST_ROWS, MOST_BYTES = 200, 4 * 1024 * 1024
# those who send webhooks give up after 10 to 30 seconds; they shall have heard from us before that
PATIENCE_SECONDS = 9.0
CONNECT_SECONDS = 3

_making = threading.Lock()


class Intake:
    """Made with the first webhook of a process."""

    def __init__(self, app: Flask) -> None:
        self._settings: Settings = app.extensions["hub"]
        self._arguments: dict[str, Any] = app.config["SQLALCHEMY_BINDS"]["engine"]["connect_args"]
        self.process = os.getpid()
        self.sources = Sources(Secrets(self._settings.secret_key))
        self._writer = inbound.Writer(self._connect)
        # who lets go of the application's connections means this one too
        event.listen(db.engines["engine"], "engine_disposed", self._let_go)
        self._group = GroupCommit(
            self._write, most_rows=MOST_ROWS, most_bytes=MOST_BYTES, patience=PATIENCE_SECONDS
        )
        self._news = False
        self._waking = threading.Lock()

    def _connect(self) -> psycopg.Connection[Any]:
        url = self._settings.database_engine_url.replace("+psycopg", "", 1)
        return psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS, **self._arguments)

    def _let_go(self, _: Engine) -> None:
        if self.process == os.getpid():  # what was forked from it has no right to hang up for it
            self._writer.close()

    def store(self, rows: Sequence[inbound.Row]) -> list[inbound.Outcome]:
        """Make these rows durable, in this order; returns after the commit what became of each. Raises Unavailable."""
        return self._group.put(rows, sum([len(row.columns) for row in rows]))

    def _write(self, rows: list[inbound.Row], until: float) -> list[inbound.Outcome]:
        try:
            return self._writer(rows, until)
        finally:
            self._news = True

    def wake(self) -> None:
        """Wake the route workers if something was kept since they were last woken. Never raises. Whoever finds another
        at it leaves the news to them: they look once more when they are done."""
        while self._news and self._waking.acquire(blocking=False):
            try:
                self._news = False  # first: what is kept from now on is news again
                queue.wake(queue.connect(self._settings.redis_url), [queue.ROUTE])
            finally:
                self._waking.release()


def current() -> Intake:
    """This process's own; a fork begins anew."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    found: Intake | None = app.extensions.get("hub.intake")
    if found is not None and found.process == os.getpid():
        return found
    with _making:
        found = app.extensions.get("hub.intake")
        if found is None or found.process != os.getpid():
            found = app.extensions["hub.intake"] = Intake(app)
        return found
