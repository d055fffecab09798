"""The rules page and its editor: ladders drawn, changed, tried out, and the working hours (D4, F2)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from notify_app.pipeline import world
from notify_app.pipeline.step import step
from notify_app.policy.ladder import Ladder, Level
from notify_app.work import simulate, templates
from notify_app.work.record import COMMAND

pytestmark = pytest.mark.proves("D4", "F2")

HOUR = timedelta(hours=1)


@pytest.fixture
def ada(shop) -> Any:
    shop.hub.person("ada", "administrator", name="Ada Quist", grade="A", sms="+12025550112")
    return shop.hub.browser("ada")


def rules(shop) -> list[Any]:
    return shop.hub.build.all("SELECT * FROM escalation_rule ORDER BY id")


def made(shop, ada, **values: Any) -> Any:
    """A rule for verifying permits, made through the form."""
    page = ada.submit("/rules/new?scope=permit/verification", "/rules/new", do="save", **values)
    assert page.status == 200, page.text
    return rules(shop)[-1]


def permit(shop, number: str = "P-1", **more: Any) -> None:
    data = {"id": number, "number": number, "status": "submitted", "verifier": {"id": "bob"}, **more}
    assert shop.hub.post("permit.upsert", data).status_code == 202


def escalations(shop, *, on: bool) -> None:
    with shop.hub.world.app.app_context(), step(shop.hub.organisation.id) as work:
        templates.set_office(work, {"escalations_on": on}, COMMAND)


# --- the page ------------------------------------------------------------------------------------------------------


def test_what_counts_is_drawn_for_every_step_before_there_is_a_rule(shop, ada):
    page = shop.alice.get("/rules")
    for words in (
        "Verify the permit",
        "Whose step it is",
        "after 4 hr",
        "after 8 hr",
        "Built in",
        "No rule of your own",
    ):
        assert words in page.text, words
    assert "Escalations are off" in page.text
    assert "New rule" not in page.text and "New rule" in ada.get("/rules").text, (
        "the office looks, administrators change"
    )


def test_a_rule_is_made_changed_paused_and_removed(shop, ada):
    row = made(shop, ada, **{"after-0": "90", "unit-0": "minutes", "to-0": ["assignee", "office"]})
    ladder = Ladder.model_validate(row.ladder)
    assert (row.kind, row.sort, row.step, row.version) == ("permit", None, "verification", 1)
    assert ladder.levels[0].after == 90 and ladder.levels[0].tell == ("assignee", "office")
    assert ladder.levels[1].says == "escalated", "the built-in second level was kept"
    page = ada.get("/rules")
    assert "after 1 hr 30 min" in page.text and "Permit: Verify the permit" in page.text
    again = ada.submit(
        f"/rules/{row.id}", f"/rules/{row.id}", do="save", **{"after-0": "2", "unit-0": "hours"}
    )
    assert "The rule is saved" in again.text
    assert rules(shop)[0].version == 2 and rules(shop)[0].ladder["levels"][0]["after"] == 120
    assert "Does not count" in ada.submit("/rules", f"/rules/{row.id}/active").text
    assert rules(shop)[0].active is False
    assert "Does not count" not in ada.submit("/rules", f"/rules/{row.id}/active").text
    record = ada.get("/record?kind=rule").text
    assert (
        "Escalation rule saved: Permit: Verify the permit." in record and "Escalation rule paused" in record
    )
    assert "The rule is gone" in ada.submit("/rules", f"/rules/{row.id}/remove").text
    assert not rules(shop)


def test_a_level_more_and_a_level_less_keep_what_was_typed(shop, ada):
    page = ada.submit("/rules/new", "/rules/new", do="add", **{"after-0": "7", "sort": "Hot work"})
    assert "Level 3" in page.text and 'value="7"' in page.html and 'value="Hot work"' in page.html
    page = ada.submit(page, "/rules/new", do="remove:0")
    assert "Level 3" not in page.text and 'value="7"' not in page.html
    assert not rules(shop), "nothing is kept before it is saved"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"after-0": "soon"}, "Give a whole number"),
        ({"after-0": "0"}, "too short"),
        ({"after-0": "90", "unit-0": "days"}, "60 days at the most"),
        ({"to-0": [], "person-0": []}, "Choose who is told"),
        ({"needs-0": "3"}, "One person is told"),
        ({"needs-0": "many"}, "Give a whole number"),
        ({"person-0": "11111111-1111-4111-8111-111111111111"}, "not known here"),
        ({"scope": "spaceship/"}, "no kind of work called spaceship"),
        ({"scope": "permit/launch"}, "no step called launch"),
        ({"scope": "repair/approval", "sort": "x"}, "has no types"),
    ],
)
def test_what_makes_no_sense_is_refused_beside_its_field_and_kept_as_typed(shop, ada, values, words):
    page = ada.submit("/rules/new?scope=permit/verification", "/rules/new", do="save", **values)
    assert page.status == 422
    assert words in page.text
    assert not rules(shop)
    for name, value in values.items():
        if name == "after-0":
            assert f'value="{value}"' in page.html


def test_a_second_rule_for_the_same_is_refused(shop, ada):
    made(shop, ada)
    page = ada.submit("/rules/new?scope=permit/verification", "/rules/new", do="save")
    assert page.status == 422 and "There is a rule for this already" in page.text
    made(shop, ada, sort="Hot work")
    assert len(rules(shop)) == 2, "one for a type of it is another"


def test_who_saves_over_a_change_of_somebody_else_is_told(shop, ada):
    row = made(shop, ada)
    old = ada.get(f"/rules/{row.id}")
    ada.submit(f"/rules/{row.id}", f"/rules/{row.id}", do="save", **{"after-0": "1"})
    page = ada.submit(old, f"/rules/{row.id}", do="save", **{"after-0": "9"})
    assert page.status == 409 and "changed meanwhile" in page.text
    assert rules(shop)[0].ladder["levels"][0]["after"] == 60


# --- people by name ------------------------------------------------------------------------------------------------


def naming(shop, *people: Any) -> str:
    """The editor's path of a rule whose second level tells these people."""
    rule = {
        "levels": [
            {"after": 60, "tell": ["assignee"]},
            {"after": 60, "tell": ["office", *(f"person:{one}" for one in people)], "says": "escalated"},
        ]
    }
    shop.hub.build.insert(
        "escalation_rule", organisation_id=shop.hub.organisation.id, kind="permit", ladder=json.dumps(rule)
    )
    return f"/rules/{rules(shop)[0].id}"


