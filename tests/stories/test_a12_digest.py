"""A12: digests to those who chose one: what is unread since the last one, grouped, once, and never an empty one."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from notify_app.domains.hub import HUB_UNWELL, HUB_WELL, NOT_REACHED
from notify_app.pipeline.step import step
from notify_app.sweeps import digest
from notify_app.work import why
from tests.stories.conftest import MARCO_MAIL, OFFICE_MAIL, PRIYA_MAIL

pytestmark = pytest.mark.proves("A12")

MAIL, PHONE = "nell@example.com", "+12025550105"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def nell(shop):
    """Nell Quist, a technician who lives by UTC, at eight in the morning of a Wednesday."""
    shop.person("nell", name="Nell Quist", email=MAIL, sms=PHONE, zone="UTC")
    shop.at("2027-02-10 08:00")
    return shop


def choose(shop, key="nell", rhythm="daily", **more):
    """The digest's form, sent with all kinds of messages ticked unless said otherwise."""
    page = shop.browser(key).submit("/preferences", "/preferences/digest", digest_rhythm=rhythm, **more)
    assert page.status == 200, page.text[:500]
    shop.settle()
    return page


def tell(shop, headline, key="nell", *, priority="medium", category="reward", known=()):
    """A message of this priority and category; returns its line in the inbox."""
    data = {
        "template": "general",
        "recipients": [{"id": key}],
        "context": {"headline": headline, "known": list(known)},
        "priority": priority,
        "category": category,
    }
    assert shop.post("notification.send", data).status_code == 202
    return shop.inbox(key).has("general", headline)


def digests(shop, key="nell"):
    return shop.build.all(
        "SELECT * FROM digest WHERE person_id = :id ORDER BY period_start", id=shop.people[key].id
    )


def due_at(shop, key="nell"):
    return shop.build.one(
        "SELECT digest_due_at AS at FROM preference WHERE person_id = :id", id=shop.people[key].id
    ).at


def sweep(shop, limit=0):
    """The sweep alone; nothing is sent by it."""
    with shop.world.app.app_context():
        return digest.run(shop.now(), limit)


# a line by somebody who has not committed yet
LINE_OF_ITS_OWN = (
    "UPDATE inbox_counter SET seq = seq + 1 WHERE person_id = :person",
    """
    INSERT INTO event (organisation_id, id, name, priority, category, payload, occurred_at)
    SELECT organisation_id, '019a0000-0000-7000-8000-000000000001', name, priority, category, payload, occurred_at
    FROM event WHERE name = 'general' LIMIT 1
    """,
    """
    INSERT INTO notification (organisation_id, event_id, person_id, name, category, priority, title, text, seq, changed_seq)
    SELECT e.organisation_id, e.id, c.person_id, e.name, e.category, e.priority, 'Just before', '', c.seq, c.seq
    FROM event e JOIN inbox_counter c ON c.person_id = :person
    WHERE e.id = '019a0000-0000-7000-8000-000000000001'
    """,
)


# --- what comes, and when ------------------------------------------------------------------------------------------


