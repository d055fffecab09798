"""F1: many events in one signed request; each is accepted or refused by itself, in the order in which they stand."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.gather import database_away, gathered, refused_by_postgres
from tests.stories.conftest import DANA_MAIL

pytestmark = pytest.mark.proves("F1")


def event(shop, key, /, *, type="repair.upsert", **data):
    data = {"id": "R-1", "status": "in_progress", "customer": {"id": "dana"}, **data}
    return {"id": key, "type": type, "timestamp": shop.now().isoformat(), "data": data}


def post(shop, *events, **more):
    return shop.send(json.dumps({"events": events}).encode(), path="/batch", **more)


def statuses(answer):
    return [one["status"] for one in answer.get_json()["results"]]


def test_each_event_is_accepted_and_works_like_a_webhook_of_its_own(shop):
    answer = post(shop, *(event(shop, f"e{n}", id=f"R-{n}") for n in range(100)), settle=False)
    assert answer.status_code == 202
    results = answer.get_json()["results"]
    assert [one["event"] for one in results] == [f"e{n}" for n in range(100)]
    assert {one["status"] for one in results} == {202}
    assert {one["duplicate"] for one in results} == {False}
    rows = shop.build.all("SELECT *, CAST(xmin AS text) AS by FROM inbound ORDER BY received_at, id")
    assert [str(row.id) for row in rows] == [one["id"] for one in results], "durable, in their order"
    assert [row.external_id for row in rows] == [f"e{n}" for n in range(100)]
    assert len({row.by for row in rows}) == 1, "one transaction"
    shop.settle()
    assert shop.build.one("SELECT count(*) AS n FROM inbound WHERE state = 'applied'").n == 100
    for n in range(100):
        shop.mail(DANA_MAIL).says(f"(R-{n})")
    shop.silence()


def test_events_of_one_repair_are_applied_in_the_order_in_which_they_stand(shop):
    story = ("pending", "approved", "in_progress", "completed")
    answer = post(shop, *(event(shop, f"e{n}", status=one) for n, one in enumerate(story)))
    assert statuses(answer) == [202] * 4
    versions = shop.build.all("SELECT after ->> 'status' AS status FROM change ORDER BY version")
    assert tuple(one.status for one in versions) == story
    shop.forget()


def test_one_bad_event_is_refused_by_name_and_never_fails_the_others(shop):
    bad = [
        event(shop, "b1", statsu="pending"),
        event(shop, "b2", status="exploded"),
        event(shop, "b3", type="repair.explode"),
        {"type": "repair.upsert"},
        "not even an object",
    ]
    answer = post(shop, event(shop, "g1"), *bad, event(shop, "g2", status="completed"))
    assert answer.status_code == 207
    assert statuses(answer) == [202, 422, 422, 422, 422, 422, 202]
    results = answer.get_json()["results"]
    assert [one["event"] for one in results] == ["g1", "b1", "b2", "b3", None, None, "g2"]
    fields = [one["problem"]["errors"][0]["field"] for one in results if "problem" in one]
    assert fields == [
        "events[1].data.statsu",
        "events[2].data.status",
        "events[3].type",
        "events[4].id",
        "events[5]",
    ]
    assert shop.repair("R-1").row.status == "completed"
    assert shop.build.one("SELECT count(*) AS n FROM inbound").n == 2
    shop.forget()


def test_the_same_batch_again_is_the_same_ids_and_tells_nobody_again(shop):
    events = [event(shop, "e1"), event(shop, "e2", id="R-2")]
    first = post(shop, *events)
    shop.mail(DANA_MAIL).says("R-1")
    shop.mail(DANA_MAIL).says("R-2")
    again = post(shop, *events)
    assert (first.status_code, again.status_code) == (202, 200)
    said = [[one["id"] for one in answer.get_json()["results"]] for answer in (first, again)]
    assert said[0] == said[1]
    assert [one["duplicate"] for one in again.get_json()["results"]] == [True, True]
    shop.silence()


def test_what_is_new_among_what_is_known_is_accepted(shop):
    known = event(shop, "e1")
    post(shop, known)
    answer = post(shop, known, event(shop, "e2", status="completed"))
    assert (answer.status_code, statuses(answer)) == (202, [200, 202])
    shop.forget()


def test_an_id_that_stands_twice_is_one_event_and_with_another_body_a_conflict(shop):
    one, other = event(shop, "e1"), event(shop, "e1", status="completed")
    answer = post(shop, one, one, other, event(shop, "e2", id="R-2"))
    assert (answer.status_code, statuses(answer)) == (207, [202, 200, 409, 202])
    results = answer.get_json()["results"]
    assert results[0]["id"] == results[1]["id"]
    assert "e1" in results[2]["problem"]["title"]
    assert shop.repair("R-1").row.status == "in_progress"
    shop.forget()


def test_an_event_is_the_same_whether_it_comes_alone_or_in_a_batch(shop):
    """A sender that could not reach the hub collects what it had, and the other way round."""
    alone, batched = event(shop, "e1"), event(shop, "e2", id="R-2")
    for one in (alone, batched):
        one["data"]["vehicle"] = "Škoda \N{AUTOMOBILE}"

    def single(message, **change):
        message = {name: message[name] for name in ("data", "type", "timestamp")} | change
        return shop.send(json.dumps(message, indent=1).encode(), id=id_)

    id_ = "e1"
    assert single(alone).status_code == 202
    assert statuses(post(shop, alone, batched)) == [200, 202]
    id_ = "e2"
    assert single(batched).status_code == 200
    assert single(batched, data={"id": "R-2"}).status_code == 409
    assert statuses(post(shop, event(shop, "e1", status="completed"))) == [409]
    shop.forget()


def test_a_wrong_signature_keeps_nothing_of_a_batch(shop):
    other = shop.another("lakeside")
    assert post(shop, event(shop, "e1"), secret=other.source.secret).status_code == 401
    assert post(shop, event(shop, "e1"), slug="nobody").status_code == 401
    assert shop.build.one("SELECT count(*) AS n FROM inbound").n == 0
    shop.silence()


def test_a_source_that_is_switched_off_is_refused_whatever_its_batch_holds(shop):
    assert post(shop, event(shop, "e1")).status_code == 202
    shop.build.run("UPDATE source SET active = false WHERE id = :id", id=shop.source.id)
    assert post(shop, event(shop, "e2")).status_code == 401
    assert post(shop, "only this").status_code == 401, "and hears nothing of its fields"
    assert post(shop, event(shop, "e2"), "and this").status_code == 401
    assert shop.build.one("SELECT count(*) AS n FROM inbound").n == 1
    shop.forget()


def test_a_batch_and_webhooks_that_arrive_together_share_a_transaction(shop):
    with gathered(shop) as crowd:
        batch = {"events": [event(shop, f"e{n}", id=f"R-{n}") for n in range(30)]}
        many = crowd.send(json.dumps(batch).encode(), path="/batch", rows=30)
        message = {name: value for name, value in event(shop, "x").items() if name != "id"}
        one = crowd.send(json.dumps(message).encode(), id="single")
    assert many.result().status_code == one.result().status_code == 202
    rows = shop.build.all("SELECT CAST(xmin AS text) AS by FROM inbound WHERE external_id <> 'held'")
    assert (len(rows), len({row.by for row in rows})) == (31, 1)
    shop.settle()
    shop.forget()


def test_an_event_that_postgres_refuses_is_refused_alone(shop):
    shop.expects_errors()
    for sqlstate, status in (("22003", 422), ("23514", 500)):
        with refused_by_postgres(shop, "bad", sqlstate):
            answer = post(shop, event(shop, f"a{status}"), event(shop, "bad"), event(shop, f"b{status}"))
        assert (answer.status_code, statuses(answer)) == (207, [202, status, 202])
        problem = answer.get_json()["results"][1]["problem"]
        assert "not this one" not in json.dumps(problem)
        if status == 422:
            assert problem["errors"][0]["field"] == "events[1]"
    assert statuses(post(shop, event(shop, "bad"))) == [202]
    shop.forget()


def test_a_batch_that_could_not_be_kept_whole_for_now_is_sent_again_and_doubles_nothing(shop, engines):
    events = [event(shop, "e1"), event(shop, "slow", id="R-2"), event(shop, "e3", id="R-3")]
    with refused_by_postgres(shop, "slow", "40P01"):
        answer = post(shop, *events)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
    with database_away(engines.env["DATABASE_ADMIN_URL"]):
        assert post(shop, *events, settle=False).status_code == 503
    answer = post(shop, *events)
    assert (answer.status_code, statuses(answer)) == (202, [200, 202, 200])
    shop.forget()


def test_a_batch_wakes_the_workers_and_what_is_late_is_stored_not_applied(shop):
    new = event(shop, "e1", status="completed")
    shop.world.move(timedelta(minutes=1))
    old = {**event(shop, "e2", status="pending"), "timestamp": "2020-01-01T00:00:00Z"}
    answer = post(shop, new, old)
    assert statuses(answer) == [202, 202]
    states = {row.external_id: row.state for row in shop.build.all("SELECT external_id, state FROM inbound")}
    assert states == {"e1": "applied", "e2": "stale"}
    shop.forget()
