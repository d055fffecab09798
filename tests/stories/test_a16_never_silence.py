"""A16: where nobody is there or no address is usable, the next channel is taken; failing that, the office is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.stories.conftest import DANA_MAIL, DANA_PHONE, MARCO_MAIL, MARCO_PHONE, OFFICE_MAIL

pytestmark = pytest.mark.proves("A16")


def office_hears(shop, who, *words):
    mail = shop.mail(OFFICE_MAIL).says(f"Not reached: {who}", *words)
    shop.inbox("olga").has("not_reached", who)
    return mail


# --- nobody there ----------------------------------------------------------------------------------------------------


def test_an_approval_without_a_technician_is_told_to_the_office(shop):
    repair = shop.repair("R-1", customer="dana").approved()
    mail = office_hears(shop, "the technician", "R-1", "No technician is assigned")
    assert f"/work/{repair.item_id}" in mail.text
    assert shop.decisions(None, "repair_approved") == {"": ("not_told", "nobody")}
    shop.silence()


def test_a_repair_without_a_customer_is_told_to_the_office(shop):
    shop.repair("R-1").pending()
    office_hears(shop, "the customer", "R-1")
    shop.silence()


def test_with_somebody_there_the_office_hears_nothing(shop):
    shop.repair("R-1", customer="dana", technician="marco").approved()
    shop.sms(MARCO_PHONE).says("R-1 is approved")
    shop.mail(MARCO_MAIL).says("R-1")
    shop.inbox("marco").has("repair_approved")
    shop.sms(MARCO_PHONE).says("New job")
    shop.inbox("marco").has("repair_assigned")
    shop.silence()


def test_somebody_who_has_left_is_not_told_and_the_record_says_so(shop):
    repair = shop.repair("R-1", customer="dana", technician="marco").pending()
    shop.forget()
    shop.build.run("UPDATE person SET left_at = hub_now() WHERE id = :id", id=shop.people["marco"].id)
    shop.post("repair.upsert", {"id": "R-1", "status": "approved"})
    assert shop.decisions("marco", "repair_approved") == {"": ("not_told", "person_left")}
    assert repair.row.status == "approved"
    office_hears(shop, "Marco Reyes", "Repair approved: R-1", "left the organisation")
    shop.silence()


# --- no address on the planned channel ---------------------------------------------------------------------------------


def test_without_a_phone_what_was_meant_for_it_goes_by_mail(shop):
    shop.customer("gus", email="gus@example.com")
    shop.repair("R-1", customer="gus").pending()
    shop.mail("gus@example.com").says("R-1")
    assert shop.decisions("gus", "repair_pending_approval") == {
        "inapp": ("told", "in_inbox"),
        "sms": ("not_told", "no_address"),
        "email": ("told", "fallback_channel"),
    }
    shop.silence()


def test_without_a_mail_address_what_was_meant_for_it_goes_by_sms(shop):
    shop.customer("gus", sms="+12025550109")
    shop.repair("R-1", customer="gus").in_progress()
    shop.sms("+12025550109").says("working on your", "R-1")
    shop.silence()


def test_a_blocked_phone_is_as_good_as_none(shop):
    shop.build.suppress(shop.organisation, "sms", DANA_PHONE)
    shop.repair("R-1", customer="dana").pending()
    shop.mail(DANA_MAIL).says("R-1")
    shop.silence()


def test_a_second_phone_is_taken_when_the_first_is_blocked(shop):
    shop.build.address(shop.people["dana"], "sms", "+12025550199", position=1)
    shop.build.suppress(shop.organisation, "sms", DANA_PHONE)
    shop.repair("R-1", customer="dana").pending()
    shop.sms("+12025550199").says("R-1")
    shop.silence()


def test_a_customer_without_any_address_is_told_of_by_the_office(shop):
    shop.customer("gus", name="Gus Hale")
    shop.repair("R-1", customer="gus").pending()
    office_hears(shop, "Gus Hale", "Repair needs approval: R-1", "No address for SMS is known.")
    assert shop.decisions("gus", "repair_pending_approval")[""] == ("not_told", "not_reached")
    shop.silence()


def test_what_is_low_reaches_a_customer_without_an_inbox_by_the_next_channel(shop):
    context = {"headline": "We moved", "known": []}
    data = {
        "template": "general",
        "recipients": [{"id": "dana"}, {"id": "marco"}],
        "context": context,
        "priority": "low",
    }
    shop.post("notification.send", data)
    shop.sms(DANA_PHONE).says("We moved")
    shop.inbox("marco").has("general")
    shop.silence()


# --- found out while sending -------------------------------------------------------------------------------------------


def test_a_number_that_the_provider_refuses_is_followed_by_a_mail(shop):
    shop.world.aws.fail(DANA_PHONE, "InvalidParameter: Invalid parameter: PhoneNumber")
    shop.repair("R-1", customer="dana").completed()
    shop.mail(DANA_MAIL).says("is ready")
    assert shop.delivery("dana", "sms").state == "failed"
    shop.inbox("olga").has("address_blocked", "Dana Whitfield")
    shop.silence()


def test_when_every_address_is_refused_the_office_is_told_once_who_and_why(shop):
    shop.world.aws.fail(DANA_PHONE, "OptedOut: the number is opted out")
    shop.world.smtp.fail(DANA_MAIL, "550 5.1.1 nobody here")
    shop.repair("R-1", customer="dana").completed()
    office_hears(shop, "Dana Whitfield", "Repair completed: R-1", "nobody here")
    assert {row.state for row in shop.deliveries("dana")} == {"failed"}
    # her mail address has to be put right; that she wants no SMS is her own wish
    shop.inbox("olga").has("address_blocked", "Dana Whitfield", "d***@example.com")
    shop.wait(timedelta(hours=2))
    shop.silence()


def test_two_channels_that_fail_at_once_tell_the_office_once(shop):
    shop.world.aws.fail(MARCO_PHONE, "OptedOut: the number is opted out")
    shop.world.smtp.fail(MARCO_MAIL, "550 5.1.1 nobody here")
    repair = shop.repair("R-1", customer="dana").pending()
    shop.forget()
    repair.approved(technician="marco")
    shop.inbox("marco").has("repair_approved")
    shop.inbox("marco").has("repair_assigned")
    assert len(shop.events("not_reached")) == 2, "one for the approval, one for the assignment"
    office_hears(shop, "Marco Reyes", "Repair approved: R-1")
    office_hears(shop, "Marco Reyes", "Repair assigned: R-1")
    shop.inbox("olga").has("address_blocked", "Marco Reyes", "m***@example.com")
    shop.silence()


@pytest.mark.proves("A8", "A11")
def test_a_retry_that_would_come_at_night_waits_for_the_morning_and_the_other_channel_with_it(shop):
    shop.customer("gus", sms="+12025550109", email="gus@example.com", zone="UTC")
    shop.build.quiet(shop.people["gus"], "22:00", "07:00")
    shop.at("2027-02-10 21:55")
    shop.world.aws.fail("+12025550109", 500)
    shop.repair("R-1", customer="gus").completed()
    shop.wait(timedelta(hours=2))
    held = shop.delivery("gus", "sms")
    assert (held.state, held.reason) == ("held", "quiet_hours")
    shop.mail("gus@example.com").nothing()
    shop.wait(timedelta(hours=8))
    shop.mail("gus@example.com").says("is ready")
    shop.silence()


def test_words_that_cannot_be_written_for_one_channel_go_by_the_other(shop, monkeypatch):
    from notify_app.pipeline import wording

    bodies = wording.Wording.bodies

    def broken(self, channel, member, action):
        if channel == "email":
            raise wording.TemplateProblem("The message cannot be written.")
        return bodies(self, channel, member, action)

    monkeypatch.setattr(wording.Wording, "bodies", broken)
    shop.repair("R-1", customer="dana").in_progress()
    shop.sms(DANA_PHONE).says("R-1")
    assert (shop.delivery("dana", "email").state, shop.delivery("dana", "email").reason) == (
        "failed",
        "template_failed",
    )
    shop.silence()


# --- the office itself -------------------------------------------------------------------------------------------------


def test_an_office_without_an_address_still_finds_it_in_its_inbox(hub):
    hub.office("olga")
    hub.repair("R-1").pending()
    hub.inbox("olga").has("not_reached")
    assert "Not reached" in hub.browser("olga").get("/inbox").text
    hub.silence()


def test_without_any_office_the_record_says_that_nobody_was_told(hub):
    hub.repair("R-1").pending()
    assert hub.decisions(None, "repair_pending_approval") == {"": ("not_told", "nobody")}
    assert hub.decisions(None, "not_reached") == {"": ("not_told", "nobody")}
    assert len(hub.events()) == 2, "and it does not go round in circles"
    hub.silence()


def test_an_office_that_cannot_be_reached_is_not_told_of_itself(shop):
    shop.world.smtp.fail(OFFICE_MAIL, "550 5.1.1 nobody here")
    shop.repair("R-1").pending()
    shop.inbox("olga").has("not_reached")
    assert len(shop.events("not_reached")) == 1
    shop.inbox("olga").has("address_blocked", "Olga Brandt")
    shop.silence()


def test_only_this_offices_people_are_told(shop):
    other = shop.another("lakeside")
    other.office("otto", email="otto@example.com")
    shop.repair("R-1").pending()
    office_hears(shop, "the customer")
    shop.silence()


@pytest.mark.proves("A11")
def test_an_early_doubt_does_not_keep_what_never_arrived_from_the_next_channel(shop):
    shop.world.smtp.fail(DANA_MAIL, "drop:dot", times=1)
    shop.repair("R-1", customer="dana").in_progress()
    first = shop.mail(DANA_MAIL).says("R-1")
    assert first
    shop.world.smtp.fail(DANA_MAIL, "451 4.3.2 later")
    shop.wait(timedelta(hours=30))
    row = shop.delivery("dana", "email")
    assert (row.state, row.reason) in (("unknown", "attempts_used_up"), ("unknown", "too_old"))
    shop.sms(DANA_PHONE).says("R-1")
    shop.forget()
