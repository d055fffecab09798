"""What the pages share: how people, prices, addresses, states and notifications are said.

Everything here makes plain values for the templates. It asks the database for one thing only: the stream's cursor
that a page with inbox lines must know before it reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import flash, g, request
from flask_babel import gettext as _

from notify_app import domains
from notify_app.channels import offered
from notify_app.channels.base import hinted
from notify_app.domains.base import OFFICE
from notify_app.live import cursor
from notify_app.pipeline import links
from notify_app.pipeline.envelope import safe_link
from notify_app.pipeline.step import hub
from notify_app.policy.channel import INBOX, channels
from notify_app.web.identity import Membership, Viewer
from notify_app.web.reader import Reader

__all__ = [
    "PRIORITIES",
    "category_title",
    "channel_title",
    "contains",
    "delivery_title",
    "event_title",
    "flash_undo",
    "hinted",
    "hold_inbox_state",
    "is_office",
    "item_url",
    "me_of",
    "names",
    "note",
    "option",
    "person",
    "price",
    "purpose_title",
    "role_title",
    "safe_action",
    "uuid_or_none",
    "wants_json",
    "weekdays",
]

PRIORITIES = {1: "urgent", 2: "high", 3: "medium", 4: "low"}


# --- people --------------------------------------------------------------------------------------------------------


def me_of(who: Viewer) -> dict[str, Any]:
    """The signed-in person, as every page's head shows them."""
    return {
        "account": str(who.account_id),
        "name": who.name,
        "initials": "".join(word[0] for word in who.name.split()[:2]).upper(),
        "role": who.role,
        "role_title": role_title(who.role),
        "office": who.office,
        "organisation": who.organisation_name,
        "organisations": [
            {
                "id": str(one.organisation_id),
                "name": one.organisation_name,
                "current": one.organisation_id == who.organisation_id,
            }
            for one in who.memberships
        ],
        "invited_by": who.invited_by,
        "zone": who.zone,
        "locale": who.locale,
    }


def person(name: str, role: str, *, you: bool, url: str | None = None) -> dict[str, Any]:
    """A person as templates want them."""
    return {"name": name, "role": role_title(role), "you": you, "url": url}


def role_title(role: str) -> str:
    """A person's role in the organisation, in words."""
    titles = {
        "administrator": _("Administrator"),
        "manager": _("Office"),
        "technician": _("Technician"),
        "contact": _("Customer"),
    }
    return titles.get(role, role.capitalize())


def names(all_of_them: Iterable[str]) -> str:
    """ "Ana", "Ana and Ben", "Ana and 3 others"."""
    found = list(all_of_them)
    match len(found):
        case 0:
            return _("nobody")
        case 1:
            return found[0]
        case 2:
            return _("%(one)s and %(two)s", one=found[0], two=found[1])
    return _("%(one)s and %(count)d others", one=found[0], count=len(found) - 1)


# --- messages ------------------------------------------------------------------------------------------------------


def note(row: Any, read: Reader, organisation: str = "") -> dict[str, Any]:
    """A row of `notification` as N, with its `when`."""
    return {
        "id": str(row.id),
        "title": row.title,
        "text": row.text,
        "priority": PRIORITIES[row.priority],
        "category": row.category,
        "category_title": category_title(row.category),
        "url": f"/inbox/{row.id}",
        "action_url": safe_action(row.action_url),
        "created_at": row.created_at.isoformat(),
        "read": row.read_at is not None,
        "organisation": organisation,
        "when": read.when(row.created_at),
    }


def contains(text: str) -> str:
    """The pattern of ILIKE for what contains this text; its own % and _ are letters like others."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def category_title(name: str) -> str:
    """What people know a category as; one that an office made up reads as its words."""
    known = next((one.title for one in domains.categories() if one.name == name), None)
    return known or name.replace("_", " ").capitalize()


def event_title(name: str) -> str:
    """What an event is called."""
    known = domains.event(name)
    return known.title if known else name.replace("_", " ").capitalize()


def channel_title(channel: str) -> str:
    """A channel's name in front of its state or address."""
    if channel == INBOX:
        return _("Inbox")
    known = next((one.title for one in channels() if one.name == channel), None)
    return _(known) if known else channel.capitalize()


def address_fields() -> list[dict[str, str]]:
    """The fields in which addresses are typed, channel by channel."""
    return [
        {
            "channel": one.name,
            "title": _(one.address.title),
            "kind": one.address.kind,
            "mode": one.address.mode,
            "complete": one.address.complete,
            "sample": one.address.sample,
            "label": _(one.address.label),
            "name": one.address.named or one.name,
        }
        for one in offered(hub())
        if one.address
    ]


def delivery_title(state: str) -> str:
    """A delivery's state in one or two words."""
    titles = {
        "queued": _("Waiting"),
        "held": _("Waiting"),
        "sending": _("Being sent"),
        "sent": _("Sent"),
        "delivered": _("Delivered"),
        "bounced": _("Bounced"),
        "failed": _("Failed"),
        "skipped": _("Not needed"),
        "suppressed": _("Blocked"),
        "unknown": _("Not confirmed"),
        "read": _("Read"),
        "unread": _("Unread"),
    }
    return titles.get(state, state.capitalize())


def purpose_title(purpose: str) -> str:
    """What a delivery is that carries no line of an inbox."""
    titles = {
        "verification": _("An address is verified"),
        "reply": _("Answer to an SMS"),
        "recall": _("A push is taken back"),
        "test": _("Test message"),
        "digest": _("Digest"),
    }
    return titles.get(purpose, "")


def weekdays() -> tuple[str, ...]:
    """The names of the days, from Monday."""
    return (
        _("Monday"),
        _("Tuesday"),
        _("Wednesday"),
        _("Thursday"),
        _("Friday"),
        _("Saturday"),
        _("Sunday"),
    )


def price(value: Decimal | None) -> str:
    """An estimate in US dollars, with the parts of a cent that an SMS costs; '' where there is none."""
    return f"${value.normalize():f}" if value else ""


def item_url(role: str, item_id: UUID | None, kind: str = "") -> str:
    """The item's page for somebody of this role; '' without an item."""
    return links.page(role, item_id, kind) if item_id else ""


def safe_action(url: str) -> str:
    """An action's address if a page may link to it, else nothing."""
    return url if url and safe_link(url) else ""


# --- requests ------------------------------------------------------------------------------------------------------


def option(value: str, title: str, chosen: str) -> dict[str, Any]:
    """One line of a select."""
    return {"value": value, "title": title, "selected": value == chosen}


def uuid_or_none(value: str | None) -> UUID | None:
    """An id from an address or a form; None for anything that is none."""
    try:
        return UUID(value) if value else None
    except ValueError:
        return None


def wants_json() -> bool:
    """Whether a script asks, which shows the outcome by itself."""
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def flash_undo(text: str, undo_url: str, **fields: str) -> None:
    """Say on the next page that something is done, with the button that takes it back."""
    flash({"text": text, "undo_url": undo_url, "undo_fields": fields}, "ok")  # type: ignore[arg-type]


def hold_inbox_state(who: Viewer) -> None:
    """Read unread count and stream cursor now: before the lines of the page, so that what commits between is sent."""
    g.inbox_state = cursor.state([(one.organisation_id, one.person_id) for one in who.memberships])


def is_office(member: Membership) -> bool:
    """Whether this person is of the office in that organisation."""
    return member.role in OFFICE
