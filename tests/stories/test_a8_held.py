"""A8: what quiet hours held is decided on again when they end, and what is left of it leaves as one message."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notify_app.sweeps import collect
from tests.stories.conftest import DANA_MAIL, OFFICE_MAIL

pytestmark = pytest.mark.proves("A8")

PHONE, MAIL = "+12025550105", "nell@example.com"
NIGHT, MORNING = "2027-02-10 23:00", timedelta(hours=9)


@pytest.fixture
def nell(shop):
    """A technician who sleeps from ten to seven, and it is eleven at night."""
    shop.person("nell", name="Nell Moss", email=MAIL, sms=PHONE, zone="UTC", quiet=("22:00", "07:00"))
    shop.at(NIGHT)
    return shop.people["nell"]


def job(shop, number, technician="nell"):
    """A new job for her: a high message, so an SMS. What the customer hears is another story."""
    repair = shop.repair(number, customer="dana").in_progress()
    shop.mail(DANA_MAIL).says(number)
    return repair.assigned(technician)


def letter(shop, text, priority="medium", to="nell"):
    """The office writes to her: an email."""
    sender = shop.browser("olga")
    person = str(shop.people[to].id)
    looked = sender.submit(
        "/compose", "/compose", do="preview", person=person, message=text, priority=priority
    )
    sender.submit(looked, "/compose", do="send", confirm="1")
    shop.settle()


def held(shop, channel):
    return [row for row in shop.deliveries("nell", channel) if row.purpose == "notification"]


def carrier(shop, channel="sms"):
    (row,) = [row for row in shop.deliveries("nell", channel) if row.purpose == "collected"]
    return row


def carried(shop, row):
    found = shop.build.all(
        "SELECT n.title FROM delivery_item i JOIN notification n ON n.id = i.notification_id WHERE i.delivery_id = :id "
        "ORDER BY n.title",
        id=row.id,
    )
    return [one.title for one in found]


def test_the_morning_brings_one_message_for_each_address_and_the_record_says_so(shop, nell):
    for number in ("R-1", "R-2", "R-3"):
        job(shop, number)
    shop.sms(PHONE).nothing()
    shop.wait(MORNING)
    text = shop.sms(PHONE).says("3 messages while it was quiet", "R-1", "R-2", "R-3", "/inbox").text
    assert len(text) <= 160
    assert {(row.state, row.reason) for row in held(shop, "sms")} == {("skipped", "collected")}
    sent = carrier(shop)
    assert (sent.state, sent.reason, sent.attempts) == ("sent", None, 1)
    assert len(carried(shop, sent)) == 3
    for number in ("R-1", "R-2", "R-3"):
        shop.inbox("nell").has("repair_assigned", number)
    shop.silence()


def test_what_is_alone_leaves_as_itself(shop, nell):
    job(shop, "R-1")
    shop.wait(MORNING)
    assert "messages" not in shop.sms(PHONE).says("New job R-1").text
    (row,) = held(shop, "sms")
    assert row.state == "sent"
    shop.forget()


def test_the_most_pressing_stands_first_then_the_oldest(shop, nell):
    shop.build.choose(nell, "category:assignment", "sms", False)
    shop.build.run("DELETE FROM address WHERE person_id = :id AND channel = 'sms'", id=nell.id)
    shop.build.run("DELETE FROM preference_choice WHERE person_id = :id", id=nell.id)
    letter(shop, "The gate code has changed.")
    letter(shop, "Ring me before noon.")
    job(shop, "R-1")  # high, and without a phone it goes by mail
    shop.wait(MORNING)
    mail = shop.mail(MAIL).says("3 messages while it was quiet")
    places = [
        mail.text.index(words) for words in ("R-1", "The gate code has changed.", "Ring me before noon.")
    ]
    assert places == sorted(places)
    assert mail.text.count("/inbox/") == 3, "each with its own link"
    assert "The gate code has changed." in mail.html
    shop.forget()


def test_what_was_read_and_what_is_not_true_any_more_is_left_out(shop, nell):
    first = job(shop, "R-1")
    for number in ("R-2", "R-3", "R-4"):
        job(shop, number)
    line = shop.inbox("nell").has("repair_assigned", "R-2")
    shop.browser("nell").get(f"/inbox/{line.id}")
    shop.build.run(
        "UPDATE notification SET withdrawn_at = hub_now() WHERE person_id = :id AND item_id = :item",
        id=nell.id,
        item=first.item_id,
    )
    shop.wait(MORNING)
    text = shop.sms(PHONE).says("2 messages while it was quiet", "R-3", "R-4").text
    assert "R-1" not in text
    assert "R-2" not in text
    reasons = sorted(row.reason for row in held(shop, "sms"))
    assert reasons == ["collected", "collected", "read_meanwhile", "withdrawn"]
    shop.forget()


def test_one_that_is_left_of_several_leaves_as_itself(shop, nell):
    for number in ("R-1", "R-2"):
        job(shop, number)
    line = shop.inbox("nell").has("repair_assigned", "R-2")
    shop.browser("nell").get(f"/inbox/{line.id}")
    shop.wait(MORNING)
    shop.sms(PHONE).says("New job R-1")
    assert sorted(row.state for row in held(shop, "sms")) == ["sent", "skipped"]
    shop.forget()


def test_nothing_leaves_when_nothing_is_left(shop, nell):
    for number in ("R-1", "R-2"):
        job(shop, number)
    shop.browser("nell").submit("/inbox", "/inbox/read-all")
    shop.wait(MORNING)
    shop.sms(PHONE).nothing()
    assert {(row.state, row.reason) for row in shop.deliveries("nell", "sms")} == {
        ("skipped", "read_meanwhile")
    }
    shop.forget()


def test_what_is_read_between_collecting_and_sending_is_not_said(shop, nell):
    for number in ("R-1", "R-2", "R-3"):
        job(shop, number)
    shop.world.move(MORNING)
    with shop.world.app.app_context():
        assert collect.run(shop.now()) == 3
    line = shop.inbox("nell").has("repair_assigned", "R-2")
    shop.browser("nell").get(f"/inbox/{line.id}")
    shop.world.settle()
    text = shop.sms(PHONE).says("2 messages while it was quiet").text
    assert "R-2" not in text
    shop.forget()


def test_one_that_is_left_when_the_collected_message_is_written_is_said_in_its_own_words(shop, nell):
    for number in ("R-1", "R-2"):
        job(shop, number)
    shop.world.move(MORNING)
    with shop.world.app.app_context():
        collect.run(shop.now())
    line = shop.inbox("nell").has("repair_assigned", "R-2")
    shop.browser("nell").get(f"/inbox/{line.id}")
    shop.world.settle()
    assert "messages" not in shop.sms(PHONE).says("New job R-1").text
    shop.forget()


def test_a_category_that_was_switched_off_in_the_night_is_left_out(shop, nell):
    for number in ("R-1", "R-2"):
        job(shop, number)
    shop.build.choose(nell, "category:assignment", "sms", False)
    shop.wait(MORNING)
    shop.sms(PHONE).nothing()
    assert {row.reason for row in held(shop, "sms")} == {"preference_category"}
    shop.forget()


def test_urgent_never_waits_and_is_not_collected(shop, nell):
    job(shop, "R-1")
    shop.repair("R-9", technician="nell").approved()
    shop.sms(PHONE).says("R-9 is approved")
    shop.mail(MAIL).says("R-9")
    shop.wait(MORNING)
    shop.sms(PHONE).says("2 messages while it was quiet")  # the two new jobs
    shop.forget()


def test_each_address_and_each_person_has_a_message_of_its_own(shop, nell):
    shop.person("otto", sms="+12025550106", zone="UTC", quiet=("22:00", "07:00"))
    for number in ("R-1", "R-2"):
        job(shop, number)
    for number in ("R-3", "R-4"):
        job(shop, number, "otto")
    letter(shop, "The gate code has changed.")
    letter(shop, "Ring me before noon.")
    shop.wait(MORNING)
    shop.sms(PHONE).says("2 messages while it was quiet", "R-1", "R-2")
    shop.sms("+12025550106").says("2 messages while it was quiet", "R-3", "R-4")
    shop.mail(MAIL).says("2 messages while it was quiet", "gate code", "before noon")
    shop.sms(PHONE).nothing()
    shop.mail(MAIL).nothing()
    shop.forget()


def test_who_does_not_sign_in_is_led_to_each_item_by_one_mail_and_by_an_sms_each(shop):
    shop.customer("gus", name="Gus Lind", sms="+12025550109", email="gus@example.com", zone="UTC")
    shop.build.quiet(shop.people["gus"], "22:00", "07:00")
    shop.at(NIGHT)
    for number in ("R-1", "R-2"):
        shop.repair(number, customer="gus").pending()  # high: an SMS
    for number in ("R-3", "R-4"):
        shop.repair(number, customer="gus").in_progress()  # medium: an email
    shop.wait(MORNING)
    mail = links(shop.mail("gus@example.com").says("2 messages"))
    assert len(set(mail)) == 2
    first, second = shop.sms("+12025550109").says("R-1"), shop.sms("+12025550109").says("R-2")
    assert len({*links(first), *links(second)}) == 2, "each can be answered"
    shop.forget()


def test_who_does_not_sign_in_can_answer_each_of_a_burst(shop):
    shop.customer("gus", name="Gus Lind", sms="+12025550109", zone="UTC")
    numbers = [f"R-{number}" for number in range(1, 6)]
    for number in numbers:
        shop.repair(number, customer="gus").pending()
    sent = [link for number in numbers for link in links(shop.sms("+12025550109").says(number))]
    assert len(set(sent)) == len(numbers)
    shop.sms("+12025550109").nothing()
    shop.forget()


def links(message):
    return [word for word in message.text.split() if "/l/" in word]


# --- when the hours change --------------------------------------------------------------------------------------------


WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def save(shop, zone="UTC", start="22:00", end="07:00", on="1"):
    said = shop.browser("nell").submit(
        "/preferences", "/quiet-hours", zone=zone, start=start, end=end, days=WEEK, on=on
    )
    assert said.status == 200, said.text[:300]


def until(shop):
    (row,) = held(shop, "sms")
    assert row.state == "held"
    assert row.due_at == row.next_attempt_at
    return f"{row.next_attempt_at:%d %H:%M}"


def test_other_quiet_hours_time_what_is_held_anew(shop, nell):
    job(shop, "R-1")
    assert until(shop) == "11 07:00"
    save(shop, end="05:30")
    assert until(shop) == "11 05:30"
    shop.wait(timedelta(hours=6, minutes=31))
    shop.sms(PHONE).says("New job R-1")
    shop.forget()


def test_without_quiet_hours_what_is_held_leaves_now(shop, nell):
    job(shop, "R-1")
    save(shop, on=None)
    shop.world.sweep()
    shop.sms(PHONE).says("New job R-1")
    shop.forget()


def test_another_zone_times_what_is_held_anew(shop, nell):
    job(shop, "R-1")
    save(shop, zone="Europe/Berlin")  # there it is midnight
    assert until(shop) == "11 06:00"
    shop.forget()


def test_where_a_zone_makes_it_day_what_is_held_leaves_now(shop, nell):
    job(shop, "R-1")
    save(shop, zone="Asia/Tokyo")  # there it is eight in the morning
    shop.world.sweep()
    shop.sms(PHONE).says("New job R-1")
    shop.forget()


def test_the_office_moves_a_person_to_another_zone(shop, nell):
    shop.person("ada", "administrator", name="Ada Quist")
    job(shop, "R-1")
    path = f"/people/{nell.id}"
    changed = shop.browser("ada").submit(path, path, zone="Europe/Berlin")
    assert changed.status == 200, changed.text[:300]
    assert until(shop) == "11 06:00"
    shop.forget()


def test_a_source_moves_a_person_to_another_zone(shop, nell):
    job(shop, "R-1")
    shop.post(
        "repair.upsert",
        {"id": "R-1", "status": "in_progress", "technician": {"id": "nell", "zone": "Europe/Berlin"}},
    )
    assert until(shop) == "11 06:00"
    shop.forget()


# --- when it cannot be sent -------------------------------------------------------------------------------------------


@pytest.mark.proves("A16")
def test_a_collected_message_that_fails_goes_another_way_whole(shop, nell):
    for number in ("R-1", "R-2"):
        job(shop, number)
    shop.world.aws.fail(PHONE, "InvalidParameter")
    shop.wait(MORNING)
    shop.sms(PHONE).nothing()
    shop.mail(MAIL).says("2 messages", "R-1", "R-2")
    assert carrier(shop, "sms").state == "failed"
    assert len(carried(shop, carrier(shop, "email"))) == 2
    shop.mail(OFFICE_MAIL).nothing()
    shop.forget()


@pytest.mark.proves("A16")
def test_an_address_that_was_blocked_in_the_night_is_not_collected_for(shop, nell):
    for number in ("R-1", "R-2"):
        job(shop, number)
    shop.build.suppress(shop.organisation, "sms", PHONE)
    shop.wait(MORNING)
    shop.sms(PHONE).nothing()
    shop.mail(MAIL).says("R-1")
    shop.mail(MAIL).says("R-2")
    assert {row.state for row in held(shop, "sms")} == {"suppressed"}
    shop.mail(OFFICE_MAIL).nothing()
    shop.forget()


@pytest.mark.proves("A16")
def test_who_can_be_reached_no_other_way_is_named_to_the_office_for_each_message(shop, nell):
    shop.build.run("DELETE FROM address WHERE person_id = :id AND channel = 'email'", id=nell.id)
    for number in ("R-1", "R-2"):
        job(shop, number)
    shop.world.aws.fail(PHONE, "InvalidParameter")
    shop.wait(MORNING)
    shop.mail(OFFICE_MAIL).says("Not reached: Nell Moss", "R-1")
    shop.mail(OFFICE_MAIL).says("Not reached: Nell Moss", "R-2")
    shop.mail(OFFICE_MAIL).nothing()
    shop.forget()


def test_after_an_outage_over_the_end_it_leaves_late_and_once(shop, nell):
    for number in ("R-1", "R-2"):
        job(shop, number)
    shop.jump(timedelta(hours=9))
    shop.sms(PHONE).says("2 messages while it was quiet")
    shop.jump(timedelta(hours=1))
    shop.sms(PHONE).nothing()
    shop.forget()


def test_what_is_collected_and_meets_other_quiet_hours_waits_for_their_end_with_what_came(shop, nell):
    for number in ("R-1", "R-2"):
        job(shop, number)
    shop.world.move(MORNING)
    with shop.world.app.app_context():
        collect.run(shop.now())
    save(shop, start="07:30", end="09:00")  # no worker has come to it yet, and it is eight
    job(shop, "R-3")
    shop.sms(PHONE).nothing()
    assert carrier(shop).state == "held"
    shop.wait(timedelta(hours=1, minutes=1))
    shop.sms(PHONE).says("3 messages while it was quiet", "R-1", "R-2", "R-3")
    first, second = [row for row in shop.deliveries("nell", "sms") if row.purpose == "collected"]
    assert (first.state, first.reason, second.state) == ("skipped", "collected", "sent")
    assert len(carried(shop, second)) == 3
    shop.sms(PHONE).nothing()
    shop.forget()