def test_somebody_named_is_kept_however_many_people_there_are(shop, ada):
    zoe = shop.hub.person("zoe", name="Zoe Zimmer").id
    shop.hub.build.run(
        "INSERT INTO person (organisation_id, id, name, role) SELECT :org, gen_random_uuid(), 'Crew ' || n, 'technician' "
        "FROM generate_series(1, 210) n",
        org=shop.hub.organisation.id,
    )
    path = naming(shop, zoe)
    page = ada.get(path)
    assert page.form(path).fields["person-1"] == [str(zoe)]
    assert "Zoe Zimmer" not in ada.get("/rules/new").text, "she is not among the first two hundred"
    ada.submit(page, path, do="save", **{"after-0": "2"})
    saved = Ladder.model_validate(rules(shop)[0].ladder)
    assert saved.levels[0].after == 120 and saved.levels[1].tell == ("office", f"person:{zoe}")


def test_somebody_named_who_has_left_is_said_beside_the_level_and_the_ladder_is_drawn(shop, ada):
    tess = shop.hub.people["tess"].id
    path = naming(shop, tess)
    assert "has left" not in ada.get(path).text
    shop.hub.build.run("UPDATE person SET left_at = hub_now() WHERE id = :id", id=tess)
    page = ada.get(path)
    assert page.status == 200 and "Tess Okoro has left the organisation." in page.text
    assert "The rule cannot be saved as it is" in page.text and "The rule was not saved" not in page.text
    assert "Tess Okoro (has left)" in page.text and page.text.count("(has left)") == 1
    assert "The office, Tess Okoro" in page.text, "drawn as it is"
    assert page.form(path).fields["person-1"] == [str(tess)]
    page = ada.submit(page, path, do="save", **{"after-0": "2"})
    assert page.status == 422 and "The rule was not saved" in page.text
    assert "Tess Okoro has left the organisation." in page.text
    assert rules(shop)[0].version == 1, "she is not dropped in silence"
    assert "The rule is saved" in ada.submit(page, path, do="save", **{"person-1": None}).text
    assert Ladder.model_validate(rules(shop)[0].ladder).levels[1].tell == ("office",)


