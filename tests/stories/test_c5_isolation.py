"""C5: two organisations in one installation. No recipient, page, list, stream or number crosses the line."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.builders import PASSWORD
from tests.stories.conftest import DANA_PHONE, MARCO_PHONE, OFFICE_MAIL

pytestmark = pytest.mark.proves("C5")


@pytest.fixture
def lakeside(shop):
    """Another organisation: an office, a technician, a customer."""
    other = shop.another("lakeside", name="Lakeside Glass")
    other.office("otto", email="otto@example.com")
    other.person("tess", sms="+12025550131", email="tess@example.com")
    other.customer("rosa", sms="+12025550132", email="rosa@example.com")
    return other


def send(hub, *recipients):
    data = {
        "template": "general",
        "recipients": list(recipients),
        "context": {"headline": "Hello", "known": []},
        "priority": "high",
    }
    return hub.inbound(hub.post("notification.send", data))


def test_recipients_of_another_organisation_are_refused_by_name_and_the_others_told(shop, lakeside):
    tess = str(lakeside.people["tess"].id)
    row = send(shop, {"person": tess}, {"id": "tess"}, {"id": "marco"}, {"person": str(uuid4())})
    assert f"recipients[0]: {tess} is not known in this organisation" in row.error
    assert "recipients[1]: tess is not known in this organisation" in row.error
    assert "recipients[3]" in row.error
    shop.sms(MARCO_PHONE).says("Hello")
    shop.inbox("marco").has("general")
    shop.silence()


def test_the_same_ids_in_two_organisations_are_two_people_and_two_repairs(shop, lakeside):
    lakeside.customer("dana", name="Another Dana", sms="+12025550133")
    shop.repair("R-1", customer="dana", vehicle="2021 Subaru Outback").pending()
    lakeside.repair("R-1", customer="dana", vehicle="1999 Lada Niva").pending()
    assert "Subaru" in shop.sms(DANA_PHONE).says("Evergreen Auto Glass").text
    assert "Lada" in shop.sms("+12025550133").says("Lakeside Glass").text
    shop.repair("R-1").completed()
    shop.sms(DANA_PHONE).says("is ready")
    assert lakeside.repair("R-1").row.status == "pending"
    shop.silence()


def test_another_organisations_pages_are_as_if_there_were_none(shop, lakeside):
    repair = lakeside.repair("R-1", customer="rosa", technician="tess", vehicle="1999 Lada Niva").approved()
    lines = [row.id for row in lakeside.world.lines()]
    lakeside.forget()
    missing = uuid4()
    for key in ("olga", "marco"):
        browser = shop.browser(key)
        for pattern in ("/work/{}", "/jobs/{}", "/repairs/{}"):
            foreign, none = browser.get(pattern.format(repair.item_id)), browser.get(pattern.format(missing))
            assert (foreign.status, foreign.text) == (none.status, none.text) == (404, none.text)
        for line in lines:
            assert browser.get(f"/inbox/{line}").status == 404
        for path in ("/", "/inbox", "/work", "/preferences", "/work?q=Lada"):
            page = browser.get(path)
            assert page.status == 200
            assert "Lada" not in page.text
            assert "Lakeside" not in page.text


def test_actions_on_another_organisations_things_change_nothing(shop, lakeside):
    repair = lakeside.repair("R-1", customer="rosa", technician="tess").pending()
    line = lakeside.world.lines()[0]
    address = lakeside.build.one("SELECT id FROM address WHERE value = 'tess@example.com'").id
    lakeside.forget()
    olga = shop.browser("olga")
    token = olga.get("/preferences").form("/preferences").fields["csrf_token"][0]
    tries = [
        (f"/work/{repair.item_id}/approve", {"version": "1"}),
        (f"/work/{repair.item_id}/assign", {"version": "1", "choice": str(shop.people["marco"].id)}),
        (f"/inbox/{line.id}/read", {}),
        (f"/inbox/{line.id}/unread", {}),
        (f"/alerts/{line.event_id}/acknowledge", {}),
        (f"/preferences/addresses/{address}/remove", {}),
        (f"/preferences/addresses/{address}/move", {"direction": "up"}),
        ("/organisation", {"organisation": str(lakeside.organisation.id)}),
    ]
    for path, values in tries:
        assert olga.post(path, csrf_token=token, **values).status == 404, path
    olga.post("/work/decide", csrf_token=token, item=str(repair.item_id), decision="approve", next="/work")
    shop.settle()
    assert (repair.row.status, repair.row.version) == ("pending", 1)
    assert lakeside.build.one("SELECT read_at FROM notification WHERE id = :id", id=line.id).read_at is None
    shop.silence()


def test_a_repair_cannot_be_given_to_another_organisations_technician(shop, lakeside):
    repair = shop.repair("R-1", customer="dana").pending()
    shop.forget()
    olga = shop.browser("olga")
    page = olga.get(f"/work/{repair.item_id}")
    said = olga.submit(page, "/assign", choice=str(lakeside.people["tess"].id))
    assert said.status == 422
    shop.settle()
    assert shop.build.one("SELECT count(*) AS n FROM item_person WHERE role = 'technician'").n == 0
    shop.silence()


def test_somebody_who_belongs_to_both_has_one_inbox_and_is_told_which_is_which(shop, lakeside):
    marco = shop.people["marco"]
    lakeside.person("marco2", name="Marco Reyes", account_of=marco)
    send(shop, {"id": "marco"})
    shop.sms(MARCO_PHONE).says("Hello")
    lakeside.repair("R-9", customer="rosa", technician="marco2").in_progress()
    lakeside.mail("rosa@example.com").says("R-9")
    page = shop.browser("marco").get("/inbox")
    assert "Hello" in page.text
    assert "R-9" in page.text
    assert "Lakeside Glass" in page.text
    shop.inbox("marco").has("general")
    lakeside.inbox("marco2").has("repair_assigned")
    # no address at Lakeside: the next channel there is none, so its office is told, and ours is not
    lakeside.mail("otto@example.com").says("Not reached: Marco Reyes")
    lakeside.inbox("otto").has("not_reached")
    shop.mail(OFFICE_MAIL).nothing()
    shop.silence()


def test_who_belongs_to_both_works_in_the_one_they_have_chosen(shop, lakeside):
    lakeside.person("olga2", "manager", name="Olga Brandt", account_of=shop.people["olga"])
    ours = shop.repair("R-1", customer="dana", vehicle="2021 Subaru Outback").pending()
    theirs = lakeside.repair("R-2", customer="rosa", vehicle="1999 Lada Niva").pending()
    shop.forget()
    olga = shop.browser("olga")
    assert "Subaru" in olga.get("/work").text
    assert "Lada" not in olga.get("/work").text
    olga.submit("/work", "/organisation", organisation=str(lakeside.organisation.id))
    assert "Lada" in olga.get("/work").text
    assert "Subaru" not in olga.get("/work").text
    assert olga.get(f"/work/{ours.item_id}").status == 200, "it is hers, whichever she looks at"
    assert olga.get(f"/work/{theirs.item_id}").status == 200


def test_leaving_one_organisation_ends_the_sight_of_it_and_not_of_the_other(shop, lakeside):
    both = lakeside.person("olga2", "manager", name="Olga Brandt", account_of=shop.people["olga"])
    theirs = lakeside.repair("R-2", customer="rosa").pending()
    shop.forget()
    olga = shop.browser("olga")
    assert olga.get(f"/work/{theirs.item_id}").status == 200
    shop.build.run("UPDATE person SET left_at = hub_now() WHERE id = :id", id=both.id)
    assert olga.get(f"/work/{theirs.item_id}").status == 404
    assert olga.get("/work").status == 200
    shop.build.run("UPDATE person SET left_at = hub_now() WHERE account_id = :id", id=both.account_id)
    assert olga.get("/work", follow=False).status == 303, "to the sign-in page"


def test_a_blocked_address_is_blocked_in_its_own_organisation_only(shop, lakeside):
    lakeside.customer("dana", sms=DANA_PHONE)
    lakeside.build.suppress(lakeside.organisation, "sms", DANA_PHONE)
    shop.repair("R-1", customer="dana").completed()
    shop.sms(DANA_PHONE).says("Evergreen Auto Glass")
    lakeside.repair("R-1", customer="dana").completed()
    lakeside.mail("otto@example.com").says("Not reached: Dana")
    lakeside.inbox("otto").has("not_reached")
    shop.silence()


def test_preferences_of_one_organisation_say_nothing_in_the_other(shop, lakeside):
    lakeside.person("marco2", sms="+12025550134", account_of=shop.people["marco"])
    shop.browser("marco").submit("/preferences", "/preferences", on=[])
    lakeside.repair("R-1", customer="rosa", technician="marco2").in_progress()
    lakeside.mail("rosa@example.com").says("R-1")
    lakeside.sms("+12025550134").says("New job")
    lakeside.inbox("marco2").has("repair_assigned")
    shop.silence()


def test_an_account_that_is_a_person_nowhere_cannot_sign_in(shop):
    shop.build.account("gone@example.com", "Gone")
    page = shop.stranger().submit("/sign-in", "/sign-in", email="gone@example.com", password=PASSWORD)
    assert page.status == 401
