"""Webhooks that are written in one group, for certain: while one before them is held in the database, they gather.

`with gathered(hub) as crowd:` holds the writing; `crowd.send(...)` sends one more in a thread of its own and returns
when it waits; leaving the block lets all of them be written. The answers are there then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import text
from werkzeug.test import TestResponse

from notify_app.ids import new_id
from notify_app.pipeline import intake
from tests.hub import Hub

SECONDS = 10.0


class Crowd:
    """Requests in threads, while the writing is held."""

    def __init__(self, hub: Hub, group: Any, pool: ThreadPoolExecutor) -> None:
        self._hub, self._group, self._pool = hub, group, pool
        self.answers: list[Future[TestResponse]] = []

    def send(
        self, body: bytes, *, hub: Hub | None = None, rows: int = 1, **more: Any
    ) -> Future[TestResponse]:
        """One more request, of this office or another; `rows` of it will be waiting."""
        wanted = self.waiting() + rows
        answer = self._pool.submit((hub or self._hub).send, body, settle=False, **more)
        eventually(lambda: self.waiting() == wanted or answer.done())
        assert not answer.done(), answer.result().get_data(as_text=True)
        self.answers.append(answer)
        return answer

    def waiting(self) -> int:
        """How many rows are in the open group."""
        group = self._group._open
        return len(group.rows) if group else 0


@contextmanager
def gathered(hub: Hub) -> Iterator[Crowd]:
    """See above."""
    with hub.world.app.app_context():
        group = intake.current()._group
    key = {"org": hub.organisation.id, "source": hub.source.id, "id": new_id()}
    body = b'{"type":"repair.upsert","timestamp":"2026-11-22T14:05:00Z","data":{"id":"held"}}'
    with hub.world.owner.connect() as conn, ThreadPoolExecutor(64) as pool:
        conn.execute(
            text(
                "INSERT INTO inbound (organisation_id, id, source_id, external_id, body_hash, type, body, item_refs, "
                "occurred_at) VALUES (:org, :id, :source, 'held', '', 'repair.upsert', '{}', '{}', hub_now())"
            ),
            key,
        )
        held = pool.submit(hub.send, body, id="held", settle=False)
        eventually(lambda: group._turn.locked() and group._open is None)
        crowd = Crowd(hub, group, pool)
        try:
            yield crowd
        finally:
            conn.rollback()  # now the held one finds nobody in its way, and is kept
        for answer in (held, *crowd.answers):
            answer.result(SECONDS)
        assert held.result().status_code == 202


def break_connections(admin_url: str) -> None:
    """End every connection of the engine's role, in the middle of whatever it does."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hub_engine'")


@contextmanager
def database_away(admin_url: str) -> Iterator[None]:
    """While the block runs, the engine's role is not let in."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute("ALTER ROLE hub_engine NOLOGIN")
        try:
            break_connections(admin_url)
            yield
        finally:
            admin.execute("ALTER ROLE hub_engine LOGIN")


@contextmanager
def refused_by_postgres(hub: Hub, external_id: str, sqlstate: str) -> Iterator[None]:
    """While the block runs, PostgreSQL will not take a row with this id."""
    hub.build.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = '{sqlstate}'; END $$"
    )
    hub.build.run(
        "CREATE TRIGGER refuse BEFORE INSERT ON inbound FOR EACH ROW "
        f"WHEN (NEW.external_id = '{external_id}') EXECUTE FUNCTION refuse()"
    )
    try:
        yield
    finally:
        hub.build.run("DROP TRIGGER refuse ON inbound")
        hub.build.run("DROP FUNCTION refuse()")


def eventually(true: Callable[[], object]) -> None:
    """Wait for what another thread brings about."""
    for _ in range(int(SECONDS * 1000)):
        if true():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never came to this")
