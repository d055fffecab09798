"""Coming in, with a password, with one press, by a private link; going out; and without a mouse or a script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chrome import Visits, another_tab, live
from tests.browser.office import Office
from tests.browser.site import Site
from tests.builders import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(autouse=True)
def _many_may_sign_in(site: Site) -> None:
    site.forget_limits()


def give_marco_work(office: Office) -> None:
    office.report("R-1", status="pending", vehicle="2021 Subaru Outback", damage="chip", technician="marco")
    office.settle()


# --- signing in and out --------------------------------------------------------------------------------------------


def test_one_press_signs_in_to_the_demo(office: Office, visit: Visits, screen: str) -> None:
    page = visit(None, "/", screen=screen)
    expect(page).to_have_url(re.compile(r"/sign-in"))
    page.locator(f'button[name=demo][value="{office.people["alice"].login}"]').click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")
    live(page)


def test_a_wrong_password_says_what_to_do_and_keeps_the_address(office: Office, visit: Visits) -> None:
    visit.watch.allow("status of 401")
    page = visit(None, "/work")
    page.get_by_label("Email").fill(office.people["marco"].login)
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Check both and try again")
    expect(page.get_by_label("Email")).to_have_value(office.people["marco"].login)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Show the password").click()
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("type", "text")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/work$"))


def test_signing_out_ends_the_streams_of_this_device_and_says_so(office: Office, visit: Visits) -> None:
    visit.watch.allow("status of 401")
    page = live(visit(office.people["marco"], "/inbox"))
    tab = live(another_tab(page, "/preferences"))
    page.get_by_label("Account of Marco Reyes").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(tab.locator("[data-light]")).to_have_attribute("data-state", "signed-out")
    expect(tab.get_by_text("Your session has ended.")).to_be_visible()
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Sign in")


# --- without a mouse -----------------------------------------------------------------------------------------------


# a title whose link covers its row draws the ring around the row
OUTLINED = """() => ['', '::after'].some((part) => {
    const style = getComputedStyle(document.activeElement, part);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
})"""


def tab_to(page: Page, css: str, most: int = 40) -> None:
    """Press Tab until this has the focus; it must be seen to have it."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("(css) => document.activeElement.matches(css)", css):
            assert page.evaluate(OUTLINED), f"{css} has the focus and does not show it"
            return
    raise AssertionError(f"Tab does not lead to {css}")


def test_the_keyboard_is_enough_from_the_door_to_a_read_notification(
    office: Office, visit: Visits, screen: str
) -> None:
    give_marco_work(office)
    page = visit(None, "/sign-in", screen=screen)
    tab_to(page, "#email")
    page.keyboard.type(office.people["marco"].login)
    tab_to(page, "#password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Inbox")
    live(page)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, "[data-note] a")
    tab_to(page, "[data-mark-button]")
    page.keyboard.press("Enter")
    expect(page.locator("[data-note]")).not_to_have_class(re.compile("is-unread"))
    expect(page.locator("[data-mark-button]")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("R-1")


def test_the_menu_opens_and_closes_by_keys(office: Office, visit: Visits) -> None:
    page = live(visit(office.people["marco"], "/inbox", screen="desktop"))
    tab_to(page, "[data-menu] summary")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(page.locator("[data-menu] summary")).to_be_focused()


# --- without scripts -----------------------------------------------------------------------------------------------


def test_everything_is_done_without_scripts_too(office: Office, visit: Visits, screen: str) -> None:
    give_marco_work(office)
    page = visit(None, "/sign-in", screen=screen, scripts=False)
    page.get_by_label("Email").fill(office.people["marco"].login)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    row = page.locator("[data-note]")
    expect(row).to_contain_text("R-1")
    row.get_by_role("button", name="as read").click()
    expect(page.get_by_text("Marked as read.")).to_be_visible()
    expect(row).not_to_have_class(re.compile("is-unread"))
    page.get_by_role("button", name="Undo").click()
    expect(row).to_have_class(re.compile("is-unread"))
    page.get_by_role("button", name="Mark all read").click()
    expect(page.get_by_text("Everything is marked as read.")).to_be_visible()

    page.goto("/preferences")
    page.get_by_role("checkbox", name="Rewards: Email").uncheck()
    page.get_by_role("button", name="Save choices").click()
    expect(page.get_by_role("checkbox", name="Rewards: Email")).not_to_be_checked()

    page.get_by_label("Account of Marco Reyes").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page).to_have_url(re.compile(r"/preferences"))
    page.get_by_label("Account of Marco Reyes").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_the_office_decides_without_scripts_too(office: Office, visit: Visits) -> None:
    for number in ("R-1", "R-2"):
        office.report(number, status="pending", vehicle="2021 Subaru Outback", customer="dana")
    office.settle()
    page = visit(office.people["alice"], "/work", scripts=False)
    for number in ("R-1", "R-2"):
        page.get_by_role("checkbox", name=f"Choose {number}").check()
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_text("2 repairs approved.")).to_be_visible()
    page.get_by_role("link", name="R-1").click()
    page.get_by_role("button", name="Start work").click()
    expect(page.get_by_text("Started: R-1.")).to_be_visible()


