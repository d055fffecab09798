"""What waits for somebody, and what is planned for a time: opened, moved and closed with the item that it belongs to."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest

from notify_app import domains
from notify_app.errors import Forbidden, Refused
from notify_app.pipeline.route import Origin, route
from notify_app.pipeline.step import step
from notify_app.sweeps import remind
from notify_app.work import apply
from tests.stories.conftest import DANA_MAIL, DANA_PHONE

HOUR = timedelta(hours=1)


def applied(shop: Any, type_: str, **data: Any) -> None:
    response = shop.post(type_, data)
    assert response.status_code == 202, response.get_data(as_text=True)
    row = shop.inbound(response)
    assert (row.state, row.error) == ("applied", None)


def booking(shop: Any, start: datetime, **more: Any) -> None:
    end = start + 2 * HOUR
    applied(
        shop,
        "booking.upsert",
        id="B-1",
        resource="Studio 3",
        start=start,
        end=end,
        guest={"id": "dana"},
        **more,
    )


def plan(shop: Any) -> dict[str, str]:
    """What is planned by name → state, of those that were not cancelled."""
    rows = shop.build.all(
        "SELECT event, verb, state FROM reminder WHERE state <> 'cancelled' ORDER BY due_at"
    )
    return {row.event or row.verb: row.state for row in rows}


def waiting(shop: Any) -> list[tuple[str, Any, int]]:
    """Open tasks: name, assignee's key, round."""
    keys = {person.id: key for key, person in shop.people.items()}
    rows = shop.build.all("SELECT * FROM task WHERE closed_at IS NULL ORDER BY opened_at, name")
    return [(row.name, keys.get(row.assignee_id), row.round) for row in rows]


def do(shop: Any, key: str, number: str, verb: str, **values: Any) -> Any:
    """A person's verb, as every door does it."""
    who = shop.people[key]
    with shop.world.app.app_context(), step(shop.organisation.id) as work:
        item = work.one(
            "SELECT id FROM work_item WHERE organisation_id = :org AND number = :number", number=number
        )
        done = apply.act(work, item.id, verb, values, apply.Actor(who.role, who.id))
        route(work, done.drafts, Origin(work.now, actor_id=who.id))
    shop.settle()
    return done.items[0]


# --- bookings ------------------------------------------------------------------------------------------------------


@pytest.mark.proves("E1", "E3")
def test_a_guest_hears_a_day_and_an_hour_before_at_the_start_and_at_the_end_each_once(shop):
    booking(shop, shop.now() + 30 * HOUR)
    assert list(plan(shop).values()) == ["pending"] * 4
    shop.silence()
    shop.wait(6 * HOUR + timedelta(minutes=1))
    shop.mail(DANA_MAIL).says("Studio 3")
    shop.silence()
    shop.wait(23 * HOUR)
    shop.sms(DANA_PHONE).says("Studio 3")
    shop.silence()
    shop.wait(HOUR)
    shop.sms(DANA_PHONE).says("Studio 3")
    shop.wait(2 * HOUR)
    shop.mail(DANA_MAIL).says("Studio 3")
    shop.wait(24 * HOUR)
    shop.silence()
    assert set(plan(shop).values()) == {"sent"}
    assert shop.build.one("SELECT status FROM work_item").status == "ended"


@pytest.mark.proves("E3")
def test_what_is_past_when_a_booking_is_made_is_not_planned(shop):
    booking(shop, shop.now() + 2 * HOUR)
    assert list(plan(shop)) == ["booking_1h", "booking_start", "booking_end"]
    shop.forget()


@pytest.mark.proves("E3")
def test_a_booking_that_moves_takes_its_reminders_with_it(shop):
    first = shop.now() + 30 * HOUR
    booking(shop, first)
    booking(shop, first + 48 * HOUR)
    assert list(plan(shop).values()) == ["pending"] * 4
    assert len(shop.build.all("SELECT 1 FROM reminder WHERE state = 'cancelled'")) == 4
    shop.wait(40 * HOUR)
    shop.silence()
    booking(shop, first + 60 * HOUR)
    booking(shop, first + 48 * HOUR)
    shop.wait(20 * HOUR)
    shop.mail(DANA_MAIL).says("Studio 3")
    shop.silence()


