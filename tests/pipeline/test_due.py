"""How what is due is found: by indexes that cost the same however much waits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from notify_app import tenancy
from notify_app.extensions import db
from notify_app.pipeline import sql, take
from notify_app.work import digests
from tests.hub import Hub

SETTLED, WAITING = 3_000, 2_000
HISTORY = """
    INSERT INTO inbound (organisation_id, source_id, external_id, body_hash, type, body, item_refs, occurred_at, state,
                         settled_at)
    SELECT :org, :source, :what || n, '', 'repair.upsert', '{}', ARRAY['R-' || n], hub_now(), :state,
           CASE WHEN :state <> 'accepted' THEN hub_now() END FROM generate_series(1, :count) AS n
"""


@pytest.fixture
def busy(hub: Hub) -> Hub:
    """An office with a history, after which the tables were analysed, and then a great deal that waits."""
    values = {"org": hub.organisation.id, "source": hub.source.id}
    with hub.world.owner.begin() as conn:
        conn.execute(text(HISTORY), {**values, "what": "old-", "state": "applied", "count": SETTLED})
        conn.execute(text("ANALYZE inbound"))
        conn.execute(text(HISTORY), {**values, "what": "new-", "state": "accepted", "count": WAITING})
    return hub


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def read(engine: Engine, statement: str, **values: Any) -> int:
    """How many rows the statement takes from its tables and indexes altogether, as the role that runs it."""
    with engine.begin() as conn:
        found = conn.execute(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"), values).scalar_one()
    plan = (found if isinstance(found, list) else json.loads(found))[0]["Plan"]
    scans = [one for one in nodes(plan) if "Relation Name" in one]
    taken = [int(one["Actual Rows"] * one["Actual Loops"]) for one in scans]
    return sum(taken) + sum(int(one.get("Rows Removed by Filter", 0)) for one in scans)


def test_finding_what_is_due_does_not_read_all_that_waits_for_each_of_it(busy: Hub) -> None:
    with busy.world.app.app_context():
        assert read(db.engines["engine"], str(sql.DUE_INBOUND), limit=take.LOOK) < 5 * take.LOOK


def test_nor_does_taking_it(busy: Hub) -> None:
    rows = busy.build.all(
        "SELECT id FROM inbound WHERE state = 'accepted' ORDER BY received_at, id LIMIT 200"
    )
    those = {"org": busy.organisation.id, "ids": [row.id for row in rows]}
    with busy.world.app.app_context():
        # the rows themselves may be looked for in the whole table, which is small here; what is before them may not
        assert read(db.engines["engine"], str(sql.BEHIND), **those) < SETTLED + WAITING + 5 * take.LOOK
        with tenancy.scope(busy.organisation.id):
            assert read(db.engine, take.LOCK, **those) < WAITING + 5 * take.LOOK


# --- digests -------------------------------------------------------------------------------------------------------

UNREAD, NEW = 3_000, 20
PEOPLE = """
    INSERT INTO person (organisation_id, name, role) SELECT :org, 'Many ' || n, 'technician' FROM generate_series(1, :count) AS n
"""
WANT = """
    INSERT INTO preference (organisation_id, person_id, digest_rhythm, digest_due_at, digest_since, digest_seq)
    SELECT organisation_id, id, 'daily', hub_now() + interval '1 hour' * row_number() OVER (), hub_now(), 0 FROM person
    WHERE name LIKE 'Many %'
"""
HAPPENED = """
    INSERT INTO event (organisation_id, name, priority, category, payload, occurred_at)
    SELECT :org, 'reward', 3, 'reward', '{}', hub_now() FROM generate_series(1, :count)
"""
TOLD = """
    INSERT INTO notification (organisation_id, event_id, person_id, name, category, priority, title, text, seq, changed_seq)
    SELECT organisation_id, id, :person, name, category, priority, 'A voucher', '', row_number() OVER (), row_number() OVER ()
    FROM event
"""


@pytest.mark.proves("A12")
def test_whose_digest_is_due_is_found_without_looking_at_those_whose_is_not(hub: Hub) -> None:
    with hub.world.owner.begin() as conn:
        conn.execute(text(PEOPLE), {"org": hub.organisation.id, "count": SETTLED})
        conn.execute(text(WANT))
        conn.execute(text("ANALYZE preference"))
        now = conn.execute(text("SELECT hub_now() + interval '10 hours'")).scalar_one()
    with hub.world.app.app_context():
        assert read(db.engines["engine"], str(sql.DUE_DIGESTS), now=now, limit=200) <= 10


@pytest.mark.proves("A12")
def test_what_is_new_for_a_digest_is_found_without_looking_at_all_that_was_never_read(hub: Hub) -> None:
    marco = hub.person("marco")
    hub.build.choose(marco, "category:reward", "digest", True)
    with hub.world.owner.begin() as conn:
        conn.execute(text(HAPPENED), {"org": hub.organisation.id, "count": UNREAD})
        conn.execute(text(TOLD), {"person": marco.id})
        conn.execute(
            text(
                "INSERT INTO preference (organisation_id, person_id, digest_rhythm, digest_due_at, digest_since, digest_seq) "
                "VALUES (:org, :person, 'daily', hub_now(), hub_now(), :seq)"
            ),
            {"org": hub.organisation.id, "person": marco.id, "seq": UNREAD - NEW},
        )
        conn.execute(text("ANALYZE notification"))
    those = {"org": hub.organisation.id, "me": marco.id}
    with hub.world.app.app_context(), tenancy.scope(hub.organisation.id):
        assert read(db.engine, digests.KEPT, **those) < 10 * NEW
        with db.engine.begin() as conn:
            assert conn.execute(text(digests.KEPT), those).one().unread == NEW
    hub.forget()
