"""The technician's inbox, living: it fills, counts, fades and heals by itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chrome import Visits, another_tab, live
from tests.browser.office import Office
from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

AWAY = r"ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY_RESPONSE|Failed to load resource"


def rows(page: Page) -> Locator:
    return page.locator("[data-inbox] [data-note]")


def badge(page: Page) -> Locator:
    """The count beside "Inbox" in the navigation."""
    return page.locator(".nav [data-unread]")


def assert_counts(page: Page, number: int) -> None:
    """In the navigation and in the tab's title."""
    if number:
        expect(badge(page)).to_be_visible()
        expect(badge(page).locator("[data-unread-count]")).to_have_text(str(number))
        expect(page).to_have_title(re.compile(rf"^\({number}\) "))
    else:
        expect(badge(page)).to_be_hidden()
        expect(page).to_have_title(re.compile(r"^[^(]"))


def assign(office: Office, *numbers: str, back_door: bool = False) -> None:
    """One line in Marco's inbox for each."""
    for number in numbers:
        office.report(
            number,
            status="pending",
            vehicle="2021 Subaru Outback",
            damage="chip",
            technician="marco",
            back_door=back_door,
        )


@pytest.mark.proves("B4", "C5")
def test_what_is_assigned_appears_on_every_open_screen_without_reloading(
    office: Office, visit: Visits, screen: str
) -> None:
    marco = office.people["marco"]
    inbox = live(visit(marco, "/inbox", screen=screen))
    expect(inbox.get_by_text("Nothing here yet")).to_be_visible()
    jobs = live(another_tab(inbox, "/work"))
    elsewhere = live(visit(marco, "/preferences", screen=screen))
    for page in (inbox, jobs, elsewhere):
        page.evaluate("window.untouched = true")

    assign(office, "R-1042")

    expect(rows(inbox)).to_have_count(1)
    expect(rows(inbox)).to_contain_text("R-1042")
    expect(rows(inbox)).to_have_class(re.compile("is-unread"))
    expect(inbox.get_by_text("Nothing here yet")).to_be_hidden()
    expect(inbox.get_by_role("heading", name="Today")).to_be_visible()
    expect(jobs.get_by_role("link", name="R-1042")).to_be_visible()
    for page in (inbox, jobs, elsewhere):
        assert_counts(page, 1)
        assert page.evaluate("window.untouched"), "the page was not reloaded"


@pytest.mark.proves("B4", "C5")
def test_what_is_read_on_one_screen_is_read_on_all(office: Office, visit: Visits, screen: str) -> None:
    marco = office.people["marco"]
    assign(office, "R-1", "R-2", "R-3")
    office.settle()
    inbox = live(visit(marco, "/inbox", screen=screen))
    tab = live(another_tab(inbox, "/inbox"))
    device = live(visit(marco, "/inbox?show=unread", screen=screen))
    assert_counts(device, 3)

    rows(inbox).filter(has_text="R-2").get_by_role("button", name="as read").click()
    for page in (inbox, tab, device):
        expect(rows(page).filter(has_text="R-2")).not_to_have_class(re.compile("is-unread"))
        assert_counts(page, 2)

    rows(device).filter(has_text="R-2").get_by_role("button", name="as unread").click()
    for page in (inbox, tab, device):
        expect(rows(page).filter(has_text="R-2")).to_have_class(re.compile("is-unread"))
        assert_counts(page, 3)

    tab.get_by_role("button", name="Mark all read").click()
    expect(tab.get_by_text("Everything is marked as read.")).to_be_visible()
    for page in (inbox, tab, device):
        expect(page.locator("[data-note].is-unread")).to_have_count(0)
        assert_counts(page, 0)
    expect(inbox.get_by_role("button", name="Mark all read")).to_be_disabled()


@pytest.mark.proves("B4", "C2")
def test_an_emergency_that_arrives_live_is_answered_by_the_buttons_of_a_reloaded_page(
    office: Office, visit: Visits, screen: str
) -> None:
    inbox = live(visit(office.people["marco"], "/inbox", screen=screen))
    inbox.evaluate("window.untouched = true")
    office.post(
        "emergency.raised",
        {"alert_message": "Fire alarm", "location": "Building A", "recipients": [{"id": "marco"}]},
    )
    assign(office, "R-1")
    expect(rows(inbox)).to_have_count(2)
    alarm = rows(inbox).filter(has_text="Fire alarm")
    expect(alarm.get_by_role("button", name="I am safe")).to_be_visible()
    expect(alarm.get_by_role("button", name="I need help")).to_be_visible()
    assert inbox.evaluate("window.untouched"), "the page was not reloaded"
    expect(inbox.locator("[data-inbox] .answers")).to_have_count(1)

    arrived = form_of(alarm)
    inbox.reload()
    assert form_of(alarm) == arrived

    tab = live(another_tab(inbox, "/inbox"))
    alarm.get_by_role("button", name="I am safe").click()
    expect(inbox.get_by_text("“I am safe”: the office knows.")).to_be_visible()
    expect(alarm.get_by_role("button", name="I am safe")).to_have_attribute("aria-pressed", "true")
    row = office.site.build.one(
        "SELECT name FROM answer WHERE organisation_id = :org", org=office.organisation.id
    )
    assert row.name == "safe"
    expect(rows(tab).filter(has_text="Fire alarm")).not_to_have_class(re.compile("is-unread"))


