"""A9: mail through SES and SMTP, SMS through SNS, as those providers and the people behind them want it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from notify_app.policy import sms as policy
from tests.stories.conftest import DANA_MAIL, DANA_PHONE, MARCO_MAIL, MARCO_PHONE, OFFICE_MAIL

pytestmark = pytest.mark.proves("A9")


# --- email ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["ses", "smtp"])
def test_a_mail_is_text_and_html_from_the_shops_name_to_one_address(shop, provider):
    shop.over(provider)
    shop.repair("R-1", customer="dana", vehicle="2021 Subaru Outback").in_progress()
    mail = shop.mail(DANA_MAIL).says("R-1", "2021 Subaru Outback")
    message = mail.parsed
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert str(message["From"]) == "Evergreen Auto Glass <hello@evergreen.example.com>"
    assert str(message["To"]) == DANA_MAIL
    assert mail.to == (DANA_MAIL,), "one message per recipient, never a shared To line"
    row = shop.delivery("dana", "email")
    assert (row.state, row.provider) == ("sent", provider)
    assert row.provider_id
    assert str(row.id) in str(message["Message-ID"])
    shop.silence()


def test_over_ses_the_providers_own_id_is_kept(shop):
    shop.over("ses")
    shop.repair("R-1", customer="dana").in_progress()
    shop.mail(DANA_MAIL).says("R-1")
    assert shop.delivery("dana", "email").provider_id.startswith("ses-")
    shop.silence()


def test_an_account_of_ses_that_is_paused_holds_the_mail_and_burns_no_attempt(shop):
    shop.over("ses")
    shop.world.aws.fail(DANA_MAIL, "SendingPausedException", times=3)
    shop.repair("R-1", customer="dana").in_progress()
    row = shop.delivery("dana", "email")
    assert (row.state, row.reason, row.failures) == ("queued", "provider_config", 0)
    shop.mail(DANA_MAIL).nothing()
    shop.wait(timedelta(minutes=30))
    shop.mail(DANA_MAIL).says("R-1")
    shop.silence()


def test_a_mail_address_that_is_none_is_a_failed_delivery_and_the_phone_is_tried(shop):
    shop.customer("gus", email="gus(at)example.com", sms="+12025550109")
    shop.repair("R-1", customer="gus").in_progress()
    row = shop.delivery("gus", "email")
    assert (row.state, row.reason) == ("failed", "bad_address")
    assert "email address" in row.detail
    shop.sms("+12025550109").says("R-1")
    shop.silence()


def test_two_addresses_in_one_are_none(shop):
    shop.customer("gus", email="gus@example.com, eve@example.com", sms="+12025550109")
    shop.repair("R-1", customer="gus").in_progress()
    assert shop.delivery("gus", "email").state == "failed"
    shop.mail("eve@example.com").nothing()
    shop.sms("+12025550109").says("R-1")
    shop.silence()


# --- SMS -----------------------------------------------------------------------------------------------------------


def test_an_sms_is_transactional_with_a_price_limit_and_its_id_and_cost_are_kept(shop):
    shop.repair("R-1", customer="dana").completed()
    sms = shop.sms(DANA_PHONE).says("R-1")
    assert sms.attributes["AWS.SNS.SMS.SMSType"] == "Transactional"
    assert Decimal(sms.attributes["AWS.SNS.SMS.MaxPrice"]) == Decimal("0.50")
    row = shop.delivery("dana", "sms")
    assert (row.provider, row.provider_id) == ("sns", sms.provider_id)
    assert (row.segments, row.cost_usd) == (1, Decimal("0.00645"))
    shop.silence()


def test_each_country_has_its_price(shop):
    shop.customer("uli", sms="+4915112345678")
    shop.repair("R-1", customer="uli").completed()
    shop.sms("+4915112345678").says("R-1")
    assert shop.delivery("uli", "sms").cost_usd == Decimal("0.0950")
    shop.silence()


LONG = "Windshield with a long crack from the lower left corner to the middle of the driver's field of view"


def link_of(text):
    return next(word for word in text.split() if word.startswith("https://"))


def test_a_long_text_is_cut_at_a_word_with_three_dots_and_its_link_is_whole(shop):
    shop.repair("R-1", technician="marco", vehicle=LONG, customer="dana").denied("Because " + "very " * 60)
    sms = shop.sms(MARCO_PHONE).says("denied")
    assert len(sms.text) <= 160
    assert policy.segments(sms.text).encoding == "GSM-7"
    assert "..." in sms.text
    assert "\u2026" not in sms.text
    words, _, _ = sms.text.partition("...")
    assert (
        words.split()[-1].rstrip(".,")
        in f"R-1 denied, please don't start: {LONG}. Because very".replace(".", " . ").split()
    )
    assert link_of(sms.text).endswith(f"/jobs/{shop.repair('R-1').item_id}")
    assert shop.delivery_of("marco", "sms", "repair_denied").segments == 1
    shop.forget()


def test_a_text_that_gsm_cannot_say_has_seventy_characters(shop):
    words = {"headline": "\u30c8\u30e8\u30bf\u306e\u30ac\u30e9\u30b9 " * 30, "known": []}
    recipients = [{"id": "marco"}]
    shop.post(
        "notification.send",
        {"template": "general", "recipients": recipients, "context": words, "priority": "high"},
    )
    sms = shop.sms(MARCO_PHONE).says("\u30c8\u30e8\u30bf", "...")
    found = policy.segments(sms.text)
    assert (found.encoding, found.count) == ("UCS-2", 1)
    assert 60 < found.units <= 70
    shop.inbox("marco").has("general")
    shop.silence()


def test_curly_quotes_and_dashes_do_not_double_the_price(shop):
    shop.repair("R-1", customer="dana", vehicle="\u201cBetty\u201d \u2013 Dana\u2019s car").completed()
    sms = shop.sms(DANA_PHONE).says('"Betty" - Dana\'s car')
    assert policy.segments(sms.text).encoding == "GSM-7"
    shop.silence()


def test_an_organisation_may_allow_more_segments(hub):
    wide = hub.another("wide", settings={"sms_segments": 3})
    wide.person("marco", sms=MARCO_PHONE, email=MARCO_MAIL)
    wide.office(email=OFFICE_MAIL)
    wide.customer("dana", sms=DANA_PHONE)
    wide.repair("R-1", technician="marco", vehicle=LONG, customer="dana").denied(
        "Because " + "very " * 20 + "much"
    )
    sms = wide.sms(MARCO_PHONE).says("denied", "much")
    assert "..." not in sms.text, "all of it fits"
    row = wide.delivery_of("marco", "sms", "repair_denied")
    assert (row.segments, row.cost_usd) == (3, 3 * Decimal("0.00645"))
    wide.forget()


@pytest.mark.parametrize("number", ["12", "+1202555", "call me", "+1 202 555 0101 ext 5", "00000000000"])
def test_a_bad_number_is_a_recorded_failed_delivery_not_a_log_line(shop, number):
    shop.post(
        "repair.upsert",
        {"id": "R-1", "status": "completed", "customer": {"id": "gus", "name": "Gus", "phone": number}},
    )
    row = shop.build.one("SELECT * FROM delivery WHERE channel = 'sms'")
    assert (row.state, row.reason, row.address) == ("failed", "bad_address", number)
    attempts = shop.attempts(row)
    assert [(one.outcome, one.error_code) for one in attempts] == [("permanent", "bad_address")]
    assert "number" in attempts[0].error
    shop.mail(OFFICE_MAIL).says("Not reached: Gus")
    shop.inbox("olga").has("not_reached", "Gus")
    shop.silence()


def test_an_sms_that_would_cost_too_much_is_not_sent_and_says_so(shop, monkeypatch):
    channel = shop.world.workers["smtp"].deliverer._accounts["sms"][0].channel
    monkeypatch.setattr(channel, "_max_price", Decimal("0.001"))
    shop.repair("R-1", customer="dana").completed()
    row = shop.delivery("dana", "sms")
    assert (row.state, row.reason) == ("failed", "provider_refused")
    assert "more than the limit" in row.detail
    shop.mail(DANA_MAIL).says("R-1")
    shop.silence()


def test_what_may_not_be_cut_takes_the_segments_that_it_needs(shop):
    """An alarm arrives whole in an office that allows one segment; anything else is cut to that one."""
    said = "Gas in the cellar of Harbor House. " + " ".join(
        f"Leave by stair {number}." for number in range(20)
    )
    who = [{"id": "marco"}]
    alarm = {"alert_message": "Gas", "location": "Harbor House", "instructions": said, "recipients": who}
    shop.post("emergency.raised", alarm)
    shop.sms(MARCO_PHONE).says(said)
    assert shop.delivery_of("marco", "sms", "emergency_alert").segments > 1
    words = {"headline": said, "known": []}
    data = {"template": "general", "recipients": who, "context": words, "priority": "high"}
    shop.post("notification.send", data)
    assert "Leave by stair 19" not in shop.sms(MARCO_PHONE).says("Gas in the cellar", "...").text
    shop.forget()
