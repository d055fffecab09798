"""Queue names and wake-ups. A wake-up says "look into the database"; it carries no work and may be lost.

`wake` coalesces: while one wake-up of a queue waits, others are dropped. The drain clears the mark *before*
its first claim, so that what is committed after that raises a new one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache
from typing import Any

import redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

__all__ = [
    "BULK",
    "QUEUES",
    "ROUTE",
    "SWEEP",
    "URGENT",
    "HubJob",
    "HubQueue",
    "clear_mark",
    "connect",
    "marked",
    "wake",
]

log = logging.getLogger(__name__)

ROUTE, URGENT, BULK, SWEEP = "route", "urgent", "bulk", "sweep"
QUEUES = (ROUTE, URGENT, BULK, SWEEP)
DRAINS = {
    ROUTE: "notify_app.jobs.route",
    URGENT: "notify_app.jobs.deliver_urgent",
    BULK: "notify_app.jobs.deliver_bulk",
}
MARK_SECONDS = 30  # a mark whose job was lost with Redis' memory expires by itself


class HubJob(Job):
    """A job in JSON, whoever makes it: rq-scheduler cannot be handed a serializer, and pickle runs code."""

    def __init__(self, *args: Any, **more: Any) -> None:
        more["serializer"] = JSONSerializer
        super().__init__(*args[:2], **more)


class HubQueue(Queue):
    """A queue of such jobs."""

    job_class = HubJob


@cache
def connect(url: str) -> redis.Redis:
    """The process's client: short time-outs, because Redis is a hint and nobody waits for a hint."""
    return redis.Redis.from_url(
        url, socket_connect_timeout=1, socket_timeout=2, retry=None, health_check_interval=30
    )


def wake(connection: redis.Redis, names: Iterable[str]) -> None:
    """Wake the workers of these queues. Never raises: without Redis they look by themselves within seconds."""
    try:
        for name in names:
            # said as it is sent: redis-py's own method for it costs half as much again
            if connection.execute_command("SET", _mark(name), 1, "NX", "EX", MARK_SECONDS):
                HubQueue(name, connection=connection).enqueue(
                    DRAINS[name], result_ttl=0, failure_ttl=3600, job_timeout=600
                )
    except redis.RedisError as error:
        log.warning(
            "no wake-up sent (%s); the database is looked into every few seconds", type(error).__name__
        )


def clear_mark(connection: redis.Redis, name: str) -> None:
    """To be called before the first claim of a drain. Never raises."""
    try:
        connection.delete(_mark(name))
    except redis.RedisError as error:
        log.warning(
            "mark of %s not cleared (%s); it expires in %s s", name, type(error).__name__, MARK_SECONDS
        )


def marked(connection: redis.Redis, name: str) -> bool:
    """Whether the queue was woken since its mark was cleared. Never raises: without Redis nobody knows, so it may be."""
    try:
        return bool(connection.exists(_mark(name)))
    except redis.RedisError:
        return True


def _mark(name: str) -> str:
    return f"hub:wake:{name}"
