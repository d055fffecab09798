"""The product as it runs: engines of its own, gunicorn, and one worker process that works on every queue.

Messages stay in the local outbox, as in the demo. One site serves many tests, each with an organisation of its own
(`tests.browser.office`); what a test breaks (the web server, Valkey) it mends. Everything is ended by its id.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar
from uuid import UUID

import redis
from flask import Flask, session
from sqlalchemy import Engine, create_engine

from notify_app import create_app
from notify_app.config import Settings
from notify_app.engines import Engines, temporary
from notify_app.processes import dies_with_parent
from notify_app.queue import QUEUES
from tests.builders import Builder
from tests.channels.stubs import free_port
from tests.live import LiveServer

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET_KEY = "a-key-of-the-browser-tests-that-is-long-enough"
PATIENCE = 30.0
# nothing of the caller's points elsewhere
FOREIGN = ("HUB_", "DATABASE_", "AWS_", "REDIS_", "PORT", "PG")

_pause = threading.Event()  # never set: waiting on it is how a look is repeated
Found = TypeVar("Found")


def eventually(true: Callable[[], Found], what: str, seconds: float = PATIENCE) -> Found:
    """The first true answer. Fails with `what` when there is none in time."""
    until = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < until, f"in {seconds:g} s it never came to this: {what}"
        _pause.wait(0.02)
    return answer


class Site:
    """`with Site() as site:` runs it; `site.url` is its address. `demo=True` makes the demo's offices."""

    def __init__(self, *, demo: bool = False) -> None:
        self._demo = demo
        self._exits = contextlib.ExitStack()
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._exits:
            self._start()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._exits.close()

    def _start(self) -> None:
        enter = self._exits.enter_context
        self.engines: Engines = enter(temporary())
        instance = enter(tempfile.TemporaryDirectory(prefix="hub-browser-"))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._env = {
            **self.engines.env,
            "HUB_SECRET_KEY": SECRET_KEY,
            "HUB_ENV": "demo",
            "HUB_BASE_URL": self.url,
            "HUB_INSTANCE": instance,
            "HUB_POLL_SECONDS": "1",
        }
        self._prepare()
        self.settings = Settings.from_env(self._env)
        self.server = LiveServer(self.settings, cwd=ROOT)
        self.server.port = port
        enter(self.server)
        self._exits.callback(self._end_worker)
        self.work()
        self._open_the_back_door()

    def _prepare(self) -> None:
        """Roles, tables, and for a demo its offices: what the supervisor does before the first start."""
        env = self._environment() | {"HUB_ENV": "demo" if self._demo else "test"}
        done = subprocess.run(
            [sys.executable, "-m", "notify_app.prepare"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def _environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)} | self._env

    def _open_the_back_door(self) -> None:
        """An application in this process, on the same database: it makes people and sessions, and takes webhooks
        while the web server is away. Passwords are hashed cheaply in it."""
        self.app: Flask = create_app(replace(self.settings, env="test"))
        self.owner: Engine = create_engine(self.settings.database_owner_url)
        self._exits.callback(self._dispose)
        with self.app.app_context():
            self.build = Builder(self.owner, SECRET_KEY)

    def _dispose(self) -> None:
        from notify_app.extensions import db

        self.owner.dispose()
        with self.app.app_context():
            for engine in db.engines.values():
                engine.dispose()

    # --- the worker ------------------------------------------------------------------------------------------------

    def work(self) -> None:
        """See that the worker runs: the supervisor would start again what has ended."""
        if self._worker is None or self._worker.poll() is not None:
            self._worker = subprocess.Popen(
                [sys.executable, "worker.py", "work", *QUEUES],
                cwd=ROOT,
                # there is no scheduler here, and nobody is to hear of it
                env=self._environment() | {"HUB_AUDIT_SECONDS": "0"},
                preexec_fn=dies_with_parent(),
            )

    def _end_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.terminate()
        try:
            worker.wait(10)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait(10)

    # --- Valkey ----------------------------------------------------------------------------------------------------

    def lose_valkey(self) -> None:
        """As if its machine had lost power: nothing is announced, nobody is woken."""
        self.engines.kill_valkey()

    def mend_valkey(self) -> None:
        """Start it again, empty or not, and the worker if it left meanwhile."""
        if "valkey" not in self.engines.pids:
            self.engines.revive("valkey")
        self.work()

    def forget_limits(self) -> None:
        """All tests sign in from one address, which is allowed so many tries a minute."""
        with redis.Redis.from_url(self.engines.env["REDIS_URL"]) as connection:
            for key in connection.scan_iter("LIMIT*"):
                connection.delete(key)

    # --- sessions --------------------------------------------------------------------------------------------------

    def cookie(self, account_id: UUID) -> tuple[str, str]:
        """Name and value of the cookie of somebody who has just signed in."""
        from notify_app.web import identity

        with self.app.test_request_context("/", base_url=self.url):
            assert identity.open_session(account_id), "the account is a person somewhere"
            response = self.app.make_response("")
            self.app.session_interface.save_session(self.app, session, response)
        pair = response.headers["Set-Cookie"].split(";")[0]
        name, _, value = pair.partition("=")
        return name, value
