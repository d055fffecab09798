"""What is measured: engines whose commits are durable, a migrated database with one office, and the real processes.

The processes are those of the supervisor's table, by their own command lines; each is ended by its id. The commits
are on disk before they count: with `fsync` off, a commit would cost nothing and every ratio to it would be wrong.
"""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg
import redis
from flask import Flask
from sqlalchemy import create_engine

from bench.harness import ROOT, cpu_seconds
from notify_app import create_app, roles, supervisor
from notify_app.config import Settings
from notify_app.engines import Engines, temporary
from notify_app.processes import dies_with_parent
from tests.builders import Builder, Organisation, Person, Source
from tests.channels.stubs import free_port

__all__ = ["Running", "Stand", "stand"]

READY_SECONDS = 60.0
SECRET_KEY = "the benchmarks' own key, long enough for anything"
COMMANDS = {line.name: line.command for line in supervisor.TABLE}
# no scheduler runs here, and no office is to hear of it
FACTS = {
    "HUB_ENV": "test",
    "HUB_BASE_URL": "http://127.0.0.1:8000",
    "HUB_SECRET_KEY": SECRET_KEY,
    "HUB_AUDIT_SECONDS": "0",
}


@dataclass
class Running:
    """One process that was started here."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    port: int = 0

    @property
    def pid(self) -> int:
        return self.process.pid

    def until_healthy(self, path: str = "/health") -> Self:
        """Wait until it answers with anything but an error of its own."""
        until = time.monotonic() + READY_SECONDS
        while not self._answers(path):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.name} does not answer:\n{self.log.read_text()[-3000:]}")
            threading.Event().wait(0.05)
        return self

    def _answers(self, path: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status < 500
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """SIGTERM, and by force after ten seconds."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)


@dataclass
class Stand:
    """One set-up, made by `stand()`."""

    engines: Engines
    env: dict[str, str]
    directory: Path
    app: Flask
    build: Builder
    organisation: Organisation
    source: Source
    people: list[Person] = field(default_factory=list)
    _running: list[Running] = field(default_factory=list)

    # --- processes -------------------------------------------------------------------------------------------------

    def start(self, name: str, **env: str) -> Running:
        """Start a line of the supervisor's table."""
        return self.run(name, COMMANDS[name], **env)

    def serve(self, name: str, application: str = "wsgi:app", path: str = "/health") -> Running:
        """Start the web server (one worker) on a free port, with the product's own configuration."""
        port = free_port()
        command = (*COMMANDS["web"][:-1], application)
        running = self.run(name, command, HUB_BIND=f"127.0.0.1:{port}", BENCH_SECRET=self.source.secret)
        running.port = port
        return running.until_healthy(path)

    def run(self, name: str, command: Sequence[str], **env: str) -> Running:
        """Start a command with the product's environment, as the supervisor would."""
        log = self.directory / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=_clean(os.environ) | self.env | {"TZ": "UTC", "PYTHONUNBUFFERED": "1"} | env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=dies_with_parent(),
            )
        self._running.append(Running(name, process, log))
        return self._running[-1]

    def stop(self, *those: Running) -> None:
        """Stop some, or all."""
        for running in those or tuple(self._running):
            running.stop()
            self._running.remove(running)

    def database_cpu(self) -> float:
        """Processor seconds of PostgreSQL so far."""
        return cpu_seconds(self.engines.pids["postgres"])

    # --- rows ------------------------------------------------------------------------------------------------------

    @contextmanager
    def admin(self) -> Iterator[psycopg.Connection[Any]]:
        """The database past row-level security, to look and to prepare."""
        with psycopg.connect(self.env["DATABASE_ADMIN_URL"], autocommit=True) as connection:
            yield connection

    def count(self, statement: str) -> Any:
        """The one value of a query."""
        with self.admin() as connection:
            row = connection.execute(statement).fetchone()
        assert row is not None
        return row[0]

    def empty(self) -> None:
        """Nothing has arrived yet; the office and its people stay. Redis forgets its wake-ups."""
        with self.admin() as connection:
            connection.execute("TRUNCATE inbound, event, content, inbox_counter, work_item CASCADE")
            connection.execute("TRUNCATE delivery CASCADE")
            # not analysed: a plan made for tables that are known to be empty reads them from end to end ever after
            connection.execute("CHECKPOINT")
        self.redis().flushall()

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.env["REDIS_URL"])

    def program(self, name: str, *arguments: str, **env: str) -> str:
        """Run one of PostgreSQL's own programs as its administrator; what it prints."""
        settings = psycopg.conninfo.conninfo_to_dict(self.env["DATABASE_ADMIN_URL"])
        known = {"PGHOST": "host", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
        done = subprocess.run(
            [str(self.engines.programs / name), *arguments],
            env={"PATH": os.defpath, "LC_ALL": "C"}
            | {key: str(settings[at]) for key, at in known.items()}
            | env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{name} failed: {done.stderr}")
        return done.stdout


@contextmanager
def stand(**settings: str) -> Iterator[Stand]:
    """Engines, database and one office; everything is gone afterwards. `settings` are environment variables."""
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="hub-bench-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        engines = stack.enter_context(temporary(durable=True))
        roles.prepare(engines.env)
        env = dict(engines.env) | FACTS | {"HUB_INSTANCE": str(directory)} | settings
        _migrate(env)
        app = create_app(Settings.from_env(env))
        owner = create_engine(app.extensions["hub"].database_owner_url)
        stack.callback(owner.dispose)
        stack.callback(_dispose, app)
        with app.app_context():
            build = Builder(owner, SECRET_KEY)
        organisation = build.organisation(
            "evergreen", name="Evergreen Auto Glass", zone="America/Los_Angeles"
        )
        made = Stand(
            engines, env, directory, app, build, organisation, build.source(organisation, "evergreen")
        )
        stack.callback(made.stop)
        yield made


def _migrate(env: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
    done = subprocess.run(
        command, cwd=ROOT, env=_clean(os.environ) | dict(env), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the tables were not made:\n{done.stderr[-3000:]}")


def _clean(env: Mapping[str, str]) -> dict[str, str]:
    """Without what would lead the processes to somebody else's hub."""
    others = ("DATABASE_", "REDIS_", "HUB_", "AWS_")
    return {name: value for name, value in env.items() if not name.startswith(others)}


def _dispose(app: Flask) -> None:
    from notify_app.extensions import db

    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()
