"""A4: every row of the table of repair events, each with who hears of it, how, and who does not."""

from __future__ import annotations

import pytest

from tests.stories.conftest import (
    DANA_MAIL,
    DANA_PHONE,
    MARCO_MAIL,
    MARCO_PHONE,
    OFFICE_MAIL,
    PRIYA_MAIL,
    PRIYA_PHONE,
)

pytestmark = pytest.mark.proves("A4")


def told_of_the_job(shop, key="marco", phone=MARCO_PHONE, number="R-1"):
    """The assignment that comes with a new repair, where a story is about something else."""
    shop.sms(phone).says("New job", number)
    shop.inbox(key).has("repair_assigned", number)


def asked(shop, number="R-1"):
    shop.sms(DANA_PHONE).says(number)


# --- created -------------------------------------------------------------------------------------------------------


def test_a_new_repair_asks_its_customer_for_approval_by_sms_and_nobody_else(shop):
    shop.repair("R-1", customer="dana", vehicle="2021 Subaru Outback").pending()
    sms = shop.sms(DANA_PHONE).says("OK to repair your 2021 Subaru Outback", "R-1")
    assert "/l/" in sms.text, "somebody who does not sign in gets a private link"
    event = shop.events("repair_pending_approval")[0]
    assert (event.priority, event.category) == (2, "approval")
    shop.silence()


def test_a_repair_that_is_created_approved_tells_its_technician_at_once(shop):
    shop.repair("R-1", customer="dana", technician="marco").approved()
    shop.sms(MARCO_PHONE).says("R-1 is approved")
    shop.mail(MARCO_MAIL).says("Approved: R-1")
    shop.inbox("marco").has("repair_approved", priority="urgent")
    told_of_the_job(shop)
    shop.silence()


def test_a_repair_that_is_created_denied_tells_its_technician_why(shop):
    shop.repair("R-1", customer="dana", technician="marco").denied("Sold yesterday")
    shop.sms(MARCO_PHONE).says("R-1 denied", "Sold yesterday")
    shop.mail(MARCO_MAIL).says("Denied: R-1", "Sold yesterday")
    shop.inbox("marco").has("repair_denied", "Sold yesterday", priority="urgent")
    told_of_the_job(shop)
    shop.silence()


def test_a_repair_that_is_created_under_way_tells_its_customer(shop):
    shop.repair("R-1", customer="dana").in_progress()
    shop.mail(DANA_MAIL).says("working on your", "R-1")
    shop.silence()


def test_a_repair_that_is_created_completed_tells_its_customer(shop):
    shop.repair("R-1", customer="dana").completed()
    shop.sms(DANA_PHONE).says("is ready", "R-1")
    shop.silence()


# --- decided -------------------------------------------------------------------------------------------------------


def test_an_approval_reaches_the_technician_by_sms_mail_and_inbox(shop):
    repair = shop.repair("R-1", customer="dana", technician="marco").pending()
    asked(shop)
    told_of_the_job(shop)
    repair.approved()
    shop.sms(MARCO_PHONE).says("R-1 is approved")
    shop.mail(MARCO_MAIL).says("Approved: R-1")
    shop.inbox("marco").has("repair_approved", priority="urgent")
    assert shop.events("repair_approved")[0].category == "approval"
    shop.silence()


def test_a_denial_reaches_the_technician_with_its_reason(shop):
    repair = shop.repair("R-1", customer="dana", technician="marco").pending()
    asked(shop)
    told_of_the_job(shop)
    repair.denied("We claim on insurance first")
    shop.sms(MARCO_PHONE).says("R-1 denied", "We claim on insurance first")
    shop.mail(MARCO_MAIL).says("Denied: R-1", "We claim on insurance first")
    shop.inbox("marco").has("repair_denied", "We claim on insurance first", priority="urgent")
    assert shop.events("repair_denied")[0].category == "approval"
    shop.silence()


def test_what_the_repairs_state_does_not_allow_tells_nobody(shop):
    repair = shop.repair("R-1", customer="dana", technician="marco").completed()
    shop.sms(DANA_PHONE).says("is ready")
    told_of_the_job(shop)
    answer = shop.post("repair.upsert", {"id": "R-1", "status": "pending"})
    row = shop.inbound(answer)
    assert row.state == "refused"
    assert "cannot become" in row.error, "the source's page shows why"
    assert repair.row.status == "completed"
    shop.silence()


# --- assigned ------------------------------------------------------------------------------------------------------


def test_an_assignment_tells_the_technician_with_a_link_to_their_own_page(shop):
    repair = shop.repair("R-1", customer="dana").pending()
    asked(shop)
    repair.assigned("marco")
    sms = shop.sms(MARCO_PHONE).says("New job R-1")
    assert sms.text.endswith(f"https://hub.example.com/jobs/{repair.item_id}")
    row = shop.inbox("marco").has("repair_assigned", priority="high")
    assert row.category == "assignment"
    assert row.action_url == f"/jobs/{repair.item_id}"
    shop.silence()


