"""The inbox of a key's person by the API, and why somebody was told: one's own, and the office's view of all."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tests.web.api.conftest import Act
from tests.web.conftest import Shop

pytestmark = pytest.mark.proves("B5", "C5")


def test_a_person_reads_their_own_lines_newest_first_a_page_at_a_time(shop: Shop, acts: Act) -> None:
    for number in range(1, 4):
        shop.hub.repair(f"R-{number}", customer="dana", technician="bob").approved()
    bob = acts("bob")
    everything = bob.get("/notifications").json["data"]
    assert [one["event"] for one in everything] == ["repair_assigned", "repair_approved"] * 3
    first = bob.get("/notifications", limit=4).json
    rest = bob.get("/notifications", limit=4, after=first["next"]).json
    assert first["data"] + rest["data"] == everything and rest["next"] is None
    assert acts("tess").get("/notifications").json == {"data": [], "next": None}


def test_a_mark_is_heard_by_the_pages_and_can_be_taken_back(shop: Shop, acts: Act, repair: str) -> None:
    bob = acts("bob")
    line = bob.get("/notifications").json["data"][0]
    assert bob.post(f"/notifications/{line['id']}/read").json["read_at"] is not None
    unread = bob.get("/notifications", unread="true").json["data"]
    assert line["id"] not in [one["id"] for one in unread] and len(unread) == 1
    seq = shop.hub.build.one(
        "SELECT seq FROM inbox_counter WHERE person_id = :id", id=shop.hub.people["bob"].id
    ).seq
    assert bob.post(f"/notifications/{line['id']}/unread").json["read_at"] is None
    assert len(bob.get("/notifications", unread="true").json["data"]) == 2
    after = shop.hub.build.one(
        "SELECT seq FROM inbox_counter WHERE person_id = :id", id=shop.hub.people["bob"].id
    ).seq
    assert after == seq + 1


def test_the_office_acknowledges_an_alert_for_everybody_and_others_for_themselves(
    shop: Shop, acts: Act
) -> None:
    shop.hub.post("equipment.alerted", {"equipment": "Lift 3", "problem": "oil on the floor"})
    shop.hub.office("ann", name="Ann Lee")
    shop.hub.post("equipment.alerted", {"equipment": "Lift 4", "problem": "oil on the floor"})
    line = acts("alice").get("/notifications").json["data"][0]
    assert acts("alice").post(f"/notifications/{line['id']}/acknowledge").json["acknowledged_at"]
    mine, other = acts("ann").get("/notifications").json["data"][0], acts("alice")
    assert mine["acknowledged_at"] is not None
    assert other.get("/notifications").json["data"][1]["acknowledged_at"] is None


@pytest.mark.parametrize("mark", ["read", "unread", "acknowledge"])
def test_somebody_elses_line_is_as_one_that_does_not_exist(
    shop: Shop, acts: Act, repair: str, mark: str
) -> None:
    line = shop.line("bob", "repair_approved").id
    for who in (acts("alice"), acts("tess"), acts("cleo", shop.other)):
        theirs, nothing = (
            who.post(f"/notifications/{line}/{mark}"),
            who.post(f"/notifications/{uuid4()}/{mark}"),
        )
        assert (theirs.status_code, theirs.json) == (404, nothing.json)
    row = shop.line("bob", "repair_approved")
    assert (row.read_at, row.acknowledged_at) == (None, None)


def why(shop: Shop, event: UUID, key: str) -> str:
    return f"/events/{event}/why/{shop.hub.people[key].id}"


def test_the_office_asks_why_of_anybody_and_is_told_no_address(shop: Shop, acts: Act, repair: str) -> None:
    event = shop.line("bob", "repair_approved").event_id
    told = acts("alice").get(why(shop, event, "bob")).json
    assert told["told"] and told["event"] == "repair_approved"
    assert "Its priority is urgent" in " ".join(one["text"] for one in told["why"])
    assert {one["channel"] for one in told["deliveries"]} == {"sms", "email"}
    assert "+12025550102" not in str(told) and "bob@example.com" not in str(told)
    not_told = acts("alice").get(why(shop, event, "tess")).json
    assert not not_told["told"] and "never considered" in not_told["why"][-1]["text"]


def test_others_ask_about_themselves_and_only_of_what_they_were_considered_for(
    shop: Shop, acts: Act, repair: str
) -> None:
    event = shop.line("bob", "repair_approved").event_id
    assert "You have" not in str(acts("bob").get(why(shop, event, "bob")).json["why"])
    assert acts("bob").get(why(shop, event, "bob")).json["told"]
    assert acts("bob").get(why(shop, event, "alice")).status_code == 404
    assert acts("tess").get(why(shop, event, "tess")).status_code == 404
    assert acts("charlie", shop.other).get(why(shop, event, "bob")).status_code == 404


def test_people_are_listed_for_the_office_without_their_addresses(shop: Shop, acts: Act) -> None:
    found = acts("alice").get("/people", role="technician").json["data"]
    assert {one["name"] for one in found} == {"Bob Marsh", "Tess Okoro"}
    assert "Charlie Stone" not in str(acts("alice").get("/people").json)
    assert "example.com" not in str(acts("alice").get("/people").json)
    assert acts("bob").get("/people").status_code == 403
