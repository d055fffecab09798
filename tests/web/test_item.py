"""One piece of work: the actions of office and technician, what stale pages may not do, and the timeline (A4, A6)."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from tests.web.conftest import BOB_PHONE, DANA_MAIL, DANA_PHONE


def path(shop, number="R-1", page="work"):
    return f"/{page}/{shop.hub.repair(number).item_id}"


def pending(shop, number="R-1", technician="bob"):
    return shop.hub.repair(
        number,
        customer="dana",
        technician=technician,
        vehicle="2021 Subaru Outback",
        damage="chip, driver's side",
        location="418 Alder Street, Bellingham",
        price="149.50",
    ).pending()


# --- what is shown -------------------------------------------------------------------------------------------------


def test_the_office_sees_people_facts_and_what_to_do_next(shop):
    pending(shop)
    page = shop.alice.get(path(shop))
    for words in (
        "R-1",
        "2021 Subaru Outback",
        "Dana Whitfield",
        "Bob Marsh",
        "$149.50",
        "418 Alder Street, Bellingham",
    ):
        assert words in page.text
    assert f"tel:{DANA_PHONE}" in page.links and f"mailto:{DANA_MAIL}" in page.links
    assert [page.offers(f"/{verb}") for verb in ("approve", "deny", "assign", "start", "complete")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_the_timeline_tells_changes_and_who_was_told_how(shop):
    pending(shop).approved()
    text = shop.alice.get(path(shop)).text
    assert "Repair reported: waiting for approval" in text
    assert "Dana Whitfield was told:" in text
    assert "Bob Marsh was told: Approved: R-1" in text
    assert "A message of urgent priority goes out by SMS." in text


def test_the_timeline_tells_what_failed_and_whom_nobody_told(shop):
    pending(shop, technician=None).approved()
    text = shop.alice.get(path(shop)).text
    assert "Nobody was told: Repair approved" in text
    assert "Nobody holds the part of technician here." in text
    assert "You were told:" in text


def test_the_timeline_tells_why_a_source_has_denied_it(shop):
    pending(shop).denied("We claim on insurance first")
    assert "Reason: We claim on insurance first" in shop.alice.get(path(shop)).text


def test_the_timeline_tells_who_has_read_it(shop):
    pending(shop)
    shop.bob.get(f"/inbox/{shop.line('bob', 'repair_assigned').id}")
    assert "Bob Marsh read it" in shop.alice.get(path(shop)).text


def test_a_batch_is_on_the_timeline_of_each_of_its_repairs(shop):
    pending(shop, "R-1")
    pending(shop, "R-2")
    ids = [shop.hub.repair(one).item_id for one in ("R-1", "R-2")]
    shop.alice.submit("/work", "/decide", item=ids, decision="approve")
    shop.hub.settle()
    for number in ("R-1", "R-2"):
        text = shop.alice.get(path(shop, number)).text
        assert text.count("Bob Marsh was told: 2 repairs approved") == 1


def test_a_technician_sees_the_job_and_only_their_own_messages(shop):
    pending(shop).approved()
    page = shop.bob.get(path(shop, page="jobs"))
    assert f"tel:{DANA_PHONE}" in page.links
    assert "You were told: Approved: R-1" in page.text
    assert "Dana Whitfield was told" not in page.text
    assert page.offers("/start") and not page.offers("/approve") and not page.offers("/assign")


@pytest.mark.proves("A17")
def test_a_customer_with_a_sign_in_sees_the_repair_without_anybodys_number(shop):
    shop.hub.person("dora", "contact", name="Dora Lane", signs_in=True, sms="+12025550109")
    shop.hub.repair("R-1", customer="dora", technician="bob").pending()
    page = shop.hub.browser("dora").get(path(shop, page="repairs"))
    assert page.status == 200
    assert BOB_PHONE not in page.html and "Bob Marsh was told" not in page.text
    assert page.offers("/approve") and page.offers("/deny")


def test_the_page_costs_the_same_after_much_has_happened(shop, counted):
    repair = pending(shop)
    shop.alice.get(path(shop))
    with counted() as few:
        shop.alice.get(path(shop))
    repair.approved().in_progress().completed()
    with counted() as many:
        shop.alice.get(path(shop))
    assert len(many.statements) <= len(few.statements) <= 24


# --- who may look --------------------------------------------------------------------------------------------------


@pytest.mark.proves("C5")
@pytest.mark.parametrize("page", ["work", "jobs", "repairs"])
def test_strangers_and_the_unconcerned_find_nothing(shop, page):
    pending(shop)
    for browser in (shop.charlie, shop.cleo, shop.tess):
        assert browser.get(path(shop, page=page)).status == 404
    assert shop.alice.get(f"/{page}/{uuid4()}").status == 404


@pytest.mark.proves("F4")
def test_each_kind_of_reader_has_their_own_page(shop):
    pending(shop)
    assert shop.bob.get(path(shop)).status == 404
    assert shop.alice.get(path(shop, page="jobs")).status == 404


@pytest.mark.proves("A4")
def test_a_technician_who_gave_the_job_away_still_sees_it_and_can_do_nothing(shop):
    repair = pending(shop).approved()
    repair.assigned("tess")
    page = shop.bob.get(path(shop, page="jobs"))
    assert page.status == 200
    assert not page.offers("/start") and f"tel:{DANA_PHONE}" not in page.links


# --- what is done --------------------------------------------------------------------------------------------------


@pytest.mark.proves("A6")
def test_the_office_approves_and_the_technician_is_told(shop):
    pending(shop)
    page = shop.alice.submit(path(shop), "/approve")
    assert "Approved: R-1." in page.text
    shop.hub.settle()
    shop.hub.inbox("bob").has("repair_approved", priority="urgent")
    assert "by you" in page.text


def test_denying_needs_a_reason_and_keeps_what_was_typed(shop):
    pending(shop)
    page = shop.alice.submit(path(shop), "/deny", reason="   ")
    assert page.status == 422
    assert "Give a reason, so that people know why." in page.text
    assert re.search(r'<details class="action" id="action-deny" open', page.html)
    assert shop.hub.repair("R-1").row.status == "pending"
    done = shop.alice.submit(page, "/deny", reason="Sold <b>yesterday</b>")
    assert "Reason: Sold <b>yesterday</b>" in done.text.replace("&lt;", "<").replace("&gt;", ">")
    assert "<b>yesterday" not in done.html


def test_a_page_that_is_too_old_decides_nothing(shop):
    repair = pending(shop)
    page = shop.alice.get(path(shop))
    repair.saved(damage="crack, 30 cm")
    answer = shop.alice.submit(page, "/approve")
    assert answer.status == 409
    assert "was changed meanwhile" in answer.text
    assert shop.hub.repair("R-1").row.status == "pending"
    assert "Approved: R-1." in shop.alice.submit(answer, "/approve").text


@pytest.mark.parametrize("version", [None, "", "x", "-1", "9" * 30, "1.0"])
def test_a_form_without_a_version_that_can_be_read_decides_nothing(shop, version):
    pending(shop)
    assert shop.alice.submit(path(shop), "/approve", version=version).status == 409
    assert shop.hub.repair("R-1").row.status == "pending"


def test_what_the_state_does_not_allow_is_refused_with_a_sentence(shop):
    pending(shop)
    page = shop.alice.get(path(shop))
    token, version = (page.form("/approve").fields[name][0] for name in ("csrf_token", "version"))
    answer = shop.alice.post(f"{path(shop)}/complete", csrf_token=token, version=version)
    assert answer.status == 409
    assert "complete is not possible now" in answer.text


def test_an_action_that_does_not_exist_is_not_found(shop):
    pending(shop)
    page = shop.alice.get(path(shop))
    token, version = (page.form("/approve").fields[name][0] for name in ("csrf_token", "version"))
    assert shop.alice.post(f"{path(shop)}/explode", csrf_token=token, version=version).status == 404


@pytest.mark.proves("A4")
def test_the_office_assigns_and_takes_away(shop):
    pending(shop, technician=None)
    page = shop.alice.submit(path(shop), "/assign", choice=shop.hub.people["tess"].id)
    assert "R-1 is assigned to Tess Okoro." in page.text
    shop.hub.settle()
    shop.hub.inbox("tess").has("repair_assigned")
    page = shop.alice.submit(path(shop), "/assign", choice="")
    assert "R-1 is assigned to nobody now." in page.text


@pytest.mark.parametrize("choice", ["x", "alice", "cleo"])
def test_only_one_of_the_offices_technicians_can_be_assigned(shop, choice):
    pending(shop)
    people = {**shop.hub.people, **shop.other.people}
    page = shop.alice.submit(path(shop), "/assign", choice=people[choice].id if choice in people else choice)
    assert page.status == 422
    assert "Choose" in page.text


@pytest.mark.proves("F4")
def test_a_technician_starts_and_completes_their_job_and_approves_nothing(shop):
    pending(shop).approved()
    page = shop.bob.submit(path(shop, page="jobs"), "/start")
    assert "Started: R-1." in page.text
    assert "Completed: R-1." in shop.bob.submit(page, "/complete").text
    version = shop.hub.repair("R-1").row.version
    token = page.form("/complete").fields["csrf_token"][0]
    answer = shop.bob.post(f"{path(shop, page='jobs')}/approve", csrf_token=token, version=version)
    assert answer.status == 403


@pytest.mark.proves("C5")
def test_nobody_acts_on_what_is_not_theirs(shop):
    pending(shop)
    for browser, page in (
        (shop.charlie, "work"),
        (shop.cleo, "jobs"),
        (shop.tess, "jobs"),
        (shop.bob, "work"),
    ):
        token = browser.get("/inbox").form("/read-all").fields["csrf_token"][0]
        answer = browser.post(f"{path(shop, page=page)}/approve", csrf_token=token, version="1")
        assert answer.status == 404
    assert shop.hub.repair("R-1").row.status == "pending"


def test_an_action_needs_the_forms_protection(shop):
    pending(shop)
    assert shop.alice.post(f"{path(shop)}/approve", version="1").status == 400
    assert shop.hub.repair("R-1").row.status == "pending"


@pytest.mark.proves("C5")
def test_somebody_of_two_organisations_opens_the_job_of_the_other_one(shop):
    shop.other.person("bob2", name="Bob Marsh", account_of=shop.hub.people["bob"])
    shop.other.repair("H-7", technician="bob2").approved()
    item = shop.other.repair("H-7").item_id
    page = shop.bob.get(f"/jobs/{item}")
    assert page.status == 200
    assert "Started: H-7." in shop.bob.submit(page, "/start").text
