"""The one Redis subscription of a web process. Redis may go away: then it is tried again, and what was missed meanwhile
is for the database to tell.

The client library connects and signs in; what comes is read here, because every web process hears what is announced
to anybody, and the library takes longer to read a message than all the rest takes to pass it on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from notify_app.live.announce import CHANNEL, CROWD

__all__ = ["listen_for_ever"]

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0  # seconds
READ_AT_ONCE = 64 * 1024


def listen_for_ever(url: str, hear: Callable[[bytes], None], subscribed: Callable[[], None]) -> None:
    """Call `hear` with each message, and `subscribed` whenever the subscription has begun (again)."""
    pause = FIRST_PAUSE
    while True:
        try:
            with _subscription(url) as stream:
                subscribed()
                pause = FIRST_PAUSE
                for message in _messages(stream):
                    hear(message)
        except (redis.RedisError, OSError) as error:
            log.warning("live: Redis is away (%s); looking into the database meanwhile", type(error).__name__)
        except Exception:
            log.exception("live: an announcement could not be used")
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


@contextmanager
def _subscription(url: str) -> Iterator[BinaryIO]:
    """What Redis sends once it is asked for our channels. Without a limit of time on reading, and without the
    library's own, silent retries: we want to know."""
    pool = redis.ConnectionPool.from_url(
        url, protocol=2, socket_connect_timeout=2, socket_timeout=None, retry=Retry(NoBackoff(), 0)
    )
    connection = pool.get_connection()
    try:
        connection.send_command("SUBSCRIBE", CHANNEL, CROWD)
        connected: Any = connection._sock
        with connected.makefile("rb", buffering=READ_AT_ONCE) as stream:
            yield stream
    finally:
        connection.disconnect()


def _messages(stream: BinaryIO) -> Iterator[bytes]:
    """The messages in a stream of RESP 2: each an array of three strings, the kind, the channel, the message. (Redis
    also confirms each subscription, by an array whose last is a number.)"""
    while True:
        parts = [_string(stream) for _ in range(_number(stream, b"*"))]
        if parts[0] == b"message":
            yield parts[2]


def _string(stream: BinaryIO) -> bytes:
    line = _line(stream)
    if not line.startswith(b"$"):
        return line[1:]
    length = int(line[1:])
    text = stream.read(length + 2)
    if len(text) < length + 2:
        raise ConnectionError("Redis went away in the middle of a message")
    return text[:-2]


def _number(stream: BinaryIO, kind: bytes) -> int:
    line = _line(stream)
    if not line.startswith(kind):
        raise redis.ResponseError(line.decode(errors="replace"))
    return int(line[1:])


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("Redis went away")
    return line[:-2]
