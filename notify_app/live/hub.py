"""The open streams of one web process: how they begin, what keeps them exact, how they end.

Announcements make it fast (`hear`); every few seconds, and whenever Redis comes back, the counters of all connected
people are compared with the database (`compare`), and who is behind is brought up (`bring`). The same look ends the
streams of sessions that are over. `beat` writes the heartbeat.

Each of these verbs is one look and ends; `start` has them repeated, each by a thread of its own (a greenlet under
gevent). Who writes to streams holds the lock, never across a statement or a pause; and a long row of writes pauses
now and then, so that requests are answered in between.
"""

from __future__ import annotations

import logging
import random
import resource
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from notify_app.config import Settings
from notify_app.errors import Unavailable
from notify_app.extensions import db
from notify_app.live import catch_up, cursor, truth
from notify_app.live.hear import SLICE, Ears, parts
from notify_app.live.listen import listen_for_ever
from notify_app.live.registry import ROUNDS, Registry
from notify_app.live.stream import Reader, Stream, heartbeat

if TYPE_CHECKING:
    from notify_app.live.sockets import Sockets

__all__ = ["HEARTBEAT_SECONDS", "MOST_OF_ONE_ACCOUNT", "Hub", "known_place", "of"]

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
TICK_SECONDS = HEARTBEAT_SECONDS / ROUNDS
COMPARE_SECONDS = 5.0
GATHER_SECONDS = 0.003  # who is behind at the same time is read by the same statement
BRING_AT_ONCE = 500
AGAIN_SECONDS = 1.0  # after the database was away

MOST_STREAMS = 20_000  # handed over; the server does not count them, and each is a descriptor
MOST_QUEUED = 8_000  # below the server's own limit of connections, so that webhooks and pages always find one
# tabs of a browser share one stream, so this is devices, and more than anybody has; beyond it the oldest gives way
MOST_OF_ONE_ACCOUNT = 64
RETRY_MS = (2_000, 10_000)
# for each of the streams that there are: they come back 250 a second, a fraction of what can be opened
RETRY_MS_EACH = 4


