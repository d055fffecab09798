"""C7: every attempt and every omission is on record with its reason, without secrets, and each recipient is written to alone."""

from __future__ import annotations

import logging

import pytest

from tests.stories.conftest import DANA_MAIL, MARCO_MAIL, PRIYA_MAIL

pytestmark = pytest.mark.proves("C7")

CODE = "QX7-ABC-91"


def visitor(shop, *residents):
    data = {
        "residents": [{"id": one} for one in residents],
        "visitor_name": "John Doe",
        "unit": "A101",
        "arrival_time": shop.now().isoformat(),
        "access_code": CODE,
    }
    assert shop.post("visitor.arrived", data).status_code == 202


def logged(caplog):
    """What the application has logged; the stub of the provider, which writes down what it is sent, is not ours."""
    return "\n".join(one.getMessage() for one in caplog.records if one.name != "mail.log")


def test_each_recipient_gets_a_message_of_their_own_and_an_attempt_of_their_own(shop):
    visitor(shop, "dana", "marco")
    for address in (DANA_MAIL, MARCO_MAIL):
        mail = shop.mail(address).says("John Doe")
        assert mail.to == (address,)
    shop.inbox("marco").has("visitor_arrival", "John Doe")
    for key in ("dana", "marco"):
        (attempt,) = shop.attempts(shop.delivery(key, "email"))
        assert (attempt.outcome, attempt.provider, attempt.error) == ("accepted", "smtp", None)
        assert attempt.finished_at >= attempt.started_at, "how long it took is known"
    shop.silence()


def test_what_was_left_out_is_on_record_with_its_reason(shop):
    shop.person(
        "rosa",
        "contact",
        name="Rosa Diaz",
        email="rosa@example.com",
        off=[("category:visitor", "email")],
        signs_in=True,
    )
    visitor(shop, "rosa")
    assert shop.decisions("rosa", "visitor_arrival")["email"] == ("not_told", "preference_category")
    shop.inbox("rosa").has("visitor_arrival", "John Doe")
    shop.build.suppress(shop.organisation, "email", PRIYA_MAIL)
    visitor(shop, "priya")
    assert shop.decisions("priya", "visitor_arrival")["email"][1] == "suppressed"
    shop.forget()


def test_a_secret_is_read_by_its_person_and_stands_in_no_log_decision_or_record_of_an_attempt(shop, caplog):
    caplog.set_level(logging.DEBUG)
    visitor(shop, "dana")
    shop.mail(DANA_MAIL).says(CODE)
    for table in ("decision", "attempt", "delivery", "change"):
        rows = shop.build.all(f"SELECT * FROM {table}")
        assert CODE not in str([tuple(row) for row in rows]), table
    assert CODE not in logged(caplog)
    shop.silence()


def test_no_address_stands_in_the_log_whether_it_was_reached_or_refused(shop, caplog):
    caplog.set_level(logging.DEBUG)
    shop.customer("noor", name="Noor Aziz", email="noor@nowhere example")
    visitor(shop, "dana", "noor")
    shop.mail(DANA_MAIL).says("John Doe")
    assert "dana@" not in logged(caplog) and "noor@nowhere" not in logged(caplog)
    shop.forget()
