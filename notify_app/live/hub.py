"""The fan-out of one web process: one Redis subscription, all of its open streams, and the database as the truth.

Announcements make it fast; every few seconds, and whenever Redis comes back, the counters of all connected people
are compared with the database and what is missing is sent. The same look ends the streams of sessions that are over.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import defaultdict
from typing import Any
from uuid import UUID

import redis
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from notify_app import domains
from notify_app.config import Settings
from notify_app.errors import Unavailable
from notify_app.extensions import db
from notify_app.live import catch_up, cursor
from notify_app.live.announce import CHANNEL
from notify_app.live.stream import Reader, Stream, encode
from notify_app.pipeline import sql

__all__ = ["Hub", "of"]

log = logging.getLogger(__name__)

COMPARE_SECONDS = 5.0
# below the server's own limit of connections, so that webhooks and pages always find one
MOST_STREAMS = 8_000
MOST_OF_ONE_ACCOUNT = 20  # tabs share one stream: that many are as many devices

LIVE_SESSIONS = text(
    "SELECT s.id FROM account_session s JOIN account a ON a.id = s.account_id AND a.disabled_at IS NULL "
    "WHERE s.id = ANY(CAST(:ids AS uuid[])) AND s.revoked_at IS NULL AND s.expires_at > hub_now()"
)


class Hub:
    """Made once a process; starts its two threads (greenlets under gevent) with the first stream."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._settings: Settings = app.extensions["hub"]
        self._lock = threading.Lock()
        self._by_person: defaultdict[UUID, set[Stream]] = defaultdict(set)
        self._by_organisation: defaultdict[UUID, set[Stream]] = defaultdict(set)
        self._started = False

    # --- streams ---------------------------------------------------------------------------------------------------

    def open(self, reader: Reader, after: str) -> Stream:
        """Register a stream and bring it up to date. Without a usable cursor it begins with a snapshot.
        Raises Unavailable beyond MOST_STREAMS; of one account the oldest stream gives way beyond its own limit."""
        if self.count() >= MOST_STREAMS:
            raise Unavailable("Too many pages are open at once; this one tries again by itself.")
        self._make_room(reader.account_id)
        known = cursor_of(reader, after)
        stream = Stream(reader, known or dict.fromkeys(reader.people, 0), fresh=known is None)
        with self._lock:
            for person_id in reader.people:
                self._by_person[person_id].add(stream)
            for organisation_id in reader.watches:
                self._by_organisation[organisation_id].add(stream)
            starting, self._started = not self._started, True
        if starting:
            threading.Thread(target=self._listen, name="live-listen", daemon=True).start()
            threading.Thread(target=self._compare_for_ever, name="live-compare", daemon=True).start()
        with stream.lock:
            catch_up.bring(stream)
        return stream

    def _make_room(self, account_id: UUID) -> None:
        with self._lock:
            every = {stream for streams in self._by_person.values() for stream in streams}
        mine = sorted(
            (one for one in every if one.reader.account_id == account_id), key=lambda one: one.opened
        )
        for oldest in mine[: max(0, len(mine) + 1 - MOST_OF_ONE_ACCOUNT)]:
            oldest.close()
            self.drop(oldest)

    def drop(self, stream: Stream) -> None:
        """Forget a stream."""
        with self._lock:
            for index in (self._by_person, self._by_organisation):
                for key in [key for key, streams in index.items() if stream in streams]:
                    index[key].discard(stream)
                    if not index[key]:
                        del index[key]

    def count(self) -> int:
        """How many streams are open."""
        with self._lock:
            return len({stream for streams in self._by_person.values() for stream in streams})

    # --- announcements ---------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        pause = 0.2
        while True:
            try:
                connection = redis.Redis.from_url(
                    self._settings.redis_url, socket_connect_timeout=2, socket_timeout=None
                )
                listener = connection.pubsub(ignore_subscribe_messages=True)
                listener.subscribe(CHANNEL)
                pause = 0.2
                self.compare()
                while True:
                    message = listener.get_message(timeout=30)
                    if message:
                        self._hear(message["data"])
            except redis.RedisError as error:
                log.warning(
                    "live: Redis is away (%s); looking into the database meanwhile", type(error).__name__
                )
            except Exception:
                log.exception("live: an announcement could not be used")
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _hear(self, raw: bytes) -> None:
        for one in json.loads(raw):
            if "p" in one:
                self._tell_person(UUID(one["p"]), one["s"], one["e"], one["d"])
            elif "b" in one:
                for person, seq, line in one["l"]:
                    self._tell_person(
                        UUID(person), seq, one["b"], {**one["d"], "id": line, "url": f"/inbox/{line}"}
                    )
            else:
                self._tell_office(UUID(one["o"]), {"items": one["i"], "what": [one["w"]]})

    def _tell_person(self, person_id: UUID, seq: int, event: str, data: dict[str, Any]) -> None:
        if event == "notification":
            category = next((one.title for one in domains.categories() if one.name == data["category"]), "")
            data = {**data, "category_title": category}
        for stream in self._of(self._by_person, person_id):
            with stream.lock:
                known = stream.counters[person_id]
                if seq == known + 1:
                    stream.send(event, data, person_id, seq)
                elif seq > known:
                    with self._app.app_context():
                        catch_up.bring(stream)

    def _tell_office(self, organisation_id: UUID, data: dict[str, Any]) -> None:
        frame = encode("changed", data)
        for stream in self._of(self._by_organisation, organisation_id):
            stream.write(frame)

    def _of(self, index: defaultdict[UUID, set[Stream]], key: UUID) -> list[Stream]:
        with self._lock:
            return list(index[key]) if key in index else []

    # --- the truth -------------------------------------------------------------------------------------------------

    def _compare_for_ever(self) -> None:
        while True:
            time.sleep(COMPARE_SECONDS)
            try:
                self.compare()
            except SQLAlchemyError as error:
                log.warning("live: the database is away (%s)", type(error).__name__)
            except Exception:
                log.exception("live: comparing failed")

    def compare(self) -> None:
        """Send what announcements did not bring, and end the streams whose sessions are over."""
        with self._lock:
            streams = {stream for group in self._by_person.values() for stream in group}
        if not streams:
            return
        people = {person_id for stream in streams for person_id in stream.reader.people}
        sessions = {stream.reader.session_id for stream in streams}
        with self._app.app_context():
            with db.engines["engine"].connect() as conn:
                counters = {
                    row.person_id: row.seq for row in conn.execute(sql.COUNTERS, {"people": list(people)})
                }
                alive = set(conn.execute(LIVE_SESSIONS, {"ids": list(sessions)}).scalars())
            for stream in streams:
                if stream.reader.session_id not in alive:
                    stream.close()
                elif any(counters.get(person, 0) > seq for person, seq in list(stream.counters.items())):
                    with stream.lock:
                        catch_up.bring(stream)


def cursor_of(reader: Reader, after: str) -> dict[UUID, int] | None:
    """The counters that a client names, if they are of exactly this reader's people."""
    known = cursor.decode(after)
    return known if known.keys() == reader.people.keys() else None


def of(app: Flask) -> Hub:
    """The process's hub."""
    if "hub.live" not in app.extensions:
        app.extensions["hub.live"] = Hub(app)
    hub: Hub = app.extensions["hub.live"]
    return hub
