"""A14: the first message of a burst goes at once and the rest joins one; what is over a person's limit is kept."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from notify_app.pipeline.step import step
from notify_app.work import why
from tests.stories.conftest import DANA_MAIL, MARCO_MAIL, MARCO_PHONE, OFFICE_MAIL, PRIYA_PHONE

pytestmark = pytest.mark.proves("A14")

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def pace(shop, **settings):
    """How often this office writes to one person; what is not said is as in a new office."""
    shop.build.run(
        "UPDATE organisation SET settings = CAST(:settings AS jsonb) WHERE id = :id",
        settings=json.dumps(settings),
        id=shop.organisation.id,
    )


@pytest.fixture
def busy(shop):
    """Twenty repairs wait for their customer's approval, all Marco's; what was said of them is long past."""
    repairs = [shop.repair(f"R-{number}", technician="marco").pending() for number in range(20)]
    shop.forget()
    shop.jump(HOUR)
    pace(shop)
    return repairs


def deliveries(shop, key, channel, purpose="notification"):
    return [row for row in shop.deliveries(key, channel) if row.purpose == purpose]


def jobs(shop, *numbers, to="marco"):
    """New jobs: high messages, so SMS."""
    for number in numbers:
        shop.repair(number, technician=to).saved(status="in_progress")


def test_twenty_approvals_in_a_minute_are_one_message_at_once_and_one_at_its_end(shop, busy):
    for number, repair in enumerate(busy):
        repair.approved()
        if number == 0:
            shop.sms(MARCO_PHONE).says("R-0 is approved")
            shop.mail(MARCO_MAIL).says("Approved: R-0")
        shop.jump(2 * SECOND)
    shop.sms(MARCO_PHONE).nothing()
    shop.mail(MARCO_MAIL).nothing()
    shop.wait(MINUTE - 40 * SECOND + 5 * SECOND)
    shop.sms(MARCO_PHONE).says("19 messages", "R-1")
    mail = shop.mail(MARCO_MAIL).says("19 messages for you", *(f"R-{number}" for number in range(1, 20)))
    assert "while it was quiet" not in mail.text
    for number in range(20):
        shop.inbox("marco").has("repair_approved", f"R-{number}")
    shop.silence()


def test_they_fold_into_one_group_of_the_inbox_in_which_each_is_its_own(shop, busy):
    for repair in busy:
        repair.approved()
    page = shop.browser("marco").get("/inbox")
    newest = page.html.split("data-fold>")[1].split("</details>")[0]
    assert newest.count("data-note=") == len(set(re.findall(r"Approved: R-\d+", newest))) == 20
    assert "Repair approved 20 messages" in page.text
    shop.forget()


def test_what_was_approved_together_in_one_webhook_leaves_so_too(shop, busy):
    for repair in busy:
        shop.post(
            "repair.upsert",
            {"id": repair.id, "status": "approved", "technician": {"id": "marco"}},
            settle=False,
        )
    shop.settle()
    assert (
        len([row for row in deliveries(shop, "marco", "sms") if row.state == "sent" and row.priority == 1])
        == 1
    )
    shop.wait(MINUTE + 5 * SECOND)
    (together,) = deliveries(shop, "marco", "sms", "collected")
    assert together.state == "sent"
    shop.forget()


def test_nobody_waits_longer_than_a_minute_however_long_it_goes_on(shop, busy):
    for repair in busy:
        repair.approved()
        shop.wait(10 * SECOND)
    shop.wait(MINUTE)
    waited = shop.build.all(
        "SELECT d.created_at, c.settled_at FROM delivery d "
        "JOIN delivery_item i ON i.organisation_id = d.organisation_id AND i.delivery_id = d.id "
        "JOIN delivery_item o ON o.organisation_id = i.organisation_id AND o.notification_id = i.notification_id "
        "JOIN delivery c ON c.organisation_id = o.organisation_id AND c.id = o.delivery_id AND c.channel = d.channel "
        "WHERE d.purpose = 'notification' AND d.channel = 'sms' AND c.purpose = 'collected'"
    )
    assert len(waited) > 10
    assert max(row.settled_at - row.created_at for row in waited) < MINUTE + 5 * SECOND
    assert 3 <= len(deliveries(shop, "marco", "sms", "collected")) <= 4, "one a minute"
    shop.forget()


def test_other_people_other_channels_and_other_categories_do_not_wait(shop):
    pace(shop)
    jobs(shop, "R-1")
    shop.sms(MARCO_PHONE).says("R-1")
    jobs(shop, "R-2", to="priya")
    shop.sms(PRIYA_PHONE).says("R-2")
    shop.repair("R-1", technician="marco").approved()  # of another category
    shop.sms(MARCO_PHONE).says("R-1 is approved")
    shop.mail(MARCO_MAIL).says("R-1")
    shop.forget()


def test_after_a_minute_the_next_is_a_first_one_again(shop):
    pace(shop)
    jobs(shop, "R-1")
    shop.sms(MARCO_PHONE).says("R-1")
    shop.jump(MINUTE)
    jobs(shop, "R-2")
    shop.sms(MARCO_PHONE).says("R-2")
    shop.forget()


def test_the_only_one_that_was_held_leaves_as_itself(shop):
    pace(shop)
    jobs(shop, "R-1", "R-2")
    shop.sms(MARCO_PHONE).says("New job R-1")
    shop.sms(MARCO_PHONE).nothing()
    (row,) = [row for row in deliveries(shop, "marco", "sms") if row.state == "held"]
    assert row.reason == "burst"
    shop.wait(MINUTE)
    shop.sms(MARCO_PHONE).says("New job R-2")
    shop.forget()


@pytest.mark.proves("C1")
def test_an_emergency_never_waits_for_another(shop):
    pace(shop)
    for number in range(3):
        shop.post(
            "emergency.raised", {"alert_message": f"Fire {number}", "location": "Hall", "severity": "high"}
        )
    for number in range(3):
        shop.sms(MARCO_PHONE).says(f"Fire {number}")
        shop.mail(MARCO_MAIL).says(f"Fire {number}")
    assert not [row for row in shop.deliveries("marco") if row.state == "held"]
    shop.forget()


def test_an_office_may_let_each_go_by_itself(shop):
    pace(shop, burst_seconds=0)
    jobs(shop, "R-1", "R-2", "R-3")
    for number in ("R-1", "R-2", "R-3"):
        shop.sms(MARCO_PHONE).says(number)
    shop.forget()


def test_what_is_tried_again_is_not_held(shop):
    pace(shop)
    shop.world.smtp.fail(DANA_MAIL, "451 4.3.2 later", times=1)
    shop.repair("R-1", customer="dana").in_progress()
    shop.repair("R-2", customer="dana").in_progress()
    (first,) = [row for row in shop.deliveries("dana", "email") if row.state == "queued"]
    assert first.attempts == 1
    shop.wait(10 * MINUTE)
    assert all(row.state == "sent" for row in deliveries(shop, "dana", "email"))
    assert all("messages" not in mail.subject for _, mail in shop.world.mails())
    shop.forget()


@pytest.mark.proves("A7", "A16")
def test_each_line_of_what_cannot_be_delivered_goes_by_its_own_priority(shop, busy):
    """An urgent one passes what its reader has switched off; what shared its message does not."""
    shop.build.suppress(shop.organisation, "sms", MARCO_PHONE)
    shop.build.choose(shop.people["marco"], "category:message", "sms", False)
    for number, words in enumerate(("The gate code is 17.", "The keys are in bay 2.")):
        busy[number].approved()
        write(shop, words)
    assert len([row for row in deliveries(shop, "marco", "email") if row.state == "held"]) == 2
    shop.build.run("DELETE FROM suppression")
    shop.world.smtp.fail(MARCO_MAIL, "550 5.1.1 nobody here")
    shop.wait(2 * MINUTE)
    shop.sms(MARCO_PHONE).says("R-1 is approved")
    shop.sms(MARCO_PHONE).nothing()
    shop.mail(OFFICE_MAIL).says("Not reached: Marco Reyes", "Message")
    shop.forget()


def write(shop, words):
    """The office writes to Marco: medium, so an email."""
    sender, marco = shop.browser("olga"), str(shop.people["marco"].id)
    looked = sender.submit(
        "/compose", "/compose", do="preview", person=marco, message=words, priority="medium"
    )
    sender.submit(looked, "/compose", do="send", confirm="1")
    shop.settle()


# --- limits ------------------------------------------------------------------------------------------------------------


def test_what_is_over_a_limit_is_kept_and_leaves_together_when_the_limit_allows(shop):
    pace(shop, burst_seconds=0, sms_an_hour=3)
    jobs(shop, *(f"R-{number}" for number in range(7)))
    for number in range(3):
        shop.sms(MARCO_PHONE).says(f"R-{number}")
    shop.sms(MARCO_PHONE).nothing()
    over = [row for row in deliveries(shop, "marco", "sms") if row.state == "held"]
    assert {row.reason for row in over} == {"throttled"}
    shop.wait(HOUR - MINUTE)
    shop.sms(MARCO_PHONE).nothing()
    shop.wait(2 * MINUTE)
    shop.sms(MARCO_PHONE).says("4 messages", "R-3", "R-4")
    shop.forget()


@pytest.mark.proves("A16")
def test_what_is_pressing_takes_another_way_where_a_limit_would_keep_it_for_too_long(shop):
    pace(shop, burst_seconds=0, sms_an_hour=0, sms_a_day=2)
    jobs(shop, "R-1", "R-2", "R-3")
    shop.sms(MARCO_PHONE).says("R-1")
    shop.sms(MARCO_PHONE).says("R-2")
    shop.mail(MARCO_MAIL).says("R-3")
    (late,) = [row for row in deliveries(shop, "marco", "sms") if row.state == "skipped"]
    assert late.reason == "too_old"
    shop.wait(25 * HOUR)
    shop.sms(MARCO_PHONE).nothing()
    shop.mail(MARCO_MAIL).nothing()
    assert all("Marco" not in mail.subject for _, mail in shop.world.mails()), "the office hears of no loss"
    shop.forget()


def test_a_day_has_a_limit_too_and_what_has_no_other_way_waits(shop):
    pace(shop, burst_seconds=0, sms_an_hour=0, sms_a_day=2)
    shop.build.run("DELETE FROM address WHERE channel = 'email' AND value = :mail", mail=MARCO_MAIL)
    jobs(shop, "R-1", "R-2", "R-3", "R-4")
    shop.sms(MARCO_PHONE).says("R-1")
    shop.sms(MARCO_PHONE).says("R-2")
    shop.wait(timedelta(hours=23))
    shop.sms(MARCO_PHONE).nothing()
    shop.jump(
        2 * HOUR
    )  # at once: the first two left a moment after each other, and so their places come back
    shop.sms(MARCO_PHONE).says("2 messages", "R-3", "R-4")
    shop.forget()


def test_urgent_counts_and_is_never_over_a_limit(shop):
    pace(shop, burst_seconds=0, sms_an_hour=2)
    for number in range(4):
        shop.repair(f"R-{number}", technician="marco").approved()
        shop.sms(MARCO_PHONE).says(f"R-{number} is approved")
    held = [row for row in deliveries(shop, "marco", "sms") if row.state == "held"]
    assert {(row.priority, row.reason) for row in held} == {(2, "throttled")}
    shop.forget()


def test_a_limit_is_each_persons_own_and_each_channels(shop):
    pace(shop, burst_seconds=0, sms_an_hour=1)
    jobs(shop, "R-1", "R-2")
    jobs(shop, "R-3", to="priya")
    shop.sms(MARCO_PHONE).says("R-1")
    shop.sms(PRIYA_PHONE).says("R-3")
    shop.repair("R-4", customer="dana").in_progress()
    shop.mail(DANA_MAIL).says("R-4")
    shop.sms(MARCO_PHONE).nothing()
    shop.forget()


def test_what_a_limit_held_into_the_night_waits_for_the_morning(shop):
    pace(shop, burst_seconds=0, sms_an_hour=1)
    shop.build.quiet(shop.people["marco"], "22:00", "07:00")
    shop.at("2027-02-10 21:30", "America/Los_Angeles")
    jobs(shop, "R-1", "R-2", "R-3")
    shop.sms(MARCO_PHONE).says("R-1")
    shop.wait(2 * HOUR)
    shop.sms(MARCO_PHONE).nothing()
    held = [row for row in deliveries(shop, "marco", "sms") if row.state == "held"]
    assert {row.reason for row in held} == {"quiet_hours"}
    shop.wait(8 * HOUR)
    shop.sms(MARCO_PHONE).says("2 messages while it was quiet", "R-2", "R-3")
    shop.forget()


# --- why ---------------------------------------------------------------------------------------------------------------


def story(shop, event):
    with shop.world.app.app_context(), step(shop.organisation.id) as work:
        return "\n".join(why.plain(work, event.id, shop.people["marco"].id))


def test_the_story_says_that_it_waits_and_then_that_it_left_with_others(shop):
    pace(shop)
    jobs(shop, "R-1", "R-2", "R-3")
    second = shop.events("repair_assigned")[1]
    assert "Others like it have just gone out: SMS waits until" in story(shop, second)
    shop.wait(MINUTE + SECOND)
    told = story(shop, second)
    assert "By SMS it left together with others, in one message." in told
    assert "The SMS with 2 messages was handed over." in told
    shop.forget()


def test_the_story_says_that_a_limit_holds_it(shop):
    pace(shop, burst_seconds=0, sms_an_hour=1)
    jobs(shop, "R-1", "R-2")
    told = story(shop, shop.events("repair_assigned")[1])
    assert "They had as many by SMS as the office allows: it waits until" in told
    shop.forget()
