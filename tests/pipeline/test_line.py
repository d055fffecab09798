"""The drain's own line to the database: scoped as everything else is, and given back as it was."""

from __future__ import annotations

from functools import partial

import psycopg
import pytest
from sqlalchemy import text

from notify_app import tenancy
from notify_app.extensions import db
from notify_app.pipeline.line import Line
from tests.hub import Hub

PEOPLE = text("SELECT name FROM person ORDER BY name")
HERE = text("SELECT name FROM person WHERE organisation_id = :org")
FAULT = text("SELECT 1 / 0")


@pytest.fixture
def two(hub: Hub) -> tuple[Hub, Hub]:
    hub.customer("ana", name="Ana")
    other = hub.another("lakeside")
    other.customer("ben", name="Ben")
    return hub, other


@pytest.mark.proves("C5")
def test_each_transaction_sees_its_own_organisation_alone(two: tuple[Hub, Hub]) -> None:
    ours, theirs = two
    with ours.world.app.app_context(), Line(db.engine) as line:
        for hub, name in ((ours, "Ana"), (theirs, "Ben"), (ours, "Ana")):
            everybody, here = line.scoped(hub.organisation.id, (PEOPLE, {}), (HERE, {}))
            assert [row.name for row in everybody] == [row.name for row in here] == [name]
        assert line.all(PEOPLE, {}) == [], "and outside of any it sees nothing"


@pytest.mark.proves("C5")
def test_what_it_has_used_sees_nothing_afterwards_and_commits_nothing_by_itself(two: tuple[Hub, Hub]) -> None:
    ours, _ = two
    with ours.world.app.app_context():
        with Line(db.engine) as line:
            line.scoped(ours.organisation.id, (PEOPLE, {}))
            used = line.all(text("SELECT pg_backend_pid() AS pid"), {})[0].pid
        held = [db.engine.connect() for _ in range(db.engine.pool.checkedin())]
        try:
            again = next(
                one for one in held if one.execute(text("SELECT pg_backend_pid()")).scalar_one() == used
            )
            assert again.execute(PEOPLE).all() == []
            assert again.in_transaction()
            assert not again.connection.driver_connection.autocommit
        finally:
            for one in held:
                one.close()


@pytest.mark.parametrize("scoped", [True, False])
def test_after_an_error_it_takes_another_connection(two: tuple[Hub, Hub], scoped: bool) -> None:
    ours, _ = two
    with ours.world.app.app_context(), Line(db.engine) as line:
        fail = (
            partial(line.scoped, ours.organisation.id, (PEOPLE, {}), (FAULT, {}))
            if scoped
            else partial(line.all, FAULT, {})
        )
        with pytest.raises(psycopg.errors.DivisionByZero):
            fail()
        (people,) = line.scoped(ours.organisation.id, (PEOPLE, {}))
        assert [row.name for row in people] == ["Ana"]


def test_all_of_a_scoped_call_is_one_transaction(two: tuple[Hub, Hub]) -> None:
    ours, _ = two
    gone = text("DELETE FROM address")
    renamed = text("UPDATE person SET name = 'Nobody'")
    with ours.world.app.app_context(), Line(db.engine) as line:
        with pytest.raises(psycopg.errors.DivisionByZero):
            line.scoped(ours.organisation.id, (gone, {}), (renamed, {}), (FAULT, {}))
        with tenancy.scope(ours.organisation.id), db.engine.begin() as conn:
            assert conn.execute(PEOPLE).scalars().all() == ["Ana"]
