"""A person's own order of their channels: what is not urgent comes by the first that works, what is urgent by several, and
on to the next in that order."""

from __future__ import annotations

import pytest

from tests.stories.conftest import DANA_MAIL, MARCO_MAIL, MARCO_PHONE, PRIYA_MAIL

pytestmark = pytest.mark.proves("A7", "A15")


def prefers(shop, channel, key="marco"):
    """They put a channel one place earlier, with the button of the page."""
    browser = shop.browser(key)
    page = browser.get("/preferences")
    form = next(
        one
        for one in page.forms
        if one.path.endswith("/order")
        and one.fields.get("channel") == [channel]
        and one.fields["direction"] == ["up"]
    )
    return browser._send(form.action, form.fields, follow=True)


def job(shop, id="R-1"):
    """A HIGH message, SMS as the hub has it."""
    repair = shop.repair(id, customer="dana").in_progress()
    shop.mail(DANA_MAIL).says(id)
    repair.assigned("marco")


def test_what_is_not_urgent_comes_by_the_channel_that_they_put_first(shop):
    assert "Email comes first now." in prefers(shop, "email").text
    job(shop)
    shop.mail(MARCO_MAIL).says("New job")
    shop.sms(MARCO_PHONE).nothing()
    line = shop.inbox("marco").has("repair_assigned")
    assert shop.decisions("marco", "repair_assigned") == {
        "inapp": ("told", "in_inbox"),
        "email": ("told", "own_order"),
    }
    said = shop.browser("marco").get(f"/inbox/{line.id}").text
    assert "It goes by email, which comes first in your own order." in said
    assert "Channels in the order Email, SMS." in shop.browser("marco").get("/preferences").text
    shop.forget()


def test_where_the_first_does_not_work_the_next_is_taken(shop):
    prefers(shop, "email")
    shop.build.suppress(shop.organisation, "email", MARCO_MAIL)
    job(shop)
    shop.sms(MARCO_PHONE).says("New job")
    shop.forget()


def test_what_is_urgent_comes_by_all_of_them_whatever_the_order(shop):
    prefers(shop, "email")
    shop.repair("R-2", technician="marco").approved()
    shop.sms(MARCO_PHONE).says("R-2")
    shop.mail(MARCO_MAIL).says("R-2")
    shop.forget()


def test_a_channel_that_they_switched_off_is_passed_over(shop):
    shop.person(
        "quinn", email="quinn@example.com", sms="+12025550108", off=[("category:assignment", "email")]
    )
    prefers(shop, "email", "quinn")
    repair = shop.repair("R-3", customer="dana").in_progress()
    repair.assigned("quinn")
    shop.sms("+12025550108").says("New job")
    shop.mail("quinn@example.com").nothing()
    shop.forget()


def test_the_usual_order_comes_back(shop):
    prefers(shop, "email")
    marco = shop.browser("marco")
    reset = next(one for one in marco.get("/preferences").forms if one.fields.get("direction") == ["reset"])
    assert "usual order again" in marco._send(reset.action, reset.fields, follow=True).text
    job(shop)
    shop.sms(MARCO_PHONE).says("New job")
    shop.forget()


@pytest.mark.proves("C8")
def test_a_broadcast_follows_the_same_order(shop):
    shop.build.run(
        "INSERT INTO preference (organisation_id, person_id, channel_order) VALUES (:org, :id, '{fax,sms,email}')",
        org=shop.organisation.id,
        id=shop.people["marco"].id,
    )
    shop.post(
        "announcement.send", {"title": "Closed", "message": "At noon.", "audience": {"roles": ["technician"]}}
    )
    shop.settle()
    shop.sms(MARCO_PHONE).says("Closed")
    shop.mail(MARCO_MAIL).nothing()
    shop.mail(PRIYA_MAIL).says("Closed")
    rows = shop.build.all(
        "SELECT channel, reason, people FROM decision WHERE channel <> 'inapp' ORDER BY channel"
    )
    assert [tuple(row) for row in rows] == [("email", "priority_channel", 1), ("sms", "own_order", 1)]
    shop.forget()


def test_what_is_not_known_here_is_passed_over(shop):
    marco = shop.browser("marco")
    token = marco.get("/preferences").form("/order").fields["csrf_token"][0]
    for channel, direction in (("fax", "up"), ("", ""), ("inapp", "down")):
        assert (
            marco.post("/preferences/order", csrf_token=token, channel=channel, direction=direction).status
            == 303
        )
    job(shop)
    shop.sms(MARCO_PHONE).says("New job")
    shop.forget()
