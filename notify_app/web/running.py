"""“Is everything running?”: what the auditor has found for this office, and what is behind it: what waits, which processes
live, when each sweep last ran. Only reads rows; what concerns the whole installation is said in general words.

Signs of life and runs are compared with real time, as they are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from notify_app.audit.checks import CHECKS, check, meaning, said, sweep_title
from notify_app.config import Settings
from notify_app.pipeline.step import Step, hub, step
from notify_app.queue import BULK, ROUTE, SWEEP, URGENT
from notify_app.timetable import longest, watched
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.reader import Reader, reader

__all__ = ["blueprint", "in_short"]

blueprint = Blueprint("running", __name__)

UNSEEN = timedelta(seconds=90)  # without a look for so long, nobody knows
OVER_DAYS, OVER = timedelta(days=7), 20
COUNT_UP_TO = 1000

FINDINGS = """
    SELECT name, min(subject) AS subject, sum(found) AS found, max(total) AS total, min(since) AS since,
           min(oldest_at) AS oldest_at
    FROM audit_finding WHERE organisation_id = :org AND cleared_at IS NULL
    GROUP BY name, CASE WHEN name = ANY(:one) THEN '' ELSE subject END ORDER BY min(since), name, min(subject)
"""
WELL_AGAIN = """
    SELECT name, subject, found, total, since, cleared_at FROM audit_finding
    WHERE organisation_id = :org AND cleared_at > :since ORDER BY cleared_at DESC, id LIMIT :most
"""
LAST = """
    SELECT looked_at, done_at IS NULL OR done_at < clock_timestamp() - CAST(:unseen AS interval) AS unseen,
           queues, pinged_at, ping_error FROM audit_run
"""
SHORT = """
    SELECT (SELECT count(DISTINCT name) FROM audit_finding WHERE organisation_id = :org AND cleared_at IS NULL) AS wrong,
           (SELECT coalesce(done_at, began_at) < clock_timestamp() - CAST(:unseen AS interval) FROM audit_run) AS unseen
"""
WAITING = """
    SELECT
      (SELECT count(*) FROM (SELECT FROM inbound WHERE organisation_id = :org AND state = 'accepted' LIMIT :most) AS w) AS route,
      (SELECT count(*) FROM (SELECT FROM delivery WHERE organisation_id = :org AND state = 'queued' AND priority = 1
                               AND next_attempt_at <= :now LIMIT :most) AS w) AS urgent,
      (SELECT count(*) FROM (SELECT FROM delivery WHERE organisation_id = :org AND state = 'queued' AND priority > 1
                               AND next_attempt_at <= :now LIMIT :most) AS w) AS bulk,
      (SELECT count(*) FROM (SELECT FROM delivery WHERE organisation_id = :org AND state IN ('queued', 'held')
                               AND next_attempt_at > :now LIMIT :most) AS w) AS later,
      (SELECT count(*) FROM (SELECT FROM reminder WHERE organisation_id = :org AND state = 'pending'
                               AND due_at <= :now LIMIT :most) AS w) AS due
"""
PROCESSES = """
    SELECT kind, queues, clock_timestamp() - seen_at <= CAST(:stale AS interval) AS lives,
           clock_timestamp() - seen_at AS unseen
    FROM process_beat ORDER BY seen_at DESC
