"""Which streams are open: by person, by organisation that is watched, by account, and by round of the heartbeat.

To add, to remove and to count cost the same with ten streams as with ten thousand.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from notify_app.live.stream import Stream

__all__ = ["ROUNDS", "Index", "Registry"]

ROUNDS = 60  # a heartbeat for everybody is spread over so many rounds, or all would be written at once

Key = TypeVar("Key", bound=Hashable)


class Index(Generic[Key]):
    """Streams by a key, in the order of their opening. Most keys have one stream, and then nothing is made to hold it."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[Key, Stream | dict[Stream, None]] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._of

    def add(self, key: Key, stream: Stream) -> None:
        held = self._of.setdefault(key, stream)
        if isinstance(held, dict):
            held[stream] = None
        elif held is not stream:
            self._of[key] = {held: None, stream: None}

    def remove(self, key: Key, stream: Stream) -> None:
        held = self._of.get(key)
        if held is stream:
            del self._of[key]
        elif isinstance(held, dict):
            held.pop(stream, None)
            if not held:
                del self._of[key]

    def of(self, key: Key) -> tuple[Stream, ...]:
        """The key's streams, the oldest first; a value of its own, which changes of the index leave alone."""
        held = self._of.get(key)
        if held is None:
            return ()
        return tuple(held) if isinstance(held, dict) else (held,)


class Registry:
    """All of them."""

    def __init__(self) -> None:
        self.by_person: Index[str] = Index()
        self.watching: Index[Hashable] = Index()
        self.by_account: Index[Hashable] = Index()
        self._rounds: list[dict[Stream, None]] = [{} for _ in range(ROUNDS)]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Stream]:
        for streams in self._rounds:
            yield from streams

    def round(self, number: int) -> list[Stream]:
        """Whose heartbeat is due in this round."""
        return list(self._rounds[number])

    def add(self, stream: Stream, number: int) -> None:
        """Register a stream; its first heartbeat is due ROUNDS rounds after this one."""
        stream.round = number
        self._rounds[number][stream] = None
        self._count += 1
        self.by_account.add(stream.reader.account_id, stream)
        for one in stream.reader.people:
            self.by_person.add(one.key, stream)
            if one.watches:
                self.watching.add(one.organisation_id, stream)

    def remove(self, stream: Stream) -> None:
        """Forget it. It must be registered."""
        del self._rounds[stream.round][stream]
        self._count -= 1
        self.by_account.remove(stream.reader.account_id, stream)
        for one in stream.reader.people:
            self.by_person.remove(one.key, stream)
            if one.watches:
                self.watching.remove(one.organisation_id, stream)