# --- the simulator -------------------------------------------------------------------------------------------------


def test_it_says_what_would_happen_to_a_task_that_begins_then(shop, ada):
    page = ada.submit(
        "/rules/new?scope=permit/verification",
        "/rules/new",
        do="try",
        opened="2026-12-01T09:00",
        **{"after-0": "2"},
    )
    assert "1 December 2026, 11:00" in page.text and "after 2 hr" in page.text
    assert "1 December 2026, 15:00" in page.text, "and four hours later those above"
    odd = ada.submit("/rules/new", "/rules/new", do="try", opened="yesterday")
    assert "That is no time" in odd.text


@pytest.mark.parametrize(
    "typed",
    ["0001-01-01T00:00", "0001-06-01T09:00", "2016-01-01T09:00", "2037-01-01T09:00", "9999-12-31T23:59"],
)
def test_a_time_too_far_away_is_not_tried(shop, ada, typed):
    page = ada.submit("/rules/new", "/rules/new", do="try", opened=typed)
    assert page.status == 200 and "That is too far; now is taken instead." in page.text


@pytest.mark.parametrize("typed", ["2017-06-01T09:00", "2036-06-01T09:00"])
def test_a_time_within_ten_years_is_tried(shop, ada, typed):
    page = ada.submit("/rules/new", "/rules/new", do="try", opened=typed)
    assert "too far" not in page.text and f"1 June {typed[:4]}" in page.text


def test_it_says_what_the_rule_would_have_done_in_the_last_thirty_days(shop, ada):
    for number in range(3):
        permit(shop, f"P-{number}")
    shop.hub.wait(8.5 * HOUR)
    for number in range(3):
        permit(shop, f"P-{number}", status="verified")
    page = ada.submit(
        "/rules/new?scope=permit/verification", "/rules/new", do="try", **{"after-0": "1", "repeat-0": "60"}
    )
    assert "3 tasks would come under this rule" in page.text
    # escalations were off; with the rule: eight times to Bob, once to Ada
    assert "As it was With this rule" in page.text
    assert "Messages 0 27 SMS 0 27" in page.text and "Cost of SMS $0 $0.17415" in page.text
    assert "Bob Marsh 0 24" in page.text
    assert "Ada Quist 0 3" in page.text
    quiet = ada.submit("/rules/new?scope=work_order/acknowledgement", "/rules/new", do="try")
    assert "No task of the last 30 days" in quiet.text


def test_as_it_was_is_what_was_told(shop, ada):
    escalations(shop, on=True)
    permit(shop, "P-1")
    shop.hub.wait(4.5 * HOUR)
    escalations(shop, on=False)
    permit(shop, "P-2")
    shop.hub.wait(8.5 * HOUR)
    page = ada.submit("/rules/new?scope=permit/verification", "/rules/new", do="try", **{"priority-0": "4"})
    # the first permit was overdue once, and paid for; nothing else was told before they were switched off
    sent = shop.hub.build.one(
        "SELECT count(*) AS n, sum(d.cost_usd) AS cost FROM delivery d JOIN escalation e ON d.group_key = e.event_id::text "
        "WHERE d.channel = 'sms'"
    )
    assert sent.n == 1
    assert "2 tasks would come under this rule" in page.text
    assert "Messages 1 4" in page.text
    assert "SMS 1 2" in page.text, "what is low has no SMS; those above have theirs as before"
    assert f"Cost of SMS ${sent.cost.normalize():f} $0.0129" in page.text
    assert "Bob Marsh 1 2" in page.text and "Ada Quist 0 2" in page.text


def test_the_past_is_played_only_for_somebody_who_asks(shop, ada, counted):
    row = made(shop, ada)
    for path in ("/rules/new?scope=permit/verification", f"/rules/{row.id}"):
        with counted() as count:
            page = ada.get(path)
        assert "See what it would have done in the last 30 days" in page.text
        assert "after 4 hr" in page.text, "the ladder and one task are there"
        assert not any(simulate.PAST.split("WHERE")[0].strip() in one for one in count.statements)
        with counted() as count:
            asked = ada.submit(page, path.partition("?")[0], do="try")
        assert "No task of the last 30 days" in asked.text
        assert any(simulate.PAST.split("WHERE")[0].strip() in one for one in count.statements)
    assert "See what it would" not in shop.alice.get(f"/rules/{row.id}").text, "who may not send the form"


