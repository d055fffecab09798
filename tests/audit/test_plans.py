"""What the auditor and the clean-up ask is answered by indexes, however much there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from notify_app.audit import sql
from notify_app.audit.look import connect
from notify_app.pipeline import sql as engine_sql

LARGE = {
    "address",
    "feedback",
    "provider_message",
    "reply_code",
    "attempt",
    "broadcast",
    "decision",
    "delivery",
    "inbound",
    "inbox_counter",
    "link",
    "notification",
    "reminder",
    "task",
    "work_item",
    "written_message",
}
CHECKED = {"late": timedelta(seconds=60), "most": 100, "cursor": UUID(int=0), "sample": 200, "name": "x"}
SWEPT = {
    "age": timedelta(days=90),
    "limit": 100,
    "kind": "permit",
    "closed": ["completed"],
    "organisation": UUID(int=0),
    "after": UUID(int=0),
    "edge": UUID(int=1),
}
SWEEPS = (
    "RETAIN_ATTEMPTS",
    "RETAIN_BODIES",
    "RETAIN_CALLS",
    "RETAIN_CODES",
    "RETAIN_FEEDBACK",
    "RETAIN_REPORTS",
    "EXPIRED_LINKS",
    "TIDY_PERMITS",
    "TIDY_OLD",
)


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def read_whole(plan: Any) -> set[str]:
    """The large tables that are read from end to end although it is forbidden: nothing else can answer."""
    found = (plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]
    return {one["Relation Name"] for one in nodes(found) if one["Node Type"] == "Seq Scan"} & LARGE


@pytest.mark.parametrize("name", sql.CHECKS)
def test_every_check_finds_by_an_index(hub: Any, name: str) -> None:
    with connect(hub.world.app.extensions["hub"].database_engine_url) as conn:
        conn.execute("SET enable_seqscan = off")
        row = conn.execute(f"EXPLAIN (FORMAT JSON) {sql.CHECKS[name]}", CHECKED).fetchone()
    assert row and read_whole(row["QUERY PLAN"]) == set()


@pytest.mark.parametrize("name", SWEEPS)
def test_what_goes_is_found_by_an_index(hub: Any, name: str) -> None:
    statement = getattr(engine_sql, name)
    values = {one: SWEPT.get(one, hub.now()) for one in statement.compile().params}
    with hub.world.app.app_context(), hub.world.engine().begin() as conn:
        conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = conn.execute(text(f"EXPLAIN (FORMAT JSON) {statement.text}"), values).scalar_one()
    assert read_whole(plan) == set()


@pytest.mark.parametrize(
    ("name", "values", "index"),
    [
        ("FIND_SENT", {"provider": "ses", "provider_id": "x"}, "ix_attempt_provider_id"),
        ("FIND_ANSWERERS", {"number": "+12025550101", "code": "K4TP7"}, "ix_address_value"),
        ("DUE_REPORTS", {"now": None, "limit": 100}, "ix_provider_message_waiting"),
    ],
)
def test_what_a_report_is_about_is_found_by_an_index(
    hub: Any, name: str, values: dict[str, Any], index: str
) -> None:
    statement = getattr(engine_sql, name)
    values = {**values, **({"now": hub.now()} if "now" in values else {})}
    with hub.world.app.app_context(), hub.world.engine().begin() as conn:
        conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = conn.execute(text(f"EXPLAIN {statement.text}"), values).scalars().all()
    assert index in "\n".join(plan)


def test_whatever_points_at_a_notification_finds_it_by_an_index(owner: Engine) -> None:
    """Else each line that goes would read that table from end to end."""
    pointing = """
        SELECT c.conrelid::regclass::text AS name FROM pg_constraint c
        WHERE c.contype = 'f' AND c.confrelid = 'notification'::regclass AND NOT EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = c.conrelid
             AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)
    """
    with owner.connect() as conn:
        assert [row.name for row in conn.execute(text(pointing))] == []
