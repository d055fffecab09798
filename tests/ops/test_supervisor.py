"""The supervisor on stand-in processes: it restarts what dies, stops in order, leaves no orphan, says what is wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from notify_app import supervisor
from notify_app.processes import Seen, marked, wait_until_gone
from tests.ops.conftest import eventually

SLEEPS = {"name": "idle", "command": ["sleep", "600"]}
STUBBORN = {
    "name": "stubborn",
    "command": ["sh", "-c", "trap '' TERM; sleep 600 & wait; sleep 600"],
    "grace": 0.5,
}


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def watch(play, place, port):
    """Starts a supervisor over these lines of a table and returns it when everything runs."""

    def start(*lines: dict[str, object], ready: bool = True, **env: str):
        one = play("watch", json.dumps(lines), env={"HUB_INSTANCE": str(place), "PORT": str(port), **env})
        if ready:
            one.until("Ctrl-C stops everything")
        return one

    return start


@pytest.fixture
def of(place):
    """The process that runs now under a name."""

    def find(name: str) -> Seen:
        return Seen(*json.loads((place / "run" / f"{name}.pid").read_text()))

    return find


def test_a_process_that_dies_is_started_again_and_that_is_said(watch, of):
    running = watch(SLEEPS)
    before = of("idle")
    os.kill(before.pid, signal.SIGKILL)
    assert "idle ended (SIGKILL); it is started again in 0.5 s" in running.until("ended")
    after = eventually(lambda: of("idle") != before and of("idle"))
    assert after.lives()
    assert not before.lives()


def test_what_cannot_stay_up_is_tried_ever_more_seldom(watch):
    running = watch({"name": "broken", "command": ["sh", "-c", "exit 3"]})
    assert "(exit code 3); it is started again in 0.5 s" in running.until("ended")
    assert "in 1 s" in running.until("ended")
    assert "in 2 s" in running.until("ended")


def test_the_pauses_stop_growing_at_ten_seconds_and_start_anew_after_a_steady_minute(monkeypatch, tmp_path):
    said: list[str] = []
    one = supervisor.Supervisor({}, (), prepare=False, say=said.append)
    child = supervisor.Child(supervisor.Process("x", ("true",)))
    now = 1000.0
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: now)
    monkeypatch.setattr(supervisor, "_kill_group", lambda process: None)

    class Dead:
        def wait(self) -> int:
            return 1

    for _ in range(7):
        child.popen, child.started = Dead(), now  # type: ignore[assignment]
        one._bury(child)
    assert [line.rsplit(" ", 2)[1] for line in said] == ["0.5", "1", "2", "4", "8", "10", "10"]
    child.popen, child.started = Dead(), now - 60  # type: ignore[assignment]
    one._bury(child)
    assert said[-1].endswith("in 0.5 s")


def test_what_a_dead_process_had_started_does_not_outlive_it(watch, of, place):
    line = {"name": "parent", "command": ["sh", "-c", 'sleep 600 & echo $! > "$HUB_INSTANCE/child"; wait']}
    watch(line)
    file = place / "child"
    grandchild = Seen.at(int(eventually(lambda: file.exists() and file.read_text().strip())))
    before = of("parent")
    os.kill(before.pid, signal.SIGKILL)
    assert not wait_until_gone([grandchild], 5)
    eventually(lambda: of("parent") != before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_everything_and_says_so(watch, of, number, place):
    running = watch(SLEEPS, {**STUBBORN, "name": "second"})
    left = [of("idle"), of("second")]
    running.process.send_signal(number)
    assert "everything has stopped" in running.ended()
    assert running.process.returncode == 0
    assert not any(seen.lives() for seen in left)
    assert not marked(supervisor.MARK, str(place))
    assert not list((place / "run").glob("*.pid"))


def test_a_stop_goes_through_the_table_in_order(watch, place):
    def noted(name: str, stops: int) -> dict[str, object]:
        script = f'trap \'echo {name} >> "$HUB_INSTANCE/order"; exit\' TERM; echo > "$HUB_INSTANCE/{name}"; while :; do sleep 0.05; done'
        return {"name": name, "command": ["sh", "-c", script], "stops": stops}

    running = watch(noted("scheduler", 2), noted("worker", 1), noted("web", 0))
    eventually(lambda: all((place / name).exists() for name in ("scheduler", "worker", "web")))
    running.process.send_signal(signal.SIGINT)
    running.ended()
    assert (place / "order").read_text().split() == ["web", "worker", "scheduler"]


def test_pressing_ctrl_c_twice_does_not_wait_for_the_stubborn(watch, of):
    running = watch({**STUBBORN, "grace": 60})
    left = of("stubborn")
    running.process.send_signal(signal.SIGINT)
    running.until("stopping")
    running.process.send_signal(signal.SIGINT)
    running.ended()
    assert not left.lives()


def test_a_killed_supervisor_takes_its_processes_with_it(watch, of):
    running = watch(SLEEPS)
    left = [of("idle")]
    running.process.kill()
    assert not wait_until_gone(left, 5)


def test_what_outlived_a_killed_supervisor_is_ended_by_the_next_start(watch, of, place):
    running = watch(STUBBORN)
    left = eventually(lambda: len(found := marked(supervisor.MARK, str(place))) >= 2 and found)
    assert of("stubborn") in left
    running.process.kill()
    running.process.wait()
    assert of("stubborn").lives()
    after = watch(SLEEPS)
    assert any("that an earlier run left" in line for line in after.lines)
    assert not any(seen.lives() for seen in left)


def test_a_second_start_on_one_instance_names_the_first_and_its_address(watch, port, of):
    first = watch(SLEEPS)
    second = watch(SLEEPS, ready=False)
    told = second.ended()
    assert "already running on " in told
    assert f"as process {first.process.pid} at http://127.0.0.1:{port}" in told
    assert second.process.returncode == 1
    assert of("idle").lives()


def test_a_port_that_is_taken_is_named_with_what_to_type(watch, port, place):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        refused = watch(SLEEPS, ready=False)
        told = refused.ended()
    assert f"Port {port} is taken by another program" in told
    assert f"`make run PORT={port + 1}`" in told
    assert refused.process.returncode == 1
    assert "Traceback" not in told


def test_the_processes_get_what_they_need_and_no_more(watch, place, port):
    owner = dict.fromkeys(
        ("DATABASE_OWNER_URL", "DATABASE_ADMIN_URL", "DATABASE_BACKUP_URL"), "postgresql://x"
    )
    file = place / "env"
    watch(
        {"name": "shows", "command": ["sh", "-c", 'cd "$HUB_INSTANCE"; env > e; mv e env; sleep 600']},
        **owner,
    )
    env = dict(
        line.split("=", 1)
        for line in eventually(lambda: file.exists() and file.read_text()).splitlines()
        if "=" in line
    )
    assert env["TZ"] == "UTC"
    assert env["HUB_BIND"] == f"127.0.0.1:{port}"
    assert env["HUB_BASE_URL"] == f"http://127.0.0.1:{port}"
    assert len(env["HUB_SECRET_KEY"]) >= 32
    assert not set(owner) & set(env)
    key = place / "secret-key"
    assert key.read_text() == env["HUB_SECRET_KEY"]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_limit_of_open_files_is_raised_to_what_the_system_allows(watch, place):
    file = place / "limits"
    script = 'cd "$HUB_INSTANCE"; echo $(ulimit -Sn) $(ulimit -Hn) > l; mv l limits; sleep 600'
    watch({"name": "shows", "command": ["sh", "-c", script]})
    soft, hard = eventually(lambda: file.exists() and file.read_text()).split()
    assert soft == hard or int(soft) >= 65_536


def test_half_a_set_of_database_urls_is_refused_by_name(place):
    said: list[str] = []
    env = {"HUB_INSTANCE": str(place), "DATABASE_URL": "postgresql://hub_app:x@localhost/hub"}
    assert supervisor.run(env, say=said.append) == 1
    assert "DATABASE_URL is set, so DATABASE_ENGINE_URL must be set too" in "\n".join(said)


def test_a_failing_step_stops_the_start_with_the_end_of_its_log(place, monkeypatch, port):
    said: list[str] = []
    monkeypatch.setattr(supervisor, "PYTHON", str(_broken(place)))
    env = {"HUB_INSTANCE": str(place), "PATH": os.environ["PATH"], "PORT": str(port)}
    assert supervisor.run(env, say=said.append) == 1
    told = "\n".join(said)
    assert "That failed. The log" in told
    assert "no such thing" in told
    assert not marked(supervisor.MARK, str(place))


def _broken(place: Path) -> Path:
    program = place / "python"
    program.write_text("#!/bin/sh\necho no such thing >&2\nexit 1\n")
    program.chmod(0o755)
    return program


def test_the_supervisor_itself_stays_small():
    """Its memory counts in the 450 MB of the whole product; Flask or SQLAlchemy would triple it."""
    import subprocess
    import sys

    script = "import sys, notify_app.supervisor; print([m for m in ('flask', 'sqlalchemy', 'psycopg', 'redis') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=supervisor.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
