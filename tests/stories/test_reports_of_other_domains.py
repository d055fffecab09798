"""B2, C2, D2, D8, E3: what a source reports of orders, maintenance, permits and bookings reaches whom it concerns."""

from __future__ import annotations

import pytest

from tests.stories.conftest import (
    DANA_MAIL,
    DANA_PHONE,
    MARCO_MAIL,
    MARCO_PHONE,
    OFFICE_MAIL,
    PRIYA_PHONE,
)


def report(shop, type_, **data):
    response = shop.post(type_, data)
    assert response.status_code == 202, response.get_data(as_text=True)
    return shop.inbound(response)


def applied(shop, type_, **data):
    row = report(shop, type_, **data)
    assert (row.state, row.error) == ("applied", None)


@pytest.mark.proves("B2")
def test_one_update_of_an_order_tells_three_things_each_to_those_it_concerns(shop):
    order = {"id": "WO-1", "work": "Replace the pump", "technician": {"id": "marco"}}
    applied(shop, "work_order.upsert", **order)
    shop.inbox("marco").has("work_order_update", "New work order: WO-1")
    shop.mail(MARCO_MAIL).says("New work order: WO-1, Replace the pump")
    shop.silence()

    said = {"notes": "Old pump is out.", "issues": "The valve leaks.", "alert_office": True}
    applied(shop, "work_order.upsert", **order, status="IN_PROGRESS", **said)
    for key in ("olga", "marco"):
        shop.inbox(key).has("status_update", "WO-1 is in progress", "Old pump is out.", priority="low")
    shop.inbox("olga").has("issue_detected", "The valve leaks.", priority="medium")
    shop.mail(OFFICE_MAIL).says("Issue on WO-1: The valve leaks.")
    shop.inbox("olga").has("office_alert", "WO-1", priority="high")
    shop.mail(OFFICE_MAIL).says("The office is needed: WO-1")
    shop.silence()


@pytest.mark.proves("B2")
def test_an_order_that_is_reported_as_it_was_tells_nobody(shop):
    order = {"id": "WO-1", "work": "Replace the pump", "status": "in_progress"}
    applied(shop, "work_order.upsert", **order)
    shop.forget()
    applied(shop, "work_order.upsert", **order)
    shop.silence()


@pytest.mark.proves("C2")
def test_urgent_maintenance_goes_to_technician_and_office_and_its_end_to_the_resident_by_mail(shop):
    people = {"technician": {"id": "marco"}, "resident": {"id": "dana"}}
    applied(shop, "maintenance.upsert", id="M-1", problem="No hot water", urgent=True, **people)
    for key, address in (("marco", MARCO_MAIL), ("olga", OFFICE_MAIL)):
        shop.inbox(key).has("maintenance_urgent", "No hot water", priority="high")
        shop.mail(address).says("Urgent maintenance: No hot water")
    applied(shop, "maintenance.upsert", id="M-1", status="completed", completed_at="2026-11-24T15:05:00Z")
    shop.mail(DANA_MAIL).says("Done: No hot water", "07:05 on November 24, 2026", "Marco Reyes")
    shop.silence()


PERMIT = {
    "id": "PTW-7",
    "type": "Hot work",
    "work": "Weld the railing",
    "planned_start": "2026-11-24T16:00:00Z",
    "planned_end": "2026-11-25T01:00:00Z",
    "creator": {"id": "marco"},
    "verifier": {"id": "priya"},
}


@pytest.mark.proves("D2", "D8")
def test_a_permit_that_is_submitted_asks_its_verifier_and_a_rejection_tells_its_creator_why(shop):
    applied(shop, "permit.upsert", **PERMIT, status="submitted")
    shop.inbox("marco").has("permit_created", "PTW-7", "Hot work", priority="low")
    shop.inbox("marco").has("permit_submitted", "PTW-7", "Hot work", priority="low")
    shop.inbox("priya").has("permit_verification", "PTW-7", "Hot work", priority="high")
    sms = shop.sms(PRIYA_PHONE).says("Please verify PTW-7 (Hot work): Weld the railing.")
    item = shop.events("permit_verification")[0]
    assert str(item.item_id) in sms.text, "the link leads to the permit"
    assert item.payload["item"]["id"] == str(item.item_id)

    applied(shop, "permit.upsert", id="PTW-7", status="rejected", reason="No fire watch is named.")
    shop.inbox("marco").has("permit_rejected", "No fire watch is named.", priority="high")
    shop.sms(MARCO_PHONE).says("PTW-7 (Hot work) is rejected", "No fire watch is named.")
    shop.silence()


@pytest.mark.proves("D2")
def test_a_permit_without_a_verifier_is_not_forgotten_since_the_office_is_told(shop):
    applied(shop, "permit.upsert", **{**PERMIT, "verifier": None}, status="submitted")
    shop.inbox("olga").has("not_reached", "the verifier", "PTW-7")
    shop.mail(OFFICE_MAIL).says("No verifier is assigned")
    for event in ("permit_created", "permit_submitted"):
        shop.inbox("marco").has(event)
    shop.silence()


@pytest.mark.proves("D2")
def test_what_a_permit_cannot_become_is_refused_and_tells_nobody(shop):
    applied(shop, "permit.upsert", **PERMIT, status="completed")
    shop.forget()
    row = report(shop, "permit.upsert", id="PTW-7", status="submitted")
    assert row.state == "refused"
    assert "Permit PTW-7 is completed" in row.error
    shop.silence()


BOOKING = {
    "id": "B-1",
    "resource": "Studio 3",
    "start": "2026-11-30T22:00:00Z",
    "end": "2026-12-01T01:30:00Z",
    "guest": {"id": "dana"},
}


@pytest.mark.proves("E3")
def test_a_booking_tells_its_guest_nothing_when_it_is_made_and_by_sms_when_it_is_cancelled(shop):
    applied(shop, "booking.upsert", **BOOKING)
    shop.silence()
    applied(shop, "booking.upsert", id="B-1", status="cancelled", reason="The heating is broken.")
    shop.sms(DANA_PHONE).says("Studio 3 on Nov 30 14:00 is cancelled. The heating is broken.")
    shop.silence()


@pytest.mark.proves("E3")
def test_a_deleted_booking_tells_nobody(shop):
    applied(shop, "booking.upsert", **BOOKING)
    applied(shop, "booking.upsert", id="B-1", status="deleted")
    shop.silence()
