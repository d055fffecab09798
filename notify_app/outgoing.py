"""Calling an address outside, which somebody has typed: encrypted, never into our own house, never for long.

The name is resolved once, every address that it has is looked at, and the connection goes to one of those: what the name
means a moment later does not matter. A redirect is an answer like any other and is not followed.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Answer", "Inside", "TooMuch", "Unanswered", "check", "get", "post", "public", "read"]

Allowed = Callable[[str], bool]
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last four bytes
PORT = 443
HEADERS = {"User-Agent": "notification-hub", "Connection": "close"}
KEPT = 2048  # bytes of an answer to what was posted that are read


class Inside(Exception):
    """The address leads to this machine or to a private network; nothing was sent there."""


class TooMuch(Exception):
    """The answer is longer than its reader allows."""


class Unanswered(OSError):
    """It may have arrived: the other side was there, and did not answer to the end or in time."""


@dataclass(frozen=True)
class Answer:
    """What came back; the names of `headers` in small letters, of the body its beginning."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def public(address: str) -> bool:
    """Whether an IP address, written in any way, is one of the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        within = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if within is None and ip in NAT64:
            within = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if within is not None:
            return public(str(within))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def check(url: str, *, allowed: Allowed = public, names: bool = True) -> None:
    """Look where an https address leads, and call nobody. Raises Inside and OSError, as a call would; without `names` only one
    that is a number, written in any way, is looked at."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORT
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        found = []
    if found or names:
        _resolved(host, port, allowed)


def get(
    url: str, *, timeout: float = 5.0, allowed: Allowed = public, context: ssl.SSLContext | None = None
) -> int:
    """GET an https address; the status of the answer, whose body is not read.

    Raises Inside when any of its addresses is not `allowed`, ValueError for another scheme, OSError and
    http.client.HTTPException when there is no answer. `timeout` is of each wait, in seconds.
    """
    connection, path = _connection(url, timeout, allowed, context)
    try:
        connection.request("GET", path, headers=HEADERS)
        return connection.getresponse().status
    finally:
        connection.close()


def read(
    url: str,
    *,
    most: int,
    instead: str = "",
    timeout: float = 5.0,
    allowed: Allowed = public,
    context: ssl.SSLContext | None = None,
) -> tuple[int, bytes]:
    """GET an https address: the status of the answer and its body of at most `most` bytes.

    `instead` is where whoever runs the hub wants it asked, if not there (`http://127.0.0.1:8080`): the same path at an
    address that is trusted. Raises what `get` does, and TooMuch.
    """
    connection, path = (
        _trusted(instead, url, timeout) if instead else _connection(url, timeout, allowed, context)
    )
    try:
        connection.request("GET", path, headers=HEADERS)
        answer = connection.getresponse()
        body = answer.read(most + 1)
        if len(body) > most:
            raise TooMuch(f"{urlsplit(url).hostname} answers with more than {most} bytes.")
        return answer.status, body
    finally:
        connection.close()


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    instead: str = "",
    timeout: float = 10.0,
    allowed: Allowed = public,
    context: ssl.SSLContext | None = None,
) -> Answer:
    """POST to an https address, all of it within `timeout` seconds; `instead` as in `read`.

    Raises Inside, ValueError for another scheme, OSError when nobody was there, and Unanswered when it may have arrived.
    """
    connection, path = (
        _trusted(instead, url, timeout) if instead else _connection(url, timeout, allowed, context)
    )
    try:
        connection.connect()
        with _cut_after(connection, timeout) as late:
            try:
                connection.request("POST", path, body, {**HEADERS, **headers})
                answer = connection.getresponse()
                found = {name.lower(): value for name, value in answer.getheaders()}
                read = Answer(answer.status, found, answer.read(KEPT))
            except (OSError, http.client.HTTPException) as error:
                raise Unanswered(f"{type(error).__name__}: {error}") from error
        if late.is_set():  # what was cut looks like an end
            raise Unanswered(f"no whole answer within {timeout:g} s")
        return read
    finally:
        connection.close()


@contextmanager
def _cut_after(connection: http.client.HTTPConnection, seconds: float) -> Iterator[threading.Event]:
    """However slowly the other side drips: a limit of each wait alone would never end. The event says that it was cut."""
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _connection(
    url: str, timeout: float, allowed: Allowed, context: ssl.SSLContext | None
) -> tuple[http.client.HTTPConnection, str]:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"{parts.scheme}: only https:// addresses are called.")
    port = parts.port or PORT
    address = _resolved(parts.hostname, port, allowed)
    return _Pinned(parts.hostname, port, address, timeout, context or ssl.create_default_context()), _path(
        url
    )


def _trusted(instead: str, url: str, timeout: float) -> tuple[http.client.HTTPConnection, str]:
    parts = urlsplit(instead)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=timeout), _path(url)


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"


def _resolved(host: str, port: int, allowed: Allowed) -> str:
    found = [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not all(allowed(one) for one in found):
        raise Inside(f"{host} is an address inside; only public ones are called.")
    return found[0]


class _Pinned(http.client.HTTPSConnection):
    """Connects to one address, and asks for the certificate of the name."""

    def __init__(self, host: str, port: int, address: str, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._address, self._tls = address, context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
