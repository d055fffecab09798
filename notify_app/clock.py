"""The one clock: the database's `hub_now()`, which every process shares and only tests and the demo can move.

Edges read it once a step and hand the value down; nothing below the edges calls this. Leases, token
buckets and heartbeats use real time instead, because a moved clock must not free a worker's lease.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

__all__ = ["move", "now", "reset"]


def now(conn: Connection) -> datetime:
    """The hub's time (UTC, aware), as `conn`'s database sees it."""
    value: datetime = conn.execute(text("SELECT hub_now()")).scalar_one()
    return value


def move(conn: Connection, by: timedelta) -> None:
    """Move the hub's clock forward by `by` for every process. Only hub_owner may: tests and the demo."""
    conn.execute(text("UPDATE hub_clock SET ahead = ahead + :by"), {"by": by})


def reset(conn: Connection) -> None:
    """Back to real time."""
    conn.execute(text("UPDATE hub_clock SET ahead = interval '0'"))
