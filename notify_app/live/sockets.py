"""Streams whose sockets were handed over: a descriptor each, one epoll for all, no greenlet and no thread of their own.

A write never waits. What the kernel does not take at once is kept for a short while, within limits for one stream
and for all; beyond them the stream is dropped, and its client resumes by its last id. The epoll tells of hang-ups,
and of room for what is kept; gevent's loop watches the epoll. Linux and gevent only: imported where a hand-over is.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Mapping

from gevent import monkey
from gevent.socket import wait_read

from notify_app.live.stream import STUCK_SECONDS, Home, Reader, Stream

__all__ = ["SocketStream", "Sockets"]

# gevent hides the system's epoll from the modules that it patches
_epoll = monkey.get_original("select", "epoll")

GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
ROOM = select.EPOLLOUT
AT_ONCE = 512  # events that are taken from the epoll in one look
KEPT = 64 * 1024  # bytes that may wait for one reader, beside the frames that did not fit first
KEPT_FOR_ALL = 32 * 1024 * 1024


class SocketStream(Stream):
    """A stream that owns the duplicate of a connection's descriptor."""

    __slots__ = ("_most", "_since", "_sockets", "_tail", "fd")

    def __init__(
        self,
        reader: Reader,
        home: Home,
        after: Mapping[str, int] | None,
        fd: int,
        sockets: Sockets,
    ) -> None:
        super().__init__(reader, home, after)
        self.fd = fd
        self._sockets = sockets
        self._tail = b""
        self._most = 0  # bytes that the tail may grow to
        self._since = 0.0  # the last time when some of it was taken
        try:
            os.set_blocking(fd, False)  # as gevent has it already
            sockets.add(self)
        except OSError:  # the kernel has no room for it
            os.close(fd)
            raise

    def write(self, frames: bytes) -> None:
        if self.closed:
            return
        if self._tail:
            self._keep(frames)
            return
        try:
            sent = os.write(self.fd, frames)
        except BlockingIOError:
            sent = 0
        except OSError:  # hung up
            self.home.drop(self)
            return
        if sent < len(frames):
            self._most = len(frames) + KEPT
            self._since = time.monotonic()
            self._sockets.want_room(self, True)
            self._keep(frames[sent:])

    def _keep(self, rest: bytes) -> None:
        self._tail += rest
        self._sockets.held += len(rest)
        if len(self._tail) > self._most or self._sockets.held > KEPT_FOR_ALL:
            self.home.drop(self)

    def go_on(self) -> None:
        """There is room again: write what was kept."""
        if self.closed:
            return
        try:
            sent = os.write(self.fd, self._tail)
        except BlockingIOError:
            return
        except OSError:
            self.home.drop(self)
            return
        self._tail = self._tail[sent:]
        self._sockets.held -= sent
        self._since = time.monotonic()
        if not self._tail:
            self._sockets.want_room(self, False)

    def stuck(self, now: float) -> bool:
        return bool(self._tail) and now - self._since > STUCK_SECONDS

    def end(self, last: bytes = b"") -> None:
        self._sockets.remove(self)
        self._sockets.held -= len(self._tail)
        if last and not self._tail:  # after half a frame nothing else may come
            try:
                os.write(self.fd, last)
            except OSError:
                pass  # it was gone already, or is full: it comes back all the same
        self._tail = b""
        os.close(self.fd)


class Sockets:
    """The handed-over sockets of one process. `held` is how many bytes wait for all of them together."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._epoll = _epoll()
        self._streams: dict[int, SocketStream] = {}
        self.held = 0

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: SocketStream) -> None:
        self._epoll.register(stream.fd, GONE)
        self._streams[stream.fd] = stream

    def want_room(self, stream: SocketStream, wanted: bool) -> None:
        self._epoll.modify(stream.fd, GONE | ROOM if wanted else GONE)

    def remove(self, stream: SocketStream) -> None:
        """Before its descriptor is closed: the number may belong to another connection at once, and as long as the
        server has not closed its own duplicate, closing ours would not take it out of the epoll."""
        del self._streams[stream.fd]
        self._epoll.unregister(stream.fd)

    def wait(self) -> None:
        """Until something has happened to some of the sockets."""
        wait_read(self._epoll.fileno())

    def look(self) -> None:
        """Handle what has happened, without waiting and without giving way: no number changes hands meanwhile."""
        for fd, events in self._epoll.poll(0, AT_ONCE):
            stream = self._streams.get(fd)
            if stream is None:
                continue
            if events & GONE:
                self._home.drop(stream)
            elif events & ROOM:
                stream.go_on()
