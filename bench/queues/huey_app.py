"""Huey: its Redis storage that blocks, no results kept."""

from __future__ import annotations

import os

from huey import RedisHuey

from bench.queues.meter import Meter

METER = Meter()

huey = RedisHuey("bench", url=os.environ["QUEUE_URL"], results=False)


@huey.task()
def nothing(message: str) -> None:  # noqa: ARG001 - a job carries something
    """One job."""
    METER.count()


def enqueue(count: int) -> None:
    """So many jobs."""
    for number in range(count):
        nothing(str(number))
