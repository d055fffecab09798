"""Planted bugs. They live here and nowhere else: a process of the product is started through one of these instead.

    gunicorn ... "tests.chaos.mutants:reply_before_commit()"
    python -m tests.chaos.mutants settle_without_token work urgent

Each changes one thing that the product promises; the suite must go red with it, else it proves nothing.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from uuid import UUID

from flask import Flask
from sqlalchemy import text

COMMITS_LATER = 0.3  # seconds between the 202 and the commit
ROUTES_LATER = 0.1  # seconds between the two transactions


def reply_before_commit() -> Flask:
    """A web server that answers 202 and commits a moment later."""
    import gevent

    from notify_app import create_app
    from notify_app.pipeline import inbound
    from notify_app.pipeline.intake import Intake

    store = Intake.store

    def hasty(self: Intake, rows: list[inbound.Row]) -> list[inbound.Outcome]:
        gevent.spawn_later(COMMITS_LATER, store, self, rows)
        return [inbound.Kept(row.id) for row in rows]

    Intake.store = hasty
    return create_app()


def settle_without_token() -> None:
    """A worker that writes what came of a message whether the message is still its own or not. The key of the attempts
    is taken out of its way: the token is to be proved, not the key."""
    from notify_app.pipeline import sql

    unguarded = _without(str(sql.SETTLE), " AND d.token = r.token AND d.state = 'sending'")
    noted = "WHERE outcome IS NOT NULL"
    assert noted in unguarded, "the product has changed, the planted bug has not"
    sql.SETTLE = text(unguarded.replace(noted, f"{noted} ON CONFLICT DO NOTHING"))


def _without(statement: str, part: str) -> str:
    assert part in statement, f"the product has changed, the planted bug has not: no {part!r}"
    return statement.replace(part, "")


def route_in_two_transactions() -> None:
    """A worker that marks a message as applied, and applies it afterwards."""
    from notify_app.pipeline import take, world
    from notify_app.pipeline.step import step

    def in_two(organisation_id: UUID, ids: Sequence[UUID]) -> int:
        with step(organisation_id) as work:
            rows = take._ready(work, ids)
            work.run(
                "UPDATE inbound SET state = 'applied', settled_at = hub_now() WHERE id = ANY(:ids)",
                ids=[row.id for row in rows],
            )
        threading.Event().wait(ROUTES_LATER)
        with step(organisation_id) as work:
            for row in rows:
                take._apply(world.of(work), row, take._read(row))
        return len(rows)

    take._together = in_two


WORKERS = {
    "settle_without_token": settle_without_token,
    "route_in_two_transactions": route_in_two_transactions,
}

if __name__ == "__main__":
    import worker

    WORKERS[sys.argv[1]]()
    sys.exit(worker.main(sys.argv[2:]))