class Hub:
    """One a process. `alive` says whether the process still serves; when it does not, its streams are let go."""

    def __init__(self, app: Flask, *, rng: random.Random | None = None) -> None:
        self.alive: Callable[[], bool] = lambda: True
        self._app = app
        self._rng = rng or random.Random()
        self._lock = threading.RLock()
        self._streams = Registry()
        self._behind: dict[Stream, None] = {}
        self._ears = Ears(self._streams, self._lock, self._mark)
        self.hear = self._ears.hear
        self._sockets: Sockets | None = None
        self._someone_behind, self._look_now = threading.Event(), threading.Event()
        self._round = 0
        self._leaving = False
        # the rest is for requests, files and the database
        self._descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 3 // 4

    # --- streams ---------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def admit(self, *, queued: bool = False) -> None:
        """Raises Unavailable when there is no room for one more stream (`queued`: for one that stays a request)."""
        handed_over = len(self._sockets or ())
        taken, most = (self.count() - handed_over, MOST_QUEUED) if queued else (handed_over, MOST_STREAMS)
        if taken >= min(most, self._descriptors) or self._leaving:
            raise Unavailable("Too many pages are open at once; this one tries again by itself.")

    def hand_over(self, reader: Reader, after: Mapping[str, int] | None, fd: int, head: bytes) -> None:
        """Begin a stream on this descriptor, which belongs to it from now on, by writing `head`."""
        from notify_app.live.sockets import Sockets, SocketStream

        if self._sockets is None:
            self._sockets = Sockets(self)
            _for_ever("live-sockets", partial(_repeat, self._sockets.look, self._sockets.wait))
        self.join(SocketStream(reader, self, after, fd, self._sockets), head)

    def join(self, stream: Stream, head: bytes = b"") -> None:
        """Register a stream, and bring it up to date within milliseconds. Of one account the oldest gives way."""
        with self._lock:
            of_account = self._streams.by_account.of(stream.reader.account_id)
            for oldest in of_account[: max(0, len(of_account) + 1 - MOST_OF_ONE_ACCOUNT)]:
                self.drop(oldest)
            self._streams.add(stream, self._round)
            if self._leaving:
                self.drop(stream)
            stream.write(head + heartbeat(self._retry_ms(self.count())))
            if not stream.closed:
                self._mark(stream)

    def drop(self, stream: Stream, last: bytes = b"") -> None:
        """Forget a stream and end it, if that is not done yet."""
        with self._lock:
            if not stream.closed:
                stream.closed = True
                self._streams.remove(stream)
                self._behind.pop(stream, None)
                stream.end(last)

    def leave(self) -> None:
        """Let all streams go, and take no more: their clients come back, not all at once, to whoever serves then."""
        with self._lock:
            self._leaving = True
            everybody = list(self._streams)
            for stream in everybody:
                self.drop(stream, b"retry: %d\n\n" % self._retry_ms(len(everybody)))

    def _retry_ms(self, count: int) -> int:
        """When one of so many clients comes back if its stream breaks now: all together over a time that suffices."""
        least, most = RETRY_MS
        return self._rng.randint(least, max(most, RETRY_MS_EACH * count))

    # --- the truth -------------------------------------------------------------------------------------------------

    def _mark(self, stream: Stream) -> None:
        """It is behind: only the database moves it from now on, until it is settled again."""
        stream.settled = False
        self._behind[stream] = None
        self._someone_behind.set()

    def bring(self) -> None:
        """Bring those that are behind up to now, the first few hundred of them. Raises SQLAlchemyError; who was not
        reached stays behind."""
        with self._lock:
            streams = list(islice(self._behind, BRING_AT_ONCE))
            for stream in streams:
                del self._behind[stream]
            if not self._behind:
                self._someone_behind.clear()
        try:
            with self._app.app_context():
                catch_up.bring(streams, self._lock, self._settle)
        finally:
            with self._lock:
                for stream in streams:
                    if not stream.settled and not stream.closed:
                        self._mark(stream)

    def _settle(self, stream: Stream) -> None:
        """It is exact, as far as was known when it was read: unless it must be read again, or was marked meanwhile."""
        stream.settled = not stream.fresh and stream not in self._behind

    def compare(self) -> None:
        """See to what announcements did not bring, and end the streams of sessions that are over. Raises
        SQLAlchemyError."""
        with self._lock:
            everybody = list(self._streams)
        for part in parts(everybody, truth.AT_ONCE):
            streams = [one for one in part if not one.closed]
            if not streams:
                continue
            with self._app.app_context(), db.engines["engine"].connect() as conn:
                behind, ended = truth.compare(conn, streams)
            with self._lock:
                for stream in ended:
                    self.drop(stream)
                for stream in behind:
                    if stream.settled:
                        self._mark(stream)

    def beat(self) -> None:
        """One tick: the heartbeats of one round (who is stuck gets none any more), and what the office waits for."""
        if not self.alive():
            self.leave()
        self._ears.tell_waiting()
        self._round = (self._round + 1) % ROUNDS
        now = time.monotonic()
        for part in parts(self._streams.round(self._round), SLICE):
            with self._lock:
                for stream in part:
                    if stream.stuck(now):
                        self.drop(stream)
                    else:
                        stream.write(heartbeat(self._retry_ms(self.count())))
            time.sleep(0)

    # --- for ever --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Have it done from now on. Called once."""
        settings: Settings = self._app.extensions["hub"]
        for name, run in {
            "live-listen": partial(listen_for_ever, settings.redis_url, self.hear, self._look_now.set),
            "live-compare": partial(_repeat, self.compare, self._until_compare),
            "live-bring": partial(_repeat, self.bring, self._until_behind),
            "live-beat": partial(_repeat, self.beat, partial(time.sleep, TICK_SECONDS)),
        }.items():
            _for_ever(name, run)

    def _until_compare(self) -> None:
        self._look_now.wait(COMPARE_SECONDS)
        self._look_now.clear()

    def _until_behind(self) -> None:
        self._someone_behind.wait()
        time.sleep(GATHER_SECONDS)


_MAKING = threading.Lock()


def _for_ever(name: str, run: Callable[[], None]) -> None:
    threading.Thread(target=run, name=name, daemon=True).start()


def _repeat(look: Callable[[], None], wait: Callable[[], object]) -> None:
    while True:
        try:
            wait()
            look()
        except SQLAlchemyError as error:
            log.warning("live: the database is away (%s)", type(error).__name__)
            time.sleep(AGAIN_SECONDS)
        except Exception:
            log.exception("live: a look has failed; it is tried again")
            time.sleep(AGAIN_SECONDS)


def known_place(reader: Reader, after: str) -> dict[str, int] | None:
    """The counters that a client names, if they are of exactly this reader's people."""
    known = cursor.decode(after)
    return known if known.keys() == {one.key for one in reader.people} else None


def of(app: Flask) -> Hub:
    """The process's hub, which runs from the first time that it is asked for."""
    with _MAKING:
        if "hub.live" not in app.extensions:
            app.extensions["hub.live"] = Hub(app)
            app.extensions["hub.live"].start()
    hub: Hub = app.extensions["hub.live"]
    return hub
