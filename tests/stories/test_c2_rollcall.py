"""An emergency asks everybody whether they are safe; the office sees who answered what, and tells the silent again (C2)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.stories.conftest import (
    DANA_MAIL,
    DANA_PHONE,
    MARCO_MAIL,
    MARCO_PHONE,
    OFFICE_MAIL,
    PRIYA_MAIL,
    PRIYA_PHONE,
)

RAISE = "/compose/emergency.raised"
FIRE = {"alert_message": "Fire alarm", "location": "Building A", "severity": "high"}
ADA_PHONE = "+12025550108"


@pytest.fixture(autouse=True)
def ada(shop):
    shop.person("ada", "administrator", name="Ada Quist", sms=ADA_PHONE)


def alarm(shop, **values) -> str:
    """Ada raises the alarm; the path of its roll-call. All that went out is as good as expected."""
    ada = shop.browser("ada")
    looked = ada.submit(RAISE, RAISE, do="preview", **{**FIRE, **values})
    assert looked.status == 200, looked.text[:500]
    sent = ada.submit(looked, RAISE, do="send", confirm="1")
    assert "It is on its way." in sent.text, sent.text[:500]
    shop.settle()
    return f"/rollcall/{shop.events('emergency_alert')[0].id}"


def line(shop, key) -> Any:
    """The newest line of the alert in somebody's inbox."""
    return shop.build.all(
        "SELECT * FROM notification WHERE person_id = :id AND name = 'emergency_alert' ORDER BY id DESC",
        id=shop.people[key].id,
    )[0]


def private_path(shop, number=DANA_PHONE) -> str:
    texts = [sms.text for _, sms in shop.world.texts() if sms.number == number and "/l/" in sms.text]
    return "/l/" + texts[-1].split("/l/")[1].split()[0]


def standing(shop, path, key="ada") -> dict[str, int]:
    """How many are in each state, as the page says."""
    text = shop.browser(key).get(path).html.split('data-live="standing"')[1].split("</ul>")[0]
    numbers = [int(part.split("<")[0]) for part in text.split('standing-number">')[1:]]
    return dict(zip(("help", "silent", "safe"), numbers, strict=True))


def answer(shop, key, name, path="/inbox"):
    return shop.browser(key).submit(path, f"/inbox/{line(shop, key).id}/answer", answer=name)


def again(shop, path, key="ada"):
    page = shop.browser(key).submit(path, f"{path}/again")
    shop.settle()
    return page


@pytest.mark.proves("C2")
def test_an_emergency_reaches_everybody_on_every_channel_and_they_answer_from_inbox_page_and_link(shop):
    path = alarm(shop)
    for number in (DANA_PHONE, MARCO_PHONE, PRIYA_PHONE, ADA_PHONE):
        shop.sms(number).says("EMERGENCY: Fire alarm, Building A")
    for address in (DANA_MAIL, MARCO_MAIL, PRIYA_MAIL, OFFICE_MAIL):
        shop.mail(address).says("Fire alarm")
    for key in ("marco", "priya", "olga", "ada"):
        shop.inbox(key).has("emergency_alert", priority="urgent")
    shop.silence()
    assert standing(shop, path) == {"help": 0, "silent": 5, "safe": 0}
    assert "the office knows" in answer(shop, "marco", "safe").text
    assert "the office knows" in answer(shop, "priya", "safe", f"/inbox/{line(shop, 'priya').id}").text
    link = private_path(shop)
    page = shop.stranger().submit(link, link, answer="safe")
    assert page.status == 200 and "the office knows" in page.text
    assert standing(shop, path) == {"help": 0, "silent": 2, "safe": 3}
    shop.settle()
    shop.silence()
    assert line(shop, "marco").read_at and line(shop, "marco").acknowledged_at


@pytest.mark.proves("C2")
def test_a_link_never_answers_when_it_is_only_looked_at_and_the_last_answer_counts(shop):
    path = alarm(shop)
    shop.forget()
    link, stranger = private_path(shop), shop.stranger()
    for _ in range(3):
        page = stranger.get(link)
        assert page.status == 200 and "Building A" in page.text and "Dana, how are you?" in page.text
    assert shop.build.all("SELECT 1 FROM answer") == []
    stranger.submit(link, link, answer="help")
    shop.settle()
    shop.inbox("olga").has("help_needed", "Dana Whitfield")
    shop.forget()
    assert standing(shop, path) == {"help": 1, "silent": 4, "safe": 0}
    page = stranger.submit(link, link, answer="safe")
    assert page.status == 200
    assert standing(shop, path) == {"help": 0, "silent": 4, "safe": 1}
    assert len(shop.build.all("SELECT 1 FROM answer")) == 2
    assert stranger.submit(link, link, answer="perhaps").status == 422


