"""What would come of a message, as the page shows it: numbers, costs, and each channel's message as somebody would get it."""

from __future__ import annotations

from typing import Any

from flask import url_for

from notify_app.domains.base import Priority
from notify_app.pipeline.step import hub
from notify_app.policy import sms
from notify_app.web.compose_form import mark_of, seal_preview
from notify_app.web.identity import viewer
from notify_app.web.reader import Reader
from notify_app.web.words import channel_title, price
from notify_app.work.forecast import Forecast
from notify_app.work.messages import Letter

__all__ = ["must_confirm", "shown"]


def must_confirm(letter: Letter, found: Forecast) -> bool:
    """Whether it goes to so many, or so loudly, that one is asked twice."""
    return "everyone" in letter.audience or found.priority is Priority.urgent


def shown(letter: Letter, found: Forecast, read: Reader) -> dict[str, Any]:
    """The preview as the page wants it."""
    return {
        "title": found.title,
        "text": found.text,
        "on": found.on,
        "people": found.people,
        "estimated": found.estimated,
        "channels": [
            {"channel": channel, "title": channel_title(channel), "count": count}
            for channel, count in sorted(found.by_channel.items())
        ],
        "inbox_only": found.inbox_only,
        "later": found.later,
        "digested": found.digested,
        "sms_parts": found.sms_parts,
        "sms_cost": price(found.sms_cost),
        "unreached": found.unreached,
        "unreached_names": [{"name": name, "why": why} for name, why in found.unreached_names],
        "priority": found.priority.value,
        "confirm": must_confirm(letter, found),
        "seen": mark_of(letter),
        "leaves": read.when(letter.due_at),
        "mail": _mail(letter, found),
        "sms": _sms(found),
    }


def _mail(letter: Letter, found: Forecast) -> dict[str, Any] | None:
    sample = found.samples.get("email")
    if sample is None:
        return None
    sealed = seal_preview(letter, sample.person_id, viewer().person_id)
    return {
        "name": sample.name,
        "address": sample.address,
        "subject": sample.body["subject"],
        "text": sample.body["text"],
        "frame_url": url_for("compose.frame", d=sealed) if sealed else "",
    }


def _sms(found: Forecast) -> dict[str, Any] | None:
    sample = found.samples.get("sms")
    if sample is None:
        return None
    text = sample.body["text"]
    parts = sms.segments(text)
    return {
        "name": sample.name,
        "address": sample.address,
        "text": text,
        "parts": parts.count,
        "units": parts.units,
        "encoding": parts.encoding,
        "price": price(sms.prices(hub().sms_prices).cost(text, sample.address)),
    }
