"""How the providers do: each account with its standing, what it took and refused for this organisation, and what waits for it.

Standings are the installation's, and are said without a word of any other organisation; numbers are this one's own. An
administrator may have an account tried at once instead of after its pause: one message tries it, as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.channels import OFF, asked, offered
from notify_app.errors import NotFound
from notify_app.extensions import db
from notify_app.pipeline import sql
from notify_app.pipeline.gate import STANDINGS, standing_of
from notify_app.pipeline.step import hub, step
from notify_app.policy.channel import ChannelType
from notify_app.policy.provider import Standing
from notify_app.web.guard import allow
from notify_app.web.health import tone_of
from notify_app.web.identity import viewer
from notify_app.web.reader import Reader, reader
from notify_app.web.words import channel_title
from notify_app.work import replay

__all__ = ["blueprint"]

blueprint = Blueprint("providers", __name__)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

USED = """
    SELECT d.channel, coalesce(a.account, a.provider) AS name, count(*) AS n,
           count(*) FILTER (WHERE a.outcome = 'accepted') AS good,
           count(*) FILTER (WHERE a.outcome = 'ambiguous') AS doubtful,
           count(*) FILTER (WHERE a.started_at > :hour) AS n_hour,
           count(*) FILTER (WHERE a.started_at > :hour AND a.outcome = 'accepted') AS good_hour,
           percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM a.finished_at - a.started_at)) AS took,
           max(a.finished_at) FILTER (WHERE a.outcome = 'accepted') AS last_good,
           max(a.finished_at) FILTER (WHERE a.outcome <> 'accepted') AS last_bad,
           (array_agg(a.error ORDER BY a.finished_at DESC) FILTER (WHERE a.error IS NOT NULL))[1] AS error
    FROM attempt a JOIN delivery d ON d.organisation_id = a.organisation_id AND d.id = a.delivery_id
    WHERE a.organisation_id = :org AND a.started_at > :day GROUP BY 1, 2
"""
WAITING = """
    SELECT channel, count(*) AS n, min(due_at) AS since FROM delivery
    WHERE organisation_id = :org AND state = 'queued' AND next_attempt_at > :past GROUP BY channel
"""


@blueprint.get("/providers")
@allow("office")
def show() -> ResponseReturnValue:
    """The page."""
    with step(viewer().organisation_id) as work:
        read = reader(work.now)
        used = {
            (row.channel, row.name): row for row in work.all(USED, day=work.now - DAY, hour=work.now - HOUR)
        }
        waiting = {row.channel: row for row in work.all(WAITING, past=work.now - 30 * DAY)}
    with db.engines["engine"].connect() as conn:
        standing = {(row.channel, row.name): standing_of(row) for row in conn.execute(STANDINGS)}
    return render_template(
        "providers.html",
        channels=[_channel(one.name, used, standing, waiting.get(one.name), read) for one in _providers()],
        may_try=viewer().role == "administrator",
    )


def _channel(
    channel: str,
    used: Mapping[tuple[str, str], Any],
    standing: Mapping[tuple[str, str], Standing],
    waits: Any,
    read: Reader,
) -> dict[str, Any]:
    names = sorted({name for of, name in (*used, *standing) if of == channel})
    provider = asked(hub(), channel)[0]
    return {
        "channel": channel,
        "title": channel_title(channel),
        "provider": "" if provider == OFF else provider,
        "accounts": [
            _account(channel, name, used.get((channel, name)), standing.get((channel, name)), read)
            for name in names
        ],
        "waiting": f"{waits.n:,}" if waits else "",
        "since": read.when(waits.since) if waits else None,
    }


def _account(channel: str, name: str, used: Any, standing: Standing | None, read: Reader) -> dict[str, Any]:
    until = standing.paused_until if standing else None
    paused = until is not None
    rate = standing.share(read.now) if standing else 1.0
    tone = tone_of(1 - used.good / used.n) if used and used.n else "good"
    if paused:
        tone, state = "bad", _("Left alone")
    elif tone == "bad":
        state = _("Much is refused")
    elif tone == "warn" or rate < 1:
        tone, state = "warn", _("Worth a look")
    else:
        state = _("Works")
    return {
        "channel": channel,
        "name": name,
        "tone": tone,
        "state": state,
        "paused": paused,
        "until": read.when(until),
        "over": until is not None and until <= read.now,
        "slowed": f"{rate:.0%}" if rate < 1 else "",
        "hour": _of(used.good_hour, used.n_hour) if used else "",
        "day": _of(used.good, used.n) if used else "",
        "doubtful": f"{used.doubtful:,}" if used and used.doubtful else "",
        "took": [f"{one:.2f} s" for one in used.took] if used and used.took else [],
        "error": (used.error or "") if used else "",
        "last_good": read.when(used.last_good) if used else None,
        "last_bad": read.when(used.last_bad) if used else None,
    }


def _providers() -> list[ChannelType]:
    """The channels whose providers are the installation's. An endpoint is an organisation's own, and has its page."""
    return [one for one in offered(hub()) if one.personal]


def _of(good: int, n: int) -> str:
    return _("%(good)s of %(n)s", good=f"{good:,}", n=f"{n:,}") if n else _("none")


@blueprint.post("/providers/try")
@allow("administrator")
def try_now() -> ResponseReturnValue:
    """Have the next message try an account that is left alone; what waits for it is the next."""
    values = {"channel": request.form.get("channel", ""), "name": request.form.get("name", "")}
    if values["channel"] not in [one.name for one in _providers()]:
        raise NotFound("There is no such account.")
    with db.engines["engine"].begin() as conn:
        found = conn.execute(sql.TRY_ACCOUNT, values).rowcount
    if found:
        with step(viewer().organisation_id) as work:
            replay.hasten_waiting(work, values["channel"])
        flash(_("The next message tries it."), "ok")
    else:
        flash(_("It is not left alone any more."), "ok")
    return redirect(url_for(".show"), 303)
