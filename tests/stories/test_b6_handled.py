"""B6: what is wrong is said to whoever can mend it, by every door, and what is away is waited for."""

from __future__ import annotations

import pytest

from tests.programs import Program
from tests.stories.conftest import DANA_MAIL, OFFICE_MAIL

pytestmark = pytest.mark.proves("B6")


def named(response):
    return {one["field"]: one["message"] for one in response.get_json()["errors"]}


def test_an_unknown_type_is_refused_with_the_types_that_there_are_and_nobody_hears(shop):
    answer = shop.post("work_order.updated", {"id": "WO-1"})
    assert answer.status_code == 422
    assert "work_order.upsert" in named(answer)["type"]
    assert shop.build.one("SELECT count(*) AS n FROM inbound").n == 0
    shop.silence()


def test_a_missing_field_is_named_to_the_source_to_the_program_and_on_the_page(shop):
    assert set(named(shop.post("equipment.alerted", {"equipment": "Lift 3"}))) == {"data.problem"}
    order = {"id": "WO-1", "work": "Replace the pump", "status": "in_progress", "technician": {"id": "marco"}}
    shop.post("work_order.upsert", order)
    shop.forget()
    item = shop.build.one("SELECT id FROM work_item").id
    by_program = Program(shop, "marco").post(f"/items/{item}/report_issue", {"values": {}})
    assert set(named(by_program)) == {"values.issues"}
    browser = shop.browser("olga")
    token = browser.get("/preferences").form("/preferences").fields["csrf_token"][0]
    page = browser.post(f"/work/{item}/cancel", csrf_token=token, version=1)
    assert page.status == 422 and "Give a reason, so that people know why." in page.text
    assert shop.build.one("SELECT version FROM work_item").version == 1
    shop.silence()


def test_what_the_items_state_does_not_allow_is_kept_with_the_sentence_for_its_source(shop):
    shop.repair("R-1", customer="dana", technician="marco").in_progress()
    shop.forget()
    answer = shop.post("repair.upsert", {"id": "R-1", "status": "pending"})
    row = shop.inbound(answer)
    assert (answer.status_code, row.state) == (202, "refused")
    assert row.error == "Repair R-1 is in progress; it cannot become waiting for approval."
    shop.silence()


def test_a_queue_that_is_away_loses_nothing_and_what_waited_is_told_once(shop, engines):
    engines.kill_valkey()
    try:
        answer = shop.post(
            "repair.upsert", {"id": "R-1", "status": "in_progress", "customer": {"id": "dana"}}, settle=False
        )
        assert answer.status_code == 202
    finally:
        engines.revive("valkey")
    shop.world.sweep()
    shop.mail(DANA_MAIL).says("R-1")
    shop.world.sweep()
    shop.silence()


def test_a_message_that_cannot_reach_its_person_ends_with_a_reason_and_the_office_knows(shop):
    shop.customer("noor", name="Noor Aziz", email="not an address")
    shop.repair("R-1", customer="noor").in_progress()
    row = shop.delivery("noor", "email")
    assert (row.state, row.reason) == ("failed", "bad_address")
    shop.inbox("olga").has("not_reached", "Noor Aziz")
    shop.mail(OFFICE_MAIL).says("Noor Aziz")
    shop.silence()
