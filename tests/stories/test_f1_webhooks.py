"""F1: a webhook is signed, taken once, and answered 202 only when it is durable."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from notify_app.pipeline import intake
from tests.gather import break_connections, database_away, eventually, gathered, refused_by_postgres
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


# --- written together ------------------------------------------------------------------------------------------------


def transactions(shop):
    """By how many transactions the rows were written, the one that the test holds back left aside."""
    return shop.build.one(
        "SELECT count(DISTINCT CAST(xmin AS text)) AS n FROM inbound WHERE external_id <> 'held'"
    ).n


def test_what_arrives_together_is_one_transaction_and_each_sender_hears_of_their_own(shop):
    with gathered(shop) as crowd:
        answers = {n: crowd.send(body(shop, id=f"R-{n}"), id=f"msg_{n}") for n in range(12)}
    assert transactions(shop) == 1
    for n, answer in answers.items():
        said = answer.result()
        assert said.status_code == 202
        row = shop.inbound(said)
        assert (row.external_id, row.body["data"]["id"]) == (f"msg_{n}", f"R-{n}")
    shop.settle()
    assert shop.build.one("SELECT count(*) AS n FROM inbound WHERE state = 'applied'").n == 13
    shop.forget()


def test_offices_that_write_together_are_told_apart(shop):
    other = shop.another("lakeside")
    with gathered(shop) as crowd:
        ours = crowd.send(body(shop), id="msg_1")
        theirs = crowd.send(body(other), id="msg_1", hub=other)
    assert transactions(shop) == 1
    for office, answer in ((shop, ours), (other, theirs)):
        assert shop.inbound(answer.result()).organisation_id == office.organisation.id
    shop.settle()
    shop.forget()


@pytest.mark.parametrize(
    ("sqlstate", "status"), [("22003", 422), ("23514", 500), ("40P01", 503)], ids=["value", "bug", "passes"]
)
def test_one_row_that_postgres_refuses_is_refused_alone_and_never_its_neighbours(shop, sqlstate, status):
    shop.expects_errors()
    with refused_by_postgres(shop, "bad", sqlstate), gathered(shop) as crowd:
        before = crowd.send(body(shop, id="R-1"), id="good_1")
        bad = crowd.send(body(shop, id="R-2"), id="bad")
        after = crowd.send(body(shop, id="R-3"), id="good_2")
    assert (before.result().status_code, after.result().status_code) == (202, 202)
    assert bad.result().status_code == status
    assert bad.result().content_type == "application/problem+json"
    assert "not this one" not in bad.result().get_data(as_text=True), "what PostgreSQL says is for us"
    kept = {row.external_id for row in shop.build.all("SELECT external_id FROM inbound")}
    assert kept == {"held", "good_1", "good_2"}
    assert shop.send(body(shop, id="R-2"), id="bad").status_code == 202, "refused is not remembered"
    shop.forget()


def test_one_row_that_waits_for_a_lock_is_put_off_and_its_neighbours_are_kept(shop):
    """Somebody else is writing the same message and does not come to an end."""
    with shop.world.owner.connect() as conn, gathered(shop) as crowd:
        conn.exec_driver_sql(
            "INSERT INTO inbound (organisation_id, source_id, external_id, body_hash, type, body, item_refs, occurred_at) "
            f"VALUES ('{shop.organisation.id}', '{shop.source.id}', 'busy', '', 'x', '{{}}', '{{}}', hub_now())"
        )
        good = crowd.send(body(shop, id="R-1"), id="good")
        busy = crowd.send(body(shop, id="R-2"), id="busy")
    conn.close()
    assert (good.result().status_code, busy.result().status_code) == (202, 503)
    assert shop.send(body(shop, id="R-2"), id="busy").status_code == 202
    shop.forget()


def test_copies_of_one_message_that_are_written_together_are_one(shop):
    sent = body(shop)
    with gathered(shop) as crowd:
        answers = [crowd.send(sent, id="msg_1") for _ in range(8)]
    said = [answer.result() for answer in answers]
    assert sorted(one.status_code for one in said) == [200] * 7 + [202]
    assert len({one.get_json()["id"] for one in said}) == 1
    shop.settle()
    shop.mail(DANA_MAIL).says("R-1")
    shop.forget()


def test_two_bodies_under_one_id_that_are_written_together_are_a_conflict(shop):
    with gathered(shop) as crowd:
        answers = [crowd.send(body(shop, status=one), id="msg_1") for one in ("pending", "completed")]
    assert sorted(answer.result().status_code for answer in answers) == [202, 409]
    shop.settle()
    shop.forget()


# --- a source is remembered, and never trusted for it ------------------------------------------------------------------


def test_a_source_that_is_switched_off_is_refused_with_its_next_message(shop):
    assert shop.send(body(shop), id="msg_1").status_code == 202
    shop.build.run("UPDATE source SET active = false WHERE id = :id", id=shop.source.id)
    assert shop.send(body(shop), id="msg_2").status_code == 401
    assert shop.send(body(shop, statsu="x"), id="msg_3").status_code == 401, "and hears nothing of its fields"
    assert shop.send(b"no json", id="msg_4").status_code == 401
    assert shop.build.one("SELECT count(*) AS n FROM inbound").n == 1
    shop.build.run("UPDATE source SET active = true WHERE id = :id", id=shop.source.id)
    assert shop.send(body(shop), id="msg_5").status_code == 202
    shop.forget()


def test_a_source_that_is_switched_off_while_its_message_waits_is_refused_and_no_neighbour_of_it(shop):
    other = shop.another("lakeside")
    for office in (shop, other):
        assert office.send(body(office)).status_code == 202
    with gathered(other) as crowd:
        ours = crowd.send(body(shop), id="msg_2", hub=shop)
        theirs = crowd.send(body(other), id="msg_2", hub=other)
        shop.build.run("UPDATE source SET active = false WHERE id = :id", id=shop.source.id)
    assert (ours.result().status_code, theirs.result().status_code) == (401, 202)
    shop.settle()
    shop.forget()


def test_a_secret_that_was_taken_back_is_refused_at_once_and_the_new_one_is_taken_at_once(shop):
    old = shop.source
    assert shop.send(body(shop)).status_code == 202
    new = shop.build.roll_secret(old, hours=0)
    assert shop.send(body(shop), secret=old.secret).status_code == 401
    assert shop.send(body(shop), secret=new.secret).status_code == 202
    assert shop.send(body(shop), secret=old.secret).status_code == 401
    shop.forget()


def test_while_secrets_overlap_both_are_good_and_the_old_one_ends_with_its_last_hour(shop):
    old = shop.source
    assert shop.send(body(shop)).status_code == 202
    new = shop.build.roll_secret(old, hours=1)
    for secret in (new.secret, old.secret, new.secret):
        assert shop.send(body(shop), secret=secret).status_code == 202
    shop.jump(timedelta(minutes=61))
    assert shop.send(body(shop), secret=old.secret).status_code == 401
    assert shop.send(body(shop), secret=new.secret).status_code == 202
    shop.forget()


# --- the database goes and comes back ----------------------------------------------------------------------------------


def test_without_a_database_nothing_is_accepted_and_when_it_is_back_the_same_message_is(shop, engines):
    assert shop.send(body(shop), id="msg_1").status_code == 202
    with database_away(engines.env["DATABASE_ADMIN_URL"]):
        answer = shop.send(body(shop), id="msg_2", settle=False)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert "Send it again" in answer.get_json()["title"]
        assert shop.send(body(shop), slug="nobody", settle=False).status_code == 503, "as for a stranger"
    assert shop.send(body(shop), id="msg_2").status_code == 202
    assert shop.build.one("SELECT count(*) AS n FROM inbound").n == 2
    shop.forget()


def test_a_connection_that_broke_between_two_messages_is_nobodys_trouble(shop, engines):
    assert shop.send(body(shop), id="msg_1").status_code == 202
    break_connections(engines.env["DATABASE_ADMIN_URL"])
    assert shop.send(body(shop), id="msg_2").status_code == 202
    shop.forget()


def test_a_connection_that_breaks_while_a_group_is_written_loses_and_doubles_nothing(shop, engines):
    with gathered(shop) as crowd:
        answers = [crowd.send(body(shop, id=f"R-{n}"), id=f"msg_{n}") for n in range(5)]
        break_connections(engines.env["DATABASE_ADMIN_URL"])
    assert {answer.result().status_code for answer in answers} == {202}
    assert {answer.result().get_json()["duplicate"] for answer in answers} == {False}
    assert shop.build.one("SELECT count(*) AS n FROM inbound").n == 6
    shop.settle()
    shop.forget()


def test_a_database_that_does_not_answer_is_not_waited_for_for_ever(shop, engines, monkeypatch):
    """Its process stands still, so nobody can say whether the message was kept; sent again, it counts once."""
    assert shop.send(body(shop), id="msg_1").status_code == 202
    with shop.world.app.app_context():
        monkeypatch.setattr(intake.current()._group, "_patience", 1.0)
        process = intake.current()._writer._connection.info.backend_pid
    sent = body(shop, id="R-2")
    os.kill(process, signal.SIGSTOP)
    try:
        answer = shop.send(sent, id="msg_2", settle=False)
    finally:
        os.kill(process, signal.SIGCONT)
    assert answer.status_code == 503
    assert "Send it again with the same id" in answer.get_json()["title"]
    eventually(lambda: shop.send(sent, id="msg_2", settle=False).status_code in (200, 202))
    shop.world.sweep()
    assert shop.build.one("SELECT count(*) AS n FROM inbound").n == 2
    shop.forget()


# --- at a real server ------------------------------------------------------------------------------------------------


def over_http(shop, connection, sent, id):
    headers = {"Content-Type": "application/json", **shop.signed(sent, id)}
    connection.request("POST", f"/hooks/{shop.source.slug}", sent, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.mark.xdist_group("live")
def test_many_senders_at_a_real_server_share_transactions_and_nothing_is_lost(shop, live):
    def sender(number):
        connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
        try:
            return [
                over_http(shop, connection, body(shop, id=f"R-{number}-{n}"), f"msg_{number}_{n}")
                for n in range(10)
            ]
        finally:
            connection.close()

    with ThreadPoolExecutor(24) as pool:
        answers = [one for many in pool.map(sender, range(24)) for one in many]
    assert {status for status, _ in answers} == {202}
    rows = shop.build.all("SELECT CAST(id AS text) AS id, CAST(xmin AS text) AS by FROM inbound")
    assert {said["id"] for _, said in answers} == {row.id for row in rows}
    assert len(rows) == 240
    assert len({row.by for row in rows}) < 200
    eventually(shop.world.queued)
    shop.settle()
    shop.forget()


@pytest.mark.xdist_group("live")
def test_no_sender_waits_for_redis(shop, live, engines):
    """It hangs, which is worse than being away: whoever asks it waits for two seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
    over_http(shop, connection, body(shop, id="R-0"), "msg_0")
    eventually(shop.world.queued)
    took = []
    os.kill(engines.pids["valkey"], signal.SIGSTOP)
    try:
        for n in range(1, 4):
            another = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
            begun = time.monotonic()
            assert over_http(shop, another, body(shop, id=f"R-{n}"), f"msg_{n}")[0] == 202
            took.append(time.monotonic() - begun)
            another.close()
    finally:
        os.kill(engines.pids["valkey"], signal.SIGCONT)
    assert min(took) < 1.5, took
    connection.close()
    shop.world.sweep()
    shop.forget()
