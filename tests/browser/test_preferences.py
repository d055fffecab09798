"""What reaches a person, chosen by that person, in words that say what it means."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chrome import Visits, live
from tests.browser.office import Office

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def settings(visit: Visits, office: Office, screen: str) -> Page:
    """Marco's preferences."""
    return live(visit(office.people["marco"], "/preferences", screen=screen))


@pytest.mark.proves("A7")
def test_a_kind_of_message_is_switched_off_and_on_again(office: Office, visit: Visits, screen: str) -> None:
    page = settings(visit, office, screen)
    box = page.get_by_role("checkbox", name="Assignments: SMS")
    expect(box).to_be_checked()
    expect(page.get_by_role("checkbox", name=re.compile("Assignments: Inbox"))).to_be_disabled()
    box.uncheck()
    page.get_by_role("button", name="Save choices").click()
    expect(page.get_by_text("Your choices are saved.")).to_be_visible()
    expect(box).not_to_be_checked()

    office.report("R-1", status="pending", vehicle="2021 Subaru Outback", technician="marco")
    office.settle()
    assert len(office.lines("marco")) == 1
    assert office.messages("marco", "sms") == []

    page.get_by_text("Choose for single events").click()
    page.get_by_role("group", name=re.compile("Repair assigned")).get_by_label("SMS").select_option("On")
    page.get_by_role("button", name="Save choices").click()
    expect(page.get_by_text("Your choices are saved.")).to_be_visible()
    office.report("R-2", status="pending", vehicle="2019 Ford Transit", technician="marco")
    office.settle()
    assert len(office.messages("marco", "sms")) == 1, "the choice for one event beats that of its kind"


@pytest.mark.proves("A8")
def test_quiet_hours_say_what_they_will_do(office: Office, visit: Visits, screen: str) -> None:
    page = settings(visit, office, screen)
    form = page.locator("#quiet-hours")
    expect(form.get_by_role("switch")).not_to_be_checked()
    form.get_by_role("switch").check()
    form.get_by_label("From").fill("21:30")
    form.get_by_label("To").fill("06:15")
    form.get_by_label("Time zone").select_option("Europe/Vienna")
    form.get_by_role("button", name="Save quiet hours").click()
    expect(page.get_by_text("Your quiet hours are saved.")).to_be_visible()
    expect(form.get_by_role("switch")).to_be_checked()
    expect(form.get_by_label("From")).to_have_value("21:30")
    expect(form.get_by_label("Time zone")).to_have_value("Europe/Vienna")
    means = form.get_by_role("group", name="What that means")
    expect(means).to_contain_text(re.compile(r"a high message would wait until 06:15"))
    expect(means).to_contain_text("urgent message would come at once")


def test_quiet_hours_without_a_day_are_refused_and_what_was_typed_is_kept(
    office: Office, visit: Visits
) -> None:
    visit.watch.allow("status of 422")
    page = settings(visit, office, "phone")
    form = page.locator("#quiet-hours")
    form.get_by_role("switch").check()
    form.get_by_label("From").fill("20:00")
    for day in form.locator("[name=days]").all():
        day.uncheck(force=True)
    form.get_by_role("button", name="Save quiet hours").click()
    expect(form.locator(".error")).to_contain_text("Choose at least one day")
    expect(form.get_by_label("From")).to_have_value("20:00")
    expect(page).to_have_url(re.compile(r"/preferences$"))


def test_an_address_is_added_refused_when_it_is_none_and_removed_with_a_way_back(
    office: Office, visit: Visits, screen: str
) -> None:
    visit.watch.allow("status of 422")
    page = settings(visit, office, screen)
    card = page.locator("#addresses-card")
    number = card.get_by_label("Add a mobile number")
    number.fill("12345")
    number.press("Enter")
    expect(number).to_have_accessible_description(re.compile("with \\+ and its country"))
    expect(number).to_have_value("12345")
    number.fill("+1 (202) 555-0199")
    number.press("Enter")
    expect(page.get_by_text("+12025550199 is used as soon as it is verified")).to_be_visible()
    office.settle()
    code = card.get_by_label("Code for +12025550199")
    row = office.site.build.one(
        "SELECT c.body ->> 'text' AS text FROM delivery d JOIN content c ON c.id = d.content_id "
        "WHERE d.purpose = 'verification' AND d.organisation_id = :org ORDER BY d.id DESC",
        org=office.organisation.id,
    )
    code.fill(row.text[:6])
    code.press("Enter")
    expect(page.get_by_text("The address is verified and used from now on.")).to_be_visible()
    expect(card.get_by_role("listitem").filter(has_text="+12025550199")).to_be_visible()

    card.get_by_role("button", name="Try +12025550199 earlier").click()
    expect(card.get_by_role("button", name="Try +12025550199 earlier")).to_have_count(0)
    expect(card.get_by_role("listitem").filter(has_text="+12025550199")).to_contain_text("tried first")

    card.get_by_role("button", name="Remove +12025550199").click()
    expect(card.get_by_role("listitem").filter(has_text="+12025550199")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(card.get_by_role("listitem").filter(has_text="+12025550199")).to_be_visible()


def test_a_test_message_arrives(office: Office, visit: Visits, screen: str) -> None:
    page = settings(visit, office, screen)
    page.get_by_role("button", name="SMS", exact=True).click()
    expect(page.get_by_text("is on its way by SMS.")).to_be_visible()
    office.settle()
    assert len(office.messages("marco", "sms")) == 1
    page.get_by_role("button", name="Inbox", exact=True).click()
    expect(page.get_by_text("is on its way by Inbox.")).to_be_visible()
    expect(page.locator(".nav [data-unread-count]")).to_have_text(re.compile("[12]"))


@pytest.mark.proves("A12", "A15")
def test_a_digest_is_chosen_and_says_when_it_comes(office: Office, visit: Visits, screen: str) -> None:
    page = settings(visit, office, screen)
    form = page.locator("#digest")
    expect(form.get_by_label("How often")).to_have_value("off")
    form.get_by_label("How often").select_option("Every day")
    form.get_by_label("Time of day").fill("07:15")
    form.get_by_label("Rewards").uncheck()
    form.get_by_role("button", name="Save digest").click()
    expect(page.get_by_text("Your digest is saved.")).to_be_visible()
    expect(form.get_by_label("Time of day")).to_have_value("07:15")
    expect(form.get_by_label("Rewards")).not_to_be_checked()
    expect(form.get_by_label("Assignments")).to_be_checked()
    expect(form.get_by_role("group", name="The next one")).to_contain_text(
        re.compile(r"at 07:15: your next digest\. Nothing is in it so far")
    )
    expect(page.locator(".grid-cell").filter(has_text="Assignments: Email")).to_contain_text("digest")
