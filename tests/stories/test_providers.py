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
