"""What rq-scheduler enqueues and how often. A table of names, so that the scheduler loads nothing of what they do.

Its entries are re-asserted under fixed ids at each start of the scheduler and by the workers' own poll, because
rq-scheduler loses entries when it is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from crontab import CronTab

from notify_app.audit.look import Watched
from notify_app.config import Settings
from notify_app.queue import QUEUES, SWEEP

__all__ = ["SCHEDULE", "Periodic", "chosen", "longest", "watched"]


@dataclass(frozen=True)
class Periodic:
    """One line of the schedule: a cron expression (UTC), or seconds between runs. `every` and `at` say which setting
    replaces them."""

    id: str
    job: str
    seconds: int | None = None
    cron: str | None = None
    queue: str = SWEEP
    every: Callable[[Settings], timedelta] | None = field(default=None, compare=False)
    at: Callable[[Settings], str] | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The job's own name, which is its sweep's."""
        return self.job.rpartition(".")[2]

    @property
    def command(self) -> str:
        """What it is called by hand and in cron's lines."""
        return COMMANDS.get(self.name, self.name)

    def under(self, settings: Settings) -> Periodic:
        """The line as these settings have it."""
        seconds = int(self.every(settings).total_seconds()) if self.every else self.seconds
        return replace(self, seconds=seconds, cron=self.at(settings) if self.at else self.cron)


COMMANDS = {"escalate": "check-escalations"}  # where it is not the sweep's own name
SCHEDULE = (
    Periodic("hub-release", "notify_app.jobs.release", seconds=5, every=lambda s: s.release_every),
    Periodic("hub-collect", "notify_app.jobs.collect", seconds=5, every=lambda s: s.collect_every),
    Periodic("hub-rescue", "notify_app.jobs.rescue", seconds=10, every=lambda s: s.rescue_every),
    Periodic("hub-escalate", "notify_app.jobs.escalate", seconds=10, every=lambda s: s.escalate_every),
    Periodic("hub-remind", "notify_app.jobs.remind", seconds=15, every=lambda s: s.remind_every),
    Periodic("hub-scheduled", "notify_app.jobs.scheduled", seconds=15, every=lambda s: s.scheduled_every),
    Periodic("hub-cover", "notify_app.jobs.cover", seconds=600, every=lambda s: s.cover_every),
    Periodic("hub-digest", "notify_app.jobs.digest", seconds=15, every=lambda s: s.digest_every),
    Periodic("hub-warn", "notify_app.jobs.warn", seconds=30, every=lambda s: s.warn_every),
    Periodic("hub-feedback", "notify_app.jobs.feedback", seconds=5, every=lambda s: s.feedback_every),
    Periodic("hub-retry", "notify_app.jobs.retry", seconds=300, every=lambda s: s.retry_every),
    Periodic("hub-tidy", "notify_app.jobs.tidy", cron="0 0 * * 0", at=lambda s: s.tidy_at),
    Periodic("hub-retain", "notify_app.jobs.retain", cron="0 2 * * 0", at=lambda s: s.retain_at),
)
# rescue and release once more, which are noted under their own names
COMPOSED = ("retry",)
LATE = 3  # so many intervals without a run, and half a minute, are no chance any more
GRACE = timedelta(days=1)  # of what runs once in days
A_MONDAY = datetime(2024, 1, 1)  # noqa: DTZ001  (cron lines know no zone; gaps are the same from any day)


def chosen(settings: Settings) -> tuple[Periodic, ...]:
    """What rq-scheduler holds: every line under these settings, or nothing where cron runs the sweeps."""
    return tuple(one.under(settings) for one in SCHEDULE) if settings.scheduler == "rq" else ()


def longest(settings: Settings) -> Mapping[str, float]:
    """By sweep, how many seconds may lie between two runs that ended well before something is wrong."""
    return {
        one.name: LATE * one.seconds + 30.0 if one.seconds else _gap(one.cron or "") + GRACE.total_seconds()
        for one in (line.under(settings) for line in SCHEDULE)
        if one.name not in COMPOSED
    }


def watched(settings: Settings) -> Watched:
    """What the auditor is to find under these settings."""
    return Watched(
        every=settings.audit_every,
        queues=QUEUES,
        scheduler=settings.scheduler == "rq",
        entries=tuple(one.id for one in chosen(settings)),
        sweeps=longest(settings),
    )


def _gap(line: str) -> float:
    """The longest of the next gaps between two times of a cron line, in seconds."""
    times, at, gaps = CronTab(line), A_MONDAY, []
    for _ in range(10):
        gap = times.next(now=at, default_utc=True)
        if gap is None:
            break
        gaps.append(gap)
        at += timedelta(seconds=gap)
    return float(max(gaps[1:], default=GRACE.total_seconds()))
