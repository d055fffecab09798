"""Cover: what reaches somebody who is away goes to whoever stands in, and gaps are said in advance."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notify_app.sweeps import cover
from tests.stories.conftest import MARCO_MAIL, MARCO_PHONE, OFFICE_MAIL, PRIYA_MAIL, PRIYA_PHONE

pytestmark = pytest.mark.proves("A16", "D4")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def away(shop, who, substitute=None, *, starts=-HOUR, ends=DAY):
    shop.build.insert(
        "absence",
        organisation_id=shop.organisation.id,
        person_id=shop.people[who].id,
        substitute_id=shop.people[substitute].id if substitute else None,
        starts_at=shop.now() + starts,
        ends_at=shop.now() + ends,
    )


def test_what_reaches_somebody_away_goes_to_whoever_stands_in_and_says_for_whom(shop):
    away(shop, "marco", "priya")
    shop.repair("R-1", technician="marco").approved()
    shop.inbox("marco").has("repair_approved", "R-1")
    line = shop.inbox("priya").has("repair_approved", "For Marco Reyes: ")
    assert line.for_person_id == shop.people["marco"].id
    shop.inbox("marco").has("repair_assigned", "R-1")
    shop.inbox("priya").has("repair_assigned", "R-1")
    sms = shop.sms(PRIYA_PHONE).says("For Marco Reyes: ", "R-1")
    assert len(sms.text) <= 160
    shop.sms(PRIYA_PHONE).says("R-1")
    mail = shop.mail(PRIYA_MAIL).says("For Marco Reyes: ", "You stand in for Marco Reyes.")
    assert "R-1" in mail.subject
    shop.silence()
    assert shop.decisions("marco", "repair_approved")["sms"] == ("not_told", "covered")
    assert ("told", "stands_in") in shop.decisions("priya", "repair_approved").values()


def test_what_was_collected_says_for_whom_as_well(shop):
    shop.build.quiet(shop.people["priya"], "00:00", "23:59")
    away(shop, "marco", "priya")
    for number in ("R-1", "R-2"):
        shop.repair(number, technician="marco").saved(status="in_progress")
    line = shop.inbox("priya").has("repair_assigned", "R-2")
    shop.build.run("DELETE FROM absence")
    shop.wait(DAY)
    shop.sms(PRIYA_PHONE).says("2 messages", "For Marco Reyes: ")
    assert line.for_person_id
    shop.forget()


def test_before_and_after_their_absence_they_are_told_themselves(shop):
    away(shop, "marco", "priya", starts=DAY, ends=2 * DAY)
    shop.repair("R-1", technician="marco").approved()
    shop.sms(MARCO_PHONE).says("R-1")
    shop.inbox("priya").nothing()
    shop.forget()


def test_somebody_away_without_a_substitute_is_told_themselves(shop):
    away(shop, "marco")
    shop.repair("R-1", technician="marco").approved()
    shop.sms(MARCO_PHONE).says("R-1")
    shop.forget()


def test_a_substitute_who_is_away_too_hands_on_and_one_who_has_left_is_nobody(shop):
    shop.person("nils", name="Nils Bach", sms="+12025550117")
    away(shop, "marco", "priya")
    away(shop, "priya", "nils")
    shop.repair("R-1", technician="marco").approved()
    shop.sms("+12025550117").says("For Marco Reyes: ", "R-1")
    shop.forget()
    shop.build.run("UPDATE person SET left_at = hub_now() WHERE name = 'Nils Bach'")
    shop.repair("R-2", technician="marco").approved()
    shop.sms(MARCO_PHONE).says("R-2")
    shop.forget()


def test_who_is_told_anyway_is_told_once(shop):
    away(shop, "marco", "olga")
    shop.repair("R-1", technician="marco").completed()
    shop.forget()
    data = {"alert_message": "Fire", "location": "Bay 2", "recipients": [{"id": "marco"}, {"id": "priya"}]}
    away(shop, "priya", "marco")
    shop.post("emergency.raised", data)
    shop.inbox("marco").has("emergency_alert")
    shop.inbox("priya").has("emergency_alert")
    assert not shop.build.all(
        "SELECT 1 FROM notification WHERE name = 'emergency_alert' AND for_person_id IS NOT NULL"
    )
    shop.forget()


def test_who_has_it_themselves_is_not_told_for_somebody_else_and_one_who_covers_two_once(shop):
    shop.person("nils", name="Nils Bach", sms="+12025550117")
    away(shop, "priya", "marco")
    send(shop, "Gate code 17", "marco", "priya")
    assert shop.inbox("marco").has("general", "Gate code 17").for_person_id is None
    away(shop, "marco", "nils")
    shop.build.run("UPDATE absence SET substitute_id = :nils", nils=shop.people["nils"].id)
    send(shop, "Gate code 18", "marco", "priya")
    assert shop.inbox("nils").has("general", "Gate code 18").for_person_id in {
        shop.people["marco"].id,
        shop.people["priya"].id,
    }
    assert len(shop.build.all("SELECT 1 FROM notification WHERE title LIKE '%Gate code 18%'")) == 3
    shop.forget()


def send(shop, headline, *to):
    data = {
        "template": "general",
        "recipients": [{"id": one} for one in to],
        "context": {"headline": headline, "known": []},
    }
    assert shop.post("notification.send", data).status_code == 202


def test_a_secret_is_handed_on_to_nobody(shop):
    away(shop, "marco", "priya")
    data = {
        "residents": [{"id": "marco"}],
        "visitor_name": "John Doe",
        "unit": "A1",
        "arrival_time": shop.now().isoformat(),
        "access_code": "QX7",
    }
    shop.post("visitor.arrived", data)
    shop.mail(MARCO_MAIL).says("John Doe")
    shop.inbox("priya").nothing()
    shop.forget()


def test_that_nobody_will_be_there_is_said_once_two_days_before(shop):
    shop.person("ada", "administrator", name="Ada Quist", grade="A", email="ada@example.com")
    away(shop, "ada", starts=3 * DAY, ends=4 * DAY)
    shop.wait(DAY - HOUR)
    shop.world.sweep("cover")
    shop.silence()
    shop.wait(2 * HOUR)
    shop.world.sweep("cover")
    shop.mail("ada@example.com").says("Nobody is there", "Administrators, grade A", "/cover")
    shop.inbox("ada").has("cover_gap", "Administrators, grade A")
    shop.world.sweep("cover")
    shop.wait(DAY)
    shop.world.sweep("cover")
    shop.silence()
    away(shop, "olga", starts=3 * DAY, ends=4 * DAY)
    shop.mail(OFFICE_MAIL).nothing()


def test_no_organisation_is_left_out_however_many_there_are(shop):
    offices = [shop, *(shop.another(f"office{number}") for number in range(3))]
    for number, one in enumerate(offices):
        one.person("ada", "administrator", name=f"Ada {number}", grade="A")
        away(one, "ada", starts=DAY, ends=2 * DAY)
    with shop.world.app.app_context():
        assert cover.run(shop.now(), limit=2) >= len(offices)
    shop.world.sweep()
    for one in offices:
        one.inbox("ada").has("cover_gap", "Administrators, grade A")
    shop.forget()


def test_the_page_writes_down_takes_back_and_shows_gaps(shop):
    shop.person("ada", "administrator", name="Ada Quist", grade="A", zone="UTC")
    ada, marco = shop.browser("ada"), shop.browser("marco")
    page = ada.submit(
        "/cover", "/cover", person=shop.people["ada"].id, starts="2030-01-05T08:00", ends="2030-01-04T08:00"
    )
    assert page.status == 422 and "must end after it begins" in page.text
    day = (shop.now() + 2 * DAY).date()
    page = ada.submit("/cover", "/cover", starts=f"{day}T08:00", ends=f"{day}T18:00")
    assert "Nobody is there: Administrators, grade A" in page.text
    page = ada.submit(
        "/cover",
        "/cover",
        person=shop.people["marco"].id,
        substitute=shop.people["priya"].id,
        starts=f"{day}T08:00",
        ends=f"{day}T18:00",
    )
    assert "Priya Natarajan stands in" in page.text
    mine = marco.get("/cover")
    row = shop.build.one("SELECT id FROM absence WHERE person_id = :id", id=shop.people["ada"].id)
    assert "Who is away" not in mine.text.replace("Who is away, and who stands in", "")
    assert not mine.offers(f"/cover/{row.id}/remove")
    token = mine.form("/cover").fields["csrf_token"][0]
    assert marco.post(f"/cover/{row.id}/remove", csrf_token=token).status == 404, "only one's own"
    theirs = shop.build.one("SELECT id FROM absence WHERE person_id = :id", id=shop.people["marco"].id)
    assert "taken back" in marco.submit(mine, f"/cover/{theirs.id}/remove").text
    assert "Absence taken back" in ada.get("/record?kind=absence").text
    wrong = marco.submit(
        "/cover", "/cover", substitute=shop.people["dana"].id, starts=f"{day}T08:00", ends=f"{day}T18:00"
    )
    assert wrong.status == 422 and "somebody who works here" in wrong.text
    shop.forget()
