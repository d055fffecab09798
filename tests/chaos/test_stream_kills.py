"""The web server killed while streams are being opened, and restarted again and again while eight writers insert: every
open tab ends with the truth, has missed nothing and has seen nothing twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from flask import Flask
from sqlalchemy import Engine

from notify_app.config import Settings
from notify_app.ids import new_id
from notify_app.secrets import Secrets
from tests.builders import Builder
from tests.chaos.house import SECRET_KEY, House, eventually
from tests.chaos.office import Office
from tests.chaos.tabs import Tab, Tabs
from tests.conftest import ROOT
from tests.conftest import SECRET_KEY as TEST_KEY
from tests.live import LiveServer
from tests.streams.world import Member, World

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(180)]


# --- killed while streams are being opened ------------------------------------------------------------------------------

EVENTS, TABS, RESTLESS, KILLS = 60, 5, 4, 3  # tabs of each technician


def test_web_worker_dies_in_the_middle_of_hand_overs(house: House, office: Office) -> None:
    cookies = _signed_in(house, office)
    with Tabs(house.port, [*cookies.values()] * TABS, restless=[*cookies.values()] * RESTLESS) as tabs:
        load = house.load(office, EVENTS).start()
        for number in range(1, KILLS + 1):
            load.wait(10 * number)
            eventually(tabs.all_open, "all tabs are open")
            worker, (asked, opening) = house.caught(
                house.web_worker, tabs.opening, "streams that are asked for, and streams that are handed over"
            )
            before = tabs.broken()
            house.kill(worker)
            eventually(lambda before=before: tabs.broken() > before, "open streams broke")
            assert asked
            assert opening
        load.finish()
        house.until_quiet(office)
        eventually(tabs.all_open, "all tabs are open again")
        with contextlib.suppress(AssertionError):  # what is wrong is said below
            eventually(lambda: not _wrong(house, office, tabs, cookies), "every tab shows the truth")
        assert _wrong(house, office, tabs, cookies) == ""
        assert tabs.cut_off() >= KILLS
    assert "Traceback" not in house.log("web"), house.log("web")[-3000:]


def _signed_in(house: House, office: Office) -> dict[str, str]:
    """The office's technicians get an account and a session each: the cookie by person."""
    signer = Flask("signer")
    signer.secret_key = SECRET_KEY
    sign = signer.session_interface.get_signing_serializer(signer)  # type: ignore[attr-defined]
    cookies = {}
    for row in house.database.all(
        "SELECT id, name FROM person WHERE organisation_id = %(org)s AND role = 'technician'", org=office.id
    ):
        account, token = new_id(), f"token of {row.id}"
        house.database.run(
            "INSERT INTO account (id, email, name, password_hash) VALUES (%(id)s, %(email)s, %(name)s, 'no password')",
            id=account,
            email=f"{row.name}@{office.slug}.example.com".lower(),
            name=row.name,
        )
        house.database.run(
            "UPDATE person SET account_id = %(account)s WHERE id = %(id)s", account=account, id=row.id
        )
        house.database.run(
            "INSERT INTO account_session (account_id, token_hash, expires_at) "
            "VALUES (%(account)s, %(hash)s, hub_now() + interval '1 day')",
            account=account,
            hash=Secrets.hash_token(token),
        )
        cookies[str(row.id)] = f"hub={sign.dumps({'_user_id': token, '_fresh': True})}"
    return cookies


def _wrong(house: House, office: Office, tabs: Tabs, cookies: dict[str, str]) -> str:
    """Which tab does not show what is in its person's inbox; nothing when all do."""
    tabs.check()
    for person, cookie in cookies.items():
        rows = house.database.all(
            "SELECT id, read_at FROM notification WHERE organisation_id = %(org)s AND person_id = %(person)s "
            "AND withdrawn_at IS NULL",
            org=office.id,
            person=person,
        )
        truth = {str(row.id): row.read_at is not None for row in rows}
        assert truth, f"nobody told {person} anything"
        for tab in tabs.steady:
            if tab.cookie == cookie and tab.page.lines != truth:
                return f"a tab of {person} shows {len(tab.page.lines)} lines, {len(truth)} are true"
    return ""


# --- R7: restarted again and again while eight writers insert -----------------------------------------------------------

WRITERS, EACH, PEOPLE, RESTARTS = 8, 250, 6, 5


@pytest.fixture
def world(app: Flask, clean: None, owner: Engine) -> World:
    with app.app_context():
        return World(Builder(owner, TEST_KEY))


@pytest.fixture
def server(database: Settings) -> Iterator[LiveServer]:
    with LiveServer(database, cwd=ROOT) as running:
        yield running


@pytest.mark.proves("R7")
def test_r7_the_set_at_the_client_equals_the_set_in_the_database(
    server: LiveServer, app: Flask, world: World, valkey: redis.Redis
) -> None:
    world.valkey = valkey
    members = _members(world)
    of = {world.cookie(app, one): one for one in members}
    with Tabs(server.port, [*of, *of]) as tabs:
        eventually(tabs.all_open, "all tabs are open")
        writers = _Writers(world, members)
        for number in range(1, RESTARTS + 1):
            eventually(tabs.all_open, "all tabs are open again")
            writers.pace.release(WRITERS * EACH // RESTARTS)
            if number % 2:
                os.kill(server.worker, signal.SIGKILL)
            else:
                server.restart()
            eventually(lambda number=number: tabs.cut_off() >= number, "every tab was cut off")
        writers.finish()
        eventually(tabs.all_open, "all tabs are open again")
        for tab in tabs.steady:
            member = of[tab.cookie]
            eventually(
                lambda tab=tab, member=member: _same(tabs, tab, world.inbox(member)), "the truth is shown"
            )
        assert sum(len(world.inbox(one)) for one in members) == WRITERS * EACH


def _same(tabs: Tabs, tab: Tab, truth: dict[str, bool]) -> bool:
    tabs.check()
    return tab.page.lines == truth and tab.page.unread == sum(not read for read in truth.values())


def _members(world: World) -> list[Member]:
    shop, lakeside = world.organisation("evergreen"), world.organisation("lakeside")
    return [
        world.member("ana", shop, lakeside),
        *(world.member(f"m{number}", shop) for number in range(PEOPLE - 2)),
    ]


class _Writers:
    """Eight threads that insert lines for random people, and read some of them: a part of it around each restart."""

    def __init__(self, world: World, members: list[Member]) -> None:
        self.pace = threading.Semaphore(0)
        self._world = world
        self._people = [person for one in members for person in one.people]
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._guarded(self._write), args=(number,), daemon=True)
            for number in range(WRITERS)
        ]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        for thread in self._threads:
            thread.join(30)
        assert not self._errors, self._errors

    def _guarded(self, work: Callable[..., None]) -> Callable[..., None]:
        def run(*given: Any) -> None:
            try:
                work(*given)
            except BaseException as error:  # noqa: BLE001  (the test raises it)
                self._errors.append(error)

        return run

    def _write(self, number: int) -> None:
        rng = random.Random(number)
        for _ in range(EACH):
            assert self.pace.acquire(timeout=60)
            person = rng.choice(self._people)
            lines = self._world.put(person, f"From writer {number}")
            if rng.random() < 0.3:
                self._world.mark(person, "read", lines)
