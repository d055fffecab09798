"""How the office looks and signs: its name, colour and logo, who mails come from and where answers go, with a mail as it would look.

The preview is written by the same function as a mail that leaves, with a message's own sample, and shown in a sandboxed frame
once as by day and once as by night.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.channels.addresses import clean_email
from notify_app.errors import Invalid
from notify_app.extensions import db
from notify_app.pipeline import sql
from notify_app.pipeline.step import hub, step
from notify_app.policy.contrast import BLACK, ENOUGH, WHITE, ink_on, ratio
from notify_app.policy.office import Branding, read
from notify_app.web.extensions import limiter
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.templates import frame_of
from notify_app.work import drafts, templates
from notify_app.work.drafts import Desk

__all__ = ["blueprint"]

blueprint = Blueprint("branding", __name__)

SAMPLE = "repair_approved"  # a message with facts and a button
NAMES = (
    "company_name",
    "logo_url",
    "colour",
    "footer",
    "sender_name",
    "sender_address",
    "reply_to",
    "sms_sender",
)
ADDRESSES = ("sender_address", "reply_to")


@blueprint.get("/branding")
@allow("office")
def show() -> ResponseReturnValue:
    """The form with its preview."""
    desk = _desk()
    return _page(desk, _values(desk.office.branding), {})


@blueprint.post("/branding")
@allow("administrator")
def save() -> ResponseReturnValue:
    """Keep it; or another button: look at it, or back to how the hub looks by itself."""
    desk, do = _desk(), request.form.get("do", "save")
    typed = _values(Branding()) | _senders(desk) if do == "reset" else _typed()
    look, errors = _checked(typed)
    if wrong := _wrong_sender(desk, typed["sender_address"]):
        look, errors = None, {"sender_address": wrong} | errors
    if do != "save":
        return _page(desk, typed, errors)
    if look is None:
        return _page(desk, typed, errors), 422
    with step(viewer().organisation_id) as work:
        templates.set_office(work, _values(look), viewer().by)
    flash(_("Saved. The next message looks like this."), "ok")
    return redirect(url_for(".show"), 303)


def _wrong_sender(desk: Desk, typed: str) -> str:
    """Why mails cannot come from this address any more, or from now on; '' where nothing changes."""
    known = desk.office.branding.sender_address
    if known and not typed:
        return _("Without it no email leaves. Give an address.")
    domain = typed.rpartition("@")[2]
    if domain.lower() == known.rpartition("@")[2].lower():
        return ""
    # all organisations send through the installation's accounts, so that what one has proved to own another could use
    with db.engines["engine"].connect() as conn:
        values = {"org": viewer().organisation_id, "domain": domain}
        taken = conn.execute(sql.SENDS_FROM, values).scalar_one()
    return _("Another organisation sends from this domain. Ask whoever runs the hub.") if taken else ""


def _senders(desk: Desk) -> dict[str, str]:
    """Who messages come from is not a question of looks."""
    known = _values(desk.office.branding)
    return {name: known[name] for name in (*ADDRESSES, "sms_sender")}


@blueprint.post("/branding/preview")
@allow("administrator")
@limiter.limit("120 per minute", key_func=lambda: f"branding:{viewer().account_id}")
def preview() -> ResponseReturnValue:
    """What is being typed, as a mail would look: the part of the page, for a script that exchanges it."""
    desk, typed = _desk(), _typed()
    look, errors = _checked(typed)
    return render_template("_parts/branding_preview.html", preview=_preview(desk, look), errors=errors)


def _desk() -> Desk:
    with step(viewer().organisation_id) as work:
        return drafts.look(work, SAMPLE, viewer().person_id)


def _values(look: Branding) -> dict[str, str]:
    return {name: str(getattr(look, name)) for name in NAMES}


def _typed() -> dict[str, str]:
    typed = {name: request.form.get(name, "").strip()[:2100] for name in NAMES}
    return typed | {"colour": typed["colour"].lower() or Branding().colour}


def _checked(typed: Mapping[str, str]) -> tuple[Branding | None, dict[str, str]]:
    """The look, or what is wrong with each field."""
    says = {
        "colour": _("Use a colour as #1d4e89."),
        "logo_url": _("Use an address that begins with https://, at most 2,000 characters."),
        "sms_sender": _("Use at most 11 letters and digits, without spaces."),
    }
    values, errors = dict(typed), {}
    for name in ADDRESSES:
        try:
            values[name] = typed[name] and clean_email(
                typed[name], allow_test_domains=hub().env != "production"
            )
        except ValueError as error:
            errors[name] = str(error)
    try:
        look = read(Branding, values)
    except Invalid as error:
        longest = _("Use one line of at most 200 characters.")
        errors = {one.field: says.get(one.field, longest) for one in error.fields} | errors
        return None, errors
    return (None if errors else look), errors


def _page(desk: Desk, typed: Mapping[str, str], errors: Mapping[str, str]) -> str:
    look, _errors = _checked(typed)
    return render_template(
        "branding.html",
        values=typed,
        errors=errors,
        organisation=desk.office.name,
        preview=_preview(desk, look),
        may_change=viewer().role == "administrator",
    )


def _preview(desk: Desk, look: Branding | None) -> dict[str, Any] | None:
    """A mail in this look; None while it cannot be used."""
    if look is None:
        return None
    office = copy(desk.office)
    office.branding = look
    tried = drafts.try_out(replace(desk, office=office), {})
    name = look.sender_name or look.company_name or office.name
    return {
        "from_name": name,
        "from_address": look.sender_address,
        "reply_to": look.reply_to,
        "subject": tried.mail["subject"],
        "text": tried.mail["text"],
        "frame_url": frame_of("branding", tried.mail["html"]),
        "sms_sender": look.sms_sender or name,
        "sms": tried.sms,
        "said": _said(look.colour),
    }


def _said(colour: str) -> dict[str, str]:
    """How well words are read on the colour, and links in it on white."""
    ink = ink_on(colour)
    on_it, on_white = ratio(colour, ink), ratio(colour, WHITE)
    words = _(
        "Words on the colour are %(ink)s (%(ratio)s to 1).",
        ink=_("black") if ink == BLACK else _("white"),
        ratio=f"{on_it:.1f}",
    )
    if on_white < ENOUGH:
        hard = _(
            "Links in it are hard to read on white: %(ratio)s to 1, where 4.5 is enough.",
            ratio=f"{on_white:.1f}",
        )
        return {"text": f"{words} {hard}", "tone": "warn"}
    return {"text": words, "tone": "good"}
