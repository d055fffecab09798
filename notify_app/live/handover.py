"""Taking a connection over from the server, once Flask has authenticated it and answered.

A stream that is a request costs a greenlet, an environ and a generator for as long as it is open. So the view may
accept an *offer* instead of answering with a body: when it has returned, its status and headers are written to a
duplicate of the connection's descriptor, which then belongs to whoever took the offer, and the server is told that
it is done with the connection. It closes its own descriptor; the connection stays.

What this leans on in gunicorn's gevent worker (`tests/streams/test_contract.py` holds it to that): the environ has
the connection as `gunicorn.socket`; `wsgi.input` leads to what was read and not used; a StopIteration out of the
application ends the connection quietly, by closing that socket and not shutting it down.

An offer is made only where this can be right: a gevent worker that has said so (`permit`), Linux, a GET by HTTP/1.1
without a body, nothing read beyond it, and no TLS (plain text would be written into it). Everywhere else the view has
no offer and answers by a generator.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from gevent.socket import socket as GeventSocket  # noqa: N812

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["OFFER", "Handover", "Offer", "permit"]

OFFER = "hub.handover"  # in the environ
AT_ONCE = 8  # streams that are being authenticated; in a stampede the rest wait, or everybody else would
SEND_BUFFER = 128 * 1024  # of the kernel, which would keep megabytes for a reader who takes nothing
VANISHED_MS = 30_000  # for so long the kernel waits for a peer's sign of life after something was written

Taker = Callable[[int, bytes], None]

_permitted: set[type] = set()  # the class of this process's worker, once it has said so and is one that can


def permit(worker_class: type) -> None:
    """Said by the server's configuration in each worker process: what kind of worker it is. Only gunicorn's own gevent
    worker is one that hands over; others look the same from inside a request, and end connections in another way."""
    if f"{worker_class.__module__}.{worker_class.__qualname__}" == "gunicorn.workers.ggevent.GeventWorker":
        _permitted.add(worker_class)


class Offer:
    """A connection that can be had."""

    def __init__(self, connection: GeventSocket) -> None:
        self.connection = connection
        self.taker: Taker | None = None

    def accept(self, taker: Taker) -> None:
        """Have it: once the answer is complete and its status is 200, `taker` is called with the descriptor, which is
        its own from then on, and with the head of the answer, which it is to write first. The body is not used."""
        self.taker = taker


class Handover:
    """Makes offers to the view at `path`, and carries out those that were accepted."""

    def __init__(self, application: WSGIApplication, path: str) -> None:
        self._application = application
        self._path = path
        self._doors = threading.BoundedSemaphore(AT_ONCE)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != self._path:
            return self._application(environ, start_response)
        offer = environ[OFFER] = _offer(environ)
        begun: list[Any] = []
        with self._doors:
            body = self._application(environ, _noting(begun))
        status, headers, *error = begun
        if offer is None or offer.taker is None or not status.startswith("200 "):
            start_response(status, headers, *error)
            return body
        if close := getattr(body, "close", None):
            close()
        try:
            fd = _duplicate(offer.connection)
        except OSError:  # hung up meanwhile, or no descriptor is left
            start_response("503 Service Unavailable", [("Retry-After", "5"), ("Content-Length", "0")])
            return []
        offer.taker(fd, _head(status, headers))
        raise StopIteration


def _noting(begun: list[Any]) -> StartResponse:
    def start_response(*told: Any) -> Callable[[bytes], object]:
        begun[:] = told
        return _write_nothing

    return start_response


def _write_nothing(_: bytes) -> None:
    raise RuntimeError("Flask gives its body back, it does not write it")


def _offer(environ: WSGIEnvironment) -> Offer | None:
    connection = environ.get("gunicorn.socket")
    # exactly this class: one with TLS is a subclass of it
    possible = bool(_permitted) and type(connection) is GeventSocket and sys.platform == "linux"
    asked = environ["REQUEST_METHOD"] == "GET" and environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    return Offer(connection) if possible and asked and _nothing_more(environ) else None


def _nothing_more(environ: WSGIEnvironment) -> bool:
    """Whether the request has no body and nothing was read beyond it; no for a server that does not tell."""
    if environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ:
        return False
    try:
        return not environ["wsgi.input"].reader.unreader.buf.getvalue()
    except AttributeError:
        return False


def _duplicate(connection: GeventSocket) -> int:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, VANISHED_MS)
    return os.dup(connection.fileno())


def _head(status: str, headers: list[tuple[str, str]]) -> bytes:
    """Flask's own headers. The connection ends with the stream, so no length and no chunks are needed."""
    ours = {"connection", "content-length", "date", "transfer-encoding"}
    lines = [
        f"HTTP/1.1 {status}",
        f"Date: {formatdate(usegmt=True)}",
        *(f"{name}: {value}" for name, value in headers if name.lower() not in ours),
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
