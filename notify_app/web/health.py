"""Whether the hub is well, in sentences: what comes in, what leaves by each channel, how the budget for SMS stands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from notify_app.pipeline import budget
from notify_app.pipeline.step import Step
from notify_app.web import spend
from notify_app.web.reader import Reader
from notify_app.web.words import channel_title

__all__ = ["lines", "tone_of"]

LATE = timedelta(minutes=1)
# of a channel's attempts in a day; above the first it is worth a look, above the second something is wrong
WORTH_A_LOOK, WRONG = 0.05, 0.25

INBOUND = """
    SELECT count(*) FILTER (WHERE state = 'accepted') AS waiting, min(received_at) FILTER (WHERE state = 'accepted') AS since,
           count(*) FILTER (WHERE state = 'refused') AS refused, count(*) FILTER (WHERE state = 'failed') AS failed,
           count(*) AS n, max(received_at) AS last
    FROM inbound WHERE organisation_id = :org AND received_at > :day
"""
ATTEMPTS = """
    SELECT d.channel, count(*) AS n, count(*) FILTER (WHERE a.outcome = 'accepted') AS good,
           max(a.finished_at) FILTER (WHERE a.outcome = 'accepted') AS last_good,
           (array_agg(a.error ORDER BY a.finished_at DESC) FILTER (WHERE a.error IS NOT NULL))[1] AS error
    FROM delivery d JOIN attempt a ON a.organisation_id = d.organisation_id AND a.delivery_id = d.id
    WHERE d.organisation_id = :org AND d.created_at > :day AND a.outcome IS NOT NULL
    GROUP BY d.channel ORDER BY d.channel
"""


def lines(work: Step, read: Reader) -> list[dict[str, Any]]:
    """A line for what comes in, one for each channel that was used in the last day, one for each budget there is."""
    day = work.now - timedelta(days=1)
    return [
        _inbound(work.one(INBOUND, day=day), read),
        *(_channel(row, read) for row in work.all(ATTEMPTS, day=day)),
        *_budgets(work),
    ]


def _budgets(work: Step) -> list[dict[str, Any]]:
    stands = budget.standing_of_budget(work)
    return [_budget(bar) for bar in spend.stands(stands)] if stands else []


def _budget(bar: dict[str, Any]) -> dict[str, Any]:
    said = _("%(spent)s of %(whole)s", spent=bar["spent"], whole=bar["whole"])
    line = _line(_("SMS: %(period)s", period=bar["title"]), f"{said}: {bar['text']}", bar["tone"], None)
    return line | {"url": url_for("spend.show")}


def _inbound(row: Any, read: Reader) -> dict[str, Any]:
    title = _("Incoming messages")
    if row.failed:
        text = ngettext("%(num)d could not be applied.", "%(num)d could not be applied.", row.failed)
        return _line(title, text, "bad", read.when(row.last))
    if row.waiting and read.now - row.since > LATE:
        text = ngettext("%(num)d waits.", "%(num)d wait.", row.waiting)
        return _line(title, text, "bad", read.when(row.since))
    if row.refused:
        text = ngettext(
            "%(num)d was refused: the state of its repair did not allow it.",
            "%(num)d were refused: the state of their repairs did not allow them.",
            row.refused,
        )
        return _line(title, text, "warn", read.when(row.last))
    if not row.n:
        return _line(title, _("None in the last 24 hours."), "good", None)
    return _line(
        title, ngettext("%(num)d taken in.", "All %(num)d taken in.", row.n), "good", read.when(row.last)
    )


def _channel(row: Any, read: Reader) -> dict[str, Any]:
    share = 1 - row.good / row.n
    tone = tone_of(share)
    text = _("%(good)d of %(n)d attempts accepted in 24 hours.", good=row.good, n=row.n)
    if row.error and tone != "good":
        text = f"{text} {_('Last error: %(error)s', error=row.error)}"
    line = _line(channel_title(row.channel), text, tone, read.when(row.last_good))
    return line | {"url": url_for("providers.show")}


def tone_of(refused: float) -> str:
    """How a page shows that this share of a day's attempts was in vain."""
    return "bad" if refused > WRONG else "warn" if refused > WORTH_A_LOOK else "good"


def _line(title: str, text: str, tone: str, when: dict[str, str] | None) -> dict[str, Any]:
    return {"title": title, "text": text, "tone": tone, "when": when, "url": ""}
