"""Passing on what was announced: to the streams of one person, of many, or of those who look at an office's work.

Only the next change of a person is written to a settled stream; anything else has the stream looked after from the
database. What is the same for many is encoded once, and a long row of writes pauses now and then.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from notify_app.live.catch_up import category_title
from notify_app.live.registry import Registry
from notify_app.live.stream import Stream, encode

__all__ = ["SLICE", "Ears", "parts"]

SLICE = 200  # writes in a row, 2 ms
OWN = ("id", "url", "unread", "organisation")  # what of a line is its reader's own

Waiting = tuple[
    dict[str, None], dict[str, None]
]  # what changed, and which items: as sets that keep their order


class Ears:
    """What hears for the streams of a registry. `mark` is called, with the lock held, for a stream that is behind."""

    def __init__(
        self, streams: Registry, lock: AbstractContextManager[Any], mark: Callable[[Stream], None]
    ) -> None:
        self._streams = streams
        self._lock = lock
        self._mark = mark
        # the offices that were told in this tick, and what waits for its end
        self._told: dict[UUID, Waiting] = {}
        self._due: list[tuple[bytes, Sequence[Stream]]] = []  # hints, and who is to have them

    def hear(self, message: bytes) -> None:
        """Pass on a message: see `live.announce` for what it holds."""
        told = json.loads(message)
        if isinstance(told, dict):
            self._hear_many(told["e"], told["d"], told["m"])
            return
        for part in parts(told, SLICE):
            with self._lock:
                for one in part:
                    if "p" in one:
                        self._hear_person(UUID(one["p"]).hex, one["s"], one["e"], one["d"])
                    else:
                        self._hear_office(UUID(one["o"]), one["w"], one["i"])
            if len(told) > SLICE:
                time.sleep(0)
        self._write_due()

    def _hear_person(self, key: str, seq: int, event: str, data: dict[str, Any]) -> None:
        streams = self._streams.by_person.of(key)
        if streams and event == "notification":
            data["category_title"] = category_title(data["category"])
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

    def _hear_many(self, event: str, data: Mapping[str, Any], people: Sequence[Any]) -> None:
        """`people` is flat: person, counter, line, person, counter, line …"""
        shared = {name: value for name, value in data.items() if name not in OWN}
        shared["category_title"] = category_title(data.get("category", ""))
        rest = json.dumps(shared, separators=(",", ":"))[1:]
        streams_of = self._streams.by_person.of
        for part in parts(people, 3 * SLICE):
            three = iter(part)
            with self._lock:
                for key, seq, line in zip(three, three, three, strict=True):
                    for stream in streams_of(key):
                        at = stream.place_of(key)
                        if not self._is_next(stream, at, seq):
                            continue
                        if event == "notification":
                            stream.write(stream.advance_by_line(at, seq, line, rest))
                        else:
                            self._mark(stream)
            time.sleep(0)

    def _hear_office(self, organisation_id: UUID, what: str, items: Sequence[str]) -> None:
        """Told at once; and what follows within the tick is told together at its end: a busy day is no flood."""
        if organisation_id not in self._streams.watching:
            return
        if waiting := self._told.get(organisation_id):
            waiting[0][what] = None
            waiting[1].update(dict.fromkeys(items))
        else:
            self._told[organisation_id] = ({}, {})
            self._tell_office(organisation_id, [what], items)

    def tell_waiting(self) -> None:
        """The end of a tick, which is also the beginning of the next for the offices that are told something now."""
        with self._lock:
            told, self._told = self._told, {}
            for organisation_id, (what, items) in told.items():
                if what:
                    self._told[organisation_id] = ({}, {})
                    self._tell_office(organisation_id, list(what), list(items))
        self._write_due()

    def _tell_office(self, organisation_id: UUID, what: Sequence[str], items: Sequence[str]) -> None:
        frame = encode("changed", {"items": list(items), "what": list(what)})
        self._due.append((frame, self._streams.watching.of(organisation_id)))

    def _write_due(self) -> None:
        """A hint has no place in the order of frames, so it may be written a little later."""
        due, self._due = self._due, []
        for frame, streams in due:
            for part in parts(streams, SLICE):
                with self._lock:
                    for stream in part:
                        stream.write(frame)
                if len(streams) > SLICE:
                    time.sleep(0)


def parts(those: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """So many at a time."""
    return (those[start : start + size] for start in range(0, len(those), size))