def past_tasks(shop, count: int, *, open_for: timedelta = HOUR) -> None:
    """One verification that was done at once, and so many more that took so long."""
    if not shop.hub.build.all("SELECT 1 FROM task"):
        permit(shop, "P-1")
        permit(shop, "P-1", status="verified")
    shop.hub.build.run(
        "INSERT INTO task (organisation_id, id, item_id, kind, name, step, round, assignee_id, hours, opened_at, due_at, "
        "closed_at, outcome) SELECT t.organisation_id, gen_random_uuid(), t.item_id, t.kind, t.name, t.step, t.round, "
        "t.assignee_id, t.hours, t.closed_at - CAST(:long AS interval), t.due_at, t.closed_at, t.outcome FROM "
        "(SELECT * FROM task WHERE name = 'permit_verification' ORDER BY opened_at DESC LIMIT 1) t, generate_series(1, :count)",
        count=count,
        long=open_for,
    )


def test_who_would_be_told_is_asked_once_for_all_tasks_that_ask_for_the_same(shop, ada):
    past_tasks(shop, 2)
    level, urgent = Level(after=60, tell=("assignee",)), Level(after=60, tell=("assignee",), priority=1)
    with shop.hub.world.app.app_context(), step(shop.hub.organisation.id) as work:
        tasks, _more = simulate.tasks_since(work, work.now - 30 * 24 * HOUR, "permit", "verification")
        calls = simulate._Calls(world.of(work))
        first = calls.of(tasks[0], level)
        assert len(tasks) == 3 and first.people == (shop.hub.people["bob"].id,)
        assert all(calls.of(one, level) is first for one in tasks)
        assert calls.of(tasks[0], urgent) is not first
        others = replace(tasks[0], assignee_id=shop.hub.people["tess"].id)
        assert calls.of(others, level).people == (shop.hub.people["tess"].id,)


def test_more_tasks_are_played_with_no_more_statements(shop, ada, counted):
    statements = []
    for count in (1, 30):
        past_tasks(shop, count, open_for=20 * HOUR)
        with counted() as one:
            page = ada.submit("/rules/new?scope=permit/verification", "/rules/new", do="try")
        statements.append(len(one.statements))
    assert "32 tasks would come under this rule" in page.text and "Bob Marsh 0 31" in page.text
    assert statements[0] == statements[1]


def test_of_very_many_tasks_the_newest_are_played_and_it_says_so(shop, ada):
    past_tasks(shop, 1_999)
    page = ada.submit("/rules/new?scope=permit/verification", "/rules/new", do="try")
    assert "2000 tasks would come under this rule" in page.text and "Only the newest" not in page.text
    past_tasks(shop, 1)
    page = ada.submit("/rules/new?scope=permit/verification", "/rules/new", do="try")
    assert "2000 tasks would come under this rule" in page.text
    assert "Only the newest 2,000 tasks were looked at: there are more." in page.text


def test_of_what_would_tell_too_often_the_newest_tasks_are_played_and_it_says_so(shop, ada):
    rule = {"levels": [{"after": 5, "tell": ["assignee"], "repeat": 5}]}
    shop.hub.build.insert(
        "escalation_rule",
        organisation_id=shop.hub.organisation.id,
        kind="permit",
        step="verification",
        ladder=json.dumps(rule),
    )
    past_tasks(shop, 8, open_for=timedelta(days=20))
    path = f"/rules/{rules(shop)[0].id}"
    page = ada.submit(path, path, do="try")
    assert "9 tasks would come under this rule" in page.text
    # 3,000 times is what one task is played for; the newest was done at once
    assert "Played over the newest 7 of these tasks only" in page.text
    assert "more than 20,000 times" in page.text
    assert "Messages 0 18000" in page.text


