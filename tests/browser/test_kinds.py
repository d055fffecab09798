"""Work of all kinds: the office makes an order and follows it, its technician does it on the road, a permit is written,
verified and approved by whom it waits for."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chrome import Visits, live
from tests.browser.office import Office

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def made(office: Office, kind: str) -> Any:
    """The newest item of a kind."""
    statement = (
        "SELECT * FROM work_item WHERE organisation_id = :org AND kind = :kind ORDER BY id DESC LIMIT 1"
    )
    return office.site.build.one(statement, org=office.organisation.id, kind=kind)


def press(page: Page, action: str, name: str) -> None:
    """Open an action's form and send it."""
    page.locator(f"#action-{action} form").get_by_role("button", name=name).click()


@pytest.mark.proves("B1", "B2")
def test_the_office_gives_an_order_and_the_technician_does_it(
    office: Office, visit: Visits, screen: str
) -> None:
    page = visit(office.people["alice"], "/work", screen=screen)
    page.locator("summary", has_text="New…").click()
    page.get_by_role("link", name="New work order").click()
    page.get_by_label("Work", exact=True).fill("Replace the pump of boiler 2")
    page.get_by_label("Place").fill("Harbor House, plant room B1")
    page.get_by_label("Urgency").select_option("Urgent")
    page.get_by_label("Technician").select_option("Marco Reyes")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text(re.compile(r"Made: WO-\d+\."))).to_be_visible()
    expect(page.locator("[data-live=tasks]")).to_contain_text("waits for Marco Reyes")
    expect(page.locator("[data-live=tasks] .due")).to_have_text(re.compile(r"^due in \d+ min$"))
    live(page)

    job = live(visit(office.people["marco"], "/work", screen=screen))
    expect(job.get_by_role("heading", name="Waiting for you")).to_be_visible()
    job.get_by_role("link", name=re.compile("^WO-")).click()
    expect(job.get_by_role("link", name="Directions").first).to_be_visible()
    job.get_by_role("button", name="I have it").click()
    expect(job.get_by_text(re.compile(r"Acknowledged: WO-"))).to_be_visible()
    expect(job.get_by_role("heading", name="What waits")).to_have_count(0)
    job.get_by_role("button", name="Start work").click()
    expect(job.locator("[data-live=head] .chip")).to_have_text("In progress")
    job.locator("summary", has_text="Report an issue…").click()
    job.locator("#report_issue-issues").fill("The shut-off valve leaks.")
    job.locator("#report_issue-alert_office").check()
    press(job, "report_issue", "Report an issue")
    expect(job.get_by_text(re.compile("Issue reported: WO-"))).to_be_visible()
    job.locator("#more-complete summary").click()
    job.locator("#complete-notes").fill("The new pump runs.")
    job.get_by_role("button", name="Complete").click()
    expect(job.locator("[data-live=head] .chip")).to_have_text("Completed")

    timeline = page.locator("[data-live=timeline]")
    expect(timeline).to_contain_text("Issue: The shut-off valve leaks. Alert the office.")
    expect(timeline).to_contain_text("Note: The new pump runs.")
    expect(timeline).to_contain_text("You were told:")
    assert made(office, "work_order").status == "completed"


@pytest.mark.proves("D1")
def test_a_permit_is_written_on_the_road_verified_by_another_and_approved(
    office: Office, visit: Visits, screen: str
) -> None:
    visit.watch.allow("status of 409")
    page = visit(office.people["marco"], "/work", screen=screen)
    page.get_by_role("link", name="New permit").click()
    page.get_by_label("Type of permit").fill("Electrical work")
    page.get_by_label("Work", exact=True).fill("Replace the main breaker")
    page.get_by_label("Planned start").fill("2030-03-01T08:00")
    page.get_by_label("Planned end").fill("2030-03-01T07:00")
    page.get_by_label("Isolation points").fill("Breaker 14\nValve V-3")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("alert")).to_contain_text("The planned end must be after the planned start.")
    expect(page.get_by_label("Isolation points")).to_have_value("Breaker 14\nValve V-3")
    page.get_by_label("Planned end").fill("2030-03-01T16:00")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text(re.compile("Submitted: PTW-"))).to_be_visible()
    assert page.get_by_role("button", name="Verify").count() == 0, "nobody verifies their own"
    item = made(office, "permit").id

    boss = live(visit(office.people["alice"], f"/work/{item}", screen=screen))
    boss.locator("summary", has_text="Assign the verifier…").click()
    boss.locator("#assign_verifier-verifier").select_option(label="Priya Natarajan")
    press(boss, "assign_verifier", "Assign the verifier")
    expect(boss.locator("[data-live=tasks]")).to_contain_text("waits for Priya Natarajan")
    boss.locator("summary", has_text="Assign the approver…").click()
    boss.locator("#assign_approver-approver").select_option(label="Alice Moreno")
    press(boss, "assign_approver", "Assign the approver")

    verifier = live(visit(office.people["priya"], f"/jobs/{item}", screen=screen))
    for point in ("Breaker 14", "Valve V-3"):
        verifier.locator("summary", has_text="Verify an isolation point…").click()
        verifier.locator("#verify_point-point").select_option(point)
        press(verifier, "verify_point", "Verify an isolation point")
        expect(verifier.locator("[data-live=facts]")).to_contain_text(f"{point}: verified by Priya Natarajan")
    expect(verifier.locator("summary", has_text="Verify an isolation point…")).to_have_count(0)
    verifier.get_by_role("button", name="Verify", exact=True).click()
    expect(verifier.locator("[data-live=head] .chip")).to_have_text("Waiting for approval")
    expect(boss.get_by_role("button", name="Approve")).to_be_visible()
    boss.get_by_role("button", name="Approve").click()
    expect(boss.locator("[data-live=head] .chip")).to_have_text("Approved")