def form_of(row: Locator) -> str:
    """What can be answered, as it stands on the page; the form's token is another each time."""
    html = row.locator(".answers").evaluate("form => form.outerHTML")
    return re.sub(r'name="csrf_token" value="[^"]*"', "", re.sub(r"\s+", " ", html))


def test_a_notification_opens_says_why_and_is_read_by_that(
    office: Office, visit: Visits, screen: str
) -> None:
    marco = office.people["marco"]
    assign(office, "R-7")
    office.settle()
    inbox = live(visit(marco, "/inbox", screen=screen))
    tab = live(another_tab(inbox, "/inbox"))

    rows(inbox).get_by_role("link").click()
    expect(inbox.get_by_role("heading", level=1)).to_contain_text("R-7")
    expect(inbox.get_by_role("heading", name="Why you got this")).to_be_visible()
    why = inbox.locator("[data-live=why] li")
    expect(why.first).to_be_visible()
    expect(inbox.locator("[data-live=deliveries] li").filter(has_text="SMS")).to_contain_text(
        re.compile("Sent|Waiting|Being sent")
    )
    assert_counts(tab, 0)
    expect(rows(tab)).not_to_have_class(re.compile("is-unread"))

    rows(tab).get_by_role("button", name="as unread").click()
    assign(office, "R-8")
    assert_counts(inbox, 2)
    expect(rows(tab)).to_have_count(2)
    expect(rows(tab).filter(has_text="R-7")).to_have_class(re.compile("is-unread"))

    rows(tab).filter(has_text="R-8").get_by_role("button", name="as read").click()
    inbox.reload()
    assert_counts(tab, 0)
    inbox.get_by_role("button", name="Mark as unread").click()
    expect(inbox).to_have_url(re.compile(r"/inbox$"))
    expect(inbox.get_by_text("Marked as unread.")).to_be_visible()
    assert_counts(tab, 1)


def test_the_end_of_a_notification_is_above_the_bar_of_the_phone(office: Office, visit: Visits) -> None:
    assign(office, "R-8")
    office.settle()
    page = visit(office.people["alice"], f"/inbox/{office.lines('marco')[0].id}")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    last = page.locator("main .card").last.bounding_box()
    bar = page.locator(".nav").bounding_box()
    assert last
    assert bar
    assert last["y"] + last["height"] <= bar["y"], "nothing lies under the bar"


def test_a_job_is_begun_and_done_from_the_phone(office: Office, visit: Visits, screen: str) -> None:
    office.report(
        "R-9",
        status="approved",
        vehicle="2017 Toyota Tacoma",
        location="1200 Chuckanut Drive",
        customer="dana",
        technician="marco",
    )
    page = live(visit(office.people["marco"], office.path("R-9", "jobs"), screen=screen))
    expect(page.get_by_role("link", name="Call Dana Whitfield")).to_have_attribute(
        "href", re.compile(r"tel:\+1202555")
    )
    # beside the job's buttons, and again where its facts say where it is
    for directions in page.get_by_role("link", name="Directions").all():
        expect(directions).to_have_attribute("href", re.compile("Chuckanut"))
    page.get_by_role("button", name="Start work").click()
    expect(page.get_by_text("Started: R-9.")).to_be_visible()
    page.locator("summary", has_text="Complete").click()
    expect(page.get_by_text("this cannot be taken back")).to_be_visible()
    page.get_by_role("button", name="Complete", exact=True).click()
    expect(page.get_by_text("Completed: R-9.")).to_be_visible()
    assert office.item("R-9").status == "completed"
    office.settle()
    assert any("R-9" in row.body["text"] for row in office.messages("dana", "sms"))


def test_a_swipe_marks_as_read_and_can_be_undone(office: Office, visit: Visits) -> None:
    assign(office, "R-5")
    office.settle()
    page = live(visit(office.people["marco"], "/inbox"))
    swipe(page, rows(page))
    expect(rows(page)).not_to_have_class(re.compile("is-unread"))
    expect(page).to_have_url(re.compile(r"/inbox$"))
    assert_counts(page, 0)
    page.get_by_role("button", name="Undo").click()
    expect(rows(page)).to_have_class(re.compile("is-unread"))
    assert_counts(page, 1)


