"""Deliveries: what became of each message, found by whom it was for, how it ended and why; each with every attempt, tried at
once or sent again. What ended badly stands by its cause in `dead_letters`.

The list is of the last days, newest first; titles are read for the rows that are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from notify_app.channels.base import hinted
from notify_app.errors import Invalid, NotFound
from notify_app.pipeline.step import Step, step
from notify_app.policy.channel import channels
from notify_app.policy.reasons import Reason
from notify_app.web.dead_letters import cause_title, flash_sent, refusals
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.paging import page
from notify_app.web.reader import Reader, reader
from notify_app.web.spreadsheet import sheet
from notify_app.web.words import (
    channel_title,
    contains,
    delivery_title,
    option,
    price,
    purpose_title,
    uuid_or_none,
)
from notify_app.work import replay
from notify_app.work.why import Said, reason_of

__all__ = ["blueprint"]

blueprint = Blueprint("deliveries", __name__)

PAGE = 40
MOST_EXPORTED = 10_000
DAYS = {"1": timedelta(days=1), "7": timedelta(days=7), "30": timedelta(days=30), "400": timedelta(days=400)}
STATES = {
    "waiting": ["queued", "held", "sending"],
    "sent": ["sent", "delivered"],
    "failed": list(replay.ENDED),
    "skipped": ["skipped"],
}
LIST = """
    SELECT d.id, d.created_at, d.purpose, d.channel, d.address, d.state, d.reason, d.detail, d.priority, d.attempts, d.provider,
           d.next_attempt_at, d.due_at, d.settled_at, d.cost_usd, d.generation, p.id AS person_id, d.endpoint_id,
           coalesce(p.name, e.name) AS person
    FROM delivery d
    LEFT JOIN person p ON p.organisation_id = d.organisation_id AND p.id = d.person_id
    LEFT JOIN endpoint e ON e.organisation_id = d.organisation_id AND e.id = d.endpoint_id
    WHERE d.organisation_id = :org AND d.created_at > :since
"""
CLAUSES = {
    "q": "AND (p.name ILIKE :like OR e.name ILIKE :like OR (d.endpoint_id IS NULL AND d.address ILIKE :like))",
    "person": "AND d.person_id = CAST(:person AS uuid)",
    "channel": "AND d.channel = :channel",
    "state": "AND d.state = ANY(:states)",
    "reason": "AND coalesce(d.reason, '') = :reason",
    "provider": "AND coalesce(d.provider, '') = :provider",
}
TITLES = """
    SELECT i.delivery_id, min(n.title) AS title, count(*) AS n FROM delivery_item i
    JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id
    WHERE i.organisation_id = :org AND i.delivery_id = ANY(:ids) GROUP BY i.delivery_id
"""
ONE = f"""{LIST} AND d.id = :id"""
ATTEMPTS = """
    SELECT number, provider, account, outcome, response, error_code, error, segments, cost_usd, started_at, finished_at
    FROM attempt WHERE organisation_id = :org AND delivery_id = :id ORDER BY number
"""
CARRIES = """
    SELECT n.id, n.title FROM delivery_item i
    JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id
    WHERE i.organisation_id = :org AND i.delivery_id = :id ORDER BY n.priority, n.id LIMIT 50
