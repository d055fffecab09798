"""Every sweep by hand or from cron, as large and as often as is set, and any number of them at once."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from notify_app import jobs, process
from notify_app.config import Settings, SettingsError
from notify_app.schedule import assert_schedule, make_scheduler
from notify_app.sweeps import remind, rescue, retain, scheduled, tidy
from notify_app.timetable import SCHEDULE, chosen, longest
from tests.auditing import Auditor
from tests.stories.conftest import DANA_MAIL, MARCO_MAIL, MARCO_PHONE

# what rq-scheduler asks crontab for is UTC in both readings
pytestmark = pytest.mark.filterwarnings("ignore:Version 0.22:FutureWarning")

MINUTE = timedelta(minutes=1)
KNOWN = {
    "HUB_SECRET_KEY": "x" * 40,
    "DATABASE_URL": "postgresql://hub_app@localhost/hub",
    "DATABASE_ENGINE_URL": "postgresql://hub_engine@localhost/hub",
    "REDIS_URL": "redis://localhost",
}


def by_hand(shop: Any, *words: str) -> Any:
    """`flask …`, as somebody types it."""
    with shop.world.app.app_context():
        return shop.world.app.test_cli_runner().invoke(args=list(words))


def write(shop: Any, message: str) -> None:
    """Something that Olga has written for now."""
    shop.build.insert(
        "written_message",
        organisation_id=shop.organisation.id,
        form_key=message,
        author_id=shop.people["olga"].id,
        event="manual_message",
        facts=json.dumps({"message": message}),
        audience=[f"person:{shop.people['marco'].id}"],
        due_at=shop.now(),
    )


def bookings(shop: Any, count: int) -> None:
    """Bookings of Dana's whose reminder of a day before is due."""
    start = shop.now() + timedelta(hours=25)
    for number in range(count):
        guest = {"guest": {"id": "dana"}, "resource": f"Studio {number}"}
        data = {"id": f"B-{number}", "start": start, "end": start + timedelta(hours=1), **guest}
        shop.post("booking.upsert", data)
    shop.world.move(timedelta(hours=1, seconds=1))


# --- D7: by hand ---------------------------------------------------------------------------------------------------


@pytest.mark.proves("D7")
@pytest.mark.parametrize("line", SCHEDULE, ids=lambda line: line.name)
def test_every_periodic_job_is_a_command_that_says_what_it_did_and_explains_itself(shop, line):
    done = by_hand(shop, line.command)
    assert done.exit_code == 0, done.output
    assert done.output.split()[0] == "0", "it says how much it did"
    explained = by_hand(shop, line.command, "--help").output
    assert "--limit" in explained and len(explained.split()) > 20
    refused = by_hand(shop, line.command, "--limit", "0")
    assert refused.exit_code == 2 and "--limit" in refused.output
    assert callable(getattr(jobs, line.name))


@pytest.mark.proves("D7")
def test_what_is_due_is_done_by_hand_where_no_scheduler_runs(shop):
    bookings(shop, 1)
    write(shop, "Bring the ladder.")
    assert "1 reminders settled" in by_hand(shop, "remind").output
    assert "1 messages settled" in by_hand(shop, "scheduled", "--limit", "10").output
    shop.settle()
    shop.mail(DANA_MAIL).says("Studio 0")
    shop.mail(MARCO_MAIL).says("Bring the ladder.")
    shop.inbox("marco").has("manual_message")
    shop.silence()
    assert "0 reminders settled" in by_hand(shop, "remind").output


@pytest.mark.proves("D7")
def test_a_sweep_that_cannot_be_done_ends_with_one_and_loses_nothing(shop):
    shop.expects_errors()
    bookings(shop, 1)
    shop.build.run("ALTER TABLE reminder RENAME TO reminders")
    try:
        failed = by_hand(shop, "remind")
    finally:
        shop.build.run("ALTER TABLE reminders RENAME TO reminder")
    assert failed.exit_code == 1 and "What is due stays due" in failed.output
    row = shop.build.one("SELECT * FROM sweep_run WHERE name = 'remind'")
    assert row.error and row.failed_at and not row.ended_at
    assert by_hand(shop, "remind").exit_code == 0
    assert shop.build.one("SELECT error FROM sweep_run WHERE name = 'remind'").error is None
    shop.settle()
    shop.mail(DANA_MAIL).says("Studio 0")
    shop.silence()


@pytest.mark.proves("D7")
def test_the_audit_prints_what_is_wrong_and_ends_with_one_and_with_nothing_ends_well(shop):
    Auditor(shop.world)
    well = by_hand(shop, "audit")
    assert (well.exit_code, well.output) == (0, "All is well.\n")
    shop.build.run("DELETE FROM process_beat WHERE kind = 'scheduler'")
    wrong = by_hand(shop, "audit")
    assert wrong.exit_code == 1
    assert "evergreen: The scheduler does not run (since " in wrong.output


# --- E4: batches and intervals -------------------------------------------------------------------------------------


