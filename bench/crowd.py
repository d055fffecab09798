"""Thousands of clients of an event stream in one process: bare sockets and one epoll, so that what is measured is the
server. Each has asked for its stream and is read as a client would; when a text arrives is noted to the microsecond.
"""

from __future__ import annotations

import heapq
import re
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Self

__all__ = ["Crowd", "request"]

GIVE_UP = 60.0  # seconds without any progress
AT_ONCE = 64  # connections that are being opened at a time
KEPT = 256  # bytes of a client's last text, in which the beginning of what is waited for may stand
FIELD = re.compile(rb"(?:^|\n)(id|retry): ([^\n]+)\n")
OPEN_AGAIN = b"event: heartbeat"


def request(path: str, *headers: str) -> bytes:
    """A GET for a stream, by HTTP/1.1."""
    lines = (f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: text/event-stream", *headers, "", "")
    return "\r\n".join(lines).encode()


class Crowd:
    """The clients. `with Crowd(port, requests, b"event: ready") as crowd:` has all of them open."""

    def __init__(
        self, port: int, requests: Sequence[bytes], ready: bytes, *, remembers: bool = False
    ) -> None:
        """One client for each request; `ready` is what a stream says when it is complete. With `remembers` they keep
        their last id and when they are to come back, as a browser does."""
        self._port, self._requests, self._ready = port, requests, ready
        self._known: dict[int, dict[bytes, bytes]] | None = {} if remembers else None
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._number: dict[int, int] = {}
        self._text: dict[int, bytes] = {}
        self.opened_in = 0.0  # seconds

    def __enter__(self) -> Self:
        begun = time.perf_counter()
        self._open()
        self.opened_in = time.perf_counter() - begun
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._sockets.values():
            one.close()
        self._epoll.close()

    def __len__(self) -> int:
        return len(self._sockets)

    def _open(self) -> None:
        waiting: set[int] = set()
        for at_a_time in range(0, len(self._requests), AT_ONCE):
            for number in range(at_a_time, min(at_a_time + AT_ONCE, len(self._requests))):
                waiting.add(self._connect(number))
            self._read_until(lambda: len(waiting) < AT_ONCE, self._ready, waiting)
        self._read_until(lambda: not waiting, self._ready, waiting)

    def _connect(self, number: int, last_id: bytes = b"") -> int:
        one = socket.create_connection(("127.0.0.1", self._port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        more = b"\r\nLast-Event-ID: " + last_id if last_id else b""
        one.sendall(self._requests[number].removesuffix(b"\r\n\r\n") + more + b"\r\n\r\n")
        one.setblocking(False)
        fd = one.fileno()
        self._sockets[fd], self._number[fd], self._text[fd] = one, number, b""
        self._epoll.register(fd, select.EPOLLIN)
        return fd

    def hear(self, say: Callable[[], object], text: bytes, who: Sequence[int] = ()) -> list[float]:
        """Have something said; the seconds until each (or each of `who`, by number) has read this text."""
        chosen = set(who)
        waiting = {fd for fd, number in self._number.items() if not chosen or number in chosen}
        begun = time.perf_counter()
        say()
        times: list[float] = []
        self._read_until(lambda: not waiting, text, waiting, lambda at: times.append(at - begun))
        return times

    def idle(self, seconds: float) -> None:
        """Read whatever comes for so long."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            self._look(left, b"", set(), lambda _: None)

    def _read_until(
        self,
        done: Callable[[], bool],
        text: bytes,
        waiting: set[int],
        heard: Callable[[float], object] = lambda _: None,
    ) -> None:
        """Read everybody's frames; who has read `text` is taken out of `waiting`."""
        last = time.perf_counter()
        while not done():
            before = len(waiting)
            self._look(1.0, text, waiting, heard)
            if len(waiting) < before:
                last = time.perf_counter()
            elif time.perf_counter() - last > GIVE_UP:
                one = next(iter(waiting))
                raise RuntimeError(f"{before} of {len(self)} wait for {text!r}; one has {self._text[one]!r}")

    def _look(self, wait: float, text: bytes, waiting: set[int], heard: Callable[[float], object]) -> None:
        for fd, _ in self._epoll.poll(wait, 1024):
            data = self._sockets[fd].recv(65536)
            now = time.perf_counter()
            if not data:
                raise RuntimeError(f"the server ended a stream after {self._text[fd]!r}")
            known = self._text[fd] + data
            if self._known is not None:
                self._known.setdefault(self._number[fd], {}).update(FIELD.findall(known))
            if fd in waiting and text in known:
                waiting.discard(fd)
                heard(now)
            self._text[fd] = known[-KEPT:]

    def come_back(self) -> list[float]:
        """Every stream breaks; each client asks again with its last id, when its server had told it to. The seconds
        from the first break until each is open again."""
        assert self._known is not None
        begun, times, due = 0.0, [], list[tuple[float, int]]()
        opening: set[int] = set()
        wanted, last = len(self), time.perf_counter()
        while len(times) < wanted:
            for fd, _ in self._epoll.poll(0.01, 1024):
                now = time.perf_counter()
                number, data = self._number[fd], _received(self._sockets[fd])
                self._text[fd] = (self._text[fd] + data)[-KEPT:]
                if not data:
                    begun = begun or now
                    opening.discard(fd)
                    self._forget(fd)
                    heapq.heappush(due, (now + self._pause(number), number))
                elif fd in opening and OPEN_AGAIN in self._text[fd]:
                    opening.discard(fd)
                    times.append(now - begun)
                    last = now
            while due and due[0][0] <= time.perf_counter():
                at, number = heapq.heappop(due)
                try:
                    opening.add(self._connect(number, self._known[number].get(b"id", b"")))
                except ConnectionError:  # nobody listens yet
                    heapq.heappush(due, (at + self._pause(number), number))
            if time.perf_counter() - last > GIVE_UP:
                raise RuntimeError(f"{wanted - len(times)} of {wanted} streams did not come back")
        return times

    def _pause(self, number: int) -> float:
        assert self._known is not None
        return int(self._known[number][b"retry"]) / 1000

    def _forget(self, fd: int) -> None:
        self._sockets.pop(fd).close()
        del self._number[fd], self._text[fd]


def _received(one: socket.socket) -> bytes:
    try:
        return one.recv(65536)
    except ConnectionError:
        return b""
