"""The private link of somebody who does not sign in: it shows on GET, acts on POST, once, and expires (A17)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notify_app.secrets import Secrets
from tests.conftest import SECRET_KEY

pytestmark = pytest.mark.proves("A17")


def asked(shop, number="R-1"):
    shop.hub.repair(
        number, customer="dana", technician="bob", vehicle="2021 Subaru Outback", price="149.50"
    ).pending()
    return shop.private_path()


def status(shop, number="R-1"):
    return shop.hub.repair(number).row.status


def test_it_shows_the_repair_and_one_button_and_acts_on_nothing(shop):
    path = asked(shop)
    stranger = shop.hub.stranger()
    for _ in range(3):
        page = stranger.get(path)
    assert page.status == 200
    for words in ("2021 Subaru Outback", "R-1", "$149.50", "Approve", "Evergreen Auto Glass"):
        assert words in page.text
    assert status(shop) == "pending"
    assert page.headers["Cache-Control"] == "no-store"


def test_a_customer_approves_and_the_technician_hears_of_it(shop):
    stranger = shop.hub.stranger()
    page = stranger.submit(asked(shop), "/l/" + shop.private_path().removeprefix("/l/"))
    assert page.status == 200 and "Thank you" in page.text
    assert status(shop) == "approved"
    shop.hub.settle()
    shop.hub.inbox("bob").has("repair_approved", priority="urgent")
    assert "by Dana Whitfield" in shop.alice.get(f"/work/{shop.hub.repair('R-1').item_id}").text


def test_it_works_once(shop):
    path = asked(shop)
    stranger = shop.hub.stranger()
    first = stranger.get(path)
    stranger.submit(first, path)
    again = stranger.submit(first, path, answer="deny", reason="I changed my mind")
    assert again.status == 409
    assert "You have answered already" in again.text
    assert status(shop) == "approved"
    later = stranger.get(path)
    assert "You have answered already" in later.text and not later.offers(path)


def test_a_customer_declines_with_a_reason(shop):
    path = asked(shop)
    stranger = shop.hub.stranger()
    page = stranger.get(f"{path}?answer=deny")
    refused = stranger.submit(page, path, reason=" ")
    assert refused.status == 422 and "Give a reason" in refused.text
    assert status(shop) == "pending"
    stranger.submit(refused, path, reason="We claim on insurance first")
    assert status(shop) == "denied"
    shop.hub.settle()
    shop.hub.inbox("bob").has("repair_denied", "We claim on insurance first")


def test_what_the_office_decided_meanwhile_is_told_kindly(shop):
    path = asked(shop)
    stranger = shop.hub.stranger()
    page = stranger.get(path)
    shop.alice.submit(f"/work/{shop.hub.repair('R-1').item_id}", "/deny", reason="Sold")
    late = stranger.submit(page, path)
    assert late.status == 409
    assert status(shop) == "denied"
    assert not late.offers(path)


@pytest.mark.parametrize("answer", ["start", "complete", "reopen", "assign", "", "explode"])
def test_it_answers_what_was_asked_and_nothing_else(shop, answer):
    path = asked(shop)
    stranger = shop.hub.stranger()
    page = stranger.submit(path, path, answer=answer)
    assert page.status == 409
    assert status(shop) == "pending"


def test_it_expires_and_says_so(shop):
    path = asked(shop)
    stranger = shop.hub.stranger()
    page = stranger.get(path)
    shop.hub.world.move(timedelta(days=31))
    late = stranger.submit(page, path)
    assert late.status == 410 and "This link has expired" in late.text
    assert "R-1" not in late.text, "an expired link tells nothing"
    assert stranger.get(path).status == 410
    assert status(shop) == "pending"


@pytest.mark.parametrize(
    "change",
    [lambda t: t[:-1], lambda t: t + "A", lambda t: t[::-1], lambda t: "A" * len(t), lambda t: "x" * 3000],
)
def test_a_token_that_was_not_made_here_leads_nowhere(shop, change):
    token = asked(shop).removeprefix("/l/")
    page = shop.hub.stranger().get(f"/l/{change(token)}")
    assert page.status == 404
    assert "This link leads nowhere" in page.text and "R-1" not in page.text


def test_a_signed_token_without_a_row_leads_nowhere(shop):
    assert shop.hub.stranger().get(f"/l/{Secrets(SECRET_KEY).new_link()}").status == 404


def test_the_button_needs_the_forms_protection(shop):
    path = asked(shop)
    assert shop.hub.stranger().post(path, answer="approve").status == 400
    assert status(shop) == "pending"


def test_somebody_signed_in_elsewhere_can_follow_a_link_too(shop):
    path = asked(shop)
    assert shop.charlie.get(path).status == 200
    shop.charlie.submit(path, path)
    assert status(shop) == "approved"


# --- bound to what its message told of ------------------------------------------------------------------------------


def test_what_has_changed_since_the_message_is_said_before_anything_is_answered(shop):
    path = asked(shop)
    stranger = shop.hub.stranger()
    old = stranger.get(path)
    assert "changed since" not in old.text
    shop.hub.repair("R-1", price="349.00").saved()
    late = stranger.submit(old, path)
    assert late.status == 409 and status(shop) == "pending", "the old price was not the question any more"
    assert "This has changed since our message" in late.text and "Price: $349.00" in late.text
    stranger.submit(late, path)
    assert status(shop) == "approved"


def test_who_does_the_work_is_no_change_that_matters(shop):
    path = asked(shop)
    stranger = shop.hub.stranger()
    old = stranger.get(path)
    shop.hub.repair("R-1").assigned("tess")
    assert "changed since" not in stranger.get(path).text
    assert stranger.submit(old, path).status == 200
    assert status(shop) == "approved"


def test_a_form_without_the_version_it_showed_is_bound_to_the_message(shop):
    path = asked(shop)
    stranger = shop.hub.stranger()
    shop.hub.repair("R-1", price="349.00").saved()
    assert stranger.submit(path, path, version=None).status == 409
    assert stranger.submit(path, path, version="x").status == 409
    assert status(shop) == "pending"


@pytest.mark.proves("E3")
def test_a_guest_cancels_a_booking_from_its_message(shop):
    start = shop.hub.now() + timedelta(hours=30)
    facts = {
        "resource": "Studio 3",
        "start": start,
        "end": start + timedelta(hours=2),
        "guest": {"id": "dana"},
    }
    shop.hub.post("booking.upsert", {"id": "B-1", **facts})
    shop.hub.wait(timedelta(hours=29, minutes=30))
    path = shop.private_path()
    stranger = shop.hub.stranger()
    page = stranger.get(path)
    assert "Studio 3" in page.text and not page.offers(path), "nothing is asked, so no button stands there"
    assert f"{path}?answer=cancel" in page.links
    page = stranger.get(f"{path}?answer=cancel")
    assert "Dana, do you want to cancel?" in page.text
    done = stranger.submit(page, path, reason="We are ill")
    assert done.status == 200 and "We have noted it" in done.text
    row = shop.hub.build.one("SELECT status FROM work_item WHERE external_id = 'B-1'")
    assert row.status == "cancelled"
    assert stranger.submit(page, path).status == 409
    assert "You have answered already" in stranger.get(path).text
