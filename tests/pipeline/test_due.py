"""How what is due is found: by indexes that cost the same however much waits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from notify_app.pipeline import sql, take
from tests.hub import Hub

WAITING = 2_000
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
        conn.execute(text(HISTORY), {**values, "what": "old-", "state": "applied", "count": 3_000})
        conn.execute(text("ANALYZE inbound"))
        conn.execute(text(HISTORY), {**values, "what": "new-", "state": "accepted", "count": WAITING})
    return hub


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def read(hub: Hub, statement: str, **values: Any) -> int:
    """How many rows the statement takes from its tables and indexes altogether."""
    with hub.world.owner.begin() as conn:
        found = conn.execute(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"), values).scalar_one()
    plan = (found if isinstance(found, list) else json.loads(found))[0]["Plan"]
    scans = [one for one in nodes(plan) if "Relation Name" in one]
    return sum(
        int(one["Actual Rows"] * one["Actual Loops"]) + int(one.get("Rows Removed by Filter", 0))
        for one in scans
    )


def test_finding_what_is_due_does_not_read_all_that_waits_for_each_of_it(busy: Hub) -> None:
    assert read(busy, str(sql.DUE_INBOUND), limit=take.LOOK) < 5 * take.LOOK


def test_nor_does_taking_it(busy: Hub) -> None:
    rows = busy.build.all(
        "SELECT id FROM inbound WHERE state = 'accepted' ORDER BY received_at, id LIMIT 200"
    )
    taken = read(busy, take.LOCK, org=busy.organisation.id, ids=[row.id for row in rows])
    assert taken < WAITING + 5 * take.LOOK
