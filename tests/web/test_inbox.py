"""The inbox page: whose lines it shows, in which order, and what marking does (B5, C5)."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from notify_app.web.folds import FEWEST


def ids(page):
    return re.findall(r'data-note="([0-9a-f-]{36})"', page.html)


def reward(shop, number, to="bob"):
    shop.hub.post(
        "reward.redeemed",
        {
            "technician": {"id": to},
            "reward": f"Wiper blades {number}",
            "points": 100,
            "redeemed_by": "Dana Whitfield",
            "redeemed_at": shop.hub.now().isoformat(),
        },
        settle=False,
    )


def rewards(shop, many, to="bob"):
    for number in range(many):
        reward(shop, number, to)
    shop.hub.settle()


@pytest.mark.proves("B5")
def test_a_person_sees_their_own_lines_newest_first_under_their_day(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    page = shop.bob.get("/inbox")
    assert "Today" in page.text
    assert page.text.index("New job") < page.text.index("Approved: R-1"), "the assignment was written last"
    assert "Urgent" in page.text


@pytest.mark.proves("C5")
def test_a_colleague_and_a_stranger_see_none_of_it(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    line = shop.line("bob", "repair_approved")
    for browser in (shop.tess, shop.charlie):
        assert "R-1" not in browser.get("/inbox").text
        assert browser.post(f"/inbox/{line.id}/read").status in (400, 404)
    assert shop.line("bob", "repair_approved").read_at is None


def test_nobody_who_is_not_signed_in_sees_an_inbox(shop):
    page = shop.hub.stranger().get("/inbox", follow=False)
    assert (page.status, page.location) == (303, "/sign-in?next=/inbox")


@pytest.mark.proves("B5")
def test_marking_one_line_leaves_the_others_and_can_be_undone(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    line = shop.line("bob", "repair_approved")
    page = shop.bob.submit("/inbox", f"{line.id}/read")
    assert shop.line("bob", "repair_approved").read_at is not None
    assert shop.line("bob", "repair_assigned").read_at is None
    assert "Marked as read." in page.text
    shop.bob.submit(page, f"{line.id}/unread")
    assert shop.line("bob", "repair_approved").read_at is None


@pytest.mark.proves("B5")
def test_a_script_that_marks_is_answered_with_the_count(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    line = shop.line("bob", "repair_approved")
    token = shop.bob.get("/inbox").form(f"{line.id}/read").fields["csrf_token"][0]
    response = shop.bob.client.post(
        f"/inbox/{line.id}/read",
        base_url=shop.bob.site,
        headers={"Accept": "application/json", "X-CSRFToken": token, "Referer": f"{shop.bob.site}/"},
    )
    assert response.get_json() == {"unread": 1}


@pytest.mark.proves("B5")
def test_marking_all_read_is_the_readers_own_matter(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    shop.hub.repair("R-2", customer="dana", technician="tess").approved()
    shop.bob.submit("/inbox", "/read-all")
    assert shop.line("bob", "repair_approved").read_at and shop.line("bob", "repair_assigned").read_at
    assert shop.line("tess", "repair_approved").read_at is None
    assert "All caught up" in shop.bob.get("/inbox?show=unread").text


def test_marking_needs_the_forms_protection(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    assert shop.bob.post("/inbox/read-all").status == 400
    assert shop.line("bob", "repair_approved").read_at is None


def test_what_is_not_there_is_not_found(shop):
    page = shop.bob.get("/inbox")
    token = page.form("/read-all").fields["csrf_token"][0]
    assert shop.bob.post(f"/inbox/{uuid4()}/read", csrf_token=token).status == 404


def test_older_lines_follow_without_gap_or_repetition(shop):
    rewards(shop, 65)
    seen, page, pages = [], shop.bob.get("/inbox"), 1
    while True:
        seen += ids(page)
        older = [link for link in page.links if "before=" in link]
        if not older:
            break
        page, pages = shop.bob.get(older[0]), pages + 1
    assert (len(seen), len(set(seen)), pages) == (65, 65, 3)
    assert seen == sorted(seen, reverse=True)


def test_what_arrives_between_two_pages_moves_nothing(shop):
    rewards(shop, 31)
    first = shop.bob.get("/inbox")
    rewards(shop, 5)
    older = next(link for link in first.links if "before=" in link)
    assert len(ids(shop.bob.get(older))) == 1


@pytest.mark.parametrize("query", ["before=x", "before=", "show=odd", "before=" + "9" * 4000])
def test_an_address_that_makes_no_sense_shows_the_newest(shop, query):
    rewards(shop, 1)
    page = shop.bob.get(f"/inbox?{query}")
    assert (page.status, len(ids(page))) == (200, 1)


@pytest.mark.proves("C5", "B5")
def test_somebody_of_two_organisations_has_one_inbox_that_names_them(shop):
    bob = shop.hub.people["bob"]
    shop.other.person("bob2", name="Bob Marsh", account_of=bob)
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    shop.other.repair("H-7", customer={"id": "x", "name": "Xenia"}, technician="bob2").approved()
    text = shop.bob.get("/inbox").text
    assert "R-1" in text and "H-7" in text
    assert "Harbor Glass" in text and "Evergreen Auto Glass" in text
    shop.bob.submit("/inbox", "/read-all")
    assert "All caught up" in shop.bob.get("/inbox?show=unread").text


def test_a_page_of_the_inbox_costs_a_handful_of_statements(shop, counted):
    rewards(shop, 2)
    shop.bob.get("/inbox")
    with counted() as few:
        shop.bob.get("/inbox")
    rewards(shop, 25)
    with counted() as many:
        shop.bob.get("/inbox")
    assert len(many.statements) == len(few.statements) <= 8


# --- what came at one go -------------------------------------------------------------------------------------------


def folds(page):
    """The groups of a page, each as the ids of its lines."""
    return [
        re.findall(r'data-note="([0-9a-f-]{36})"', part.split("</details>")[0])
        for part in page.html.split("data-fold>")[1:]
    ]


@pytest.mark.proves("A14")
def test_lines_of_one_event_within_a_minute_are_one_group_that_opens(shop):
    rewards(shop, 5)
    page = shop.bob.get("/inbox")
    (group,) = folds(page)
    assert group == ids(page) and len(group) == 5
    assert "Reward redeemed 5 messages" in page.text
    assert "<details>" in page.html and "<details open" not in page.html
    line = group[2]
    shop.bob.submit(page, f"/inbox/{line}/read")
    after = shop.bob.get("/inbox")
    assert [
        row.id for row in shop.hub.build.all("SELECT id FROM notification WHERE read_at IS NOT NULL")
    ] == [UUID(line)]
    assert folds(after) == [group], "each is still its own"


@pytest.mark.proves("A14")
def test_few_lines_and_lines_of_more_than_a_minute_are_no_group(shop):
    rewards(shop, FEWEST - 1)
    shop.hub.jump(timedelta(minutes=2))
    rewards(shop, FEWEST - 1)
    page = shop.bob.get("/inbox")
    assert folds(page) == [] and len(ids(page)) == 2 * (FEWEST - 1)


@pytest.mark.proves("A14")
def test_what_came_between_stands_beside_the_group(shop):
    for number in range(FEWEST):
        shop.hub.repair(f"R-{number}", technician="bob").pending()
        reward(shop, number)
        shop.hub.settle()
    groups = folds(shop.bob.get("/inbox"))
    assert [len(group) for group in groups] == [FEWEST, FEWEST]


@pytest.mark.proves("A14")
def test_an_emergency_is_never_folded_away(shop):
    for number in range(FEWEST):
        shop.hub.post(
            "emergency.raised", {"alert_message": f"Fire {number}", "location": "Hall", "severity": "high"}
        )
    page = shop.bob.get("/inbox")
    assert folds(page) == [] and len(ids(page)) == FEWEST