@pytest.mark.proves("E4")
def test_every_sweeps_interval_or_time_is_a_setting_and_so_are_the_defaults():
    assert chosen(Settings.from_env(KNOWN)) == SCHEDULE
    for line in SCHEDULE:
        assert line.every or line.at, f"{line.name}: its interval cannot be set"
    often = Settings.from_env(KNOWN | {"HUB_REMIND_SECONDS": "60", "HUB_RETAIN_AT": "30 3 1 * *"})
    lines = {line.name: line for line in chosen(often)}
    assert lines["remind"].seconds == 60 and lines["retain"].cron == "30 3 1 * *"
    assert longest(often)["remind"] == 210
    assert longest(often)["retain"] == timedelta(days=32).total_seconds()
    assert longest(often)["tidy"] == timedelta(days=8).total_seconds()


@pytest.mark.proves("E4")
def test_a_changed_interval_is_what_the_scheduler_holds_and_cron_leaves_it_nothing(shop):
    settings = replace(shop.world.app.extensions["hub"], remind_every=timedelta(seconds=60))
    assert_schedule(shop.world.valkey, chosen(settings), anew=True)
    held = {job.id: job.meta.get("interval") for job in make_scheduler(shop.world.valkey).get_jobs()}
    assert held["hub-remind"] == 60 and held["hub-release"] == 5
    assert_schedule(shop.world.valkey, chosen(replace(settings, scheduler="cron")), anew=True)
    assert not list(make_scheduler(shop.world.valkey).get_jobs())


@pytest.mark.proves("E4")
@pytest.mark.parametrize(
    "setting",
    [
        {"HUB_REMIND_SECONDS": "0"},
        {"HUB_REMIND_SECONDS": "1.5"},
        {"HUB_RELEASE_SECONDS": "3601"},
        {"HUB_SCHEDULED_SECONDS": "often"},
        {"HUB_SCHEDULED_BATCH": "0"},
        {"HUB_RESCUE_BATCH": "1001"},
        {"HUB_RETAIN_AT": "on Sundays"},
        {"HUB_TIDY_AT": "61 0 * * 0"},
        {"HUB_TIDY_BATCH": "-1"},
        {"HUB_RETAIN_BATCH": "many"},
        {"HUB_SCHEDULER": "systemd"},
        {"HUB_AUDIT_SECONDS": "21"},
        {"HUB_KEEP_DAYS": "0"},
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_setting_of_a_sweep_that_cannot_be_is_refused_at_the_start_and_named(setting):
    with pytest.raises(SettingsError, match=next(iter(setting))):
        Settings.from_env(KNOWN | setting)


@pytest.mark.proves("E4")
def test_batches_are_as_large_as_is_set_and_all_that_is_due_is_done(shop, monkeypatch):
    sizes: list[int] = []
    bookings(shop, 3)
    settings = shop.world.app.extensions["hub"]
    monkeypatch.setitem(shop.world.app.extensions, "hub", replace(settings, reminder_batch=2))

    def note(_conn, _cursor, statement, parameters, _context, _many):
        if "FROM reminder WHERE state = 'pending' AND due_at" in statement:
            sizes.append(parameters["limit"])

    with shop.world.app.app_context():
        engine = shop.world.engine()
        event.listen(engine, "before_cursor_execute", note)
        try:
            assert remind.run(shop.now()) == 3
            assert remind.run(shop.now(), 1) == 0
        finally:
            event.remove(engine, "before_cursor_execute", note)
    assert sizes == [2, 2, 1]
    shop.settle()
    shop.forget()


@pytest.mark.proves("E4", "D7")
def test_five_of_each_sweep_at_once_do_everything_once(shop):
    bookings(shop, 4)
    write(shop, "Bring the ladder.")
    write(shop, "And the keys.")
    sweeps = (remind, scheduled, rescue, retain, tidy)
    begin, now, done = threading.Barrier(25), shop.now(), []

    def sweep(one: Any) -> None:
        with shop.world.app.app_context():
            begin.wait(30)
            done.append((one.__name__.rpartition(".")[2], one.run(now)))

    running = [threading.Thread(target=sweep, args=(one,)) for one in sweeps for _ in range(5)]
    for one in running:
        one.start()
    for one in running:
        one.join(60)
    sums = {name: sum(count for which, count in done if which == name) for name, _ in done}
    assert len(done) == 25
    assert sums == {"remind": 4, "scheduled": 2, "rescue": 0, "retain": 0, "tidy": 0}
    shop.settle()
    for number in range(4):
        shop.mail(DANA_MAIL).says(f"Studio {number}")
    for words in ("Bring the ladder.", "And the keys."):
        shop.mail(MARCO_MAIL).says(words)
        shop.inbox("marco").has("manual_message", words)
    shop.silence()


@pytest.mark.proves("E4")
def test_what_a_crash_left_being_sent_is_taken_over_by_hand_and_goes_out_once(shop):
    shop.post(
        "repair.upsert", {"id": "R-1", "status": "approved", "technician": {"id": "marco"}}, settle=False
    )
    process.current().drain("route")
    shop.build.run(
        "UPDATE delivery SET state = 'sending', token = gen_random_uuid(), claimed_at = hub_now(), provider = '', "
        "attempts = 1, lease_until = clock_timestamp() - interval '1 second' WHERE channel = 'sms'"
    )
    assert "2 deliveries taken over" in by_hand(shop, "rescue").output
    assert "0 deliveries taken over" in by_hand(shop, "rescue").output
    shop.wait(2 * MINUTE)
    for told in ("repair_approved", "repair_assigned"):
        shop.sms(MARCO_PHONE).says("R-1")
        shop.inbox("marco").has(told)
    shop.mail(MARCO_MAIL).says("R-1")
    shop.silence()
