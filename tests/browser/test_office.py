"""The office: a dashboard that lives, decisions one by one and together, and the story of each repair."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chrome import Visits, live
from tests.browser.office import Office

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def figure(page: Page, key: str) -> Locator:
    return page.locator(f"[data-key={key}] .figure-value")


def pending(office: Office, *numbers: str, **facts: object) -> None:
    """Repairs of Dana's that wait for approval."""
    for number in numbers:
        facts = {
            "vehicle": "2021 Subaru Outback",
            "damage": "chip",
            "price": "149.50",
            "customer": "dana",
            **facts,
        }
        office.report(number, status="pending", **facts)
    office.settle()


def state(page: Page) -> Locator:
    return page.locator("[data-live=head] .chip")


# --- the dashboard -------------------------------------------------------------------------------------------------


def test_the_dashboard_changes_by_itself(office: Office, visit: Visits, screen: str) -> None:
    page = live(visit(office.people["alice"], "/dashboard", screen=screen))
    page.evaluate("window.untouched = true")
    expect(figure(page, "approval")).to_have_text("0")
    expect(page.get_by_text("No work yet")).to_be_visible()

    office.report("R-1", status="pending", vehicle="2021 Subaru Outback", customer="dana")

    expect(figure(page, "approval")).to_have_text("1")
    work = page.locator("[data-live=work]")
    expect(work.get_by_role("link", name="R-1")).to_be_visible()
    expect(work).to_contain_text("Waiting for approval")
    expect(page.locator("[data-live=events]")).to_contain_text("Repair needs approval")
    office.report("R-1", status="approved", technician="marco")
    expect(work).to_contain_text("Approved")
    expect(work).to_contain_text("Marco Reyes")
    expect(figure(page, "approval")).to_have_text("0")
    expect(figure(page, "unread_urgent")).to_have_text("1")
    expect(page.locator("[data-live=charts] figure")).to_have_count(2)
    assert page.evaluate("window.untouched"), "the page was not reloaded"


@pytest.mark.proves("B5")
def test_an_alert_is_acknowledged_where_it_is_seen(office: Office, visit: Visits, screen: str) -> None:
    office.report("R-1", status="approved", vehicle="2021 Subaru Outback", customer="dana")
    office.settle()
    page = live(visit(office.people["alice"], "/dashboard", screen=screen))
    alerts = page.locator("[data-live=alerts]")
    expect(alerts).to_contain_text("Not reached: the technician")
    alerts.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Acknowledged.")).to_be_visible()
    expect(alerts.get_by_text("No active alerts")).to_be_visible()


def test_a_figure_leads_to_its_list(office: Office, visit: Visits) -> None:
    pending(office, "R-1")
    office.report("R-2", status="completed", vehicle="2019 Ford Transit", customer="dana")
    office.settle()
    page = visit(office.people["alice"], "/dashboard", screen="desktop")
    page.get_by_role("link", name="Waiting for approval").click()
    expect(page).to_have_url(re.compile(r"/work\?state=approval"))
    expect(page.get_by_role("link", name="R-1")).to_be_visible()
    expect(page.get_by_role("link", name="R-2")).to_have_count(0)


# --- the list of work ----------------------------------------------------------------------------------------------


def test_what_is_looked_for_stands_in_the_address(office: Office, visit: Visits, screen: str) -> None:
    pending(office, "R-1", "R-2")
    office.report("R-3", status="approved", vehicle="2019 Ford Transit", technician="marco", customer="dana")
    office.settle()
    page = visit(office.people["alice"], "/work", screen=screen)
    links = page.locator(".listing tbody .cover")
    expect(links).to_have_count(3)
    page.get_by_label("Kind").select_option("Repair")
    page.get_by_role("button", name="Find").click()
    page.get_by_label("Number, title or name").fill("transit")
    page.get_by_label("State").select_option("Approved")
    page.get_by_label("Person").select_option("Marco Reyes")
    page.get_by_role("button", name="Find").click()
    expect(page).to_have_url(re.compile(r"q=transit"))
    expect(page).to_have_url(re.compile(r"kind=repair"))
    expect(page).to_have_url(re.compile(r"state=approved"))
    expect(links).to_have_text(["R-3"])
    page.reload()
    expect(links).to_have_text(["R-3"])
    expect(page.get_by_label("Number, title or name")).to_have_value("transit")
    page.get_by_label("Number, title or name").fill("zeppelin")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("Nothing fits")).to_be_visible()
    page.get_by_role("link", name="Clear", exact=True).click()
    expect(links).to_have_count(3)


