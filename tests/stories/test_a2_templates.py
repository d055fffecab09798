"""A2 and A3: the words are rows that the office owns; its look is configuration that enters every message."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.stories.conftest import DANA_MAIL, DANA_PHONE, MARCO_MAIL, MARCO_PHONE


def begun(shop, **facts):
    """A repair under way: MEDIUM to the customer, by mail."""
    shop.repair("R-1", customer="dana", vehicle="2021 Subaru Outback", **facts).in_progress()
    return shop.mail(DANA_MAIL)


@pytest.mark.proves("A2")
def test_the_offices_own_words_replace_the_built_in_ones_field_by_field(shop):
    shop.build.template(
        shop.organisation,
        "repair_in_progress",
        subject="Hooray, {{ item.vehicle }}!",
        email_html="<p>We <b>began</b>.</p>",
        email_text="We began.",
    )
    shop.repair("R-1", customer="dana", vehicle="2021 Subaru Outback").in_progress()
    mail = shop.mail(DANA_MAIL).says("Hooray, 2021 Subaru Outback!", "We began.")
    assert "<b>began</b>" in mail.html
    row = shop.build.one("SELECT title FROM notification")
    assert row.title == "We are working on your 2021 Subaru Outback", (
        "what the office left empty stays built in"
    )
    shop.silence()


@pytest.mark.proves("A2")
def test_every_field_of_a_template_is_used(shop):
    shop.build.template(
        shop.organisation,
        "repair_approved",
        title="T {{ item.number }}",
        text="M {{ item.number }}",
        subject="S {{ item.number }}",
        email_html="<i>H {{ item.number }}</i>",
        email_text="E {{ item.number }}",
        sms="X {{ item.number }}",
        action_url="/work?q=R-1",
        priority=1,
        category="system",
    )
    shop.repair("R-1", technician="marco").approved()
    shop.sms(MARCO_PHONE).says("New job")
    shop.inbox("marco").has("repair_assigned")
    assert shop.sms(MARCO_PHONE).says("X R-1").text.startswith("X R-1")
    mail = shop.mail(MARCO_MAIL).says("S R-1", "E R-1")
    assert "<i>H R-1</i>" in mail.html
    row = shop.inbox("marco").has("repair_approved", "T R-1", "M R-1")
    assert (row.category, row.action_url) == ("system", "/work?q=R-1")
    shop.silence()


@pytest.mark.proves("A2")
def test_a_templates_own_priority_replaces_the_events(shop):
    shop.build.template(shop.organisation, "repair_in_progress", priority=2)
    shop.repair("R-1", customer="dana").in_progress()
    shop.sms(DANA_PHONE).says("R-1")
    assert shop.events("repair_in_progress")[0].priority == 2
    shop.silence()


@pytest.mark.proves("A2")
def test_an_inactive_template_switches_its_event_off_with_that_reason(shop):
    shop.build.template(shop.organisation, "repair_in_progress", active=False, subject="never")
    shop.repair("R-1", customer="dana").in_progress()
    assert shop.decisions(None, "repair_in_progress") == {"": ("not_told", "template_inactive")}
    shop.silence()


@pytest.mark.proves("A2", "A1")
def test_an_inactive_template_cannot_silence_what_is_urgent(shop):
    shop.build.template(shop.organisation, "repair_approved", active=False)
    shop.repair("R-1", technician="marco").approved()
    shop.sms(MARCO_PHONE).says("New job")
    shop.inbox("marco").has("repair_assigned")
    shop.sms(MARCO_PHONE).says("R-1 is approved")
    shop.mail(MARCO_MAIL).says("R-1")
    shop.inbox("marco").has("repair_approved")
    assert "switched off" in shop.events("repair_approved")[0].error
    shop.silence()


@pytest.mark.proves("A2")
def test_fields_that_a_template_requires_are_checked_and_never_hold_up_the_work_itself(shop):
    shop.build.template(shop.organisation, "repair_in_progress", requires=["item.price"], subject="Our words")
    answer = shop.post("repair.upsert", {"id": "R-1", "status": "in_progress", "customer": {"id": "dana"}})
    row = shop.inbound(answer)
    assert row.state == "applied"
    assert "repair_in_progress needs item.price" in row.error
    assert "Our words" not in shop.mail(DANA_MAIL).says("R-1").subject, "the built-in words"
    shop.silence()


@pytest.mark.proves("A1", "A2")
def test_a_message_that_somebody_asks_for_needs_what_its_template_requires(shop):
    shop.build.template(shop.organisation, "general", requires=["gate"])
    words = {"headline": "Come in", "known": [{"name": "Gate", "value": "north"}]}
    answer = shop.post(
        "notification.send", {"template": "general", "context": words, "recipients": [{"id": "marco"}]}
    )
    assert "general needs gate" in shop.inbound(answer).error
    assert not shop.events(), "nothing half made"
    shop.silence()


@pytest.mark.proves("A2")
@pytest.mark.parametrize(
    "broken",
    [
        "{{ item.",
        "{{ nothing.known }}",
        "{% for i in range(10**9) %}x{% endfor %}",
        "{{ 'a' * 10**9 }}",
        "{{ ''.__class__ }}",
    ],
)
def test_an_own_template_that_breaks_is_replaced_by_the_built_in_text(shop, broken):
    shop.build.template(shop.organisation, "repair_in_progress", subject=broken)
    begun(shop).says("We are working on your 2021 Subaru Outback (R-1)")
    shop.silence()


@pytest.mark.proves("A2")
def test_what_people_typed_is_text_in_html_and_never_markup(shop):
    shop.repair("R-1", customer="dana", vehicle="<script>alert(1)</script>").in_progress()
    mail = shop.mail(DANA_MAIL).says("R-1")
    assert "<script>" not in mail.html
    assert "&lt;script&gt;" in mail.html
    assert "<script>alert(1)</script>" in mail.text
    shop.silence()


# --- branding --------------------------------------------------------------------------------------------------------

LOOK = {
    "company_name": "Clear View Glass",
    "logo_url": "https://clear.example.com/logo.png",
    "colour": "#0a7d33",
    "footer": "Clear View Glass, 12 Pine Road, Bellingham",
    "sender_name": "Clear View",
    "sender_address": "hello@clear.example.com",
    "reply_to": "office@clear.example.com",
    "sms_sender": "ClearView",
}


@pytest.fixture
def clear_view(hub):
    other = hub.another("clear-view", branding=LOOK)
    other.customer("dana", name="Dana Whitfield", sms=DANA_PHONE, email=DANA_MAIL)
    return other


@pytest.mark.proves("A3")
def test_logo_colour_name_sender_and_footer_enter_the_mail(clear_view):
    mail = begun(clear_view).says("R-1")
    assert "Clear View <hello@clear.example.com>" in str(mail.parsed["From"])
    assert str(mail.parsed["Reply-To"]) == "office@clear.example.com"
    for detail in (LOOK["logo_url"], LOOK["colour"], LOOK["company_name"], LOOK["footer"]):
        assert detail in mail.html, detail
    assert LOOK["footer"] in mail.text
    clear_view.silence()


@pytest.mark.proves("A3")
def test_company_name_and_sender_enter_the_sms(clear_view):
    clear_view.repair("R-1", customer="dana").completed()
    sms = clear_view.sms(DANA_PHONE).says("Clear View Glass: ")
    assert sms.attributes["AWS.SNS.SMS.SenderID"] == "ClearView"
    clear_view.silence()


@pytest.mark.proves("A3", "C5")
def test_another_organisations_look_enters_nothing_of_ours(shop, clear_view):
    mail = begun(shop).says("R-1")
    assert "Clear View" not in mail.data.decode()
    assert "Evergreen Auto Glass" in mail.text
    assert "Evergreen Auto Glass <hello@evergreen.example.com>" in str(mail.parsed["From"])
    shop.silence()


@pytest.mark.proves("A3")
def test_a_change_of_the_look_enters_the_next_message_and_not_one_that_is_written(shop):
    shop.world.smtp.fail(DANA_MAIL, "451 4.3.0 later", times=1)
    shop.repair("R-1", customer="dana").in_progress()
    look = 'branding || \'{"company_name": "New Name"}\''
    shop.build.run(f"UPDATE organisation SET branding = {look}")
    shop.wait(timedelta(minutes=1))
    written = shop.mail(DANA_MAIL).says("R-1")
    assert "New Name" not in written.text
    shop.repair("R-2", customer="dana").in_progress()
    assert "New Name" in shop.mail(DANA_MAIL).says("R-2").text
    shop.silence()
