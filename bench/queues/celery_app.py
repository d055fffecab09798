"""Celery: acknowledged early, no results kept, nothing told to anybody."""

from __future__ import annotations

import os

from celery import Celery

from bench.queues.meter import Meter

METER = Meter()
URL = os.environ["QUEUE_URL"].replace("unix://", "redis+socket://")

app = Celery("bench", broker=URL)
app.conf.update(
    task_ignore_result=True,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=32,
    broker_connection_retry_on_startup=True,
)


@app.task(name="nothing")
def nothing(message: str) -> None:  # noqa: ARG001 - a job carries something
    """One job."""
    METER.count()


def enqueue(count: int) -> None:
    """So many jobs."""
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(count):
            nothing.apply_async((str(number),), producer=producer)
