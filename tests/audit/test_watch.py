"""The auditor's thread: one of many takes the turn, a dead process is found by the others, a dead database is outlived."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notify_app.audit.look import LATE, Beat
from notify_app.audit.watch import Watch, this_process
from notify_app.config import SettingsError
from notify_app.live import announce
from notify_app.processes import dies_with_parent
from notify_app.timetable import watched
from tests.auditing import Auditor
from tests.live import _environment

ROOT = Path(__file__).resolve().parents[2]
WITHIN = 90.0  # seconds: what the auditor promises
_PAUSE = threading.Event()


def eventually(true: Callable[[], Any], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it never came true"
        _PAUSE.wait(0.05)


def test_a_stall_and_a_dead_process_are_found_within_ninety_seconds_whatever_is_set(app: Any) -> None:
    """A minute until it counts as one (or the sign of life is stale), and the longest that may pass until the next look."""
    settings = app.extensions["hub"]
    assert settings.audit_every <= timedelta(seconds=20)
    for seconds in (1, 20):
        there = watched(replace(settings, audit_every=timedelta(seconds=seconds)))
        longest = 1.5 * seconds  # somebody looks whether it is time twice in each interval
        assert max(LATE, there.stale).total_seconds() + longest <= WITHIN
    with pytest.raises(SettingsError, match="HUB_AUDIT_SECONDS"):
        replace(settings, audit_every=timedelta(seconds=21))


def test_of_many_watches_one_looks_in_an_interval(hub: Any) -> None:
    auditor = Auditor(hub.world)
    begin, looked = threading.Barrier(5), []

    def watch() -> None:
        begin.wait(10)
        looked.append(auditor.look(force=False))

    watches = [threading.Thread(target=watch) for _ in range(5)]
    for one in watches:
        one.start()
    for one in watches:
        one.join(30)
    assert len([one for one in looked if one is not None]) == 1 and len(looked) == 5
    hub.build.run("UPDATE audit_run SET taken_at = taken_at - interval '19 seconds'")
    assert auditor.look(force=False) is None
    hub.build.run("UPDATE audit_run SET taken_at = taken_at - interval '1 second'")
    assert auditor.look(force=False) is not None


def test_the_samples_go_round_all_inboxes(hub: Any) -> None:
    hub.office("olga")
    auditor = Auditor(hub.world)
    hub.repair("R-1", customer={"id": "c1", "name": "Ana"}).pending()
    hub.forget()
    people = [
        row.person_id for row in hub.build.all("SELECT person_id FROM inbox_counter ORDER BY person_id")
    ]
    assert people
    auditor.look()
    assert hub.build.one("SELECT cursor FROM audit_run").cursor == people[-1]
    auditor.look()
    assert hub.build.one("SELECT cursor FROM audit_run").cursor is None


def test_open_pages_of_those_whom_a_finding_concerns_look_again_and_of_nobody_else(hub: Any) -> None:
    elsewhere = hub.another("elsewhere")
    auditor = Auditor(hub.world)
    auditor.look()
    hub.build.run("UPDATE audit_run SET taken_at = taken_at - interval '1 minute'")
    hub.post("repair.upsert", {"id": "R-1", "status": "pending"}, settle=False)
    hub.world.move(timedelta(seconds=61))
    settings = hub.world.app.extensions["hub"]
    watch = Watch(
        settings.database_engine_url, hub.world.valkey, watched(settings), this_process("worker", ("route",))
    )
    with hub.world.valkey.pubsub() as heard:
        heard.subscribe(announce.CHANNEL)
        eventually(lambda: heard.get_message(timeout=1))
        watch.once()
        news: list[Any] = []
        eventually(lambda: news.append(heard.get_message(timeout=1)) or news[-1])
    said = json.loads(news[-1]["data"])
    assert [(one["o"], one["w"]) for one in said] == [(str(hub.organisation.id), "health")]
    assert str(elsewhere.organisation.id) not in str(said)
    hub.forget()


def test_a_killed_scheduler_is_found_by_a_worker_and_its_return_as_well(hub: Any, tmp_path: Path) -> None:
    settings = replace(hub.world.app.extensions["hub"], audit_every=timedelta(seconds=1), instance=tmp_path)
    auditor = Auditor(hub.world, audit_every=timedelta(seconds=1))
    hub.build.run("DELETE FROM process_beat")
    beat = Beat("here:1", "worker", ("route", "urgent", "bulk", "sweep"))
    watch = Watch(settings.database_engine_url, hub.world.valkey, watched(settings), beat)
    scheduler = start(settings)
    watch.start()
    try:
        eventually(lambda: beats(hub, "scheduler") == 1)
        os.kill(scheduler.pid, signal.SIGKILL)
        scheduler.wait(10)
        eventually(lambda: "scheduler_away" in auditor.known(hub))
        scheduler = start(settings)
        eventually(lambda: "scheduler_away" not in auditor.known(hub))
    finally:
        watch.stop()
        scheduler.kill()
        scheduler.wait(10)
        watch.join(10)


def start(settings: Any) -> subprocess.Popen[bytes]:
    """The scheduler itself, as the supervisor starts it."""
    return subprocess.Popen(
        [sys.executable, "worker.py", "schedule"],
        cwd=ROOT,
        env=_environment(settings),
        stderr=subprocess.DEVNULL,
        preexec_fn=dies_with_parent(),
    )


def beats(hub: Any, kind: str) -> int:
    return int(hub.build.one("SELECT count(*) AS n FROM process_beat WHERE kind = :kind", kind=kind).n)


def test_a_database_that_is_away_is_outlived_and_said_without_its_password(
    hub: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings = hub.world.app.extensions["hub"]
    away = "postgresql+psycopg://hub_engine:a-secret@127.0.0.1:9/hub"
    watch = Watch(away, hub.world.valkey, watched(settings), this_process("worker", ("route",)))
    with caplog.at_level(logging.WARNING):
        watch.once()
    assert "cannot reach the database" in caplog.text and "a-secret" not in caplog.text


def test_the_auditor_loads_nothing_of_what_it_audits() -> None:
    """In the scheduler it is a guest, and must stay small."""
    code = (
        "import sys; import notify_app.audit.watch, notify_app.audit.heartbeat, notify_app.timetable; "
        "print([name for name in ('flask', 'sqlalchemy', 'notify_app.pipeline.sql', 'notify_app.models') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]", said.stdout
