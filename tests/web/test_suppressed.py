"""The page of blocked addresses: found, explained, and opened again by the office, with a reason and never against a person's
own wish."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from tests.pages import Page
from tests.web.conftest import BOB_MAIL, BOB_PHONE, DANA_MAIL, DANA_PHONE, Shop

pytestmark = pytest.mark.proves("A7", "A16", "C7")


def close(
    shop: Shop, channel: str, value: str, kind: str = "bounce", why: str = "mail to it comes back"
) -> UUID:
    shop.hub.build.insert(
        "suppression",
        organisation_id=shop.hub.organisation.id,
        channel=channel,
        value=value,
        reason=why,
        kind=kind,
    )
    found: UUID = shop.hub.build.one("SELECT id FROM suppression WHERE value = :value", value=value).id
    return found


def closed(shop: Shop) -> set[str]:
    return {row.value for row in shop.hub.build.all("SELECT value FROM suppression")}


def said(page: Page) -> str:
    """Its words, with addresses in one piece (they may break behind their @)."""
    return page.text.replace("@ ", "@").replace("@\n", "@")


def test_nothing_is_blocked_at_first(shop):
    assert "No address is blocked" in shop.alice.get("/suppressed").text


def test_it_says_which_address_why_and_whose_and_is_found_by_each(shop):
    one = close(shop, "email", DANA_MAIL)
    close(shop, "sms", BOB_PHONE, "opt_out", "they answered STOP")
    text = said(shop.alice.get("/suppressed"))
    for words in (
        DANA_MAIL,
        "Mail to it comes back",
        "Dana Whitfield",
        BOB_PHONE,
        "They answered STOP",
        "Bob Marsh",
    ):
        assert words in text
    for query in ("q=dana", "q=whitfield", "channel=email", "kind=bounce"):
        found = said(shop.alice.get(f"/suppressed?{query}"))
        assert DANA_MAIL in found, query
        assert BOB_PHONE not in found, query
    assert "No address fits" in shop.alice.get("/suppressed?q=nobody+at+all").text
    page = shop.alice.get(f"/suppressed/{one}")
    assert DANA_MAIL in said(page)
    assert f"/people/{shop.hub.people['dana'].id}" in page.links


def test_what_is_typed_is_looked_for_letter_by_letter(shop):
    close(shop, "email", "front_desk@example.com")
    assert "front_desk@" in said(shop.alice.get("/suppressed?q=front_desk"))
    for nothing in ("front%25desk", "frontxdesk", "%25"):
        assert "No address fits" in shop.alice.get(f"/suppressed?q={nothing}").text, nothing


def test_people_and_the_persons_own_page_lead_there(shop):
    one = close(shop, "email", DANA_MAIL)
    assert "/suppressed" in shop.alice.get("/people").links
    page = shop.alice.get(f"/people/{shop.hub.people['dana'].id}")
    assert f"/suppressed/{one}" in page.links


def test_a_person_sees_that_their_own_address_is_blocked_why_and_what_to_do(shop):
    close(shop, "email", BOB_MAIL)
    close(shop, "sms", BOB_PHONE, "opt_out", "they answered STOP")
    text = shop.bob.get("/preferences").text
    assert "mail to it comes back. Add another address" in text
    assert "they answered STOP. Send START from this phone" in text


def test_it_is_written_to_again_for_a_reason_which_the_record_keeps(shop):
    one = close(shop, "email", DANA_MAIL)
    answer = shop.alice.submit(f"/suppressed/{one}", f"/suppressed/{one}", reason="  ")
    assert answer.status == 422
    assert "Say why it works now" in answer.text
    assert closed(shop) == {DANA_MAIL}
    answer = shop.alice.submit(
        f"/suppressed/{one}", f"/suppressed/{one}", reason="They emptied their mailbox."
    )
    assert "is written to again" in answer.text
    assert closed(shop) == set()
    row = shop.hub.build.one("SELECT * FROM audit WHERE what = 'address.released'")
    assert row.subject_id == shop.hub.people["dana"].id
    assert row.actor_id == shop.hub.people["alice"].id
    assert row.before == {"channel": "email", "address": "d***@example.com", "kind": "bounce"}
    assert row.after == {"reason": "They emptied their mailbox."}
    shop.hub.person("ada", "administrator", name="Ada Quist")
    assert "They emptied their mailbox." in shop.hub.browser("ada").get("/record").text
    # and mail goes there again
    shop.hub.repair("R-1", customer="dana").in_progress()
    assert shop.hub.delivery("dana", "email").state == "sent"
    assert shop.alice.get(f"/suppressed/{one}").status == 404


def test_a_complaint_needs_that_the_person_was_asked(shop):
    one = close(shop, "email", DANA_MAIL, "complaint", "a message to it was reported as spam")
    answer = shop.alice.submit(
        f"/suppressed/{one}", f"/suppressed/{one}", reason="She pressed the wrong button."
    )
    assert answer.status == 422
    assert "Ask them first" in answer.text
    assert "She pressed the wrong button." in answer.text, "what was typed is kept"
    assert closed(shop) == {DANA_MAIL}
    shop.alice.submit(f"/suppressed/{one}", f"/suppressed/{one}", reason="She wants them.", asked="yes")
    assert closed(shop) == set()


def test_nobody_but_the_person_takes_back_that_they_want_no_messages(shop):
    one = close(shop, "sms", DANA_PHONE, "opt_out", "they answered STOP")
    page = shop.alice.get(f"/suppressed/{one}")
    assert "Only they can change that" in page.text
    assert not page.offers(f"/suppressed/{one}")
    token = shop.alice.get("/preferences").form("/preferences").fields["csrf_token"][0]
    answer = shop.alice.post(f"/suppressed/{one}", csrf_token=token, reason="I want it.", asked="yes")
    assert answer.status == 409
    assert closed(shop) == {DANA_PHONE}


def test_what_came_back_before_it_was_opened_again_does_not_count_any_more(shop):
    one = close(shop, "email", DANA_MAIL, "soft_bounces", "5 messages to it came back")
    shop.hub.build.insert(
        "feedback",
        organisation_id=shop.hub.organisation.id,
        channel="email",
        address=DANA_MAIL,
        heard="soft_bounce",
        provider="ses",
        detail="452 mailbox full",
        created_at=shop.hub.now() - timedelta(hours=1),
    )
    assert "452 mailbox full" in shop.alice.get(f"/suppressed/{one}").text
    shop.alice.submit(f"/suppressed/{one}", f"/suppressed/{one}", reason="There is room again.")
    assert [row.counts for row in shop.hub.build.all("SELECT counts FROM feedback")] == [False]


@pytest.mark.proves("C5", "S1")
def test_another_organisation_sees_and_opens_nothing_of_it(shop):
    one = close(shop, "email", DANA_MAIL)
    assert "No address is blocked" in shop.charlie.get("/suppressed").text
    assert shop.charlie.get(f"/suppressed/{one}").status == 404
    token = shop.charlie.get("/preferences").form("/preferences").fields["csrf_token"][0]
    assert shop.charlie.post(f"/suppressed/{one}", csrf_token=token, reason="x").status == 404
    assert closed(shop) == {DANA_MAIL}
