"""An address that somebody types is written to when it is verified, and not a moment before: by the link or the code that
was sent to it, or because an administrator vouches for it. What guesses, replays or takes another's gets nowhere."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest

from notify_app.pipeline.step import step
from notify_app.policy.verification import MOST_A_DAY, MOST_TRIES
from notify_app.work import verification
from notify_app.work.record import COMMAND
from tests.stories.conftest import DANA_MAIL, MARCO_MAIL, MARCO_PHONE, OFFICE_MAIL

pytestmark = pytest.mark.proves("A9", "A15")

NEW_PHONE, NEW_MAIL = "+12025550177", "new@example.com"


@pytest.fixture
def ada(shop):
    shop.person("ada", "administrator", name="Ada Quist")
    return shop.browser("ada")


def types(shop, channel, address, key="marco", **more):
    """Somebody types an address of their own; their browser, and what reached it."""
    browser = shop.browser(key)
    page = browser.submit("/preferences", "/preferences/addresses", channel=channel, address=address, **more)
    assert page.status == 200, page.text
    shop.settle()
    return browser


def code_sms(shop, number=NEW_PHONE):
    return re.match(r"\d{6}", shop.sms(number).says("verifies this number").text)[0]


def link_of(mail):
    return re.search(r"https://[^\s]+(/verify/[\w-]+)", mail.text)[1]


def asks(browser, do, where="/preferences", **more):
    """They press one of the buttons beside their address that is not verified (the last one that there is)."""
    form = [one for one in browser.get(where).forms if "/unverified/" in one.path][-1]
    return browser._send(form.action, {**form.fields, "do": do, **more}, follow=True)


def enters(browser, code):
    return asks(browser, "code", code=code)


def used(shop, key="marco"):
    rows = shop.build.all(
        "SELECT value FROM address WHERE person_id = :id ORDER BY channel, position, id",
        id=shop.people[key].id,
    )
    return [row.value for row in rows]


def waiting(shop, key="marco"):
    return shop.build.all("SELECT * FROM unverified_address WHERE person_id = :id", id=shop.people[key].id)


def job(shop, key="marco", id="R-1"):
    """A HIGH message: SMS by the hub's order."""
    repair = shop.repair(id, customer="dana").in_progress()
    shop.mail(DANA_MAIL).says(id)
    repair.assigned(key)


# --- by code and by link ------------------------------------------------------------------------------------------------


def test_a_new_number_is_used_when_its_code_is_typed_and_until_then_the_old_one_is(shop):
    marco = types(shop, "sms", NEW_PHONE)
    code = code_sms(shop)
    page = marco.get("/preferences")
    assert "Not verified yet" in page.text and "Type the code that was sent." in page.text
    job(shop)
    shop.sms(MARCO_PHONE).says("New job")
    shop.inbox("marco").has("repair_assigned")
    assert "The address is verified" in enters(marco, code).text
    assert used(shop) == [MARCO_MAIL, MARCO_PHONE, NEW_PHONE]
    assert waiting(shop) == []
    assert "Address verified: SMS +12***77." in marco.get("/preferences").text
    shop.forget()


def test_a_changed_number_takes_the_place_of_the_old_one_only_when_it_is_verified(shop):
    old = shop.build.one("SELECT id FROM address WHERE value = :value", value=MARCO_PHONE).id
    marco = types(shop, "sms", NEW_PHONE, instead_of=str(old))
    assert used(shop) == [MARCO_MAIL, MARCO_PHONE]
    enters(marco, code_sms(shop))
    assert used(shop) == [MARCO_MAIL, NEW_PHONE]
    job(shop)
    shop.sms(NEW_PHONE).says("New job")
    shop.sms(MARCO_PHONE).nothing()
    shop.forget()