def test_played_again_the_unchanged_rule_does_what_happened(shop, ada):
    escalations(shop, on=True)
    rule = {
        "levels": [
            {"after": 30, "tell": ["assignee"], "repeat": 45},
            {"after": 60, "tell": ["grade:A"], "says": "escalated"},
        ],
        "lapses": 90,
    }
    shop.hub.build.insert(
        "escalation_rule", organisation_id=shop.hub.organisation.id, kind="permit", ladder=json.dumps(rule)
    )
    permit(shop, "P-1")
    shop.hub.wait(20 * timedelta(minutes=1))
    permit(shop, "P-2")
    shop.hub.wait(40 * timedelta(minutes=1))
    permit(shop, "P-1", status="verified")
    task = shop.hub.build.one("SELECT id FROM task WHERE closed_at IS NULL AND name = 'permit_verification'")
    shop.bob.post(f"/tasks/{task.id}/acknowledge", csrf_token=token(shop.bob))
    shop.hub.wait(3 * HOUR)
    happened = {
        (row.task_id, row.level, row.repetition, row.due_at)
        for row in shop.hub.build.all("SELECT task_id, level, repetition, due_at FROM escalation")
    }
    with shop.hub.world.app.app_context(), step(shop.hub.organisation.id) as work:
        played = {
            (one.id, fire.level, fire.repetition, fire.due_at)
            for one in simulate.tasks_since(work, work.now - 30 * 24 * HOUR)[0]
            for fire in simulate.fires(world.of(work), one, one.ladder)
        }
    assert len(happened) > 5
    assert played == happened


def token(browser) -> str:
    value = browser.get("/preferences").form("/preferences").fields["csrf_token"]
    return value if isinstance(value, str) else value[0]


# --- the ladder of a task --------------------------------------------------------------------------------------------


def test_a_task_shows_its_ladder_and_whoever_has_it_sees_to_it(shop, ada):
    escalations(shop, on=True)
    permit(shop)
    item = shop.hub.build.one("SELECT id FROM work_item WHERE number = 'P-1'").id
    page = shop.bob.get(f"/jobs/{item}")
    assert "Who hears of it when" in page.text and "next, at" in page.text
    shop.hub.wait(4 * HOUR + timedelta(minutes=1))
    page = shop.bob.get(f"/jobs/{item}")
    assert "told 1 min ago" in page.text
    action = next(form.path for form in page.forms if form.path.startswith("/tasks/"))
    after = shop.bob.submit(page, action)
    assert "You see to it. Nobody else is told." in after.text
    assert "Bob Marsh sees to it since" in after.text
    assert "You see to it: Verify the permit" in after.text
    assert not any(form.path.startswith("/tasks/") for form in after.forms)
    shop.hub.wait(24 * HOUR)
    assert not shop.hub.build.all("SELECT 1 FROM escalation WHERE level = 1")


def told(shop, *people: str, priority: int = 2) -> Any:
    """The task of a permit that waits for Bob, whose second level, an hour after the first, tells these people too."""
    escalations(shop, on=True)
    words = [f"person:{shop.hub.people[one].id}" for one in people]
    levels = [
        {"after": 60, "tell": ["assignee"]},
        {"after": 60, "tell": words, "says": "escalated", "priority": priority},
    ]
    shop.hub.build.insert(
        "escalation_rule",
        organisation_id=shop.hub.organisation.id,
        kind="permit",
        ladder=json.dumps({"levels": levels}),
    )
    permit(shop)
    return shop.hub.build.one("SELECT id, item_id FROM task WHERE name = 'permit_verification'")


def seen_to_by(shop) -> Any:
    return shop.hub.build.one("SELECT acknowledged_by FROM task").acknowledged_by


@pytest.mark.parametrize("page", ["job", "message"])
def test_a_technician_told_by_the_second_level_sees_to_it_and_one_who_was_not_cannot(shop, ada, page):
    shop.hub.person("nils", name="Nils Bach")
    task = told(shop, "tess")
    shop.hub.wait(HOUR + timedelta(minutes=1))
    path = f"/tasks/{task.id}/acknowledge"
    assert shop.tess.post(path, csrf_token=token(shop.tess)).status == 404, "she is not told yet"
    shop.hub.wait(HOUR)
    nils = shop.hub.browser("nils")
    assert nils.post(path, csrf_token=token(nils)).status == 404
    assert shop.charlie.post(path, csrf_token=token(shop.charlie)).status == 404
    assert seen_to_by(shop) is None
    where = f"/jobs/{task.item_id}" if page == "job" else f"/inbox/{shop.line('tess', 'permit_escalated').id}"
    after = shop.tess.submit(where, path)
    assert "You see to it. Nobody else is told." in after.text and not after.offers(path)
    assert seen_to_by(shop) == shop.hub.people["tess"].id