def test_a_reassignment_tells_the_old_technician_who_has_it_now_and_the_new_one(shop):
    repair = shop.repair("R-1", customer="dana", technician="marco").pending()
    asked(shop)
    told_of_the_job(shop)
    repair.assigned("priya")
    shop.mail(MARCO_MAIL).says("R-1 is off your list", "Priya Natarajan")
    row = shop.inbox("marco").has("repair_reassigned_away", "Priya Natarajan", priority="medium")
    assert row.category == "assignment"
    shop.sms(PRIYA_PHONE).says("New job R-1")
    shop.inbox("priya").has("repair_assigned", priority="high")
    shop.silence()


def test_a_repair_that_is_taken_away_and_given_to_nobody_tells_the_one_who_had_it(shop):
    repair = shop.repair("R-1", customer="dana", technician="marco").pending()
    asked(shop)
    told_of_the_job(shop)
    repair.unassigned()
    shop.mail(MARCO_MAIL).says("R-1 is off your list", "nobody")
    shop.inbox("marco").has("repair_reassigned_away")
    shop.silence()


def test_an_assignment_to_the_technician_who_has_it_already_tells_nobody(shop):
    repair = shop.repair("R-1", customer="dana", technician="marco").pending()
    asked(shop)
    told_of_the_job(shop)
    repair.assigned("marco")
    shop.silence()


def test_one_report_may_change_the_status_and_the_technician_and_each_is_told_of_their_own(shop):
    repair = shop.repair("R-1", customer="dana", technician="marco").pending()
    asked(shop)
    told_of_the_job(shop)
    repair.approved(technician="priya")
    shop.sms(PRIYA_PHONE).says("R-1 is approved")
    shop.mail(PRIYA_MAIL).says("Approved: R-1")
    shop.inbox("priya").has("repair_approved")
    told_of_the_job(shop, "priya", PRIYA_PHONE)
    shop.mail(MARCO_MAIL).says("off your list")
    shop.inbox("marco").has("repair_reassigned_away")
    shop.silence()


# --- done ----------------------------------------------------------------------------------------------------------


def test_work_that_begins_is_told_to_the_customer_by_mail(shop):
    repair = shop.repair("R-1", customer="dana", technician="marco", vehicle="2021 Subaru Outback").approved()
    shop.forget()
    repair.in_progress()
    mail = shop.mail(DANA_MAIL).says("Marco Reyes", "2021 Subaru Outback", "R-1")
    assert "/l/" in mail.text
    event = shop.events("repair_in_progress")[0]
    assert (event.priority, event.category) == (3, "repair_status")
    shop.silence()


def test_finished_work_is_told_to_the_customer_by_sms(shop):
    repair = shop.repair(
        "R-1", customer="dana", technician="marco", vehicle="2021 Subaru Outback"
    ).in_progress()
    shop.forget()
    repair.completed()
    shop.sms(DANA_PHONE).says("your 2021 Subaru Outback is ready", "R-1")
    event = shop.events("repair_completed")[0]
    assert (event.priority, event.category) == (2, "repair_status")
    shop.silence()


# --- batches -------------------------------------------------------------------------------------------------------


def five_pending(shop):
    """Three of Marco's, one of Priya's, one of nobody's."""
    whose = {"R-1": "marco", "R-2": "marco", "R-3": "marco", "R-4": "priya", "R-5": None}
    for number, technician in whose.items():
        shop.repair(number, customer="dana", technician=technician).pending()
    shop.forget()
    return list(whose)


def batch(shop, numbers, decision, **more):
    data = {"batch_id": "B-207", "decision": decision, "items": [{"id": one} for one in numbers], **more}
    return shop.post("repair.batch", data)


def test_a_batch_that_is_approved_tells_each_technician_once_of_their_part(shop):
    numbers = five_pending(shop)
    row = shop.inbound(batch(shop, numbers[:4], "approved"))
    assert row.state == "applied", row.error
    shop.sms(MARCO_PHONE).says("3 repairs approved", "B-207", "R-1", "R-2", "R-3")
    mail = shop.mail(MARCO_MAIL).says("3 repairs approved", "R-1", "R-2", "R-3")
    assert "R-4" not in mail.text, "only their part of the batch"
    row = shop.inbox("marco").has("repair_batch_approved", priority="urgent")
    assert row.category == "approval"
    shop.sms(PRIYA_PHONE).says("1 repair approved", "R-4")
    shop.mail(PRIYA_MAIL).says("R-4")
    shop.inbox("priya").has("repair_batch_approved")
    shop.silence()


def test_a_batch_that_is_denied_tells_each_technician_once_and_why(shop):
    numbers = five_pending(shop)
    batch(shop, numbers[:4], "denied", reason="The fleet is being sold")
    shop.sms(MARCO_PHONE).says("3 repairs denied", "The fleet is being sold")
    shop.mail(MARCO_MAIL).says("3 repairs denied", "R-1", "R-2", "R-3", "The fleet is being sold")
    row = shop.inbox("marco").has("repair_batch_denied", priority="urgent")
    assert row.category == "approval"
    shop.sms(PRIYA_PHONE).says("1 repair denied", "R-4")
    shop.mail(PRIYA_MAIL).says("R-4")
    shop.inbox("priya").has("repair_batch_denied")
    shop.silence()


