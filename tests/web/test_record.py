"""The record of changes: every change of people, preferences and settings has its line, which nobody can alter (C7)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from notify_app import tenancy
from notify_app.extensions import db
from tests.web.conftest import BOB_MAIL, BOB_PHONE
from tests.web.test_people import ada, path  # noqa: F401  (the fixture)

pytestmark = pytest.mark.proves("C7")


def lines(shop) -> list[Any]:
    """All lines of the shop, oldest first."""
    return shop.hub.build.all(
        "SELECT * FROM audit WHERE organisation_id = :org ORDER BY id", org=shop.hub.organisation.id
    )


def saved(browser, **fields) -> None:
    """Quiet hours from ten to seven on every day, or as said."""
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    usual = {"on": "1", "start": "22:00", "end": "07:00", "days": days, "zone": "America/Los_Angeles"}
    browser.submit("/preferences", "/quiet-hours", **{**usual, **fields})


# --- what is written -----------------------------------------------------------------------------------------------


def test_what_an_administrator_changes_about_somebody_is_on_record_with_who_did_it(shop, ada):  # noqa: F811
    where = path(shop, "bob")
    ada.submit(where, where, name="Bob Marshall", role="manager", grade="B", zone="Europe/Berlin")
    ada.submit(where, f"{where}/left")
    said = ada.get("/record").text
    for sentence in (
        "Role changed from Technician to Office.",
        "Grade changed from none to B.",
        "Time zone changed from that of the organisation to Europe/Berlin.",
        "Name changed.",
        "Marked as left.",
    ):
        assert sentence in said
    assert "Bob Marshall" in said and "by Ada Quist" in said
    bob, adas = shop.hub.people["bob"].id, shop.hub.people["ada"].id
    assert {(row.who, row.actor_id, row.subject_id) for row in lines(shop)} == {("person", adas, bob)}
    assert not any("Marsh" in str((row.before, row.after)) for row in lines(shop)), "a name is kept once"


def test_what_people_choose_for_themselves_is_on_record_and_what_they_leave_as_it_was_is_not(shop):
    page = shop.bob.get("/preferences")
    ticked = page.form("/preferences").fields["on"]
    shop.bob.submit(page, "/preferences")
    assert lines(shop) == []
    for _again in range(2):
        shop.bob.submit("/preferences", "/preferences", on=[box for box in ticked if box != "assignment:sms"])
        saved(shop.bob)
    choices, quiet = lines(shop)
    assert (choices.what, choices.before, choices.after) == (
        "preference.choices",
        {"category:assignment/sms": None},
        {"category:assignment/sms": False},
    )
    assert quiet.after["from"] == "22:00" and quiet.before == {"zone": None}
    text_ = shop.bob.get("/preferences").text
    assert "Chosen: Assignments by SMS off." in text_ and "Quiet hours from 22:00 to 07:00." in text_
    assert "by you" in text_
    shop.bob.submit("/preferences", "/preferences", on=ticked)
    saved(shop.bob, on=[])
    back, off = lines(shop)[2:]
    assert (back.before, back.after) == (
        {"category:assignment/sms": False},
        {"category:assignment/sms": None},
    )
    assert "Quiet hours switched off." in shop.bob.get("/preferences").text and off.after is None


def test_what_somebody_takes_into_their_digest_and_out_of_it_is_said_so(shop):
    form = {"digest_rhythm": "daily", "digest_of": ["approval", "assignment"]}
    shop.bob.submit("/preferences", "/preferences/digest", **form)
    assert "Approvals in the digest" in shop.bob.get("/preferences").text
    shop.bob.submit("/preferences", "/preferences/digest", **{**form, "digest_of": ["assignment"]})
    said = shop.bob.get("/preferences").text
    assert "Chosen: Approvals not in the digest." in said
    assert "Digest on" not in said


def test_addresses_are_on_record_masked_and_nowhere_whole(shop, ada):  # noqa: F811
    where = path(shop, "bob")
    ada.submit(where, f"{where}/addresses", channel="email", address="robert@example.com")
    shop.bob.submit("/preferences", "/remove")
    shop.hub.person("abe", "administrator", name="Abe Lund")
    said = shop.hub.browser("abe").get("/record").text
    assert "Address to be verified: Email r***@example.com." in said and "by Ada Quist" in said
    assert "Address taken away:" in said and "by Bob Marsh" in said
    kept = str([tuple(row) for row in lines(shop)])
    for whole in ("robert@example.com", BOB_MAIL, BOB_PHONE):
        assert whole not in kept
    mine = shop.bob.get("/preferences").text
    assert "by Ada Quist" in mine and "by you" in mine


def test_who_is_added_invited_and_parted_is_on_record(shop, ada):  # noqa: F811
    ada.submit("/people/new", "/people/new", name="Nina Vale", role="technician")
    nina = shop.hub.build.one("SELECT id FROM person WHERE name = 'Nina Vale'").id
    page = ada.submit(f"/people/{nina}", f"/people/{nina}/sign-in", email="nina@example.com")
    link = page.html.split("<code>")[1].split("</code>")[0].removeprefix("https://hub.example.com")
    shop.hub.stranger().submit(link, link, password="correct horse battery")
    ada.submit(f"/people/{nina}", f"/people/{nina}/sign-in", do="part")
    invited, joined = lines(shop)[1:3]
    assert [row.what for row in lines(shop)] == [
        "person.added",
        "person.invited",
        "person.joined",
        "person.parted",
    ]
    assert (invited.after["address"], joined.actor_id) == ("n***@example.com", nina)
    said = ada.get(f"/people/{nina}").text
    assert "The sign-in was taken away." in said and "by Nina Vale" in said


def test_switches_keys_and_settings_are_on_record_without_secrets(shop, ada, app):  # noqa: F811
    ada.submit("/switches", "/switches", notifications=[])
    bob = str(shop.hub.people["bob"].id)
    made = ada.submit("/keys", "/keys", name="Gate terminal", person=bob)
    token = made.html.split('class="key-token">')[1].split("<")[0]
    ada.submit("/keys", "/revoke")
    for words in (
        ["office", "evergreen", "reply_to=desk@example.com", "colour=#123456"],
        ["template", "evergreen", "repair_approved", "title=Go", "--off"],
    ):
        with app.app_context():  # the real `flask` opens it for a command
            assert app.test_cli_runner().invoke(args=words).exit_code == 0
    said = ada.get("/record").text
    for sentence in (
        "Notifications switched off.",
        "Key of a program made: “Gate terminal”.",
        "Key of a program revoked: “Gate terminal”.",
        "reply to: d***@example.com",
        "Template of “Repair approved” saved. Parts: title. Switched off.",
        "by whoever runs the hub",
    ):
        assert sentence in said, sentence
    kept = str([tuple(row) for row in lines(shop)])
    assert token not in kept and "desk@" not in kept and "'Go'" not in kept


def test_what_is_refused_leaves_no_line(shop, ada):  # noqa: F811
    where = path(shop, "ada")
    assert ada.submit(where, where, role="manager").status == 422
    assert ada.submit(where, f"{where}/addresses", channel="email", address="nobody").status == 422
    assert lines(shop) == []


# --- what is kept --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["UPDATE audit SET what = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
def test_the_application_cannot_alter_what_is_on_record(shop, ada, app, statement):  # noqa: F811
    ada.submit(path(shop, "bob"), f"{path(shop, 'bob')}/left")
    with (
        app.app_context(),
        tenancy.scope(shop.hub.organisation.id),
        pytest.raises(ProgrammingError, match="permission denied"),
        db.engine.begin() as conn,
    ):
        conn.execute(text(statement))
    assert [row.what for row in lines(shop)] == ["person.left"]


# --- the page ------------------------------------------------------------------------------------------------------


def test_the_record_is_found_by_person_and_kind_and_leads_on(shop, ada):  # noqa: F811
    assert "Nothing was changed yet" in ada.get("/record").text
    bob, tess = path(shop, "bob"), path(shop, "tess")
    for number in range(60):
        ada.submit(tess, tess, grade="AB"[number % 2])
    ada.submit(bob, f"{bob}/addresses", channel="email", address="robert@example.com")
    first = ada.get("/record")
    assert first.text.count("Grade changed") == 49 and "Address to be verified" in first.text
    second = ada.get(next(link for link in first.links if "before=" in link))
    assert second.text.count("Grade changed") == 11 and "Address to be verified" not in second.text
    only = ada.get(f"/record?person={shop.hub.people['bob'].id}")
    assert "Address to be verified" in only.text and "Grade changed" not in only.text
    assert "Grade changed" in ada.get(f"/record?person={shop.hub.people['ada'].id}").text, "what she did"
    assert "Grade changed" not in ada.get("/record?kind=address").text
    assert "Nothing like that was changed" in ada.get("/record?kind=template").text
    assert ada.get("/record?kind=nonsense&before=x&after=y").text.count("Grade changed") == 49


def test_the_record_is_for_the_administrators_of_its_organisation(shop, ada):  # noqa: F811
    bob = path(shop, "bob")
    ada.submit(bob, bob, grade="B")
    assert shop.alice.get("/record").status == 403 and "Grade changed" not in shop.alice.get(bob).text
    assert shop.bob.get("/record").status == 403
    assert any(link == "/record" for link in ada.get("/people").links)
    assert any(link.startswith("/record?person=") for link in ada.get(bob).links)
    shop.other.person("zed", "administrator", name="Zed Admin")
    zed = shop.other.browser("zed")
    assert "Nothing was changed yet" in zed.get("/record").text
    assert zed.get(f"/record?person={shop.hub.people['bob'].id}").status == 404
