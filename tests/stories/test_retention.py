"""What is old goes, at its time and not a moment before; what is a record stays for its own time."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from notify_app import process
from notify_app.sweeps import retain, tidy
from notify_app.timetable import SCHEDULE

DAY, A_MOMENT = timedelta(days=1), timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _about_something_else(shop: Any) -> Any:
    yield
    shop.forget()


def permit(shop: Any, status: str, id: str = "P-1") -> None:
    """A permit of Marco's as its system reports it; he is told."""
    start = shop.now() + timedelta(hours=1)
    facts = {"type": "Hot work", "work": "Weld the rail", "planned_start": start, "planned_end": start + DAY}
    people = {"creator": {"id": "marco"}, "verifier": {"id": "priya"}}
    assert shop.post("permit.upsert", {"id": id, "status": status, **facts, **people}).status_code == 202


def read(shop: Any, key: str) -> None:
    shop.build.run(
        "UPDATE notification SET read_at = hub_now() WHERE person_id = :id", id=shop.people[key].id
    )


def lines(shop: Any, key: str) -> int:
    """How many lines are in somebody's inbox."""
    counted = "SELECT count(*) AS n FROM notification WHERE person_id = :id"
    return int(shop.build.one(counted, id=shop.people[key].id).n)


def count(shop: Any, table: str) -> int:
    return int(shop.build.one(f"SELECT count(*) AS n FROM {table}").n)


def age(shop: Any, by: timedelta, sweep: str) -> None:
    """So much time passes, and the weekly sweep runs."""
    shop.world.move(by)
    shop.world.sweep(sweep)


# --- A13 -----------------------------------------------------------------------------------------------------------


@pytest.mark.proves("A13")
def test_attempts_older_than_ninety_days_go_and_their_deliveries_stay(shop):
    shop.repair("R-1", technician="marco").approved()
    tried, sent = count(shop, "attempt"), count(shop, "delivery")
    assert tried >= 2
    begun = shop.build.one("SELECT max(started_at) AS at FROM attempt").at
    age(shop, begun + 90 * DAY - shop.now() - 20 * A_MOMENT, "retain")
    assert count(shop, "attempt") == tried
    age(shop, 25 * A_MOMENT, "retain")
    assert (count(shop, "attempt"), count(shop, "delivery")) == (0, sent)


@pytest.mark.proves("A13")
def test_what_came_back_and_codes_of_sms_go_when_their_time_is_over(shop):
    org = {"organisation_id": shop.organisation.id}
    shop.repair("R-1", customer="dana").pending()
    event = shop.events()[0].id
    for days in (29, 31, 399, 401):
        at = shop.now() - days * DAY
        shop.build.insert("provider_message", id=f"m-{days}", topic="t", received_at=at)
        facts = {"channel": "email", "address": "dana@example.com", "heard": "hard_bounce", "provider": "ses"}
        shop.build.insert("feedback", **org, **facts, detail=f"{days}", created_at=at)
        code = {"number": f"+1202555{days:04}", "code": "K4TP7", "person_id": shop.people["dana"].id}
        shop.build.insert("reply_code", **org, **code, event_id=event, expires_at=at)
    shop.world.sweep("retain")
    assert [row.id for row in shop.build.all("SELECT id FROM provider_message ORDER BY id")] == ["m-29"]
    assert len(shop.build.all("SELECT 1 FROM reply_code")) == 1
    kept = {row.detail for row in shop.build.all("SELECT detail FROM feedback")}
    assert kept == {"29", "31", "399"}


@pytest.mark.proves("A13")
def test_what_is_old_goes_on_sunday_at_two_and_notifications_at_midnight_in_utc():
    lines = {line.name: line.cron for line in SCHEDULE}
    assert (lines["retain"], lines["tidy"]) == ("0 2 * * 0", "0 0 * * 0")


@pytest.mark.proves("A13")
def test_it_goes_in_batches_with_a_rest_after_each_and_may_be_ended_between_two(shop):
    shop.repair("R-1", technician="marco").approved()
    delivery = shop.build.all("SELECT * FROM delivery")[0]
    shop.build.run("DELETE FROM attempt")
    for number in range(1, 11):
        shop.build.insert(
            "attempt",
            organisation_id=shop.organisation.id,
            delivery_id=delivery.id,
            number=number,
            token=delivery.id,
            provider="smtp",
            outcome="accepted",
            started_at=shop.now() - 91 * DAY,
            finished_at=shop.now() - 91 * DAY,
        )
    rests: list[int] = []

    def once() -> bool:
        rests.append(count(shop, "attempt"))
        return False

    def go_on() -> bool:
        rests.append(count(shop, "attempt"))
        return True

    with shop.world.app.app_context():
        assert retain.run(shop.now(), 4, once) == 4
        assert retain.run(shop.now(), 4, go_on) == 6
    assert rests == [6, 2, 0]


# --- D5 ------------------------------------------------------------------------------------------------------------


@pytest.mark.proves("D5")
def test_read_lines_of_a_closed_permit_go_after_thirty_days_and_their_records_stay(shop):
    permit(shop, "completed")
    read(shop, "marco")
    told = lines(shop, "marco")
    kept = {table: count(shop, table) for table in ("delivery", "attempt", "decision", "event", "change")}
    assert told and kept["delivery"]
    made = shop.build.one("SELECT max(created_at) AS at FROM notification").at
    age(shop, made + 30 * DAY - shop.now() - 20 * A_MOMENT, "tidy")
    assert lines(shop, "marco") == told
    age(shop, 25 * A_MOMENT, "tidy")
    assert lines(shop, "marco") == 0
    assert {table: count(shop, table) for table in kept} == kept


