"""Many streams on a real server: who is slow, gone or signed out is dropped and leaves no descriptor; a restart is not a
stampede; one person's many streams hurt nobody."""

from __future__ import annotations

import json
import re
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
import redis
from flask import Flask

from notify_app.config import Settings
from notify_app.live.hub import MOST_OF_ONE_ACCOUNT
from tests.conftest import ROOT
from tests.live import LiveServer
from tests.streams.page import Page
from tests.streams.wire import Connection, descriptors, eventually
from tests.streams.world import Member, World

pytestmark = [pytest.mark.proves("B4"), pytest.mark.xdist_group("live")]

GONE_SECONDS = 2.0


class Browser:
    """A page and its connection."""

    def __init__(self, port: int, cookie: str, page: Page | None = None, **how: int) -> None:
        self.page = page or Page()
        self.connection = Connection(port, **how)
        headers = (
            f"Cookie: {cookie}",
            *([f"Last-Event-ID: {self.page.position}"] if self.page.position else []),
        )
        self.connection.ask("/stream", *headers)
        self._read = 0

    def until(self, true: Callable[[Page], object]) -> Page:
        """Read until the page shows it."""
        while not true(self.page):
            part = self.connection.socket.recv(65536)
            assert part, "the stream ended"
            self.take(part)
        return self.page

    def take(self, part: bytes) -> None:
        self.connection.text += part
        head, _, body = self.connection.text.partition(b"\r\n\r\n")
        if body:
            assert b" 200 OK" in head, head
            self.page.read(body[self._read :])
            self._read = len(body)

    def ended(self) -> bool:
        """Read to the end; whether it came in time."""
        before = len(self.connection.text)
        over = self.connection.ended()
        rest, self.connection.text = self.connection.text[before:], self.connection.text[:before]
        self.take(rest)
        self.page.broken()
        return over


class Shop:
    """The server, its world, and browsers in it."""

    def __init__(self, app: Flask, live: LiveServer, world: World) -> None:
        self.app, self.live, self.world = app, live, world
        self.organisation = world.organisation("evergreen")
        self.browsers: list[Browser] = []

    def member(self, name: str) -> Member:
        return self.world.member(name, self.organisation)

    def open(self, *members: Member, **how: int) -> list[Browser]:
        """All of them connect at once; then each is read until its snapshot."""
        opened = [self.connect(one, **how) for one in members]
        for browser in opened:
            browser.until(lambda page: page.events)
        return opened

    def connect(self, member: Member, page: Page | None = None, **how: int) -> Browser:
        self.browsers.append(Browser(self.live.port, self.world.cookie(self.app, member), page, **how))
        return self.browsers[-1]

    def held(self) -> int:
        """How many descriptors of clients the server holds."""
        return descriptors(self.live.worker, self.live.port)

    def until_held(self, count: int, seconds: float = GONE_SECONDS) -> None:
        eventually(lambda: self.held() == count, f"{self.held()} descriptors are {count}", seconds)


@pytest.fixture
def shop(app: Flask, live: LiveServer, world: World, valkey: redis.Redis) -> Iterator[Shop]:
    world.valkey = valkey
    made = Shop(app, live, world)
    yield made
    for browser in made.browsers:
        browser.connection.socket.close()


def _told(count: int) -> Callable[[Page], bool]:
    """Whether a page was told of so many lines."""
    return lambda page: len(page.told) == count


def members(shop: Shop, count: int) -> list[Member]:
    return [shop.member(f"m{number}") for number in range(count)]


# --- who is gone --------------------------------------------------------------------------------------------------------


def _hang_up(one: socket.socket) -> None:
    one.close()


def _reset(one: socket.socket) -> None:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def _shut_half(one: socket.socket) -> None:
    one.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("vanish", [_hang_up, _reset, _shut_half])
def test_who_hangs_up_leaves_no_descriptor_behind(
    shop: Shop, vanish: Callable[[socket.socket], None]
) -> None:
    browsers = shop.open(*members(shop, 40))
    shop.until_held(40)
    for browser in browsers:
        vanish(browser.connection.socket)
    shop.until_held(0)


