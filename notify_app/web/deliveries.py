"""Deliveries: what became of each message, found by whom it was for, how it ended and why; what ended badly by its cause, and
sent again when the cause is gone.

The list is of the last days, newest first; titles are read for the rows that are shown. Sending again is for administrators,
after a look at what it would do, with a reason that the record keeps.
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
from notify_app.policy.reasons import Reason, titled
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.paging import page
from notify_app.web.reader import Reader, reader
from notify_app.web.spreadsheet import sheet
from notify_app.web.words import channel_title, contains, delivery_title, option, price, uuid_or_none
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
    SELECT d.id, d.created_at, d.channel, d.address, d.state, d.reason, d.detail, d.priority, d.attempts, d.provider,
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
    SELECT n.id, n.title, n.priority, n.read_at FROM delivery_item i
    JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id
    WHERE i.organisation_id = :org AND i.delivery_id = :id ORDER BY n.priority, n.id LIMIT 50
"""
TWINS = """
    SELECT o.id, o.generation, o.state FROM delivery d JOIN delivery o
      ON o.organisation_id = d.organisation_id AND o.group_key = d.group_key AND o.person_id = d.person_id
     AND o.channel = d.channel AND o.address = d.address AND o.purpose = d.purpose AND o.id <> d.id
    WHERE d.organisation_id = :org AND d.id = :id ORDER BY o.generation
"""
# one that was sent again counts where that one is
NOT_AGAIN = """
    AND NOT EXISTS (SELECT FROM delivery o WHERE o.organisation_id = d.organisation_id AND o.group_key = d.group_key
        AND o.person_id = d.person_id AND o.channel = d.channel AND o.address = d.address AND o.purpose = d.purpose
        AND o.generation > d.generation)
"""
CAUSES = f"""
    SELECT d.channel, coalesce(d.reason, '') AS reason, coalesce(d.provider, '') AS provider, count(*) AS n,
           count(*) FILTER (WHERE d.priority = 1) AS urgent, count(DISTINCT coalesce(d.person_id, d.endpoint_id)) AS people,
           min(d.settled_at) AS first, max(d.settled_at) AS last,
           (array_agg(d.detail ORDER BY d.settled_at DESC) FILTER (WHERE d.detail IS NOT NULL))[1] AS detail
    FROM delivery d
    WHERE d.organisation_id = :org AND d.created_at > :since AND d.state = ANY(:ended) {NOT_AGAIN}
    GROUP BY 1, 2, 3 ORDER BY max(d.settled_at) DESC NULLS LAST LIMIT 100
"""  # noqa: S608  (constants of this program)
OF_CAUSE = f"""
    SELECT d.id FROM delivery d WHERE d.organisation_id = :org AND d.created_at > :since AND d.state = ANY(:ended)
      AND d.channel = :channel AND coalesce(d.reason, '') = :reason AND coalesce(d.provider, '') = :provider {NOT_AGAIN}
    ORDER BY d.priority, d.id DESC LIMIT :most
"""  # noqa: S608  (constants of this program)
UNDER_WAY = """
    SELECT count(*) AS n, min(next_attempt_at) AS first, max(next_attempt_at) AS last FROM delivery d
    WHERE d.organisation_id = :org AND d.generation > 0 AND d.state IN ('queued', 'sending') AND d.created_at > :since
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
    """What each carries, in a line."""
    found = work.all(TITLES, ids=[row.id for row in rows]) if rows else []
    return {
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
        "title": titles.get(row.id, ""),
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
        said.append(_cause_title(filters.reason))
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
        titles.get(row.id, ""),
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
        twins = work.all(TWINS, id=id)
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
        refused=_refused(would.refused) if would else [],
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


# --- what ended badly, and again -----------------------------------------------------------------------------------


@blueprint.get("/deliveries/failed")
@allow("office")
def failed() -> ResponseReturnValue:
    """What ended badly in the last 30 days, by its cause."""
    with step(viewer().organisation_id) as work:
        read = reader(work.now)
        since = work.now - DAYS["30"]
        causes = work.all(CAUSES, since=since, ended=list(replay.ENDED))
        under_way = work.one(UNDER_WAY, since=since)
    return render_template(
        "deliveries_failed.html",
        causes=[_cause(row, read) for row in causes],
        under_way={"count": under_way.n, "until": read.when(under_way.last)} if under_way.n else None,
        may_send=viewer().role == "administrator",
    )


def _cause(row: Any, read: Reader) -> dict[str, Any]:
    kept = {"channel": row.channel, "reason": row.reason, "provider": row.provider}
    return {
        "channel": row.channel,
        "channel_title": channel_title(row.channel),
        "title": _cause_title(row.reason),
        "detail": row.detail or "",
        "provider": row.provider,
        "count": f"{row.n:,}",
        "people": ngettext("to %(num)d", "to %(num)d", row.people),
        "urgent": row.urgent,
        "first": read.when(row.first),
        "last": read.when(row.last),
        "list_url": url_for(".show", state="failed", days="30", **kept),
        "again_url": url_for(".again", **kept),
    }


def _cause_title(reason: str) -> str:
    """A cause as a short sentence; the particulars stand beside it."""
    if not reason:
        return _("No cause is known.")
    if reason == Reason.suppressed:
        return _("The address is blocked.")
    return titled(Reason(reason))


@blueprint.get("/deliveries/again")
@allow("administrator")
def again() -> ResponseReturnValue:
    """What sending one cause's messages again would do."""
    return _again(Filters.of(request.args), {}, "")


