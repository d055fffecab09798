"""F1: a webhook is signed, taken once, and answered 202 only when it is durable."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.stories.conftest import DANA_MAIL, DANA_PHONE

pytestmark = pytest.mark.proves("F1")


def body(shop, **more):
    data = {"id": "R-1", "status": "in_progress", "customer": {"id": "dana"}, **more}
    return json.dumps({"type": "repair.upsert", "timestamp": shop.now().isoformat(), "data": data}).encode()


def test_what_was_answered_202_is_in_the_database_before_anybody_works_on_it(shop):
    answer = shop.send(body(shop), settle=False)
    assert answer.status_code == 202
    row = shop.inbound(answer)
    assert (row.state, row.type) == ("accepted", "repair.upsert")
    shop.silence()
    shop.settle()
    assert shop.inbound(answer).state == "applied"
    shop.mail(DANA_MAIL).says("R-1")
    shop.silence()


def test_it_is_answered_and_kept_while_redis_is_away_and_worked_on_when_it_is_back(shop, engines):
    engines.kill_valkey()
    try:
        answer = shop.send(body(shop), settle=False)
        assert answer.status_code == 202
        assert shop.inbound(answer).state == "accepted"
    finally:
        engines.revive("valkey")
    assert shop.world.queued() == 0, "no wake-up got through"
    shop.world.sweep()
    shop.mail(DANA_MAIL).says("R-1")
    shop.silence()


def test_a_wrong_signature_keeps_and_tells_nothing(shop):
    other = shop.another("lakeside")
    answer = shop.send(body(shop), secret=other.source.secret)
    assert answer.status_code == 401
    assert shop.build.one("SELECT count(*) AS n FROM inbound").n == 0
    shop.silence()


def test_the_same_message_again_is_answered_with_the_same_id_and_tells_nobody_again(shop):
    sent = body(shop)
    first = shop.send(sent, id="msg_1")
    shop.mail(DANA_MAIL).says("R-1")
    again = shop.send(sent, id="msg_1")
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.get_json()["id"] == again.get_json()["id"]
    assert (first.get_json()["duplicate"], again.get_json()["duplicate"]) == (False, True)
    shop.silence()


def test_the_same_message_from_many_at_once_is_one(shop):
    sent = body(shop)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shop.send(sent, id="msg_1", settle=False), range(24)))
    assert sorted(one.status_code for one in answers) == [200] * 23 + [202]
    assert len({one.get_json()["id"] for one in answers}) == 1
    shop.settle()
    shop.mail(DANA_MAIL).says("R-1")
    shop.silence()


def test_the_same_id_with_another_body_is_a_conflict_and_changes_nothing(shop):
    shop.send(body(shop), id="msg_1")
    shop.mail(DANA_MAIL).says("R-1")
    answer = shop.send(body(shop, status="completed"), id="msg_1")
    assert answer.status_code == 409
    assert shop.repair("R-1").row.status == "in_progress"
    shop.silence()


def test_the_same_id_of_another_source_is_another_message(shop):
    other = shop.another("lakeside")
    other.customer("dana", sms="+12025550132")
    shop.send(body(shop), id="msg_1")
    shop.mail(DANA_MAIL).says("R-1")
    assert other.send(body(other), id="msg_1").status_code == 202
    other.sms("+12025550132").says("R-1")
    shop.silence()


def test_messages_of_one_repair_are_applied_in_the_order_of_their_arrival(shop):
    for status in ("pending", "approved", "in_progress", "completed"):
        assert shop.send(body(shop, status=status), settle=False).status_code == 202
    shop.settle()
    assert shop.repair("R-1").row.status == "completed"
    versions = shop.build.all("SELECT after ->> 'status' AS status FROM change ORDER BY version")
    assert [one.status for one in versions] == ["pending", "approved", "in_progress", "completed"]
    shop.forget()


def test_a_field_that_cannot_be_used_is_named_and_nothing_is_kept(shop):
    answer = shop.send(body(shop, statsu="pending"))
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["errors"] == [
        {"field": "data.statsu", "message": "This field is not known here; check its spelling."}
    ]
    assert shop.build.one("SELECT count(*) AS n FROM inbound").n == 0
    shop.silence()


def test_a_person_is_met_by_webhook_with_their_addresses_and_later_changes_are_kept(shop):
    dana = {"id": "new-1", "name": "Nora Lind", "phone": "+12025550141", "zone": "America/Chicago"}
    shop.post("repair.upsert", {"id": "R-1", "status": "completed", "customer": dana})
    shop.sms("+12025550141").says("R-1")
    person = shop.build.one("SELECT * FROM person WHERE external_id = 'new-1'")
    assert (person.name, person.role, person.zone) == ("Nora Lind", "contact", "America/Chicago")
    shop.post(
        "repair.upsert", {"id": "R-2", "status": "completed", "customer": {**dana, "phone": "+12025550142"}}
    )
    shop.sms("+12025550142").says("R-2")
    shop.sms(DANA_PHONE).nothing()
    shop.silence()
