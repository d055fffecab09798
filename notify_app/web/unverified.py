"""What pages show and say of addresses that are not verified yet, and how an address that was removed comes back verified.

The undo of a removal brings back with it that the address was verified. That is sealed for this person and address, and
good for a while: nobody can make it up.
"""

from __future__ import annotations

import base64
import time
from typing import Any

from flask import flash, url_for
from flask_babel import gettext as _

from notify_app.pipeline.step import hub
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.verification import has_link
from notify_app.secrets import Secrets
from notify_app.web import suppressed
from notify_app.web.identity import Viewer
from notify_app.web.words import channel_title

__all__ = ["flash_added", "is_kept", "keep", "unverified_row"]

GOOD_FOR = 3600  # seconds in which a removal can be taken back


def unverified_row(row: Any) -> dict[str, Any]:
    """A row of `verification.of_person` for templates."""
    return {
        "id": str(row.id),
        "channel": row.channel,
        "channel_title": channel_title(row.channel),
        "address": row.value,
        "open": bool(row.open),
        "link": has_link(channel_type(row.channel)),
        "blocked": suppressed.advice(row.blocked, row.blocked_kind) if row.blocked else "",
        "blocked_url": url_for("suppressed.one", id=row.blocked_id) if row.blocked_id else "",
        "instead_of": row.old or "",
    }


def flash_added(address: str, not_sent: str) -> None:
    """Say that an address waits to be verified, and whether something was sent to it."""
    if not_sent:
        flash(_("%(address)s is not verified yet. %(why)s", address=address, why=not_sent), "error")
    else:
        flash(
            _("%(address)s is used as soon as it is verified: a code was sent to it.", address=address), "ok"
        )


def keep(who: Viewer, channel: str, address: str) -> str:
    """What brings an address of theirs back as it was."""
    about = _about(who, channel, address)
    sealed = Secrets(hub().secret_key).seal(str(int(time.time()) + GOOD_FOR), about)
    return base64.urlsafe_b64encode(sealed).decode()


def is_kept(who: Viewer, channel: str, address: str, kept: str) -> bool:
    """Whether `kept` was made for them and this address, and lately."""
    if not kept:
        return False
    try:
        sealed = base64.urlsafe_b64decode(kept.encode())
        until = int(Secrets(hub().secret_key).open(sealed, _about(who, channel, address)))
    except ValueError:
        return False
    return time.time() < until


def _about(who: Viewer, channel: str, address: str) -> str:
    return f"address/{who.organisation_id}/{who.person_id}/{channel}/{address}"
