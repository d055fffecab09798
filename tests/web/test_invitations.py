"""Nobody is joined to an organisation without their consent, and no administrator learns who has an account (S9, C5)."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest

from tests.builders import PASSWORD
from tests.web.test_people import FIRST, ada, added, invited, link_of, path, row  # noqa: F401  (the fixture)

pytestmark = pytest.mark.proves("C5", "F4", "S9")

CLEO = "cleo@harbor.example.com"


class Asked(NamedTuple):
    """An invitation that waits: the path of its person's page, and its link."""

    path: str
    link: str


@pytest.fixture
def asked(shop, ada) -> Asked:  # noqa: F811
    """Cleo of Harbor Glass is invited by the shop."""
    where = added(shop, ada, name="Cleo P.", role="technician", phone="+12025550177")
    return Asked(where, link_of(invited(ada, where, CLEO.upper())))


def decide(browser, do: str) -> Any:
    page = browser.get("/invitations")
    action = next(form.action for form in page.forms if form.path.startswith("/invitations/"))
    return browser.submit(page, action, do=do)


def plain(page: Any) -> str:
    """A page without what is another each time."""
    text = re.sub(r'name="csrf_token" value="[^"]*"', "", page.html)
    text = re.sub(
        r'<meta name="csrf-token"[^>]*>|/welcome/[\w-]+|(datetime|title|data-cursor)="[^"]*"', "", text
    )
    return re.sub(r"[\w*-]+@[\w.-]+|[0-9a-f-]{36}", "", text)


# --- consent -------------------------------------------------------------------------------------------------------


def test_who_signs_in_elsewhere_sees_nothing_before_they_accept_and_everything_after(shop, asked):
    shop.hub.post("emergency.raised", {"alert_message": "Fire in bay 2", "location": "Bay 2"})
    cleo = shop.cleo
    assert "Fire in bay 2" not in cleo.get("/inbox").text
    for place in ("/inbox", "/preferences", "/work"):
        page = cleo.get(place)
        assert "Evergreen Auto Glass asks you to join." in page.text and not page.offers("/organisation")
    assert row(shop, "Cleo P.").account_id is None
    assert shop.hub.build.one("SELECT count(*) AS n FROM account WHERE email = :mail", mail=CLEO).n == 1
    page = cleo.get("/invitations")
    for said in ("Evergreen Auto Glass", "Technician", "Invited by Ada Quist", "Cleo P."):
        assert said in page.text
    cleo.get(asked.link)
    page = decide(cleo, "accept")
    assert "Evergreen Auto Glass is among your organisations now." in page.text
    assert "asks you to join" not in page.text and page.offers("/organisation")
    assert row(shop, "Cleo P.").account_id == shop.other.people["cleo"].account_id
    assert "Fire in bay 2" in cleo.get("/inbox").text
    again = shop.hub.stranger()
    again.sign_in(CLEO, PASSWORD)
    assert "Harbor Glass" in again.get("/inbox").text


def test_a_no_leaves_nothing_of_the_holder_but_the_word(shop, ada, asked):  # noqa: F811
    page = decide(shop.cleo, "decline")
    assert "You have declined" in page.text and "asks you to join" not in page.text
    page = ada.get(asked.path)
    assert "Declined" in page.text and "cleo@" not in page.html.lower()
    assert "Invitation" not in shop.cleo.get("/inbox").text and row(shop, "Cleo P.").account_id is None
    kept = shop.hub.build.one("SELECT * FROM invitation")
    assert (kept.outcome, kept.email, kept.token_hash) == ("declined", None, None)
    line = shop.hub.build.one("SELECT * FROM audit WHERE what = 'person.declined'")
    assert (line.who, line.actor_id, line.after) == ("link", None, None)
    assert "The invitation was declined." in ada.get("/record").text


def test_only_who_has_the_address_decides_and_only_while_it_waits(shop, asked):
    (waiting,) = shop.hub.build.all("SELECT id FROM invitation")
    token = shop.bob.get("/preferences").form("/preferences").fields["csrf_token"][0]
    for do in ("accept", "decline"):
        answer = shop.bob.post(f"/invitations/{waiting.id}", do=do, csrf_token=token)
        assert answer.status == 404
    assert "No invitation waits" in shop.bob.get("/invitations").text
    cleo = shop.cleo
    token = cleo.get("/preferences").form("/preferences").fields["csrf_token"][0]
    assert cleo.post(f"/invitations/{waiting.id}", do="maybe", csrf_token=token).status == 404
    decide(cleo, "decline")
    assert cleo.post(f"/invitations/{waiting.id}", do="accept", csrf_token=token).status == 404
    assert row(shop, "Cleo P.").account_id is None


def test_an_invitation_is_taken_back_by_the_inviter_and_ends_with_who_has_left(shop, ada, asked):  # noqa: F811
    assert "Invited" in ada.get(asked.path).text
    ada.submit(asked.path, f"{asked.path}/sign-in", do="part")
    assert "asks you to join" not in shop.cleo.get("/inbox").text
    invited(ada, asked.path, CLEO)
    assert "asks you to join" in shop.cleo.get("/inbox").text
    ada.submit(asked.path, f"{asked.path}/left")
    assert "asks you to join" not in shop.cleo.get("/inbox").text
    outcomes = [one.outcome for one in shop.hub.build.all("SELECT outcome FROM invitation")]
    assert outcomes == ["withdrawn", "withdrawn"]


