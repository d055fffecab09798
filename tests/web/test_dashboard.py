"""The office at a glance: figures that are true and lead somewhere, alerts that end, nothing of other offices (F2, B5)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest


def figures(page):
    found = re.findall(
        r'data-key="(\w+)">.*?class="cover" href="([^"]+)".*?figure-value">\s*(\d+)\s*<', page.html, re.DOTALL
    )
    return {key: (int(value), url.replace("&amp;", "&")) for key, url, value in found}


def numbers(page):
    return {key: value for key, (value, _url) in figures(page).items()}


def test_an_empty_office_is_calm(shop):
    page = shop.alice.get("/dashboard")
    keys = ("overdue", "waiting", "approval", "unheld", "unread_urgent", "not_reached", "failed", "late")
    assert numbers(page) == dict.fromkeys(keys, 0)
    for words in ("No active alerts", "No work yet", "No events yet", "None in the last 24 hours."):
        assert words in page.text


@pytest.mark.proves("F2")
def test_the_figures_are_what_happened(shop):
    shop.hub.person("mia", name="Mia Lund", sms="12345")
    shop.hub.repair("R-1", customer="dana").pending()
    shop.hub.repair("R-2", customer="dana").approved()
    shop.hub.repair("R-3", customer="dana", technician="mia").pending()
    shop.hub.repair("R-4", customer="dana", technician="bob").approved()
    assert numbers(shop.alice.get("/dashboard")) == {
        "overdue": 0,
        "waiting": 2,
        "approval": 2,
        "unheld": 1,
        "unread_urgent": 1,
        "not_reached": 1,
        "failed": 1,
        "late": 0,
    }


@pytest.mark.proves("F2", "D2")
def test_the_figures_count_all_kinds_and_are_as_long_as_their_lists(shop):
    shop.hub.person("vera", name="Vera Lund")
    shop.hub.repair("R-1", customer="dana").pending()
    start, end = shop.hub.now() + timedelta(days=2), shop.hub.now() + timedelta(days=3)
    facts = {"type": "Hot work", "work": "Weld the rail", "planned_start": start, "planned_end": end}
    shop.hub.post("permit.upsert", {"id": "P-1", "status": "submitted", "creator": {"id": "bob"}, **facts})
    people = {"creator": {"id": "bob"}, "verifier": {"id": "vera"}}
    shop.hub.post("permit.upsert", {"id": "P-2", "status": "submitted", **people, **facts})
    shop.hub.post("work_order.upsert", {"id": "W-1", "work": "Replace the pump"})
    shop.hub.world.move(timedelta(hours=5))
    found = figures(shop.alice.get("/dashboard"))
    assert {key: found[key][0] for key in ("overdue", "waiting", "approval", "unheld")} == {
        "overdue": 2,
        "waiting": 3,
        "approval": 1,
        "unheld": 2,
    }
    for key in ("overdue", "waiting", "approval", "unheld"):
        value, url = found[key]
        rows = re.findall(r'class="cover" href="/work/', shop.alice.get(url).html)
        assert len(rows) == value, (key, url)


def test_each_figure_leads_to_a_page_that_is_there(shop):
    shop.hub.repair("R-2", customer="dana").approved()
    page = shop.alice.get("/dashboard")
    for _value, url in figures(page).values():
        assert shop.alice.get(url.split("#")[0]).status == 200
    assert "R-2" in shop.alice.get(figures(page)["unheld"][1]).text
    assert "R-2" in shop.alice.get(figures(page)["not_reached"][1]).text


def test_every_link_of_the_page_leads_somewhere(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    shop.hub.repair("R-2", customer="dana").approved()
    links = {link.split("#")[0] for link in shop.alice.get("/dashboard").links if link.startswith("/")}
    assert len(links) > 8
    assert [link for link in links if shop.alice.get(link).status != 200] == []


@pytest.mark.proves("C5")
def test_another_office_sees_none_of_it(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    page = shop.charlie.get("/dashboard")
    assert "R-1" not in page.text and not any(numbers(page).values())


@pytest.mark.proves("F4")
def test_it_is_for_the_office(shop):
    assert shop.bob.get("/dashboard").status == 403


@pytest.mark.proves("B5")
def test_an_alert_stays_when_read_and_ends_when_acknowledged(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    shop.bob.get(f"/inbox/{shop.line('bob', 'repair_approved').id}")
    page = shop.alice.get("/dashboard")
    assert "Bob Marsh: read" in page.text
    after = shop.alice.submit(page, "/acknowledge")
    assert "No active alerts" in after.text


@pytest.mark.proves("B5")
def test_an_alert_ends_when_its_repair_is_closed(shop):
    repair = shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    assert "Approved: R-1" in shop.alice.get("/dashboard").text
    repair.completed()
    assert "No active alerts" in shop.alice.get("/dashboard").text


def test_the_chart_counts_what_left_by_hour_and_channel(shop):
    shop.hub.person("mia", name="Mia Lund", sms="12345")
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    shop.hub.repair("R-2", customer="dana", technician="mia").pending()
    html = shop.alice.get("/dashboard").html
    assert "Email by the hour: 2 sent, 0 waiting, 0 failed" in html, (
        "Bob's approval, and the office hears of Mia"
    )
    assert re.search(r"SMS by the hour: \d+ sent, 0 waiting, 1 failed", html)
    shop.hub.world.move(timedelta(hours=30))
    assert "SMS by the hour: 0 sent, 0 waiting, 0 failed" in shop.alice.get("/dashboard").html


def test_a_webhook_that_its_repair_refuses_is_seen_under_health(shop):
    shop.hub.repair("R-1", customer="dana").completed()
    shop.hub.post("repair.upsert", {"id": "R-1", "status": "pending"})
    assert "1 was refused" in shop.alice.get("/dashboard").text


def test_it_costs_as_many_statements_for_much_as_for_little(shop, counted):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    shop.alice.get("/dashboard")
    with counted() as few:
        shop.alice.get("/dashboard")
    for number in range(2, 8):
        shop.hub.repair(f"R-{number}", customer="dana", technician="tess").approved()
    with counted() as many:
        shop.alice.get("/dashboard")
    assert len(many.statements) == len(few.statements) <= 14