def test_a_mail_address_is_verified_by_the_button_behind_its_link_without_signing_in_and_looking_does_nothing(
    shop,
):
    types(shop, "email", NEW_MAIL)
    link = link_of(shop.mail(NEW_MAIL).says("verifies this address", "Marco Reyes"))
    stranger = shop.stranger()
    for _ in range(2):
        page = stranger.get(link)
        assert page.status == 200 and "example.com" in page.text and "Marco Reyes" in page.text
        assert NEW_MAIL not in used(shop)
    assert "The address is verified" in stranger.submit(page, link).text
    assert NEW_MAIL in used(shop)
    assert "by whoever had the link" in shop.browser("marco").get("/preferences").text
    shop.silence()


def test_a_mail_address_is_verified_by_its_code_too(shop):
    marco = types(shop, "email", NEW_MAIL)
    mail = shop.mail(NEW_MAIL).says("verifies this address")
    code = re.search(r"^\d{6}$", mail.text, re.M)[0]
    assert mail.subject.startswith(code)
    enters(marco, f" {code[:3]} {code[3:]} ")
    assert NEW_MAIL in used(shop)
    assert shop.stranger().get(link_of(mail)).status == 404, "the link goes with the code"
    shop.silence()


def test_what_verifies_is_no_line_in_any_inbox_and_no_event(shop):
    types(shop, "sms", NEW_PHONE)
    code_sms(shop)
    assert shop.events() == []
    assert shop.build.one("SELECT count(*) AS n FROM notification").n == 0
    shop.silence()


def test_only_hashes_are_stored_of_what_verifies(shop):
    types(shop, "email", NEW_MAIL)
    mail = shop.mail(NEW_MAIL).says("verifies this address")
    token, code = link_of(mail).removeprefix("/verify/"), mail.subject[:6]
    row = str(tuple(waiting(shop)[0]))
    assert token not in row and code not in row
    shop.silence()


# --- why nothing was sent -------------------------------------------------------------------------------------------


def test_whose_only_address_is_not_verified_is_not_written_to_and_the_record_says_why(shop):
    shop.person("quinn", name="Quinn Hale")
    types(shop, "sms", NEW_PHONE, key="quinn")
    code_sms(shop)
    job(shop, "quinn")
    shop.sms(NEW_PHONE).nothing()
    line = shop.inbox("quinn").has("repair_assigned")
    decided = shop.decisions("quinn", "repair_assigned")
    assert decided["sms"] == ("not_told", "not_verified")
    assert decided["email"] == ("not_told", "no_address")
    assert "Your SMS address is not verified yet." in shop.browser("quinn").get(f"/inbox/{line.id}").text
    shop.mail(OFFICE_MAIL).says("Quinn Hale", "Their SMS address is not verified yet.")
    assert "Address not verified yet" in shop.browser("olga").get("/people?q=Quinn").text
    shop.forget()


def test_a_broadcast_does_not_go_to_an_address_that_is_not_verified_and_says_so(shop):
    shop.person("quinn", name="Quinn Hale")
    types(shop, "email", NEW_MAIL, key="quinn")
    shop.mail(NEW_MAIL).says("verifies")
    shop.post(
        "announcement.send", {"title": "Closed", "message": "At noon.", "audience": {"roles": ["technician"]}}
    )
    shop.settle()
    shop.mail(NEW_MAIL).nothing()
    rows = shop.build.all("SELECT channel, reason, people FROM decision WHERE reason = 'not_verified'")
    assert [(row.channel, row.reason, row.people) for row in rows] == [("email", "not_verified", 1)]
    shop.forget()


# --- by an administrator --------------------------------------------------------------------------------------------


def test_an_administrator_types_an_address_which_is_verified_by_its_owner_or_vouched_for(shop, ada):
    where = f"/people/{shop.people['priya'].id}"
    page = ada.submit(where, f"{where}/addresses", channel="email", address=NEW_MAIL)
    assert "used as soon as it is verified" in page.text and "Not verified yet" in page.text
    assert NEW_MAIL not in used(shop, "priya")
    shop.settle()
    shop.mail(NEW_MAIL).says("verifies", "Priya Natarajan")
    said = asks(ada, "vouch", where)
    assert "You vouch" in said.text or "you vouch" in said.text
    assert NEW_MAIL in used(shop, "priya")
    note = shop.build.one("SELECT * FROM audit WHERE what = 'address.vouched'")
    assert (note.actor_id, note.subject_id) == (shop.people["ada"].id, shop.people["priya"].id)
    ada.submit(where, f"{where}/addresses", channel="sms", address=NEW_PHONE, vouched="yes")
    assert NEW_PHONE in used(shop, "priya"), "at once"
    shop.settle()
    shop.sms(NEW_PHONE).nothing()
    shop.silence()


