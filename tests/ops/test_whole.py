"""The product itself under its supervisor: what `make run` does, from the first start to the second."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest

from notify_app import supervisor
from notify_app.processes import Seen, marked, wait_until_gone, working_in
from tests.ops.conftest import ROOT, Played, clean_environment, eventually

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("whole")]


class Run(Played):
    """`make run` without make."""

    def __init__(self, place: Path, port: int) -> None:
        self.lines, self.sockets = [], None
        self.place, self.port = place, port
        self.process = subprocess.Popen(
            [sys.executable, "-m", "notify_app.supervisor"],
            cwd=ROOT,
            env=clean_environment() | {"HUB_INSTANCE": str(place), "HUB_ENV": "demo", "PORT": str(port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def health(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def processes(self) -> dict[str, Seen]:
        run = self.place / "run"
        found = {file.stem: Seen(*json.loads(file.read_text())) for file in run.glob("*.pid")}
        engines = json.loads((run / "engines.json").read_text())["processes"]
        return found | {name: Seen(*mark) for name, mark in engines.items()}

    def left(self) -> list[Seen]:
        data = [self.place / "postgresql-18", self.place / "valkey"]
        return marked(supervisor.MARK, str(self.place)) + [one for path in data for one in working_in(path)]


@pytest.fixture
def start(place):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    runs: list[Run] = []

    def begin() -> Run:
        runs.append(Run(place, port))
        return runs[-1]

    yield begin
    for one in runs:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGINT)
        one.process.communicate(timeout=60)


def people(place: Path) -> int:
    env = json.loads((place / "run" / "engines.json").read_text())["env"]
    with psycopg.connect(env["DATABASE_BACKUP_URL"]) as connection:
        row = connection.execute("SELECT count(*) FROM person").fetchone()
        assert row
        return int(row[0])


def test_it_starts_shows_the_sign_ins_survives_kills_stops_cleanly_and_starts_again_with_its_data(
    start, place
):
    first = start()
    first.until(f"Open http://127.0.0.1:{first.port}")
    first.until("Ctrl-C stops everything")
    assert any("@" in line for line in first.lines), "the demo sign-ins are shown"
    assert first.health()
    names = {spec.name for spec in supervisor.TABLE} | {"postgres", "valkey"}
    assert set(first.processes()) == names
    known = people(place)
    assert known > 1

    for name in ("web", "scheduler", "valkey", "postgres"):
        before = first.processes()[name]
        os.kill(before.pid, signal.SIGKILL)
        first.until(f"{name} ended")
        eventually(lambda: first.processes()[name] not in (None, before), 30)  # noqa: B023
        eventually(first.health, 30)
    assert people(place) == known

    left = list(first.processes().values())
    asked = time.monotonic()
    first.process.send_signal(signal.SIGINT)
    assert "everything has stopped" in first.ended()
    assert time.monotonic() - asked < 16
    assert first.process.returncode == 0
    assert not any(seen.lives() for seen in left)
    assert not first.left()

    again = start()
    again.until("Ctrl-C stops everything")
    assert people(place) == known
    again.process.kill()  # as nobody should
    again.process.wait()
    third = start()
    third.until("Ctrl-C stops everything")
    assert third.health()
    third.process.send_signal(signal.SIGTERM)
    third.ended()
    assert not wait_until_gone(third.left(), 5)
