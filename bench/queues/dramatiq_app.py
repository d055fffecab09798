"""Dramatiq: its Redis broker, with the middleware that it comes with but for what measures and limits."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, Callbacks, Pipelines, Retries, ShutdownNotifications, TimeLimit

from bench.queues.meter import Meter

METER = Meter()

broker = RedisBroker(
    url=os.environ["QUEUE_URL"],
    middleware=[AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Pipelines(), Retries()],
)
dramatiq.set_broker(broker)


@dramatiq.actor
def nothing(message: str) -> None:  # noqa: ARG001 - a job carries something
    """One job."""
    METER.count()


def enqueue(count: int) -> None:
    """So many jobs."""
    for number in range(count):
        nothing.send(str(number))