"""


def _names() -> list[str]:
    """Every channel that leaves the house, to people or to other systems."""
    return [one.name for one in channels()]


@dataclass(frozen=True)
class Filters:
    """What the address asks for; what cannot be used counts as not said."""

    q: str = ""
    person: str = ""
    channel: str = ""
    state: str = ""
    reason: str = ""
    provider: str = ""
    days: str = "7"

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Filters:
        """From the query of an address, or a form."""
        return cls(
            given.get("q", "").strip()[:100],
            given.get("person", "") if uuid_or_none(given.get("person")) else "",
            given.get("channel", "") if given.get("channel") in _names() else "",
            given.get("state", "") if given.get("state") in STATES else "",
            given.get("reason", "") if given.get("reason") in list(Reason) else "",
            given.get("provider", "")[:60],
            given.get("days", "7") if given.get("days") in DAYS else "7",
        )

    @property
    def said(self) -> dict[str, str]:
        """Those that were given, for an address."""
        values = vars(self)
        return {name: value for name, value in values.items() if value and (name, value) != ("days", "7")}

    def query(self, now: datetime) -> tuple[str, dict[str, Any]]:
        """The statement, which ends in its WHERE, and its values."""
        chosen = [clause for name, clause in CLAUSES.items() if getattr(self, name)]
        values = {
            "since": now - DAYS[self.days],
            "like": contains(self.q),
            "states": STATES.get(self.state, []),
            **{name: getattr(self, name) for name in ("person", "channel", "reason", "provider")},
        }
        return f"{LIST} {' '.join(chosen)}", values


# --- the list ------------------------------------------------------------------------------------------------------


@blueprint.get("/deliveries")
@allow("office")
def show() -> ResponseReturnValue:
    """The list."""
    filters = Filters.of(request.args)
    with step(viewer().organisation_id) as work:
        read = reader(work.now)
        statement, values = filters.query(work.now)
        before, after = request.args.get("before", ""), request.args.get("after", "")
        found = page(work, statement, "d", "created_at", before=before, after=after, size=PAGE, values=values)
        titles = _titles(work, found.rows)
        rows = [_line(row, titles, read) for row in found.rows]
    return render_template(
        "deliveries.html",
        deliveries=rows,
        filters=_options(filters),
        q=filters.q,
        kept={
            name: value for name, value in filters.said.items() if name in ("person", "reason", "provider")
        },
        about=_about(filters),
        filtered=bool(filters.said),
        export_url=url_for(".export", **filters.said),  # type: ignore[arg-type]
        newer=url_for(".show", **filters.said, after=found.newer) if found.newer else None,  # type: ignore[arg-type]
        older=url_for(".show", **filters.said, before=found.older) if found.older else None,  # type: ignore[arg-type]
    )


def _titles(work: Step, rows: Sequence[Any]) -> dict[UUID, str]:
    """What each carries, in a line; of what carries nothing, what it is."""
    found = work.all(TITLES, ids=[row.id for row in rows]) if rows else []
    return {row.id: purpose_title(row.purpose) for row in rows} | {
        row.delivery_id: row.title if row.n == 1 else ngettext("%(num)d message", "%(num)d messages", row.n)
        for row in found
    }


def _line(row: Any, titles: Mapping[UUID, str], read: Reader) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "url": url_for(".one", id=row.id),
        "channel": row.channel,
        "channel_title": channel_title(row.channel),
        "person": row.person,
        "address": hinted(row.channel, row.address) if row.person_id else "",
        "title": titles[row.id],
        "state": row.state,
        "state_title": delivery_title(row.state),
        "why": "" if row.state in STATES["sent"] else _why(row, read),
        "when": read.when(row.created_at),
        "next": read.when(row.next_attempt_at) if row.state in ("queued", "held") else None,
        "again": row.generation > 0,
    }


def _why(row: Any, read: Reader) -> str:
    """The reason as a sentence, with what stands beside it."""
    said = Said(read.zone, read.now, you=False, locale=read.locale)
    values = {"until": row.due_at.isoformat(), "why": row.detail or ""}
    known = row.reason in list(Reason)
    words = reason_of(row.reason, row.channel, values, said) if known else ""
    more = row.detail if row.reason != Reason.suppressed else ""
    return " ".join(part for part in (words, more) if part)


def _about(filters: Filters) -> list[str]:
    """Filters that have no field on the page, in words."""
    said = []
    if filters.reason:
        said.append(cause_title(filters.reason))
    if filters.provider:
        said.append(_("through %(provider)s", provider=filters.provider))
    if filters.person:
        said.append(_("to one person"))
    return said


def _options(filters: Filters) -> dict[str, list[dict[str, Any]]]:
    days = {"1": _("The last day"), "7": _("The last 7 days"), "30": _("The last 30 days"), "400": _("All")}
    states = {
        "waiting": _("Waiting"),
        "sent": _("Sent"),
        "failed": _("Ended badly"),
        "skipped": _("Not needed"),
    }
    return {
        "channel": [
            option("", _("All channels"), filters.channel),
            *(option(one, channel_title(one), filters.channel) for one in _names()),
        ],
        "state": [
            option("", _("All states"), filters.state),
            *(option(name, title, filters.state) for name, title in states.items()),
        ],
        "days": [option(name, title, filters.days) for name, title in days.items()],
    }


@blueprint.get("/deliveries/export")
@allow("office")
def export() -> ResponseReturnValue:
    """What the filters find, as a table for a spreadsheet; the newest 10,000."""
    filters = Filters.of(request.args)
    with step(viewer().organisation_id) as work:
        statement, values = filters.query(work.now)
        rows = work.all(
            f"{statement} ORDER BY d.created_at DESC, d.id DESC LIMIT :most", most=MOST_EXPORTED, **values
        )
        titles = _titles(work, rows)
    head = [
        "id",
        "made",
        "channel",
        "person",
        "address",
        "title",
        "state",
        "reason",
        "detail",
        "priority",
        "attempts",
        "provider",
        "cost_usd",
        "ended",
    ]
    written = sheet(head, (_cells(row, titles) for row in rows))
    return Response(
        written,
        mimetype="text/csv",
        headers={"Content-Disposition": 'attachment; filename="deliveries.csv"', "Cache-Control": "no-store"},
    )


def _cells(row: Any, titles: Mapping[UUID, str]) -> Sequence[Any]:
    return (
        str(row.id),
        row.created_at.isoformat(),
        row.channel,
        row.person,
        hinted(row.channel, row.address) if row.person_id else "",
        titles[row.id],
        row.state,
        row.reason or "",
        row.detail or "",
        row.priority,
        row.attempts,
        row.provider or "",
        row.cost_usd if row.cost_usd is not None else "",
        row.settled_at.isoformat() if row.settled_at else "",
    )


# --- one -----------------------------------------------------------------------------------------------------------


@blueprint.get("/deliveries/<uuid:id>")
@allow("office")
def one(id: UUID) -> ResponseReturnValue:
    """One with every attempt. Raises NotFound."""
    return _one(id, {}, "")


def _one(id: UUID, errors: Mapping[str, str], typed: str) -> str:
    with step(viewer().organisation_id) as work:
        read = reader(work.now)
        row = work.one(ONE, id=id, since=datetime.fromtimestamp(0, work.now.tzinfo))
        if row is None:
            raise NotFound("There is no such delivery.")
        attempts = work.all(ATTEMPTS, id=id)
        carries = work.all(CARRIES, id=id)
        twins = replay.twins(work, id)
        would = replay.look(work, [id]) if row.state in replay.ENDED else None
        titles = _titles(work, [row])
    return render_template(
        "delivery.html",
        d=_line(row, titles, read),
        attempts=[_attempt(one, read) for one in attempts],
        carries=[{"title": one.title, "url": url_for("notification.show", id=one.id)} for one in carries],
        twins=[
            {
                "url": url_for(".one", id=one.id),
                "again": one.generation > row.generation,
                "state": one.state,
                "state_title": delivery_title(one.state),
            }
            for one in twins
        ],
        may_hasten=row.state == "queued" and row.next_attempt_at > work.now,
        may_send=viewer().role == "administrator" and bool(would and would.ids),
        refused=refusals(would.refused) if would else [],
        person_url=url_for("people.person", id=row.person_id)
        if row.person_id
        else url_for("endpoints.one", id=row.endpoint_id),
        errors=errors,
        typed=typed,
    )


def _attempt(row: Any, read: Reader) -> dict[str, Any]:
    outcomes = {
        "accepted": _("Accepted"),
        "transient": _("Refused, for now"),
        "throttled": _("Too fast"),
        "ambiguous": _("In doubt"),
        "permanent": _("Refused for good"),
        "config": _("Account not right"),
    }
    return {
        "number": row.number,
        "through": row.account or row.provider,
        "outcome": row.outcome,
        "title": outcomes.get(row.outcome, row.outcome),
        "good": row.outcome == "accepted",
        "said": _answer(row),
        "when": read.when(row.started_at),
        "took": f"{max(0.0, (row.finished_at - row.started_at).total_seconds()):.2f} s",
        "cost": price(row.cost_usd),
    }


def _answer(row: Any) -> str:
    """What the provider said, with its code once."""
    words, code = row.error or row.response or "", row.error_code or ""
    return words if words.startswith(code) else f"{code} {words}".strip()


@blueprint.post("/deliveries/<uuid:id>/now")
@allow("office")
def hasten(id: UUID) -> ResponseReturnValue:
    """Try one now that waits for its next attempt. Raises NotFound."""
    with step(viewer().organisation_id) as work:
        if work.one("SELECT 1 FROM delivery WHERE organisation_id = :org AND id = :id", id=id) is None:
            raise NotFound("There is no such delivery.")
        done = replay.hasten(work, id)
    flash(_("It is tried now.") if done else _("It does not wait for another attempt any more."), "ok")
    return redirect(url_for(".one", id=id), 303)


@blueprint.post("/deliveries/<uuid:id>/again")
@allow("administrator")
def send_again(id: UUID) -> ResponseReturnValue:
    """Send one that ended badly again, for the reason given (`why`). Raises NotFound."""
    reason = request.form.get("why", "")
    try:
        with step(viewer().organisation_id) as work:
            done = replay.replay(work, [id], reason, viewer().by)
    except Invalid as error:
        return _one(id, {field.field: field.message for field in error.fields}, reason[:1000]), 422
    flash_sent(done)
    return redirect(url_for(".one", id=id), 303)
