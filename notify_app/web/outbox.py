"""What would have left: messages kept on this machine, each as its recipient would see it.

Only deliveries of the local provider are shown, and only to the office. A mail's HTML is served alone, without
scripts, under its own policy, for a frame that is sandboxed besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.errors import NotFound
from notify_app.pipeline.step import Step, step
from notify_app.policy.channel import channel, channels
from notify_app.policy.channel import shown as known_as
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.outbox_message import COLUMNS, html_as_sent, local_channels, nothing_said, one, shown
from notify_app.web.paging import Page, page
from notify_app.web.reader import Reader, reader
from notify_app.web.words import channel_title, delivery_title, option, price, uuid_or_none

__all__ = ["blueprint"]

blueprint = Blueprint("outbox", __name__)

PAGE = 30
PREVIEW = 140
STATES = {"waiting": ["queued", "held", "sending"], "failed": ["failed", "bounced", "unknown", "suppressed"]}
FRAME_POLICY = (
    "default-src 'none'; img-src data: https:; style-src 'unsafe-inline'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)

PEOPLE = """
    SELECT id, name FROM person p WHERE organisation_id = :org AND EXISTS (
        SELECT FROM delivery d WHERE d.organisation_id = :org AND d.person_id = p.id) ORDER BY lower(name), id LIMIT 500
"""
SPENT = """
    SELECT sum(cost_usd) AS spent FROM delivery WHERE organisation_id = :org AND channel = 'sms' AND provider = 'local'
"""


@dataclass(frozen=True)
class Filters:
    """What the address asks for; what cannot be used counts as not said."""

    person: str = ""
    channel: str = ""
    state: str = ""
    before: str = ""
    after: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Filters:
        """From the query of the address."""
        return cls(
            given.get("person", "") if uuid_or_none(given.get("person")) else "",
            given.get("channel", "") if given.get("channel") in {one.name for one in channels()} else "",
            given.get("state", "") if given.get("state") in STATES else "",
            given.get("before", ""),
            given.get("after", ""),
        )

    def url(self, **change: str) -> str:
        """This list, or another page of it."""
        values = {"person": self.person, "channel": self.channel, "state": self.state, **change}
        return url_for(".show", **{name: value for name, value in values.items() if value})  # type: ignore[arg-type]


@blueprint.get("/outbox")
@allow("office")
def show() -> ResponseReturnValue:
    """The list, and the message that was chosen."""
    filters = Filters.of(request.args)
    wanted = uuid_or_none(request.args.get("message"))
    with step(viewer().organisation_id) as work:
        view = reader(work.now)
        found = _rows(work, filters)
        chosen = one(work, wanted) if wanted else None
        message = shown(work, chosen, view) if chosen else None
        people = work.all(PEOPLE)
        spent = work.one(SPENT).spent
    place = {"before": filters.before, "after": filters.after}
    return render_template(
        "outbox.html",
        messages=[
            _line(row, filters.url(**place, message=str(row.id)), view, current=row.id == wanted)
            for row in found.rows
        ],
        message=message,
        filters=_options(filters, people),
        filtered=bool(filters.person or filters.channel or filters.state),
        newer=filters.url(after=found.newer) if found.newer else None,
        older=filters.url(before=found.older) if found.older else None,
        total_price=price(spent),
    )


@blueprint.get("/outbox/<uuid:id>/frame")
@allow("office")
def frame(id: UUID) -> ResponseReturnValue:
    """The HTML of one mail, alone."""
    with step(viewer().organisation_id) as work:
        row = one(work, id)
    if row is None or not row.body or not channel(row.channel).lists:
        raise NotFound("There is no such mail.")
    response = Response(html_as_sent(row), mimetype="text/html")
    response.headers["Content-Security-Policy"] = FRAME_POLICY
    return response


# --- the list ------------------------------------------------------------------------------------------------------


def _rows(work: Step, filters: Filters) -> Page:
    clauses: list[str] = []
    values: dict[str, Any] = {"local": local_channels()}
    if filters.person:
        clauses.append("AND d.person_id = :person")
        values["person"] = UUID(filters.person)
    if filters.channel:
        clauses.append("AND d.channel = :channel")
        values["channel"] = filters.channel
    if filters.state:
        clauses.append("AND d.state = ANY(:states)")
        values["states"] = STATES[filters.state]
    statement = f"SELECT {COLUMNS} {' '.join(clauses)}"
    return page(
        work,
        statement,
        "d",
        "created_at",
        before=filters.before,
        after=filters.after,
        size=PAGE,
        values=values,
    )


def _line(row: Any, url: str, view: Reader, *, current: bool) -> dict[str, Any]:
    body = row.body or {}
    return {
        "id": str(row.id),
        "channel": row.channel,
        "channel_title": channel_title(row.channel),
        "to_name": row.to_name,
        "to_address": known_as(row.channel, row.address),
        "subject": body.get("subject", "") if row.body else row.title or "",
        "preview": _preview(row, body),
        "when": view.when(row.at),
        "state": row.state,
        "state_title": delivery_title(row.state),
        "url": url,
        "current": current,
    }


def _preview(row: Any, body: Mapping[str, str]) -> str:
    """Its beginning; of what programs read, nothing."""
    if not channel(row.channel).personal:
        return ""
    return " ".join(body.get("text", "").split())[:PREVIEW] or nothing_said(body)


def _options(filters: Filters, people: list[Any]) -> dict[str, list[dict[str, Any]]]:
    return {
        "person": [
            option("", _("Everybody"), filters.person),
            *(option(str(one.id), one.name, filters.person) for one in people),
        ],
        "channel": [
            option("", _("All channels"), filters.channel),
            *(option(one, channel_title(one), filters.channel) for one in local_channels()),
        ],
        "state": [
            option("", _("All states"), filters.state),
            option("waiting", _("Waiting"), filters.state),
            option("failed", _("Failed"), filters.state),
        ],
    }
