"""What is posted outside: answered within its time, never inside, and no doubt about whether it may have arrived."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from notify_app.outgoing import KEPT, Inside, Unanswered, post

pytestmark = pytest.mark.proves("S7")
URL = "https://listener.example.com/in?x=1"
OK = b"HTTP/1.1 202 Accepted\r\nRetry-After: 7\r\nContent-Length: %d\r\n\r\n%s"


@contextmanager
def server(behave: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """An address at which each connection is read to the end of its headers, and then as `behave` says."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            line, _ = door.accept()
            with line:
                said = b""
                while not said.endswith(b"hello") and (more := line.recv(65536)):
                    said += more
                behave(line, said)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        thread.join(10)


def test_an_answer_is_its_status_its_headers_and_the_beginning_of_its_body() -> None:
    heard: list[bytes] = []

    def behave(line: socket.socket, said: bytes) -> None:
        heard.append(said)
        line.sendall(OK % (KEPT * 2, b"a" * KEPT * 2))

    with server(behave) as instead:
        answer = post(URL, b"hello", {"Content-Type": "text/plain"}, instead=instead)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (202, "7", b"a" * KEPT)
    assert heard[0].startswith(b"POST /in?x=1 HTTP/1.1\r\n")
    assert b"Content-Type: text/plain\r\n" in heard[0]


def test_a_connection_that_ends_before_the_answer_may_have_arrived() -> None:
    with server(lambda line, _said: line.close()) as instead, pytest.raises(Unanswered):
        post(URL, b"hello", {}, instead=instead)


def test_an_answer_that_drips_is_cut_after_the_whole_time() -> None:
    over = threading.Event()

    def drip(line: socket.socket, _said: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        try:
            while not over.wait(0.05):  # each wait alone is far below the limit
                line.sendall(b"a")
        except OSError:
            pass

    with server(drip) as instead:
        try:
            with pytest.raises(Unanswered):
                post(URL, b"hello", {}, instead=instead, timeout=0.4)
        finally:
            over.set()


def test_nobody_there_is_no_doubt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        nobody = f"http://127.0.0.1:{door.getsockname()[1]}"
    with pytest.raises(ConnectionRefusedError):
        post(URL, b"hello", {}, instead=nobody)


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1/", "https://[::1]/", "https://2130706433/", "https://0x7f.1/", "https://10.0.0.8/"],
)
def test_nothing_is_posted_inside(url: str) -> None:
    with pytest.raises(Inside):
        post(url, b"hello", {})


def test_only_encrypted_addresses_are_called() -> None:
    with pytest.raises(ValueError, match="only https"):
        post("http://listener.example.com/", b"hello", {})
