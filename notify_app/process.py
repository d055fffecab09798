"""What one worker process has in hand: the application, its channels and threads, and one drain a queue at a time.

A drain is started by a job (a wake-up) or by the poll, which looks into the database every few seconds whether Redis
is there or not. Who comes second while a drain runs leaves a note, and the drain begins once more when it ends: what
was committed too late for its last look is not left to the next poll.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from functools import cached_property

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from notify_app.config import Settings
from notify_app.extensions import db
from notify_app.pipeline import broadcast, sql, take
from notify_app.pipeline.deliver import Deliverer
from notify_app.queue import BULK, ROUTE, SWEEP, URGENT, clear_mark, connect, marked, wake

__all__ = ["WorkerProcess", "current", "install"]

log = logging.getLogger(__name__)

BESIDE_SECONDS = 0.01  # how long what arrives may wait while a broadcast is written
LOOK_SECONDS = 1.0
ASIDE_SECONDS = 3.0  # how long a job waits for what it has put aside

_installed: list[WorkerProcess] = []


class WorkerProcess:
    """Owned by `worker.py`; jobs reach it through `current()`."""

    def __init__(self, app: Flask, *, rng: random.Random | None = None) -> None:
        self.app = app
        self.settings: Settings = app.extensions["hub"]
        self._rng = rng or random.Random()
        self.chunk = broadcast.CHUNK  # people that are told in one transaction
        self._stopping = threading.Event()
        self._busy = {name: threading.Lock() for name in (ROUTE, URGENT, BULK)}
        self._asked = {name: threading.Event() for name in self._busy}
        self._aside: dict[str, threading.Thread] = {}

    @cached_property
    def deliverer(self) -> Deliverer:
        """Made at the first delivery, so that a route worker imports no provider's library."""
        from notify_app.channels import build
        from notify_app.policy.sms import prices

        return Deliverer(
            build(self.settings),
            threads=self.settings.send_threads,
            lease=self.settings.lease,
            rng=self._rng,
            prices=prices(self.settings.sms_prices),
            office_share=self.settings.office_share / 100,
        )

    def drain(self, name: str) -> int:
        """Work on a queue until nothing is due or the drain's time is over; then wake a successor. While another
        thread is at it, only ask it to look again. Returns how much was done."""
        done = 0
        self._asked[name].set()
        while self._asked[name].is_set() and self._busy[name].acquire(blocking=False):
            try:
                self._asked[name].clear()
                done += self._drain(name)
            finally:
                self._busy[name].release()
        return done

    def _drain(self, name: str) -> int:
        with self.app.app_context():
            connection = connect(self.settings.redis_url)
            clear_mark(connection, name)  # before the first claim: what is committed after it wakes again
            until = time.monotonic() + self.settings.drain.total_seconds()
            done = self._work(name)
            waiting = self._waiting(name)
            if waiting and name == ROUTE:
                done += self._broadcast(until)
                waiting = self._waiting(name)
            if waiting and not self._stopping.is_set():
                wake(connection, [name])
            return done

    def _work(self, name: str) -> int:
        seconds = self.settings.drain.total_seconds()
        if name == ROUTE:
            return take.drain(seconds, self._stopping.is_set)
        return self.deliverer.drain(name, seconds, self._stopping.is_set)

    def _broadcast(self, until: float) -> int:
        """What is told to many is written by a thread of its own, whose transactions are long ones; what arrives
        meanwhile is routed at once, and not behind them."""
        done, looked_at, connection = 0, time.monotonic(), connect(self.settings.redis_url)
        writer = threading.Thread(target=self._write_broadcasts, args=(until,), name="broadcast")
        writer.start()
        try:
            while writer.is_alive():
                writer.join(BESIDE_SECONDS)
                # the mark says that somebody was woken; a mark that was lost costs a second
                if marked(connection, ROUTE) or time.monotonic() - looked_at > LOOK_SECONDS:
                    clear_mark(connection, ROUTE)
                    looked_at = time.monotonic()
                    done += take.drain(until - time.monotonic(), self._stopping.is_set)
        finally:
            writer.join()
        return done

    def _write_broadcasts(self, until: float) -> None:
        with self.app.app_context():
            self._guarded(ROUTE, lambda: self._chunks(until))

    def _chunks(self, until: float) -> int:
        return broadcast.drain(until - time.monotonic(), self._stopping.is_set, size=self.chunk)

    def _waiting(self, name: str) -> bool:
        with db.engines["engine"].connect() as conn:
            return bool(conn.execute(sql.WAITING).one()._mapping[name])

    def poll(self, queues: list[str], every: Callable[[], None]) -> None:
        """Until `stop`: every few seconds drain these queues by the database alone, and call `every`."""
        while not self._stopping.wait(self.settings.poll.total_seconds()):
            for name in queues:
                self._look(name)
            if SWEEP in queues:
                self._guarded("sweep", every)

    def _look(self, name: str) -> None:
        if name in self._busy:
            self._guarded(name, lambda: self.drain(name))

    def _guarded(self, name: str, work: Callable[[], object]) -> None:
        """The poll outlives whatever one look meets: it is the last net."""
        try:
            work()
        except SQLAlchemyError as error:
            log.warning("%s: the database is away (%s)", name, type(error).__name__)
        except Exception:
            log.exception("%s", name)

    def aside(self, name: str, work: Callable[[], object]) -> None:
        """Long work that may take minutes: in a thread of its own, so that no other job waits for it. What is short is
        done when this returns; while it still runs, it is not begun again."""
        running = self._aside.get(name)
        if running is None or not running.is_alive():
            running = threading.Thread(target=self._guarded, args=(name, work), name=name, daemon=True)
            self._aside[name] = running
            running.start()
        running.join(ASIDE_SECONDS)

    def rest(self, seconds: float) -> None:
        """Wait so long, or until the process is to stop."""
        self._stopping.wait(seconds)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Finish what is being sent and take nothing new."""
        self._stopping.set()


def install(process: WorkerProcess) -> None:
    """Make this the process that jobs run in."""
    _installed[:] = [process]


def current() -> WorkerProcess:
    """The process that jobs run in. Raises RuntimeError outside of a worker."""
    if not _installed:
        raise RuntimeError("no worker process is installed: jobs run in worker.py")
    return _installed[0]
