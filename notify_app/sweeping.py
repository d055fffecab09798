"""Running a sweep, by the scheduler, from cron or by hand: with the hub's time, and noted, so that the auditor and the page
“Is everything running?” know when each last ran to its end (`sweep_run`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause
from sqlalchemy.exc import SQLAlchemyError

from notify_app import clock
from notify_app.extensions import db
from notify_app.pipeline import sql

__all__ = ["Pace", "run"]

log = logging.getLogger(__name__)

Sweep = Callable[..., int]


def run(sweep: Sweep, limit: int = 0, **more: Any) -> int:
    """Run a sweep's `run(now, limit)` now; needs the application's context. Returns how much it did, raises what it
    raises. `limit` 0 is the setting."""
    name, began = sweep.__module__.rpartition(".")[2], time.monotonic()
    try:
        done = sweep(_now(), limit, **more)
    except Exception as error:
        _note(sql.NOTE_FAILED_SWEEP, name=name, error=type(error).__name__)
        raise
    _note(sql.NOTE_SWEEP, name=name, seconds=time.monotonic() - began, done=done)
    return done


def _now() -> datetime:
    with db.engines["engine"].connect() as conn:
        return clock.now(conn)


def _note(statement: TextClause, **values: Any) -> None:
    """A note that is lost with a crash is made again in seconds: nobody waits for the disk."""
    try:
        with db.engines["engine"].begin() as conn:
            conn.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            conn.execute(statement, values)
    except SQLAlchemyError as error:
        log.warning("a run of %s was not noted (%s)", values["name"], type(error).__name__)


class Pace:
    """Between two batches of a long sweep: rest for as long as the batch took, so that half of the database's time is
    everybody else's; and say whether to go on."""

    def __init__(
        self, rest: Callable[[float], object] = time.sleep, go_on: Callable[[], bool] = lambda: True
    ) -> None:
        self._rest, self._go_on = rest, go_on
        self._since = time.monotonic()

    def __call__(self) -> bool:
        self._rest(time.monotonic() - self._since)
        self._since = time.monotonic()
        return self._go_on()
