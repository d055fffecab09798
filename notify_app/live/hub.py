"""The open streams of one web process: how they begin, what keeps them exact, how they end.

Announcements make it fast (`hear`); every few seconds, and whenever Redis comes back, the counters of all connected
people are compared with the database (`compare`), and who is behind is brought up (`bring`). The same look ends the
streams of sessions that are over. `beat` writes the heartbeat.

Each of these verbs is one look and ends; `_start` has them repeated, each by a thread of its own (a greenlet under
gevent). Who writes to streams holds the lock, never across a statement or a pause; and a long row of writes pauses
now and then, so that requests are answered in between.
"""

from __future__ import annotations

import json
import logging
import random
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from notify_app.config import Settings
from notify_app.errors import Unavailable
from notify_app.extensions import db
from notify_app.live import catch_up, cursor, truth
from notify_app.live.listen import listen_for_ever
from notify_app.live.registry import ROUNDS, Registry
from notify_app.live.stream import Reader, Stream, encode, heartbeat

if TYPE_CHECKING:
    from notify_app.live.sockets import Sockets

__all__ = ["HEARTBEAT_SECONDS", "MOST_OF_ONE_ACCOUNT", "Hub", "known_place", "of"]

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
TICK_SECONDS = HEARTBEAT_SECONDS / ROUNDS
COMPARE_SECONDS = 5.0
GATHER_SECONDS = 0.003  # who is behind at the same time is read by the same statement
BRING_AT_ONCE = 500
SLICE = 200  # writes in a row, 2 ms
AGAIN_SECONDS = 1.0  # after the database was away

MOST_STREAMS = 20_000  # handed over; the server does not count them, and each is a descriptor
MOST_QUEUED = 8_000  # below the server's own limit of connections, so that webhooks and pages always find one
# tabs of a browser share one stream, so this is devices, and more than anybody has; beyond it the oldest gives way
MOST_OF_ONE_ACCOUNT = 64
RETRY_MS = (2_000, 10_000)
RETRY_MS_EACH = (
    3  # of the streams that there are: they come back over a time in which all of them can be opened
)


