"""P10: what each sweep asks, at five million rows of its table and at five thousand.

Of both, the same five hundred are due: the rest is done, and has left the index that the sweep reads. Each statement is
the product's own, run as `hub_engine` and rolled back; the table is filled by the administrator past its foreign keys.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import TextClause

from bench.harness import SHORT, Effort, Report
from bench.stand import Stand, stand
from notify_app.pipeline import sql

__all__ = ["run"]

FEW, MANY, MANY_SHORT = 5_000, 5_000_000, 50_000
DUE = 500
CHUNK = 500_000
TURNS, TURNS_SHORT = 40, 5
NOW = {"now": datetime(2030, 1, 1, tzinfo=UTC)}
LIMIT = {"limit": DUE}


@dataclass(frozen=True)
class Sweep:
    """A statement, the table that it reads, and how a row of that is made: columns → SQL of a row that is done and of
    one that is due (`n` counts them)."""

    title: str
    table: str
    statement: TextClause
    values: Callable[[], dict[str, Any]]
    columns: dict[str, str]
    done: dict[str, str]
    due: dict[str, str] = field(default_factory=dict)


def _plain(**values: Any) -> Callable[[], dict[str, Any]]:
    return lambda: values


DELIVERY = {
    "person_id": "uuidv7()",
    "channel": "'email'",
    "address": "'p-' || n || '@bench.example'",
    "purpose": "'notification'",
    "group_key": "n::text",
    "priority": "3",
}
SENT = {"state": "'sent'", "settled_at": "now()"}
QUEUED = {"state": "'queued'"}
TASK = {
    "item_id": "uuidv7()",
    "kind": "'permit'",
    "name": "'permit_verification'",
    "step": "'verification'",
    "round": "1",
    "hours": "4",
    "due_at": "now()",
}
SWEEPS = (
    Sweep(
        "claim of the delivery drain",
        "delivery",
        sql.CLAIM,
        lambda: {
            "token": uuid4(), "lease": timedelta(seconds=60), "providers": '{"email": "x"}', "first": 2, "last": 4, **LIMIT,
        },
        DELIVERY,
        SENT,
        QUEUED,
    ),
    Sweep("release: what waits", "delivery", sql.WAITING, _plain(), DELIVERY, SENT, QUEUED),
    Sweep(
        "rescue: leases that ran out",
        "delivery",
        sql.EXPIRED_LEASES,
        _plain(**LIMIT),
        DELIVERY,
        SENT,
        {
            "state": "'sending'",
            "token": "uuidv7()",
            "lease_until": "now() - interval '1 minute'",
            "claimed_at": "now()",
            "provider": "'x'",
        },
    ),
    Sweep(
        "escalate: levels that are due",
        "task",
        sql.DUE_TASKS,
        _plain(**NOW, **LIMIT),
        TASK,
        {"closed_at": "now()", "outcome": "'done'"},
        {"next_level_at": "now()"},
    ),
    Sweep(
        "remind: reminders that are due",
        "reminder",
        sql.DUE_REMINDERS,
        _plain(**NOW, **LIMIT),
        {"item_id": "uuidv7()", "item_version": "1", "key": "'k'", "due_at": "now()"},
        {"state": "'sent'"},
        {"state": "'pending'"},
    ),
    Sweep(
        "route: webhooks to take",
        "inbound",
        sql.DUE_INBOUND,
        _plain(**LIMIT),
        {
            "source_id": "uuidv7()",
            "external_id": "n::text",
            "body_hash": "''::bytea",
            "type": "'repair.upsert'",
            "item_refs": "ARRAY['R-' || n]",
            "occurred_at": "now()",
        },
        {"state": "'applied'", "settled_at": "now()"},
        {"state": "'accepted'", "body": "'{}'"},
    ),
    Sweep(
        "scheduled: written messages",
        "written_message",
        sql.DUE_WRITTEN,
        _plain(**NOW, **LIMIT),
        {
            "form_key": "n::text",
            "author_id": "uuidv7()",
            "event": "'manual_message'",
            "facts": "'{}'",
            "audience": "ARRAY['office']",
            "due_at": "now()",
        },
        {"state": "'cancelled'"},
        {"state": "'scheduled'"},
    ),
    Sweep(
        "collect: what was held until now",
        "delivery",
        sql.DUE_HELD,
        _plain(**NOW, **LIMIT),
        DELIVERY,
        SENT,
        {"state": "'held'", "reason": "'quiet_hours'"},
    ),
    Sweep(
        "digest: whose is due",
        "preference",
        sql.DUE_DIGESTS,
        _plain(**NOW, **LIMIT),
        {"person_id": "uuidv7()"},
        {},
        {"digest_rhythm": "'daily'", "digest_due_at": "now()", "digest_since": "now()", "digest_seq": "0"},
    ),
)  # fmt: skip


def run(effort: Effort) -> Report:
    """Measure and report."""
    many = MANY_SHORT if effort == SHORT else MANY
    report = Report("p10", f"Each sweep's statement at {many:,} rows against {FEW:,}, {DUE} due", effort)
    with stand() as here:
        for sweep in SWEEPS:
            found = {}
            for rows in (FEW, many):
                _fill(here, sweep, rows)
                found[rows] = _times(here, sweep, TURNS_SHORT if effort == SHORT else TURNS)
            small = f"{sweep.title}, {FEW:,}"
            report.add(small, found[FEW], "ms")
            report.add(f"{sweep.title}, {many:,}", found[many], "ms", of=small, at_most=1.5)
            with here.admin() as connection:
                connection.execute(f"TRUNCATE {sweep.table} CASCADE")
    return report


def _fill(here: Stand, sweep: Sweep, rows: int) -> None:
    """So many rows in all, of which the last are due."""
    with here.admin() as connection:
        connection.execute("SET session_replication_role = replica")  # no foreign key is asked
        connection.execute(f"TRUNCATE {sweep.table} CASCADE")
        for first in range(1, rows - DUE + 1, CHUNK):
            _insert(connection, here, sweep, sweep.done, first, min(first + CHUNK - 1, rows - DUE))
        _insert(connection, here, sweep, sweep.due, rows - DUE + 1, rows)
        connection.execute(f"VACUUM ANALYZE {sweep.table}")
        connection.execute("CHECKPOINT")


def _insert(connection: Any, here: Stand, sweep: Sweep, more: dict[str, str], first: int, last: int) -> None:
    columns = sweep.columns | more
    connection.execute(
        f"INSERT INTO {sweep.table} (organisation_id, {', '.join(columns)}) "
        f"SELECT %(org)s, {', '.join(columns.values())} FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n",
        {"org": here.organisation.id, "first": first, "last": last},
    )


def _times(here: Stand, sweep: Sweep, turns: int) -> list[float]:
    """Milliseconds of each turn, the first ones left out."""
    from notify_app.extensions import db

    found = []
    with here.app.app_context(), db.engines["engine"].connect() as connection:
        for turn in range(turns + 3):
            values = sweep.values()
            begun = time.perf_counter()
            connection.execute(sweep.statement, values).all()
            spent = (time.perf_counter() - begun) * 1000
            connection.rollback()
            if turn >= 3:
                found.append(spent)
    return found
