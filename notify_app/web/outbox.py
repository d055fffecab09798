"""What would have left: messages kept on this machine, each as its recipient would see it.

Only deliveries of the local provider are shown, and only to the office. A mail's HTML is served alone, without
scripts, under its own policy, for a frame that is sandboxed besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.errors import NotFound
from notify_app.pipeline.step import Step, hub, step
from notify_app.policy import sms
from notify_app.policy.office import Branding, read
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.words import Reader, channel_title, delivery_title, option, price, reader, uuid_or_none

__all__ = ["blueprint"]

blueprint = Blueprint("outbox", __name__)

PAGE = 30
EARLIER = 6
PREVIEW = 140
STATES = {"waiting": ["queued", "sending"], "failed": ["failed", "bounced", "unknown", "suppressed"]}
FRAME_POLICY = (
    "default-src 'none'; img-src data: https:; style-src 'unsafe-inline'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)

COLUMNS = """
    d.id, d.channel, d.address, d.state, d.created_at, coalesce(d.settled_at, d.created_at) AS at, d.segments, d.cost_usd,
    p.name AS to_name, c.body, n.id AS notification_id, n.title
    FROM delivery d
    JOIN person p ON p.organisation_id = d.organisation_id AND p.id = d.person_id
    LEFT JOIN content c ON c.organisation_id = d.organisation_id AND c.id = d.content_id
    LEFT JOIN LATERAL (
        SELECT n.id, n.title FROM delivery_item i
        JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id
        WHERE i.organisation_id = d.organisation_id AND i.delivery_id = d.id ORDER BY n.id LIMIT 1
    ) n ON true
    WHERE d.organisation_id = :org AND 'local' = coalesce(
        d.provider,
        (SELECT a.provider FROM attempt a WHERE a.organisation_id = d.organisation_id AND a.delivery_id = d.id
          ORDER BY a.number DESC LIMIT 1),
        CASE WHEN d.channel = ANY(:local) THEN 'local' END)
"""
ONE = f"SELECT {COLUMNS} AND d.id = :id"
BEFORE_IT = f"""
    SELECT {COLUMNS} AND d.channel = 'sms' AND d.address = :address AND c.body IS NOT NULL AND (d.created_at, d.id) < (:at, :id)
    ORDER BY d.created_at DESC, d.id DESC LIMIT :limit
"""
PEOPLE = """
    SELECT id, name FROM person p WHERE organisation_id = :org AND EXISTS (
        SELECT FROM delivery d WHERE d.organisation_id = :org AND d.person_id = p.id) ORDER BY lower(name), id LIMIT 500
"""
SPENT = """
    SELECT sum(cost_usd) AS spent FROM delivery WHERE organisation_id = :org AND channel = 'sms' AND provider = 'local'