class Hub:
    """One a process. `alive` says whether the process still serves; when it does not, its streams are let go."""

    def __init__(self, app: Flask, *, rng: random.Random | None = None) -> None:
        self.alive: Callable[[], bool] = lambda: True
        self._app = app
        self._rng = rng or random.Random()
        self._lock = threading.RLock()
        self._streams = Registry()
        self._behind: dict[Stream, None] = {}
        self._resting: dict[
            UUID, tuple[dict[str, None], dict[str, None]]
        ] = {}  # what changed, and which items
        self._sockets: Sockets | None = None
        self._someone_behind, self._look_now = threading.Event(), threading.Event()
        self._round = 0
        self._started = self._leaving = False
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
            threading.Thread(target=self._sockets.watch_for_ever, name="live-sockets", daemon=True).start()
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
            stream.write(head + heartbeat(self._retry_ms()))
            if not stream.closed:
                self._mark(stream)
        self._start()

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
            for stream in list(self._streams):
                self.drop(stream, b"retry: %d\n\n" % self._retry_ms())

    def _retry_ms(self) -> int:
        """When one of the clients comes back if its stream breaks now: all together over a time that suffices."""
        least, most = RETRY_MS
        return self._rng.randint(least, max(most, RETRY_MS_EACH * self.count()))

    # --- announcements ---------------------------------------------------------------------------------------------

    def hear(self, message: bytes) -> None:
        """Pass on what was announced: see `live.announce` for what a message holds."""
        told = json.loads(message)
        if isinstance(told, dict):
            self._hear_spread(told["e"], told["d"], told["m"])
            return
        for part in _parts(told, SLICE):
            with self._lock:
                for one in part:
                    if "p" in one:
                        self._hear_person(UUID(one["p"]).hex, one["s"], one["e"], one["d"])
                    else:
                        self._hear_office(UUID(one["o"]), one["w"], one["i"])
            if len(told) > SLICE:
                time.sleep(0)

    def _hear_person(self, key: str, seq: int, event: str, data: dict[str, Any]) -> None:
        streams = self._streams.by_person.of(key)
        if streams and event == "notification":
            data["category_title"] = catch_up.category_title(data["category"])
        for stream in streams:
            at = stream.place_of(key)
            if self._is_next(stream, at, seq):
                stream.write(stream.advance(event, data, at, seq))

    def _is_next(self, stream: Stream, at: int, seq: int) -> bool:
        """Whether this change is what the stream waits for. After a gap it is marked as behind."""
        known = stream.seqs[at]
        if stream.settled and seq == known + 1:
            return True
        if seq > known or stream.fresh:
            self._mark(stream)
        return False

    def _hear_spread(self, event: str, data: Mapping[str, Any], people: Sequence[Any]) -> None:
        """`people` is flat: person, counter, line, person, counter, line …"""
        own = ("id", "url", "unread", "organisation")
        shared = {name: value for name, value in data.items() if name not in own}
        shared["category_title"] = catch_up.category_title(data.get("category", ""))
        rest = json.dumps(shared, separators=(",", ":"))[1:]
        for part in _parts(people, 3 * SLICE):
            three = iter(part)
            with self._lock:
                for key, seq, line in zip(three, three, three, strict=True):
                    for stream in self._streams.by_person.of(key):
                        at = stream.place_of(key)
                        if not self._is_next(stream, at, seq):
                            continue
                        if event == "notification":
                            stream.write(stream.advance_by_line(at, seq, line, rest))
                        else:
                            self._mark(stream)
            time.sleep(0)

    def _hear_office(self, organisation_id: UUID, what: str, items: Sequence[str]) -> None:
        """Told at once, and then together with what follows within the tick: a busy day is no flood."""
        if not self._streams.watching.of(organisation_id):
            return
        if gathered := self._resting.get(organisation_id):
            gathered[0][what] = None
            gathered[1].update(dict.fromkeys(items))
        else:
            self._resting[organisation_id] = ({}, {})
            self._tell_office(organisation_id, [what], items)

    def _tell_office(self, organisation_id: UUID, what: Sequence[str], items: Sequence[str]) -> None:
        frame = encode("changed", {"items": list(items), "what": list(what)})
        for stream in self._streams.watching.of(organisation_id):
            stream.write(frame)

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
        for part in _parts(everybody, truth.AT_ONCE):
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
        with self._lock:
            for organisation_id, (what, items) in list(self._resting.items()):
                if what:
                    self._resting[organisation_id] = ({}, {})
                    self._tell_office(organisation_id, list(what), list(items))
                else:
                    del self._resting[organisation_id]
        self._round = (self._round + 1) % ROUNDS
        now = time.monotonic()
        for part in _parts(self._streams.round(self._round), SLICE):
            with self._lock:
                for stream in part:
                    if stream.stuck(now):
                        self.drop(stream)
                    else:
                        stream.write(heartbeat(self._retry_ms()))
            time.sleep(0)

    # --- for ever --------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        with self._lock:
            if self._started:
                return
            self._started = True
        settings: Settings = self._app.extensions["hub"]
        for name, run in {
            "live-listen": lambda: listen_for_ever(settings.redis_url, self.hear, self._look_now.set),
            "live-compare": lambda: _repeat(self.compare, self._until_compare),
            "live-bring": lambda: _repeat(self.bring, self._until_behind),
            "live-beat": lambda: _repeat(self.beat, lambda: time.sleep(TICK_SECONDS)),
        }.items():
            threading.Thread(target=run, name=name, daemon=True).start()

    def _until_compare(self) -> None:
        self._look_now.wait(COMPARE_SECONDS)
        self._look_now.clear()

    def _until_behind(self) -> None:
        self._someone_behind.wait()
        time.sleep(GATHER_SECONDS)


def _repeat(look: Callable[[], None], wait: Callable[[], object]) -> None:
    while True:
        wait()
        try:
            look()
        except SQLAlchemyError as error:
            log.warning("live: the database is away (%s)", type(error).__name__)
            time.sleep(AGAIN_SECONDS)
        except Exception:
            log.exception("live: a look has failed; it is tried again")
            time.sleep(AGAIN_SECONDS)


def _parts(those: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (those[start : start + size] for start in range(0, len(those), size))


def known_place(reader: Reader, after: str) -> dict[str, int] | None:
    """The counters that a client names, if they are of exactly this reader's people."""
    known = cursor.decode(after)
    return known if known.keys() == {one.key for one in reader.people} else None


def of(app: Flask) -> Hub:
    """The process's hub."""
    if "hub.live" not in app.extensions:
        app.extensions["hub.live"] = Hub(app)
    hub: Hub = app.extensions["hub.live"]
    return hub
