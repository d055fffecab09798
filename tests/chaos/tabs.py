"""Open tabs of people whose server is killed: each keeps its stream, and when that breaks comes back with its last id.

Some are restless: they hang up as soon as they are open and begin anew, so that there is always a stream that is just
being opened. All are read by one thread; what a page must never see fails the test that asks.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.streams.page import Page

AGAIN_SECONDS = (
    0.02,
    0.2,
)  # after a stream broke; a browser takes its time, but then nothing would be in flight


@dataclass(eq=False)
class Tab:
    """One of them. `asked` when its request has been sent, `answered` when the head of the answer has come."""

    cookie: str
    restless: bool
    page: Page = field(default_factory=Page)
    connection: socket.socket | None = None
    text: bytes = b""
    taken: int = 0
    due: float = 0.0
    broken: int = 0  # streams that ended by no wish of its own
    refused: int = 0

    @property
    def answered(self) -> bool:
        return b"\r\n\r\n" in self.text

    @property
    def opening(self) -> bool:
        """Its connection was taken over, and the first look into the database has not been written yet."""
        return self.answered and b"event: snapshot" not in self.text


class Tabs:
    """`with Tabs(port, cookies, restless=…) as tabs:`"""

    def __init__(
        self, port: int, cookies: Sequence[str], *, restless: Sequence[str] = (), seed: int = 1
    ) -> None:
        self.steady = [Tab(cookie, restless=False) for cookie in cookies]
        self.restless = [Tab(cookie, restless=True) for cookie in restless]
        self.failed: BaseException | None = None
        self._port = port
        self._rng = random.Random(seed)
        self._epoll = select.epoll()
        self._open: dict[int, Tab] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tabs", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(20)
        for tab in (*self.steady, *self.restless):
            self._hang_up(tab)
        self._epoll.close()

    # --- for the test ----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Fail on what a page has seen and must not see."""
        if self.failed is not None:
            raise AssertionError("a tab saw what it must not see") from self.failed

    def all_open(self) -> bool:
        self.check()
        return all(tab.page.position and tab.connection and tab.answered for tab in self.steady)

    def opening(self) -> tuple[list[Tab], list[Tab]] | None:
        """Streams that are being opened now, when there are some of each: whose request is unanswered; and whose
        connection was handed over and has not been brought up to date. Ask it while the server stands still."""
        until = time.monotonic() + 1
        while not self._all_is_read() and time.monotonic() < until:
            time.sleep(0.002)
        self.check()
        those = [tab for tab in self.restless if tab.connection is not None]
        asked, opening = [tab for tab in those if not tab.answered], [tab for tab in those if tab.opening]
        return (asked, opening) if asked and opening else None

    def _all_is_read(self) -> bool:
        """Whether nothing that the server has written waits for the thread."""
        connections = [tab.connection for tab in self.restless if tab.connection is not None]
        try:
            return not select.select(connections, [], [], 0)[0]
        except (OSError, ValueError):  # the thread has just closed one
            return False

    def broken(self) -> int:
        """How many streams of the steady ones have broken."""
        return sum(tab.broken for tab in self.steady)

    def cut_off(self) -> int:
        """How often each of the steady ones was cut off or sent away, at least."""
        return min(tab.broken + tab.refused for tab in self.steady)

    # --- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                now = time.monotonic()
                for tab in (*self.steady, *self.restless):
                    if tab.connection is None and tab.due <= now:
                        self._connect(tab)
                for fd, _ in self._epoll.poll(0.005, 256):
                    if tab := self._open.get(fd):
                        self._read(tab)
        except BaseException as error:  # noqa: BLE001  (the test raises it)
            self.failed = error

    def _connect(self, tab: Tab) -> None:
        if tab.restless:
            tab.page = Page()
        headers = [f"Cookie: {tab.cookie}", "Accept: text/event-stream"]
        if tab.page.position:
            headers.append(f"Last-Event-ID: {tab.page.position}")
        request = "\r\n".join(["GET /stream HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()
        try:
            tab.connection = socket.create_connection(("127.0.0.1", self._port), timeout=5)
            tab.connection.sendall(request)
        except OSError:
            self._again(tab)
            return
        tab.text, tab.taken = b"", 0
        tab.connection.setblocking(False)
        self._open[tab.connection.fileno()] = tab
        self._epoll.register(tab.connection.fileno(), select.EPOLLIN | select.EPOLLRDHUP)

    def _read(self, tab: Tab) -> None:
        assert tab.connection is not None
        try:
            part = tab.connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:
            tab.broken += tab.answered
            self._again(tab)
            return
        tab.text += part
        head, _, body = tab.text.partition(b"\r\n\r\n")
        if tab.answered and not head.startswith(b"HTTP/1.1 200 "):
            tab.refused += 1
            self._again(tab)
            return
        tab.page.read(body[tab.taken :])
        tab.taken = len(body)
        if tab.restless and tab.page.events:
            self._again(tab)

    def _again(self, tab: Tab) -> None:
        self._hang_up(tab)
        tab.page.broken()
        tab.due = time.monotonic() + (0 if tab.restless else self._rng.uniform(*AGAIN_SECONDS))

    def _hang_up(self, tab: Tab) -> None:
        if tab.connection is not None:
            self._open.pop(tab.connection.fileno(), None)
            with contextlib.suppress(OSError):
                tab.connection.close()  # which takes it out of the epoll
            tab.connection = None
