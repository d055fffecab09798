"""Messages by hand: to people, roles, grades and everyone, now or at a time, with who has read them (B3)."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from notify_app.sweeps import scheduled
from tests.stories.conftest import DANA_PHONE, MARCO_MAIL, MARCO_PHONE, OFFICE_MAIL, PRIYA_PHONE

LOCAL = ZoneInfo("America/Los_Angeles")
KEYS = "The keys are at the front desk."


@pytest.fixture(autouse=True)
def ada(shop):
    """An administrator beside Olga, who is a manager."""
    shop.person("ada", "administrator", name="Ada Quist", grade="A")


def written(shop) -> list[Any]:
    return shop.build.all("SELECT * FROM written_message ORDER BY created_at, id")


def fill(shop, key="olga", path="/compose", **values):
    """The form as this person fills it in, looked at."""
    browser = shop.browser(key)
    values = {"message": KEYS, "priority": "high", **values} if path == "/compose" else values
    return browser.submit(path, path, do="preview", **values)


def send(shop, key="olga", path="/compose", *, settle=True, **values):
    """Fill in, look, and send what was looked at."""
    looked = fill(shop, key, path, **values)
    assert looked.status == 200, looked.text[:600]
    confirm = {"confirm": "1"} if 'name="confirm"' in looked.html else {}
    page = shop.browser(key).submit(looked, path, do="send", **confirm)
    assert page.status == 200, page.text[:600]
    if settle:
        shop.settle()
    return page


def person(shop, key):
    return str(shop.people[key].id)


# --- now -----------------------------------------------------------------------------------------------------------


@pytest.mark.proves("B3")
def test_a_message_to_one_technician_goes_out_by_its_priority_and_its_sender_sees_who_has_read_it(shop):
    page = send(shop, person=person(shop, "marco"), headline="Harbor House")
    assert "It is on its way." in page.text
    shop.sms(MARCO_PHONE).says("Olga Brandt", "Harbor House", KEYS[:20])
    line = shop.inbox("marco").has("manual_message", "Harbor House", KEYS, priority="high")
    shop.silence()
    sent = f"/sent/{written(shop)[0].id}"
    assert "Not read" in shop.browser("olga").get(f"{sent}?show=silent").text
    shop.browser("marco").get(f"/inbox/{line.id}")
    read = shop.browser("olga").get(f"{sent}?show=read").text
    assert "Marco Reyes" in read and "Read 1" in read
    assert "1 told 1 read" in shop.browser("olga").get("/sent").text


@pytest.mark.proves("B3")
def test_a_message_about_a_work_order_leads_to_it(shop):
    repair = shop.repair("R-7", technician="marco").approved()
    shop.forget()
    send(shop, person=person(shop, "marco"), item="r-7", priority="medium")
    line = shop.inbox("marco").has("manual_message")
    assert (line.item_id, line.action_url) == (repair.item_id, f"/jobs/{repair.item_id}")
    shop.mail(MARCO_MAIL).says("about R-7", KEYS)


@pytest.mark.proves("B3")
def test_roles_grades_and_names_add_up_and_nobody_is_told_twice(shop):
    send(shop, to=["role:technician", "grade:A"], person=[person(shop, "marco"), person(shop, "dana")])
    shop.sms(MARCO_PHONE).says(KEYS)
    shop.sms(PRIYA_PHONE).says(KEYS)
    shop.sms(DANA_PHONE).says(KEYS)
    for key in ("marco", "priya"):
        shop.inbox(key).has("manual_message")
    shop.inbox("ada").has("manual_message")
    # Ada has no address at all, and a HIGH message that reaches nobody's pocket is never silent
    shop.inbox("olga").has("not_reached", "Ada Quist")
    shop.inbox("ada").has("not_reached", "Ada Quist")
    shop.mail(OFFICE_MAIL).says("Ada Quist")
    assert written(shop)[0].audience[:2] == ["role:technician", "grade:A"]
    shop.silence()


@pytest.mark.proves("B3")
def test_looking_at_it_says_what_would_come_of_it_and_changes_nothing(shop):
    shop.customer("mute", name="Mute Contact")
    page = fill(shop, to="everyone", priority="high")
    for words in (
        "6 people",
        "3 by SMS",
        "3 parts",
        "about $0.01935",
        "2 people cannot be reached",
        "Mute Contact",
    ):
        assert words in page.text, words
    assert "Olga Brandt: The keys are at the front desk." in page.text
    assert written(shop) == [] and shop.events() == []


@pytest.mark.proves("B3")
def test_the_same_form_sent_twice_at_once_is_one_message(shop):
    looked = fill(shop, person=person(shop, "marco"))
    fields = {**looked.form("/compose").fields, "do": "send"}
    browsers = [shop.browser("olga"), shop.stranger()]
    browsers[1].sign_in(shop.people["olga"].login, "open sesame, please")
    threads = [
        threading.Thread(target=one.post, args=("/compose",), kwargs={**fields, "csrf_token": token(one)})
        for one in browsers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shop.settle()
    assert [row.state for row in written(shop)] == ["sent"]
    shop.sms(MARCO_PHONE).says(KEYS)
    shop.inbox("marco").has("manual_message")
    shop.silence()


def token(browser) -> str:
    return browser.get("/preferences").form("/preferences").fields["csrf_token"][0]


def post(shop, key, path, **fields):
    """What no page offers."""
    browser = shop.browser(key)
    return browser.post(path, csrf_token=token(browser), **fields)


@pytest.mark.proves("B3")
def test_what_goes_to_everyone_or_is_urgent_is_not_sent_without_a_confirmation(shop):
    for values in ({"to": "everyone"}, {"person": person(shop, "marco"), "priority": "urgent"}):
        looked = fill(shop, **values)
        refused = shop.browser("olga").submit(looked, "/compose", do="send")
        assert refused.status == 422 and "Confirm" in refused.text
    assert written(shop) == []


@pytest.mark.proves("B3")
def test_nothing_is_sent_that_was_changed_after_it_was_looked_at(shop):
    looked = fill(shop, person=person(shop, "marco"))
    refused = shop.browser("olga").submit(looked, "/compose", do="send", message="Something else.")
    assert refused.status == 422 and "Look at it first" in refused.text
    assert written(shop) == []


# --- who may -------------------------------------------------------------------------------------------------------


@pytest.mark.proves("B3", "C6")
def test_only_the_office_writes_and_only_administrators_publish_a_newsletter(shop):
    news = {"headline": "Spring", "message": "The courtyard opens."}
    assert shop.browser("marco").get("/compose").status == 403
    assert shop.browser("olga").get("/compose/newsletter.published").status == 403
    assert post(shop, "olga", "/compose/newsletter.published", do="send", to="everyone", **news).status == 403
    send(shop, "ada", "/compose/newsletter.published", **news)
    shop.mail(MARCO_MAIL).says("Spring", "The courtyard opens.")
    assert {row.name for row in shop.world.lines()} == {"newsletter"}
    shop.forget()


@pytest.mark.proves("C6")
def test_a_technician_reports_a_visitor_whose_code_nobody_else_reads(shop):
    send(
        shop,
        "marco",
        "/compose/visitor.arrived",
        person=person(shop, "dana"),
        to=None,
        visitor_name="John Doe",
        arrival_time="2030-01-02T10:30",
        access_code="ABC123",
    )
    shop.mail("dana@example.com").says("John Doe", "ABC123")
    page = shop.browser("olga").get(f"/sent/{written(shop)[0].id}").text
    assert "John Doe" in page and "ABC123" not in page
    again = shop.browser("olga").get(f"/compose/visitor.arrived?from={written(shop)[0].id}").html
    assert "John Doe" in again and "ABC123" not in again
    shop.silence()


@pytest.mark.proves("C5")
def test_people_of_another_organisation_are_refused_and_who_has_left_is_named(shop):
    other = shop.another("harbor")
    zoe = other.person("zoe", name="Zoe Nadir")
    shop.build.run("UPDATE person SET left_at = hub_now() WHERE id = :id", id=shop.people["priya"].id)
    page = fill(shop, person=[str(zoe.id), person(shop, "priya"), person(shop, "marco")])
    assert page.status == 422
    assert "1 of those chosen are not known here." in page.text and "Priya Natarajan has left" in page.text
    assert "Zoe" not in page.text
    assert written(shop) == []


@pytest.mark.proves("C5")
def test_another_office_sees_nothing_of_what_was_written(shop):
    other = shop.another("harbor")
    other.office("charlie")
    send(shop, person=person(shop, "marco"))
    shop.forget()
    found = f"/sent/{written(shop)[0].id}"
    assert other.browser("charlie").get(found).status == 404
    assert post(other, "charlie", f"{found}/cancel").status == 404
    assert KEYS not in other.browser("charlie").get("/sent").text
    # nor does a technician of this one, who did not write it
    assert shop.browser("priya").get(found).status == 404


# --- at a time -----------------------------------------------------------------------------------------------------


def tomorrow_at(shop, clock: str) -> tuple[str, datetime]:
    """Tomorrow at this time of the office, as a form has it and as an instant."""
    day = (shop.now().astimezone(LOCAL) + timedelta(days=1)).date()
    wall = f"{day.isoformat()}T{clock}"
    return wall, datetime.fromisoformat(wall).replace(tzinfo=LOCAL)


@pytest.mark.proves("B3")
def test_a_scheduled_message_leaves_at_its_time_once_and_to_who_is_meant_then(shop):
    wall, at = tomorrow_at(shop, "09:30")
    page = send(shop, to="role:technician", when="later", at=wall)
    assert "It is scheduled." in page.text
    assert written(shop)[0].due_at == at
    shop.silence()
    shop.person("nina", name="Nina Late", sms="+12025550109")
    shop.build.run("UPDATE person SET left_at = hub_now() WHERE id = :id", id=shop.people["priya"].id)
    shop.wait(at - shop.now() + timedelta(minutes=1))
    shop.sms(MARCO_PHONE).says(KEYS)
    shop.sms("+12025550109").says(KEYS)
    for key in ("marco", "nina"):
        shop.inbox(key).has("manual_message")
    shop.world.sweep("scheduled")
    shop.silence()
    assert [row.state for row in written(shop)] == ["sent"]


@pytest.mark.proves("B3")
def test_two_schedulers_at_once_send_it_once(shop):
    wall, at = tomorrow_at(shop, "09:30")
    send(shop, person=person(shop, "marco"), when="later", at=wall)
    shop.world.move(at - shop.now() + timedelta(seconds=1))

    def run() -> None:
        with shop.world.app.app_context():
            scheduled.run(shop.now())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shop.settle()
    shop.sms(MARCO_PHONE).says(KEYS)
    shop.inbox("marco").has("manual_message")
    shop.silence()


@pytest.mark.proves("B3")
def test_what_was_taken_back_never_leaves_and_can_be_changed(shop):
    wall, at = tomorrow_at(shop, "09:30")
    send(shop, person=person(shop, "marco"), headline="First", when="later", at=wall)
    where = f"/sent/{written(shop)[0].id}"
    page = shop.browser("olga").submit(where, f"{where}/cancel", do="edit")
    form = page.form("/compose")
    assert form.fields["headline"] == ["First"] and form.fields["at"] == [wall]
    assert form.fields["person"] == [person(shop, "marco")]
    again = shop.browser("olga").post(f"{where}/cancel", csrf_token=form.fields["csrf_token"][0])
    assert again.status == 303
    shop.wait(at - shop.now() + timedelta(hours=1))
    assert [row.state for row in written(shop)] == ["cancelled"]
    shop.silence()


@pytest.mark.proves("B3")
def test_it_is_not_sent_when_its_author_has_left_and_the_office_hears_why(shop):
    wall, at = tomorrow_at(shop, "09:30")
    send(shop, person=person(shop, "marco"), headline="Party", when="later", at=wall)
    shop.build.run("UPDATE person SET left_at = hub_now() WHERE id = :id", id=shop.people["olga"].id)
    shop.wait(at - shop.now() + timedelta(minutes=1))
    row = written(shop)[0]
    assert row.state == "failed" and "left the organisation" in row.error
    shop.inbox("ada").has("not_reached", "Party")
    shop.forget()  # the office's own not_reached mail has nowhere to go
    assert not shop.deliveries("marco")


@pytest.mark.proves("B3")
@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2031-03-09T02:30", "clocks are put forward"),
        ("2001-01-01T10:00", "has passed"),
        ("soon", "Give the day and the time"),
        ("2099-01-01T10:00", "two years"),
    ],
)
def test_a_time_that_does_not_exist_or_has_passed_is_not_taken(shop, at, said):
    shop.at("2031-03-01T12:00")
    page = fill(shop, person=person(shop, "marco"), when="later", at=at)
    assert page.status == 422 and said in page.text
    assert written(shop) == []


# --- switched off --------------------------------------------------------------------------------------------------


def notifications(shop, *switch: str) -> str:
    with shop.world.app.app_context():
        result = shop.world.app.test_cli_runner().invoke(args=["notifications", *switch])
    assert result.exception is None, result.exception
    return result.output


@pytest.mark.proves("D6")
def test_nobody_is_told_while_the_installation_is_switched_off_and_every_office_reads_so(shop):
    assert notifications(shop, "off") == "off\n"
    assert notifications(shop) == "off\n"
    assert "The whole installation tells nobody" in shop.browser("olga").get("/dashboard").text
    assert "tells nobody anything" not in shop.browser("marco").get("/inbox").text
    send(shop, person=person(shop, "marco"))
    assert shop.decisions(None, "manual_message") == {"": ("not_told", "notifications_off")}
    shop.silence()
    assert notifications(shop, "on") == "on\n"
    assert "tells nobody" not in shop.browser("olga").get("/dashboard").text
    send(shop, person=person(shop, "marco"))
    shop.sms(MARCO_PHONE).says(KEYS)
    shop.inbox("marco").has("manual_message")
    shop.silence()


@pytest.mark.proves("D6")
def test_an_administrator_switches_one_organisation_off_and_no_other(shop):
    other = shop.another("harbor", zone="UTC")
    other.office("charlie")
    other.person("zoe", sms="+12025550177")
    shop.browser("ada").submit("/switches", "/switches", notifications=None)
    assert "Evergreen Auto Glass tells nobody" in shop.browser("olga").get("/dashboard").text
    shop.repair("R-1", technician="marco").approved()
    assert shop.decisions(None, "repair_approved") == {"": ("not_told", "notifications_off")}
    shop.silence()
    other.repair("H-1", technician="zoe").approved()
    other.sms("+12025550177").says("H-1")
    other.sms("+12025550177").says("New job H-1")
    for event in ("repair_approved", "repair_assigned"):
        other.inbox("zoe").has(event)
    assert shop.browser("olga").get("/switches").status == 403
