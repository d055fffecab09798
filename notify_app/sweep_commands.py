"""The `flask` commands of what time brings (D7): each sweep by hand or from cron, the schedule, the auditor.

A sweep that ran says what it did and ends with 0, also when there was nothing to do; one that failed says why and ends
with 1, and what was due stays due. All may run at any time, and any number of them at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC
from typing import Any

import click
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from notify_app.config import LARGEST_BATCH, Settings
from notify_app.errors import HubError

__all__ = ["ALL"]

log = logging.getLogger(__name__)

limited = click.option(
    "--limit",
    type=click.IntRange(1, LARGEST_BATCH),
    default=None,
    help="How much one transaction takes; without it, the setting.",
)


def _sweep(run: Callable[..., int], said: str, limit: int | None = None, **more: Any) -> None:
    """Run it and say what it did. Raises ClickException (exit code 1) with the reason when it could not."""
    from notify_app import sweeping

    try:
        done = sweeping.run(run, limit or 0, **more)
    except SQLAlchemyError as error:
        log.exception("a sweep by hand")
        reason = f"The database did not do it ({type(error).__name__}). What is due stays due; run it again."
        raise click.ClickException(reason) from None
    except HubError as error:
        raise click.ClickException(str(error)) from None
    click.echo(said.format(done))


@click.command("release")
@limited
def release(limit: int | None) -> None:
    """Wake the workers of every queue that has something due (quiet hours over, retries, lost wake-ups)."""
    from notify_app.sweeps import release as sweep

    _sweep(sweep.run, "{} queues had something due", limit)


@click.command("collect")
@limited
def collect(limit: int | None) -> None:
    """Let go what was held until now (quiet hours, bursts, limits): one message for each address."""
    from notify_app.sweeps import collect as sweep

    _sweep(sweep.run, "{} held messages decided on", limit)


@click.command("rescue")
@limited
def rescue(limit: int | None) -> None:
    """Take over deliveries whose worker went away."""
    from notify_app.sweeps import rescue as sweep

    _sweep(sweep.run, "{} deliveries taken over", limit)


@click.command("retry")
@limited
def retry(limit: int | None) -> None:
    """What runs every five minutes: rescue, collect, then release."""
    from notify_app.sweeps import collect as then
    from notify_app.sweeps import release as later
    from notify_app.sweeps import rescue as first

    _sweep(first.run, "{} deliveries taken over", limit)
    _sweep(then.run, "{} held messages decided on", limit)
    _sweep(later.run, "{} queues had something due", limit)


@click.command("remind")
@limited
def remind(limit: int | None) -> None:
    """Tell and do what items have planned for now."""
    from notify_app.sweeps import remind as sweep

    _sweep(sweep.run, "{} reminders settled", limit)


@click.command("check-escalations")
@limited
def check_escalations(limit: int | None) -> None:
    """Climb every ladder that is due. From cron: every minute."""
    from notify_app.sweeps import escalate as sweep

    _sweep(sweep.run, "{} levels told", limit)


@click.command("cover")
@limited
def cover(limit: int | None) -> None:
    """Say in advance when nobody of those whom ladders call will be there. From cron: every ten minutes."""
    from notify_app.sweeps import cover as sweep

    _sweep(sweep.run, "{} gaps said", limit)


@click.command("digest")
@limited
def digest(limit: int | None) -> None:
    """Make the digests that are due: one email of what is unread, once for each person and period."""
    from notify_app.sweeps import digest as sweep

    _sweep(sweep.run, "{} digests made", limit)


@click.command("feedback")
@limited
def feedback(limit: int | None) -> None:
    """Look again at what providers have reported of messages before they were written down as sent."""
    from notify_app.sweeps import feedback as sweep

    _sweep(sweep.run, "{} reports done", limit)


@click.command("scheduled")
@limited
def scheduled(limit: int | None) -> None:
    """Send what people have written for now."""
    from notify_app.sweeps import scheduled as sweep

    _sweep(sweep.run, "{} messages settled", limit)


@click.command("warn")
@limited
def warn(limit: int | None) -> None:
    """Tell administrators what the auditor has found for five minutes, and that it is over."""
    from notify_app.sweeps import warn as sweep

    _sweep(sweep.run, "{} organisations told", limit)


@click.command("retain")
@limited
def retain(limit: int | None) -> None:
    """What runs weekly: remove attempts and webhook bodies older than 90 days, expired sessions and links, old answers
    to calls of the API, old findings. Rests between batches."""
    from notify_app import sweeping
    from notify_app.sweeps import retain as sweep

    _sweep(sweep.run, "{} rows removed", limit, go_on=sweeping.Pace())


@click.command("tidy")
@limited
def tidy(limit: int | None) -> None:
    """What runs weekly: remove read notifications of closed permits after 30 days, and those of any closed work after
    HUB_KEEP_DAYS. Rests between batches."""
    from notify_app import sweeping
    from notify_app.sweeps import tidy as sweep

    _sweep(sweep.run, "{} notifications removed", limit, go_on=sweeping.Pace())


@click.command("schedule")
def schedule_command() -> None:
    """Show the periodic jobs, and put back what is missing in Redis."""
    from notify_app.queue import connect
    from notify_app.schedule import assert_schedule
    from notify_app.timetable import chosen

    settings: Settings = current_app.extensions["hub"]
    lines = chosen(settings)
    put = assert_schedule(connect(settings.redis_url), lines)
    for one in lines:
        click.echo(f"{one.id:<14} {one.cron or f'every {one.seconds} s':<14} {one.job}")
    click.echo(f"{put} put back" if lines else "HUB_SCHEDULER is cron: nothing is scheduled here")


@click.command("audit")
def audit() -> None:
    """Look now whether everything runs, and print what does not, office by office. Ends with 0 when all is well, with 1
    when something was found, with 2 when it could not be looked."""
    import psycopg

    from notify_app.audit.checks import said
    from notify_app.audit.look import connect, look, open_findings
    from notify_app.audit.watch import tell
    from notify_app.queue import connect as broker
    from notify_app.timetable import watched

    settings: Settings = current_app.extensions["hub"]
    redis = broker(settings.redis_url)
    try:
        with connect(settings.database_engine_url) as conn:
            # without the auditor's threads nobody gives signs of life, and nobody is missed
            seen = look(conn, redis, watched(settings), young=not settings.audit_every, force=True)
            found = open_findings(conn)
    except psycopg.Error as error:
        click.echo(f"The database did not answer ({type(error).__name__}).", err=True)
        raise click.exceptions.Exit(2) from None
    tell(redis, seen.fresh if seen else [])
    for one in found:
        what = said(one["name"], one["subject"], one["found"], one["total"])
        click.echo(f"{one['slug']}: {what} (since {one['since'].astimezone(UTC):%Y-%m-%d %H:%M} UTC)")
    if found:
        raise click.exceptions.Exit(1)
    click.echo("All is well.")


ALL = (
    release,
    collect,
    rescue,
    retry,
    remind,
    check_escalations,
    cover,
    digest,
    feedback,
    scheduled,
    warn,
    retain,
    tidy,
    schedule_command,
    audit,
)
