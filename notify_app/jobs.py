"""What RQ calls: functions of a few lines that take no work with them, only the hint to look. When the sweeps are
called stands in `timetable`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from notify_app import process, sweeping
from notify_app.queue import BULK, ROUTE, URGENT
from notify_app.sweeps import collect as collect_sweep
from notify_app.sweeps import cover as cover_sweep
from notify_app.sweeps import digest as digest_sweep
from notify_app.sweeps import escalate as escalate_sweep
from notify_app.sweeps import feedback as feedback_sweep
from notify_app.sweeps import release as release_sweep
from notify_app.sweeps import remind as remind_sweep
from notify_app.sweeps import rescue as rescue_sweep
from notify_app.sweeps import retain as retain_sweep
from notify_app.sweeps import scheduled as scheduled_sweep
from notify_app.sweeps import tidy as tidy_sweep
from notify_app.sweeps import warn as warn_sweep
from notify_app.timetable import SCHEDULE, Periodic

__all__ = [
    "SCHEDULE",
    "Periodic",
    "collect",
    "cover",
    "deliver_bulk",
    "deliver_urgent",
    "digest",
    "escalate",
    "feedback",
    "release",
    "remind",
    "rescue",
    "retain",
    "retry",
    "route",
    "scheduled",
    "sweep",
    "tidy",
    "warn",
]


def route() -> None:
    """Take and route what was accepted."""
    process.current().drain(ROUTE)


def deliver_urgent() -> None:
    """Send what is urgent and due."""
    process.current().drain(URGENT)


def deliver_bulk() -> None:
    """Send the rest of what is due."""
    process.current().drain(BULK)


def release() -> None:
    """Wake whoever has something due."""
    sweep(release_sweep.run)


def collect() -> None:
    """Let go what was held until now, together (A8, A14)."""
    sweep(collect_sweep.run)


def remind() -> None:
    """Tell and do what was planned for now (E4)."""
    sweep(remind_sweep.run)


def escalate() -> None:
    """Tell the next level of what waits too long (D4)."""
    sweep(escalate_sweep.run)


def cover() -> None:
    """Say in advance when nobody is there."""
    sweep(cover_sweep.run)


def scheduled() -> None:
    """Send what people have written for now."""
    sweep(scheduled_sweep.run)


def digest() -> None:
    """Make the digests that are due (A12)."""
    sweep(digest_sweep.run)


def rescue() -> None:
    """Take over what a dead worker held."""
    sweep(rescue_sweep.run)


def feedback() -> None:
    """Look again at reports of providers that came early."""
    sweep(feedback_sweep.run)


def retry() -> None:
    """Every five minutes, and with each look of the workers' own, pick up what fell through (A11)."""
    sweep(rescue_sweep.run)
    sweep(collect_sweep.run)
    sweep(release_sweep.run)


def warn() -> None:
    """Tell administrators what the auditor has found for minutes, and that it is over."""
    sweep(warn_sweep.run)


def retain() -> None:
    """Weekly: let go of what is old (A13)."""
    _gently("retain", retain_sweep.run)


def tidy() -> None:
    """Weekly: old notifications go (D5, C8)."""
    _gently("tidy", tidy_sweep.run)


def _gently(name: str, run: Callable[..., int]) -> None:
    """Beside the other jobs, at half speed, and no longer than the process lives."""
    here = process.current()
    pace = sweeping.Pace(here.rest, lambda: not here.stopping)
    here.aside(name, lambda: sweep(run, go_on=pace))


def sweep(run: Callable[..., int], limit: int = 0, **more: Any) -> int:
    """Run one sweep now, in the application's context."""
    with process.current().app.app_context():
        return sweeping.run(run, limit, **more)
