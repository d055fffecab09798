"""D4: what waits too long is told to those whose step it is, then to those above them, each level once and in order."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest

from notify_app.errors import Refused
from notify_app.pipeline.step import step
from notify_app.policy.office import OfficeSettings
from notify_app.sweeps import collect, escalate
from notify_app.work import ladders, templates
from notify_app.work.record import COMMAND

pytestmark = pytest.mark.proves("D4")

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
VERA_PHONE, ADA_PHONE, ADA_MAIL = "+12025550111", "+12025550112", "ada@example.com"


@pytest.fixture
def site(shop):
    """A site whose permits Vera verifies and Olga approves; Ada, grade A, is above them. Escalations are on."""
    shop.person("vera", name="Vera Lind", sms=VERA_PHONE)
    shop.person("ada", "administrator", name="Ada Quist", grade="A", sms=ADA_PHONE, email=ADA_MAIL)
    set_office(shop, escalations_on=True)
    return shop


def set_office(shop: Any, **values: Any) -> None:
    with shop.world.app.app_context(), step(shop.organisation.id) as work:
        templates.set_office(work, values, COMMAND)


def rule(shop: Any, *levels: dict[str, Any], kind=None, sort=None, step=None, **ladder: Any) -> None:
    shop.build.insert(
        "escalation_rule",
        organisation_id=shop.organisation.id,
        kind=kind,
        sort=sort,
        step=step,
        ladder=json.dumps({"levels": list(levels), **ladder}),
    )


def permit(shop: Any, status: str = "submitted", number: str = "PTW-1", **more: Any) -> Any:
    data = {
        "id": number,
        "number": number,
        "status": status,
        "type": "Hot work",
        "creator": {"id": "marco"},
        "verifier": {"id": "vera"},
        "approver": {"id": "olga"},
        **more,
    }
    response = shop.post("permit.upsert", data)
    assert response.status_code == 202, response.get_data(as_text=True)
    return response


def submitted(shop: Any, **more: Any) -> None:
    permit(shop, **more)
    shop.forget()


def climbed(shop: Any) -> list[tuple[int, int]]:
    """Levels and repetitions that were told, in their order."""
    rows = shop.build.all("SELECT level, repetition FROM escalation ORDER BY done_at, level")
    return [(row.level, row.repetition) for row in rows]


def task(shop: Any, name: str = "permit_verification") -> Any:
    return shop.build.one("SELECT * FROM task WHERE name = :name ORDER BY id DESC LIMIT 1", name=name)


def acknowledge(shop: Any, who: str) -> bool:
    with shop.world.app.app_context(), step(shop.organisation.id) as work:
        return ladders.acknowledge(work, task(shop).id, shop.people[who].id)


# --- the ladder of D4 ----------------------------------------------------------------------------------------------


def test_four_hours_then_its_assignee_eight_hours_then_those_above_and_both_every_day(site):
    submitted(site)
    site.wait(4 * HOUR - MINUTE)
    site.silence()
    site.wait(2 * MINUTE)
    site.inbox("vera").has("permit_overdue", "PTW-1")
    site.sms(VERA_PHONE).says("PTW-1")
    site.silence()
    site.wait(4 * HOUR)
    site.inbox("ada").has("permit_escalated", "PTW-1")
    site.sms(ADA_PHONE).says("PTW-1")
    site.mail(ADA_MAIL).says("PTW-1", "Vera Lind")
    site.silence()
    site.wait(20 * HOUR)
    site.inbox("vera").has("permit_overdue", "PTW-1")
    site.sms(VERA_PHONE).says("PTW-1")
    site.wait(4 * HOUR)
    site.inbox("ada").has("permit_escalated", "PTW-1")
    site.forget()
    assert climbed(site) == [(0, 0), (1, 0), (0, 1), (1, 1)]


def test_what_is_done_in_time_climbs_nothing(site):
    submitted(site)
    site.wait(3 * HOUR)
    permit(site, "verified")
    site.forget()
    site.wait(3 * HOUR)
    site.silence()
    assert task(site).next_level_at is None and task(site).outcome == "done"
    site.wait(2 * HOUR)  # the approver's own four hours
    site.inbox("olga").has("permit_overdue", "PTW-1")
    site.forget()


def test_what_is_done_late_is_told_no_more_and_what_nobody_has_read_goes(site):
    submitted(site)
    site.wait(4 * HOUR + MINUTE)
    site.forget()
    permit(site, "verified")
    site.forget()
    gone = site.build.one("SELECT withdrawn_at FROM notification WHERE name = 'permit_overdue'")
    assert gone.withdrawn_at is not None, "it is not true any more"
    site.wait(3 * HOUR)
    site.silence()


def test_a_step_that_is_nobodys_is_told_to_those_who_can_give_it_to_somebody(site):
    permit(site, verifier=None)
    site.forget()
    site.wait(4 * HOUR + MINUTE)
    site.inbox("ada").has("permit_overdue", "PTW-1")
    site.forget()


def test_whose_step_it_is_may_change_while_it_waits(site):
    submitted(site)
    site.person("max", name="Max Ode", sms="+12025550113")
    permit(site, verifier={"id": "max"})
    site.forget()
    site.wait(4 * HOUR + MINUTE)
    site.inbox("max").has("permit_overdue", "PTW-1")
    site.sms("+12025550113").says("PTW-1")
    site.silence()


def test_a_new_round_begins_with_a_new_clock(site):
    submitted(site)
    site.wait(3 * HOUR)
    permit(site, "rejected", reason="No plan.")
    permit(site, "submitted")
    site.forget()
    site.wait(3 * HOUR)
    site.silence()
    site.wait(HOUR + MINUTE)
    site.inbox("vera").has("permit_overdue", "PTW-1")
    site.forget()


# --- switches ------------------------------------------------------------------------------------------------------


@pytest.mark.proves("D6")
def test_nothing_climbs_until_an_administrator_wants_it_and_then_it_goes_on(shop):
    shop.person("vera", name="Vera Lind", sms=VERA_PHONE)
    assert OfficeSettings().escalations_on is False
    submitted(shop)
    shop.wait(9 * HOUR)
    shop.silence()
    set_office(shop, escalations_on=True)
    shop.wait(MINUTE)
    shop.inbox("vera").has("permit_overdue", "PTW-1")
    shop.sms(VERA_PHONE).says("PTW-1")
    shop.silence()
    set_office(shop, escalations_on=False)
    shop.wait(48 * HOUR)
    shop.silence()
    assert task(shop).next_level_at is None


@pytest.mark.proves("D6")
def test_the_installations_switch_stands_above_all_offices(site):
    submitted(site)

    def switch(value):
        with site.world.app.app_context():
            said = site.world.app.test_cli_runner().invoke(args=["escalations", *value])
        assert said.exit_code == 0
        return said.output.strip()

    assert switch([]) == "on"
    assert switch(["off"]) == "off"
    # what is due stays due, so time is not waited for moment by moment
    site.jump(9 * HOUR)
    site.silence()
    assert switch(["on"]) == "on"
    site.world.sweep()
    site.inbox("vera").has("permit_overdue", "PTW-1")
    site.forget()


# --- rules ---------------------------------------------------------------------------------------------------------


def test_the_most_specific_active_rule_counts(site):
    rule(site, {"after": 120, "tell": ["assignee"]})
    rule(site, {"after": 90, "tell": ["assignee"]}, kind="permit")
    rule(site, {"after": 60, "tell": ["assignee"]}, kind="permit", sort="Hot work")
    rule(site, {"after": 30, "tell": ["assignee"]}, kind="permit", sort="Cold work", step="verification")
    submitted(site)
    assert task(site).due_at - task(site).opened_at == HOUR
    site.build.run("UPDATE escalation_rule SET active = false WHERE sort = 'Hot work'")
    submitted(site, number="PTW-2")
    assert task(site).due_at - task(site).opened_at == 90 * MINUTE


def test_a_rule_says_who_hears_of_it_how_pressing_it_is_and_how_often(site):
    vera = site.people["vera"].id
    rule(
        site,
        {"after": 30, "tell": ["office"], "repeat": 60},
        {
            "after": 45,
            "tell": [f"person:{vera}", "grade:A"],
            "says": "escalated",
            "priority": 3,
            "repeat": None,
        },
        kind="permit",
    )
    submitted(site)
    site.wait(31 * MINUTE)
    for key in ("olga", "ada"):
        site.inbox(key).has("permit_overdue", "PTW-1")
    site.forget()
    site.wait(45 * MINUTE)
    line = site.inbox("vera").has("permit_escalated", "PTW-1")
    assert line.priority == 3
    site.sms(VERA_PHONE).says("PTW-1")  # by email, and she has none
    site.forget()
    site.wait(HOUR)
    assert climbed(site) == [(0, 0), (1, 0), (0, 1)]
    site.forget()


def test_a_rule_that_is_changed_changes_no_task_that_runs(site):
    rule(site, {"after": 60, "tell": ["assignee"]}, kind="permit")
    submitted(site)
    changed = json.dumps({"levels": [{"after": 10, "tell": ["office"]}]})
    site.build.run("UPDATE escalation_rule SET ladder = CAST(:ladder AS jsonb), version = 2", ladder=changed)
    site.wait(59 * MINUTE)
    site.silence()
    site.wait(2 * MINUTE)
    site.inbox("vera").has("permit_overdue", "PTW-1")
    site.forget()
    assert task(site).rule_version == 1


def test_by_working_hours_it_waits_over_the_night(site):
    rule(site, {"after": 120, "tell": ["assignee"]}, kind="permit", clock="working")
    zone = site.organisation.zone
    site.at("2026-12-01 16:00", zone)  # a Tuesday; work ends at five
    submitted(site)
    site.wait(15 * HOUR + 58 * MINUTE)
    site.silence()
    site.wait(HOUR + 3 * MINUTE)
    site.inbox("vera").has("permit_overdue", "PTW-1")
    site.forget()


def test_a_role_that_nobody_holds_falls_to_those_above_and_then_to_the_office(site):
    rule(site, {"after": 30, "tell": ["grade:C"], "says": "escalated"}, kind="permit")
    submitted(site)
    site.wait(31 * MINUTE)
    site.inbox("ada").has("permit_escalated", "PTW-1")
    site.forget()
    site.build.run("UPDATE person SET left_at = hub_now() WHERE name = 'Ada Quist'")
    submitted(site, number="PTW-2")
    site.wait(31 * MINUTE)
    site.inbox("olga").has("permit_escalated", "PTW-2")
    site.forget()


# --- acknowledging -------------------------------------------------------------------------------------------------


def test_an_acknowledgement_stops_the_ladder_in_its_own_transaction(site):
    submitted(site)
    site.wait(4 * HOUR + MINUTE)
    site.forget()
    assert acknowledge(site, "vera") is True
    assert task(site).acknowledged_by == site.people["vera"].id
    site.wait(72 * HOUR)
    site.silence()


def test_an_acknowledgement_of_what_is_done_is_refused(site):
    submitted(site)
    permit(site, "verified")
    site.forget()
    with pytest.raises(Refused, match="done already"):
        acknowledge(site, "vera")


def test_one_that_lapses_tells_the_same_again_and_goes_on_from_there(site):
    rule(
        site,
        {"after": 30, "tell": ["assignee"], "repeat": None},
        {"after": 60, "tell": ["grade:A"], "says": "escalated", "repeat": None},
        kind="permit",
        lapses=120,
    )
    submitted(site)
    site.wait(31 * MINUTE)
    site.forget()
    acknowledge(site, "vera")
    site.wait(119 * MINUTE)
    site.silence()
    site.wait(2 * MINUTE)
    site.inbox("vera").has("permit_overdue", "PTW-1")
    site.sms(VERA_PHONE).says("PTW-1")
    site.silence()
    site.wait(HOUR)
    site.inbox("ada").has("permit_escalated", "PTW-1")
    site.forget()
    reasons = [row.reason for row in site.build.all("SELECT reason FROM escalation ORDER BY done_at")]
    assert reasons == ["", "lapsed", ""]


def test_one_that_lapses_after_the_last_level_tells_that_again(site):
    rule(site, {"after": 30, "tell": ["assignee"], "repeat": None}, kind="permit", lapses=120)
    submitted(site)
    site.wait(31 * MINUTE)
    site.forget()
    assert task(site).next_level_at is None, "it has told all that it had"
    acknowledge(site, "vera")
    site.wait(121 * MINUTE)
    site.inbox("vera").has("permit_overdue", "PTW-1")
    site.sms(VERA_PHONE).says("PTW-1")
    site.silence()


@pytest.mark.parametrize("how", ["handed on", "left"])
def test_what_somebody_saw_to_is_not_seen_to_any_more_when_it_is_theirs_no_more(site, how):
    site.person("nils", name="Nils Bach", sms="+12025550117")
    rule(site, {"after": 30, "tell": ["assignee"], "repeat": None}, kind="permit")
    submitted(site)
    site.wait(31 * MINUTE)
    acknowledge(site, "vera")
    site.forget()
    if how == "left":
        vera = f"/people/{site.people['vera'].id}"
        assert "has left" in site.browser("ada").submit(vera, f"{vera}/left").text
    else:
        permit(site, verifier={"id": "nils"})
        site.forget()
    row = task(site)
    assert (row.acknowledged_at, row.acknowledged_by) == (None, None)
    assert not site.build.all("SELECT 1 FROM task_acknowledgement")
    site.wait(29 * MINUTE)
    site.silence()
    site.wait(2 * MINUTE)
    if how == "handed on":
        site.sms("+12025550117").says("PTW-1")
    assert len(climbed(site)) == 2
    site.forget()


def test_two_tasks_of_one_round_and_step_are_two_matters(site):
    """What is told of the one is no repetition of what was told of the other (D3)."""
    rule(site, {"after": 30, "tell": ["assignee"], "repeat": None}, kind="permit")
    submitted(site)
    site.wait(31 * MINUTE)
    site.forget()
    site.build.run("UPDATE task SET closed_at = hub_now(), outcome = 'done', next_level_at = NULL")
    site.build.run(
        "INSERT INTO task (organisation_id, id, item_id, kind, name, step, assignee_id, round, hours, opened_at, due_at, ladder, "
        "next_level_at) SELECT organisation_id, gen_random_uuid(), item_id, kind, name, step, assignee_id, round, hours, "
        "hub_now(), due_at, ladder, hub_now() + interval '30 minutes' FROM task"
    )
    site.wait(31 * MINUTE)
    site.sms(VERA_PHONE).says("PTW-1")
    site.forget()


def test_as_many_as_the_level_asks_for_have_to_acknowledge(site):
    rule(
        site, {"after": 30, "tell": ["office"], "needs": 2}, {"after": 30, "tell": ["grade:A"]}, kind="permit"
    )
    submitted(site)
    site.wait(31 * MINUTE)
    site.forget()
    assert acknowledge(site, "olga") is False
    assert acknowledge(site, "olga") is False, "the same person does not count twice"
    assert acknowledge(site, "ada") is True
    site.wait(HOUR)
    site.silence()


def test_what_was_to_be_told_and_has_not_left_stays(site):
    # by night, an overdue step waits for the morning; somebody sees to it before
    rule(site, {"after": 30, "tell": ["assignee"], "priority": 2}, kind="permit")
    site.build.quiet(site.people["vera"], "00:00", "23:59")
    submitted(site)
    site.wait(31 * MINUTE)
    site.inbox("vera").has("permit_overdue", "PTW-1")
    acknowledge(site, "vera")
    row = site.delivery_of("vera", "sms", "permit_overdue")
    assert (row.state, row.reason) == ("skipped", "acknowledged")
    site.silence()


@pytest.mark.parametrize("others", [0, 1])
def test_what_was_collected_of_nothing_else_stays_too(site, others):
    rule(site, {"after": 30, "tell": ["assignee"], "priority": 2, "repeat": 30}, kind="permit")
    submitted(site)
    mine = task(site).id
    if others:
        submitted(site, number="PTW-2")
    site.build.quiet(site.people["vera"], "00:00", "23:59")
    site.wait(62 * MINUTE)
    held = site.build.one("SELECT max(next_attempt_at) AS until FROM delivery WHERE state = 'held'")
    site.world.move(held.until - site.now() + timedelta(seconds=5))
    with site.world.app.app_context():
        assert collect.run(site.now()) > 1
        with step(site.organisation.id) as work:
            assert ladders.acknowledge(work, mine, site.people["vera"].id)
    (carrier,) = site.build.all("SELECT * FROM delivery WHERE purpose = 'collected'")
    expected = ("queued", "quiet_hours") if others else ("skipped", "acknowledged")
    assert (carrier.state, carrier.reason) == expected
    site.forget()


@pytest.mark.proves("R5")
def test_an_acknowledgement_beside_the_sweep_comes_before_or_after_a_level_and_never_in_it(site):
    rule(site, {"after": 30, "tell": ["assignee"]}, kind="permit")
    for number in range(60):
        submitted(site, number=f"PTW-{number}")
    ids = [row.id for row in site.build.all("SELECT id FROM task ORDER BY id")]
    site.world.move(31 * MINUTE)
    now = site.now()
    begin = threading.Barrier(3)

    def sweep() -> None:
        with site.world.app.app_context():
            begin.wait(10)
            escalate.run(now, 5)

    def see_to_it() -> None:
        with site.world.app.app_context():
            begin.wait(10)
            for one in ids:
                with step(site.organisation.id) as work:
                    ladders.acknowledge(work, one, site.people["vera"].id)

    threads = [threading.Thread(target=work) for work in (sweep, sweep, see_to_it)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    rows = site.build.all(
        "SELECT t.acknowledged_at, t.next_level_at, e.done_at FROM task t LEFT JOIN escalation e "
        "ON e.organisation_id = t.organisation_id AND e.task_id = t.id"
    )
    assert len(rows) == 60, "no level twice"
    assert all(row.done_at is None or row.done_at <= row.acknowledged_at for row in rows)
    assert all(row.acknowledged_at is not None and row.next_level_at is None for row in rows)
    site.settle()
    site.world.sweep()
    assert len(site.build.all("SELECT 1 FROM escalation")) == sum(row.done_at is not None for row in rows)
    site.forget()


# --- outages, several schedulers, what did not arrive -----------------------------------------------------------------


def test_after_a_night_without_any_worker_it_climbs_one_level_per_delay(site):
    submitted(site)
    site.jump(20 * HOUR)
    assert climbed(site) == [(0, 0)]
    site.forget()
    site.wait(4 * HOUR - MINUTE)
    site.silence()
    site.wait(2 * MINUTE)
    assert climbed(site) == [(0, 0), (1, 0)]
    site.forget()


def test_what_was_reported_during_the_outage_is_applied_before_anything_climbs(site):
    submitted(site)
    site.world.move(20 * HOUR)
    # verified in time, and still in the line when the sweep comes first
    data = {"id": "PTW-1", "number": "PTW-1", "status": "verified"}
    site.post("permit.upsert", data, settle=False)
    with site.world.app.app_context():
        assert escalate.run(site.now()) == 0
    site.settle()
    site.forget()
    site.wait(MINUTE)
    assert climbed(site) == []


def test_but_not_for_ever_where_it_cannot_be_applied(site):
    submitted(site)
    site.world.move(20 * HOUR)
    site.post("permit.upsert", {"id": "PTW-1", "number": "PTW-1", "status": "verified"}, settle=False)
    with site.world.app.app_context():
        assert escalate.run(site.now()) == 0
        site.world.move(4 * MINUTE)
        assert escalate.run(site.now()) == 0
        site.world.move(2 * MINUTE)
        assert escalate.run(site.now()) == 1
    site.settle()
    site.forget()


@pytest.mark.proves("R5")
def test_five_schedulers_at_once_tell_every_level_once(site):
    rule(site, {"after": 30, "tell": ["assignee"]}, {"after": 30, "tell": ["grade:A"]}, kind="permit")
    for number in range(10):
        submitted(site, number=f"PTW-{number}")
    for hours in (1, 2):
        site.world.move(HOUR)
        now = site.now()
        begin = threading.Barrier(5)

        def sweep(now=now, begin=begin) -> None:
            with site.world.app.app_context():
                begin.wait(10)
                escalate.run(now, 3)

        threads = [threading.Thread(target=sweep) for _ in range(5)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)
        with site.world.app.app_context():
            escalate.run(now)
        assert len(climbed(site)) == 10 * hours
    site.settle()
    site.forget()


@pytest.mark.proves("A16")
def test_an_urgent_level_that_reaches_nobody_brings_the_next_one_at_once_and_says_so(site):
    site.person("nils", name="Nils Bach")  # neither phone nor mail
    rule(
        site,
        {"after": 30, "tell": [f"person:{site.people['nils'].id}"], "priority": 1},
        {"after": 240, "tell": ["grade:A"], "says": "escalated"},
        kind="permit",
    )
    submitted(site)
    site.wait(31 * MINUTE)
    site.inbox("ada").has("permit_escalated", "PTW-1")
    rows = site.build.all("SELECT level, reason FROM escalation ORDER BY level")
    assert [(row.level, row.reason) for row in rows] == [(0, ""), (1, "not_delivered")]
    site.forget()


@pytest.mark.proves("A16")
def test_so_does_one_whose_provider_refuses_every_channel(site):
    site.person("nils", name="Nils Bach", sms="+12025550999")
    site.world.aws.fail("+12025550999", "InvalidParameter: not a number")
    rule(
        site,
        {"after": 30, "tell": [f"person:{site.people['nils'].id}"], "priority": 1},
        {"after": 240, "tell": ["grade:A"], "says": "escalated"},
        kind="permit",
    )
    submitted(site)
    site.wait(32 * MINUTE)
    site.inbox("ada").has("permit_escalated", "PTW-1")
    site.forget()


def test_a_surprise_on_one_task_is_kept_there_and_the_others_go_on(site):
    site.expects_errors()
    submitted(site)
    submitted(site, number="PTW-2")
    site.build.run(
        "UPDATE task SET ladder = jsonb_set(ladder, '{levels,0,after}', '-1') WHERE item_id = "
        "(SELECT id FROM work_item WHERE number = 'PTW-1')"
    )
    site.world.move(4 * HOUR + MINUTE)
    site.world.sweep("escalate")
    site.inbox("vera").has("permit_overdue", "PTW-2")
    row = site.build.one("SELECT ladder_error, next_level_at FROM task WHERE ladder_error IS NOT NULL")
    assert "ValidationError" in row.ladder_error and row.next_level_at > site.now()
    site.forget()


@pytest.mark.proves("D7")
def test_a_command_climbs_for_those_who_run_no_scheduler(site):
    submitted(site)
    site.world.move(4 * HOUR + MINUTE)
    with site.world.app.app_context():
        said = site.world.app.test_cli_runner().invoke(args=["check-escalations"])
    assert said.exit_code == 0 and "1 levels told" in said.output
    site.settle()
    site.inbox("vera").has("permit_overdue", "PTW-1")
    site.forget()