def test_who_hangs_up_while_the_stream_opens_leaves_no_descriptor_behind(shop: Shop) -> None:
    for one in members(shop, 40):
        shop.connect(one).connection.socket.close()
    shop.open(shop.member("last"))[0].connection.socket.close()
    shop.until_held(0, 5)


def test_a_session_that_is_revoked_ends_its_streams_and_no_others(shop: Shop) -> None:
    marco, priya = members(shop, 2)
    first, second, other = shop.open(marco, marco, priya)
    shop.world.build.run(
        "UPDATE account_session SET revoked_at = hub_now() WHERE id = :id", id=marco.session_id
    )
    begun = time.monotonic()
    assert first.ended()
    assert second.ended()
    assert time.monotonic() - begun < 15
    shop.until_held(1)
    shop.world.put(priya.people[0], "Still here")
    other.until(lambda page: page.told)


def test_a_generator_whose_client_is_gone_ends_at_the_next_heartbeat(shop: Shop) -> None:
    cookie = shop.world.cookie(shop.app, shop.member("marco"))
    for _ in range(5):
        with Connection(shop.live.port) as one:
            one.ask("/stream", f"Cookie: {cookie}", version="1.0").until(b"event: snapshot")
    shop.until_held(0, 20)


# --- who is slow --------------------------------------------------------------------------------------------------------


def test_who_does_not_read_is_dropped_and_misses_nothing(shop: Shop) -> None:
    marco, priya = members(shop, 2)
    (slow,) = shop.open(marco, receive_buffer=4096)
    (quick,) = shop.open(priya)
    both, count = [marco.people[0], priya.people[0]], 0
    while shop.held() == 2:
        assert count < 400, "a reader who takes nothing is not dropped"
        shop.world.spread(both, f"{count:3} {'x' * 20_000}")
        count += 1
        quick.until(_told(count))
    assert slow.ended()
    heard = len(slow.page.told)
    assert 0 < heard < count
    back = shop.connect(marco, slow.page)
    back.until(lambda page: len(page.lines) == count or page.events[-1] == "snapshot")
    assert {one for one, read in shop.world.inbox(marco).items() if not read} >= back.page.lines.keys()
    assert back.page.unread == count


def test_what_is_large_comes_whole_to_who_reads_slowly(shop: Shop) -> None:
    """More than fits into the socket's buffers at once: the rest is kept, and written as it is read."""
    marco = shop.member("marco")
    titles = [f"{number} {'x' * 40_000}" for number in range(30)]
    shop.world.put(marco.people[0], *titles)
    slow = shop.connect(marco, receive_buffer=4096)
    slow.until(lambda page: page.events)
    assert len(slow.page.lines) == len(titles)
    shop.world.put(marco.people[0], "After")
    slow.until(lambda page: page.told)


# --- many ---------------------------------------------------------------------------------------------------------------


def test_fifty_streams_of_one_person_hurt_nobody(shop: Shop) -> None:
    marco, priya = members(shop, 2)
    (other,) = shop.open(priya)
    many = shop.open(*[marco] * 50)
    for number in range(1, 11):
        shop.world.put(marco.people[0], f"To Marco {number}")
        shop.world.put(priya.people[0], f"To Priya {number}")
        other.until(_told(number))
    for browser in many:
        browser.until(_told(10))
        assert browser.page.lines == shop.world.inbox(marco)


def test_beyond_its_limit_an_account_pushes_out_its_own_streams_alone(shop: Shop) -> None:
    marco, priya = members(shop, 2)
    (other,) = shop.open(priya)
    many = [shop.open(marco)[0] for _ in range(MOST_OF_ONE_ACCOUNT + 5)]
    assert all(browser.ended() for browser in many[:5])
    shop.until_held(1 + MOST_OF_ONE_ACCOUNT)
    shop.world.put(priya.people[0], "Still here")
    shop.world.put(marco.people[0], "Still here")
    for browser in (other, *many[5:]):
        browser.until(lambda page: page.told)


def test_idle_streams_hold_no_connection_to_the_database(shop: Shop) -> None:
    shop.open(*members(shop, 60))
    rows = shop.world.build.all(
        "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND usename <> current_user"
    )
    assert len(rows) < 30