@pytest.mark.proves("C2")
def test_who_needs_help_is_told_to_the_office_at_once_with_name_and_phone_and_only_once(shop):
    path = alarm(shop)
    shop.forget()
    page = shop.browser("marco").get("/inbox")
    threads = [threading.Thread(target=lambda: shop_answer(shop, page)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shop.settle()
    assert len(shop.events("help_needed")) == 1
    shop.mail(OFFICE_MAIL).says("Marco Reyes", MARCO_PHONE, "Building A")
    shop.sms(ADA_PHONE).says("Marco Reyes")
    for key in ("olga", "ada"):
        shop.inbox(key).has("help_needed", "Marco Reyes", priority="urgent")
    shop.silence()
    office = shop.browser("olga").get(path)
    assert f'href="tel:{MARCO_PHONE}"' in office.html
    assert "Marco Reyes" in office.html.split('data-live="group-help"')[1].split("</section>")[0]


def shop_answer(shop, page) -> None:
    """Marco's answer, from a browser of its own thread."""
    browser = shop.stranger()
    browser.sign_in(shop.people["marco"].login, "open sesame, please")
    browser.submit("/inbox", f"/inbox/{line(shop, 'marco').id}/answer", answer="help")


@pytest.mark.proves("C2")
def test_only_the_silent_are_told_again_and_their_answers_join_the_others(shop):
    path = alarm(shop)
    shop.forget()
    answer(shop, "marco", "safe")
    answer(shop, "priya", "safe")
    answer(shop, "olga", "safe")
    page = again(shop, path)
    assert "Sent again to 2 people." in page.text
    shop.sms(DANA_PHONE).says("EMERGENCY")
    shop.mail(DANA_MAIL).says("Fire alarm")
    shop.sms(ADA_PHONE).says("EMERGENCY")
    shop.inbox("ada").has("emergency_alert")
    shop.silence()
    assert "Again, to the silent" in page.text and "Ada Quist" in page.text
    link = private_path(shop)  # the new one; the first works as well
    shop.stranger().submit(link, link, answer="safe")
    answer(shop, "ada", "safe")
    assert standing(shop, path) == {"help": 0, "silent": 0, "safe": 5}
    # the second event leads to the same roll-call
    assert standing(shop, f"/rollcall/{shop.events('emergency_alert')[1].id}") == {
        "help": 0,
        "silent": 0,
        "safe": 5,
    }
    assert not shop.browser("ada").get(path).offers(f"{path}/again")


@pytest.mark.proves("C2")
def test_nobody_is_told_again_twice_by_a_double_click_or_by_two_administrators(shop):
    path = alarm(shop)
    shop.person("abe", "administrator", name="Abe Lund")
    shop.forget()
    first, second = shop.browser("ada").get(path), shop.browser("abe").get(path)
    shop.browser("ada").submit(first, f"{path}/again")
    twice = shop.browser("ada").submit(first, f"{path}/again")
    assert "sent again meanwhile" not in twice.text
    other = shop.browser("abe").submit(second, f"{path}/again")
    assert "It was sent again meanwhile" in other.text
    shop.settle()
    assert len(shop.events("emergency_alert")) == 2
    shop.forget()


@pytest.mark.proves("C2", "C6")
def test_only_an_administrator_raises_an_alert_or_sends_it_again_and_nobody_answers_for_another(shop):
    assert shop.browser("olga").get(RAISE).status == 403
    assert shop.browser("marco").get(RAISE).status == 403
    path = alarm(shop)
    shop.forget()
    assert not shop.browser("olga").get(path).offers(f"{path}/again")
    token = shop.browser("olga").get("/preferences").form("/preferences").fields["csrf_token"][0]
    assert shop.browser("olga").post(f"{path}/again", csrf_token=token, seen="0").status == 403
    assert shop.browser("marco").get(path).status == 403
    theirs = f"/inbox/{line(shop, 'priya').id}/answer"
    for key in ("marco", "olga"):
        token = shop.browser(key).get("/preferences").form("/preferences").fields["csrf_token"][0]
        assert shop.browser(key).post(theirs, csrf_token=token, answer="safe").status == 404
    other = shop.another("harbor")
    other.office("charlie")
    assert other.browser("charlie").get(path).status == 404
    assert shop.build.all("SELECT 1 FROM answer") == []


@pytest.mark.proves("C2")
def test_an_emergency_of_a_signed_source_has_a_roll_call_too(shop):
    assert shop.post("emergency.raised", FIRE).status_code == 202
    shop.forget()
    path = f"/rollcall/{shop.events('emergency_alert')[0].id}"
    answer(shop, "marco", "safe")
    assert standing(shop, path, "olga") == {"help": 0, "silent": 4, "safe": 1}
    assert "Fire alarm" in shop.browser("olga").get("/rollcall").text
    again(shop, path)
    assert len(shop.events("emergency_alert")) == 2
    assert line(shop, "marco").event_id == shop.events("emergency_alert")[0].id
    shop.forget()


@pytest.mark.proves("C2", "C5")
def test_who_belongs_to_two_organisations_answers_in_the_one_that_asks(shop):
    other = shop.another("harbor")
    other.person("marco", name="Marco Reyes", account_of=shop.people["marco"])
    other.office("charlie")
    path = alarm(shop)
    shop.forget()
    marco = shop.browser("marco")
    assert "Evergreen Auto Glass" in marco.get("/inbox").text
    other_id = str(other.organisation.id)
    token = marco.get("/preferences").form("/preferences").fields["csrf_token"][0]
    marco.post("/organisation", organisation=other_id, csrf_token=token)
    assert "the office knows" in answer(shop, "marco", "safe").text
    assert standing(shop, path)["safe"] == 1
    assert other.browser("charlie").get(path).status == 404
