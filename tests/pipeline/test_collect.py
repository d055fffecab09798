"""Letting go what was held: many schedulers at once, many people, and what a bad row does to the others."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from notify_app.extensions import db
from notify_app.pipeline import sql
from notify_app.sweeps import collect
from tests.hub import Hub
from tests.pipeline.outbox import PEOPLE, fill

MANY = 400
PATIENCE = 60.0


def hold(hub: Hub, count: int = MANY) -> list[str]:
    """So many emails to ten people, held until now."""
    ids = fill(hub, count, kept=False)
    hub.build.run(
        "UPDATE delivery SET state = 'held', reason = 'quiet_hours', next_attempt_at = hub_now(), due_at = hub_now()"
    )
    return ids


def run(hub: Hub, limit: int = 0) -> int:
    with hub.world.app.app_context():
        return collect.run(hub.now(), limit)


def states(hub: Hub) -> dict[tuple[str, str], int]:
    rows = hub.build.all("SELECT purpose, state, count(*) AS n FROM delivery GROUP BY 1, 2")
    return {(row.purpose, row.state): row.n for row in rows}


def carriers(hub: Hub) -> Counter[str]:
    """By notification, how many collected messages carry it."""
    rows = hub.build.all(
        "SELECT i.notification_id FROM delivery d JOIN delivery_item i ON i.delivery_id = d.id WHERE d.purpose = 'collected'"
    )
    return Counter(str(row.notification_id) for row in rows)


@pytest.mark.proves("A8", "E4")
def test_five_schedulers_at_once_make_one_message_for_each_address(hub: Hub) -> None:
    ids = hold(hub)
    together, found = threading.Barrier(5), []

    def scheduler() -> None:
        together.wait(PATIENCE)
        found.append(run(hub, 20))

    threads = [threading.Thread(target=scheduler) for _ in range(5)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(PATIENCE)
    assert len(found) == 5
    # whoever found all people in other hands has stopped; the next round finds what is left
    run(hub)
    assert states(hub) == {("notification", "skipped"): MANY, ("collected", "queued"): PEOPLE}
    assert carriers(hub) == Counter(ids), "each line once"


@pytest.mark.proves("A8")
def test_a_small_batch_does_the_same_as_a_large_one(hub: Hub) -> None:
    ids = hold(hub, 60)
    assert run(hub, 7) == 60
    assert states(hub) == {("notification", "skipped"): 60, ("collected", "queued"): PEOPLE}
    assert carriers(hub) == Counter(ids)
    assert run(hub) == 0


@pytest.mark.proves("A8")
def test_what_is_held_until_later_stays(hub: Hub) -> None:
    hold(hub, 20)
    hub.build.run("UPDATE delivery SET next_attempt_at = hub_now() + interval '1 hour'")
    assert run(hub) == 0
    assert states(hub) == {("notification", "held"): 20}
    hub.world.move(timedelta(hours=1, seconds=1))
    assert run(hub) == 20


@pytest.mark.proves("D7")
def test_who_runs_no_scheduler_lets_it_go_by_a_command(hub: Hub) -> None:
    hold(hub, 20)
    with hub.world.app.app_context():
        said = hub.world.app.test_cli_runner().invoke(args=["collect"])
    assert said.output == "20 held messages decided on\n"
    assert states(hub) == {("notification", "skipped"): 20, ("collected", "queued"): PEOPLE}


def test_what_was_tried_before_leaves_as_itself(hub: Hub) -> None:
    hold(hub, 30)
    hub.build.run(
        "UPDATE delivery SET attempts = 1, claimed_at = hub_now(), provider = 'test' WHERE id IN "
        "(SELECT DISTINCT ON (person_id) id FROM delivery ORDER BY person_id, id)"
    )
    assert run(hub) == 30
    assert states(hub) == {
        ("notification", "queued"): PEOPLE,
        ("notification", "skipped"): 30 - PEOPLE,
        ("collected", "queued"): PEOPLE,
    }


@contextmanager
def when_collected(hub: Hub, person: str, what: str) -> Iterator[None]:
    """The database does this when a collected message to this person is written."""
    hub.build.run(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.purpose = 'collected' AND EXISTS "
        f"(SELECT FROM person WHERE id = NEW.person_id AND external_id = '{person}') "
        f"THEN {what}; END IF; RETURN NEW; END $$"
    )
    hub.build.run("CREATE TRIGGER poison BEFORE INSERT ON delivery FOR EACH ROW EXECUTE FUNCTION poison()")
    try:
        yield
    finally:
        hub.build.run("DROP TRIGGER poison ON delivery")
        hub.build.run("DROP FUNCTION poison()")


@pytest.mark.proves("A8", "A16")
def test_what_cannot_be_collected_leaves_one_by_one_and_holds_up_nobody(hub: Hub) -> None:
    hold(hub, 40)
    with when_collected(hub, "reader3", "RAISE EXCEPTION 'no'"):
        assert run(hub) == 40
    assert states(hub) == {
        ("notification", "queued"): 4,
        ("notification", "skipped"): 36,
        ("collected", "queued"): PEOPLE - 1,
    }
    hub.expects_errors()


@pytest.mark.proves("A8")
def test_a_connection_that_breaks_in_the_middle_leaves_all_of_it_held_and_then_it_leaves_once(
    hub: Hub,
) -> None:
    ids = hold(hub, 40)
    with when_collected(hub, "reader3", "PERFORM pg_terminate_backend(pg_backend_pid())"):
        assert run(hub) == 0
        assert states(hub) == {("notification", "held"): 40}
    assert run(hub) == 40
    assert states(hub) == {("notification", "skipped"): 40, ("collected", "queued"): PEOPLE}
    assert carriers(hub) == Counter(ids)


def scans(plan: Any) -> Iterator[str]:
    if "Index Name" in plan or "Relation Name" in plan:
        yield plan.get("Index Name") or plan["Relation Name"]
    for inner in plan.get("Plans", ()):
        yield from scans(inner)


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        (sql.DUE_HELD, {"now": "2030-01-01", "limit": 500}, "ix_delivery_held"),
        (
            sql.CLAIM,
            {
                "first": 2,
                "last": 4,
                "limit": 200,
                "token": "0199a3c4-9c52-7d10-a2f4-6b0d1e7f8a21",
                "lease": "30 s",
                "providers": "{}",
            },
            "ix_delivery_due",
        ),
    ],
)
def test_what_is_due_is_found_by_its_own_index_however_much_is_held(
    hub: Hub, statement: Any, values: dict[str, Any], index: str
) -> None:
    hold(hub, 3000)
    fill(hub, 10)
    with hub.world.owner.begin() as conn:
        conn.execute(text("ANALYZE delivery"))
    with hub.world.app.app_context(), db.engines["engine"].begin() as conn:
        (plan,) = conn.execute(text(f"EXPLAIN (FORMAT JSON) {statement}"), values).scalar_one()
        conn.rollback()
    assert index in set(scans(plan["Plan"]))
