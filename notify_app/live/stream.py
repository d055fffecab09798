"""One open stream: what its client has been sent, and the frames of Server-Sent Events.

A stream is behind or exact, never wrong. It is in one of two hands. *Settled*, only announcements move it: the
person's next number is written at once, an old one is dropped, anything else unsettles it. *Unsettled* (just opened,
or behind), only `live.catch_up` moves it, from the database; what is announced meanwhile asks for another look after
this one and is not written. So it does not matter when a change is committed and announced while a stream opens or
catches up: either the look has seen it, or it comes with the next look. A reader that does not read is cut off; it
comes back with its last id and gets what it missed.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Protocol
from uuid import UUID

__all__ = [
    "STUCK_SECONDS",
    "WATCHERS",
    "Home",
    "Person",
    "Reader",
    "Stream",
    "encode",
    "heartbeat",
    "reader_of",
]

STUCK_SECONDS = 10.0  # what waits to be written waits no longer for a reader who takes nothing
_json = json.JSONEncoder(separators=(",", ":")).encode  # made once: that is half of encoding something small
WATCHERS = ("manager", "administrator", "technician")  # whose pages show work, and hear that it has changed


class Person(NamedTuple):
    """One of the account's people. `key` is the id as 32 hex digits, as announcements and cursors write it."""

    key: str
    organisation_id: UUID
    organisation_name: str
    watches: bool


class Reader(NamedTuple):
    """Whose stream it is; `people` in the order of their keys."""

    account_id: UUID
    session_id: UUID
    people: tuple[Person, ...]


class Home(Protocol):
    """What keeps streams."""

    def drop(self, stream: Stream) -> None:
        """Forget it, and end it."""


class Stream(ABC):
    """The server's side of one connection. `seqs` (what its client has been sent) and `unread` are by the place of
    the person in `reader.people`. Slots, and neither lock nor queue: there are thousands of these."""

    __slots__ = ("closed", "fresh", "home", "reader", "round", "seqs", "settled", "unread")

    def __init__(self, reader: Reader, home: Home, after: Mapping[str, int] | None) -> None:
        """`after` is what the client has seen, by person; without it the stream begins with a snapshot."""
        self.reader = reader
        self.home = home
        self.seqs = [after[one.key] if after else 0 for one in reader.people]
        self.unread = [0] * len(reader.people)  # known when settled
        self.fresh = after is None
        self.settled = False
        self.closed = False
        self.round = 0  # of the heartbeats

    @abstractmethod
    def write(self, frames: bytes) -> None:
        """Hand whole frames to the reader, in order; never waits. Who does not keep up is dropped."""

    @abstractmethod
    def stuck(self, now: float) -> bool:
        """Whether something has waited for STUCK_SECONDS without any of it being taken."""

    @abstractmethod
    def end(self, last: bytes = b"") -> None:
        """Let the connection go, after these last words if they can be said. Called by `home` alone, once."""

    def place_of(self, key: str) -> int:
        """Where this person stands in the reader's people."""
        people = self.reader.people
        return 0 if len(people) == 1 else next(at for at, one in enumerate(people) if one.key == key)

    def cursor(self) -> str:
        """As `live.cursor` encodes it."""
        people = self.reader.people
        if len(people) == 1:
            return f"{people[0].key}.{self.seqs[0]}"
        return "-".join(f"{one.key}.{seq}" for one, seq in zip(people, self.seqs, strict=True))

    def name_of(self, at: int) -> str:
        """The organisation's name where the account belongs to several, else nothing."""
        people = self.reader.people
        return people[at].organisation_name if len(people) > 1 else ""

    def advance(self, event: str, data: Mapping[str, Any], at: int, seq: int, *, last: bool = True) -> bytes:
        """The frame of one person's change; with the last frame of a change the stream has moved on to `seq`. One
        before the last carries the old id: who breaks off there gets the whole change again."""
        if last:
            self.seqs[at] = seq
        shown = dict(data)
        if "unread" in shown:
            self.unread[at] = shown["unread"]
            shown["unread"] = sum(self.unread)
        if event == "notification":
            shown["organisation"] = self.name_of(at)
        return encode(event, shown, self.cursor())

    def advance_by_line(self, at: int, seq: int, line: str, shared: str) -> bytes:
        """The same for one new unread line of many people, whose `shared` fields are JSON already (without the
        opening brace); `line` is the notification's id."""
        self.seqs[at] = seq
        self.unread[at] += 1
        name = _json(self.name_of(at)) if len(self.seqs) > 1 else '""'
        return (
            f'id: {self.cursor()}\nevent: notification\ndata: {{"id":"{line}","url":"/inbox/{line}",'
            f'"unread":{sum(self.unread)},"organisation":{name},{shared}\n\n'
        ).encode()


def encode(event: str, data: Mapping[str, Any], id: str = "") -> bytes:
    """One frame of Server-Sent Events."""
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {event}\ndata: {_json(data)}\n\n".encode()


def heartbeat(retry_ms: int) -> bytes:
    """An *event*, because scripts cannot see comments, and when to come back should the stream break now."""
    return b"retry: %d\nevent: heartbeat\ndata: {}\n\n" % retry_ms


def reader_of(account_id: UUID, session_id: UUID, people: Mapping[UUID, tuple[UUID, str, str]]) -> Reader:
    """The reader of an account whose people are (organisation, its name, role) by id."""
    made = (
        Person(person.hex, *_shared(organisation, name), role in WATCHERS)
        for person, (organisation, name, role) in people.items()
    )
    return Reader(account_id, session_id, tuple(sorted(made)))


@lru_cache(maxsize=4096)
def _shared(organisation_id: UUID, name: str) -> tuple[UUID, str]:
    """The same objects for every stream of an organisation: thousands of copies would be most of what a stream costs."""
    return organisation_id, name
