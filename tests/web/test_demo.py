"""The demo: five offices made by the one path, once, begun again when their making was stopped; what is to be seen there."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
import redis
from flask import Flask
from psycopg import sql
from sqlalchemy import Engine, create_engine, text

from notify_app import create_app, demo
from notify_app.config import Settings
from notify_app.demo.office import Office
from notify_app.engines import Engines
from tests.conftest import copy_database, dispose, on
from tests.pages import Browser

pytestmark = pytest.mark.xdist_group("demo")

BY_SLUG = {office.slug: office for office in demo.OFFICES}
STATES = {
    "evergreen": {
        ("repair", "pending"): 2,
        ("repair", "approved"): 1,
        ("repair", "in_progress"): 1,
        ("repair", "denied"): 1,
        ("repair", "completed"): 11,
    },
    "bayline": {
        ("work_order", "open"): 3,
        ("work_order", "in_progress"): 1,
        ("work_order", "on_hold"): 1,
        ("work_order", "completed"): 10,
        ("work_order", "cancelled"): 1,
    },
    "lindencourt": {
        ("maintenance", "reported"): 2,
        ("maintenance", "in_progress"): 1,
        ("maintenance", "completed"): 5,
        ("maintenance", "cancelled"): 1,
    },
    "northgate": {
        ("permit", "draft"): 1,
        ("permit", "submitted"): 2,
        ("permit", "verified"): 1,
        ("permit", "approved"): 1,
        ("permit", "active"): 1,
        ("permit", "completed"): 5,
        ("permit", "expired"): 1,
        ("permit", "cancelled"): 1,
    },
    "pierroad": {
        ("booking", "booked"): 6,
        ("booking", "ended"): 6,
        ("booking", "cancelled"): 1,
        ("booking", "deleted"): 1,
    },
}


# how many minutes are left for what waits now
WAITING = {"WO-2117": 35, "PTW-150": -45, "PTW-151": 40, "PTW-152": 210}


@dataclass(frozen=True)
class Made:
    """The demo as it was made, and how that went."""

    app: Flask
    owner: Engine
    answers: list[bool]
    left_by_the_stop: list[str]
    evergreen: UUID

    def all(self, statement: str, **values: Any) -> list[Any]:
        """Rows of every organisation."""
        with self.owner.connect() as conn:
            return list(conn.execute(text(statement), values))

    def one(self, statement: str, **values: Any) -> Any:
        return self.all(statement, **values)[0]


@pytest.fixture(scope="module")
def made(engines: Engines, database: Settings) -> Iterator[Made]:
    """A demo of one office, as an earlier release made it; then all five, stopped on the third day, and once more. In a
    database of its own, which other tests do not empty."""
    admin, name = engines.env["DATABASE_ADMIN_URL"], f"hub_demo_{random.getrandbits(40):x}"
    copy_database(admin, name)
    settings = on(database, name)
    app, owner = create_app(settings), create_engine(settings.database_owner_url)
    with app.app_context():
        whole = _make(app, owner)
    yield whole
    with app.app_context():
        dispose(app)
    owner.dispose()
    with psycopg.connect(admin, dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(autouse=True)
def nobody_has_signed_in_yet(valkey: redis.Redis) -> None:
    """The limits of signing in count from here: these tests are many in a minute."""
    valkey.flushall()


def _make(app: Flask, owner: Engine) -> Made:
    def slugs() -> list[str]:
        with owner.connect() as conn:
            return list(conn.execute(text("SELECT slug FROM organisation ORDER BY slug")).scalars())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "OFFICES", demo.OFFICES[:1])
        answers = [demo.fill(app, lambda line: None)]
    with owner.connect() as conn:
        evergreen = conn.execute(text("SELECT id FROM organisation WHERE slug = 'evergreen'")).scalar_one()
    with pytest.raises(KeyboardInterrupt):
        demo.fill(app, _stop_on_day_three)
    left = slugs()
    answers += [demo.fill(app, lambda line: None), demo.fill(app, lambda line: None)]
    return Made(app, owner, answers, left, evergreen)


def _stop_on_day_three(line: str) -> None:
    if line.startswith("day 3"):
        raise KeyboardInterrupt


# --- how it is made ------------------------------------------------------------------------------------------------


def test_it_is_made_once_begun_again_after_a_stop_and_completed_where_one_office_was_there(
    made: Made,
) -> None:
    assert made.answers == [True, True, False]
    assert [one for one in made.left_by_the_stop if "half-made" not in one] == ["evergreen"]
    offices = {row.slug: row for row in made.all("SELECT id, slug, zone FROM organisation")}
    assert set(offices) == set(BY_SLUG)
    assert offices["evergreen"].id == made.evergreen, "what was there stays"
    assert len({row.zone for row in offices.values()}) > 2
    now, real = made.one("SELECT hub_now(), clock_timestamp()")
    assert abs(now - real) < timedelta(seconds=5), "the clock is right again"


def test_nobody_of_a_stopped_start_is_left(made: Made) -> None:
    wanted = {person.email for office in demo.OFFICES for person in office.people if person.signs_in}
    assert Counter(row.email for row in made.all("SELECT email FROM account")) == Counter(wanted)
    assert (
        made.all("SELECT 1 FROM account WHERE NOT EXISTS (SELECT FROM person WHERE account_id = account.id)")
        == []
    )


def test_every_message_was_taken_as_it_was_meant(made: Made) -> None:
    assert (
        made.all("SELECT type, state, error FROM inbound WHERE state <> 'applied' OR error IS NOT NULL") == []
    )
    assert made.all("SELECT name, error FROM event WHERE error IS NOT NULL") == []


def test_what_left_has_left_and_fails_only_where_there_is_no_such_number(made: Made) -> None:
    states = {row.state for row in made.all("SELECT DISTINCT state FROM delivery")}
    assert {"sent", "failed"} <= states <= {"sent", "failed", "queued", "held", "skipped"}
    failed = made.all("SELECT DISTINCT address, reason FROM delivery WHERE state = 'failed'")
    assert [tuple(row) for row in failed] == [("12345", "bad_address")]
    late = (
        "SELECT 1 FROM delivery WHERE state = 'queued' AND next_attempt_at < hub_now() - interval '2 minutes'"
    )
    assert made.all(late) == [], "what waits, waits for the morning"


def test_nobody_is_unreached_but_who_is_meant_to_be(made: Made) -> None:
    missed = made.all(
        "SELECT o.slug, d.reason, w.status FROM decision d JOIN organisation o ON o.id = d.organisation_id "
        "JOIN event e ON e.id = d.event_id LEFT JOIN work_item w ON w.id = e.item_id "
        "WHERE d.reason IN ('not_reached', 'nobody', 'person_left', 'template_failed')"
    )
    # a repair that was denied before it had a technician, the approved one that the office is to give to somebody, and a
    # guest of whom nothing but the name is known
    assert sorted(tuple(row) for row in missed) == [
        ("evergreen", "nobody", "approved"),
        ("evergreen", "nobody", "denied"),
        ("pierroad", "not_reached", "booked"),
    ]
    told = made.all(
        "SELECT n.title FROM notification n JOIN person p ON p.id = n.person_id "
        "WHERE n.name = 'not_reached' AND p.name = 'Gus Albright'"
    )
    assert len(told) == 1 and "Patrick O'Neill" in told[0].title, "the office hears of it"


# --- what is to be seen --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", STATES)
def test_each_office_has_work_in_every_state_that_it_should(made: Made, slug: str) -> None:
    rows = made.all(
        "SELECT kind, status, count(*) AS n FROM work_item w JOIN organisation o ON o.id = w.organisation_id "
        "WHERE o.slug = :slug GROUP BY kind, status",
        slug=slug,
    )
    assert {(row.kind, row.status): row.n for row in rows} == STATES[slug]


def test_every_office_tells_its_people_on_the_page_and_outside(made: Made) -> None:
    rows = made.all(
        "SELECT o.slug, count(*) FILTER (WHERE n.read_at IS NULL) AS unread, count(*) AS lines, "
        "(SELECT count(DISTINCT channel) FROM delivery d WHERE d.organisation_id = o.id AND d.state = 'sent') AS channels "
        "FROM organisation o JOIN notification n ON n.organisation_id = o.id GROUP BY o.id"
    )
    assert {row.slug for row in rows} == set(BY_SLUG)
    for row in rows:
        assert 0 < row.unread < row.lines
        assert row.channels == 2, row.slug


def test_what_waits_now_is_late_or_nearly_late(made: Made) -> None:
    rows = made.all(
        "SELECT w.number, extract(epoch FROM t.due_at - hub_now()) / 60 AS left, p.name, w.data FROM task t "
        "JOIN work_item w ON w.id = t.item_id LEFT JOIN person p ON p.id = t.assignee_id "
        "WHERE t.closed_at IS NULL AND t.kind IN ('permit', 'work_order')"
    )
    assert {row.number for row in rows} == set(WAITING)
    for row in rows:
        # the demo may have been made a while before this test
        assert WAITING[row.number] - 15 < row.left <= WAITING[row.number]
        assert row.name
    urgent = made.one("SELECT status, data FROM work_item WHERE number = 'WO-2117'")
    assert (urgent.status, urgent.data["urgency"], urgent.data.get("acknowledged_by")) == (
        "open",
        "urgent",
        None,
    )


def test_somebody_is_at_the_gate_a_bill_is_due_and_the_office_is_needed(made: Made) -> None:
    rows = made.all(
        "SELECT e.name, p.name AS person FROM notification n JOIN event e ON e.id = n.event_id "
        "JOIN person p ON p.id = n.person_id WHERE n.read_at IS NULL AND e.created_at > hub_now() - interval '80 minutes'"
    )
    unread = {(row.name, row.person) for row in rows}
    assert {("visitor_arrival", "Leila Haddad"), ("payment_due", "Leila Haddad")} <= unread
    assert {("office_alert", "Samuel Achterberg"), ("issue_detected", "Joanna Pike")} <= unread
    alarm = made.all(
        "SELECT n.acknowledged_at FROM notification n JOIN event e ON e.id = n.event_id WHERE e.name = 'emergency_alert'"
    )
    assert len(alarm) == len(BY_SLUG["lindencourt"].people)
    assert all(row.acknowledged_at for row in alarm), "the false alarm is over"


def test_reminders_went_out_at_their_time_and_those_of_tomorrow_are_planned(made: Made) -> None:
    rows = made.all(
        "SELECT r.*, w.number, r.settled_at - r.due_at AS late FROM reminder r JOIN work_item w ON w.id = r.item_id"
    )
    assert {row.state for row in rows} == {"sent", "pending", "cancelled"}
    assert all(row.late < timedelta(minutes=2) for row in rows if row.state == "sent")
    assert not any(row.number == "B-2076" for row in rows), "nothing is left of what was never meant"
    tomorrow = [row for row in rows if row.number == "B-2082"]
    assert [row.state for row in tomorrow] == ["pending"] * 4
    assert {row.state for row in rows if row.number == "B-2080"} == {"sent", "pending"}, (
        "it has begun, and will end"
    )
    assert {row.event for row in rows if row.number == "PTW-148" and row.state == "sent"} == {
        "permit_expiring",
        "permit_closeout_required",
    }


def test_one_technician_works_in_two_offices_with_one_account(made: Made) -> None:
    rows = made.all(
        "SELECT a.email, array_agg(o.slug ORDER BY o.slug) AS offices, array_agg(DISTINCT p.role) AS roles FROM account a "
        "JOIN person p ON p.account_id = a.id JOIN organisation o ON o.id = p.organisation_id "
        "GROUP BY a.id HAVING count(*) > 1"
    )
    assert [tuple(row) for row in rows] == [
        ("ines@bayline.example", ["bayline", "northgate"], ["technician"])
    ]
    told = made.all(
        "SELECT DISTINCT p.organisation_id FROM notification n JOIN person p ON p.id = n.person_id "
        "WHERE p.name = 'Ines Calder'"
    )
    assert len(told) == 2, "her inbox has lines of both"


# --- signing in ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("office", demo.OFFICES, ids=lambda office: office.slug)
def test_whoever_is_printed_can_sign_in_with_the_password(made: Made, office: Office) -> None:
    for role in ("manager", "technician"):
        browser = Browser(made.app.test_client(), made.app.extensions["hub"].base_url)
        login = {"email": office.first(role).email, "password": demo.PASSWORD}
        assert browser.submit("/sign-in", "/sign-in", follow=False, **login).status == 303


def test_the_sign_in_page_lists_people_by_office_and_says_who_is_in_two(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(made.app.extensions, "hub", replace(made.app.extensions["hub"], env="demo"))
    page = Browser(made.app.test_client(), made.app.extensions["hub"].base_url).get("/sign-in")
    for office in demo.OFFICES:
        assert f'<h3 class="people-of">{office.name}</h3>' in page.html
    assert "Technician, also at Northgate Yard" in page.text
    assert "Technician, also at Bayline Building Services" in page.text
