"""Items by the API: finding, looking, making, doing, and that nothing is done twice or over somebody's head."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import pytest

from tests.web.api.conftest import Act
from tests.web.conftest import Shop

pytestmark = pytest.mark.proves("C6", "A6")


def ids(response: Any) -> list[str]:
    return [one["number"] for one in response.json["data"]]


# --- looking -------------------------------------------------------------------------------------------------------


def test_an_item_is_told_with_its_facts_people_and_what_can_be_done_now(acts: Act, repair: str) -> None:
    response = acts("alice").get(f"/items/{repair}")
    item = response.json
    assert (item["kind"], item["number"], item["state"], item["version"]) == ("repair", "R-1", "approved", 1)
    assert response.headers["ETag"] == '"1"'
    assert item["facts"]["price"] == {"amount": "149.50", "currency": "USD"}
    assert item["people"]["technician"]["name"] == "Bob Marsh"
    verbs = {one["verb"]: one for one in item["verbs"]}
    assert set(verbs) == {"deny", "start", "assign"}
    assert verbs["deny"]["inputs"] == [
        {
            "name": "reason",
            "title": "Reason, told to those concerned",
            "kind": "paragraph",
            "required": True,
        }
    ]


def test_a_technician_is_offered_what_is_theirs_to_do_and_nothing_of_the_office(
    acts: Act, repair: str
) -> None:
    assert [one["verb"] for one in acts("bob").get(f"/items/{repair}").json["verbs"]] == ["start"]


def test_the_list_is_narrowed_by_kind_state_and_person_and_pages_by_a_cursor(shop: Shop, acts: Act) -> None:
    for number in range(1, 6):
        shop.hub.repair(f"R-{number}", customer="dana", technician="bob").pending()
    shop.hub.repair("R-6", customer="dana", technician="tess").approved()
    alice = acts("alice")
    assert ids(alice.get("/items")) == [f"R-{number}" for number in (6, 5, 4, 3, 2, 1)]
    assert ids(alice.get("/items", state="approved")) == ["R-6"]
    assert ids(alice.get("/items", kind="permit")) == []
    assert ids(alice.get("/items", person=str(shop.hub.people["tess"].id))) == ["R-6"]
    first = alice.get("/items", limit=4)
    assert ids(first) == ["R-6", "R-5", "R-4", "R-3"]
    rest = alice.get("/items", limit=4, after=first.json["next"])
    assert (ids(rest), rest.json["next"]) == (["R-2", "R-1"], None)


def test_a_technician_finds_only_what_they_have_a_part_in(shop: Shop, acts: Act) -> None:
    shop.hub.repair("R-1", customer="dana", technician="bob").pending()
    shop.hub.repair("R-2", customer="dana", technician="tess").pending()
    assert ids(acts("bob").get("/items")) == ["R-1"]
    assert ids(acts("bob").get("/items", person=str(shop.hub.people["tess"].id))) == []


def test_what_is_removed_is_found_only_by_its_state(shop: Shop, acts: Act) -> None:
    start = shop.hub.now().replace(year=2030)
    booking = {"id": "B-1", "resource": "Studio 3", "start": start, "end": start.replace(year=2031)}
    shop.hub.post("booking.upsert", booking)
    shop.hub.post("booking.upsert", {"id": "B-1", "status": "deleted"})
    assert ids(acts("alice").get("/items")) == []
    assert ids(acts("alice").get("/items", state="deleted")) == ["B-1"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"kind": "repare"}, "kind"),
        ({"state": "gone"}, "state"),
        ({"person": "bob"}, "person"),
        ({"after": "7"}, "after"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1000"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"stat": "approved"}, "stat"),
    ],
)
def test_a_filter_that_cannot_be_used_is_an_error_that_names_it(
    acts: Act, query: dict[str, str], field: str
) -> None:
    response = acts("alice").get("/items", **query)
    assert response.status_code == 422
    assert [one["field"] for one in response.json["errors"]] == [field]


def test_the_story_of_an_item_is_whole_for_the_office_and_ones_own_for_others(acts: Act, repair: str) -> None:
    office = " ".join(one["title"] for one in acts("alice").get(f"/items/{repair}/timeline").json["data"])
    assert "Bob Marsh was told" in office and "Dana" not in office
    own = acts("bob").get(f"/items/{repair}/timeline").json["data"]
    assert any(one["title"].startswith("You were told") for one in own)


@pytest.mark.proves("C5")
def test_what_is_not_theirs_is_answered_as_what_does_not_exist(shop: Shop, acts: Act, repair: str) -> None:
    strangers = [acts("tess"), acts("charlie", shop.other), acts("cleo", shop.other)]
    for path in ("/items/{}", "/items/{}/timeline"):
        for who in strangers:
            theirs, nothing = who.get(path.format(repair)), who.get(path.format(uuid4()))
            assert (theirs.status_code, theirs.json) == (404, nothing.json)
    for who in strangers:
        theirs = who.post(f"/items/{repair}/start")
        assert (theirs.status_code, theirs.json) == (404, who.post(f"/items/{uuid4()}/start").json)
        assert ids(who.get("/items")) == []


# --- doing ---------------------------------------------------------------------------------------------------------


def test_a_verb_is_done_and_told_as_the_persons_own(shop: Shop, acts: Act, repair: str) -> None:
    response = acts("bob").post(f"/items/{repair}/start", {"version": 1})
    assert (response.status_code, response.json["state"], response.json["version"]) == (200, "in_progress", 2)
    assert response.headers["ETag"] == '"2"'
    row = shop.hub.build.one("SELECT verb, actor_id FROM change WHERE version = 2")
    assert (row.verb, row.actor_id) == ("start", shop.hub.people["bob"].id)
    assert shop.hub.build.one("SELECT name FROM event WHERE name = 'repair_in_progress'")


def test_an_old_version_is_refused_and_changes_nothing(shop: Shop, acts: Act, repair: str) -> None:
    acts("bob").post(f"/items/{repair}/start")
    office = acts("alice")
    stale = office.post(f"/items/{repair}/complete", {"version": 1})
    assert stale.status_code == 409 and "changed meanwhile" in stale.json["title"]
    assert office.post(f"/items/{repair}/complete", If_Match='"1"').status_code == 412
    assert office.post(f"/items/{repair}/complete", If_Match='"2"').status_code == 200
    for header, version in (("2", None), ('"2"', 3)):
        assert (
            office.post(f"/items/{repair}/complete", {"version": version}, If_Match=header).status_code == 422
        )
    assert shop.hub.build.one("SELECT version FROM work_item").version == 3


def test_what_the_state_does_not_allow_is_refused_with_a_sentence(acts: Act, repair: str) -> None:
    response = acts("alice").post(f"/items/{repair}/complete")
    assert (response.status_code, response.json["type"]) == (409, "/docs/problems#refused")
    assert response.json["title"] == "Repair R-1 is approved; complete is not possible now."


def test_what_is_not_theirs_to_do_is_forbidden(acts: Act, repair: str) -> None:
    response = acts("bob").post(f"/items/{repair}/deny", {"values": {"reason": "No."}})
    assert response.status_code == 403
    assert response.json["title"] == "You cannot deny this repair."


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["values.reason"]),
        ({"values": {"reason": "x", "colour": "red"}}, ["values.colour"]),
        ({"values": {"reason": ["x"]}}, ["values.reason"]),
        ({"value": {"reason": "x"}}, ["value"]),
        ({"values": {"reason": "x"}, "version": "1"}, ["version"]),
        ({"values": "x"}, ["values"]),
    ],
)
def test_what_is_missing_or_unknown_is_named(
    acts: Act, repair: str, body: dict[str, Any], fields: list[str]
) -> None:
    response = acts("alice").post(f"/items/{repair}/deny", body)
    assert response.status_code == 422
    assert [one["field"] for one in response.json["errors"]] == fields


def test_a_body_that_is_no_json_is_refused(shop: Shop, acts: Act, repair: str) -> None:
    alice, client = acts("alice"), shop.hub.world.app.test_client()
    headers = {"Authorization": f"Bearer {alice.token}"}
    path = f"/api/v1/items/{repair}/start"
    assert client.post(path, data={"values": "x"}, headers=headers).status_code == 415
    for body in (b"{", b"[]", b'{"version": NaN}', b'{"values": {}, "values": {}}', b"\xff"):
        assert (
            client.post(path, data=body, headers=headers, content_type="application/json").status_code == 422
        )
    assert client.post(path, headers=headers).status_code == 200, "a verb without inputs needs no body"


def test_the_office_assigns_and_takes_away(shop: Shop, acts: Act, repair: str) -> None:
    alice, tess = acts("alice"), str(shop.hub.people["tess"].id)
    given = alice.post(f"/items/{repair}/assign", {"values": {"person": tess}})
    assert given.json["people"]["technician"]["name"] == "Tess Okoro"
    assert "technician" not in alice.post(f"/items/{repair}/assign").json["people"]
    wrong = alice.post(f"/items/{repair}/assign", {"values": {"person": str(shop.hub.people["dana"].id)}})
    assert [one["field"] for one in wrong.json["errors"]] == ["values.person"]
    assert acts("bob").post(f"/items/{repair}/assign").status_code == 403


# --- making --------------------------------------------------------------------------------------------------------


def test_an_item_is_made_with_a_number_of_its_own_and_told(shop: Shop, acts: Act) -> None:
    bob = str(shop.hub.people["bob"].id)
    values = {"work": "Replace the pump", "urgency": "urgent", "technician": bob}
    response = acts("alice").post("/items", {"kind": "work_order", "values": values})
    assert response.status_code == 201
    assert response.headers["Location"] == f"/api/v1/items/{response.json['id']}"
    assert (response.json["number"], response.json["people"]["technician"]["id"]) == ("WO-1", bob)
    assert [one["name"] for one in response.json["tasks"]] == ["work_order_acknowledgement"]
    assert shop.line("bob", "work_order_urgent")


def test_a_kind_that_is_made_by_its_own_system_is_not_made_here(acts: Act) -> None:
    response = acts("alice").post("/items", {"kind": "repair"})
    assert response.status_code == 404 and "its own system" in response.json["title"]
    unknown = acts("alice").post("/items", {"kind": "repare"})
    assert [one["field"] for one in unknown.json["errors"]] == ["kind"]


def test_what_a_kind_needs_is_named_and_a_role_that_may_not_is_refused(acts: Act) -> None:
    wrong = acts("alice").post("/items", {"kind": "work_order", "values": {"urgency": "now"}})
    assert sorted(one["field"] for one in wrong.json["errors"]) == ["values.urgency", "values.work"]
    refused = acts("bob").post("/items", {"kind": "work_order", "values": {"work": "Mine"}})
    assert refused.status_code == 403


# --- once ----------------------------------------------------------------------------------------------------------


def test_the_same_call_again_gets_the_same_answer_and_changes_nothing(shop: Shop, acts: Act) -> None:
    alice, body = acts("alice"), {"kind": "work_order", "values": {"work": "Replace the pump"}}
    first = alice.post("/items", body, Idempotency_Key="order-1")
    again = alice.post("/items", body, Idempotency_Key="order-1")
    assert (again.status_code, again.json) == (first.status_code, first.json)
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert shop.hub.build.one("SELECT count(*) AS n FROM work_item").n == 1
    assert alice.post("/items", body, Idempotency_Key="order-2").json["id"] != first.json["id"]


def test_another_call_under_the_same_name_is_a_conflict(acts: Act, repair: str) -> None:
    alice, body = acts("alice"), {"kind": "work_order", "values": {"work": "Replace the pump"}}
    alice.post("/items", body, Idempotency_Key="k")
    assert alice.post("/items", body | {"values": {"work": "Paint"}}, Idempotency_Key="k").status_code == 409
    assert alice.post(f"/items/{repair}/start", body, Idempotency_Key="k").status_code in (409, 422)
    other = acts("alice")
    assert other.post("/items", body, Idempotency_Key="k").status_code == 201, "each key has its own names"
    assert alice.post("/items", body, Idempotency_Key="k" * 300).status_code == 422


def test_what_was_refused_may_be_tried_again_under_its_name(acts: Act, repair: str) -> None:
    alice = acts("alice")
    assert alice.post(f"/items/{repair}/complete", Idempotency_Key="c").status_code == 409
    alice.post(f"/items/{repair}/start")
    assert alice.post(f"/items/{repair}/complete", Idempotency_Key="c").json["state"] == "completed"


def test_the_same_call_twice_at_once_is_made_once(shop: Shop, acts: Act) -> None:
    alice, answers = acts("alice"), []
    body, begin = {"kind": "booking", "values": booking(shop)}, threading.Barrier(4)

    def send() -> None:
        begin.wait(10)
        answers.append(alice.post("/items", body, Idempotency_Key="b-1"))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert [one.status_code for one in answers] == [201] * 4
    assert len({one.json["id"] for one in answers}) == 1
    assert shop.hub.build.one("SELECT count(*) AS n FROM work_item").n == 1


def booking(shop: Shop) -> dict[str, str]:
    start = shop.hub.now().replace(year=2030)
    return {
        "resource": "Studio 3",
        "start": start.isoformat(),
        "end": start.replace(year=2031).isoformat(),
        "guest": str(shop.hub.people["dana"].id),
    }


def test_answers_are_let_go_of_after_two_weeks(shop: Shop, acts: Act) -> None:
    alice, body = acts("alice"), {"kind": "booking", "values": booking(shop)}
    first = alice.post("/items", body, Idempotency_Key="b-1").json["id"]
    shop.hub.build.run("UPDATE api_call SET created_at = created_at - interval '13 days'")
    shop.hub.world.sweep("retain")
    assert alice.post("/items", body, Idempotency_Key="b-1").json["id"] == first
    shop.hub.build.run("UPDATE api_call SET created_at = created_at - interval '2 days'")
    shop.hub.world.sweep("retain")
    assert alice.post("/items", body, Idempotency_Key="b-1").json["id"] != first
