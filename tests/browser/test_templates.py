"""The editor of templates: the preview follows what is typed, and works without the script too."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.chrome import Visits, live
from tests.browser.office import Office

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PAGE = "/templates/repair_in_progress"


@pytest.mark.proves("F2")
def test_the_preview_follows_what_is_typed(office: Office, visit: Visits, screen: str) -> None:
    ada = office.person("ada", "administrator", name="Ada Quist")
    page = live(visit(ada, PAGE, screen=screen))
    page.evaluate("window.untouched = true")
    visit.watch.allow("Blocked script execution")  # what an office writes into its own email
    preview = page.locator("#preview")
    page.get_by_label("Email subject").fill("Hooray, {{ item.vehicle }}!")
    expect(preview).to_contain_text("Hooray, 2021 Subaru Outback!")
    page.get_by_label("SMS", exact=True).fill("{{ item.prize }}")
    expect(preview).to_contain_text("SMS: Prize is missing.")
    page.get_by_label("SMS", exact=True).fill("я" * 50)
    expect(preview).to_contain_text("UCS-2")
    expect(preview).not_to_contain_text("missing")
    page.get_by_label("Email, with its looks (HTML)").fill(
        "<p>Our <b>looks</b></p><script>parent.hurt = 1</script>"
    )
    expect(page.frame_locator("#preview iframe").locator("b")).to_have_text("looks")
    assert page.evaluate("window.untouched"), "the page was not reloaded"
    assert page.evaluate("window.hurt") is None, "nothing of it runs"
    expect(page.get_by_label("Email subject")).to_have_value("Hooray, {{ item.vehicle }}!")
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.get_by_text("The next message has these words")).to_be_visible()
