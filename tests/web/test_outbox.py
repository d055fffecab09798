"""The outbox of a machine without providers: every message as its recipient would see it, for the office alone."""

from __future__ import annotations

import re

import pytest

from notify_app.web.outbox import PAGE


@pytest.fixture
def local(shop):
    """Messages stay on this machine."""
    shop.hub.over("local")
    return shop


def rows(page):
    return re.findall(r'href="/outbox\?[^"]*message=([0-9a-f-]{36})"', page.html)


def open_first(shop, query):
    page = shop.alice.get(f"/outbox?{query}")
    return shop.alice.get(f"/outbox?{query}&message={rows(page)[0]}")


def test_an_empty_outbox_says_what_would_fill_it(shop):
    assert "Nothing has been sent yet" in shop.alice.get("/outbox").text


def test_an_sms_is_shown_with_its_parts_and_price(local):
    local.hub.repair("R-1", customer="dana", technician="bob").approved()
    text = open_first(local, "channel=sms").text
    assert "R-1 is approved" in text or "New job R-1" in text
    assert re.search(r"Segments 1 Characters \d+ / 160 GSM-7 Price \$0\.00645", text)


def test_earlier_sms_to_the_same_phone_stand_above(local):
    for number in ("R-1", "R-2"):
        local.hub.repair(number, technician="bob").pending()
    text = open_first(local, "channel=sms").text
    assert text.rindex("New job R-1") < text.rindex("New job R-2")


def test_a_mail_is_shown_in_a_frame_of_its_own_that_runs_nothing(local):
    local.hub.repair("R-1", customer="dana", technician="bob").approved()
    page = open_first(local, "channel=email")
    frame = re.search(r'<iframe[^>]+sandbox="([^"]*)"[^>]+src="([^"]+)"', page.html)
    assert frame and "allow-scripts" not in frame[1] and "allow-same-origin" not in frame[1]
    alone = local.alice.get(frame[2])
    policy = alone.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy and "frame-ancestors 'self'" in policy
    assert "R-1" in alone.html and "X-Frame-Options" not in alone.headers


def test_what_waits_and_what_failed_is_found(local):
    local.hub.person("mia", name="Mia Lund", sms="12345")
    local.hub.build.quiet(local.hub.people["tess"], "00:00", "23:59")
    local.hub.at("2026-11-24T12:00", "America/Los_Angeles")
    local.hub.repair("R-1", technician="mia").pending()
    local.hub.repair("R-2", technician="tess").pending()
    failed = local.alice.get("/outbox?state=failed")
    assert "Mia Lund" in failed.text and len(set(rows(failed))) == 1
    assert local.alice.get("/outbox?state=waiting").status == 200


def test_one_that_has_not_left_says_so_beside_its_words(local):
    local.hub.repair("R-1", customer="dana", technician="bob").approved()
    assert "Why was this not sent?" not in open_first(local, "channel=email").text
    local.hub.build.run("UPDATE delivery SET state = 'suppressed', reason = 'budget' WHERE channel = 'email'")
    text = open_first(local, "channel=email").text
    assert "Why was this not sent?" in text and text.count("Blocked") > 1, "in the list, and beside the mail"


def test_one_persons_messages_are_found(local):
    local.hub.repair("R-1", customer="dana", technician="bob").pending()
    page = local.alice.get(f"/outbox?person={local.hub.people['dana'].id}")
    assert len(set(rows(page))) == 1


def test_messages_that_really_left_are_not_shown(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    assert rows(shop.alice.get("/outbox")) == []


@pytest.mark.proves("C5", "F4")
def test_it_is_for_the_office_of_the_organisation(local):
    local.hub.repair("R-1", customer="dana", technician="bob").approved()
    delivery = local.hub.delivery("bob", "email")
    assert local.bob.get("/outbox").status == 403
    assert local.bob.get(f"/outbox/{delivery.id}/frame").status == 403
    assert rows(local.charlie.get(f"/outbox?message={delivery.id}")) == []
    assert local.charlie.get(f"/outbox/{delivery.id}/frame").status == 404


def test_a_frame_of_an_sms_is_not_there(local):
    local.hub.repair("R-1", technician="bob").pending()
    assert local.alice.get(f"/outbox/{local.hub.delivery('bob', 'sms').id}/frame").status == 404


def test_older_messages_follow(local):
    for number in range(PAGE // 2 + 2):
        local.hub.repair(f"R-{number}", customer="dana", technician="bob").pending()
    first = local.alice.get("/outbox")
    older = re.search(r'rel="next" href="([^"]+)"', first.html)[1].replace("&amp;", "&")
    second = local.alice.get(older)
    assert not set(rows(first)) & set(rows(second)) and len(set(rows(first))) == PAGE
    newer = re.search(r'rel="prev" href="([^"]+)"', second.html)[1].replace("&amp;", "&")
    assert set(rows(local.alice.get(newer))) == set(rows(first))


@pytest.mark.parametrize(
    "query",
    [
        "before=x",
        "person=x",
        "channel=x",
        "state=x",
        "message=x",
        "before=2026-01-01T00:00:00_" + "0" * 32,
    ],
)
def test_an_address_that_makes_no_sense_shows_the_list(shop, query):
    assert shop.alice.get(f"/outbox?{query}").status == 200


@pytest.mark.proves("A8")
def test_a_collected_message_is_shown_with_what_it_carries(local):
    local.hub.build.quiet(local.hub.people["bob"], "22:00", "07:00")
    local.hub.at("2026-11-24T23:00", "America/Los_Angeles")
    for number in ("R-1", "R-2", "R-3"):
        local.hub.repair(number, technician="bob").pending()
    local.hub.at("2026-11-25T07:00", "America/Los_Angeles")
    page = local.alice.get("/outbox?channel=sms")
    (message,) = set(rows(page))
    shown = local.alice.get(f"/outbox?channel=sms&message={message}")
    assert "3 messages while it was quiet" in shown.text
    assert "It carries 3 messages" in shown.text
    assert shown.html.count('href="/inbox/') == 3
