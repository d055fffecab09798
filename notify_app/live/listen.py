"""The one Redis subscription of a web process. Redis may go away: then it is tried again, and what was missed meanwhile
is for the database to tell."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from notify_app.live.announce import CHANNEL, CROWD

__all__ = ["listen_for_ever"]

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0  # seconds


def listen_for_ever(url: str, hear: Callable[[bytes], None], subscribed: Callable[[], None]) -> None:
    """Call `hear` with each message, and `subscribed` whenever the subscription has begun (again)."""
    pause = FIRST_PAUSE
    while True:
        try:
            listener = _subscribe(url)
            subscribed()
            pause = FIRST_PAUSE
            for message in listener.listen():
                hear(message["data"])
        except redis.RedisError as error:
            log.warning("live: Redis is away (%s); looking into the database meanwhile", type(error).__name__)
        except Exception:
            log.exception("live: an announcement could not be used")
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _subscribe(url: str) -> redis.client.PubSub:
    """Without a limit of time on reading, and without the library's own, silent retries: we want to know."""
    connection = redis.Redis.from_url(
        url,
        socket_connect_timeout=2,
        socket_timeout=None,
        retry=Retry(NoBackoff(), 0),
    )
    listener = connection.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(CHANNEL, CROWD)
    return listener