def swipe(page: Page, row: Locator) -> None:
    """A finger from left to right over the row."""
    box = row.bounding_box()
    assert box
    finger = page.context.new_cdp_session(page)
    y = box["y"] + box["height"] / 2

    def touch(kind: str, *points: float) -> None:
        finger.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x in points]}
        )

    touch("touchStart", box["x"] + 60)
    for step in range(1, 9):
        touch("touchMove", box["x"] + 60 + 25 * step)
    touch("touchEnd")


def test_older_lines_are_put_below_in_place(office: Office, visit: Visits) -> None:
    assign(office, *(f"R-{number}" for number in range(100, 134)))
    office.settle()
    page = live(visit(office.people["marco"], "/inbox"))
    expect(rows(page)).to_have_count(30)
    page.get_by_text("30 messages").click()  # they came within a minute
    page.get_by_role("link", name="Load older").click()
    expect(rows(page)).to_have_count(34)
    expect(page.get_by_role("link", name="Load older")).to_have_count(0)
    assign(office, "R-200")
    expect(page.get_by_role("button", name=re.compile("New: .*R-200"))).to_be_visible()
    expect(rows(page)).to_have_count(35)


# --- when things break ---------------------------------------------------------------------------------------------


@pytest.mark.proves("B4")
def test_what_arrived_while_the_server_was_away_is_there_once_and_whole(
    site: Site, office: Office, visit: Visits
) -> None:
    visit.watch.allow(AWAY)
    marco = office.people["marco"]
    assign(office, "R-1")
    office.settle()
    inbox = live(visit(marco, "/inbox"))
    tab = live(another_tab(inbox, "/preferences"))
    inbox.evaluate("window.untouched = true")
    rows(inbox).get_by_role("button", name="as read").click()
    assert_counts(tab, 0)

    site.server.stop()
    try:
        for page in (inbox, tab):
            expect(page.locator("[data-light]")).to_have_attribute("data-state", "reconnecting")
        expect(inbox.locator("[data-light-word]")).to_have_text("Reconnecting")
        assign(office, "R-2", "R-3", "R-4", back_door=True)
        office.settle()
    finally:
        site.server.start()

    live(inbox)
    expect(rows(inbox)).to_have_count(4)
    assert_counts(inbox, 3)
    assert_counts(tab, 3)
    titles = rows(inbox).locator(".note-title a").all_inner_texts()
    assert [title.split(":")[1].split(",")[0].strip() for title in titles] == ["R-4", "R-3", "R-2", "R-1"]
    expect(rows(inbox).filter(has_text="R-1")).not_to_have_class(re.compile("is-unread"))
    assign(office, "R-5")
    expect(rows(inbox)).to_have_count(5)
    ids = [row.get_attribute("data-note") for row in rows(inbox).all()]
    assert len(set(ids)) == 5, "nothing is there twice"
    assert inbox.evaluate("window.untouched"), "the page was not reloaded"


@pytest.mark.proves("B4")
def test_what_nobody_announced_arrives_all_the_same(site: Site, office: Office, visit: Visits) -> None:
    inbox = live(visit(office.people["marco"], "/inbox"))
    inbox.evaluate("window.untouched = true")
    site.lose_valkey()
    try:
        assign(office, "R-1", "R-2")
        expect(rows(inbox)).to_have_count(2)
        assert_counts(inbox, 2)
        expect(inbox.locator("[data-light]")).to_have_attribute("data-state", "live")
    finally:
        site.mend_valkey()
    assign(office, "R-3")
    expect(rows(inbox)).to_have_count(3)
    assert_counts(inbox, 3)
    assert inbox.evaluate("window.untouched"), "the page was not reloaded"


@pytest.mark.proves("A14")
def test_lines_of_one_minute_are_folded_and_each_is_its_own_inside(
    office: Office, visit: Visits, screen: str
) -> None:
    marco = office.people["marco"]
    assign(office, *(f"R-{number}" for number in range(1, 6)))
    office.settle()
    inbox = live(visit(marco, "/inbox", screen=screen))
    expect(rows(inbox).first).to_be_hidden()
    inbox.get_by_text("5 messages").click()
    expect(rows(inbox)).to_have_count(5)
    expect(rows(inbox).first).to_be_visible()

    rows(inbox).filter(has_text="R-2").get_by_role("button", name="as read").click()
    expect(rows(inbox).filter(has_text="R-2")).not_to_have_class(re.compile("is-unread"))
    assert_counts(inbox, 4)

    assign(office, "R-6")
    expect(rows(inbox)).to_have_count(6)
    expect(rows(inbox).first).to_contain_text("R-6")