def _again(filters: Filters, errors: Mapping[str, str], typed: str) -> str:
    with step(viewer().organisation_id) as work:
        ids = _of_cause(work, filters)
        would = replay.look(work, ids)
    return render_template(
        "deliveries_again.html",
        count=len(would.ids),
        seconds=int(len(would.ids) * replay.PACE.total_seconds()) + 1,
        refused=_refused(would.refused),
        full=len(ids) == replay.MOST,
        most=replay.MOST,
        cause={
            "channel_title": channel_title(filters.channel),
            "title": _cause_title(filters.reason),
            "provider": filters.provider,
        },
        kept={"channel": filters.channel, "reason": filters.reason, "provider": filters.provider},
        errors=errors,
        typed=typed,
    )


@blueprint.post("/deliveries/again")
@allow("administrator")
def send_again() -> ResponseReturnValue:
    """Send one cause's messages again, or one message (`id`)."""
    form = request.form
    alone, filters, reason = uuid_or_none(form.get("id")), Filters.of(form), form.get("why", "")
    try:
        with step(viewer().organisation_id) as work:
            ids = [alone] if alone else _of_cause(work, filters)
            done = replay.replay(work, ids, reason, viewer().by)
    except Invalid as error:
        errors = {field.field: field.message for field in error.fields}
        return (_one(alone, errors, reason[:1000]) if alone else _again(filters, errors, reason[:1000])), 422
    if done.ids:
        flash(
            ngettext("%(num)d message is sent again.", "%(num)d messages are sent again.", len(done.ids)),
            "ok",
        )
    else:
        flash(
            _("Nothing was sent again: %(why)s", why=" ".join(one["text"] for one in _refused(done.refused))),
            "error",
        )
    return redirect(url_for(".one", id=alone) if alone else url_for(".failed"), 303)


def _of_cause(work: Step, filters: Filters) -> list[UUID]:
    rows = work.all(
        OF_CAUSE,
        since=work.now - DAYS["30"],
        ended=list(replay.ENDED),
        channel=filters.channel,
        reason=filters.reason,
        provider=filters.provider,
        most=replay.MOST,
    )
    return [row.id for row in rows]


def _refused(refused: Mapping[str, int]) -> list[dict[str, Any]]:
    """Why some are not sent again, the most first."""
    own = {
        replay.Refused.gone: _("They are not there any more."),
        replay.Refused.not_ended: _("They have not come to an end."),
        replay.Refused.no_message: _("They carry nothing that could be sent again."),
        replay.Refused.again_already: _("They were sent again already."),
        replay.Refused.other_way: _("Their readers were reached by another way."),
        Reason.suppressed: _("Their addresses are blocked. Release them first, then send again."),
        Reason.template_failed: _("They could not be written."),
    }
    ordered = sorted(refused.items(), key=lambda one: (-one[1], one[0]))
    return [
        {"count": f"{count:,}", "text": own.get(why) or _cause_title(why)}  # type: ignore[call-overload]
        for why, count in ordered
    ]
