"""One open stream: what it has seen, what waits to be written, and the frames of Server-Sent Events.

A stream is behind or exact, never wrong: each frame carries the person's counter. The next number is written at
once, an old one is dropped, a gap is filled from the database. A reader that does not read is cut off; it comes
back with its last id and gets what it missed.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from notify_app.live import cursor

__all__ = ["HEARTBEAT_SECONDS", "Reader", "Stream", "encode"]

HEARTBEAT_SECONDS = 15
BACKLOG = 256  # frames that may wait for one reader


@dataclass(frozen=True)
class Reader:
    """Whose stream it is: `people` maps each person of the account to their organisation and its name."""

    account_id: UUID
    session_id: UUID
    people: Mapping[UUID, tuple[UUID, str]]
    watches: frozenset[UUID]  # organisations whose office pages it may show


@dataclass(eq=False)
class Stream:
    """The server's side of one connection. `counters` is what its client has been sent."""

    reader: Reader
    counters: dict[UUID, int]
    fresh: bool = False
    unread: dict[UUID, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closed: bool = False
    opened: float = field(default_factory=time.monotonic)
    _waiting: queue.Queue[bytes | None] = field(default_factory=lambda: queue.Queue(BACKLOG))

    def next(self, timeout: float) -> bytes | None:
        """The next frame; None when there was none for `timeout` seconds or the stream is closed."""
        try:
            return self._waiting.get(timeout=timeout)
        except queue.Empty:
            return None

    def write(self, frame: bytes) -> None:
        """Hand a frame to the reader, or cut it off when it does not keep up."""
        if self.closed:
            return
        try:
            self._waiting.put_nowait(frame)
        except queue.Full:
            self.close()

    def close(self) -> None:
        """End the stream; the client comes back by itself if it may."""
        self.closed = True
        # nothing that waits may go out: a later frame without an earlier one would move the client's id past a gap.
        # What is thrown away is read from the database when the client resumes.
        while True:
            try:
                self._waiting.get_nowait()
            except queue.Empty:
                break
        self._waiting.put_nowait(None)

    def send(
        self, event: str, data: Mapping[str, Any], person_id: UUID, seq: int, *, last: bool = True
    ) -> None:
        """Write a frame of one person and, with the last one of a change, move on to `seq`. Call it with the lock
        held. A frame before the last carries the old id: who breaks off there gets the whole change again."""
        if last:
            self.counters[person_id] = seq
        shown = dict(data)
        if "unread" in shown:
            self.unread[person_id] = shown["unread"]
            shown["unread"] = sum(self.unread.values())
        if event == "notification":
            shown["organisation"] = self.name_of(person_id)
        self.write(encode(event, shown, cursor.encode(self.counters)))

    def name_of(self, person_id: UUID) -> str:
        """The organisation's name where the account belongs to several, else nothing."""
        return self.reader.people[person_id][1] if len(self.reader.people) > 1 else ""


def encode(event: str, data: Mapping[str, Any], id: str = "") -> bytes:
    """One frame of Server-Sent Events."""
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
