"""A1: anybody can be sent a message by its template; what is wrong is named, and leaves nothing half made."""

from __future__ import annotations

import pytest

from tests.stories.conftest import DANA_MAIL, DANA_PHONE, MARCO_MAIL, MARCO_PHONE, OFFICE_MAIL, PRIYA_MAIL

pytestmark = pytest.mark.proves("A1")


@pytest.fixture
def closing(shop):
    """A template of the office's own: when the shop closes, MEDIUM."""
    shop.build.template(
        shop.organisation,
        "closing_early",
        title="{{ person.first_name }}, we close at {{ hour }}",
        text="On {{ day }} we close at {{ hour }}.",
        subject="We close at {{ hour }}",
        email_text="On {{ day }} we close at {{ hour }}.",
        email_html="<p>On {{ day }} we close at {{ hour }}.</p>",
        sms="{{ branding.company_name }}: on {{ day }} we close at {{ hour }}.",
        priority=3,
        category="system",
        requires=["day", "hour"],
    )
    return shop


def sent(shop, *recipients, template="closing_early", context=None, **more):
    data = {"template": template, "recipients": list(recipients), **more}
    data["context"] = {"day": "Friday", "hour": "noon"} if context is None else context
    answer = shop.post("notification.send", data)
    assert answer.status_code == 202, answer.get_data(as_text=True)
    return shop.inbound(answer)


def nothing_was_made(shop):
    for table in ("event", "notification", "delivery", "decision", "link"):
        assert shop.build.one(f"SELECT count(*) AS n FROM {table}").n == 0, table


def test_a_message_reaches_office_technician_and_customer_each_with_their_own_words(closing):
    row = sent(
        closing,
        {"id": "olga"},
        {"id": "marco", "context": {"hour": "ten"}},
        {"person": str(closing.people["dana"].id)},
    )
    assert (row.state, row.error) == ("applied", None)
    closing.mail(OFFICE_MAIL).says("We close at noon", "On Friday we close at noon.")
    closing.inbox("olga").has("closing_early", "Olga, we close at noon")
    closing.mail(MARCO_MAIL).says("We close at ten")
    closing.inbox("marco").has("closing_early", "Marco, we close at ten")
    closing.mail(DANA_MAIL).says("We close at noon")
    closing.silence()


def test_priority_category_action_link_repair_and_batch_are_the_callers_to_choose(closing):
    repair = closing.repair("R-1", customer="dana").pending()
    closing.forget()
    sent(
        closing,
        {"id": "marco"},
        priority="HIGH",
        category="assignment",
        action_url="https://shop.example.com/calendar",
        repair="R-1",
        batch_id="B-9",
    )
    closing.sms(MARCO_PHONE).says("on Friday we close at noon")
    row = closing.inbox("marco").has("closing_early", priority="high")
    assert (row.category, row.item_id) == ("assignment", repair.item_id)
    assert row.action_url == "https://shop.example.com/calendar"
    event = closing.events("closing_early")[0]
    assert event.payload["batch_id"] == "B-9"
    assert event.item_id == repair.item_id
    closing.silence()


def test_one_recipient_who_fails_is_named_and_leaves_the_others(closing):
    row = sent(
        closing,
        {"id": "nobody-here"},
        {"id": "marco"},
        {"id": "priya", "context": {"hour": ""}},
    )
    assert row.state == "applied"
    assert "recipients[0]: nobody-here is not known" in row.error
    assert "recipients[2] (priya)" in row.error
    assert "hour" in row.error
    closing.mail(MARCO_MAIL).says("We close at noon")
    closing.inbox("marco").has("closing_early")
    assert len(closing.events()) == 1, "the failed ones left nothing"
    closing.silence()


def test_an_unknown_template_is_named_recorded_and_leaves_nothing(closing):
    row = sent(closing, {"id": "marco"}, template="closing_erly")
    assert "There is no template called closing_erly" in row.error
    nothing_was_made(closing)
    closing.silence()


def test_an_inactive_template_is_named_recorded_and_leaves_nothing(closing):
    closing.build.run("UPDATE template SET active = false")
    row = sent(closing, {"id": "marco"})
    assert "closing_early is switched off" in row.error
    nothing_was_made(closing)
    closing.silence()


def test_a_missing_variable_is_named_recorded_and_leaves_nothing(closing):
    row = sent(closing, {"id": "marco"}, context={"day": "Friday"})
    assert "closing_early needs hour" in row.error
    nothing_was_made(closing)
    closing.silence()


def test_a_variable_that_only_the_template_names_is_missed_too(closing):
    closing.build.run("UPDATE template SET requires = '{}'")
    row = sent(closing, {"id": "marco"}, template="general", context={"headline": "Hello"})
    assert "general needs known" in row.error
    nothing_was_made(closing)
    closing.silence()


def test_what_is_urgent_goes_out_in_the_built_in_text_and_the_error_is_recorded(closing):
    row = sent(
        closing, {"id": "marco"}, template="gas_leak", context={"street": "Alder Street"}, priority="URGENT"
    )
    assert "There is no template called gas_leak" in row.error
    closing.sms(MARCO_PHONE).says("Alder Street")
    closing.mail(MARCO_MAIL).says("Alder Street")
    closing.inbox("marco").has("gas_leak", "Alder Street", priority="urgent")
    assert "gas_leak" in closing.events("gas_leak")[0].error
    closing.silence()


def test_what_is_urgent_is_not_withheld_for_a_missing_variable_or_a_template_that_is_off(closing):
    row = sent(closing, {"id": "marco"}, context={"day": "Friday"}, priority=1)
    assert "needs hour" in row.error
    closing.sms(MARCO_PHONE).says("Friday")
    closing.mail(MARCO_MAIL).says("Friday")
    closing.inbox("marco").has("closing_early", priority="urgent")
    closing.build.run("UPDATE template SET active = false")
    row = sent(closing, {"id": "marco"}, priority="critical")
    assert "switched off" in row.error
    closing.sms(MARCO_PHONE).says("Noon")
    closing.mail(MARCO_MAIL).says("Noon")
    closing.inbox("marco").has("closing_early", priority="urgent")
    closing.silence()


def test_a_built_in_event_may_be_sent_by_name_with_the_facts_it_needs(shop):
    context = {"item": {"number": "R-77"}}
    row = sent(shop, {"id": "priya"}, template="repair_reassigned_away", context=context)
    assert "new_technician.name" in row.error
    whole = {**context, "new_technician": {"name": "Marco"}}
    row = sent(shop, {"id": "priya"}, template="repair_reassigned_away", context=whole)
    assert row.error is None
    shop.mail(PRIYA_MAIL).says("R-77 is off your list", "Marco")
    shop.inbox("priya").has("repair_reassigned_away")
    shop.silence()


def test_a_repair_that_is_not_known_here_refuses_the_whole_message(closing):
    row = sent(closing, {"id": "marco"}, repair="R-404")
    assert row.state == "refused"
    assert "R-404 is not known" in row.error
    nothing_was_made(closing)
    closing.silence()


def test_a_customer_may_be_told_by_sms_with_a_link_to_the_repair_it_is_about(closing):
    closing.repair("R-1", customer="dana").pending()
    closing.forget()
    sent(closing, {"id": "dana"}, priority="high", repair="R-1")
    closing.sms(DANA_PHONE).says("on Friday we close at noon")
    assert closing.build.one("SELECT count(*) AS n FROM link").n == 2, "one for each message"
    closing.silence()
