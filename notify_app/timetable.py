"""What rq-scheduler enqueues and how often. A table of names, so that the scheduler loads nothing of what they do.

Its entries are re-asserted under fixed ids at each start of the scheduler and by the workers' own poll, because
rq-scheduler loses entries when it is killed.
"""

from __future__ import annotations

from dataclasses import dataclass

from notify_app.queue import SWEEP

__all__ = ["SCHEDULE", "Periodic"]


@dataclass(frozen=True)
class Periodic:
    """One line of the schedule: a cron expression (UTC), or seconds between runs."""

    id: str
    job: str
    seconds: int | None = None
    cron: str | None = None
    queue: str = SWEEP


SCHEDULE = (
    Periodic("hub-release", "notify_app.jobs.release", seconds=5),
    Periodic("hub-collect", "notify_app.jobs.collect", seconds=5),
    Periodic("hub-rescue", "notify_app.jobs.rescue", seconds=10),
    Periodic("hub-remind", "notify_app.jobs.remind", seconds=15),
    Periodic("hub-scheduled", "notify_app.jobs.scheduled", seconds=15),
    Periodic("hub-retry", "notify_app.jobs.retry", seconds=300),
    Periodic("hub-retain", "notify_app.jobs.retain", cron="0 2 * * 0"),
)