def test_what_is_unread_comes_in_one_mail_at_nine_and_not_one_by_one(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    assert nell.decisions("nell", "general")["email"] == ("digested", "digested")
    nell.silence()
    nell.wait(59 * timedelta(minutes=1))
    nell.silence()
    nell.wait(timedelta(minutes=2))
    nell.mail(MAIL).says("1 unread message", "Free wiper blades", "Rewards (1)")
    nell.silence()
    tell(nell, "Ten percent off")
    tell(nell, "A day off")
    nell.wait(DAY)
    mail = nell.mail(MAIL).says("2 unread messages", "Ten percent off", "A day off")
    assert "Free wiper blades" not in mail.text
    nell.silence()
    first, second = digests(nell)
    assert (first.carried, second.carried) == (1, 2)
    assert second.period_start == first.period_end, "one goes on where the other has ended"


def test_an_empty_one_is_never_sent(nell):
    choose(nell)
    nell.wait(3 * DAY)
    nell.silence()
    assert digests(nell) == []
    assert due_at(nell) == datetime(2027, 2, 13, 9, tzinfo=UTC)


def test_it_is_off_until_somebody_chooses_it(nell):
    tell(nell, "Free wiper blades")
    nell.mail(MAIL).says("Free wiper blades")
    nell.wait(2 * DAY)
    nell.silence()


def test_the_first_goes_back_24_hours_and_no_further(nell):
    nell.at("2027-02-10 08:59")
    for headline in ("Too old", "Still new"):
        tell(nell, headline, priority="low")
        nell.wait(timedelta(minutes=2))
    nell.wait(HOUR)
    choose(nell)
    nell.wait(DAY)
    mail = nell.mail(MAIL).says("1 unread message", "Still new")
    assert "Too old" not in mail.text
    nell.silence()


def test_a_weekly_one_comes_on_monday_with_all_that_was_kept_since_it_was_chosen(nell):
    choose(nell, rhythm="weekly")
    tell(nell, "On Wednesday")
    nell.wait(3 * DAY)
    tell(nell, "On Saturday")
    nell.silence()
    nell.at("2027-02-15 08:59")
    nell.silence()
    nell.at("2027-02-15 09:00")
    nell.mail(MAIL).says("2 unread messages", "On Wednesday", "On Saturday")
    nell.wait(6 * DAY)
    nell.silence()


def test_an_hourly_one_comes_at_the_full_hour(nell):
    choose(nell, rhythm="hourly")
    nell.wait(timedelta(minutes=10))
    tell(nell, "Free wiper blades")
    nell.wait(timedelta(minutes=49))
    nell.silence()
    nell.wait(timedelta(minutes=2))
    nell.mail(MAIL).says("1 unread message", "Free wiper blades")
    nell.wait(3 * HOUR)
    nell.silence()


def test_a_time_and_a_day_of_ones_own(nell):
    choose(nell, rhythm="weekly", digest_at="17:30", digest_day="4")
    tell(nell, "Free wiper blades")
    nell.at("2027-02-12 17:29")
    nell.silence()
    nell.at("2027-02-12 17:30")
    nell.mail(MAIL).says("Free wiper blades")
    nell.silence()


@pytest.mark.parametrize(
    ("zone", "before", "morning", "hours"),
    [
        ("Europe/Berlin", "2027-03-27 09:00", "2027-03-28 09:00", 23),
        ("Europe/Berlin", "2027-10-30 09:00", "2027-10-31 09:00", 25),
        ("Australia/Lord_Howe", "2027-10-02 09:00", "2027-10-03 09:00", 23.5),
    ],
)
def test_on_the_day_of_a_clock_change_it_comes_at_nine_by_the_wall(shop, zone, before, morning, hours):
    shop.person("nell", name="Nell Quist", email=MAIL, zone=zone)
    began = shop.at(before, zone)
    choose(shop)
    tell(shop, "Free wiper blades")
    assert due_at(shop) - began == timedelta(hours=hours)
    shop.at(morning, zone)
    shop.mail(MAIL).says("Free wiper blades")
    shop.silence()


# --- what stands in it ---------------------------------------------------------------------------------------------


def test_ten_are_shown_all_are_counted_and_the_most_pressing_come_first(nell):
    choose(nell, rhythm="weekly")
    for number in range(11):
        tell(nell, f"Voucher {number:02}")
        nell.wait(timedelta(minutes=1))
    tell(nell, "A quiet word", priority="low", category="message")
    tell(nell, "Bring the ladder", priority="high", category="message")
    nell.sms(PHONE).says("Bring the ladder")
    nell.at("2027-02-15 09:00")
    mail = nell.mail(MAIL).says("13 unread messages", "Messages (2)", "Rewards (11)", "There are 3 more.")
    shown = re.findall(r"^\* (.+)$", mail.text, re.MULTILINE)
    assert shown == ["Bring the ladder", *(f"Voucher {number:02}" for number in range(10, 1, -1))]
    assert "/inbox" in mail.text and "/preferences#digest" in mail.text
    assert (
        len(
            nell.build.all(
                "SELECT 1 FROM delivery_item WHERE delivery_id = :id", id=digests(nell)[0].delivery_id
            )
        )
        == 13
    )
    nell.silence()


def test_urgent_is_sent_at_once_and_not_repeated(nell):
    choose(nell)
    tell(nell, "The bridge is closed", priority="urgent")
    nell.mail(MAIL).says("The bridge is closed")
    nell.sms(PHONE).says("The bridge is closed")
    tell(nell, "Free wiper blades")
    nell.wait(2 * HOUR)
    mail = nell.mail(MAIL).says("1 unread message", "Free wiper blades")
    assert "bridge" not in mail.text
    nell.silence()


def test_urgent_that_had_no_email_stands_first(nell):
    nell.world.smtp.fail(MAIL, "550:data 5.6.0 not like this", times=1)
    choose(nell)
    tell(nell, "The bridge is closed", priority="urgent")
    nell.sms(PHONE).says("The bridge is closed")
    assert nell.delivery_of("nell", "email", "general").state == "failed"
    nell.build.run("DELETE FROM suppression")
    tell(nell, "Free wiper blades")
    nell.wait(2 * HOUR)
    mail = nell.mail(MAIL).says("2 unread messages", "The bridge is closed", "Free wiper blades")
    assert mail.text.index("bridge") < mail.text.index("wiper")
    assert "urgent priority" in mail.text
    nell.forget()


def test_what_was_read_is_not_in_it(nell):
    choose(nell)
    line = tell(nell, "Free wiper blades")
    tell(nell, "Ten percent off")
    assert nell.browser("nell").get(f"/inbox/{line.id}").status == 200
    nell.wait(2 * HOUR)
    assert "wiper" not in nell.mail(MAIL).says("1 unread message", "Ten percent off").text
    nell.silence()


def test_only_the_chosen_kinds_come_in_it(nell):
    choose(nell, digest_of=["reward"])
    tell(nell, "Free wiper blades")
    tell(nell, "Call the office", category="message")
    nell.mail(MAIL).says("Call the office")
    nell.wait(2 * HOUR)
    assert "Call the office" not in nell.mail(MAIL).says("Free wiper blades").text
    nell.silence()


def test_what_somebody_wants_no_mail_about_does_not_come_in_it_either(nell):
    choose(nell)
    nell.build.choose(nell.people["nell"], "category:reward", "email", False)
    tell(nell, "Free wiper blades")
    assert nell.decisions("nell", "general")["email"] == ("not_told", "preference_category")
    nell.wait(2 * DAY)
    nell.silence()


def test_an_event_that_was_chosen_by_itself_comes_at_once(nell):
    choose(nell)
    nell.build.choose(nell.people["nell"], "event:general", "email", True)
    tell(nell, "Free wiper blades")
    nell.mail(MAIL).says("Free wiper blades")
    nell.wait(2 * DAY)
    nell.silence()


def test_what_was_kept_is_in_it_though_its_kind_was_taken_out_meanwhile(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    choose(nell, digest_of=["message"])
    nell.wait(2 * HOUR)
    nell.mail(MAIL).says("1 unread message", "Free wiper blades")
    nell.silence()


@pytest.mark.proves("C7")
def test_a_secret_never_stands_in_it(nell):
    choose(nell)
    data = {
        "residents": [{"id": "nell"}],
        "visitor_name": "John Doe",
        "unit": "A101",
        "arrival_time": nell.now().isoformat(),
        "access_code": "QX7-ABC-91",
    }
    assert nell.post("visitor.arrived", data).status_code == 202
    # as an office that has the code in its own words would show it in the inbox
    nell.build.run("UPDATE notification SET title = 'QX7-ABC-91 for ' || title, text = 'QX7-ABC-91'")
    nell.wait(2 * HOUR)
    mail = nell.mail(MAIL).says("1 unread message", "Visitors (1)")
    assert "QX7" not in mail.text + mail.html + mail.subject
    nell.forget()


# --- decided again when it leaves ----------------------------------------------------------------------------------


def test_what_was_read_after_it_was_made_is_left_out_of_its_words(nell):
    choose(nell)
    line = tell(nell, "Free wiper blades")
    tell(nell, "Ten percent off")
    nell.world.move(HOUR)
    assert sweep(nell) == 1
    nell.browser("nell").get(f"/inbox/{line.id}")
    nell.settle()
    assert "wiper" not in nell.mail(MAIL).says("1 unread message", "Ten percent off").text
    nell.silence()


def test_of_which_all_was_read_after_it_was_made_is_not_sent(nell):
    choose(nell)
    line = tell(nell, "Free wiper blades")
    nell.world.move(HOUR)
    assert sweep(nell) == 1
    nell.browser("nell").get(f"/inbox/{line.id}")
    nell.settle()
    row = nell.delivery("nell", "email")
    assert (row.purpose, row.state, row.reason) == ("digest", "skipped", "read_meanwhile")
    nell.silence()


def test_a_later_try_says_what_the_first_one_said(nell):
    choose(nell)
    line = tell(nell, "Free wiper blades")
    tell(nell, "Ten percent off")
    nell.world.smtp.fail(MAIL, "451 4.3.2 later", times=1)
    nell.at("2027-02-10 09:00")
    nell.browser("nell").get(f"/inbox/{line.id}")
    nell.wait(timedelta(minutes=10))
    nell.mail(MAIL).says("2 unread messages", "Free wiper blades", "Ten percent off")
    nell.silence()


@pytest.mark.proves("A16")
def test_one_that_cannot_be_delivered_is_told_to_the_office_and_not_sent_as_an_sms(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.world.smtp.fail(MAIL, "550 5.1.1 nobody here")
    nell.wait(2 * HOUR)
    assert nell.delivery("nell", "email").state == "failed"
    nell.mail(OFFICE_MAIL).says("Nell Quist", "Their digest")
    nell.inbox("olga").has("not_reached", "Nell Quist")
    nell.inbox("olga").has("address_blocked", "Nell Quist")
    nell.silence()


@pytest.mark.proves("A16", "B6")
def test_that_somebody_was_not_reached_or_something_stands_still_never_waits_for_it(shop):
    choose(shop, "olga", "weekly")
    shop.repair("R-1").pending()  # there is no customer
    shop.mail(OFFICE_MAIL).says("Not reached: the customer")
    assert not any(one.in_digests for one in (HUB_UNWELL, HUB_WELL, NOT_REACHED))
    shop.forget()


@pytest.mark.proves("D6")
def test_one_that_was_made_waits_while_the_office_tells_nobody(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.world.move(2 * HOUR)
    assert sweep(nell) == 1
    notifications(nell, "off")
    nell.wait(HOUR)
    assert nell.delivery("nell", "email").state == "queued"
    notifications(nell, "on")
    nell.wait(HOUR)
    nell.mail(MAIL).says("Free wiper blades")
    nell.silence()


def notifications(shop, on):
    shop.build.run(
        "UPDATE organisation SET settings = settings || jsonb_build_object('notifications_on', CAST(:on AS boolean)) "
        "WHERE id = :id",
        on=on == "on",
        id=shop.organisation.id,
    )


# --- once ----------------------------------------------------------------------------------------------------------


def test_five_schedulers_at_once_make_each_one_once(nell):
    for number in range(30):
        key = f"p{number}"
        nell.person(key, name=f"Person {number}", email=f"{key}@example.com", zone="UTC")
        nell.build.digest(nell.people[key], "reward")
        tell(nell, f"Voucher of {number}", key, priority="low")
    nell.build.run(
        "INSERT INTO preference (organisation_id, person_id, digest_rhythm, digest_due_at, digest_since, digest_seq) "
        "SELECT organisation_id, id, 'daily', '2027-02-10 09:00+00', '2027-02-09 09:00+00', 0 FROM person "
        "WHERE name LIKE 'Person %'"
    )
    nell.world.move(HOUR + timedelta(seconds=1))
    begin, made = threading.Barrier(5), []

    def run() -> None:
        begin.wait(10)
        made.append(sweep(nell, limit=7))

    threads = [threading.Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    made.append(sweep(nell))
    assert sum(made) == 30
    nell.settle()
    for number in range(30):
        nell.mail(f"p{number}@example.com").says("1 unread message", f"Voucher of {number}")
    nell.silence()


def test_a_crash_in_the_middle_leaves_it_due_and_the_next_run_makes_it_once(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.build.run(
        "CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'two wait for each other' USING ERRCODE = 'deadlock_detected'; END $$"
    )
    # the last of what it writes
    nell.build.run("CREATE TRIGGER stumble BEFORE INSERT ON digest FOR EACH ROW EXECUTE FUNCTION stumble()")
    try:
        nell.world.move(HOUR)
        nell.world.sweep("digest")
    finally:
        nell.build.run("DROP FUNCTION stumble() CASCADE")
    assert (digests(nell), nell.deliveries("nell")) == ([], [])
    assert due_at(nell) <= nell.now()
    nell.silence()
    nell.world.sweep("digest")
    nell.world.sweep("digest")
    nell.mail(MAIL).says("Free wiper blades")
    nell.silence()


def test_a_crash_before_anybody_is_woken_for_it_is_found_by_the_column_alone(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.world.move(HOUR)
    assert sweep(nell) == 1
    nell.world.valkey.flushall()  # with it go all wake-ups
    nell.world.settle()
    nell.silence()
    assert nell.world.due() == ["bulk"]
    nell.world.sweep("release", "digest")
    nell.mail(MAIL).says("1 unread message", "Free wiper blades")
    nell.silence()


def test_one_that_cannot_be_made_puts_off_that_person_and_nobody_else(nell):
    nell.expects_errors()
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.person("otis", email="otis@example.com", zone="UTC")
    choose(nell, "otis")
    tell(nell, "Ten percent off", "otis")
    nell.build.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.person_id = '{nell.people['nell'].id}' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$"
    )
    nell.build.run("CREATE TRIGGER refuse BEFORE INSERT ON digest FOR EACH ROW EXECUTE FUNCTION refuse()")
    try:
        nell.world.move(HOUR)
        nell.world.sweep("digest")
    finally:
        nell.build.run("DROP FUNCTION refuse() CASCADE")
    nell.mail("otis@example.com").says("Ten percent off")
    nell.silence()
    nell.wait(HOUR + timedelta(minutes=1))
    nell.mail(MAIL).says("Free wiper blades")
    nell.silence()


def test_after_an_outage_there_is_one_for_all_that_was_missed(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.world.move(DAY)
    tell(nell, "Ten percent off")
    nell.jump(3 * DAY)
    nell.mail(MAIL).says("2 unread messages", "Free wiper blades", "Ten percent off")
    assert len(digests(nell)) == 1
    assert due_at(nell) == datetime(2027, 2, 15, 9, tzinfo=UTC)
    nell.wait(2 * DAY)
    nell.silence()


def test_what_is_written_while_one_is_made_comes_in_the_next(nell):
    """A transaction that began before it and commits after it: its line is older than the digest and not in it."""
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.world.move(HOUR - timedelta(seconds=1))
    person = nell.people["nell"].id
    with nell.world.owner.begin() as conn:
        for statement in LINE_OF_ITS_OWN:
            conn.execute(text(statement), {"person": person})
        nell.world.move(timedelta(seconds=2))
        assert sweep(nell) == 1
    nell.settle()
    assert "Just before" not in nell.mail(MAIL).says("Free wiper blades").text
    nell.wait(DAY)
    nell.mail(MAIL).says("1 unread message", "Just before")
    nell.forget()


# --- changes of mind, of place, of the office ----------------------------------------------------------------------


def test_who_gives_it_up_has_what_was_kept_at_once_as_a_last_one(nell):
    choose(nell)
    nell.wait(2 * HOUR)
    tell(nell, "Free wiper blades")
    nell.silence()
    assert "a last one" in choose(nell, rhythm="off").text
    nell.mail(MAIL).says("1 unread message", "Free wiper blades")
    tell(nell, "Ten percent off")
    nell.mail(MAIL).says("Ten percent off")
    nell.wait(2 * DAY)
    nell.silence()


def test_who_gives_it_up_without_an_address_is_told_where_it_is(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.build.suppress(nell.organisation, "email", MAIL, "it bounced")
    assert "what was kept for it is in your inbox" in choose(nell, rhythm="off").text
    assert "Free wiper blades" in nell.browser("nell").get("/inbox").text
    nell.silence()


def test_who_takes_it_up_again_is_not_told_the_same_again(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    choose(nell, rhythm="off")
    nell.mail(MAIL).says("Free wiper blades")
    choose(nell)
    tell(nell, "Ten percent off")
    nell.wait(2 * DAY)
    assert "wiper" not in nell.mail(MAIL).says("1 unread message", "Ten percent off").text
    nell.silence()


def test_giving_up_an_empty_one_sends_nothing(nell):
    choose(nell)
    assert "The digest is off." in choose(nell, rhythm="off").text
    assert due_at(nell) is None
    nell.wait(2 * DAY)
    nell.silence()


@pytest.mark.proves("A8")
def test_one_that_falls_into_quiet_hours_comes_when_they_end(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.browser("nell").submit(
        "/preferences", "/quiet-hours", on="1", start="07:00", end="11:00", zone="UTC"
    )
    nell.at("2027-02-10 10:59")
    nell.silence()
    nell.at("2027-02-10 11:00")
    nell.mail(MAIL).says("Free wiper blades")
    nell.silence()


@pytest.mark.proves("A8")
def test_one_that_was_late_does_not_break_quiet_hours_either(nell):
    nell.browser("nell").submit(
        "/preferences", "/quiet-hours", on="1", start="22:00", end="07:00", zone="UTC"
    )
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.jump(timedelta(hours=15))  # an outage from eight to eleven in the evening
    nell.silence()
    nell.at("2027-02-11 07:00")
    nell.mail(MAIL).says("Free wiper blades")
    nell.wait(DAY)
    nell.silence()


@pytest.mark.parametrize("how", ["themselves", "the office", "their source"])
def test_it_moves_with_the_zone_whoever_changes_it(nell, how):
    nell.person("ada", "administrator", name="Ada Quist")
    choose(nell)
    tell(nell, "Free wiper blades")
    match how:
        case "themselves":
            nell.browser("nell").submit("/preferences", "/quiet-hours", zone="Europe/Lisbon")
            nell.browser("nell").submit("/preferences", "/quiet-hours", zone="America/New_York")
        case "the office":
            where = f"/people/{nell.people['nell'].id}"
            nell.browser("ada").submit(where, where, zone="America/New_York")
        case _:
            person = {"id": "nell", "zone": "America/New_York"}
            nell.repair("R-1", technician=person).in_progress()
    assert due_at(nell) == datetime(2027, 2, 10, 14, tzinfo=UTC)
    nell.forget()
    nell.at("2027-02-10 13:59")
    nell.silence()
    nell.at("2027-02-10 14:00")
    nell.mail(MAIL).says("Free wiper blades")
    nell.silence()


def test_who_travels_has_one_a_day(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.at("2027-02-10 09:00")
    nell.mail(MAIL).says("Free wiper blades")
    nell.browser("nell").submit("/preferences", "/quiet-hours", zone="America/New_York")
    tell(nell, "Ten percent off")
    nell.at("2027-02-11 13:59")
    nell.silence()
    nell.at("2027-02-11 14:00")
    nell.mail(MAIL).says("Ten percent off")
    nell.silence()


def test_without_an_address_it_waits_for_one_and_new_messages_take_another_way(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.build.suppress(nell.organisation, "email", MAIL, "it bounced")
    tell(nell, "Ten percent off")
    nell.sms(PHONE).says("Ten percent off")
    nell.wait(2 * HOUR)
    nell.silence()
    nell.build.run("DELETE FROM suppression")
    nell.wait(DAY)
    nell.mail(MAIL).says("Free wiper blades")
    nell.silence()


@pytest.mark.proves("D6")
def test_while_the_office_tells_nobody_it_waits(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.build.run("""UPDATE organisation SET settings = '{"notifications_on": false}'""")
    nell.wait(2 * HOUR)
    nell.silence()
    nell.build.run("UPDATE organisation SET settings = '{}'")
    nell.wait(DAY)
    nell.mail(MAIL).says("Free wiper blades")
    nell.silence()


def test_who_has_left_has_none(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.build.run("UPDATE person SET left_at = hub_now() WHERE name = 'Nell Quist'")
    nell.wait(3 * DAY)
    nell.silence()


# --- many, and in other offices ------------------------------------------------------------------------------------


@pytest.mark.proves("C8")
def test_what_is_told_to_many_is_kept_by_class(nell):
    choose(nell)
    choose(nell, "marco", digest_at="10:00")
    data = {
        "title": "The shop closes at noon",
        "message": "On Friday.",
        "audience": {"roles": ["technician"]},
    }
    assert nell.post("announcement.send", data).status_code == 202
    nell.mail(PRIYA_MAIL).says("The shop closes at noon")
    for key in ("nell", "marco", "priya"):
        nell.inbox(key).has("announcement")
    nell.silence()
    rows = nell.build.all(
        "SELECT outcome, people FROM decision WHERE channel = 'email' AND class_id IS NOT NULL ORDER BY outcome"
    )
    assert [tuple(row) for row in rows] == [("digested", 1), ("digested", 1), ("told", 1)]
    nell.at("2027-02-10 09:00")
    nell.mail(MAIL).says("The shop closes at noon", "Announcements (1)")
    nell.silence()
    nell.wait(2 * DAY)
    nell.mail(MARCO_MAIL).says("The shop closes at noon")
    nell.silence()


@pytest.mark.proves("C5")
def test_another_offices_digest_has_nothing_of_this_one(nell):
    other = nell.another("lakeside", name="Lakeside Glass")
    other.person("lena", name="Lena Holm", email="lena@example.com", zone="UTC")
    choose(nell)
    choose(other, "lena")
    tell(nell, "Free wiper blades")
    tell(other, "Ten percent off", "lena")
    nell.wait(2 * HOUR)
    assert "Ten percent" not in nell.mail(MAIL).says("1 unread message", "Free wiper blades").text
    assert "wiper" not in nell.mail("lena@example.com").says("1 unread message", "Ten percent off").text
    nell.silence()


# --- why, and by hand ----------------------------------------------------------------------------------------------


@pytest.mark.proves("C7")
def test_why_says_that_it_is_kept_and_that_it_went(nell):
    choose(nell)
    line = tell(nell, "Free wiper blades")

    def story() -> str:
        with nell.world.app.app_context(), step(nell.organisation.id) as work:
            return "\n".join(why.plain(work, line.event_id, line.person_id))

    # 09:00 where Nell lives is 01:00 in the office
    assert "It is kept for their digest, an email that is due at 01:00." in story()
    nell.wait(2 * HOUR)
    nell.mail(MAIL).says("Free wiper blades")
    assert "Digest by email, attempt 1 through smtp: accepted." in story()
    assert "The digest by email was handed over." in story()
    page = nell.browser("nell").get(f"/inbox/{line.id}")
    assert "It is kept for your digest, an email that is due at 09:00." in page.text


@pytest.mark.proves("D7")
def test_it_runs_by_hand(nell):
    choose(nell)
    tell(nell, "Free wiper blades")
    nell.world.move(HOUR)
    with nell.world.app.app_context():
        said: Any = nell.world.app.test_cli_runner().invoke(args=["digest"])
    assert (said.exit_code, said.output) == (0, "1 digests made\n")
    nell.settle()
    nell.mail(MAIL).says("Free wiper blades")
    nell.silence()
