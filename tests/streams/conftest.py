"""Open streams without a server: a hub of the test's own that looks when it is told to, and pages that read from it."""

from __future__ import annotations

import queue
import random
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import Engine, event

from notify_app.extensions import db
from notify_app.live.hub import Hub, known_place
from notify_app.live.queued import QueuedStream
from tests.builders import Builder
from tests.conftest import SECRET_KEY
from tests.streams.page import Page
from tests.streams.world import Member, World


class Wire:
    """A hub that only looks when it is asked to, and the pages that are connected to it."""

    def __init__(self, app: Flask, world: World) -> None:
        self.app, self.world = app, world
        self.hub = Hub(app, rng=random.Random(1))
        self.streams: dict[int, QueuedStream] = {}
        self.statements: list[str] = []
        self.between: list[Callable[[], None]] = []  # done once, when the next statement has been read

    # --- pages -----------------------------------------------------------------------------------------------------

    def open(self, member: Member, page: Page | None = None) -> Page:
        """Connect a page, a new one or one that comes back; nothing is read yet."""
        page = page or Page()
        stream = QueuedStream(member.reader, self.hub, known_place(member.reader, page.position))
        self.streams[id(page)] = stream
        self.hub.join(stream)
        return page

    def stream(self, page: Page) -> QueuedStream:
        return self.streams[id(page)]

    def waiting(self, page: Page) -> bytes:
        """What is on the wire to this page, taken from it."""
        data = b""
        while True:
            try:
                data += self.stream(page)._waiting.get_nowait()
            except queue.Empty:
                return data

    def read(self, *pages: Page) -> None:
        for page in pages:
            page.read(self.waiting(page))

    def cut(self, page: Page, keep: float = 0.0) -> None:
        """The connection breaks; of what was on the wire this share has arrived."""
        data = self.waiting(page)
        page.read(data[: int(len(data) * keep)])
        page.broken()
        self.hub.drop(self.stream(page))

    # --- the hub ---------------------------------------------------------------------------------------------------

    def hear(self) -> None:
        """Everything that is in the air arrives, in order."""
        air, self.world.air = self.world.air, []
        for message in air:
            self.hub.hear(message)

    def bring(self) -> None:
        """Look until nobody is behind."""
        for _ in range(100):
            if not self.hub._behind:
                return
            self.hub.bring()
        raise AssertionError("somebody stays behind for ever")

    def settle(self, *pages: Page) -> None:
        """All that was announced is heard, all that was not is found, and the pages read it."""
        self.hear()
        self.hub.compare()
        self.bring()
        self.read(*pages)

    def asked(self, what: Callable[[], None]) -> list[str]:
        """The statements that this took, those of the transaction left out."""
        self.statements.clear()
        what()
        return [one for one in self.statements if "set_config" not in one]

    def _executed(self, *told: object) -> None:
        self.statements.append(str(told[2]))
        if self.between and "set_config" not in self.statements[-1]:
            self.between.pop(0)()


@pytest.fixture
def world(app: Flask, clean: None, owner: Engine) -> World:
    with app.app_context():
        return World(Builder(owner, SECRET_KEY))


@pytest.fixture
def wire(app: Flask, world: World) -> Iterator[Wire]:
    made = Wire(app, world)
    with app.app_context():
        engines = [db.engine, db.engines["engine"]]
    for engine in engines:
        event.listen(engine, "after_cursor_execute", made._executed)
    yield made
    for engine in engines:
        event.remove(engine, "after_cursor_execute", made._executed)


@pytest.fixture
def shop(world: World) -> object:
    """An organisation."""
    return world.organisation("evergreen")
