"""Permits: who may do what in which state, what each change tells, what waits, and what an hour brings (D1 to D8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from notify_app import domains
from notify_app.domains import inputs, moves, permits
from notify_app.domains.base import Item
from notify_app.errors import Invalid
from tests.domains.people import (
    ABEL,
    ALICE,
    CARLOS,
    HENRY,
    MARCO,
    NOW,
    VERA,
    changes,
    do,
    expected,
    hours,
    item,
    names,
    person,
    possible,
    refused,
)

PERMIT = permits.PERMIT
PEOPLE = {"creator": CARLOS, "verifier": VERA, "approver": ABEL}
WRITTEN = {
    "type": "Electrical work",
    "work": "Replace the main breaker",
    "planned_start": NOW + hours(3),
    "planned_end": NOW + hours(11),
}
VERIFIED_POINT = {"name": "Breaker Q4", "verified_by": "Vera", "verified_at": NOW}
OPEN_POINT = {"name": "Feeder F-12", "verified_by": None, "verified_at": None}


def permit(status: str = "draft", *, people: Any = None, **data: Any) -> Item:
    return item(PERMIT, status, PEOPLE if people is None else people, **{**WRITTEN, **data})


# --- the life of a permit ------------------------------------------------------------------------------------------


@pytest.mark.proves("D2")
def test_a_permit_goes_from_its_creator_over_verifier_and_approver_to_its_close_out() -> None:
    made = do(PERMIT, moves.blank(PERMIT, CARLOS.id, "PTW-1"), "create", CARLOS, **WRITTEN)
    assert (made.status, made.people, made.version, made.round) == ("draft", {"creator": CARLOS}, 1, 1)
    assert made.title == "Electrical work: Replace the main breaker"
    assert names(changes(PERMIT, None, made)) == ["permit_created"]

    submitted = do(PERMIT, made, "submit", CARLOS)
    told = changes(PERMIT, made, submitted)
    assert names(told) == ["permit_submitted", "permit_verification"]

    given = do(PERMIT, submitted, "assign_verifier", ALICE, verifier=VERA)
    assert names(changes(PERMIT, submitted, given)) == ["permit_verification"]

    ready = do(PERMIT, given, "assign_approver", VERA, approver=ABEL)
    assert names(changes(PERMIT, given, ready)) == [], "nothing waits for the approver yet"

    verified = do(PERMIT, ready, "verify", VERA)
    assert names(changes(PERMIT, ready, verified)) == ["permit_approval"]

    approved = do(PERMIT, verified, "approve", ABEL)
    assert names(changes(PERMIT, verified, approved)) == ["permit_approved"]

    active = do(PERMIT, approved, "activate", CARLOS)
    assert names(changes(PERMIT, approved, active)) == ["permit_activated"]

    over = do(PERMIT, active, "complete", CARLOS)
    assert names(changes(PERMIT, active, over)) == ["permit_completed"]
    assert (over.status, over.round, over.version) == ("completed", 1, 8)


@pytest.mark.proves("D2")
def test_who_may_do_what_in_which_state_and_nobody_else_may() -> None:
    office, makers = ("manager", "administrator"), ("manager", "administrator", "creator")
    before_the_end = ("draft", "submitted", "verified", "rejected", "approved")
    table = {
        "submit": (("draft", "rejected"), makers),
        "verify": (("submitted",), ("verifier",)),
        "approve": (("verified",), ("approver",)),
        "activate": (("approved",), makers),
        "complete": (("active", "expired"), (*makers, "approver")),
        "expire": (("active",), ("clock",)),
        "cancel": (before_the_end, makers),
        "change": (("draft", "rejected"), makers),
        "assign_verifier": (("draft", "submitted", "rejected"), office),
        "assign_approver": (("draft", "submitted", "verified", "rejected"), (*office, "verifier")),
    }
    items = {status: permit(status) for status in PERMIT.statuses}
    values = {
        "assign_verifier": {"verifier": VERA},
        "assign_approver": {"approver": ABEL},
        "reject": {"reason": "No."},
        "verify_point": {"point": "Feeder F-12"},
    }
    at_ones_step = {"verifier: reject in submitted", "approver: reject in verified"}
    makes = {
        f"{who}: create in {status}"
        for status in items
        for who in (*makers, "verifier", "approver", "technician", "other technician")
    }
    assert possible(PERMIT, items, values) == expected(table) | at_ones_step | makes


def test_a_source_may_skip_steps_and_take_one_back_but_not_undo_the_end_unseen() -> None:
    after = PERMIT.source_moves
    assert {"approved", "active"} <= set(after["submitted"])
    assert "submitted" in after["verified"]
    assert after["completed"] == ("active",)
    assert after["cancelled"] == ("draft",)


# --- no self-approval ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "name", "role"), [("submitted", "verify", "verifier"), ("verified", "approve", "approver")]
)
def test_nobody_verifies_or_approves_a_permit_of_their_own(status: str, name: str, role: str) -> None:
    own = permit(status, people={**PEOPLE, role: CARLOS})
    assert "somebody else" in refused(PERMIT, own, name, CARLOS)
    assert "somebody else" in refused(PERMIT, own, "reject", CARLOS, reason="No.")


@pytest.mark.parametrize(("name", "role"), [("assign_verifier", "verifier"), ("assign_approver", "approver")])
def test_nobody_is_given_a_permit_of_their_own_to_look_at(name: str, role: str) -> None:
    said = refused(PERMIT, permit("submitted"), name, ALICE, **{role: CARLOS})
    assert said == "Carlos has made permit PTW-1: choose somebody else to look at it."


def test_a_permit_in_another_name_is_made_by_the_office_only() -> None:
    blank = moves.blank(PERMIT, CARLOS.id, "PTW-2")
    assert "Only the office" in refused(PERMIT, blank, "create", CARLOS, **WRITTEN, creator=MARCO)
    assert do(PERMIT, blank, "create", ALICE, **WRITTEN, creator=MARCO).people == {"creator": MARCO}
    assert do(PERMIT, blank, "create", CARLOS, **WRITTEN, creator=CARLOS).people == {"creator": CARLOS}


def test_the_verifier_rejects_at_verification_and_the_approver_at_approval_only() -> None:
    assert "waits for its verifier" in refused(PERMIT, permit("submitted"), "reject", ABEL, reason="No.")
    assert "waits for its approver" in refused(PERMIT, permit("verified"), "reject", VERA, reason="No.")


# --- what is told --------------------------------------------------------------------------------------------------


@pytest.mark.proves("D2", "D3")
@pytest.mark.parametrize(
    ("status", "who", "step"), [("submitted", VERA, "verification"), ("verified", ABEL, "approval")]
)
def test_a_rejection_tells_the_creator_why_and_at_which_step(status: str, who: Any, step: str) -> None:
    before = permit(status)
    after = do(PERMIT, before, "reject", who, reason="The plan is missing.")
    (draft,) = changes(PERMIT, before, after, "The plan is missing.")
    assert (draft.event, draft.step, draft.to) == ("permit_rejected", step, None)
    assert (draft.payload["reason"], draft.payload["step"]) == ("The plan is missing.", step)


@pytest.mark.proves("D3")
def test_a_permit_that_is_rejected_and_submitted_again_begins_a_new_round_and_is_looked_at_again() -> None:
    first = permit("submitted", isolation_points=[VERIFIED_POINT])
    rejected = do(PERMIT, first, "reject", VERA, reason="No.")
    again = do(PERMIT, rejected, "submit", CARLOS)
    assert (rejected.round, again.round) == (1, 2)
    assert again.data["isolation_points"] == [{**VERIFIED_POINT, "verified_by": None, "verified_at": None}]
    assert names(changes(PERMIT, rejected, again)) == ["permit_submitted", "permit_verification"]
    second = do(PERMIT, again, "reject", VERA, reason="Still not.")
    event = domains.event("permit_rejected")
    assert event is not None
    keys = {moves.dedupe_key(event, one, "verification", NOW.date()) for one in (rejected, second)}
    assert len(keys) == 2, "a second rejection on one day is another matter"


@pytest.mark.parametrize(
    ("before", "after", "anew"),
    [
        ("draft", "submitted", False),
        ("submitted", "rejected", False),
        ("rejected", "submitted", True),
        ("rejected", "draft", True),
        ("rejected", "approved", False),
        ("verified", "submitted", True),
        ("approved", "rejected", True),
        ("active", "approved", True),
        ("expired", "active", True),
        ("expired", "completed", False),
        ("completed", "active", True),
        ("cancelled", "draft", True),
    ],
)
def test_going_back_begins_a_new_round_and_going_on_does_not(before: str, after: str, anew: bool) -> None:
    assert permits.new_round(permit(before), permit(after)) is anew
    assert moves.follows(PERMIT, permit(before), permit(after)).round == (2 if anew else 1)


def test_a_permit_without_a_verifier_asks_all_the_same_so_that_the_office_hears_of_it() -> None:
    nobody = permit("draft", people={"creator": CARLOS})
    after = do(PERMIT, nobody, "submit", CARLOS)
    draft = changes(PERMIT, nobody, after)[1]
    assert (draft.event, draft.to) == ("permit_verification", None)


def test_another_verifier_is_asked_while_it_waits_and_is_not_while_it_does_not() -> None:
    paul = person("Paul")
    for status, told in (("submitted", ["permit_verification"]), ("verified", []), ("active", [])):
        before = permit(status)
        after = replace(before, people={**PEOPLE, "verifier": paul})
        assert names(changes(PERMIT, before, after)) == told


def test_a_change_of_nothing_that_matters_tells_nothing() -> None:
    before = permit("active")
    assert changes(PERMIT, before, replace(before, data={**before.data, "location": "Elsewhere"})) == []


def test_a_permit_that_a_source_reports_as_active_tells_that_it_was_made_and_is_active() -> None:
    assert names(changes(PERMIT, None, permit("active"))) == ["permit_created", "permit_activated"]


@pytest.mark.proves("D8")
def test_what_is_told_has_id_number_and_type_and_the_points_that_are_open() -> None:
    bare = item(PERMIT, "submitted", {}, isolation_points=[VERIFIED_POINT, OPEN_POINT])
    payload = permits.told(bare)
    assert payload["item"]["id"] == str(bare.id)
    assert (payload["item"]["number"], payload["item"]["type"]) == ("PTW-1", "General work")
    assert payload["unverified"] == ["Feeder F-12"]
    assert payload["verifier"] is None


# --- what waits ----------------------------------------------------------------------------------------------------


@pytest.mark.proves("D4")
def test_a_permit_waits_for_verification_then_for_approval_four_hours_each_and_else_for_nobody() -> None:
    waits = {
        status: [task.step for task in moves.pending(PERMIT, permit(status))] for status in PERMIT.statuses
    }
    assert {status: steps for status, steps in waits.items() if steps} == {
        "submitted": ["verification"],
        "verified": ["approval"],
    }
    for task in PERMIT.tasks:
        assert (task.hours, task.overdue, task.escalated) == (4, "permit_overdue", "permit_escalated")
        assert task.unassigned == ("grade:A", "grade:B")
        assert task.escalate_to == ("role:administrator+grade:A", "role:administrator+grade:B")
    assert PERMIT.sort == "type", "escalation rules are for types of permits"


@pytest.mark.proves("D4")
def test_escalation_reaches_administrators_of_grade_a_and_b_and_no_manager() -> None:
    words = PERMIT.tasks[0].escalate_to

    def reached(who: Any) -> bool:
        return any(moves.is_one(word, who) for word in words)

    assert reached(HENRY)
    assert reached(person("Beth", "administrator", "B"))
    assert not reached(person("Cleo", "administrator", "C"))
    assert not reached(ALICE), "a manager of grade B"


def test_who_verifies_by_itself_is_never_the_creator_and_only_if_the_office_wants_it() -> None:
    (automatic,) = PERMIT.assignments
    assert (automatic.role, automatic.while_in, automatic.option) == (
        "verifier",
        ("submitted",),
        "assign_verifiers",
    )
    assert "creator" in automatic.never


# --- what an hour brings -------------------------------------------------------------------------------------------


def planned(one: Item) -> dict[str, Any]:
    return {reminder.event or reminder.verb: reminder for reminder in permits.reminders(one)}


@pytest.mark.proves("D2", "D5")
def test_an_active_permit_is_expiring_and_to_be_closed_out_two_hours_before_its_end_and_expires_at_it() -> (
    None
):
    end = WRITTEN["planned_end"]
    plan = planned(permit("active", isolation_points=[OPEN_POINT]))
    assert {name: one.due_at for name, one in plan.items()} == {
        "permit_expiring": end - hours(2),
        "permit_closeout_required": end - hours(2),
        "permit_isolation_pending": end - hours(2),
        "expire": end,
    }
    assert {name for name, one in plan.items() if one.late} == {
        "permit_closeout_required",
        "permit_isolation_pending",
        "expire",
    }


@pytest.mark.proves("D5")
def test_an_approved_permit_with_open_points_says_so_two_hours_before_its_start() -> None:
    (reminder,) = permits.reminders(permit("approved", isolation_points=[VERIFIED_POINT, OPEN_POINT]))
    assert (reminder.event, reminder.due_at) == (
        "permit_isolation_pending",
        WRITTEN["planned_start"] - hours(2),
    )
    assert permits.reminders(permit("approved", isolation_points=[VERIFIED_POINT])) == []


@pytest.mark.parametrize(
    "status", ["draft", "submitted", "verified", "rejected", "expired", "completed", "cancelled"]
)
def test_nothing_is_planned_for_a_permit_that_is_not_at_work(status: str) -> None:
    assert permits.reminders(permit(status, isolation_points=[OPEN_POINT])) == []


@pytest.mark.proves("D5")
def test_what_expires_tells_its_creator_and_can_still_be_closed_out() -> None:
    before = permit("active")
    after = do(PERMIT, before, "expire", "clock")
    assert names(changes(PERMIT, before, after)) == ["permit_expired"]
    assert after.status in PERMIT.closed
    assert do(PERMIT, after, "complete", CARLOS).status == "completed"


@pytest.mark.proves("D5")
def test_a_permit_that_begins_within_its_last_two_hours_is_closed_out_at_once_and_not_called_expiring() -> (
    None
):
    late = moves.replanned(PERMIT, permit("active"), (), (), WRITTEN["planned_end"] - hours(1))
    assert [one.event or one.verb for one in late.make] == ["permit_closeout_required", "expire"]


@pytest.mark.proves("D5")
def test_a_permit_that_is_reported_active_after_its_end_expires_however_often() -> None:
    gone = [one.key for one in permits.reminders(permit("active"))]
    again = moves.replanned(PERMIT, permit("active"), [], gone, WRITTEN["planned_end"] + hours(1))
    assert [one.verb for one in again.make] == ["expire"]


@pytest.mark.proves("D3")
def test_a_moved_end_is_announced_again_and_the_same_end_is_not() -> None:
    told = [one.key for one in permits.reminders(permit("active")) if one.event]
    now = WRITTEN["planned_end"] - hours(1)
    assert (
        moves.replanned(
            PERMIT, permit("active"), [f"expire@{WRITTEN['planned_end'].isoformat()}"], told, now
        ).make
        == ()
    )
    later = permit("active", planned_end=WRITTEN["planned_end"] + hours(5))
    again = moves.replanned(PERMIT, later, [], told, now)
    assert [one.event for one in again.make if one.event] == ["permit_expiring", "permit_closeout_required"]


# --- isolation points ----------------------------------------------------------------------------------------------


def test_no_work_begins_or_is_closed_out_before_the_last_point_is_verified() -> None:
    two = [OPEN_POINT, {**OPEN_POINT, "name": "Valve V-3"}]
    before = permit("approved", isolation_points=two)
    assert (
        refused(PERMIT, before, "activate", CARLOS)
        == "Verify the isolation points first: Feeder F-12, Valve V-3."
    )
    one = do(PERMIT, before, "verify_point", VERA, point="Feeder F-12")
    assert one.status == "approved"
    assert one.data["isolation_points"][0] == {
        "name": "Feeder F-12",
        "verified_by": "Vera",
        "verified_at": NOW,
    }
    assert changes(PERMIT, before, one) == []
    assert "Valve V-3" in refused(PERMIT, one, "activate", CARLOS)
    both = do(PERMIT, one, "verify_point", VERA, point="Valve V-3")
    assert do(PERMIT, both, "activate", CARLOS).status == "active"
    assert "Valve V-3" in refused(PERMIT, replace(one, status="active"), "complete", CARLOS)


def test_a_point_is_verified_once_and_by_its_verifier_only() -> None:
    before = permit("approved", isolation_points=[VERIFIED_POINT, OPEN_POINT])
    assert "choose one of Feeder F-12" in refused(PERMIT, before, "verify_point", VERA, point="Breaker Q4")
    assert "none that is left" in refused(
        PERMIT,
        permit("approved", isolation_points=[VERIFIED_POINT]),
        "verify_point",
        VERA,
        point="Breaker Q4",
    )
    assert "cannot" in refused(PERMIT, before, "verify_point", CARLOS, point="Feeder F-12")


def test_whoever_writes_a_permit_names_its_points_and_cannot_say_that_they_are_isolated() -> None:
    create = PERMIT.verb("create")
    assert create is not None
    given = {"type": "Hot work", "work": "Weld", "isolation_points": [{"name": "Q4"}]}
    values = inputs.read(create.form, create.inputs, given)
    made = do(PERMIT, moves.blank(PERMIT, CARLOS.id, "PTW-3"), "create", CARLOS, **values)
    assert permits.unverified(made) == ["Q4"]
    assert permits.told(made)["item"]["isolation_points"] == [{"name": "Q4", **permits.NOT_VERIFIED}]
    with pytest.raises(Invalid):
        inputs.read(
            create.form, create.inputs, {**given, "isolation_points": [{"name": "Q4", "verified_by": "me"}]}
        )
    own = permit("approved", people={**PEOPLE, "verifier": CARLOS}, isolation_points=[OPEN_POINT])
    assert "somebody else" in refused(PERMIT, own, "verify_point", CARLOS, point="Feeder F-12")


# --- what does not hold together -----------------------------------------------------------------------------------


def test_a_permit_is_submitted_only_when_there_is_something_to_verify() -> None:
    bare = item(PERMIT, "draft", PEOPLE, type="Hot work")
    assert (
        refused(PERMIT, bare, "submit", CARLOS)
        == "Permit PTW-1 still needs its work, planned start, planned end."
    )


def test_an_end_before_the_start_is_named() -> None:
    assert permits.check(permit(planned_end=NOW)) == "The planned end must be after the planned start."
    assert permits.check(permit()) == permits.check(item(PERMIT)) == ""