def test_the_part_of_a_batch_that_is_nobodys_is_told_to_the_office(shop):
    row = shop.inbound(batch(shop, five_pending(shop)[4:], "approved"))
    assert row.state == "applied", row.error
    shop.mail(OFFICE_MAIL).says("Not reached: the technician", "No technician is assigned", "R-5")
    shop.inbox("olga").has("not_reached")
    shop.silence()


def test_what_a_batch_cannot_decide_is_named_and_tells_nobody(shop):
    shop.repair("R-1", customer="dana", technician="marco").completed()
    shop.repair("R-2", customer="dana", technician="marco").pending()
    shop.forget()
    row = shop.inbound(batch(shop, ["R-1", "R-2", "R-9"], "approved"))
    assert row.state == "applied"
    assert "R-1 is completed" in row.error
    assert "R-9 is not known" in row.error
    shop.sms(MARCO_PHONE).says("1 repair approved", "R-2")
    shop.mail(MARCO_MAIL).says("R-2")
    shop.inbox("marco").has("repair_batch_approved")
    shop.silence()


def test_the_office_decides_on_many_repairs_at_once_from_its_list(shop):
    five_pending(shop)
    olga = shop.browser("olga")
    page = olga.get("/work")
    chosen = [str(shop.repair(number).item_id) for number in ("R-1", "R-2", "R-4")]
    done = olga.submit(page, "/work/decide", item=chosen, decision="approve")
    assert "3 repairs approved" in done.text
    shop.settle()
    shop.sms(MARCO_PHONE).says("2 repairs approved", "R-1", "R-2")
    shop.mail(MARCO_MAIL).says("2 repairs approved")
    shop.inbox("marco").has("repair_batch_approved")
    shop.sms(PRIYA_PHONE).says("1 repair approved", "R-4")
    shop.mail(PRIYA_MAIL).says("R-4")
    shop.inbox("priya").has("repair_batch_approved")
    shop.silence()


def test_a_denial_of_many_without_a_reason_changes_and_tells_nothing(shop):
    five_pending(shop)
    olga = shop.browser("olga")
    chosen = [str(shop.repair("R-1").item_id)]
    said = olga.submit("/work", "/work/decide", item=chosen, decision="deny", reason=" ")
    assert said.status == 422
    assert "reason" in said.text
    shop.settle()
    assert shop.repair("R-1").row.status == "pending"
    shop.silence()


# --- rewards -------------------------------------------------------------------------------------------------------

REWARD = {
    "technician": {"id": "marco"},
    "reward": "Free wiper blades",
    "points": 1200,
    "redeemed_by": "Dana Whitfield",
    "redeemed_at": "2026-11-24T17:40:00Z",
}


def test_a_redeemed_reward_is_told_to_its_technician_by_mail(shop):
    answer = shop.post("reward.redeemed", REWARD)
    assert shop.inbound(answer).state == "applied"
    shop.mail(MARCO_MAIL).says("Free wiper blades", "Dana Whitfield", "1200")
    row = shop.inbox("marco").has("reward", "Free wiper blades", priority="medium")
    assert row.category == "reward"
    shop.silence()


def test_the_same_redemption_reported_twice_is_told_once(shop):
    shop.post("reward.redeemed", REWARD, id="msg_reward", at=shop.now().replace(microsecond=0))
    stored = shop.build.one("SELECT body FROM inbound").body
    shop.post("reward.redeemed", REWARD, id="msg_reward", at=shop.now().fromisoformat(stored["timestamp"]))
    shop.mail(MARCO_MAIL).says("Free wiper blades")
    shop.inbox("marco").has("reward")
    shop.silence()


# --- links ---------------------------------------------------------------------------------------------------------


@pytest.mark.proves("A17")
def test_the_link_leads_a_customer_who_signs_in_to_their_own_page_and_not_to_the_technicians(shop):
    shop.customer("kim", sms="+12025550104", signs_in=True)
    repair = shop.repair("R-1", customer="kim", technician="marco").pending()
    assert shop.inbox("kim").has("repair_pending_approval").action_url == f"/repairs/{repair.item_id}"
    assert shop.sms("+12025550104").says("R-1").text.endswith(f"/repairs/{repair.item_id}")
    told_of_the_job(shop)
    assert shop.browser("kim").get(f"/repairs/{repair.item_id}").status == 200
    assert shop.browser("kim").get(f"/jobs/{repair.item_id}").status == 404
    assert shop.browser("marco").get(f"/jobs/{repair.item_id}").status == 200
    assert shop.browser("marco").get(f"/repairs/{repair.item_id}").status == 404
    shop.silence()
