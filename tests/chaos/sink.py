"""An SMTP server that can keep a client waiting, so that a test can kill that client in the middle of a message.

hold = sink.hold({"ana@shop.example.com"}, "dot")    the message is accepted, its answer withheld
hold.wait()                                          a client is waiting now
hold.open()                                          it gets its answer
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.channels.stubs import SmtpSink, _Controller, _Handler


@dataclass
class Hold:
    """Keeps back the answer at one phase ("rcpt" before the message has come, "dot" after it was accepted) of
    conversations with these addresses, as many as `places`."""

    addresses: frozenset[str]
    phase: str
    places: int = 1
    held: list[str] = field(default_factory=list)  # addresses, in the order of their coming
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _gates: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=list)
    _opened: bool = False

    def wait(self, count: int = 1, seconds: float = 20) -> None:
        """Until so many clients wait."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.held) >= count, seconds)
        assert came, f"{len(self.held)} of {count} conversations came to {self.phase} in {seconds} s"

    def open(self) -> None:
        """Answer those who wait, and hold nobody any more."""
        with self._changed:
            self._opened = True
            for loop, gate in self._gates:
                loop.call_soon_threadsafe(gate.set)

    async def stop_at(self, phase: str, addresses: list[str]) -> bool:
        """Called by the server at each phase; False at once when this conversation is not meant."""
        found = next((one for one in addresses if one in self.addresses), None)
        if phase != self.phase or found is None:
            return False
        gate = asyncio.Event()
        with self._changed:
            if self._opened or len(self.held) >= self.places:
                return False
            self.held.append(found)
            self._gates.append((asyncio.get_running_loop(), gate))
            self._changed.notify_all()
        await gate.wait()
        return True


class HoldingSink(SmtpSink):
    """The stub of the channels' tests, with holds."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.holds: list[Hold] = []

    def start(self) -> Self:
        self._controller = _Controller(self)
        self._controller.handler = _Holding(self._controller, self)
        self._controller.start()
        self.connections = 0
        return self

    def hold(self, addresses: Iterable[str], phase: str, places: int = 1) -> Hold:
        self.holds.append(Hold(frozenset(addresses), phase, places))
        return self.holds[-1]

    async def stop_at(self, phase: str, addresses: list[str]) -> None:
        """One conversation is held by one hold."""
        for hold in list(self.holds):
            if await hold.stop_at(phase, addresses):
                return

    def let_go(self) -> None:
        """Open all holds and forget them."""
        holds, self.holds = self.holds, []
        for hold in holds:
            hold.open()


class _Holding(_Handler):
    def __init__(self, controller: _Controller, sink: HoldingSink) -> None:
        super().__init__(controller)
        self._sink = sink

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await self._sink.stop_at("rcpt", [address])
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        await self._sink.stop_at("dot", list(envelope.rcpt_tos))
        return answer
