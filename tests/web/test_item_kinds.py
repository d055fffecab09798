"""The item page of every kind: its verbs as forms, what waits and is planned, notes, and what is refused with a sentence
(B1, B2, C2, D1 to D5, E1 to E3)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

HOUR = timedelta(hours=1)


def report(shop, type_, **data):
    response = shop.hub.post(type_, data)
    assert response.status_code == 202, response.get_data(as_text=True)


def item_of(shop, external):
    return shop.hub.build.one("SELECT * FROM work_item WHERE external_id = :external", external=external)


def path(shop, external, page="work"):
    return f"/{page}/{item_of(shop, external).id}"


def permit(shop, status="submitted", **more):
    start = shop.hub.now() + 24 * HOUR
    people = {"creator": {"id": "bob"}, "verifier": {"id": "tess"}, "approver": {"id": "alice"}}
    facts = {
        "type": "Electrical work",
        "work": "Replace the breaker",
        "planned_start": start,
        "planned_end": start + 8 * HOUR,
        "isolation_points": [{"name": "Breaker 14"}, {"name": "Valve V-3"}],
    }
    report(shop, "permit.upsert", id="P-1", number="PTW-1", status=status, **{**people, **facts, **more})


def order(shop, **more):
    facts = {"work": "Replace the pump", "location": "Harbor House", "technician": {"id": "bob"}}
    report(
        shop, "work_order.upsert", id="W-1", number="WO-1", **{**facts, "customer": {"id": "dana"}, **more}
    )


def booking(shop, **more):
    start = shop.hub.now() + 48 * HOUR
    facts = {"resource": "Studio 3", "start": start, "end": start + 2 * HOUR, "guest": {"id": "dana"}}
    report(shop, "booking.upsert", id="B-1", number="B-1", **{**facts, **more})


def page_of(shop, key, external, page):
    return shop.hub.browser(key).get(path(shop, external, page))


# --- work orders ---------------------------------------------------------------------------------------------------


@pytest.mark.proves("B1", "B2")
def test_a_technician_does_a_job_with_notes_an_issue_and_an_alert(shop):
    order(shop, urgency="urgent")
    page = page_of(shop, "bob", "W-1", "jobs")
    assert "Say that you have the urgent order" in page.text and "waits for you" in page.text
    page = shop.bob.submit(page, "/acknowledge")
    assert "Acknowledged: WO-1." in page.text and "What waits" not in page.text
    assert not page.offers("/acknowledge")
    page = shop.bob.submit(page, "/start", notes="The old pump is out.")
    assert "Note: The old pump is out." in page.text
    page = shop.bob.submit(page, "/report_issue", issues="The valve leaks", alert_office="yes")
    assert "Issue: The valve leaks. Alert the office." in page.text
    page = shop.bob.submit(page, "/complete")
    assert item_of(shop, "W-1").status == "completed"
    shop.hub.settle()
    names = {row.name for row in shop.hub.build.all("SELECT name FROM event")}
    assert {"status_update", "issue_detected", "office_alert", "work_order_urgent"} <= names


def test_an_action_without_what_it_needs_is_said_beside_the_field_and_nothing_is_lost(shop):
    order(shop)
    page = shop.bob.submit(path(shop, "W-1", "jobs"), "/report_issue", issues="  ", alert_office="yes")
    assert page.status == 422
    assert re.search(r'<details class="action" id="action-report_issue" open', page.html)
    assert re.search(r'id="report_issue-issues-error"', page.html)
    assert page.form("/report_issue").fields["alert_office"] == ["yes"]
    assert item_of(shop, "W-1").version == 1


def test_notes_are_between_office_and_technician(shop):
    shop.hub.person("dora", "contact", name="Dora Lane", signs_in=True)
    order(shop, customer={"id": "dora"})
    shop.bob.submit(path(shop, "W-1", "jobs"), "/note", notes="The customer was rude")
    assert "The customer was rude" in page_of(shop, "alice", "W-1", "work").text
    page = page_of(shop, "dora", "W-1", "mine")
    assert page.status == 200 and "rude" not in page.html


@pytest.mark.proves("A6")
def test_two_at_once_do_not_lose_one_another(shop):
    order(shop)
    bobs, alices = shop.bob.get(path(shop, "W-1", "jobs")), shop.alice.get(path(shop, "W-1"))
    shop.bob.submit(bobs, "/note", notes="Bob was here")
    late = shop.alice.submit(alices, "/note", notes="Alice too")
    assert late.status == 409 and "was changed meanwhile" in late.text
    assert late.form("/note").fields["notes"] == ["Alice too"], "what was typed is kept"
    done = shop.alice.submit(late, "/note")
    assert "Note: Bob was here." in done.text and "Note: Alice too." in done.text
    assert item_of(shop, "W-1").version == 3


# --- permits -------------------------------------------------------------------------------------------------------


@pytest.mark.proves("D1", "D2")
def test_a_permit_goes_its_way_and_each_sees_what_is_theirs_to_do(shop):
    permit(shop, "draft")
    page = shop.bob.submit(path(shop, "P-1", "jobs"), "/submit")
    assert "Submitted: PTW-1." in page.text
    assert not page.offers("/verify") and not page.offers("/approve")
    page = page_of(shop, "tess", "P-1", "jobs")
    assert "Verify the permit" in page.text and "waits for you" in page.text
    assert re.search(r"due in 3 hr 59 min|due in 4 hr", page.text)
    page = shop.tess.submit(page, "/verify_point", point="Breaker 14")
    assert "Breaker 14: verified by Tess Okoro" in page.text and "Valve V-3: not verified" in page.text
    page = shop.tess.submit(page, "/verify")
    assert "Verified: PTW-1." in page.text and not page.offers("/reject"), "now it waits for the approver"
    page = shop.alice.submit(path(shop, "P-1"), "/approve")
    assert "Approved: PTW-1." in page.text
    page = page_of(shop, "bob", "P-1", "jobs")
    assert "Verify the isolation points first: Valve V-3." in page.text and not page.offers("/activate")
    shop.tess.submit(path(shop, "P-1", "jobs"), "/verify_point", point="Valve V-3")
    assert not page_of(shop, "tess", "P-1", "jobs").offers("/verify_point"), "none is left"
    assert "Work started: PTW-1." in shop.bob.submit(path(shop, "P-1", "jobs"), "/activate").text
    assert item_of(shop, "P-1").status == "active"


@pytest.mark.proves("D1")
def test_nobody_verifies_a_permit_of_their_own_on_the_page_or_past_it(shop):
    permit(shop, verifier={"id": "bob"})
    page = page_of(shop, "bob", "P-1", "jobs")
    assert "PTW-1 is yours: somebody else has to look at it." in page.text
    assert not page.offers("/verify") and not page.offers("/verify_point") and not page.offers("/reject")
    sent = {name: page.form("/cancel").fields[name][0] for name in ("csrf_token", "version")}
    answer = shop.bob.post(f"{path(shop, 'P-1', 'jobs')}/verify", **sent)
    assert answer.status == 409 and "somebody else has to look at it" in answer.text
    assert item_of(shop, "P-1").status == "submitted"


@pytest.mark.proves("D1")
def test_what_the_state_does_not_allow_is_refused_with_a_sentence(shop):
    permit(shop)
    page = page_of(shop, "bob", "P-1", "jobs")
    sent = {name: page.form("/cancel").fields[name][0] for name in ("csrf_token", "version")}
    answer = shop.bob.post(f"{path(shop, 'P-1', 'jobs')}/complete", **sent)
    assert answer.status == 409
    assert (
        "Permit PTW-1 is waiting for verification; complete and close out is not possible now." in answer.text
    )
    answer = shop.bob.post(f"{path(shop, 'P-1', 'jobs')}/approve", **sent)
    assert answer.status == 403


@pytest.mark.proves("D1")
def test_the_office_chooses_a_verifier_of_those_who_may_be_one(shop):
    permit(shop, verifier=None)
    page = page_of(shop, "alice", "P-1", "work")
    assert "nobody is verifier yet" in page.text
    refused = shop.alice.submit(page, "/assign_verifier", verifier=shop.hub.people["bob"].id)
    assert refused.status == 409 and "Bob Marsh has made permit PTW-1" in refused.text
    stranger = shop.alice.submit(page, "/assign_verifier", verifier=shop.other.people["cleo"].id)
    assert stranger.status == 422 and "choose a person from the list" in stranger.text
    done = shop.alice.submit(refused, "/assign_verifier", verifier=shop.hub.people["tess"].id)
    assert "waits for Tess Okoro" in done.text


def test_a_change_shows_what_there_is_and_keeps_what_was_not_touched(shop):
    permit(shop, "draft")
    before = item_of(shop, "P-1")
    page = page_of(shop, "bob", "P-1", "jobs")
    fields = page.form("/change").fields
    assert fields["type"] == ["Electrical work"]
    assert [line.strip() for line in fields["isolation_points"][0].splitlines()] == [
        "Breaker 14",
        "Valve V-3",
    ]
    page = shop.bob.submit(page, "/change", location="Plant room")
    after = item_of(shop, "P-1")
    assert after.data == {**before.data, "location": "Plant room"}, "times keep their seconds too"
    page = shop.bob.submit(page, "/change", planned_end="2020-01-01T10:00")
    assert page.status == 409 and "The planned end must be after the planned start." in page.text


def test_times_are_written_and_read_in_the_readers_zone(shop):
    shop.hub.person("zoe", zone="America/Los_Angeles", name="Zoe Ward")
    permit(shop, "draft", creator={"id": "zoe"})
    page = page_of(shop, "zoe", "P-1", "jobs")
    assert "Time in America/Los Angeles" in page.text
    shop.hub.browser("zoe").submit(
        page, "/change", planned_start="2026-01-05T08:30", planned_end="2026-01-05T17:00"
    )
    stored = item_of(shop, "P-1").data["planned_start"]["$at"]
    assert stored.startswith("2026-01-05T08:30:00-08:00") or "16:30:00+00:00" in stored
    bad = shop.hub.browser("zoe").submit(path(shop, "P-1", "jobs"), "/change", planned_start="soon")
    assert bad.status == 422 and 'id="change-planned_start-error"' in bad.html
    assert bad.form("/change").fields["planned_start"] == ["soon"]


@pytest.mark.proves("D4")
def test_a_late_step_is_said_in_words(shop):
    permit(shop)
    shop.hub.world.move(5 * HOUR)
    assert "overdue by 1 hr" in page_of(shop, "alice", "P-1", "work").text
    assert "overdue by 1 hr" in shop.tess.get("/work").text


# --- bookings and maintenance --------------------------------------------------------------------------------------


@pytest.mark.proves("E1", "E3")
def test_what_is_planned_for_a_booking_is_shown_and_what_was_given_up(shop):
    booking(shop)
    page = page_of(shop, "alice", "B-1", "work")
    for words in (
        "Planned",
        "Booking in 24 hours",
        "Booking in an hour",
        "Booking starts",
        "Booking ends · End, by itself",
    ):
        assert words in page.text
    page = shop.alice.submit(page, "/cancel", reason="The heating is being repaired")
    assert "Cancelled: B-1." in page.text
    assert "Nothing is planned any more." in page.text
    assert "given up, because the work has changed" in page.text


@pytest.mark.proves("E1")
def test_what_was_planned_and_came_is_on_the_timeline(shop):
    booking(shop)
    shop.hub.wait(25 * HOUR)
    text = page_of(shop, "alice", "B-1", "work").text
    assert "As planned: Booking in 24 hours" in text and "Dana Whitfield was told" in text


@pytest.mark.proves("E3")
def test_a_removed_booking_is_in_no_list_any_more(shop):
    shop.hub.person("henry", "administrator", name="Henry Osei")
    booking(shop)
    henry = shop.hub.browser("henry")
    assert not page_of(shop, "alice", "B-1", "work").offers("/delete")
    page = henry.submit(path(shop, "B-1"), "/delete")
    assert page.status == 200 and "Deleted: B-1." in page.text
    for query in ("", "?state=deleted", "?state=closed", "?q=B-1"):
        assert path(shop, "B-1") not in henry.get(f"/work{query}").links
    assert path(shop, "B-1") not in henry.get("/dashboard").links


@pytest.mark.proves("C2")
def test_maintenance_is_assigned_started_and_completed(shop):
    report(shop, "maintenance.upsert", id="M-1", number="M-1", problem="No hot water", urgent=True,
           resident={"id": "dana"})  # fmt: skip
    page = shop.alice.submit(path(shop, "M-1"), "/assign", choice=shop.hub.people["bob"].id)
    assert "M-1 is assigned to Bob Marsh." in page.text and "Yes" in page.text
    page = shop.alice.submit(page, "/change", urgent=None)
    assert item_of(shop, "M-1").data["urgent"] is False
    page = shop.bob.submit(path(shop, "M-1", "jobs"), "/start")
    shop.bob.submit(page, "/complete")
    assert item_of(shop, "M-1").status == "completed"


@pytest.mark.proves("A17", "E3")
def test_a_guest_with_a_sign_in_cancels_on_their_own_page(shop):
    shop.hub.person("dora", "contact", name="Dora Lane", signs_in=True)
    booking(shop, guest={"id": "dora"})
    dora = shop.hub.browser("dora")
    assert path(shop, "B-1", "mine") in dora.get("/work").links
    page = dora.get(path(shop, "B-1", "mine"))
    assert page.offers("/cancel") and not page.offers("/move") and not page.offers("/delete")
    dora.submit(page, "/cancel")
    assert item_of(shop, "B-1").status == "cancelled"


# --- all kinds -----------------------------------------------------------------------------------------------------


@pytest.mark.proves("C5")
@pytest.mark.parametrize("page", ["work", "jobs", "mine", "repairs"])
def test_strangers_find_nothing_of_any_kind(shop, page):
    permit(shop, creator={"id": "tess"}, verifier=None)
    order(shop)
    booking(shop)
    for browser in (shop.charlie, shop.cleo):
        for external in ("P-1", "W-1", "B-1"):
            assert browser.get(path(shop, external, page)).status == 404
    assert shop.bob.get(path(shop, "P-1", page)).status == 404


def test_a_permit_costs_as_few_statements_as_a_repair(shop, counted):
    permit(shop, "draft")
    shop.alice.get(path(shop, "P-1"))
    with counted() as few:
        shop.alice.get(path(shop, "P-1"))
    for _ in range(3):
        page = shop.alice.get(path(shop, "P-1"))
        shop.alice.submit(page, "/change", location=f"Room {_}")
    shop.bob.submit(path(shop, "P-1", "jobs"), "/submit")
    with counted() as many:
        shop.alice.get(path(shop, "P-1"))
    assert len(many.statements) <= len(few.statements) + 3 <= 26
