"""A17: a customer may sign in; who does not gets a signed link, which shows on GET and acts only on its button."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.stories.conftest import DANA_PHONE, MARCO_MAIL, MARCO_PHONE

pytestmark = pytest.mark.proves("A17")


@pytest.fixture
def asked(shop):
    """A repair that waits for Dana, and the path of the link that she was sent."""
    repair = shop.repair("R-1", customer="dana", technician="marco", vehicle="2021 Subaru Outback").pending()
    link = next(word for word in shop.sms(DANA_PHONE).says("R-1").text.split() if word.startswith("https://"))
    shop.forget()
    return repair, link.removeprefix("https://hub.example.com")


def test_the_link_shows_the_repair_to_somebody_who_is_not_signed_in(shop, asked):
    _, path = asked
    page = shop.stranger().get(path)
    assert page.status == 200
    assert "2021 Subaru Outback" in page.text
    assert "R-1" in page.text
    assert "Marco" not in page.text, "no more of others than the repair's facts"


def test_looking_never_acts_however_often_a_scanner_does_it(shop, asked):
    repair, path = asked
    for method in ("GET", "HEAD"):
        for _ in range(3):
            assert (
                shop.stranger()
                .client.open(path, method=method, base_url="https://hub.example.com")
                .status_code
                == 200
            )
    assert shop.stranger().get(f"{path}?answer=approve").status == 200
    assert repair.row.status == "pending"
    shop.settle()
    shop.silence()


def test_the_button_approves_and_the_technician_hears_of_it(shop, asked):
    repair, path = asked
    done = shop.stranger().submit(path, path)
    assert "Thank you" in done.text
    shop.settle()
    assert repair.row.status == "approved"
    shop.sms(MARCO_PHONE).says("R-1 is approved")
    shop.mail(MARCO_MAIL).says("Approved: R-1")
    shop.inbox("marco").has("repair_approved")
    shop.silence()


def test_the_other_answer_denies_with_a_reason_and_asks_for_one(shop, asked):
    repair, path = asked
    stranger = shop.stranger()
    page = stranger.get(f"{path}?answer=deny")
    again = stranger.submit(page, path, reason="")
    assert again.status == 422
    assert repair.row.status == "pending"
    stranger.submit(again, path, reason="I sell the car")
    shop.settle()
    shop.sms(MARCO_PHONE).says("denied", "I sell the car")
    shop.mail(MARCO_MAIL).says("I sell the car")
    shop.inbox("marco").has("repair_denied", "I sell the car")
    shop.silence()


def test_an_answer_without_the_pages_own_token_is_refused(shop, asked):
    repair, path = asked
    assert shop.stranger().post(path, answer="approve").status == 400
    assert repair.row.status == "pending"
    shop.silence()


def test_a_second_answer_changes_nothing_and_says_how_it_stands(shop, asked):
    repair, path = asked
    stranger = shop.stranger()
    page = stranger.get(path)
    stranger.submit(page, path)
    shop.settle()
    shop.forget()
    late = stranger.submit(page, path)
    assert late.status == 409
    assert "answered already" in late.text
    assert "Approved" in stranger.get(path).text
    shop.settle()
    assert repair.row.version == 2
    shop.silence()


def test_what_the_office_decided_meanwhile_is_not_asked_any_more(shop, asked):
    repair, path = asked
    repair.approved()
    shop.forget()
    page = shop.stranger().get(path)
    assert not page.offers(path)
    shop.silence()


def test_a_link_is_worth_nothing_after_a_month(shop, asked):
    repair, path = asked
    stranger = shop.stranger()
    page = stranger.get(path)
    shop.jump(timedelta(days=31))
    assert stranger.get(path).status == 410
    assert stranger.submit(page, path).status == 410
    assert "Subaru" not in stranger.get(path).text
    assert repair.row.status == "pending"
    shop.silence()


@pytest.mark.parametrize("change", ["cut", "turned", "swapped", "other"])
def test_a_link_that_was_not_made_here_opens_nothing(shop, asked, change):
    _, path = asked
    token = path.removeprefix("/l/")
    forged = {
        "cut": token[:-1],
        "turned": token[:-1] + ("A" if token[-1] != "A" else "B"),
        "swapped": ("A" if token[0] != "A" else "B") + token[1:],
        "other": "A" * len(token),
    }[change]
    page = shop.stranger().get(f"/l/{forged}")
    assert page.status == 404
    assert "Subaru" not in page.text
    assert shop.stranger().post(f"/l/{forged}", answer="approve").status in (400, 404)


def test_a_withdrawn_link_opens_nothing(shop, asked):
    _, path = asked
    shop.build.run("DELETE FROM link")
    assert shop.stranger().get(path).status == 404


def test_a_customer_who_signs_in_has_an_inbox_and_answers_on_their_own_page(shop):
    shop.customer("kim", name="Kim Lee", sms="+12025550104", signs_in=True)
    repair = shop.repair("R-1", customer="kim", technician="marco").pending()
    sms = shop.sms("+12025550104").says("R-1")
    assert "/l/" not in sms.text
    shop.inbox("kim").has("repair_pending_approval")
    shop.forget()
    kim = shop.browser("kim")
    assert "R-1" in kim.get("/inbox").text
    kim.submit(f"/repairs/{repair.item_id}", "/approve")
    shop.settle()
    assert repair.row.status == "approved"
    shop.sms(MARCO_PHONE).says("R-1 is approved")
    shop.mail(MARCO_MAIL).says("R-1")
    shop.inbox("marco").has("repair_approved")
    shop.silence()


def test_a_customer_cannot_see_or_decide_what_is_somebody_elses(shop, asked):
    repair, _ = asked
    shop.customer("kim", signs_in=True)
    kim = shop.browser("kim")
    assert kim.get(f"/repairs/{repair.item_id}").status == 404
    assert kim.get(f"/work/{repair.item_id}").status == 404
    token = kim.get("/preferences").form("/preferences").fields["csrf_token"][0]
    sent = kim.post(f"/repairs/{repair.item_id}/approve", csrf_token=token)
    assert sent.status == 404
    assert repair.row.status == "pending"
    shop.silence()


def test_a_customer_cannot_do_the_technicians_work(shop):
    shop.customer("kim", signs_in=True, sms="+12025550104")
    repair = shop.repair("R-1", customer="kim", technician="marco").approved()
    shop.forget()
    kim = shop.browser("kim")
    page = kim.get(f"/repairs/{repair.item_id}")
    assert not page.offers("/start")
    token = kim.get("/preferences").form("/preferences").fields["csrf_token"][0]
    assert (
        kim.post(f"/repairs/{repair.item_id}/start", csrf_token=token, version=repair.row.version).status
        == 403
    )
    assert repair.row.status == "approved"
    shop.silence()
