"""The places in which messages are sent: threads that each hand over one message at a time, started as they are needed.

Lean, because it stands between every claim and every settlement: two queues that are written in C, no future and no
lock for each message. Whoever fills it never puts in more than there are free places, so that nothing is claimed
that cannot start now. Refuses nothing and decides nothing; what the work raises is its answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from queue import Empty, SimpleQueue
from typing import Any

from notify_app.channels import ProviderAccount
from notify_app.channels.base import Message, Receipt

__all__ = ["Job", "Pool"]

Send = Callable[[Message, "ProviderAccount | None"], Receipt]
SUCCESSION_SECONDS = 0.001  # what began together ends together: who waits for the last saves a claim


class Job:
    """One message in one place: `row` is the claimed delivery, `doubts` how many of its earlier attempts may have
    arrived, `event` what it tells of, `held` what is kept for it of the budget, `by` the account that takes it, `answer` the
    receipt or what the channel raised."""

    __slots__ = ("answer", "by", "doubts", "event", "held", "message", "row")

    def __init__(self, row: Any, message: Message, doubts: int = 0, event: str = "") -> None:
        self.row = row
        self.message = message
        self.doubts = doubts
        self.event = event
        self.held: Decimal | None = None
        self.by: ProviderAccount | None = None
        self.answer: Receipt | Exception | None = None

    def do(self, send: Send) -> None:
        """Send, and keep what came of it."""
        try:
            self.answer = send(self.message, self.by)
        except Exception as raised:  # noqa: BLE001 - whatever it is, the drain says what becomes of it
            self.answer = raised


class Pool:
    """So many places. Filled and emptied by one thread; the work is done by its own."""

    def __init__(self, places: int, send: Send) -> None:
        self.places = places
        self._send = send
        self._waiting: SimpleQueue[Job | None] = SimpleQueue()
        self._done: SimpleQueue[Job] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self.jobs: set[Job] = set()  # put in and not yet taken out

    @property
    def free(self) -> int:
        """How many more may be put in."""
        return self.places - len(self.jobs)

    def put(self, job: Job) -> None:
        """Begin with it at once. Only while a place is free."""
        self.jobs.add(job)
        if len(self._threads) < len(self.jobs):
            self._threads.append(threading.Thread(target=self._work, name="send", daemon=True))
            self._threads[-1].start()
        self._waiting.put(job)

    def finished(self, patience: float, enough: int, gather: float) -> list[Job]:
        """What is done: waits for the first up to `patience` seconds, then up to `gather` seconds for `enough`, and
        beyond that for as long as they come in quick succession."""
        found: list[Job] = []
        wait, until = patience, time.monotonic() + patience
        while len(self.jobs) > len(found):
            try:
                found.append(self._done.get(timeout=max(0.0, wait)))
            except Empty:
                break
            now = time.monotonic()
            if len(found) == 1:
                until = now + gather
            wait = until - now if len(found) < enough else min(until - now, SUCCESSION_SECONDS)
        self.jobs.difference_update(found)
        return found

    def close(self) -> None:
        """Let the threads go, each when its message is sent; nobody waits for them."""
        for _ in self._threads:
            self._waiting.put(None)
        self._threads = []

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            job.do(self._send)
            self._done.put(job)
