"""Writing to sockets that take little or nothing: what is kept, for how long, for how many; and who is gone."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from notify_app.live import sockets as table
from notify_app.live.sockets import KEPT, Sockets, SocketStream
from notify_app.live.stream import STUCK_SECONDS, Stream, reader_of

Open = Callable[[], tuple[SocketStream, socket.socket]]


class Home:
    """Keeps streams, as the hub does."""

    def __init__(self) -> None:
        self.sockets = Sockets(self)

    def drop(self, stream: Stream) -> None:
        if not stream.closed:
            stream.closed = True
            stream.end(b"last words")


@pytest.fixture
def home() -> Home:
    return Home()


@pytest.fixture
def open_one(home: Home) -> Iterator[Open]:
    clients: list[socket.socket] = []

    def make() -> tuple[SocketStream, socket.socket]:
        ours, theirs = socket.socketpair()
        clients.append(theirs)
        theirs.settimeout(5)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        person = uuid4()
        reader = reader_of(uuid4(), uuid4(), {person: (uuid4(), "", "technician")})
        return SocketStream(reader, home, None, ours.detach(), home.sockets), theirs

    yield make
    for client in clients:
        client.close()


def read(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += client.recv(min(65536, count - len(data)))
    return data


def closed(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return True
    return False


def test_what_does_not_fit_is_kept_and_written_when_there_is_room(home: Home, open_one: Open) -> None:
    stream, client = open_one()
    large = os.urandom(300_000)
    stream.write(large)
    stream.write(b"after it")
    assert home.sockets.held > 200_000
    got = b""
    while home.sockets.held:
        got += client.recv(65536)
        home.sockets.look()
    got += read(client, len(large) + len(b"after it") - len(got))
    assert got == large + b"after it"
    assert not stream.closed
    stream.write(b"and on")
    assert read(client, 6) == b"and on"


def test_who_takes_nothing_is_dropped_when_too_much_waits_and_the_half_frame_is_the_last(
    home: Home, open_one: Open
) -> None:
    stream, client = open_one()
    first = b"x" * 100_000
    stream.write(first)
    written = 0
    while not stream.closed:
        stream.write(b"y" * 1_000)
        written += 1_000
        assert written <= KEPT + 200_000
    assert closed(stream.fd)
    assert (home.sockets.held, len(home.sockets)) == (0, 0)
    got = b""
    while part := client.recv(65536):
        got += part
    assert set(got) == {ord("x")}, "nothing after what did not fit, not even last words"


def test_after_half_a_frame_come_no_last_words_even_if_there_is_room(home: Home, open_one: Open) -> None:
    stream, client = open_one()
    stream.write(b"x" * 100_000)
    client.recv(1_000_000)
    home.drop(stream)
    got = b""
    while part := client.recv(65536):
        got += part
    assert b"last words" not in got


def test_what_waits_for_all_has_a_limit_too(
    home: Home, open_one: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "KEPT_FOR_ALL", 250_000)
    (one, _), (two, _), (three, client) = open_one(), open_one(), open_one()
    one.write(b"x" * 150_000)
    two.write(b"x" * 150_000)
    assert (one.closed, two.closed) == (False, True)
    three.write(b"small")
    assert read(client, 5) == b"small"


def test_who_takes_nothing_for_long_is_stuck_and_who_takes_a_little_is_not(
    home: Home, open_one: Open
) -> None:
    stream, client = open_one()
    assert not stream.stuck(table.time.monotonic() + 1_000)
    stream.write(b"x" * 100_000)
    begun = stream._since
    assert not stream.stuck(begun + STUCK_SECONDS - 1)
    assert stream.stuck(begun + STUCK_SECONDS + 1)
    client.recv(65536)
    home.sockets.look()
    assert stream._since > begun
    assert not stream.stuck(begun + STUCK_SECONDS)


def test_who_hangs_up_is_seen_by_the_epoll(home: Home, open_one: Open) -> None:
    (gone, client), (stays, _) = open_one(), open_one()
    home.sockets.look()
    assert not gone.closed
    client.close()
    home.sockets.look()
    assert gone.closed
    assert closed(gone.fd)
    assert not stays.closed
    assert len(home.sockets) == 1


def test_who_has_hung_up_is_seen_by_a_write(home: Home, open_one: Open) -> None:
    stream, client = open_one()
    client.close()
    stream.write(b"anybody there?")
    assert stream.closed
    stream.write(b"no more")
    assert len(home.sockets) == 0


def test_a_stream_that_ends_in_order_has_last_words(home: Home, open_one: Open) -> None:
    stream, client = open_one()
    stream.write(b"first ")
    home.drop(stream)
    assert read(client, 16) == b"first last words"
    assert client.recv(1) == b""


def test_a_number_that_is_used_again_is_not_taken_for_the_one_before(home: Home, open_one: Open) -> None:
    """The server's own duplicate is still open when ours is closed: the kernel would go on to tell of it."""
    stream, client = open_one()
    servers_own = os.dup(stream.fd)
    home.drop(stream)
    again, _ = open_one()
    client.close()
    home.sockets.look()
    assert not again.closed
    os.close(servers_own)
