"""Live inboxes that are open while something else is measured: bare sockets that have asked for their stream, have
heard its first words, and are left alone. What comes meanwhile waits in the kernel until the end, when it is shown that
every one of them was open all the time.
"""

from __future__ import annotations

import random
import resource
import selectors
import socket
import time
from typing import Self

from bench.stand import Stand
from notify_app.ids import new_ids
from notify_app.secrets import Secrets

__all__ = ["Onlookers", "raise_file_limit", "technicians"]

AT_ONCE = 32  # that are being opened at a time
GIVE_UP = 60.0  # seconds without any progress
READY = b"event: "  # a stream says at once what is, or that it lives


def raise_file_limit() -> None:
    """As many descriptors as this user may have, for this process and those that it starts from now on."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def technicians(here: Stand, count: int) -> list[str]:
    """The cookies of so many people who are signed in. A sign-in with a password takes 100 ms, so the sessions are
    written as a sign-in would write them."""
    tokens = [f"onlooker-{at}-{random.getrandbits(128):x}" for at in range(count)]
    accounts = new_ids(count)
    with here.admin() as connection, connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO account (id, email, name, password_hash) VALUES (%s, %s, 'Onlooker', '')",
            [(one, f"{one.hex}@evergreen.example") for one in accounts],
        )
        cursor.executemany(
            "INSERT INTO person (organisation_id, account_id, name, role) VALUES (%s, %s, 'Onlooker', 'technician')",
            [(here.organisation.id, one) for one in accounts],
        )
        cursor.executemany(
            "INSERT INTO account_session (account_id, token_hash, expires_at) VALUES (%s, %s, now() + interval '1 day')",
            [(one, Secrets.hash_token(token)) for one, token in zip(accounts, tokens, strict=True)],
        )
        cursor.execute("ANALYZE")
    signer = here.app.session_interface.get_signing_serializer(here.app)  # type: ignore[attr-defined]
    name = here.app.config["SESSION_COOKIE_NAME"]
    return [f"{name}={signer.dumps({'_user_id': token, '_fresh': True})}" for token in tokens]


class Onlookers:
    """`with Onlookers(port, cookies):` has a stream open for each of them; leaving it, all must still be."""

    def __init__(self, port: int, cookies: list[str]) -> None:
        self._port, self._cookies = port, cookies
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        try:
            for first in range(0, len(self._cookies), AT_ONCE):
                self._open(self._cookies[first : first + AT_ONCE])
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        gone = 0 if kind else sum(map(_has_ended, self._sockets))
        self._close()
        if gone:
            raise RuntimeError(f"{gone} of {len(self._cookies)} streams were ended by the server")

    def _open(self, cookies: list[str]) -> None:
        with selectors.DefaultSelector() as waiting:
            for cookie in cookies:
                one = socket.create_connection(("127.0.0.1", self._port))
                self._sockets.append(one)
                lines = (
                    "GET /stream HTTP/1.1",
                    "Host: 127.0.0.1",
                    "Accept: text/event-stream",
                    f"Cookie: {cookie}",
                )
                one.sendall("\r\n".join((*lines, "", "")).encode())
                waiting.register(one, selectors.EVENT_READ, bytearray())
            until = time.monotonic() + GIVE_UP
            while waiting.get_map():
                for key, _ in waiting.select(max(0.0, until - time.monotonic())):
                    part = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    key.data.extend(part)
                    if READY in key.data:
                        waiting.unregister(key.fileobj)
                    elif not part or time.monotonic() > until:
                        raise RuntimeError(f"a stream did not begin: {bytes(key.data[:300])!r}")
                if time.monotonic() > until:
                    raise RuntimeError(f"{len(waiting.get_map())} streams did not begin")

    def _close(self) -> None:
        for one in self._sockets:
            one.close()


def _has_ended(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        while one.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
