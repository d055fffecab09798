"""A5: the priority decides by which channels a message goes; the row in the inbox is always made."""

from __future__ import annotations

import pytest

from tests.stories.conftest import MARCO_MAIL, MARCO_PHONE

pytestmark = pytest.mark.proves("A5")

FACTS = {"headline": "The shop closes at noon", "known": []}


def send(shop, priority, *, to="marco", template="general", context=None):
    data = {
        "template": template,
        "recipients": [{"id": to}],
        "context": context or FACTS,
        "priority": priority,
    }
    row = shop.inbound(shop.post("notification.send", data))
    assert (row.state, row.error) == ("applied", None)


def test_urgent_is_sms_mail_and_inbox(shop):
    send(shop, "urgent")
    shop.sms(MARCO_PHONE).says("closes at noon")
    shop.mail(MARCO_MAIL).says("closes at noon")
    shop.inbox("marco").has("general", priority="urgent")
    shop.silence()


def test_high_is_sms_and_inbox(shop):
    send(shop, "high")
    shop.sms(MARCO_PHONE).says("closes at noon")
    shop.inbox("marco").has("general", priority="high")
    shop.silence()


def test_medium_is_mail_and_inbox(shop):
    send(shop, "medium")
    shop.mail(MARCO_MAIL).says("closes at noon")
    shop.inbox("marco").has("general", priority="medium")
    shop.silence()


def test_low_is_the_inbox_only(shop):
    send(shop, "low")
    shop.inbox("marco").has("general", priority="low")
    shop.silence()


def test_an_event_that_declares_its_channels_is_not_ruled_by_the_table(shop):
    shop.person("quinn", "manager", email="quinn@example.com", sms="+12025550108")
    send(
        shop,
        "high",
        to="quinn",
        template="not_reached",
        context={"who": "Dana", "about": "Repair R-1", "why": "no address"},
    )
    shop.mail("quinn@example.com").says("Dana")
    shop.inbox("quinn").has("not_reached", priority="high")
    shop.silence()


@pytest.mark.parametrize(("given", "rank"), [("critical", 1), (1, 1), (2, 2), (3, 3), (4, 4), ("LOW", 4)])
def test_the_words_and_numbers_of_other_systems_mean_the_same(shop, given, rank):
    send(shop, given)
    assert shop.events("general")[0].priority == rank
    shop.forget()


@pytest.mark.parametrize("given", [0, 5, "important", True, ""])
def test_a_priority_that_is_none_is_refused_by_name(shop, given):
    data = {"template": "general", "recipients": [{"id": "marco"}], "context": FACTS, "priority": given}
    answer = shop.post("notification.send", data)
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"].startswith("data.priority")
    shop.silence()


def test_even_who_has_switched_everything_off_finds_the_row_in_the_inbox(shop):
    shop.person("quinn", email="quinn@example.com", off=[("category:system", "email")])
    send(shop, "medium", to="quinn")
    shop.inbox("quinn").has("general")
    assert "closes at noon" in shop.browser("quinn").get("/inbox").text
    shop.silence()