def test_who_stands_in_for_somebody_told_sees_to_it(shop, ada):
    shop.hub.person("nils", name="Nils Bach")
    shop.hub.build.insert(
        "absence",
        organisation_id=shop.hub.organisation.id,
        person_id=shop.hub.people["tess"].id,
        substitute_id=shop.hub.people["nils"].id,
        starts_at=shop.hub.now() - HOUR,
        ends_at=shop.hub.now() + 24 * HOUR,
    )
    task = told(shop, "tess")
    shop.hub.wait(2 * HOUR + timedelta(minutes=1))
    nils = shop.hub.browser("nils")
    line = shop.line("nils", "permit_escalated")
    assert line.for_person_id == shop.hub.people["tess"].id
    nils.submit(f"/inbox/{line.id}", f"/tasks/{task.id}/acknowledge")
    assert seen_to_by(shop) == shop.hub.people["nils"].id


def test_an_urgent_level_is_acknowledged_as_the_alert_that_it_is(shop, ada):
    told(shop, "tess", priority=1)
    shop.hub.wait(2 * HOUR + timedelta(minutes=1))
    line = shop.line("tess", "permit_escalated")
    after = shop.tess.submit(f"/inbox/{line.id}", f"/alerts/{line.event_id}/acknowledge")
    assert seen_to_by(shop) == shop.hub.people["tess"].id
    assert not after.offers("/acknowledge")


def test_to_acknowledge_the_message_is_to_see_to_the_task(shop, ada):
    escalations(shop, on=True)
    permit(shop)
    shop.hub.wait(8 * HOUR + timedelta(minutes=1))
    page = ada.get("/dashboard")
    event = shop.line("ada", "permit_escalated").event_id
    ada.submit(page, f"/alerts/{event}/acknowledge")
    task = shop.hub.build.one("SELECT acknowledged_by, next_level_at FROM task")
    assert task.acknowledged_by == shop.hub.people["ada"].id and task.next_level_at is None


def test_the_dashboard_counts_what_is_escalated(shop, ada):
    escalations(shop, on=True)
    permit(shop)
    shop.hub.wait(8 * HOUR + timedelta(minutes=1))
    assert "1 has been escalated" in shop.alice.get("/dashboard").text


# --- working hours and the switch ----------------------------------------------------------------------------------


def test_working_hours_and_holidays_are_kept(shop, ada):
    page = ada.submit(
        "/rules",
        "/rules/hours",
        **{
            "start-0": "07:30",
            "works-5": "1",
            "start-5": "09:00",
            "end-5": "12:00",
            "holidays": "2026-12-25, 2027-01-01",
        },
    )
    assert "The working hours are saved" in page.text
    settings = shop.hub.build.one(
        "SELECT settings FROM organisation WHERE slug = :slug", slug=shop.hub.organisation.slug
    ).settings
    assert settings["working_days"]["0"]["start"] == "07:30:00"
    assert sorted(settings["working_days"]) == ["0", "1", "2", "3", "4", "5"]
    assert sorted(settings["holidays"]) == ["2026-12-25", "2027-01-01"]
    assert "2026-12-25 2027-01-01" in ada.get("/rules").html


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"holidays": "Christmas"}, "Christmas is no date"),
        ({"start-0": ""}, "Give a beginning and an end"),
        ({"start-0": "25:00"}, "time"),
    ],
)
def test_hours_that_are_none_are_refused(shop, ada, values, words):
    page = ada.submit("/rules", "/rules/hours", **values)
    assert page.status == 422 and words in page.text


@pytest.mark.proves("D6")
def test_an_administrator_switches_escalations_on_and_what_waits_begins_to_climb(shop, ada):
    permit(shop)
    assert shop.hub.build.one("SELECT next_level_at FROM task").next_level_at is None
    ada.submit("/switches", "/switches", escalations="1")
    assert shop.hub.build.one("SELECT next_level_at FROM task").next_level_at is not None
    assert "Escalations are off" not in ada.get("/rules").text
    ada.submit("/switches", "/switches", escalations=None)
    assert shop.hub.build.one("SELECT next_level_at FROM task").next_level_at is None
