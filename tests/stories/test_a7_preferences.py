"""A7: people choose by category and by event; what is URGENT ignores it, but never a blocked address."""

from __future__ import annotations

import pytest

from tests.stories.conftest import DANA_MAIL, MARCO_MAIL, MARCO_PHONE, OFFICE_MAIL

pytestmark = pytest.mark.proves("A7")


def assigned(shop, key="marco"):
    """A HIGH message of the category assignment: SMS and inbox."""
    repair = shop.repair("R-1", customer="dana").in_progress()
    shop.mail(DANA_MAIL).says("R-1")
    repair.assigned(key)


def ticked(page):
    """The boxes of the grid that are on."""
    return set(page.form("/preferences").fields.get("on", []))


def test_everything_is_on_until_somebody_chooses(shop):
    page = shop.browser("marco").get("/preferences")
    shown = set(page.form("/preferences").fields["shown"])
    assert "assignment:sms" in shown
    assert "reward:email" in shown
    assert ticked(page) == shown
    assert "1" not in page.form("/quiet-hours").fields.get("on", []), "quiet hours are off"
    assert shop.build.one("SELECT count(*) AS n FROM preference_choice").n == 0
    assigned(shop)
    shop.sms(MARCO_PHONE).says("New job")
    shop.inbox("marco").has("repair_assigned")
    shop.forget()


def test_a_category_that_is_switched_off_for_a_channel_leaves_the_inbox(shop):
    marco = shop.browser("marco")
    page = marco.get("/preferences")
    marco.submit(page, "/preferences", on=sorted(ticked(page) - {"assignment:sms"}))
    assigned(shop)
    shop.inbox("marco").has("repair_assigned")
    assert shop.decisions("marco", "repair_assigned") == {
        "inapp": ("told", "in_inbox"),
        "sms": ("not_told", "preference_category"),
    }
    shop.sms(MARCO_PHONE).nothing()
    shop.mail(MARCO_MAIL).nothing()


def test_the_other_categories_go_on(shop):
    shop.person("quinn", email="quinn@example.com", sms="+12025550108", off=[("category:reward", "email")])
    assigned(shop, "quinn")
    shop.sms("+12025550108").says("New job")
    shop.inbox("quinn").has("repair_assigned")
    shop.forget()


def test_a_choice_for_one_event_beats_its_category_off(shop):
    marco = shop.browser("marco")
    page = marco.get("/preferences")
    choices = {"override:repair_reassigned_away:email": "off"}
    marco.submit(page, "/preferences", **choices)
    repair = shop.repair("R-1", technician="marco").approved()
    shop.forget()
    repair.assigned("priya")
    shop.inbox("marco").has("repair_reassigned_away")
    assert shop.decisions("marco", "repair_reassigned_away")["email"] == ("not_told", "preference_event")
    shop.mail(MARCO_MAIL).nothing()
    shop.forget()


def test_a_choice_for_one_event_beats_its_category_on(shop):
    shop.person(
        "quinn",
        email="quinn@example.com",
        sms="+12025550108",
        off=[("category:assignment", "sms"), ("category:assignment", "email")],
        on=[("event:repair_assigned", "sms")],
    )
    assigned(shop, "quinn")
    shop.sms("+12025550108").says("New job")
    shop.inbox("quinn").has("repair_assigned")
    shop.silence()


def test_a_choice_is_not_taken_for_a_missing_address(shop):
    """Who has switched SMS off is not sent an email instead, and the office is not told that they were not reached."""
    shop.person("quinn", email="quinn@example.com", sms="+12025550108", off=[("category:assignment", "sms")])
    assigned(shop, "quinn")
    shop.inbox("quinn").has("repair_assigned")
    shop.mail(OFFICE_MAIL).nothing()
    shop.silence()


EVERYTHING_OFF = [
    (f"category:{name}", channel) for name in ("approval", "assignment") for channel in ("sms", "email")
]


def test_urgent_ignores_what_was_switched_off(shop):
    shop.person("quinn", email="quinn@example.com", sms="+12025550108", off=EVERYTHING_OFF)
    shop.repair("R-1", technician="quinn").approved()
    shop.inbox("quinn").has("repair_assigned")
    shop.sms("+12025550108").says("R-1 is approved")
    shop.mail("quinn@example.com").says("Approved: R-1")
    shop.inbox("quinn").has("repair_approved")
    shop.silence()


def test_urgent_ignores_quiet_hours(shop):
    shop.person("quinn", sms="+12025550108", email="quinn@example.com", zone="UTC", quiet=("00:00", "00:00"))
    shop.repair("R-1", technician="quinn").approved()
    shop.inbox("quinn").has("repair_assigned")
    shop.sms("+12025550108").says("R-1 is approved")
    shop.mail("quinn@example.com").says("Approved: R-1")
    shop.inbox("quinn").has("repair_approved")
    shop.silence()


def test_urgent_never_goes_to_a_blocked_address(shop):
    shop.build.suppress(shop.organisation, "sms", MARCO_PHONE, "it answered STOP")
    shop.repair("R-1", technician="marco").approved()
    shop.mail(MARCO_MAIL).says("Approved: R-1")
    shop.inbox("marco").has("repair_approved")
    assert shop.decisions("marco", "repair_approved")["sms"] == ("not_told", "suppressed")
    shop.mail(MARCO_MAIL).says("New job")
    shop.inbox("marco").has("repair_assigned")
    shop.silence()


def test_an_address_that_is_blocked_while_its_message_waits_is_not_written_to(shop):
    dana = shop.person(
        "gus", "contact", email="gus@example.com", sms="+12025550109", zone="UTC", quiet=("00:00", "23:00")
    )
    shop.at("2027-02-10 12:00")
    shop.repair("R-1", customer="gus").completed()
    shop.build.suppress(shop.organisation, "sms", dana.addresses["sms"], "it answered STOP")
    shop.at("2027-02-10 23:01")
    assert shop.delivery("gus", "sms").state == "suppressed"
    shop.mail("gus@example.com").says("is ready")
    shop.silence()


def test_one_persons_choices_are_not_anothers(shop):
    marco = shop.browser("marco")
    marco.submit("/preferences", "/preferences", on=[])
    shop.repair("R-1", customer="dana", technician="priya").in_progress()
    shop.mail(DANA_MAIL).says("R-1")
    shop.sms("+12025550103").says("New job")
    shop.inbox("priya").has("repair_assigned")
    shop.silence()


def test_a_person_edits_their_own_addresses_and_the_first_one_is_used(shop):
    marco = shop.browser("marco")
    marco.submit("/preferences", "/preferences/addresses", channel="sms", address="+1 202 555 0177")
    shop.settle()
    code = shop.sms("+12025550177").says("verifies this number").text.split()[0]
    form = next(one for one in marco.get("/preferences").forms if "/unverified/" in one.path)
    page = marco.submit("/preferences", form.path, code=code)
    assert "The address is verified" in page.text
    new = next(
        form
        for form in reversed(page.forms)
        if form.path.endswith("/move") and form.fields.get("direction") == ["up"]
    )
    marco.client.post(new.action, base_url=marco.site, data=new.fields, headers={"Referer": marco.site})
    assigned(shop)
    shop.sms("+12025550177").says("New job")
    shop.inbox("marco").has("repair_assigned")
    shop.forget()


def test_an_address_that_is_none_is_refused_beside_its_field(shop):
    said = shop.browser("marco").submit("/preferences", "/preferences/addresses", channel="sms", address="12")
    assert said.status == 422
    assert "phone number" in said.text
    assert shop.build.one("SELECT count(*) AS n FROM address WHERE value = '12'").n == 0
    shop.silence()
