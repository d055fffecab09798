"""One look: take the turn, make every check, write what was found. Returns who sees something new.

Each check is a statement of its own with a time limit, and one that fails is itself a finding; what it had found before
stays as it was. Nothing is mended here.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import redis
from psycopg.rows import dict_row

from notify_app.audit import sql
from notify_app.audit.checks import COUNT_UP_TO

__all__ = ["STALE_BEATS", "Beat", "Look", "Watched", "connect", "look", "open_findings"]

log = logging.getLogger(__name__)

Connection = psycopg.Connection[dict[str, Any]]
LATE = timedelta(seconds=60)  # what is due for so long stands still
SAMPLE = 200  # inboxes that one look compares
NOBODY = UUID(int=0)
STALE_BEATS = (
    3.5  # a process is gone when it has missed so many signs of life, of which there are two in each interval
)
ENTRIES = "rq:scheduler:scheduled_jobs"  # rq-scheduler's own key
AGAIN_SECONDS = 0.3  # an entry is not there for a moment while rq-scheduler moves it on
LIMITS = "-c statement_timeout=5s -c lock_timeout=2s"


@dataclass(frozen=True)
class Watched:
    """What there should be. `sweeps`: the most seconds between two good runs of each; `entries`: the scheduler's ids."""

    every: timedelta
    queues: tuple[str, ...]
    scheduler: bool
    entries: tuple[str, ...]
    sweeps: Mapping[str, float]

    @property
    def stale(self) -> timedelta:
        """How old a sign of life may be."""
        return self.every / 2 * STALE_BEATS


@dataclass(frozen=True)
class Beat:
    """Which process this is."""

    id: str
    kind: str
    queues: tuple[str, ...] = ()


@dataclass
class Look:
    """What came of it: `fresh` are the organisations that have a finding more or fewer than before."""

    found: list[dict[str, Any]] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    fresh: list[UUID] = field(default_factory=list)
    queues: dict[str, int] | None = None

    def add(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """A check that was made, and its rows."""
        self.checked.append(name)
        self.found += [{"name": name, **row} for row in rows]


def connect(url: str) -> Connection:
    """A connection of its own, as hub_engine; each statement is a transaction and may take seconds at most."""
    plain = "postgresql://" + url.partition("://")[2]  # libpq knows no driver names
    return psycopg.connect(plain, autocommit=True, connect_timeout=5, options=LIMITS, row_factory=dict_row)


def look(
    conn: Connection, connection: redis.Redis, watched: Watched, *, young: bool = False, force: bool = False
) -> Look | None:
    """Look once, if it is time (or `force`); None when it was somebody else's turn. Who has just come (`young`) does not
    know yet who else is there, and leaves that out. Raises psycopg.Error when the database is away."""
    began = time.monotonic()
    # two processes with the same interval: the earlier one's next turn shall not be missed by a moment
    every = timedelta(0) if force else watched.every - timedelta(seconds=0.5)
    turn = conn.execute(sql.TAKE_TURN, {"every": every}).fetchone()
    if turn is None:
        return None
    cursor: UUID = turn["cursor"] or NOBODY
    seen = Look()
    for name, statement in sql.CHECKS.items():
        values = {"late": LATE, "most": COUNT_UP_TO, "cursor": cursor, "sample": SAMPLE, "name": name}
        _check(conn, seen, name, statement, values)
    if not young:
        _processes(conn, seen, watched)
    _broker(connection, seen, watched)
    seen.add("check_failed", [])
    _write(conn, seen, cursor, time.monotonic() - began)
    return seen


def _check(conn: Connection, seen: Look, name: str, statement: str, values: Mapping[str, Any]) -> None:
    try:
        seen.add(name, conn.execute(statement, values).fetchall())
    except psycopg.OperationalError as error:
        if conn.broken:
            raise
        _failed(seen, name, error)
    except psycopg.Error as error:
        _failed(seen, name, error)


def _failed(seen: Look, name: str, error: Exception) -> None:
    log.warning("check %s: %s", name, type(error).__name__)
    seen.found.append({"name": "check_failed", "organisation_id": None, "subject": name, "found": 1})


def _processes(conn: Connection, seen: Look, watched: Watched) -> None:
    values = {
        "stale": watched.stale,
        "queues": list(watched.queues),
        "names": list(watched.sweeps),
        "seconds": list(watched.sweeps.values()),
    }
    _check(conn, seen, "worker_missing", sql.WORKERS, values)
    if watched.scheduler:
        _check(conn, seen, "scheduler_away", sql.SCHEDULER, values)
    else:
        seen.add("scheduler_away", [])
    _check(conn, seen, "sweep_late", sql.SWEEPS, values)


def _broker(connection: redis.Redis, seen: Look, watched: Watched) -> None:
    """Redis: whether it answers, what the scheduler has in it, how long the queues are. While it is away, what it would
    say is not known and stays as it was."""
    try:
        missing = _missing(connection, watched.entries)
        if missing:
            time.sleep(AGAIN_SECONDS)
            missing = [one for one in _missing(connection, watched.entries) if one in missing]
        seen.queues = {name: int(connection.llen(f"rq:queue:{name}")) for name in watched.queues}
    except redis.RedisError as error:
        log.warning("Redis does not answer the auditor (%s)", type(error).__name__)
        seen.add("redis_away", [_everywhere("")])
        return
    seen.add("redis_away", [])
    seen.add("schedule_missing", [_everywhere(one) for one in missing])


def _missing(connection: redis.Redis, entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    scores = connection.zmscore(ENTRIES, list(entries))
    return [one for one, score in zip(entries, scores, strict=True) if score is None]


def _everywhere(subject: str) -> dict[str, Any]:
    return {"organisation_id": None, "subject": subject, "found": 1}


def _write(conn: Connection, seen: Look, cursor: UUID, seconds: float) -> None:
    rows = json.dumps(seen.found, default=_plain)
    fresh = conn.execute(sql.WRITE, {"found": rows, "checked": seen.checked}).fetchall()
    seen.fresh = [row["organisation_id"] for row in fresh]
    sampled = conn.execute(sql.NEXT_SAMPLE, {"cursor": cursor, "sample": SAMPLE}).fetchone()
    done = {
        "seconds": seconds,
        "cursor": sampled["person_id"] if sampled else None,
        "queues": None if seen.queues is None else json.dumps(seen.queues),
    }
    conn.execute(sql.DONE, done)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def open_findings(conn: Connection) -> list[dict[str, Any]]:
    """All that is wrong now, office by office: slug, name, subject, found, total, since."""
    return conn.execute(sql.OPEN).fetchall()
