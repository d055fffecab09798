"""Group commit: what arrives while a write is under way shares the next one.

Whoever finds no open group opens one and leads it: waits for its turn, closes the group, writes it whole, and wakes
those who joined meanwhile with what became of their rows. So there is no thread of its own to start, to end or to lose
in a fork; nothing is delayed, for a row that comes alone is its own group and is written at once; and the busier it is,
the more rows share a write. It works with threads and with gevent's greenlets alike.

It knows nothing of what is written. `write` must give one outcome for each row, in their order, and must keep the
deadline that it is handed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Generic, TypeVar

from notify_app.errors import Unavailable

__all__ = ["IN_DOUBT", "NOTHING_KEPT", "GroupCommit"]

NOTHING_KEPT = "The database is away for a moment; nothing was kept. Send it again."
IN_DOUBT = "The database went away while it was written. Send it again with the same id: if it was kept, it counts once."

Row = TypeVar("Row")
Outcome = TypeVar("Outcome")


class _Group(Generic[Row, Outcome]):
    """Rows that are written together, and in the end what became of each."""

    __slots__ = ("done", "excuse", "outcomes", "rows", "size")

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.size = 0
        self.outcomes: list[Outcome] | None = None
        self.excuse = IN_DOUBT
        self.done = threading.Event()


class GroupCommit(Generic[Row, Outcome]):
    """`put` may be called from any number of threads or greenlets at once; one of them writes at a time."""

    def __init__(
        self,
        write: Callable[[list[Row], float], list[Outcome]],
        *,
        most_rows: int,
        most_bytes: int,
        patience: float,
    ) -> None:
        """`patience`: seconds after which everybody has an answer, whatever the database does."""
        self._write = write
        self._most_rows, self._most_bytes, self._patience = most_rows, most_bytes, patience
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._open: _Group[Row, Outcome] | None = None

    def put(self, rows: Sequence[Row], size: int) -> list[Outcome]:
        """Write these rows (of `size` bytes) with whatever else is waiting, all in one group and in this order.
        Returns the outcome of each. Raises Unavailable, which says whether anything may have been kept."""
        until = monotonic() + self._patience
        with self._lock:
            group = self._open
            leading = group is None or not self._fits(group, rows, size)
            if group is None or leading:
                group = self._open = _Group()
            first = len(group.rows)
            group.rows += rows
            group.size += size
        if leading:
            self._lead(group, until)
        else:
            group.done.wait(max(0.0, until - monotonic()))
        if group.outcomes is None:
            raise Unavailable(group.excuse)
        return group.outcomes[first : first + len(rows)]

    def _fits(self, group: _Group[Row, Outcome], rows: Sequence[Row], size: int) -> bool:
        return len(group.rows) + len(rows) <= self._most_rows and group.size + size <= self._most_bytes

    def _lead(self, group: _Group[Row, Outcome], until: float) -> None:
        """Whatever happens to the leader, even its own death: the group is closed and nobody waits for it in vain."""
        try:
            if not self._turn.acquire(timeout=self._patience):
                group.excuse = NOTHING_KEPT
                return
            try:
                self._close(group)
                group.outcomes = self._write(group.rows, until)
            finally:
                self._turn.release()
        finally:
            self._close(group)
            group.done.set()

    def _close(self, group: _Group[Row, Outcome]) -> None:
        with self._lock:
            if self._open is group:
                self._open = None