def test_without_its_link_it_can_be_declined_and_not_accepted(shop, asked):
    """Whoever made an address's account need not be who reads it: only what was handed over proves that."""
    (waiting,) = shop.hub.build.all("SELECT id FROM invitation")
    cleo = shop.cleo
    page = cleo.get("/invitations")
    assert "To accept, open the link that Evergreen Auto Glass has given you" in page.text
    assert 'value="accept"' not in page.html and 'value="decline"' in page.html
    page = decide(cleo, "accept")
    assert "only with it can you accept" in page.text
    assert row(shop, "Cleo P.").account_id is None
    cleo.get(asked.link)
    assert 'value="accept"' in cleo.get("/invitations").html
    shop.hub.build.run("UPDATE invitation SET expires_at = hub_now() - interval '1 second'")
    assert "No invitation waits" in cleo.get("/invitations").text
    assert "asks you to join" not in cleo.get("/inbox").text
    token = cleo.get("/preferences").form("/preferences").fields["csrf_token"][0]
    assert cleo.post(f"/invitations/{waiting.id}", do="accept", csrf_token=token).status == 404
    assert row(shop, "Cleo P.").account_id is None


# --- the link ------------------------------------------------------------------------------------------------------


def test_who_has_an_account_accepts_behind_the_link_with_its_password_also_when_they_are_nobody_anywhere(
    shop,
    ada,  # noqa: F811
):
    where = added(shop, ada, name="Cleo P.")
    link = link_of(invited(ada, where, CLEO))
    shop.hub.build.run("UPDATE person SET left_at = hub_now() WHERE name = 'Cleo Park'")
    guest = shop.hub.stranger()
    for wrong in ("x", FIRST):
        page = guest.submit(link, link, password=wrong)
        assert page.status == 422 and row(shop, "Cleo P.").account_id is None
    assert guest.submit(link, link, password=PASSWORD).status == 200
    assert "Cleo P." in guest.get("/inbox").text
    assert shop.hub.stranger().get(link).status == 404
    shop.hub.stranger().sign_in(CLEO, PASSWORD)


def test_who_is_signed_in_is_led_to_the_decision_and_somebody_else_is_told_to_sign_out(shop, ada):  # noqa: F811
    link = link_of(invited(ada, added(shop, ada, name="Cleo P."), CLEO))
    assert shop.cleo.get(link, follow=False).location == "/invitations"
    page = ada.get(link)
    assert "Sign out first" in page.text and not page.offers(link)
    assert row(shop, "Cleo P.").account_id is None, "looking decides nothing"


def test_the_inviter_sees_the_same_whether_or_not_there_is_an_account(shop, ada):  # noqa: F811
    pages: dict[str, list[str]] = {}
    shop.hub.build.account("disabled@example.com", "X")
    shop.hub.build.run("UPDATE account SET disabled_at = hub_now() WHERE email = 'disabled@example.com'")
    for email in (CLEO, "nobody@example.com", "disabled@example.com"):
        where = added(shop, ada)
        page = invited(ada, where, email)
        link, guest = link_of(page), shop.hub.stranger()
        seen = [page, ada.get(where), ada.get("/people"), ada.get(link), guest.get(link)]
        seen.append(guest.submit(link, link, password="short"))
        pages[email] = [f"{one.status} {plain(one)}" for one in seen]
        ada.submit(where, f"{where}/sign-in", do="part")
        shop.hub.build.run("DELETE FROM audit")
        shop.hub.build.run("DELETE FROM person WHERE name = 'Nina Vale'")
    for known, new, disabled in zip(*pages.values(), strict=True):
        assert known.splitlines() == new.splitlines() == disabled.splitlines()


def test_no_administrator_takes_over_a_sign_in(shop, ada):  # noqa: F811
    link = link_of(invited(ada, added(shop, ada, name="Cleo P."), CLEO))
    before = shop.hub.build.one("SELECT password_hash FROM account WHERE email = :mail", mail=CLEO)
    assert shop.hub.stranger().submit(link, link, password=FIRST).status == 422
    after = shop.hub.build.one("SELECT password_hash FROM account WHERE email = :mail", mail=CLEO)
    assert before == after
    assert "Evergreen" not in shop.cleo.get("/inbox").text.replace("Evergreen Auto Glass asks", "")


def test_the_passwords_of_an_address_are_tried_no_oftener_than_at_the_door(shop, ada, app):  # noqa: F811
    where = added(shop, ada, name="Cleo P.")
    statuses = []
    for number in range(11):
        link = link_of(invited(ada, where, CLEO))
        guest = shop.hub.stranger()
        guest.client.environ_base["REMOTE_ADDR"] = f"10.0.0.{number}"
        statuses.append(guest.submit(link, link, password=f"{FIRST} {number}").status)
    assert statuses == [422] * 10 + [429]


def test_an_address_waits_for_one_person_of_an_organisation(shop, ada, asked):  # noqa: F811
    page = invited(ada, added(shop, ada), CLEO)
    assert page.status == 422 and "invited as Cleo P. here already" in page.text
    shop.cleo.get(asked.link)
    decide(shop.cleo, "accept")
    page = invited(ada, path(shop, "bob"), "bob2@example.com")
    assert page.status == 422 and "signs in already" in page.text


def test_two_organisations_may_invite_one_new_address_and_its_holder_chooses(shop, ada):  # noqa: F811
    link = link_of(invited(ada, added(shop, ada), "nina@example.com"))
    shop.other.person("zed", "administrator", name="Zed Admin")
    zed = shop.other.browser("zed")
    zed.submit("/people/new", "/people/new", name="N. Vale", role="technician")
    theirs = f"/people/{row(shop, 'N. Vale').id}"
    second = link_of(invited(zed, theirs, "Nina@example.com"))
    nina = shop.hub.stranger()
    page = nina.submit(link, link, password=FIRST)
    assert "Harbor Glass asks you to join." in page.text
    assert nina.get(second, follow=False).location == "/invitations"
    decide(nina, "accept")
    assert row(shop, "N. Vale").account_id == row(shop, "Nina Vale").account_id is not None