# --- a private link ------------------------------------------------------------------------------------------------


def ask_dana(office: Office) -> str:
    """The path of the link in her SMS."""
    office.report(
        "R-1",
        status="pending",
        vehicle="2021 Subaru Outback",
        price="149.50",
        customer="dana",
        technician="marco",
    )
    office.settle()
    return office.private_link("dana")


@pytest.mark.proves("C4")
def test_a_customer_approves_by_the_link_in_the_message(office: Office, visit: Visits, screen: str) -> None:
    visit.watch.allow("status of 409")
    page = visit(None, ask_dana(office), screen=screen)
    expect(page.get_by_role("heading", level=1)).to_have_text("Dana, do you approve?")
    expect(page.get_by_text("$149.50")).to_be_visible()
    assert office.item("R-1").status == "pending", "looking decides nothing"
    inbox = live(visit(office.people["marco"], "/inbox", screen=screen))
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert office.item("R-1").status == "approved"
    expect(inbox.locator("[data-note]").filter(has_text="Approved: R-1")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("You have answered already")
    expect(page.get_by_role("button")).to_have_count(0)


@pytest.mark.proves("C4")
def test_a_customer_declines_and_says_why(office: Office, visit: Visits) -> None:
    page = visit(None, ask_dana(office), scripts=False)
    page.get_by_role("link", name=re.compile("instead")).click()
    page.get_by_label(re.compile("Why")).fill("I sold the car.")
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("We have noted it")
    assert office.item("R-1").status == "denied"
    office.settle()
    assert any("I sold the car." in line.text for line in office.lines("marco"))


def test_a_link_that_was_never_made_says_so_kindly(visit: Visits) -> None:
    visit.watch.allow("status of 404")
    page = visit(None, "/l/nothing-that-was-ever-made")
    expect(page.get_by_role("heading", level=1)).to_have_text("This link leads nowhere")


# --- light and dark ------------------------------------------------------------------------------------------------


def test_light_and_dark_are_chosen_on_one_tab_and_kept_on_all(
    office: Office, visit: Visits, screen: str
) -> None:
    page = live(visit(office.people["marco"], "/inbox", screen=screen))
    tab = live(another_tab(page, "/preferences"))
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_label("Account of Marco Reyes").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    for one in (page, tab):
        expect(one.locator("html")).to_have_attribute("data-theme", "dark")
        expect(one.locator("body")).not_to_have_css("background-color", light)
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_label("Account of Marco Reyes").click()
    page.get_by_role("button", name="Device").click()
    for one in (page, tab):
        expect(one.locator("body")).to_have_css("background-color", light)