def test_somebody_new_is_reached_when_they_have_verified_and_reads_the_code_out_on_the_telephone(shop, ada):
    ada.submit("/people/new", "/people/new", name="Nina Vale", role="technician", phone="(202) 555-0177")
    shop.settle()
    nina = shop.build.one("SELECT id FROM person WHERE name = 'Nina Vale'").id
    code = code_sms(shop)
    where = f"/people/{nina}"
    asks(ada, "code", where, code=code)
    assert shop.build.one("SELECT value FROM address WHERE person_id = :id", id=nina).value == NEW_PHONE
    shop.silence()


def test_what_a_source_says_is_verified_already(shop):
    shop.repair("R-9", customer={"id": "zed", "name": "Zed Orr", "email": NEW_MAIL}).in_progress()
    shop.mail(NEW_MAIL).says("R-9")
    shop.forget()


# --- again, away and back -------------------------------------------------------------------------------------------


def test_a_new_code_ends_the_one_before(shop):
    marco = types(shop, "sms", NEW_PHONE)
    first = code_sms(shop)
    asks(marco, "send")
    shop.settle()
    second = code_sms(shop)
    if first != second:
        assert "not the code" in enters(marco, first).text
    assert "is verified" in enters(marco, second).text
    shop.silence()


def test_a_link_ends_with_the_next_one_and_when_the_address_is_changed_again(shop):
    marco = types(shop, "email", NEW_MAIL)
    first = link_of(shop.mail(NEW_MAIL).says("verifies"))
    page = shop.stranger().get(first)
    asks(marco, "send")
    shop.settle()
    second = link_of(shop.mail(NEW_MAIL).says("verifies"))
    assert shop.stranger().get(first).status == 404
    assert shop.stranger().submit(page, first).status in (400, 404), "a page that was open before"
    asks(marco, "remove")
    assert shop.stranger().get(second).status == 404
    assert used(shop) == [MARCO_MAIL, MARCO_PHONE]
    shop.silence()


def test_an_undone_removal_brings_the_address_back_as_verified_and_nothing_else_does(shop):
    marco = shop.browser("marco")
    old = shop.build.one("SELECT id FROM address WHERE value = :value", value=MARCO_PHONE).id
    page = marco.submit("/preferences", f"{old}/remove")
    undo = next(form for form in page.forms if form.fields.get("address") == [MARCO_PHONE])
    # the same seal for another address, and in another's hands
    other = {**undo.fields, "address": [NEW_PHONE]}
    marco._send(undo.action, other, follow=True)
    assert NEW_PHONE not in used(shop)
    priya = shop.browser("priya")
    token = priya.get("/preferences").form("/quiet-hours").fields["csrf_token"]
    priya._send(undo.action, {**undo.fields, "csrf_token": token}, follow=True)
    assert MARCO_PHONE not in used(shop, "priya")
    marco._send(undo.action, undo.fields, follow=True)
    assert MARCO_PHONE in used(shop)
    shop.forget()


# --- limits ---------------------------------------------------------------------------------------------------------


def test_codes_are_guessed_so_often_and_not_once_more(shop):
    marco = types(shop, "sms", NEW_PHONE)
    code = code_sms(shop)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    for _ in range(MOST_TRIES - 1):
        assert "This is not the code" in enters(marco, wrong).text
    assert "of no use any more" in enters(marco, wrong).text
    token = marco.get("/preferences").form("/quiet-hours").fields["csrf_token"]
    path = f"/preferences/unverified/{waiting(shop)[0].id}"
    marco.post(path, csrf_token=token[0], do="code", code=code)
    assert NEW_PHONE not in used(shop), "the right one comes too late"
    asks(marco, "send")
    shop.settle()
    enters(marco, code_sms(shop))
    assert NEW_PHONE in used(shop)
    shop.silence()