@pytest.mark.proves("D5")
def test_what_is_unread_or_of_an_open_permit_or_of_other_work_does_not_go_after_thirty_days(shop):
    permit(shop, "completed")
    permit(shop, "approved", "P-2")
    shop.repair("R-1", technician="marco").completed()
    told = {key: lines(shop, key) for key in ("marco", "priya")}
    unread = shop.build.one("SELECT count(*) AS n FROM notification WHERE read_at IS NULL").n
    age(shop, 31 * DAY, "tidy")
    assert {key: lines(shop, key) for key in told} == told and unread
    read(shop, "marco")
    shop.world.sweep("tidy")
    left = shop.build.all(
        "SELECT w.kind, w.status FROM notification n JOIN work_item w ON w.id = n.item_id WHERE n.person_id = :id",
        id=shop.people["marco"].id,
    )
    assert ("permit", "completed") not in {tuple(row) for row in left}
    assert ("permit", "approved") in {tuple(row) for row in left}
    assert lines(shop, "priya") == told["priya"]


# --- C8 ------------------------------------------------------------------------------------------------------------


@pytest.mark.proves("C8")
def test_lines_of_closed_work_and_of_none_go_after_a_year_read_or_not_and_open_work_keeps_its_own(shop):
    shop.repair("R-1", technician="marco").completed()
    shop.repair("R-2", technician="priya").approved()
    shop.post(
        "announcement.send", {"title": "Closed at noon", "message": "Friday.", "audience": {"everyone": True}}
    )
    done = lines(shop, "dana")
    made = shop.build.one("SELECT max(created_at) AS at FROM notification").at
    before = count(shop, "notification")
    kept = {table: count(shop, table) for table in ("delivery", "decision", "event")}
    age(shop, made + 365 * DAY - shop.now() - 20 * A_MOMENT, "tidy")
    assert count(shop, "notification") == before
    age(shop, 25 * A_MOMENT, "tidy")
    left = shop.build.all("SELECT w.status FROM notification n LEFT JOIN work_item w ON w.id = n.item_id")
    assert left and {row.status for row in left} == {"approved"}
    assert done and len(left) < before
    assert {table: count(shop, table) for table in kept} == kept


@pytest.mark.proves("C8")
def test_what_was_answered_is_a_record_and_never_goes(shop):
    people = [{"id": "marco"}, {"id": "priya"}]
    shop.post("emergency.raised", {"alert_message": "Fire", "location": "Bay 2", "recipients": people})
    line = shop.build.one(
        "SELECT * FROM notification WHERE name = 'emergency_alert' AND person_id = :id",
        id=shop.people["marco"].id,
    )
    shop.build.insert(
        "answer",
        organisation_id=shop.organisation.id,
        event_id=line.event_id,
        person_id=line.person_id,
        notification_id=line.id,
        name="safe",
    )
    age(shop, 366 * DAY, "tidy")
    assert (lines(shop, "marco"), lines(shop, "priya"), count(shop, "answer")) == (1, 0, 1)


@pytest.mark.proves("C8", "C5")
def test_an_archive_goes_on_batch_by_batch_through_all_offices_and_counts_what_went(shop):
    elsewhere = shop.another("elsewhere")
    elsewhere.person("zoe")
    for number in range(5):
        shop.repair(f"R-{number}", technician="marco").completed()
        elsewhere.repair(f"E-{number}", technician="zoe").completed()
    shop.world.move(366 * DAY)
    before, batches = count(shop, "notification"), []

    def go_on() -> bool:
        batches.append(count(shop, "notification"))
        return True

    with shop.world.app.app_context():
        assert tidy.run(shop.now(), 2, go_on) == before
    assert count(shop, "notification") == 0
    gone = [first - second for first, second in zip([before, *batches], batches, strict=False)]
    assert max(gone) <= 2, "no transaction takes more"


@pytest.mark.proves("C8")
def test_whoever_reads_while_old_lines_go_waits_for_no_more_than_a_batch(shop):
    """Five at once remove everything once, and nobody is caught in a circle."""
    for number in range(6):
        shop.repair(f"R-{number}", customer="dana", technician="marco").completed()
    shop.world.move(366 * DAY)
    begin, before, now, gone = threading.Barrier(5), count(shop, "notification"), shop.now(), []

    def sweep() -> None:
        with shop.world.app.app_context():
            begin.wait(10)
            gone.append(tidy.run(now, 3))

    sweeps = [threading.Thread(target=sweep) for _ in range(5)]
    for one in sweeps:
        one.start()
    for one in sweeps:
        one.join(30)
    assert len(gone) == 5 and sum(gone) == before
    assert count(shop, "notification") == 0


@pytest.mark.proves("A13", "C8")
def test_a_long_clean_up_holds_up_no_other_job_and_is_not_begun_twice(shop, monkeypatch):
    monkeypatch.setattr(process, "ASIDE_SECONDS", 0.05)
    here, started, let_go, begun = process.current(), threading.Event(), threading.Event(), []

    def clean_up() -> None:
        begun.append(1)
        started.set()
        assert let_go.wait(30)

    here.aside("a long one", clean_up)
    assert started.wait(10)
    here.aside("a long one", clean_up)
    assert begun == [1], "the job has ended, the work has not"
    shop.repair("R-1", customer="dana").pending()
    let_go.set()
    monkeypatch.setattr(process, "ASIDE_SECONDS", 10)
    here.aside("a long one", lambda: None)
    here.aside("a long one", clean_up)
    assert begun == [1, 1]
