"""A6: an event fires from a change of state against the true previous value, whoever makes the change."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.stories.conftest import DANA_MAIL, DANA_PHONE, MARCO_MAIL, MARCO_PHONE, PRIYA_PHONE

pytestmark = pytest.mark.proves("A6")


@pytest.fixture
def pending(shop):
    """A repair that waits for approval; what was said of it is heard."""
    repair = shop.repair("R-1", customer="dana", technician="marco", vehicle="2021 Subaru Outback").pending()
    shop.forget()
    return repair


def approval_reaches_marco(shop):
    shop.sms(MARCO_PHONE).says("R-1 is approved")
    shop.mail(MARCO_MAIL).says("Approved: R-1")
    shop.inbox("marco").has("repair_approved")


def test_a_record_that_is_saved_with_its_status_unchanged_fires_nothing(shop, pending):
    before = len(shop.events())
    pending.saved()
    pending.saved(vehicle="2021 Subaru Outback Touring")
    pending.pending()
    assert len(shop.events()) == before
    assert pending.row.version == 2, "the new vehicle is a version, the empty saves are none"
    shop.silence()


def test_the_first_save_after_a_change_fires_and_the_next_ones_do_not(shop, pending):
    pending.approved()
    approval_reaches_marco(shop)
    pending.approved()
    pending.saved()
    shop.silence()


def test_the_office_changes_the_state_on_its_page(shop, pending):
    done = shop.browser("olga").submit(f"/work/{pending.item_id}", "/approve")
    assert "Approved" in done.text
    shop.settle()
    approval_reaches_marco(shop)
    shop.silence()


def test_what_the_office_did_is_the_previous_value_for_the_next_webhook(shop, pending):
    shop.browser("olga").submit(f"/work/{pending.item_id}", "/approve")
    shop.settle()
    approval_reaches_marco(shop)
    pending.approved()
    shop.silence()


def test_the_office_denies_with_a_reason_and_without_one_is_asked_for_it(shop, pending):
    olga = shop.browser("olga")
    asked = olga.submit(f"/work/{pending.item_id}", "/deny", reason="")
    assert asked.status == 422
    assert "reason" in asked.text
    shop.settle()
    assert pending.row.status == "pending"
    olga.submit(asked, "/deny", reason="No glass in stock")
    shop.settle()
    shop.sms(MARCO_PHONE).says("denied", "No glass in stock")
    shop.mail(MARCO_MAIL).says("No glass in stock")
    shop.inbox("marco").has("repair_denied", "No glass in stock")
    shop.silence()


def test_the_technician_begins_and_finishes_on_the_phone_and_the_customer_hears_of_both(shop, pending):
    pending.approved()
    shop.forget()
    marco = shop.browser("marco")
    marco.submit(f"/jobs/{pending.item_id}", "/start")
    shop.settle()
    shop.mail(DANA_MAIL).says("working on your 2021 Subaru Outback")
    marco.submit(f"/jobs/{pending.item_id}", "/complete")
    shop.settle()
    shop.sms(DANA_PHONE).says("is ready")
    assert not marco.get(f"/jobs/{pending.item_id}").offers("/start"), "what is done is not offered again"
    shop.silence()


def test_a_stale_page_changes_nothing(shop, pending):
    olga = shop.browser("olga")
    page = olga.get(f"/work/{pending.item_id}")
    pending.approved()
    approval_reaches_marco(shop)
    said = olga.submit(page, "/deny", reason="Too late")
    assert said.status == 409
    shop.settle()
    assert pending.row.status == "approved"
    shop.silence()


def test_the_office_reassigns_and_the_old_technician_is_the_true_one(shop, pending):
    priya = shop.people["priya"]
    shop.browser("olga").submit(f"/work/{pending.item_id}", "/assign", choice=str(priya.id))
    shop.settle()
    shop.mail(MARCO_MAIL).says("off your list", "Priya Natarajan")
    shop.inbox("marco").has("repair_reassigned_away")
    shop.sms(PRIYA_PHONE).says("New job R-1")
    shop.inbox("priya").has("repair_assigned")
    shop.silence()


def test_two_changes_in_a_row_are_each_told_against_what_was_before_them(shop, pending):
    for person in ("priya", "marco"):
        data = {"id": "R-1", "technician": {"id": person}}
        shop.post("repair.upsert", data, settle=False)
    shop.settle()
    shop.mail(MARCO_MAIL).says("off your list", "Priya Natarajan")
    shop.inbox("marco").has("repair_reassigned_away", "Priya")
    shop.sms(PRIYA_PHONE).says("New job R-1")
    shop.inbox("priya").has("repair_assigned")
    shop.mail("priya@example.com").says("off your list", "Marco Reyes")
    shop.inbox("priya").has("repair_reassigned_away", "Marco")
    shop.sms(MARCO_PHONE).says("New job R-1")
    shop.inbox("marco").has("repair_assigned")
    shop.silence()


def test_a_report_that_is_older_than_what_is_known_is_kept_and_not_applied(shop, pending):
    pending.approved()
    approval_reaches_marco(shop)
    late = shop.post("repair.upsert", {"id": "R-1", "status": "denied"}, at=shop.now() - timedelta(hours=1))
    assert shop.inbound(late).state == "stale"
    assert pending.row.status == "approved"
    shop.silence()


def test_what_a_report_leaves_out_stays_as_it_was(shop, pending):
    shop.post("repair.upsert", {"id": "R-1", "status": "approved"})
    approval_reaches_marco(shop)
    assert pending.row.data["vehicle"] == "2021 Subaru Outback"
    shop.silence()
