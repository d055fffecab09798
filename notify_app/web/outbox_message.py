"""One message that stayed on this machine, as its recipient would see it: a mail, or an SMS below the earlier ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import url_for
from flask_babel import gettext as _

from notify_app.channels import kept_here
from notify_app.pipeline import unsubscribe_link
from notify_app.pipeline.step import Step, hub
from notify_app.policy import sms
from notify_app.policy.channel import shown as known_as
from notify_app.policy.office import Branding, read
from notify_app.web.reader import Reader
from notify_app.web.words import PRIORITIES, channel_title, delivery_title, price

__all__ = ["COLUMNS", "html_as_sent", "local_channels", "nothing_said", "one", "shown", "text_as_sent"]

EARLIER = 6
SENT = ("sent", "delivered")

COLUMNS = """
    d.id, d.channel, CASE WHEN e.id IS NULL THEN d.address ELSE e.host END AS address, d.state, d.created_at, coalesce(d.settled_at, d.created_at) AS at, d.segments, d.cost_usd,
    d.purpose, d.purpose = 'collected' AS collected, coalesce(p.name, e.name) AS to_name, c.body, n.id AS notification_id, n.title,
    n.category, d.organisation_id, d.person_id, d.priority
    FROM delivery d
    LEFT JOIN person p ON p.organisation_id = d.organisation_id AND p.id = d.person_id
    LEFT JOIN endpoint e ON e.organisation_id = d.organisation_id AND e.id = d.endpoint_id
    LEFT JOIN content c ON c.organisation_id = d.organisation_id AND c.id = d.content_id
    LEFT JOIN LATERAL (
        SELECT n.id, n.title, n.category FROM delivery_item i
        JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id
        WHERE i.organisation_id = d.organisation_id AND i.delivery_id = d.id ORDER BY n.id LIMIT 1
    ) n ON true
    WHERE d.organisation_id = :org AND d.reason IS DISTINCT FROM 'collected' AND 'local' = coalesce(
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
PARTS = """
    SELECT n.id, n.title, n.priority, n.created_at FROM delivery_item i
    JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id
    WHERE i.organisation_id = :org AND i.delivery_id = :id ORDER BY n.priority, n.created_at, n.id LIMIT 200
"""
ORGANISATION = "SELECT name, branding FROM organisation WHERE id = :org"


def local_channels() -> list[str]:
    """The channels whose messages stay here."""
    return kept_here(hub())


def one(work: Step, id: UUID) -> Any:
    """The row of a delivery that stayed here, or None."""
    return work.one(ONE, id=id, local=local_channels())


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


def shown(work: Step, row: Any, view: Reader) -> dict[str, Any]:
    """What the page shows of it."""
    body, sender = row.body or {}, _sender(work)
    text = body.get("text", "")
    earlier = work.all(
        BEFORE_IT, address=row.address, at=row.created_at, id=row.id, limit=EARLIER, local=local_channels()
    )
    shared = {
        "id": str(row.id),
        "channel": row.channel,
        "channel_title": channel_title(row.channel),
        "to_name": row.to_name,
        "to_address": known_as(row.channel, row.address),
        "from_name": sender.name if row.channel == "email" else sender.sms_id or sender.name,
        "from_address": sender.address,
        "subject": body.get("subject") or row.title or "",
        "when": view.when(row.at),
        "unsent": "" if row.state in SENT else row.state,
        "state_title": delivery_title(row.state),
        "text": text or nothing_said(body),
        "link": "",
        "notification_url": url_for("notification.show", id=row.notification_id)
        if row.notification_id and not row.collected
        else None,
        "parts": _parts(work, row, view) if row.collected else [],
        "headers": [],
        "earlier": [],
        "heading": "",
        "buttons": [],
    }
    match row.channel:
        case "sms":
            return shared | _as_sms(row, text, earlier, view)
        case "email":
            return shared | {"text": text_as_sent(row) or shared["text"]} | _as_mail(row, sender)
        case "endpoint":
            return shared | {"text": _indented(text)}
    return shared | _as_note(body)


def text_as_sent(row: Any) -> str:
    """An email's text part, with what is added when it leaves; '' before it is written."""
    text = (row.body or {}).get("text") or ""
    return unsubscribe_link.text_with(text, unsubscribe_link.address(row, row.category)) if text else ""


def html_as_sent(row: Any) -> str:
    """The same of its HTML."""
    html = (row.body or {}).get("html") or ""
    return unsubscribe_link.html_with(html, unsubscribe_link.address(row, row.category))


def nothing_said(body: Mapping[str, Any]) -> str:
    """In place of the words of a message that has none, or none yet."""
    if body.get("recalls"):
        return _("It goes from the device: it was read, or is not true any more.")
    return _("It is written when it leaves.")


def _indented(text: str) -> str:
    """A body that programs read, for people."""
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False) if text else ""


def _parts(work: Step, row: Any, view: Reader) -> list[dict[str, Any]]:
    """What a collected message carries; each has its own answer to why."""
    return [
        {
            "title": one.title,
            "priority": PRIORITIES[one.priority],
            "when": view.when(one.created_at),
            "url": url_for("notification.show", id=one.id),
        }
        for one in work.all(PARTS, id=row.id)
    ]


def _as_mail(row: Any, sender: Sender) -> dict[str, Any]:
    headers = [
        ("From", f"{sender.name} <{sender.address}>" if sender.address else sender.name),
        ("To", row.address),
    ]
    headers += [("Reply-To", sender.reply_to)] if sender.reply_to else []
    return {
        "frame_url": url_for("outbox.frame", id=row.id) if row.body else "",
        "headers": [{"name": name, "value": value} for name, value in headers],
    }


def _as_note(body: Mapping[str, Any]) -> dict[str, Any]:
    """A title, words, and buttons."""
    return {
        "heading": body.get("subject") or "",
        "buttons": [_("Acknowledge")] if body.get("asks") else [],
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
    return sms.prices(hub().sms_prices).cost(text, row.address)
