"""An endpoint, with hands: what is wrong is said beside its field, its secret is shown once, a test shows its answer."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.chrome import Visits
from tests.browser.office import Office

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.proves("A10")
@pytest.mark.parametrize("screen", ["phone", "desktop"])
def test_an_administrator_adds_an_endpoint_and_sees_what_a_test_was_answered(
    office: Office, visit: Visits, screen: str
) -> None:
    ada = office.person("ada", "administrator", name="Ada Quist")
    page = visit(ada, "/keys", screen=screen)
    visit.watch.allow("status of 422")
    page.get_by_role("link", name="endpoints").click()
    expect(page.get_by_text("No other system is told")).to_be_visible()
    page.get_by_role("link", name="Add an endpoint").click()
    page.get_by_label("Name").fill("Night desk")
    page.get_by_label("Address").fill("https://127.0.0.1/in")
    page.get_by_role("button", name="Add the endpoint").click()
    expect(page.get_by_text("inside a private network")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Night desk")
    page.get_by_label("Address").fill("https://93.184.215.14/in")
    page.get_by_label("Rewards").uncheck()
    page.get_by_role("button", name="Add the endpoint").click()
    expect(page.locator(".key-token")).to_have_text(re.compile(r"^whsec_[A-Za-z0-9+/]{43}=$"))
    page.get_by_role("button", name="Send a test event").click()
    expect(page.get_by_text("A test is on its way")).to_be_visible()
    expect(page.locator(".key-token")).to_have_count(0)
    line = page.locator("[data-live=deliveries] li")
    expect(line).to_contain_text("A test from the hub")
    office.settle()
    expect(line).to_contain_text("Kept on this machine")  # the open page hears of it
    expect(page.get_by_text("Works", exact=True).or_(page.get_by_text("Nothing sent yet"))).to_be_visible()
    expect(page.get_by_label("Rewards")).not_to_be_checked()
    page.get_by_text("Remove it", exact=True).click()
    page.get_by_role("button", name="Remove “Night desk”").click()
    expect(page.get_by_text("No other system is told")).to_be_visible()
