"""Planted bugs. They live here and nowhere else: a process of the product is started through one of these instead.

    gunicorn ... "tests.chaos.mutants:reply_before_commit()"
    python -m tests.chaos.mutants settle_without_token work urgent

Each changes one thing that the product promises; the suite must go red with it, else it proves nothing.
"""

from __future__ import annotations

import sys
from typing import Any

from flask import Flask
from sqlalchemy import text

COMMITS_LATER = 0.3  # seconds between the 202 and the commit


def reply_before_commit() -> Flask:
    """A web server that answers 202 and commits a moment later."""
    import gevent

    from notify_app import create_app
    from notify_app.ids import new_id
    from notify_app.pipeline import ingest

    app = create_app()
    store = ingest._store

    def hasty(*asked: Any) -> ingest.Accepted:
        def later() -> None:
            with app.app_context():
                store(*asked)

        gevent.spawn_later(COMMITS_LATER, later)
        return ingest.Accepted(new_id(), duplicate=False)

    ingest._store = hasty
    return app


def settle_without_token() -> None:
    """A worker that writes what came of a message whether the message is still its own or not."""
    from notify_app.pipeline import sql

    guarded = str(sql.SETTLE)
    sql.SETTLE = text(_without(guarded, " AND d.token = r.token AND d.state = 'sending'"))


def _without(statement: str, part: str) -> str:
    assert part in statement, f"the product has changed, the planted bug has not: no {part!r}"
    return statement.replace(part, "")


WORKERS = {"settle_without_token": settle_without_token}

if __name__ == "__main__":
    import worker

    WORKERS[sys.argv[1]]()
    sys.exit(worker.main(sys.argv[2:]))
