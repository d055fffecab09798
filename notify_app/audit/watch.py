"""The auditor's thread in a process: a sign of life twice in each interval, and a look when it is its turn.

The scheduler and every worker have one, so that a dead scheduler is noticed by a worker, and a dead worker by any other.
It outlives whatever it meets: the database may go away and come back. It holds nothing between two looks.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from uuid import UUID

import psycopg
import redis

from notify_app.audit import sql
from notify_app.audit.look import Beat, Connection, Watched, connect, look
from notify_app.live import announce

__all__ = ["Watch", "this_process"]

log = logging.getLogger(__name__)

Ping = Callable[[Connection], None]


def this_process(kind: str, queues: tuple[str, ...] = ()) -> Beat:
    """The sign of life of the process that runs this; in a container the next one may have its name and number."""
    return Beat(f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}", kind, queues)


class Watch(threading.Thread):
    """Runs until `stop`. `ping` is called after each sign of life, with nothing open but an idle connection."""

    def __init__(
        self,
        database_url: str,
        connection: redis.Redis,
        watched: Watched,
        beat: Beat,
        ping: Ping | None = None,
    ) -> None:
        super().__init__(name="auditor", daemon=True)
        self._url = database_url
        self._redis = connection
        self._watched = watched
        self._beat = beat
        self._ping = ping
        self._stopping = threading.Event()
        self._since = time.monotonic()

    def run(self) -> None:
        """Beat and look, twice as often as the interval."""
        pause = self._watched.every.total_seconds() / 2
        while not self._stopping.is_set():
            self.once()
            self._stopping.wait(pause)

    def once(self) -> None:
        """One sign of life, and a look if it is time."""
        try:
            with connect(self._url) as conn:
                self._go(conn)
        except psycopg.Error as error:
            log.warning("the auditor cannot reach the database (%s)", type(error).__name__)
        except Exception:
            log.exception("the auditor")

    def _go(self, conn: Connection) -> None:
        conn.execute(
            sql.BEAT, {"id": self._beat.id, "kind": self._beat.kind, "queues": list(self._beat.queues)}
        )
        young = time.monotonic() - self._since < self._watched.stale.total_seconds()
        seen = look(conn, self._redis, self._watched, young=young)
        if seen is not None:
            conn.execute(sql.BURY)
            tell(self._redis, seen.fresh)
        if self._ping is not None:
            self._ping(conn)

    def stop(self) -> None:
        """End after the look that is under way."""
        self._stopping.set()


def tell(connection: redis.Redis, organisations: list[UUID]) -> None:
    """Let open pages of these organisations look again."""
    announce.publish(connection, [announce.Changed(one, "health") for one in organisations])