def test_guesses_at_the_same_moment_all_count(shop):
    types(shop, "sms", NEW_PHONE)
    code = code_sms(shop)
    typed = waiting(shop)[0].id
    said: list[str] = []

    def guess(number):
        with shop.world.app.app_context(), step(shop.organisation.id) as work:
            said.append(
                verification.enter(
                    work, shop.people["marco"].id, typed, f"{(int(code) + 1 + number) % 10**6:06d}", COMMAND
                )
            )

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert said.count("wrong") == MOST_TRIES - 1 and said.count("over") == 12 - MOST_TRIES + 1
    assert waiting(shop)[0].tries == MOST_TRIES
    shop.silence()


def test_two_who_press_the_button_at_once_verify_once(shop):
    types(shop, "email", NEW_MAIL)
    link = link_of(shop.mail(NEW_MAIL).says("verifies"))
    done: list[bool] = []

    def press():
        with shop.world.app.app_context(), step(shop.organisation.id) as work:
            done.append(verification.follow(work, link.removeprefix("/verify/")))

    threads = [threading.Thread(target=press) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert sorted(done) == [False, False, False, True]
    assert used(shop).count(NEW_MAIL) == 1
    shop.silence()


def test_a_code_lasts_ten_minutes_and_a_link_a_day(shop):
    marco = types(shop, "sms", NEW_PHONE)
    types(shop, "email", NEW_MAIL)
    code, link = code_sms(shop), link_of(shop.mail(NEW_MAIL).says("verifies"))
    shop.wait(timedelta(minutes=11))
    sms = next(row for row in waiting(shop) if row.channel == "sms")
    token = marco.get("/preferences").form("/quiet-hours").fields["csrf_token"][0]
    marco.post(f"/preferences/unverified/{sms.id}", csrf_token=token, do="code", code=code)
    assert NEW_PHONE not in used(shop)
    assert shop.stranger().get(link).status == 200
    shop.wait(timedelta(days=1))
    assert shop.stranger().get(link).status == 410
    shop.forget()


def test_so_many_messages_go_to_one_address_in_a_day_whoever_asks(shop):
    marco = types(shop, "sms", NEW_PHONE)
    for _ in range(MOST_A_DAY - 1):
        asks(marco, "send")
    # away and typed again begins no new count, nor does somebody else
    asks(marco, "remove")
    assert (
        "Enough messages"
        in marco.submit("/preferences", "/preferences/addresses", channel="sms", address=NEW_PHONE).text
    )
    types(shop, "sms", NEW_PHONE, key="priya")
    sent = shop.build.one("SELECT count(*) AS n FROM delivery WHERE address = :value", value=NEW_PHONE).n
    assert sent == MOST_A_DAY
    shop.forget()


def test_nothing_is_sent_to_a_blocked_address_not_even_what_verifies(shop):
    shop.build.suppress(shop.organisation, "sms", NEW_PHONE, "they answered STOP")
    marco = types(shop, "sms", NEW_PHONE)
    assert "they answered STOP" in marco.get("/preferences").text
    shop.sms(NEW_PHONE).nothing()
    assert shop.build.one("SELECT count(*) AS n FROM delivery").n == 0
    shop.silence()


# --- somebody else's ------------------------------------------------------------------------------------------------


@pytest.mark.proves("C5")
def test_nobody_verifies_removes_or_asks_about_anothers_address(shop, ada):
    marco = types(shop, "sms", NEW_PHONE)
    code, typed = code_sms(shop), waiting(shop)[0].id
    harbor = shop.another("harbor", name="Harbor Glass")
    harbor.person("adam", "administrator", name="Adam Berg")
    harbor.person("cleo", name="Cleo Park")
    for browser in (shop.browser("priya"), shop.browser("olga"), harbor.browser("cleo"), ada):
        token = browser.get("/preferences").form("/quiet-hours").fields["csrf_token"][0]
        for do in ("code", "send", "remove", "vouch"):
            answer = browser.post(f"/preferences/unverified/{typed}", csrf_token=token, do=do, code=code)
            assert answer.status == 404
    adam = harbor.browser("adam")
    token = adam.get("/preferences").form("/quiet-hours").fields["csrf_token"][0]
    for person in (shop.people["marco"].id, harbor.people["cleo"].id, shop.people["priya"].id):
        path = f"/people/{person}/unverified/{typed}"
        assert adam.post(path, csrf_token=token, do="vouch").status == 404
    # who may verify their own may not vouch for it
    token = marco.get("/preferences").form("/quiet-hours").fields["csrf_token"][0]
    marco.post(f"/preferences/unverified/{typed}", csrf_token=token, do="vouch")
    assert NEW_PHONE not in used(shop)
    shop.silence()


def test_neighbours_do_not_learn_who_else_has_an_address(shop):
    marco = types(shop, "sms", "+12025550103")  # Priya's
    page = marco.get("/preferences")
    assert "Priya" not in page.text
    code = code_sms(shop, "+12025550103")
    enters(marco, code)
    assert "+12025550103" in used(shop) and "+12025550103" in used(shop, "priya")
    shop.silence()


# --- one address, of the office's country ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "given"),
    [
        ("sms", "+12025550177, +12025550178"),
        ("sms", "+12025550177 or 555 0178"),
        ("sms", "+1 202 555 0177 ext. 5"),
        ("email", "a@example.com, b@example.com"),
        ("email", "A <a@example.com>"),
    ],
)
def test_what_is_not_exactly_one_address_is_refused_beside_its_field_and_kept(shop, channel, given):
    page = shop.browser("marco").submit(
        "/preferences", "/preferences/addresses", channel=channel, address=given
    )
    assert page.status == 422
    assert page.form("/preferences/addresses").fields
    assert any(form.fields.get("address") == [given] for form in page.forms)
    assert waiting(shop) == []
    shop.silence()


