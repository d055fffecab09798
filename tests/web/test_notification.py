"""One notification and its story: why it came, how it was sent, and who may look (invariant 7, A7, A8, C5)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.web.conftest import BOB_PHONE


def opened(shop, browser, key, event):
    return browser.get(f"/inbox/{shop.line(key, event).id}")


@pytest.mark.proves("B5")
def test_opening_ones_own_marks_it_read(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    page = opened(shop, shop.bob, "bob", "repair_approved")
    assert page.status == 200
    assert shop.line("bob", "repair_approved").read_at is not None
    assert f"/jobs/{shop.line('bob', 'repair_approved').item_id}" in page.links


def test_it_says_why_it_came_and_how_it_was_sent(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    text = opened(shop, shop.bob, "bob", "repair_approved").text
    assert "Why you got this" in text
    assert "Repair approved (R-1), reported by" in text
    assert "Its priority is urgent: it goes to the inbox, SMS and email. It is for the technician." in text
    assert "SMS, attempt 1 through sns: accepted." in text
    assert "You have read it." in text
    assert BOB_PHONE not in text, "addresses are masked"


@pytest.mark.proves("A7")
def test_it_names_the_preference_that_kept_a_channel_back(shop):
    shop.hub.build.choose(shop.hub.people["bob"], "category:assignment", "sms", False)
    shop.hub.repair("R-1", customer="dana", technician="bob").pending()
    text = opened(shop, shop.bob, "bob", "repair_assigned").text
    assert "You switched SMS off for Assignments." in text


@pytest.mark.proves("A8")
def test_it_says_until_when_quiet_hours_hold_a_message(shop):
    shop.hub.build.quiet(shop.hub.people["bob"], "22:00", "07:00")
    shop.hub.at("2026-11-24T23:10", "America/Los_Angeles")
    shop.hub.repair("R-1", customer="dana", technician="bob").pending()
    text = opened(shop, shop.bob, "bob", "repair_assigned").text
    assert "Quiet hours: SMS waits until 07:00." in text
    assert "The SMS is to leave at 07:00." in text
    assert "Waiting" in text


@pytest.mark.proves("C5")
def test_a_colleague_and_another_organisation_find_nothing(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    for browser in (shop.tess, shop.charlie, shop.cleo):
        assert opened(shop, browser, "bob", "repair_approved").status == 404
    assert shop.line("bob", "repair_approved").read_at is None


def test_the_office_looks_at_anybodys_and_marks_nothing(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    page = opened(shop, shop.alice, "bob", "repair_approved")
    assert "Why Bob Marsh got this" in page.text
    assert "Sent to Bob Marsh, Technician." in page.text
    assert not page.offers("/unread")
    assert shop.line("bob", "repair_approved").read_at is None


@pytest.mark.proves("A17")
def test_the_office_never_sees_somebody_elses_private_link(shop):
    shop.hub.repair("R-1", customer="dana").pending()
    page = opened(shop, shop.alice, "dana", "repair_pending_approval")
    assert "/l/" not in page.html
    assert f"/work/{shop.line('dana', 'repair_pending_approval').item_id}" in page.links


def test_the_office_sees_who_else_was_told(shop):
    shop.hub.office("anna", name="Anna Berg", email="anna@example.com")
    shop.hub.repair("R-1", customer="dana").approved()
    text = opened(shop, shop.alice, "alice", "not_reached").text
    assert "Who else was told" in text and "Anna Berg" in text


def test_a_technician_does_not_see_who_else_was_told(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    assert "Who else was told" not in opened(shop, shop.bob, "bob", "repair_approved").text


def test_the_office_asks_why_somebody_was_not_told(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    line = shop.line("bob", "repair_approved")
    page = shop.alice.get(f"/inbox/{line.id}?about={shop.hub.people['tess'].id}")
    assert "Tess Okoro was not told." in page.text
    assert "Tess Okoro was never considered: not the technician concerned." in page.text
    assert "was not told" not in shop.bob.get(f"/inbox/{line.id}?about={shop.hub.people['tess'].id}").text
    for odd in ("x", shop.other.people["cleo"].id):
        assert "was not told" not in shop.alice.get(f"/inbox/{line.id}?about={odd}").text


def test_an_urgent_one_can_be_acknowledged_where_it_is_read(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    page = opened(shop, shop.bob, "bob", "repair_approved")
    after = shop.bob.submit(page, "/acknowledge")
    assert "Acknowledged." in after.text
    assert not after.offers("/acknowledge")
    assert shop.line("bob", "repair_approved").acknowledged_at is not None


@pytest.mark.proves("C5")
def test_an_alert_of_ones_other_organisation_can_be_acknowledged_too_and_a_strangers_cannot(shop):
    shop.other.person("bob2", name="Bob Marsh", account_of=shop.hub.people["bob"])
    shop.other.repair("H-7", customer={"id": "x", "name": "Xenia"}, technician="bob2").approved()
    line = shop.hub.build.one("SELECT * FROM notification WHERE name = 'repair_approved'")
    page = shop.bob.get(f"/inbox/{line.id}")
    assert shop.tess.post(page.form("/acknowledge").action).status == 400
    token = shop.tess.get("/inbox").form("/read-all").fields["csrf_token"][0]
    assert shop.tess.post(page.form("/acknowledge").action, csrf_token=token).status == 404
    assert "Acknowledged." in shop.bob.submit(page, "/acknowledge").text


@pytest.mark.proves("A10")
def test_a_message_that_is_being_sent_is_told_as_under_way(shop):
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    shop.hub.build.run("DELETE FROM attempt")
    shop.hub.build.run(
        "UPDATE delivery SET state = 'sending', token = uuidv7(), lease_until = clock_timestamp() + interval '1 hour', "
        "claimed_at = hub_now(), settled_at = NULL WHERE channel = 'sms'"
    )
    page = opened(shop, shop.bob, "bob", "repair_approved")
    assert "SMS, attempt 1 through sns: is under way." in page.text
    assert "Being sent" in page.text


@pytest.mark.proves("A9", "A10")
def test_a_number_that_is_none_is_told_as_a_failure_with_its_attempt(shop):
    shop.hub.person("mia", name="Mia Lund", sms="12345")
    shop.hub.repair("R-1", customer="dana", technician="mia").pending()
    text = opened(shop, shop.alice, "mia", "repair_assigned").text
    assert "SMS, attempt 1 through sns: refused for good" in text
    assert "Failed" in text


def test_times_are_in_the_readers_own_zone(shop):
    shop.hub.build.run(
        "UPDATE person SET zone = 'Europe/Berlin' WHERE id = :id", id=shop.hub.people["bob"].id
    )
    shop.hub.at("2026-11-24T12:00", "UTC")
    shop.hub.repair("R-1", customer="dana", technician="bob").approved()
    shop.hub.world.move(timedelta(minutes=5))
    html = opened(shop, shop.bob, "bob", "repair_approved").html
    assert "24 November 2026, 13:00" in html
    assert "5 min ago" in html