@pytest.mark.proves("E3")
def test_cancelling_gives_up_what_was_planned_and_says_so_and_deleting_only_gives_up(shop):
    booking(shop, shop.now() + 30 * HOUR)
    booking(shop, shop.now() + 30 * HOUR, status="cancelled")
    shop.sms(DANA_PHONE).says("Studio 3")
    assert plan(shop) == {}
    shop.wait(48 * HOUR)
    shop.silence()
    start = shop.now() + 30 * HOUR
    more = {"resource": "Studio 4", "guest": {"id": "dana"}, "start": start, "end": start + HOUR}
    applied(shop, "booking.upsert", id="B-2", **more)
    applied(shop, "booking.upsert", id="B-2", status="deleted")
    item = shop.build.one("SELECT id FROM work_item WHERE external_id = 'B-2'").id
    assert not shop.build.all("SELECT 1 FROM reminder WHERE item_id = :id", id=item)
    shop.wait(48 * HOUR)
    shop.silence()


@pytest.mark.proves("E3")
def test_two_schedulers_that_sweep_at_once_tell_it_once(shop):
    booking(shop, shop.now() + 25 * HOUR)
    shop.world.move(HOUR + timedelta(seconds=1))
    begin = threading.Barrier(4)
    now = shop.now()

    def sweep() -> None:
        with shop.world.app.app_context():
            begin.wait(10)
            remind.run(now)

    sweeps = [threading.Thread(target=sweep) for _ in range(4)]
    for one in sweeps:
        one.start()
    for one in sweeps:
        one.join(30)
    shop.settle()
    shop.mail(DANA_MAIL).says("Studio 3")
    shop.silence()


@pytest.mark.proves("E2", "E3")
def test_a_reminder_that_is_not_true_any_more_is_skipped_and_says_so(shop):
    booking(shop, shop.now() + 25 * HOUR)
    # as a restored backup or a release that plans otherwise would leave it
    shop.build.run(
        "UPDATE work_item SET data = data || jsonb_build_object('end', data -> 'start'), status = 'ended'"
    )
    shop.wait(2 * HOUR)
    row = shop.build.one("SELECT state, error FROM reminder WHERE event = 'booking_24h'")
    assert row.state == "skipped"
    assert "not true any more" in row.error
    shop.silence()


@pytest.mark.proves("E2", "E3")
def test_a_reminder_that_the_database_could_not_settle_this_time_is_told_the_next(shop):
    booking(shop, shop.now() + 25 * HOUR)
    shop.build.run(
        "CREATE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'two wait for each other' USING ERRCODE = 'deadlock_detected'; END $$"
    )
    shop.build.run("CREATE TRIGGER collide BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION collide()")
    try:
        shop.world.move(HOUR + timedelta(seconds=1))
        shop.world.sweep("remind")
    finally:
        shop.build.run("DROP FUNCTION collide() CASCADE")
    assert plan(shop)["booking_24h"] == "pending"
    shop.silence()
    shop.world.sweep("remind")
    shop.mail(DANA_MAIL).says("Studio 3")
    assert plan(shop)["booking_24h"] == "sent"


@pytest.mark.proves("E2", "E3")
def test_a_reminder_that_cannot_be_written_at_all_fails_alone_and_says_why(shop):
    shop.expects_errors()
    start = shop.now() + 25 * HOUR
    booking(shop, start)
    more = {"resource": "Studio 4", "guest": {"id": "dana"}, "start": start, "end": start + HOUR}
    applied(shop, "booking.upsert", id="B-2", **more)
    shop.build.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.payload -> 'item' ->> 'resource' = 'Studio 4' THEN RAISE EXCEPTION 'not this one'; END IF; "
        "RETURN NEW; END $$"
    )
    shop.build.run("CREATE TRIGGER refuse BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION refuse()")
    try:
        shop.world.move(HOUR + timedelta(seconds=1))
        shop.world.sweep("remind")
    finally:
        shop.build.run("DROP FUNCTION refuse() CASCADE")
    shop.mail(DANA_MAIL).says("Studio 3")
    failed = shop.build.one("SELECT error FROM reminder WHERE state = 'failed'")
    assert "not this one" in failed.error
    shop.silence()


# --- permits -------------------------------------------------------------------------------------------------------


@pytest.fixture
def site(shop: Any) -> Any:
    """Marco makes permits, Vera verifies, Olga (in the office) approves."""
    shop.person("vera", name="Vera Lang", grade="A")
    return shop


