"""The page of providers: what each took, that one is left alone, and that it may be tried at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.stories.conftest import MARCO_MAIL

pytestmark = pytest.mark.proves("A10", "A11")


def test_an_account_that_works_says_how_well(shop):
    shop.person("ada", "administrator", name="Ada Quist")
    shop.repair("R-1", customer="dana", technician="marco").approved()
    shop.forget()
    text = shop.browser("olga").get("/providers").text
    assert "smtp Works" in text and "Accepted, 24 hours 1 of 1" in text
    assert "Try it now" not in text


def test_an_account_that_is_left_alone_says_until_when_and_is_tried_when_somebody_says_so(shop):
    shop.person("ada", "administrator", name="Ada Quist")
    shop.world.smtp.fail(MARCO_MAIL, "451 4.3.2 come back later")
    who = {"people": [{"id": "marco"}]}
    for number in range(5):  # so many in a row, and it is left alone
        news = {
            "title": f"News {number}",
            "message": "Leave the hall.",
            "audience": who,
            "priority": "medium",
        }
        shop.post("announcement.send", news, settle=False)
        shop.world.settle()
    shop.mail(MARCO_MAIL).nothing()
    olga, ada = shop.browser("olga"), shop.browser("ada")
    text = olga.get("/providers").text
    assert "smtp Left alone" in text and "5 waiting" in text and "451" in text
    assert "Try it now" not in text, "that is for administrators"
    shop.world.smtp.reset()
    page = ada.submit("/providers", "/providers/try")
    assert "The next message tries it." in page.text and "Try it now" not in page.text
    shop.wait(timedelta(minutes=5))
    assert len(shop.world.smtp.messages) == 5
    assert "smtp Left alone" not in olga.get("/providers").text
    shop.forget()


def test_a_rate_that_was_halved_is_said_as_its_share_and_passes(shop):
    shop.build.insert("provider_account", channel="email", name="smtp", slowed_to=0.5, slowed_at=shop.now())
    olga = shop.browser("olga")
    text = olga.get("/providers").text
    assert "smtp Worth a look" in text and "it has 50% of its rate for now" in text
    shop.jump(timedelta(minutes=2))
    assert "it has 70% of its rate" in olga.get("/providers").text
    shop.jump(timedelta(minutes=5))
    assert "smtp Works" in olga.get("/providers").text


@pytest.mark.proves("C5")
def test_another_organisations_endpoint_is_neither_shown_nor_tried(shop):
    shop.person("ada", "administrator", name="Ada Quist")
    theirs = "01a219b1-9758-7549-b476-fda421000001"
    until = shop.now() + timedelta(minutes=9)
    shop.build.insert("provider_account", channel="endpoint", name=theirs, pauses=4, paused_until=until)
    shop.build.insert("provider_account", channel="sms", name="sns", pauses=1, paused_until=until)
    ada = shop.browser("ada")
    page = ada.get("/providers")
    assert theirs not in page.html
    tried = ada.submit(page, "/providers/try", channel="endpoint", name=theirs)
    assert tried.status == 404
    row = shop.build.one("SELECT paused_until FROM provider_account WHERE name = :name", name=theirs)
    assert row.paused_until == until


def test_one_offices_sender_that_is_none_stops_no_other_office(shop):
    other = shop.another("harbor", name="Harbor House")
    other.build.run(
        'UPDATE organisation SET branding = branding || \'{"sender_address": ""}\' WHERE id = :org',
        org=other.organisation.id,
    )
    other.person("max", name="Max Reuter", email="max@example.com")
    for hub, who in ((other, "max"), (shop, "marco")):
        news = {
            "title": "Gas",
            "message": "Leave.",
            "audience": {"people": [{"id": who}]},
            "priority": "medium",
        }
        hub.post("announcement.send", news, settle=False)
        shop.world.settle()
    (waits,) = other.deliveries("max", "email")
    assert (waits.state, waits.reason) == ("queued", "provider_config")
    shop.mail(MARCO_MAIL).says("Leave.")
    assert "Left alone" not in shop.browser("olga").get("/providers").text
    shop.forget()