def test_a_number_without_its_country_is_of_the_office_own(shop):
    shop.build.run("UPDATE organisation SET zone = 'Europe/Berlin' WHERE id = :id", id=shop.organisation.id)
    types(shop, "sms", "0151 23456789")
    assert waiting(shop)[0].value == "+4915123456789"
    shop.forget()


# --- what is over goes ----------------------------------------------------------------------------------------------


@pytest.mark.proves("A13")
def test_an_address_that_nobody_verifies_is_forgotten_a_week_after_the_last_code(shop):
    marco = types(shop, "sms", NEW_PHONE)
    shop.world.move(timedelta(days=6))
    asks(marco, "send")
    shop.world.move(timedelta(days=6))
    shop.world.sweep("retain")
    assert len(waiting(shop)) == 1
    shop.world.move(timedelta(days=2))
    shop.world.sweep("retain")
    assert waiting(shop) == []
    shop.forget()


# --- what cannot be sent, and how many there may be -------------------------------------------------------------------------


@pytest.mark.proves("A9")
def test_no_code_is_said_to_be_sent_when_there_is_no_money_for_it(shop):
    shop.build.insert("sms_budget", organisation_id=shop.organisation.id, month_usd="0.00", reserve=15)
    browser = shop.browser("marco")
    page = browser.submit("/preferences", "/preferences/addresses", channel="sms", address=NEW_PHONE)
    assert "what the office may spend on SMS is used up" in page.text and "code was sent" not in page.text
    (row,) = waiting(shop)
    assert row.expires_at is None and row.code_hash is None, "none of the day's messages is used up"
    assert not shop.deliveries("marco", "sms")


def test_of_ten_addresses_the_eleventh_is_refused_before_it_waits(shop):
    for number in range(9):
        shop.build.address(shop.people["marco"], "email", f"marco{number}@example.com")
    page = shop.browser("marco").submit(
        "/preferences", "/preferences/addresses", channel="email", address=NEW_MAIL
    )
    assert page.status == 422 and "remove one first" in page.text
    assert not waiting(shop)
