"""Who looks at the pages: Alice of the office, Bob and Tess on the road, Dana whose windshield it is, and Charlie and
Cleo of another organisation, who must see nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event as sql_events

from tests.hub import Hub
from tests.pages import Browser

ALICE_MAIL, BOB_MAIL, DANA_MAIL = "alice@example.com", "bob@example.com", "dana@example.com"
BOB_PHONE, TESS_PHONE, DANA_PHONE = "+12025550102", "+12025550103", "+12025550101"


@dataclass(frozen=True)
class Shop:
    """Two organisations; everything happens in the first."""

    hub: Hub
    other: Hub

    @property
    def alice(self) -> Browser:
        return self.hub.browser("alice")

    @property
    def bob(self) -> Browser:
        return self.hub.browser("bob")

    @property
    def tess(self) -> Browser:
        return self.hub.browser("tess")

    @property
    def charlie(self) -> Browser:
        return self.other.browser("charlie")

    @property
    def cleo(self) -> Browser:
        return self.other.browser("cleo")

    def line(self, key: str, event: str) -> Any:
        """The newest line of this event in somebody's inbox."""
        return self.hub.build.all(
            "SELECT * FROM notification WHERE person_id = :person AND name = :event ORDER BY id DESC",
            person=self.hub.people[key].id,
            event=event,
        )[0]

    def private_path(self, number: str = DANA_PHONE) -> str:
        """The path of the newest private link that went to this phone."""
        texts = [sms.text for _, sms in self.hub.world.texts() if sms.number == number and "/l/" in sms.text]
        return "/l/" + texts[-1].split("/l/")[1].split()[0]


@pytest.fixture
def shop(hub: Hub) -> Iterator[Shop]:
    """Both organisations. What is sent is the stories' matter; here it is as good as expected."""
    hub.office("alice", name="Alice Moreno", email=ALICE_MAIL)
    hub.person("bob", name="Bob Marsh", sms=BOB_PHONE, email=BOB_MAIL)
    hub.person("tess", name="Tess Okoro", sms=TESS_PHONE)
    hub.customer("dana", name="Dana Whitfield", sms=DANA_PHONE, email=DANA_MAIL)
    other = hub.another("harbor", name="Harbor Glass")
    other.office("charlie", name="Charlie Stone")
    other.person("cleo", name="Cleo Park")
    yield Shop(hub, other)
    hub.forget()


@dataclass
class Count:
    """How many statements were executed."""

    statements: list[str] = field(default_factory=list)


@pytest.fixture
def counted(app: Flask) -> Callable[[], AbstractContextManager[Count]]:
    """Counts the statements of a block, of both roles of the application."""
    from notify_app.extensions import db

    with app.app_context():
        engines = list(db.engines.values())

    @contextmanager
    def block() -> Iterator[Count]:
        count = Count()

        def note(_conn: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            count.statements.append(statement)

        for engine in engines:
            sql_events.listen(engine, "before_cursor_execute", note)
        try:
            yield count
        finally:
            for engine in engines:
                sql_events.remove(engine, "before_cursor_execute", note)

    return block