"""
SWEEPS = (
    "SELECT name, ended_at, clock_timestamp() - ended_at AS ago, error, failed_at, seconds FROM sweep_run"
)


@blueprint.get("/running")
@allow("office")
def show() -> ResponseReturnValue:
    """The page."""
    off = not hub().audit_every
    with step(viewer().organisation_id) as work:
        read = reader(work.now)
        last = work.one(LAST, unseen=UNSEEN)
        depths = (last.queues if last else None) or {}
        page = {
            "off": off,
            "findings": _findings(work, read),
            "over": _over(work, read),
            "looked": read.when(last.looked_at) if last else None,
            "unseen": last is None or last.unseen,
            "waiting": _waiting(work),
            "processes": [] if off else _processes(work, read, depths),
            "sweeps": _sweeps(work, read),
            "heartbeat": _heartbeat(last, read),
        }
    return render_template("running.html", **page)


def in_short(work: Step) -> str:
    """For a chip: how much is wrong, or that nobody has looked; '' when all is well, or before the first look."""
    row = work.one(SHORT, unseen=UNSEEN)
    if row.wrong:
        return ngettext("%(num)d thing does not run", "%(num)d things do not run", row.wrong)
    return _("Nobody looks whether all runs") if row.unseen and hub().audit_every else ""


def _findings(work: Step, read: Reader) -> list[dict[str, Any]]:
    return [
        {
            "title": said(row.name, row.subject, int(row.found), row.total),
            "means": meaning(row.name, row.subject),
            "todo": check(row.name).todo,
            "since": read.when(row.since),
            "oldest": read.when(row.oldest_at),
        }
        for row in work.all(FINDINGS, one=[one.name for one in CHECKS if not one.each])
    ]


def _over(work: Step, read: Reader) -> list[dict[str, Any]]:
    return [
        {
            "title": said(row.name, row.subject, row.found, row.total),
            "since": read.when(row.since),
            "lasted": read.span(row.cleared_at - row.since),
        }
        for row in work.all(WELL_AGAIN, since=work.now - OVER_DAYS, most=OVER)
    ]


def _waiting(work: Step) -> list[dict[str, str]]:
    row = work.one(WAITING, now=work.now, most=COUNT_UP_TO + 1)
    titles = {
        "route": (_("Incoming messages"), _("to be taken in")),
        "urgent": (_("Urgent messages"), _("to be sent now")),
        "bulk": (_("Other messages"), _("to be sent now")),
        "later": (_("Messages for later"), _("after quiet hours, or tried again")),
        "due": (_("Reminders"), _("whose time has come")),
    }
    return [
        {"title": title, "note": note, "count": _at_most(getattr(row, name))}
        for name, (title, note) in titles.items()
    ]


def _at_most(count: int) -> str:
    return f"{count:,}" if count <= COUNT_UP_TO else f"{COUNT_UP_TO:,}+"


def _processes(work: Step, read: Reader, depths: Mapping[str, int]) -> list[dict[str, Any]]:
    """A line for each queue and one for the scheduler; `depths` are the jobs that waited when it was last looked."""
    settings: Settings = hub()
    rows = work.all(PROCESSES, stale=watched(settings).stale)
    jobs = {
        ROUTE: _("Takes in what arrives, decides who is told"),
        URGENT: _("Sends what is urgent"),
        BULK: _("Sends the rest"),
        SWEEP: _("Does what time brings"),
    }
    lines = []
    for queue, title in jobs.items():
        depth = depths.get(queue, 0)
        note = ngettext("%(num)d job waits", "%(num)d jobs wait", depth) if depth else ""
        lines.append(_process(title, [row for row in rows if queue in row.queues], read, note))
    if settings.scheduler == "rq":
        schedulers = [row for row in rows if row.kind == "scheduler"]
        lines.append(_process(_("Scheduler: says when time has come"), schedulers, read))
    return lines


def _process(title: str, rows: list[Any], read: Reader, note: str = "") -> dict[str, Any]:
    alive = sum(row.lives for row in rows)
    if alive:
        tone, text = "good", ngettext("running", "%(num)d running", alive)
    elif rows:
        tone, text = "bad", _("not seen for %(span)s", span=read.span(min(row.unseen for row in rows)))
    else:
        tone, text = "bad", _("none")
    return {"title": title, "tone": tone, "text": text, "note": note}


def _sweeps(work: Step, read: Reader) -> list[dict[str, Any]]:
    rows = {row.name: row for row in work.all(SWEEPS)}
    return [_sweep(name, seconds, rows.get(name), read) for name, seconds in longest(hub()).items()]


def _sweep(name: str, seconds: float, row: Any, read: Reader) -> dict[str, Any]:
    line = {"title": sweep_title(name), "name": name, "text": _("not yet"), "when": None, "tone": "plain"}
    if row is None:
        return line
    if row.ended_at is not None:
        late = row.ago.total_seconds() > seconds
        ran: datetime = read.now - row.ago
        line |= {"when": read.when(ran), "text": "", "tone": "bad" if late else "good"}
    if row.error:
        line |= {"text": _("the last run failed"), "tone": "bad"}
    return line


def _heartbeat(last: Any, read: Reader) -> dict[str, Any] | None:
    """What became of the last call of the address outside; None where none is set."""
    if not hub().heartbeat_url:
        return None
    if last is None or last.pinged_at is None:
        return {"text": _("not called yet"), "tone": "plain", "when": None}
    problem = _("It did not take it: %(why)s", why=last.ping_error) if last.ping_error else ""
    return {"text": problem, "tone": "bad" if problem else "good", "when": read.when(last.pinged_at)}