def permit(site: Any, number: str = "P-1", **more: Any) -> None:
    facts = {
        "type": "Electrical work",
        "work": "Replace breaker Q4",
        "planned_start": site.now() + HOUR,
        "planned_end": site.now() + 9 * HOUR,
        "creator": {"id": "marco"},
    }
    applied(site, "permit.upsert", id=number, **facts, **more)


@pytest.mark.proves("D2")
def test_each_step_of_a_permit_waits_for_its_person_and_closes_with_their_act(site):
    permit(site)
    assert waiting(site) == []
    do(site, "marco", "P-1", "submit")
    assert waiting(site) == [("permit_verification", None, 1)]
    do(site, "olga", "P-1", "assign_verifier", verifier=str(site.people["vera"].id))
    assert waiting(site) == [("permit_verification", "vera", 1)]
    due = site.build.one("SELECT due_at - opened_at AS hours FROM task").hours
    assert due == 4 * HOUR, "the time runs from the submission, whoever has it now"
    do(site, "olga", "P-1", "assign_approver", approver=str(site.people["olga"].id))
    do(site, "vera", "P-1", "verify")
    assert waiting(site) == [("permit_approval", "olga", 1)]
    closed = site.build.one("SELECT outcome, closed_by FROM task WHERE closed_at IS NOT NULL")
    assert (closed.outcome, closed.closed_by) == ("done", site.people["vera"].id)
    do(site, "olga", "P-1", "approve")
    assert waiting(site) == []
    site.forget()


@pytest.mark.proves("D2", "D3")
def test_a_second_rejection_on_one_day_is_told_again_and_a_second_round_has_its_own_clock(site):
    permit(site, verifier={"id": "vera"})
    for turn in (1, 2):
        do(site, "marco", "P-1", "submit")
        assert waiting(site) == [("permit_verification", "vera", turn)]
        site.inbox("vera").has("permit_verification", "P-1")
        do(site, "vera", "P-1", "reject", reason=f"Not clear, time {turn}.")
        site.inbox("marco").has("permit_rejected", "P-1", f"time {turn}")
        assert waiting(site) == []
    site.forget()


@pytest.mark.proves("D2")
def test_nobody_verifies_their_own_permit_nor_somebody_elses_step(site):
    permit(site, verifier={"id": "vera"})
    do(site, "marco", "P-1", "submit")
    with pytest.raises(Forbidden):
        do(site, "marco", "P-1", "verify")
    with pytest.raises(Refused, match="choose somebody else"):
        do(site, "olga", "P-1", "assign_verifier", verifier=str(site.people["marco"].id))
    site.forget()


@pytest.mark.proves("D2")
def test_a_verifier_is_chosen_by_itself_where_the_office_wants_it(site):
    site.build.run('UPDATE organisation SET settings = \'{"options": ["assign_verifiers"]}\'')
    permit(site)
    do(site, "marco", "P-1", "submit")
    assert waiting(site) == [("permit_verification", "vera", 1)]
    site.inbox("vera").has("permit_verification", "P-1")
    site.forget()


@pytest.mark.proves("D2")
def test_an_active_permit_expires_at_its_end_and_its_creator_hears_of_it(site):
    permit(site, verifier={"id": "vera"}, approver={"id": "olga"}, status="active")
    site.forget()
    site.wait(7 * HOUR + timedelta(minutes=1))
    site.inbox("marco").has("permit_expiring", "P-1")
    site.inbox("marco").has("permit_closeout_required", "P-1")
    site.forget()
    site.wait(2 * HOUR)
    site.inbox("marco").has("permit_expired", "P-1")
    assert site.build.one("SELECT status FROM work_item").status == "expired"
    site.forget()
    site.wait(24 * HOUR)
    site.silence()


@pytest.mark.proves("D2")
def test_an_item_made_in_the_office_has_a_number_of_its_own(site):
    kind = domains.kind("permit")
    assert kind is not None
    marco = site.people["marco"]
    with site.world.app.app_context(), step(site.organisation.id) as work:
        actor = apply.Actor("technician", marco.id)
        made = [
            apply.create(work, kind, {"type": "Hot work", "work": "Weld the rail"}, actor).items[0].number
            for _ in range(2)
        ]
    assert made == ["PTW-1", "PTW-2"]
    row = site.build.one("SELECT status, title FROM work_item WHERE number = 'PTW-1'")
    assert (row.status, row.title) == ("draft", "Hot work: Weld the rail")
    site.forget()