"""
ORGANISATION = "SELECT name, branding FROM organisation WHERE id = :org"


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
            given.get("channel", "") if given.get("channel") in ("email", "sms") else "",
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
        rows, newer, older = _rows(work, filters)
        chosen = work.one(ONE, id=wanted, local=_local()) if wanted else None
        sender = _sender(work)
        message = _message(work, chosen, sender, view) if chosen else None
        people = work.all(PEOPLE)
        spent = work.one(SPENT).spent
    place = {"before": filters.before, "after": filters.after}
    return render_template(
        "outbox.html",
        messages=[
            _line(row, filters.url(**place, message=str(row.id)), view, current=row.id == wanted)
            for row in rows
        ],
        message=message,
        filters=_options(filters, people),
        filtered=bool(filters.person or filters.channel or filters.state),
        newer=filters.url(after=_cursor(rows[0])) if newer else None,
        older=filters.url(before=_cursor(rows[-1])) if older else None,
        total_price=price(spent),
    )


@blueprint.get("/outbox/<uuid:id>/frame")
@allow("office")
def frame(id: UUID) -> ResponseReturnValue:
    """The HTML of one mail, alone."""
    with step(viewer().organisation_id) as work:
        row = work.one(ONE, id=id, local=_local())
    if row is None or row.channel != "email" or not row.body:
        raise NotFound("There is no such mail.")
    response = Response(row.body.get("html") or "", mimetype="text/html")
    response.headers["Content-Security-Policy"] = FRAME_POLICY
    return response


def _local() -> list[str]:
    """The channels whose messages stay here."""
    settings = hub()
    chosen = {"email": settings.email_provider, "sms": settings.sms_provider}
    return [channel for channel, provider in chosen.items() if provider == "local"]


# --- the list ------------------------------------------------------------------------------------------------------


def _cursor(row: Any) -> str:
    return f"{row.created_at.isoformat()}_{row.id}"


def _place(cursor: str) -> tuple[datetime, UUID] | None:
    stamp, _underscore, rest = cursor.partition("_")
    found = uuid_or_none(rest)
    try:
        at = datetime.fromisoformat(stamp.replace(" ", "+"))
    except ValueError:
        return None
    return (at, found) if found and at.utcoffset() is not None else None


def _rows(work: Step, filters: Filters) -> tuple[list[Any], bool, bool]:
    """A page of rows, and whether there are newer and older ones."""
    after, before = _place(filters.after), _place(filters.before)
    clauses, values = [""], {"local": _local(), "limit": PAGE + 1}
    if filters.person:
        clauses.append("d.person_id = :person")
        values["person"] = UUID(filters.person)
    if filters.channel:
        clauses.append("d.channel = :channel")
        values["channel"] = filters.channel
    if filters.state:
        clauses.append("d.state = ANY(:states)")
        values["states"] = STATES[filters.state]
    if place := after or before:
        clauses.append(f"(d.created_at, d.id) {'>' if after else '<'} (:at, :behind)")
        values |= {"at": place[0], "behind": place[1]}
    way = "ASC" if after else "DESC"
    where = " AND ".join(clauses)
    rows = work.all(
        f"SELECT {COLUMNS} {where} ORDER BY d.created_at {way}, d.id {way} LIMIT :limit", **values
    )
    more, page = len(rows) > PAGE, rows[:PAGE]
    if after:
        return page[::-1], more, bool(page)
    return page, before is not None and bool(page), more


def _line(row: Any, url: str, view: Reader, *, current: bool) -> dict[str, Any]:
    body = row.body or {}
    return {
        "id": str(row.id),
        "channel": row.channel,
        "channel_title": channel_title(row.channel),
        "to_name": row.to_name,
        "to_address": row.address,
        "subject": body.get("subject", "") if row.body else row.title or "",
        "preview": " ".join(body.get("text", "").split())[:PREVIEW] or _("It is written when it leaves."),
        "when": view.when(row.at),
        "state": row.state,
        "state_title": delivery_title(row.state),
        "url": url,
        "current": current,
    }


def _options(filters: Filters, people: list[Any]) -> dict[str, list[dict[str, Any]]]:
    return {
        "person": [
            option("", _("Everybody"), filters.person),
            *(option(str(one.id), one.name, filters.person) for one in people),
        ],
        "channel": [
            option("", _("Email and SMS"), filters.channel),
            *(option(one, channel_title(one), filters.channel) for one in ("email", "sms")),
        ],
        "state": [
            option("", _("All states"), filters.state),
            option("waiting", _("Waiting"), filters.state),
            option("failed", _("Failed"), filters.state),
        ],
    }


# --- one message ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sender:
    """Who messages of this organisation come from."""

    name: str
    address: str
    reply_to: str
    sms_id: str


def _sender(work: Step) -> Sender:
    row = work.one(ORGANISATION)
    look = read(Branding, row.branding)
    name = look.sender_name or look.company_name or row.name
    return Sender(name, look.sender_address, look.reply_to, look.sms_sender)


def _message(work: Step, row: Any, sender: Sender, view: Reader) -> dict[str, Any]:
    body = row.body or {}
    text = body.get("text", "")
    earlier = work.all(
        BEFORE_IT, address=row.address, at=row.created_at, id=row.id, limit=EARLIER, local=_local()
    )
    shared = {
        "id": str(row.id),
        "channel": row.channel,
        "channel_title": channel_title(row.channel),
        "to_name": row.to_name,
        "to_address": row.address,
        "from_name": sender.name if row.channel == "email" else sender.sms_id or sender.name,
        "from_address": sender.address,
        "subject": body.get("subject") or row.title or "",
        "when": view.when(row.at),
        "text": text or _("It is written when it leaves."),
        "link": "",
        "notification_url": url_for("notification.show", id=row.notification_id)
        if row.notification_id
        else None,
        "headers": [],
        "earlier": [],
    }
    return shared | (_as_sms(row, text, earlier, view) if row.channel == "sms" else _as_mail(row, sender))


def _as_mail(row: Any, sender: Sender) -> dict[str, Any]:
    headers = [
        ("From", f"{sender.name} <{sender.address}>" if sender.address else sender.name),
        ("To", row.address),
    ]
    headers += [("Reply-To", sender.reply_to)] if sender.reply_to else []
    return {
        "frame_url": url_for(".frame", id=row.id) if row.body else "",
        "headers": [{"name": name, "value": value} for name, value in headers],
    }


def _as_sms(row: Any, text: str, earlier: list[Any], view: Reader) -> dict[str, Any]:
    counted = sms.segments(text)
    sizes = sms.ALONE if counted.count <= 1 else sms.JOINED
    return {
        "segments": counted.count,
        "encoding": counted.encoding,
        "units": counted.units,
        "limit": sizes[counted.encoding] * max(counted.count, 1),
        "price": price(_cost(row, text)),
        "earlier": [
            {
                "text": one.body.get("text", ""),
                "when": view.when(one.at),
                "segments": sms.segments(one.body.get("text", "")).count,
                "price": price(_cost(one, one.body.get("text", ""))),
            }
            for one in reversed(earlier)
        ],
    }


def _cost(row: Any, text: str) -> Decimal | None:
    """What it cost, or would cost."""
    if row.cost_usd is not None or not row.address.startswith("+"):
        cost: Decimal | None = row.cost_usd
        return cost
    return sms.cost(text, row.address)
