"""What would come of a message, as the page shows it: numbers, costs, and each channel's message as somebody would get it."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import gettext as _

from notify_app.domains.base import Priority
from notify_app.pipeline.step import hub
from notify_app.policy import sms
from notify_app.web.compose_form import mark_of, seal_preview
from notify_app.web.identity import viewer
from notify_app.web.reader import Reader
from notify_app.web.spend import dollars
from notify_app.web.words import channel_title, price
from notify_app.work.forecast import Forecast
from notify_app.work.messages import Letter

__all__ = ["must_confirm", "shown"]


def must_confirm(letter: Letter, found: Forecast) -> bool:
    """Whether it goes to so many, or so loudly, or costs so much, that one is asked twice."""
    return "everyone" in letter.audience or found.priority is Priority.urgent or found.over_budget


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
        "budget": _budget(found),
        "unreached": found.unreached,
        "unreached_names": [{"name": name, "why": why} for name, why in found.unreached_names],
        "priority": found.priority.value,
        "confirm": must_confirm(letter, found),
        "seen": mark_of(letter),
        "leaves": read.when(letter.due_at),
        "mail": _mail(letter, found),
        "sms": _sms(found),
    }


def _budget(found: Forecast) -> dict[str, str] | None:
    """What its SMS take of the budget; None where there is none, or where it sends none."""
    if found.sms_left is None:
        return None
    said = {"cost": dollars(found.sms_cost), "left": dollars(found.sms_left)}
    if not found.over_budget:
        text = _("Its SMS cost about %(cost)s of the %(left)s that is left in the budget.", **said)
        return {"tone": "plain", "title": "", "text": text}
    if found.priority is Priority.urgent:
        title = _("Its SMS cost more than is left in the budget")
        text = _(
            "About %(cost)s; %(left)s is left for what is not urgent. It is urgent, so all of it leaves.",
            **said,
        )
        return {"tone": "warn", "title": title, "text": text}
    title = _("The budget for SMS does not suffice")
    text = _(
        "Its SMS cost about %(cost)s, and %(left)s is left. Those that find no money take another channel; where there is "
        "none they wait a while, and then the office hears of it.",
        **said,
    )
    return {"tone": "bad", "title": title, "text": text}


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