def test_several_repairs_are_approved_in_one_go(office: Office, visit: Visits, screen: str) -> None:
    pending(office, "R-1", "R-2", "R-3", technician="marco")
    page = live(visit(office.people["alice"], "/work?state=pending", screen=screen))
    for number in ("R-1", "R-3"):
        page.get_by_role("checkbox", name=f"Choose {number}").check()
    expect(page.get_by_text("2 chosen")).to_be_visible()
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_text("2 repairs approved.")).to_be_visible()
    expect(page).to_have_url(re.compile(r"state=pending"))
    expect(page.locator(".listing tbody .cover")).to_have_text(["R-2"])
    assert {number: office.item(number).status for number in ("R-1", "R-2", "R-3")} == {
        "R-1": "approved",
        "R-2": "pending",
        "R-3": "approved",
    }
    office.settle()
    together = [line for line in office.lines("marco") if line.name == "repair_batch_approved"]
    assert len(together) == 1, "the technician hears once of both"


def test_several_are_denied_only_with_a_reason(office: Office, visit: Visits, screen: str) -> None:
    visit.watch.allow("status of 422")
    pending(office, "R-1", "R-2")
    page = live(visit(office.people["alice"], "/work", screen=screen))
    for number in ("R-1", "R-2"):
        page.get_by_role("checkbox", name=f"Choose {number}").check()
    page.locator("summary", has_text="Deny…").click()
    page.get_by_role("button", name="Deny the chosen").click()
    reason = page.get_by_label("Reason, told to the technicians")
    expect(reason).to_have_accessible_description(re.compile("Give a reason"))
    expect(reason).to_be_focused()
    for number in ("R-1", "R-2"):
        expect(page.get_by_role("checkbox", name=f"Choose {number}")).to_be_checked()
    reason.fill("The fleet is being sold.")
    page.get_by_role("button", name="Deny the chosen").click()
    expect(page.get_by_text("2 repairs denied.")).to_be_visible()
    assert {office.item(number).status for number in ("R-1", "R-2")} == {"denied"}


# --- one repair ----------------------------------------------------------------------------------------------------


def test_a_repair_goes_its_way_from_approval_to_completion(
    office: Office, visit: Visits, screen: str
) -> None:
    pending(office, "R-1")
    page = live(visit(office.people["alice"], office.path("R-1"), screen=screen))
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Approved: R-1.")).to_be_visible()
    expect(state(page)).to_have_text("Approved")

    page.locator("summary", has_text="Assign…").click()
    page.get_by_label("Technician").select_option("Priya Natarajan")
    page.get_by_role("button", name="Assign", exact=True).click()
    expect(page.get_by_text("R-1 is assigned to Priya Natarajan.")).to_be_visible()
    expect(page.locator("[data-live=people]")).to_contain_text("Priya Natarajan")

    page.get_by_role("button", name="Start work").click()
    expect(state(page)).to_have_text("In progress")
    page.locator("summary", has_text="Complete…").click()
    page.get_by_role("button", name="Complete", exact=True).click()
    expect(state(page)).to_have_text("Completed")
    expect(page.get_by_text("What next")).to_have_count(0)

    office.settle()
    timeline = page.locator("[data-live=timeline]")
    told = timeline.locator(".moment", has_text="Priya Natarajan was told: New job")
    expect(told).to_contain_text("SMS")
    expect(told).to_contain_text("Sent")
    told.locator("summary", has_text="Why").click()
    expect(told.locator(".reasons li").first).to_be_visible()
    expect(timeline.locator(".moment", has_text="Dana Whitfield was told").first).to_be_visible()
    expect(timeline.get_by_text("by you").first).to_be_visible()

    reader = live(visit(office.people["priya"], "/inbox", screen=screen))
    reader.get_by_role("button", name=re.compile("New job.*as read")).click()
    expect(timeline.locator(".moment", has_text="Priya Natarajan read it")).to_be_visible()


