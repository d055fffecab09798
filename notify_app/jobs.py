"""What RQ calls: functions of a few lines that take no work with them, only the hint to look. When the sweeps are
called stands in `timetable`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from notify_app import clock, process
from notify_app.extensions import db
from notify_app.queue import BULK, ROUTE, URGENT
from notify_app.sweeps import collect as collect_sweep
from notify_app.sweeps import release as release_sweep
from notify_app.sweeps import remind as remind_sweep
from notify_app.sweeps import rescue as rescue_sweep
from notify_app.sweeps import retain as retain_sweep
from notify_app.sweeps import scheduled as scheduled_sweep
from notify_app.timetable import SCHEDULE, Periodic

__all__ = [
    "SCHEDULE",
    "Periodic",
    "collect",
    "deliver_bulk",
    "deliver_urgent",
    "release",
    "remind",
    "rescue",
    "retain",
    "retry",
    "route",
    "scheduled",
    "sweep",
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


def scheduled() -> None:
    """Send what people have written for now."""
    sweep(scheduled_sweep.run)


def rescue() -> None:
    """Take over what a dead worker held."""
    sweep(rescue_sweep.run)


def retry() -> None:
    """Every five minutes, and with each look of the workers' own, pick up what fell through (A11)."""
    sweep(rescue_sweep.run)
    sweep(collect_sweep.run)
    sweep(release_sweep.run)


def retain() -> None:
    """Weekly: let go of what is old (A13)."""
    sweep(retain_sweep.run)


def sweep(run: Callable[[datetime], int]) -> int:
    """Run one sweep now, in the application's context."""
    with process.current().app.app_context():
        with db.engines["engine"].connect() as conn:
            now = clock.now(conn)
        return run(now)
