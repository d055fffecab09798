"""A stream as a generator that waits on a queue: the plain form, for every server and connection that cannot hand
its socket over. It costs a greenlet or a thread for as long as it is open, and a client that has gone shows when
something is written to it, so at the next heartbeat.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Mapping

from notify_app.live.stream import STUCK_SECONDS, Home, Reader, Stream

__all__ = ["QueuedStream"]

BACKLOG = 256  # writes that may wait for one reader


class QueuedStream(Stream):
    """A stream whose frames are fetched by `frames`."""

    __slots__ = ("_cut", "_since", "_waiting")

    def __init__(
        self,
        reader: Reader,
        home: Home,
        after: Mapping[str, int] | None,
        cut: Callable[[], object] = lambda: None,
    ) -> None:
        """`cut` breaks the connection: for one that does not take what waits, and so would never notice the end."""
        super().__init__(reader, home, after)
        self._cut = cut
        self._since = 0.0  # the last time when something was taken, or began to wait
        self._waiting: queue.Queue[bytes] = queue.Queue(BACKLOG)

    def frames(self) -> Iterator[bytes]:
        """What is to be sent, as it comes; ends with the stream. Leaving it drops the stream."""
        try:
            while frames := self._waiting.get():
                self._since = time.monotonic()
                yield frames
        finally:
            self.home.drop(self)

    def write(self, frames: bytes) -> None:
        if self.closed:
            return
        if self._waiting.empty():
            self._since = time.monotonic()
        try:
            self._waiting.put_nowait(frames)
        except queue.Full:
            self.home.drop(self)

    def stuck(self, now: float) -> bool:
        return not self._waiting.empty() and now - self._since > STUCK_SECONDS

    def end(self, last: bytes = b"") -> None:
        """Nothing that waits may go out any more: a later frame without an earlier one would move the client's id
        past a gap. What is thrown away is read from the database when the client resumes."""
        behind = not self._waiting.empty()
        while not self._waiting.empty():
            self._waiting.get_nowait()
        if last and not behind:
            self._waiting.put_nowait(last)
        self._waiting.put_nowait(b"")
        if behind:
            self._cut()
