"""SMS that come in: who wants no more messages, who wants them again, who asks what this is, and who sees to something by its
code; by the same signed topic as reports."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from tests.sns import SnsStub
from tests.stories.conftest import DANA_PHONE, MARCO_PHONE
from tests.stories.test_d4_escalation import (
    ADA_MAIL,
    ADA_PHONE,
    VERA_PHONE,
    permit,
    rule,
    set_office,
    submitted,
    task,
)
from tests.stories.test_feedback import blocked, kept, post

pytestmark = pytest.mark.proves("A7", "A16", "D4")

MINUTE = timedelta(minutes=1)
CODE = re.compile(r"Reply ([A-Z0-9]{5}) to see to it\. ")


@pytest.fixture(autouse=True)
def _as_new(sns: SnsStub, app: Any) -> None:
    sns.reset()
    app.extensions.pop("sns certificates", None)


@pytest.fixture
def site(shop: Any) -> Any:
    """Permits that Vera verifies; after ten minutes Vera and Ada are told that one waits."""
    shop.person("vera", name="Vera Lind", sms=VERA_PHONE)
    shop.person("ada", "administrator", name="Ada Quist", grade="A", sms=ADA_PHONE, email=ADA_MAIL)
    set_office(shop, escalations_on=True)
    people = [f"person:{shop.people[key].id}" for key in ("vera", "ada")]
    rule(shop, {"after": 10, "tell": people, "says": "escalated"}, kind="permit")
    return shop


def inbound(number: str, words: str) -> dict[str, Any]:
    return {
        "originationNumber": number,
        "destinationNumber": "+12125550100",
        "messageKeyword": "KEYWORD_123",
        "messageBody": words,
        "inboundMessageId": "cae173d2-66b9-564c-8309-21f858e9fb84",
    }


def texts(hub: Any, sns: SnsStub, number: str, words: str, **changes: Any) -> Any:
    """Somebody sends an SMS."""
    envelope = sns.signed(inbound(number, words), **changes)
    answer = post(hub, envelope, "/inbound/sms")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return envelope


def told(site: Any) -> dict[str, str]:
    """The permit waits until both are told; the code of each."""
    submitted(site)
    site.wait(11 * MINUTE)
    found = {}
    for number in (VERA_PHONE, ADA_PHONE):
        match = CODE.match(site.sms(number).says("PTW-1", "to see to it").text)
        assert match
        found[number] = match[1]
    site.forget()
    return found


# --- no more, and again --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["STOP", "stop", " Unsubscribe. "])
def test_whoever_answers_stop_is_written_to_no_more_not_even_when_it_is_urgent(shop, sns, words):
    texts(shop, sns, MARCO_PHONE, words)
    assert blocked(shop, MARCO_PHONE).kind == "opt_out"
    shop.silence()  # nobody has to put anything right
    shop.repair("R-1", technician="marco").approved()
    assert shop.decisions("marco", "repair_approved")["sms"] == ("not_told", "suppressed")
    shop.sms(MARCO_PHONE).nothing()
    shop.forget()
    row = shop.build.one("SELECT * FROM audit WHERE what = 'address.opted_out'")
    assert (row.subject_id, row.actor_id) == (shop.people["marco"].id,) * 2


def test_start_takes_it_back_and_only_that(shop, sns):
    texts(shop, sns, MARCO_PHONE, "STOP")
    texts(shop, sns, MARCO_PHONE, "start")
    assert blocked(shop, MARCO_PHONE) is None
    shop.build.suppress(shop.organisation, "sms", MARCO_PHONE, "no such number")
    texts(shop, sns, MARCO_PHONE, "START")
    assert blocked(shop, MARCO_PHONE).reason == "no such number"
    shop.silence()


def test_who_complains_about_a_blocked_number_keeps_it_blocked_by_their_own_wish(shop, sns):
    shop.build.suppress(shop.organisation, "sms", MARCO_PHONE, "no such number")
    texts(shop, sns, MARCO_PHONE, "STOP")
    assert blocked(shop, MARCO_PHONE).kind == "opt_out"


@pytest.mark.proves("C5")
def test_stop_holds_in_every_organisation_that_has_the_number(shop, sns):
    harbor = shop.another("harbor")
    harbor.customer("dana", name="Dana W.", sms=DANA_PHONE)
    lake = shop.another("lake")
    lake.customer("else", sms=MARCO_PHONE)
    texts(shop, sns, DANA_PHONE, "STOP")
    rows = shop.build.all("SELECT organisation_id FROM suppression")
    assert {one.organisation_id for one in rows} == {shop.organisation.id, harbor.organisation.id}


def test_help_answers_who_writes_here_and_how_to_end_it_once(shop, sns):
    envelope = texts(shop, sns, DANA_PHONE, "Help")
    said = shop.sms(DANA_PHONE).says("Evergreen Auto Glass", "STOP", "START")
    assert len(said.text) <= 160
    post(shop, envelope, "/inbound/sms")
    shop.silence()


def test_what_nobody_understands_and_what_a_stranger_sends_is_not_answered(shop, sns):
    for number, words in (
        (DANA_PHONE, "Thanks, see you tomorrow"),
        (DANA_PHONE, ""),
        ("+12025550199", "HELP"),
        ("+12025550199", "STOP"),
        ("+12025550199", "K4TP7"),
        ("12345", "STOP"),
        ("not a number", "STOP"),
    ):
        texts(shop, sns, number, words)
    shop.silence()
    assert not shop.build.all("SELECT 1 FROM suppression")
    assert {one.waiting for one in kept(shop)} == {None}


@pytest.mark.proves("S3")
def test_an_sms_that_cannot_prove_itself_changes_nothing(shop, sns):
    forged = {**sns.signed(inbound(DANA_PHONE, "HELP")), "Message": "{}"}
    assert post(shop, forged, "/inbound/sms").status_code == 403
    forged = sns.signed(inbound(DANA_PHONE, "STOP"), TopicArn="arn:aws:sns:us-east-1:999999999999:sms")
    assert post(shop, forged, "/inbound/sms").status_code == 403
    assert post(shop, sns.signed({"messageBody": "STOP"}), "/inbound/sms").status_code == 422
    assert blocked(shop, DANA_PHONE) is None


# --- seeing to something by its code -------------------------------------------------------------------------------


def test_a_code_sees_to_what_waits_and_the_next_levels_are_not_told(site, sns):
    codes = told(site)
    texts(site, sns, VERA_PHONE, codes[VERA_PHONE].lower())
    site.sms(VERA_PHONE).says("Thank you. You see to it", "PTW-1")
    row = task(site)
    assert row.acknowledged_by == site.people["vera"].id
    line = site.build.one(
        "SELECT * FROM notification WHERE person_id = :id AND name = 'permit_escalated'",
        id=site.people["vera"].id,
    )
    assert line.acknowledged_at and line.read_at
    site.silence()


def test_the_first_wins_and_a_late_one_hears_who_it_was(site, sns):
    codes = told(site)
    texts(site, sns, VERA_PHONE, codes[VERA_PHONE])
    texts(site, sns, ADA_PHONE, codes[ADA_PHONE])
    site.sms(VERA_PHONE).says("Thank you")
    site.sms(ADA_PHONE).says("Vera Lind sees to it already", "PTW-1")
    assert task(site).acknowledged_by == site.people["vera"].id
    # saying it again is no harm
    texts(site, sns, VERA_PHONE, codes[VERA_PHONE])
    site.sms(VERA_PHONE).says("Thank you")
    site.silence()


def test_whoever_was_faster_in_the_inbox_is_named(site, sns):
    codes = told(site)
    page = site.browser("ada").get(f"/work/{task(site).item_id}")
    site.browser("ada").submit(page, f"/tasks/{task(site).id}/acknowledge")
    texts(site, sns, VERA_PHONE, codes[VERA_PHONE])
    site.sms(VERA_PHONE).says("Ada Quist sees to it already")
    site.silence()


def test_what_is_done_already_says_so(site, sns):
    codes = told(site)
    permit(site, "verified")
    site.forget()
    texts(site, sns, VERA_PHONE, codes[VERA_PHONE])
    site.sms(VERA_PHONE).says("That is done already")
    site.silence()


def test_a_code_counts_only_from_the_phone_that_got_it(site, sns):
    codes = told(site)
    assert codes[VERA_PHONE] != codes[ADA_PHONE]
    texts(site, sns, ADA_PHONE, codes[VERA_PHONE])
    site.sms(ADA_PHONE).says("We do not know this code")
    texts(site, sns, "+12025550199", codes[VERA_PHONE])
    assert task(site).acknowledged_at is None
    site.silence()


def test_a_code_counts_for_two_days_and_no_longer(site, sns):
    codes = told(site)
    site.world.move(timedelta(hours=49))
    texts(site, sns, VERA_PHONE, codes[VERA_PHONE])
    site.sms(VERA_PHONE).says("This code is too old")
    assert task(site).acknowledged_at is None


def test_an_answer_that_comes_again_is_done_and_answered_once(site, sns):
    codes = told(site)
    envelope = texts(site, sns, VERA_PHONE, codes[VERA_PHONE])
    site.sms(VERA_PHONE).says("Thank you")
    post(site, envelope, "/inbound/sms")
    # and if it was done, and not crossed out
    waiting = json.dumps({"answer": {"number": VERA_PHONE, "to": "", "words": codes[VERA_PHONE]}})
    site.build.run(
        "UPDATE provider_message SET waiting = CAST(:waiting AS jsonb), next_look_at = hub_now() WHERE id = :id",
        waiting=waiting,
        id=envelope["MessageId"],
    )
    site.world.sweep("feedback")
    site.silence()


def test_only_what_asks_for_it_carries_a_code(shop, sns):
    shop.repair("R-1", customer="dana", technician="marco").approved()
    assert "Reply" not in shop.sms(MARCO_PHONE).says("R-1").text
    shop.forget()
    assert not shop.build.all("SELECT 1 FROM reply_code")
