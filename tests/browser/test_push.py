"""The service worker: what is pushed is shown, and what is pressed on it sees to it or opens its page."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chrome import Visits, live
from tests.browser.office import Office

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.proves("A5")]

NOTE = {
    "title": "New job: R-1",
    "body": "Windshield.",
    "url": "/inbox",
    "tag": "t1",
    "asks": "",
    "urgent": True,
}
# what is shown, once something with this body is; after ten seconds whatever there is
SHOWN = """async (body) => {
    const until = Date.now() + 10_000;
    for (;;) {
        const shown = (await (await navigator.serviceWorker.ready).getNotifications())
            .map(({ title, body, tag }) => ({ title, body, tag }));
        if (shown.some((one) => one.body.startsWith(body)) || Date.now() > until) return shown;
        await new Promise((go) => setTimeout(go, 50));
    }
}"""


def registered(page: Page) -> Callable[..., None]:
    """The worker at work on this page, and allowed to show. Returns what a push service does: it hands over a note."""
    page.context.grant_permissions(["notifications"], origin=page.url.rsplit("/", 1)[0])
    protocol = page.context.new_cdp_session(page)
    found: list[str] = []
    protocol.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda said: found.extend(one["registrationId"] for one in said["registrations"]),
    )
    protocol.send("ServiceWorker.enable")
    page.evaluate(
        "navigator.serviceWorker.register('/sw.js').then(() => navigator.serviceWorker.ready).then(() => {})"
    )
    page.wait_for_function("navigator.serviceWorker.controller !== null")

    def pushes(**note: object) -> None:
        values = {"origin": page.evaluate("location.origin"), "registrationId": found[-1]}
        protocol.send("ServiceWorker.deliverPushMessage", {**values, "data": json.dumps(NOTE | note)})

    return pushes


def test_what_is_pushed_is_shown_and_what_comes_again_takes_its_place(office: Office, visit: Visits) -> None:
    page = live(visit(office.people["marco"], "/preferences", screen="phone"))
    pushes = registered(page)
    pushes()
    pushes(body="It is urgent.")
    assert page.evaluate(SHOWN, "It is urgent.") == [
        {"title": "New job: R-1", "body": "It is urgent.", "tag": "t1"}
    ]


def test_a_press_sees_to_it_as_the_page_would(office: Office, visit: Visits) -> None:
    office.post(
        "emergency.raised",
        {"alert_message": "Gas", "location": "Hall 2", "recipients": [{"id": "marco"}]},
    )
    office.settle()
    event = office.lines("marco")[0].event_id
    page = live(visit(office.people["marco"], "/preferences", screen="phone"))
    registered(page)
    worker = page.context.service_workers[0]
    worker.evaluate("(event) => see({ title: 'Gas', asks: event, tag: 't2', url: '/inbox' })", str(event))
    assert [one["tag"] for one in page.evaluate(SHOWN, "Thank you. You see to it")] == ["t2"]
    page.goto(f"/inbox/{office.lines('marco')[0].id}")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)


def test_only_pages_of_our_own_are_opened(office: Office, visit: Visits) -> None:
    page = live(visit(office.people["marco"], "/preferences", screen="phone"))
    registered(page)
    worker = page.context.service_workers[0]
    with page.expect_navigation():
        worker.evaluate("(url) => open(url).then(() => {})", "https://evil.example.com/inbox")
    expect(page).to_have_url(f"{page.evaluate('location.origin')}/inbox")


def test_what_needs_nobody_any_more_goes_or_says_who_sees_to_it(office: Office, visit: Visits) -> None:
    page = live(visit(office.people["marco"], "/preferences", screen="phone"))
    pushes = registered(page)
    pushes(tag="t1", asks="e1")
    pushes(tag="t2", body="Gate.")
    assert {one["tag"] for one in page.evaluate(SHOWN, "Gate.")} >= {"t1", "t2"}
    said = {"recalls": ["t1", "t9"], "title": "New job: R-1", "body": "Vera Lind sees to it."}
    pushes(**said)
    assert sorted((one["tag"], one["body"]) for one in page.evaluate(SHOWN, "Vera Lind")) == [
        ("t1", "Vera Lind sees to it."),
        ("t2", "Gate."),
    ]
    pushes(recalls=["t2"], body="")
    pushes(tag="t3", body="Later.")
    assert [one["tag"] for one in page.evaluate(SHOWN, "Later.")] == ["t1", "t3"]


def test_who_sees_to_it_is_said_where_the_push_was_wiped_away_too(office: Office, visit: Visits) -> None:
    page = live(visit(office.people["marco"], "/preferences", screen="phone"))
    pushes = registered(page)
    pushes(recalls=["t7"], title="New job: R-7", body="Vera Lind sees to it.")
    assert page.evaluate(SHOWN, "Vera") == [
        {"title": "New job: R-7", "body": "Vera Lind sees to it.", "tag": "t7"}
    ]


def test_what_was_pressed_here_is_not_taken_away_by_it(office: Office, visit: Visits) -> None:
    page = live(visit(office.people["marco"], "/preferences", screen="phone"))
    pushes = registered(page)
    page.context.service_workers[0].evaluate(
        "say('Gas', 'Thank you. You see to it: Gas', { tag: 't4', pressed: true })"
    )
    page.evaluate(SHOWN, "Thank you.")
    pushes(recalls=["t4"], body="")
    pushes(tag="t5", body="Later.")
    assert [one["tag"] for one in page.evaluate(SHOWN, "Later.")] == ["t4", "t5"]


def test_a_page_that_is_looked_at_shows_it_itself_except_in_safari(office: Office, visit: Visits) -> None:
    page = live(visit(office.people["marco"], "/preferences", screen="phone"))
    registered(page)
    worker = page.context.service_workers[0]
    looked_at = "clients.matchAll = async () => [{ focused: true }]"
    worker.evaluate(f"{looked_at}, show({json.dumps(NOTE | {'tag': 't8', 'urgent': False})})")
    safari = (
        "PushManager.prototype.getSubscription = async () => ({ endpoint: 'https://web.push.apple.com/x' })"
    )
    worker.evaluate(f"{safari}, show({json.dumps(NOTE | {'tag': 't9', 'urgent': False, 'body': 'Gate.'})})")
    assert [one["tag"] for one in page.evaluate(SHOWN, "Gate.")] == ["t9"]
