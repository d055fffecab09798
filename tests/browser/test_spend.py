"""What SMS cost, with hands: a budget that cannot be is said beside its field, one that can be is drawn."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.chrome import Visits
from tests.browser.office import Office

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.proves("A9")
@pytest.mark.parametrize("screen", ["phone", "desktop"])
def test_an_administrator_sets_a_budget_and_sees_how_it_stands(
    office: Office, visit: Visits, screen: str
) -> None:
    ada = office.person("ada", "administrator", name="Ada Quist")
    page = visit(ada, "/spend", screen=screen)
    visit.watch.allow("status of 422")
    expect(page.get_by_text("There is no budget")).to_be_visible()
    page.get_by_label("US dollars a month").fill("ten")
    page.get_by_label("US dollars a month").press("Enter")
    expect(page.get_by_text("Write an amount in US dollars")).to_be_visible()
    expect(page.get_by_label("US dollars a month")).to_have_value("ten")
    assert (
        office.site.build.all(
            "SELECT * FROM sms_budget WHERE organisation_id = :org", org=office.organisation.id
        )
        == []
    )
    page.get_by_label("US dollars a month").fill("1,200.50")
    page.get_by_label("US dollars a day").fill("60")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("$0.00 of $1,200.50 (0 %)")).to_be_visible()
    expect(page.get_by_text("Budget for SMS set: $1200.50 a month, $60.00 a day")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("There is no budget", exact=True)).to_be_visible()
