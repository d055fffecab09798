"""Look-ups that come at the same time share one statement.

The first of a group asks for all of it, as soon as a statement may start; until then others join. When nothing else
is asked, that is at once and alone; in a rush (every stream comes back after a restart) one statement serves dozens.
What is read is as new as if each had asked alone: no statement starts before those it serves have come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from notify_app.errors import Unavailable

__all__ = ["Together"]

AT_ONCE = 2  # statements that run at a time
MOST = 200  # of a group

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class _Group(Generic[Key, Value]):
    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.found: Mapping[Key, Value] = {}
        self.error: Exception | None = Unavailable("The answer did not come; try again.")
        self.read = threading.Event()


class Together(Generic[Key, Value]):
    """`read` answers what it finds of the keys that it is handed."""

    def __init__(self, read: Callable[[Sequence[Key]], Mapping[Key, Value]]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._open: _Group[Key, Value] = _Group()

    def get(self, key: Key) -> Value | None:
        """What is found of this key. Raises what `read` raised, for all of the group."""
        with self._lock:
            group = self._open
            group.keys.append(key)
            first = len(group.keys) == 1
            if len(group.keys) == MOST:
                self._open = _Group()
        if first:
            self._ask(group)
        group.read.wait()
        if group.error is not None:
            raise group.error
        return group.found.get(key)

    def _ask(self, group: _Group[Key, Value]) -> None:
        try:
            with self._turns:
                with self._lock:
                    if self._open is group:
                        self._open = _Group()
                group.found, group.error = self._read(group.keys), None
        except Exception as error:
            group.error = error
            raise
        finally:
            group.read.set()