def test_denying_asks_why_beside_the_field(office: Office, visit: Visits, screen: str) -> None:
    visit.watch.allow("status of 422")
    pending(office, "R-1", technician="marco")
    page = live(visit(office.people["alice"], office.path("R-1"), screen=screen))
    page.locator("summary", has_text="Deny…").click()
    reason = page.get_by_label("Reason, told to those concerned")
    page.get_by_role("button", name="Deny this repair").click()
    assert not reason.evaluate("(field) => field.validity.valid"), (
        "an empty reason does not leave the browser"
    )
    reason.fill("   ")
    page.get_by_role("button", name="Deny this repair").click()
    expect(reason).to_have_attribute("aria-invalid", "true")
    expect(reason).to_have_accessible_description(re.compile("Give a reason|reason", re.IGNORECASE))
    expect(page).to_have_url(re.compile(rf"{office.path('R-1')}$"))
    assert office.item("R-1").status == "pending"
    reason.fill("Insurance pays for a new one.")
    page.get_by_role("button", name="Deny this repair").click()
    expect(page.get_by_text("Denied: R-1.")).to_be_visible()
    expect(state(page)).to_have_text("Denied")
    office.settle()
    assert any("Insurance pays for a new one." in line.text for line in office.lines("marco"))


def test_what_changed_meanwhile_is_not_overwritten(office: Office, visit: Visits) -> None:
    visit.watch.allow("status of 409")
    pending(office, "R-1")
    # without scripts the page does not follow what happens elsewhere
    old = visit(office.people["alice"], office.path("R-1"), screen="desktop", scripts=False)
    new = visit(office.people["alice"], office.path("R-1"), screen="desktop")
    new.get_by_role("button", name="Approve").click()
    expect(new.get_by_text("Approved: R-1.")).to_be_visible()
    old.locator("summary", has_text="Deny…").click()
    old.get_by_label("Reason, told to those concerned").fill("Too dear.")
    old.get_by_role("button", name="Deny this repair").click()
    expect(old.get_by_role("alert").or_(old.locator(".error")).first).to_contain_text(
        re.compile("changed|meanwhile", re.IGNORECASE)
    )
    expect(old.get_by_label("Reason, told to those concerned")).to_have_value("Too dear.")
    expect(state(old)).to_have_text("Approved")
    assert office.item("R-1").status == "approved"


def test_an_open_page_shows_what_somebody_else_did_and_keeps_what_is_being_typed(
    office: Office, visit: Visits
) -> None:
    pending(office, "R-1", technician="marco")
    page = live(visit(office.people["alice"], office.path("R-1"), screen="desktop"))
    page.locator("summary", has_text="Deny…").click()
    reason = page.get_by_label("Reason, told to those concerned")
    reason.fill("Because")
    office.report("R-1", status="approved")
    expect(state(page)).to_have_text("Approved")
    expect(page.get_by_text("Your typing was kept")).to_be_visible()
    expect(reason).to_have_value("Because")


# --- what was sent -------------------------------------------------------------------------------------------------


def test_the_outbox_shows_each_message_as_its_reader_sees_it(
    office: Office, visit: Visits, screen: str
) -> None:
    pending(office, "R-1")
    for status in ("in_progress", "completed"):
        office.report("R-1", status=status)
    office.settle()
    page = live(visit(office.people["alice"], "/outbox?channel=email", screen=screen))
    page.get_by_role("link", name="Dana Whitfield").click()
    mail = page.frame_locator("iframe.device-mail")
    expect(mail.get_by_role("heading", name=re.compile("Outback"))).to_be_visible()
    expect(mail.get_by_text("Hello Dana")).to_be_visible()
    page.get_by_text("The text part").click()
    expect(page.locator(".plain-text")).to_contain_text("Hello Dana")

    page.goto("/outbox?channel=sms")
    page.get_by_role("link", name="Dana Whitfield").first.click()
    bubbles = page.locator(".bubble")
    expect(bubbles).to_have_count(2)
    expect(bubbles.first).to_contain_text("OK to repair")
    expect(bubbles.last).to_contain_text("ready")
    expect(page.locator(".outbox-facts")).to_contain_text("GSM-7")
    expect(page.locator(".outbox-facts")).to_contain_text("$0.00")
    device = page.locator(".device").bounding_box()
    for bubble in bubbles.all():
        box = bubble.bounding_box()
        assert box
        assert device
        assert box["x"] + box["width"] <= device["x"] + device["width"], "the bubble is cut off"
    page.get_by_role("link", name="Why was this sent?").click()
    expect(page.get_by_role("heading", name="Why Dana Whitfield got this")).to_be_visible()


def test_the_office_asks_why_somebody_was_not_told(office: Office, visit: Visits) -> None:
    pending(office, "R-1", technician="marco")
    page = visit(office.people["alice"], f"/inbox/{office.lines('dana')[0].id}")
    page.get_by_label("Person").select_option("Priya Natarajan (Technician)")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_text("Priya Natarajan was not told.")).to_be_visible()
