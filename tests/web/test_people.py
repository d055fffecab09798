"""People: found, added, changed, marked as left, invited to sign in; by administrators, and only in their organisation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.conftest import BOB_PHONE

pytestmark = pytest.mark.proves("F4", "C5")

FIRST = "correct horse battery"


@pytest.fixture
def ada(shop) -> Any:
    shop.hub.person("ada", "administrator", name="Ada Quist", grade="A")
    return shop.hub.browser("ada")


def path(shop, key) -> str:
    return f"/people/{shop.hub.people[key].id}"


def row(shop, name) -> Any:
    return shop.hub.build.one("SELECT * FROM person WHERE name = :name", name=name)


def added(shop, ada, **values) -> str:
    """Somebody new; the path of their page."""
    page = ada.submit("/people/new", "/people/new", **{"name": "Nina Vale", "role": "technician", **values})
    assert page.status == 200, page.text
    return f"/people/{row(shop, values.get('name', 'Nina Vale')).id}"


def invited(ada, path, email) -> Any:
    return ada.submit(path, f"{path}/sign-in", email=email)


def link_of(page) -> str:
    return page.html.split("<code>")[1].split("</code>")[0].removeprefix("https://hub.example.com")


# --- the list and the page -----------------------------------------------------------------------------------------


def test_people_are_found_by_name_address_role_and_grade(shop, ada):
    listed = shop.alice.get("/people").text
    for name in ("Alice Moreno", "Ada Quist", "Bob Marsh", "Dana Whitfield"):
        assert name in listed
    assert "Charlie" not in listed
    assert "Dana" not in shop.alice.get("/people?role=technician").text
    by_grade = shop.alice.get("/people?grade=A").text
    assert "Ada Quist" in by_grade and "Bob" not in by_grade
    assert "Bob Marsh" in shop.alice.get("/people?q=%2B12025550102").text
    assert "Nobody fits" in shop.alice.get("/people?q=zzz").text
    assert "Nobody fits" in shop.alice.get("/people?left=1").text


def test_a_long_list_goes_on_where_it_stopped(shop, ada):
    for number in range(60):
        shop.hub.customer(f"c{number:02}", name=f"Contact {number:02}")
    first = shop.alice.get("/people?role=contact")
    more = next(link for link in first.links if "after=" in link)
    second = shop.alice.get(more)
    assert "Contact 00" in first.text and "Contact 59" not in first.text
    assert "Contact 59" in second.text and "Contact 00" not in second.text


def test_a_person_shows_addresses_and_what_they_hold_and_only_organisations_that_the_reader_keeps(shop, ada):
    shop.hub.repair("R-1", technician="bob").approved()
    shop.hub.repair("R-2", technician="bob").completed()
    shop.other.person("bob", name="Bob Marsh", account_of=shop.hub.people["bob"])
    text = shop.alice.get(path(shop, "bob")).text
    assert BOB_PHONE in text and "R-1" in text and "R-2" not in text
    assert "Harbor Glass" not in text
    shop.other.person("alice", "manager", name="Alice Moreno", account_of=shop.hub.people["alice"])
    assert "Harbor Glass" in shop.alice.get(path(shop, "bob")).text
    assert shop.charlie.get(path(shop, "bob")).status == 404


# --- changes -------------------------------------------------------------------------------------------------------


def test_a_contact_is_added_with_an_address_and_no_sign_in_and_is_told(shop, ada):
    where = added(
        shop, ada, name="Leila Haddad", role="contact", email="leila@example.com", phone="+1 (202) 555-0166"
    )
    assert row(shop, "Leila Haddad").account_id is None
    assert "+12025550166" in ada.get(where).text and "Does not sign in" in ada.get(where).text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "  "}, "Give a name"),
        ({"role": "king"}, "Choose a role"),
        ({"grade": "Z"}, "Choose a grade"),
        ({"zone": "Moon/Base"}, "Choose a time zone"),
        ({"email": "nobody"}, "email"),
        ({"phone": "12"}, "number"),
    ],
)
def test_what_cannot_be_used_is_said_beside_it_and_nobody_is_made(shop, ada, values, said):
    page = ada.submit("/people/new", "/people/new", **{"name": "Nina Vale", "role": "technician", **values})
    assert page.status == 422 and said in page.text
    assert shop.hub.build.all("SELECT 1 FROM person WHERE name = 'Nina Vale'") == []


def test_role_grade_and_zone_are_changed(shop, ada):
    where = path(shop, "bob")
    ada.submit(where, where, name="Bob Marsh", role="manager", grade="B", zone="Europe/Berlin")
    changed = row(shop, "Bob Marsh")
    assert (changed.role, changed.grade, changed.zone) == ("manager", "B", "Europe/Berlin")
    assert shop.bob.get("/dashboard").status == 200


def test_who_has_left_is_told_nothing_and_cannot_sign_in_and_comes_back(shop, ada):
    where = path(shop, "bob")
    assert shop.bob.get("/inbox").status == 200
    assert "has left" in ada.submit(where, f"{where}/left").text
    assert shop.bob.get("/inbox", follow=False).status == 303
    shop.hub.repair("R-1", technician=None).approved()
    assert "Bob Marsh" in ada.get("/people?left=1").text
    ada.submit(where, f"{where}/left")
    assert shop.bob.get("/inbox").status == 200


def test_who_has_left_stays_so_when_an_old_job_names_them_again(shop, ada):
    shop.hub.repair("R-1", technician="bob").in_progress()
    where, bob = path(shop, "bob"), shop.bob
    ada.submit(where, f"{where}/left")
    shop.hub.post("repair.upsert", {"id": "R-1", "status": "approved", "technician": {"id": "bob"}})
    assert bob.get("/inbox", follow=False).status == 303, "their sign-in would be back"
    assert "has left" in ada.get(where).text
    assert shop.hub.decisions("bob", "repair_approved") == {"": ("not_told", "person_left")}
    shop.hub.forget()


def test_the_last_administrator_neither_leaves_nor_becomes_something_else(shop, ada):
    where = path(shop, "ada")
    page = ada.submit(where, where, role="manager")
    assert page.status == 422 and "last administrator" in page.text
    token = ada.get("/people/new").form("/people/new").fields["csrf_token"][0]
    for action, fields in (("left", {}), ("sign-in", {"do": "part"})):
        ada.post(f"{where}/{action}", csrf_token=token, **fields)
        assert (row(shop, "Ada Quist").left_at, row(shop, "Ada Quist").account_id is None) == (None, False)
    shop.hub.person("abe", "administrator", name="Abe Lund")
    assert "The changes are saved." in ada.submit(where, where, role="manager").text
    assert ada.get("/people/new").status == 403


def test_a_manager_looks_and_changes_nothing(shop, ada):
    page = shop.alice.get(path(shop, "bob"))
    assert page.status == 200 and not page.offers("/left") and not page.offers("/sign-in")
    token = shop.alice.get("/preferences").form("/preferences").fields["csrf_token"][0]
    for action in ("", "/left", "/sign-in", "/addresses"):
        assert shop.alice.post(path(shop, "bob") + action, csrf_token=token, name="X").status == 403


# --- signing in ----------------------------------------------------------------------------------------------------


def test_an_invitation_sets_the_first_password_once(shop, ada):
    where = added(shop, ada)
    page = invited(ada, where, "nina@example.com")
    link = link_of(page)
    assert "Give it to Nina Vale yourself" in page.text
    assert link not in ada.get(where).html  # not shown again
    guest = shop.hub.stranger()
    assert guest.submit(link, link, password="short").status == 422
    welcome = guest.submit(link, link, password=FIRST)
    assert welcome.status == 200 and "Nina Vale" in guest.get("/inbox").text
    assert shop.hub.stranger().get(link).status == 404
    shop.hub.stranger().sign_in("nina@example.com", FIRST)


def test_an_account_without_a_password_opens_with_none(shop, ada):
    invited(ada, added(shop, ada), "nina@example.com")
    for password in ("", "nobody's password", "x"):
        page = shop.hub.stranger().submit("/sign-in", "/sign-in", email="nina@example.com", password=password)
        assert page.status == 401, password


def test_a_new_link_ends_the_one_before_and_a_link_expires(shop, ada):
    where = added(shop, ada)
    first = link_of(invited(ada, where, "nina@example.com"))
    second = link_of(invited(ada, where, "nina@example.com"))
    assert shop.hub.stranger().get(first).status == 404
    shop.hub.build.run(
        "UPDATE invitation SET expires_at = hub_now() - interval '1 second' WHERE settled_at IS NULL"
    )
    late = shop.hub.stranger().get(second)
    assert late.status == 410 and "expired" in late.text
    token = shop.hub.stranger()
    page = token.get("/sign-in").form("/sign-in").fields["csrf_token"][0]
    assert token.post(second, csrf_token=page, password=FIRST).status == 410


def test_an_address_is_nobody_else_in_the_same_organisation(shop, ada):
    page = invited(ada, added(shop, ada), shop.hub.people["bob"].login)
    assert page.status == 422 and "signs in as Bob Marsh here already" in page.text


def test_a_sign_in_is_taken_away(shop, ada):
    where = path(shop, "bob")
    assert shop.bob.get("/inbox").status == 200
    ada.submit(where, f"{where}/sign-in", do="part")
    assert shop.bob.get("/inbox", follow=False).status == 303
    assert "Does not sign in" in ada.get(where).text


def test_somebody_acts_in_each_organisation_with_the_role_that_they_have_there(shop, ada):
    shop.other.person("bob", "administrator", name="Bob Marsh", account_of=shop.hub.people["bob"])
    assert shop.bob.get("/people").status == 403
    token = shop.bob.get("/preferences").form("/preferences").fields["csrf_token"][0]
    shop.bob.post("/organisation", organisation=str(shop.other.organisation.id), csrf_token=token)
    listed = shop.bob.get("/people").text
    assert "Cleo Park" in listed and "Tess Okoro" not in listed
    assert shop.bob.get(path(shop, "tess")).status == 404


# --- switches ------------------------------------------------------------------------------------------------------


@pytest.mark.proves("D6")
def test_what_kinds_of_work_do_by_themselves_is_switched_and_kept(shop, ada):
    page = ada.get("/switches")
    option = page.html.split('name="option" value="')[1].split('"')[0]
    ada.submit("/switches", "/switches", option=option)
    settings = shop.hub.build.one("SELECT settings FROM organisation WHERE slug = 'evergreen'").settings
    assert settings["options"] == [option] and settings["notifications_on"] is True
    ada.submit("/switches", "/switches", option=["made_up"])
    settings = shop.hub.build.one("SELECT settings FROM organisation WHERE slug = 'evergreen'").settings
    assert settings["options"] == []
    assert shop.alice.get("/switches").status == 403


@pytest.mark.proves("A14")
def test_how_often_one_person_is_written_to_is_set_and_kept(shop, ada):
    page = ada.submit("/switches", "/switches/limits", burst_seconds="90", sms_an_hour="3", email_a_day="0")
    assert "The limits are set." in page.text
    settings = shop.hub.build.one("SELECT settings FROM organisation WHERE slug = 'evergreen'").settings
    assert (settings["burst_seconds"], settings["sms_an_hour"], settings["email_a_day"]) == (90, 3, 0)
    assert ada.get("/switches").form("/switches/limits").fields["sms_an_hour"] == ["3"]
    assert shop.alice.post("/switches/limits", sms_an_hour="5").status in (400, 403)


@pytest.mark.proves("A14")
@pytest.mark.parametrize("value", ["", "-1", "3.5", "many", "10001", "9" * 30, "²"])
def test_a_limit_that_is_no_number_is_said_beside_its_field_and_nothing_is_kept(shop, ada, value):
    page = ada.submit("/switches", "/switches/limits", burst_seconds="90", sms_an_hour=value)
    assert page.status == 422
    assert page.text.count("Use a whole number from 0 to 10,000.") == 1
    assert page.form("/switches/limits").fields["burst_seconds"] == ["90"], "what was typed is kept"
    settings = shop.hub.build.one("SELECT settings FROM organisation WHERE slug = 'evergreen'").settings
    assert settings["burst_seconds"] == 0