def test_a_head_request_opens_no_stream(shop: Shop) -> None:
    cookie = shop.world.cookie(shop.app, shop.member("marco"))
    for version in ("1.0", "1.1"):
        with Connection(shop.live.port) as one:
            one.ask("/stream", f"Cookie: {cookie}", "Connection: close", method="HEAD", version=version)
            assert one.ended()
            assert b"text/event-stream" in one.text
    shop.until_held(0)


def test_without_room_the_answer_is_a_problem_that_says_when_to_come_again(
    database: Settings, app: Flask, world: World, valkey: redis.Redis
) -> None:
    world.valkey = valkey
    with LiveServer(database, cwd=ROOT, descriptors=128) as live:
        shop = Shop(app, live, world)
        everybody = members(shop, 96)
        shop.open(*everybody)
        with Connection(live.port) as one:
            cookie = world.cookie(app, everybody[0])
            head, _, body = one.ask("/stream", f"Cookie: {cookie}").until(b'"title"').partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"Content-Type: application/problem+json" in head
            assert b"Retry-After: 5" in head
            assert json.loads(body)["title"].startswith("Too many pages are open")
        shop.browsers[0].connection.socket.close()
        eventually(lambda: b" 200 " in _status(shop, everybody[1]), "there is room again")
        for browser in shop.browsers:
            browser.connection.socket.close()


def _status(shop: Shop, member: Member) -> bytes:
    with Connection(shop.live.port) as one:
        cookie = shop.world.cookie(shop.app, member)
        return one.ask("/stream", f"Cookie: {cookie}").until(b"\r\n").partition(b"\r\n")[0]


# --- a restart ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_after_a_restart_all_come_back_at_once_and_others_are_served_meanwhile(shop: Shop, how: int) -> None:
    everybody = members(shop, 300)
    pages = [browser.page for browser in shop.open(*everybody)]
    people = [one.people[0] for one in everybody]
    shop.world.spread(people, "Before")
    for browser in shop.browsers:
        browser.until(lambda page: page.told)
    shop.live.stop(how)
    for browser in shop.browsers:
        assert browser.ended()
    if how == signal.SIGTERM:
        assert all(re.search(rb"\n\nretry: \d+\n\n$", browser.connection.text) for browser in shop.browsers)
    shop.world.spread(people, "While it was away")
    shop.live.start()
    back = [shop.connect(one, page) for one, page in zip(everybody, pages, strict=True)]
    assert _slowest(shop, everybody[0]) < 5, "a page waits for the rush of the streams"
    for browser in back:
        browser.until(_told(2))
    shop.world.spread(people, "After")
    for browser in back:
        page = browser.until(_told(3))
        assert page.lines.keys() == {one["id"] for one in page.told}
        assert [one["title"] for one in page.told] == ["Before", "While it was away", "After"]
        assert page.unread == 3
        assert page.events.count("snapshot") == 1
    assert shop.world.inbox(everybody[-1]) == back[-1].page.lines


def _slowest(shop: Shop, member: Member) -> float:
    """Of some ordinary requests, the longest in seconds."""
    cookie = shop.world.cookie(shop.app, member)
    times: list[float] = []
    for path in ("/health", "/inbox", "/stream/state"):
        with Connection(shop.live.port) as one:
            begun = time.monotonic()
            assert b" 200 " in one.ask(path, f"Cookie: {cookie}", "Connection: close").until(b"\r\n")
            times.append(time.monotonic() - begun)
    return max(times)


def test_a_page_that_the_server_lets_go_is_told_when_to_come_back(shop: Shop) -> None:
    (browser,) = shop.open(shop.member("marco"))
    retries: Sequence[bytes] = re.findall(rb"retry: (\d+)", browser.connection.text)
    shop.live.stop(signal.SIGTERM)
    assert browser.ended()
    shop.live.start()
    assert 2_000 <= int(retries[0]) <= 10_000
    assert len(re.findall(rb"retry: (\d+)", browser.connection.text)) == len(retries) + 1
