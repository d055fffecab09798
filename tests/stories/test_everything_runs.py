"""The auditor: what stands still, is late or is wrong is found whoever notices it, told once, and is gone when it is well.

A stall is planted for every check; the boundary of each is looked at from both sides where time or number makes one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from notify_app import process
from notify_app.audit.checks import CHECKS
from notify_app.ids import new_id, new_ids
from notify_app.sweeps import warn
from tests.auditing import Auditor
from tests.stories.conftest import OFFICE_MAIL

MINUTE = timedelta(minutes=1)
A_MOMENT = timedelta(seconds=1)
ADA_MAIL = "ada@example.com"


@pytest.fixture
def auditor(shop: Any) -> Any:
    yield Auditor(shop.world)
    shop.forget()


# --- the plants ----------------------------------------------------------------------------------------------------


def inbound_stuck(shop: Any) -> None:
    shop.post("repair.upsert", {"id": "R-1", "status": "pending", "customer": {"id": "dana"}}, settle=False)
    shop.world.move(MINUTE + A_MOMENT)


def delivery_late(shop: Any) -> None:
    shop.post("repair.upsert", {"id": "R-1", "status": "pending", "customer": {"id": "dana"}}, settle=False)
    process.current().drain("route")
    shop.world.move(MINUTE + A_MOMENT)


def held_late(shop: Any) -> None:
    delivery_late(shop)
    shop.build.run("UPDATE delivery SET state = 'held', reason = 'quiet_hours'")


def lease_expired(shop: Any) -> None:
    delivery_late(shop)
    shop.build.run(
        "UPDATE delivery SET state = 'sending', token = gen_random_uuid(), claimed_at = hub_now(), provider = 'sns', "
        "lease_until = clock_timestamp() - interval '61 seconds'"
    )


def reminder_late(shop: Any) -> None:
    start = shop.now() + timedelta(hours=25)
    guest = {"guest": {"id": "dana"}, "resource": "Studio 3"}
    shop.post("booking.upsert", {"id": "B-1", "start": start, "end": start + timedelta(hours=1), **guest})
    shop.world.move(timedelta(hours=1) + MINUTE + A_MOMENT)


def waiting(shop: Any) -> None:
    """A permit whose verification climbs a ladder."""
    shop.build.run("UPDATE organisation SET settings = settings || '{\"escalations_on\": true}'")
    shop.post("permit.upsert", {"id": "P-1", "status": "submitted", "verifier": {"id": "marco"}})


def ladder_late(shop: Any) -> None:
    waiting(shop)
    shop.world.move(timedelta(hours=4) + MINUTE + A_MOMENT)


def ladder_failed(shop: Any) -> None:
    waiting(shop)
    shop.build.run("UPDATE task SET ladder_error = 'LookupError'")


def digest_late(shop: Any) -> None:
    shop.build.insert(
        "preference",
        organisation_id=shop.organisation.id,
        person_id=shop.people["marco"].id,
        digest_rhythm="daily",
        digest_due_at=shop.now(),
        digest_since=shop.now(),
        digest_seq=0,
    )
    shop.world.move(MINUTE + A_MOMENT)


def written_late(shop: Any) -> None:
    shop.build.insert(
        "written_message",
        organisation_id=shop.organisation.id,
        form_key="k",
        author_id=shop.people["olga"].id,
        event="manual_message",
        facts=json.dumps({"message": "Bring the ladder."}),
        audience=["role:technician"],
        due_at=shop.now(),
    )
    shop.world.move(MINUTE + A_MOMENT)


def broadcast_stalled(shop: Any) -> None:
    event = new_id()
    org = {"organisation_id": shop.organisation.id}
    facts = {"priority": 3, "category": "announcement", "payload": "{}", "occurred_at": shop.now()}
    shop.build.insert("event", **org, id=event, name="announcement", **facts)
    audience = json.dumps({"everyone": True})
    shop.build.insert(
        "broadcast", **org, event_id=event, audience=audience, priority=3, people=1, last_id=event
    )
    shop.world.move(MINUTE + A_MOMENT)


def attempts(shop: Any, failed: int, of: int, outcome: str = "transient") -> None:
    """So many tries by email, some of them in vain."""
    org, marco = {"organisation_id": shop.organisation.id}, shop.people["marco"].id
    for number, one in enumerate(new_ids(of)):
        shop.build.insert(
            "delivery",
            **org,
            id=one,
            person_id=marco,
            channel="email",
            address="marco@example.com",
            purpose="event",
            group_key=str(one),
            priority=3,
            state="sent",
        )
        shop.build.insert(
            "attempt",
            **org,
            delivery_id=one,
            number=1,
            token=one,
            provider="smtp",
            outcome=outcome if number < failed else "accepted",
            started_at=shop.now(),
            finished_at=shop.now(),
        )


def channel_failing(shop: Any) -> None:
    attempts(shop, 5, of=20)


def provider_down(shop: Any) -> None:
    shop.build.insert("provider_account", channel="email", name="smtp", pauses=1, paused_until=shop.now())


def provider_slowed(shop: Any) -> None:
    now = shop.now()
    shop.build.insert("provider_account", channel="sms", name="sns", slowed_to=0.5, slowed_at=now)
    # whole again, though the row still says what it was
    shop.build.insert(
        "provider_account", channel="email", name="ses", slowed_to=0.5, slowed_at=now - timedelta(minutes=5)
    )


def mails(shop: Any, of: int) -> None:
    """So many emails that SES has taken."""
    attempts(shop, 0, of)
    shop.build.run("UPDATE attempt SET provider = 'ses'")


def troubles(shop: Any, count: int, heard: str) -> None:
    """What SES has reported of the first of them."""
    shop.build.run(
        "INSERT INTO feedback (organisation_id, delivery_id, channel, address, heard, provider) "
        "SELECT organisation_id, id, channel, address, :heard, 'ses' FROM delivery ORDER BY id LIMIT :count",
        heard=heard,
        count=count,
    )


def mail_reputation(shop: Any) -> None:
    mails(shop, 100)
    troubles(shop, 4, "hard_bounce")


def counter_wrong(shop: Any) -> None:
    shop.repair("R-1", technician="marco").approved()
    shop.build.run("UPDATE inbox_counter SET seq = seq - 1 WHERE person_id = :id", id=shop.people["marco"].id)


def decision_missing(shop: Any) -> None:
    shop.repair("R-1", technician="marco").approved()
    shop.build.run("DELETE FROM decision WHERE person_id = :id", id=shop.people["marco"].id)


def worker_missing(shop: Any) -> None:
    shop.build.run(
        "UPDATE process_beat SET seen_at = clock_timestamp() - interval '36 seconds' WHERE 'route' = ANY(queues)"
    )


def scheduler_away(shop: Any) -> None:
    shop.build.run("DELETE FROM process_beat WHERE kind = 'scheduler'")


def sweep_late(shop: Any) -> None:
    shop.build.run(
        "UPDATE sweep_run SET ended_at = clock_timestamp() - interval '76 seconds' WHERE name = 'remind'"
    )


def schedule_missing(shop: Any) -> None:
    shop.world.valkey.zrem("rq:scheduler:scheduled_jobs", "hub-remind")


PLANTS: tuple[Callable[[Any], None], ...] = (
    inbound_stuck,
    delivery_late,
    held_late,
    lease_expired,
    reminder_late,
    ladder_late,
    ladder_failed,
    digest_late,
    written_late,
    broadcast_stalled,
    channel_failing,
    provider_down,
    provider_slowed,
    mail_reputation,
    counter_wrong,
    decision_missing,
    worker_missing,
    scheduler_away,
    sweep_late,
    schedule_missing,
)
# those two are looked at below: they need a Redis or a table that is away
ELSEWHERE = {"redis_away", "check_failed"}


@pytest.mark.proves("B6")
def test_every_check_has_a_planted_stall_and_none_is_forgotten():
    assert {one.name for one in CHECKS} == {plant.__name__ for plant in PLANTS} | ELSEWHERE


@pytest.mark.proves("B6", "C8")
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_what_is_planted_is_found_alone_and_by_its_own_office_only(shop, auditor, plant):
    elsewhere = shop.another("elsewhere")
    assert auditor.finds(shop) == {}, "all is well before"
    plant(shop)
    found = auditor.finds(shop)
    assert set(found) == {plant.__name__}
    everybodys = plant in (
        provider_down,
        provider_slowed,
        worker_missing,
        scheduler_away,
        sweep_late,
        schedule_missing,
    )
    assert set(auditor.known(elsewhere)) == ({plant.__name__} if everybodys else set())


@pytest.mark.proves("B6")
def test_a_hub_where_all_is_well_has_nothing_found_while_it_works(shop, auditor):
    shop.repair("R-1", customer="dana", technician="marco").pending()
    shop.post(
        "announcement.send",
        {"title": "Closed at noon", "message": "On Friday.", "audience": {"everyone": True}},
    )
    shop.wait(timedelta(days=1))
    auditor.alive()
    assert auditor.finds(shop) == {}
    assert shop.build.one("SELECT looked_at IS NOT NULL AND done_at IS NOT NULL AS done FROM audit_run").done


@pytest.mark.proves("B6")
@pytest.mark.parametrize(
    "plant", [inbound_stuck, delivery_late, written_late, broadcast_stalled], ids=lambda one: one.__name__
)
def test_what_is_due_for_less_than_a_minute_is_not_found(shop, auditor, plant):
    plant(shop)
    shop.world.move(-3 * A_MOMENT)
    assert auditor.finds(shop) == {}
    shop.world.move(3 * A_MOMENT)
    assert set(auditor.finds(shop)) == {plant.__name__}


@pytest.mark.proves("B6")
def test_many_at_once_are_not_late_while_they_leave_and_what_is_pressing_is_after_five_minutes(shop, auditor):
    delivery_late(shop)  # a high one, and an announcement to many
    shop.build.run("UPDATE delivery SET state = 'sent'")
    attempts(shop, 0, 1)  # of priority 3, just now
    shop.build.run("UPDATE delivery SET state = 'queued' WHERE priority = 2")
    assert auditor.finds(shop) == {"delivery_late": 1}, "nothing of its priority leaves"
    shop.build.run("UPDATE delivery SET priority = 3")
    assert auditor.finds(shop) == {}, "it takes its time"
    shop.build.run("UPDATE delivery SET priority = 2")
    assert auditor.finds(shop) == {}
    shop.world.move(5 * MINUTE)
    shop.build.run("UPDATE attempt SET started_at = hub_now()")
    assert auditor.finds(shop) == {"delivery_late": 1}
    shop.build.run("UPDATE delivery SET priority = 4")
    assert auditor.finds(shop) == {}


@pytest.mark.proves("B6")
def test_a_message_that_waits_behind_an_earlier_one_of_its_item_is_found_as_well(shop, auditor):
    first = shop.post("repair.upsert", {"id": "R-1", "status": "pending"}, settle=False)
    shop.post("repair.upsert", {"id": "R-1", "status": "approved"}, settle=False)
    shop.build.run(
        "UPDATE inbound SET next_attempt_at = hub_now() + interval '1 hour' WHERE id = :id",
        id=shop.inbound(first).id,
    )
    shop.world.move(MINUTE + A_MOMENT)
    assert auditor.finds(shop) == {"inbound_stuck": 1}


@pytest.mark.proves("B6")
def test_a_broken_redis_is_found_and_what_it_would_say_stays_as_it_was(shop, auditor):
    schedule_missing(shop)
    assert set(auditor.finds(shop)) == {"schedule_missing"}
    nobody = redis.Redis(host="127.0.0.1", port=9, socket_connect_timeout=0.2)
    auditor.look(broker=nobody)
    assert set(auditor.known(shop)) == {"schedule_missing", "redis_away"}
    auditor.alive()
    assert auditor.finds(shop) == {}


@pytest.mark.proves("B6")
def test_a_check_that_cannot_be_made_is_a_finding_and_forgets_nothing(shop, auditor):
    reminder_late(shop)
    assert set(auditor.finds(shop)) == {"reminder_late"}
    with shop.world.owner.begin() as conn:
        conn.exec_driver_sql("LOCK TABLE reminder IN ACCESS EXCLUSIVE MODE")
        assert set(auditor.finds(shop)) == {"reminder_late", "check_failed"}
    assert set(auditor.finds(shop)) == {"reminder_late"}


@pytest.mark.proves("B6")
def test_a_process_that_has_just_come_does_not_say_that_others_are_missing(shop, auditor):
    shop.build.run("DELETE FROM process_beat")
    auditor.look(young=True)
    assert auditor.known(shop) == {}
    assert set(auditor.finds(shop)) == {"worker_missing", "scheduler_away"}


@pytest.mark.proves("D7")
def test_where_cron_runs_the_sweeps_no_scheduler_is_missed_and_nothing_is_scheduled(shop):
    auditor = Auditor(shop.world, scheduler="cron")
    scheduler_away(shop)
    shop.world.valkey.flushall()
    assert auditor.finds(shop) == {}
    sweep_late(shop)
    assert auditor.finds(shop) == {"sweep_late": 1}


@pytest.mark.proves("A9", "C8")
@pytest.mark.parametrize(
    ("of", "count", "heard", "found"),
    [
        (100, 3, "hard_bounce", 0),
        (100, 4, "hard_bounce", 4),
        (99, 50, "hard_bounce", 0),
        (200, 8, "soft_bounce", 0),
        (999, 1, "complaint", 0),
        (1000, 1, "complaint", 1),
    ],
)
def test_mail_that_comes_back_or_is_complained_about_is_found_before_ses_minds(
    shop, auditor, of, count, heard, found
):
    mails(shop, of)
    troubles(shop, count, heard)
    assert auditor.finds(shop).get("mail_reputation", 0) == found
    shop.build.run("UPDATE feedback SET created_at = created_at - interval '8 days'")
    assert auditor.finds(shop) == {}, "of last week"


@pytest.mark.proves("C8")
@pytest.mark.parametrize(
    ("failed", "of", "outcome", "found"),
    [(4, 20, "transient", 0), (5, 20, "permanent", 5), (19, 19, "transient", 0), (20, 20, "throttled", 0)],
)
def test_a_channel_fails_often_above_a_fifth_of_at_least_twenty_attempts_only(
    shop, auditor, failed, of, outcome, found
):
    attempts(shop, failed, of, outcome)
    assert auditor.finds(shop).get("channel_failing", 0) == found
    shop.world.move(timedelta(minutes=15) + A_MOMENT)
    assert auditor.finds(shop) == {}, "an older quarter of an hour is over"


# --- the office hears of it ----------------------------------------------------------------------------------------


def told(shop: Any, auditor: Auditor, by: timedelta) -> None:
    """So much time passes, with a look and a sweep at its end, and once more."""
    shop.world.move(by)
    auditor.look()
    shop.world.sweep("warn")
    shop.world.sweep("warn")


@pytest.mark.proves("B6")
def test_what_stays_wrong_is_told_to_administrators_once_and_once_that_it_is_well_again(shop, auditor):
    shop.person("ada", "administrator", name="Ada Quist", email=ADA_MAIL)
    worker_missing(shop)
    told(shop, auditor, timedelta(0))
    told(shop, auditor, 4 * MINUTE)
    shop.silence()
    told(shop, auditor, MINUTE + A_MOMENT)
    shop.mail(ADA_MAIL).says("Nobody works on the queue", "route", "start the workers again", "/running")
    shop.inbox("ada").has("hub_unwell", "route", priority="high")
    told(shop, auditor, timedelta(hours=3))
    shop.silence()
    auditor.alive()
    told(shop, auditor, timedelta(0))
    shop.silence()
    told(shop, auditor, MINUTE)
    shop.mail(ADA_MAIL).says("Everything runs", "Nobody works on the queue")
    shop.inbox("ada").has("hub_well")
    told(shop, auditor, timedelta(days=1))
    shop.silence()


@pytest.mark.proves("B6")
def test_what_passes_within_five_minutes_is_never_told_to_anybody(shop, auditor):
    worker_missing(shop)
    told(shop, auditor, 4 * MINUTE)
    auditor.alive()
    told(shop, auditor, 10 * MINUTE)
    shop.silence()
    assert shop.build.one("SELECT count(*) AS n FROM audit_finding WHERE cleared_at IS NOT NULL").n == 1


@pytest.mark.proves("B6")
def test_a_second_trouble_is_told_by_itself_and_well_again_is_said_when_both_are_over(shop, auditor):
    worker_missing(shop)
    told(shop, auditor, A_MOMENT)
    told(shop, auditor, 5 * MINUTE)
    shop.mail(OFFICE_MAIL).says("route")
    shop.inbox("olga").has("hub_unwell")
    scheduler_away(shop)
    told(shop, auditor, A_MOMENT)
    told(shop, auditor, 5 * MINUTE)
    assert "route" not in shop.mail(OFFICE_MAIL).says("The scheduler does not run").text
    shop.inbox("olga").has("hub_unwell")
    shop.build.run("UPDATE process_beat SET seen_at = clock_timestamp() + interval '1 hour'")
    told(shop, auditor, 5 * MINUTE)
    shop.silence()
    auditor.alive()
    told(shop, auditor, A_MOMENT)
    told(shop, auditor, MINUTE)
    shop.mail(OFFICE_MAIL).says("Everything runs", "route", "scheduler")
    shop.inbox("olga").has("hub_well")
    shop.silence()


@pytest.mark.proves("B6", "E4")
def test_five_sweeps_that_warn_at_once_tell_it_once(shop, auditor):
    worker_missing(shop)
    auditor.look()
    shop.world.move(5 * MINUTE)
    begin, now, done = threading.Barrier(5), shop.now(), []

    def sweep() -> None:
        with shop.world.app.app_context():
            begin.wait(10)
            done.append(warn.run(now))

    sweeps = [threading.Thread(target=sweep) for _ in range(5)]
    for one in sweeps:
        one.start()
    for one in sweeps:
        one.join(30)
    assert sum(done) == 1 and len(done) == 5
    shop.settle()
    shop.mail(OFFICE_MAIL).says("route")
    shop.inbox("olga").has("hub_unwell")
    shop.silence()


# --- the page ------------------------------------------------------------------------------------------------------


@pytest.mark.proves("B6", "F2")
def test_the_page_is_green_when_all_is_well_and_says_when_it_was_looked(shop, auditor):
    browser = shop.browser("olga")
    assert "Nobody looks at the moment" in browser.get("/running").text
    auditor.look()
    page = browser.get("/running")
    assert "Everything runs" in page.text and "Nobody looks" not in page.text
    assert "do not run" not in browser.get("/dashboard").text
    shop.build.run("UPDATE audit_run SET done_at = done_at - interval '91 seconds'")
    assert "Nobody looks at the moment" in browser.get("/running").text
    assert "Nobody looks whether all runs" in browser.get("/dashboard").text


@pytest.mark.proves("B6", "C5")
def test_an_office_reads_what_is_wrong_what_it_means_and_what_to_do_and_nothing_of_another(shop, auditor):
    elsewhere = shop.another("elsewhere")
    elsewhere.office("zoe")
    inbound_stuck(shop)
    scheduler_away(shop)
    auditor.look()
    mine, theirs = shop.browser("olga").get("/running").text, elsewhere.browser("zoe").get("/running").text
    for words in ("The scheduler does not run", "What it means", "What to do"):
        assert words in mine and words in theirs
    assert "An incoming message waits for more than a minute" in mine
    assert "incoming message waits" not in theirs
    assert "2 things do not run" in shop.browser("olga").get("/dashboard").text
    assert "1 thing does not run" in elsewhere.browser("zoe").get("/dashboard").text
    shop.settle()
    auditor.look()
    page = shop.browser("olga").get("/running").text
    assert "Well again" in page and "lasted" in page


@pytest.mark.proves("B6", "D7")
def test_where_the_auditor_is_switched_off_the_page_says_so_and_nobody_is_missed(shop, monkeypatch):
    off = replace(shop.world.app.extensions["hub"], audit_every=timedelta(0))
    monkeypatch.setitem(shop.world.app.extensions, "hub", off)
    page = shop.browser("olga").get("/running").text
    assert "The auditor is switched off" in page and "Nobody looks at the moment" not in page
    with shop.world.app.app_context():
        by_hand = shop.world.app.test_cli_runner().invoke(args=["audit"])
    assert "Nobody works on" not in by_hand.output and "The scheduler does not run" not in by_hand.output
    shop.build.run("UPDATE audit_run SET done_at = done_at - interval '1 hour'")
    assert "Nobody looks" not in shop.browser("olga").get("/dashboard").text
