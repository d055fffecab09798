"""The webhooks that are sent: JSON of about 420 bytes, each with an id and a signature of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from notify_app.pipeline import signature

__all__ = ["BATCH", "announcement", "batch", "repair", "request", "three_people", "urgent"]

BATCH = 100  # events of one batch


def repair(number: int, at: datetime) -> bytes:
    """A repair as a shop's system reports it."""
    data = {
        "id": f"R-{number}",
        "status": "approved",
        "vehicle": "2021 Subaru Outback",
        "damage": "chip, driver's side, in the line of sight",
        "location": "418 Alder Street, Bellingham",
        "price": "149.50",
        "scheduled_at": "2030-01-15T14:05:00-08:00",
        "customer": {"id": "C-1", "name": "Dana Whitfield", "phone": "+12015550123"},
        "technician": {"id": "T-1"},
    }
    return _body("repair.upsert", data, at)


def batch(number: int, at: datetime) -> bytes:
    """A hundred of them in one request, each with an id of its own."""
    first = number * BATCH
    events = [{"id": f"evt-{one}", **json.loads(repair(one, at))} for one in range(first, first + BATCH)]
    return json.dumps({"events": events}).encode()


def three_people(number: int, at: datetime) -> bytes:
    """An urgent message to three people with four addresses: three notifications and four deliveries."""
    known = [
        {"name": "Repair", "value": f"R-{number}"},
        {"name": "Where", "value": "418 Alder Street, Bellingham"},
    ]
    data = {
        "template": "general",
        "priority": "urgent",
        "recipients": [{"id": "T-1"}, {"id": "T-2"}, {"id": "T-3"}],
        "context": {"headline": "The van with the glass is late; please call the customer.", "known": known},
    }
    return _body("notification.send", data, at)


def announcement(number: int, at: datetime, audience: Mapping[str, Any] | None = None) -> bytes:
    """Something to say to everybody, or to those."""
    data = {
        "title": f"The shop closes at noon on Friday ({number})",
        "message": "We open again on Monday at 08:00. Please take your keys home with you, and park behind the house.",
        "audience": audience or {"everyone": True},
    }
    return _body("announcement.send", data, at)


def urgent(number: int, at: datetime) -> bytes:
    """An urgent message to one person."""
    data = {
        "template": "general",
        "priority": "urgent",
        "recipients": [{"id": "T-1"}],
        "context": {"headline": f"The van with the glass is late ({number})", "known": []},
    }
    return _body("notification.send", data, at)


def _body(kind: str, data: object, at: datetime) -> bytes:
    return json.dumps({"type": kind, "timestamp": at.isoformat(), "data": data}).encode()


def request(path: str, secret: str, message_id: str, at: datetime, body: bytes) -> bytes:
    """The whole HTTP request, signed as Standard Webhooks says."""
    headers = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **signature.sign(secret, message_id, at, body),
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
