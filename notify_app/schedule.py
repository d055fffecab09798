"""The periodic jobs in Redis: put there, and put back when Redis or a killed scheduler has lost them.

rq-scheduler is a metronome that may miss a beat: nothing depends on it but how soon a sweep runs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import redis
from rq_scheduler import Scheduler

from notify_app.queue import SWEEP, HubJob, HubQueue
from notify_app.timetable import SCHEDULE, Periodic

__all__ = ["assert_schedule", "make_scheduler"]

log = logging.getLogger(__name__)


def make_scheduler(connection: redis.Redis) -> Scheduler:
    """A scheduler whose jobs are JSON and which looks every second."""
    return Scheduler(
        queue_name=SWEEP, connection=connection, interval=1, job_class=HubJob, queue_class=HubQueue
    )


def assert_schedule(
    connection: redis.Redis, lines: Sequence[Periodic] = SCHEDULE, *, anew: bool = False
) -> int:
    """Put back what is missing of `lines` (all of it when `anew`), drop what is not among them. Returns how many
    entries were put. Never raises for Redis' sake."""
    scheduler = make_scheduler(connection)
    try:
        _forget_unknown(connection, scheduler, {one.id for one in lines})
        missing = [one for one in lines if anew or not _present(connection, scheduler, one)]
        for one in missing:
            _put(scheduler, one)
    except redis.RedisError as error:
        log.warning("schedule not asserted: %s", type(error).__name__)
        return 0
    return len(missing)


def _present(connection: redis.Redis, scheduler: Scheduler, one: Periodic) -> bool:
    # an entry whose job is gone would crash the scheduler or be dropped by it
    return one.id in scheduler and bool(connection.exists(HubJob.key_for(one.id)))


def _put(scheduler: Scheduler, one: Periodic) -> None:
    # the job's hash must outlive its runs: rq-scheduler enqueues the same job again
    if one.cron:
        scheduler.cron(one.cron, one.job, id=one.id, queue_name=one.queue, result_ttl=-1, timeout=600)
    else:
        start = datetime.now(UTC) + timedelta(seconds=one.seconds or 0)
        scheduler.schedule(
            start, one.job, interval=one.seconds, id=one.id, queue_name=one.queue, result_ttl=-1, timeout=600
        )


def _forget_unknown(connection: redis.Redis, scheduler: Scheduler, known: set[str]) -> None:
    entries: list[bytes] = list(connection.zrange(scheduler.scheduled_jobs_key, 0, -1))  # type: ignore[arg-type]
    for name in (raw.decode() for raw in entries):
        if name not in known:
            scheduler.cancel(name)
