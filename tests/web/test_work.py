"""The list of work: whose it is, how it is found, paged, and decided on together (A4, F2, C5)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from notify_app.web.work_list import PAGE


def numbers(page):
    """The repairs of the list, top down."""
    return re.findall(r'class="cover" href="[^"]+">(R-\d+|H-\d+)</a>', page.html)


def many(shop, count, **facts):
    for number in range(1, count + 1):
        shop.hub.build.insert(
            "work_item",
            organisation_id=shop.hub.organisation.id,
            kind="repair",
            number=f"R-{number}",
            title="2019 Ford Transit",
            status="pending",
            known_at=shop.hub.now(),
            **facts,
        )


def test_the_office_sees_all_of_its_work_and_a_stranger_none(shop):
    shop.hub.repair("R-1", customer="dana").pending()
    shop.other.repair("H-1").pending()
    assert numbers(shop.alice.get("/work")) == ["R-1"]
    assert numbers(shop.charlie.get("/work")) == ["H-1"]
    assert numbers(shop.cleo.get("/work")) == []


@pytest.mark.proves("F4")
def test_a_technician_sees_their_own_jobs_and_decides_on_none(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").pending()
    shop.hub.repair("R-2", customer="dana", technician="tess").pending()
    page = shop.bob.get("/work")
    assert numbers(page) == ["R-1"]
    assert "Jobs" in page.text and not page.offers("/decide")
    assert f"/jobs/{shop.hub.repair('R-1').item_id}" in page.links


@pytest.mark.proves("A17")
def test_a_customer_with_a_sign_in_sees_their_own_repairs(shop):
    shop.hub.person("dora", "contact", name="Dora Lane", signs_in=True)
    shop.hub.repair("R-1", customer="dora").pending()
    shop.hub.repair("R-2", customer="dana").pending()
    page = shop.hub.browser("dora").get("/work")
    assert numbers(page) == ["R-1"]
    assert f"/repairs/{shop.hub.repair('R-1').item_id}" in page.links


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=pending", ["R-2", "R-1"]),
        ("state=approved", ["R-4", "R-3"]),
        ("kind=repair&state=approved", ["R-4", "R-3"]),
        ("kind=permit", []),
        ("kind=permit&state=approved", []),
        ("state=nonsense", ["R-4", "R-3", "R-2", "R-1"]),
        ("kind=nonsense", ["R-4", "R-3", "R-2", "R-1"]),
        ("state=waits", ["R-2", "R-1"]),
        ("state=approval", ["R-2", "R-1"]),
        ("state=open", ["R-4", "R-3", "R-2", "R-1"]),
        ("state=closed", []),
        ("overdue=1", []),
        ("overdue=x", ["R-4", "R-3", "R-2", "R-1"]),
        ("q=subaru", ["R-1"]),
        ("q=r-2", ["R-2"]),
        ("q=whitf", ["R-4", "R-3", "R-1"]),
        ("q=%25", []),
        ("q=_", []),
        ("q=%5C", []),
        ("person=nobody", ["R-4"]),
        ("person=x", ["R-4", "R-3", "R-2", "R-1"]),
        ("state=trouble", ["R-4", "R-2"]),
    ],
)
def test_work_is_found_by_state_person_and_words(shop, query, found):
    shop.hub.repair("R-1", customer="dana", technician="bob", vehicle="2021 Subaru Outback").pending()
    shop.hub.repair("R-2", customer={"id": "lost", "name": "Lost Soul"}).pending()
    shop.hub.repair("R-3", customer="dana", technician="tess").approved()
    shop.hub.repair("R-4", customer="dana").approved()
    assert numbers(shop.alice.get(f"/work?{query}")) == found


def test_work_is_found_by_its_technician(shop):
    shop.hub.repair("R-1", technician="bob").pending()
    shop.hub.repair("R-2", technician="tess").pending()
    assert numbers(shop.alice.get(f"/work?person={shop.hub.people['tess'].id}")) == ["R-2"]


def test_pages_go_there_and_back_without_gap_or_repetition(shop):
    many(shop, 2 * PAGE + 5)
    first = shop.alice.get("/work")
    link = lambda page, rel: next(url for url in re.findall(rf'rel="{rel}" href="([^"]+)"', page.html))  # noqa: E731
    second = shop.alice.get(link(first, "next").replace("&amp;", "&"))
    third = shop.alice.get(link(second, "next").replace("&amp;", "&"))
    everything = numbers(first) + numbers(second) + numbers(third)
    assert (len(everything), len(set(everything))) == (2 * PAGE + 5, 2 * PAGE + 5)
    assert 'rel="next"' not in third.html and 'rel="prev"' not in first.html
    assert numbers(shop.alice.get(link(third, "prev").replace("&amp;", "&"))) == numbers(second)
    assert numbers(shop.alice.get(link(second, "prev").replace("&amp;", "&"))) == numbers(first)


@pytest.mark.parametrize("cursor", ["x", "2026-01-01_x", "2026-01-01T00:00:00_" + "0" * 32, "_", "9" * 3000])
@pytest.mark.parametrize("name", ["before", "after"])
def test_a_cursor_that_is_none_shows_the_first_page(shop, name, cursor):
    many(shop, 1)
    page = shop.alice.get(f"/work?{name}={cursor}")
    assert (page.status, numbers(page)) == (200, ["R-1"])


# --- a technician's own list ----------------------------------------------------------------------------------------


def titles(page):
    return re.findall(r'class="muted item-title">([^<]+)<', page.html)


@pytest.mark.proves("B1", "D1")
def test_a_technicians_list_begins_with_what_waits_for_them_then_with_what_presses(shop):
    start = shop.hub.now() + timedelta(days=3)
    bob, tess = {"id": "bob"}, {"id": "tess"}
    for number, work, urgency, days in (
        ("1", "Calm", "low", 1),
        ("2", "Usual", "normal", 2),
        ("3", "Sooner", "normal", 1),
    ):
        due = shop.hub.now() + timedelta(days=days)
        facts = {"work": work, "urgency": urgency, "due_at": due, "technician": bob}
        shop.hub.post("work_order.upsert", {"id": f"W-{number}", **facts})
    shop.hub.post(
        "maintenance.upsert", {"id": "M-1", "problem": "No heat", "urgent": True, "technician": bob}
    )
    facts = {
        "type": "Hot work",
        "work": "Weld",
        "planned_start": start,
        "planned_end": start + timedelta(hours=2),
    }
    people = {"creator": tess, "verifier": bob}
    shop.hub.post("permit.upsert", {"id": "P-1", "status": "submitted", **people, **facts})
    shop.hub.post(
        "work_order.upsert", {"id": "W-9", "work": "Done", "status": "completed", "technician": bob}
    )
    page = shop.bob.get("/work")
    assert "Waiting for you" in page.text and "Open jobs" in page.text
    assert titles(page) == ["Hot work: Weld", "No heat", "Sooner", "Usual", "Calm"]
    assert titles(shop.bob.get("/work?state=closed")) == ["Done"]
    assert titles(shop.bob.get("/work?kind=permit")) == ["Hot work: Weld"]
    assert titles(shop.tess.get("/work")) == ["Hot work: Weld"]


def test_a_row_says_which_step_waits_for_whom(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").pending()
    shop.hub.world.move(timedelta(hours=3))
    page = shop.alice.get("/work")
    for words in ("Approve or deny the repair", "Dana Whitfield", "3 hr ago", "due in 20 hr 59 min"):
        assert words in page.text
    shop.hub.world.move(timedelta(hours=30))
    assert "overdue by 9 hr" in shop.alice.get("/work?overdue=1").text


# --- decided together ----------------------------------------------------------------------------------------------


def ids(shop, *numbers_):
    return [shop.hub.repair(one).item_id for one in numbers_]


@pytest.mark.proves("A4")
def test_many_are_approved_at_once_as_one_batch(shop):
    for number in ("R-1", "R-2", "R-3"):
        shop.hub.repair(number, customer="dana", technician="bob").pending()
    page = shop.alice.submit(
        "/work?state=pending", "/decide", item=ids(shop, "R-1", "R-2"), decision="approve"
    )
    assert "2 repairs approved." in page.text
    assert numbers(page) == ["R-3"], "one is back at the filtered list"
    shop.hub.settle()
    assert len(shop.hub.events("repair_batch_approved")) == 1
    assert shop.hub.repair("R-1").row.batch_ref.startswith("OFFICE-")


def test_denying_without_a_reason_keeps_what_was_chosen(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").pending()
    item = ids(shop, "R-1")
    page = shop.alice.submit("/work", "/decide", item=item, decision="deny", reason="  ")
    assert page.status == 422
    assert "Give a reason" in page.text
    assert re.search(rf'value="{item[0]}" form="decide" checked', page.html)
    assert shop.hub.repair("R-1").row.status == "pending"
    done = shop.alice.submit(page, "/decide", item=item, decision="deny", reason="Sold")
    assert "1 repair denied." in done.text


@pytest.mark.parametrize(
    ("chosen", "decision"), [([], "approve"), (["x"], "approve"), (["R-1"], "explode"), (["R-1"], "")]
)
def test_a_decision_that_makes_no_sense_is_answered_with_a_sentence(shop, chosen, decision):
    shop.hub.repair("R-1", customer="dana").pending()
    items = [ids(shop, "R-1")[0] if one == "R-1" else one for one in chosen]
    page = shop.alice.submit("/work", "/decide", item=items, decision=decision)
    assert page.status == 422
    assert shop.hub.repair("R-1").row.status == "pending"


def test_one_that_was_decided_meanwhile_is_named_and_the_others_are_done(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").pending()
    repair = shop.hub.repair("R-2", customer="dana", technician="bob").pending()
    page = shop.alice.get("/work")
    repair.completed()
    done = shop.alice.submit(page, "/decide", item=ids(shop, "R-1", "R-2"), decision="approve")
    assert "1 repair approved." in done.text
    assert "Repair R-2 is completed" in done.text


def test_only_a_kind_that_has_batches_is_decided_together(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").pending()
    start = shop.hub.now() + timedelta(days=3)
    facts = {
        "type": "Hot work",
        "work": "Weld",
        "planned_start": start,
        "planned_end": start + timedelta(hours=2),
    }
    people = {"creator": {"id": "bob"}, "approver": {"id": "alice"}}
    shop.hub.post("permit.upsert", {"id": "P-1", "number": "PTW-1", "status": "verified", **people, **facts})
    page = shop.alice.get("/work")
    assert page.html.count('name="item"') == 1
    permit = shop.hub.build.one("SELECT id FROM work_item WHERE kind = 'permit'").id
    done = shop.alice.submit(page, "/decide", item=[*ids(shop, "R-1"), permit], decision="approve")
    assert "1 repair approved." in done.text and "PTW-1 is decided on its own page." in done.text
    assert shop.hub.build.one("SELECT status FROM work_item WHERE kind = 'permit'").status == "verified"


@pytest.mark.proves("C5")
def test_another_offices_repair_cannot_be_decided_on(shop):
    shop.hub.repair("R-1", customer="dana").pending()
    shop.other.repair("H-1").pending()
    shop.charlie.submit("/work", "/decide", item=ids(shop, "R-1"), decision="approve")
    assert shop.hub.repair("R-1").row.status == "pending"


@pytest.mark.proves("F4")
def test_a_technician_cannot_decide_past_the_page(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").pending()
    token = shop.bob.get("/inbox").form("/read-all").fields["csrf_token"][0]
    answer = shop.bob.post("/work/decide", csrf_token=token, item=ids(shop, "R-1"), decision="approve")
    assert answer.status == 403
    assert shop.hub.repair("R-1").row.status == "pending"


def test_after_a_decision_nobody_is_led_off_the_site(shop):
    shop.hub.repair("R-1", customer="dana").pending()
    page = shop.alice.get("/work")
    answer = shop.alice.submit(
        page,
        "/decide",
        follow=False,
        item=ids(shop, "R-1"),
        decision="approve",
        next="https://evil.example/work",
    )
    assert answer.location == "/work"


def test_the_list_costs_as_many_statements_for_thirty_as_for_one(shop, counted):
    many(shop, 1)
    shop.alice.get("/work")
    with counted() as few:
        shop.alice.get("/work")
    many(shop, PAGE)
    with counted() as full:
        shop.alice.get("/work")
    assert len(full.statements) == len(few.statements) <= 8
