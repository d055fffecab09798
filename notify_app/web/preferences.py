"""What reaches a person, how, and when: choices by category and event, a digest, quiet hours, addresses, a test to oneself.

People edit their own; nobody else's are changed here. A field that cannot be used is said beside it and nothing of
its form is kept. The sentences about tonight are decided by the same functions that decide when it is real.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import time
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from notify_app.channels import OFF, asked
from notify_app.channels.telegram import TELEGRAM
from notify_app.domains.hub import TEST_MESSAGE
from notify_app.errors import Invalid, NotFound
from notify_app.pipeline.audience import Member, members
from notify_app.pipeline.step import hub, step
from notify_app.policy.channel import INBOX, shown
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.routing import every
from notify_app.web import channel_order, digest, push, suppressed, unverified
from notify_app.web.choices import category_rows, channel_rows, choices_from, chosen_by, event_rows
from notify_app.web.extensions import limiter
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.record import recent
from notify_app.web.tonight import sentences
from notify_app.web.words import (
    address_fields,
    channel_title,
    flash_undo,
    option,
    person,
    uuid_or_none,
    weekdays,
)
from notify_app.work import chats, digests, trial, verification, wishes

__all__ = ["blueprint", "zone_options"]

blueprint = Blueprint("preferences", __name__)

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
USUAL = (time(22), time(7))
LOCAL = "local"


@dataclass
class Typed:
    """What somebody typed that could not be used, with what is wrong with it."""

    errors: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    digest: MultiDict[str, str] | None = None


@blueprint.get("/preferences")
@allow("member")
def show() -> ResponseReturnValue:
    """The page."""
    return _page(Typed())


@blueprint.post("/preferences")
@allow("member")
def save() -> ResponseReturnValue:
    """Keep the ticked boxes and the choices for single events."""
    with step(viewer().organisation_id) as work:
        wishes.choose(work, viewer().person_id, choices_from(request.form), viewer().by)
    flash(_("Your choices are saved."), "ok")
    return redirect(url_for(".show"), 303)


@blueprint.post("/preferences/digest")
@allow("member")
def save_digest() -> ResponseReturnValue:
    """Keep how often a digest comes, when, and of what."""
    asked, errors = digest.asked(request.form)
    if asked is None:
        return _page(Typed(errors, digest=request.form)), 422
    with step(viewer().organisation_id) as work:
        unread = digests.kept(work, viewer().person_id).unread
        last = digests.choose(
            work, viewer().person_id, asked.schedule, asked.categories, asked.offered, viewer().by
        )
    if asked.schedule:
        flash(_("Your digest is saved."), "ok")
    elif last:
        flash(_("The digest is off. What was kept for it comes now, in a last one."), "ok")
    elif unread:
        flash(
            _(
                "The digest is off. No email address of yours can be used: what was kept for it is in your inbox."
            ),
            "ok",
        )
    else:
        flash(_("The digest is off."), "ok")
    return redirect(url_for(".show", _anchor="digest"), 303)


@blueprint.post("/preferences/quiet-hours")
@allow("member")
def save_quiet() -> ResponseReturnValue:
    """Keep the quiet hours and the time zone."""
    form = request.form
    on, zone = form.get("on") == "1", form.get("zone", "")
    start, end = _time(form.get("start", "")), _time(form.get("end", ""))
    days = [number for number, key in enumerate(DAYS) if key in form.getlist("days")]
    errors = _wrong_times(start, end, days) if on else {}
    if zone not in _zones():
        errors["zone"] = _("Choose a time zone from the list.")
    if errors:
        typed = {"on": on, "start": form.get("start", ""), "end": form.get("end", ""), "days": days}
        return _page(Typed(errors, {"quiet": typed})), 422
    hours = (start, end) if on and start and end else None
    with step(viewer().organisation_id) as work:
        wishes.keep_quiet(work, viewer().person_id, hours, days or range(7), zone, viewer().by)
    flash(_("Your quiet hours are saved.") if on else _("Quiet hours are off."), "ok")
    return redirect(url_for(".show", _anchor="quiet-hours"), 303)


def _wrong_times(start: time | None, end: time | None, days: list[int]) -> dict[str, str]:
    errors = {}
    if start is None:
        errors["start"] = _("Give the time as hours and minutes, such as 22:00.")
    if end is None:
        errors["end"] = _("Give the time as hours and minutes, such as 07:00.")
    if not days:
        errors["days"] = _("Choose at least one day, or switch quiet hours off.")
    return errors


@cache
def _zones() -> frozenset[str]:
    """All zones; asking for them reads a directory."""
    return frozenset(available_timezones())


def _time(text: str) -> time | None:
    try:
        return time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        return None


# --- addresses -----------------------------------------------------------------------------------------------------


@blueprint.post("/preferences/addresses")
@allow("member")
def add_address() -> ResponseReturnValue:
    """Add an address, which is used when it is verified; what was removed a moment ago comes back as it was."""
    channel, given = request.form.get("channel", ""), request.form.get("address", "")[:320]
    who, instead_of = viewer(), uuid_or_none(request.form.get("instead_of"))
    back = unverified.is_kept(who, channel, given, request.form.get("kept", ""))
    try:
        with step(who.organisation_id) as work:
            if back:
                value, not_sent = given, ""
                wishes.restore_address(work, who.person_id, channel, given, who.by)
            else:
                value, not_sent = verification.begin(
                    work, who.person_id, channel, given, who.by, instead_of=instead_of
                )
    except Invalid as error:
        typed = {channel: given, "instead_of": str(instead_of or "")}
        return _page(Typed({one.field: one.message for one in error.fields}, typed)), 422
    if back:
        flash(_("%(address)s is added.", address=value), "ok")
    else:
        unverified.flash_added(value, not_sent)
    return _to_addresses()


@blueprint.post("/preferences/addresses/<uuid:id>/remove")
@allow("member")
def remove_address(id: UUID) -> ResponseReturnValue:
    """Forget an address of one's own; it can be put back."""
    with step(viewer().organisation_id) as work:
        row = wishes.remove_address(work, viewer().person_id, id, viewer().by)
    said = _("%(address)s is removed.", address=shown(row.channel, row.value))
    if channel_type(row.channel).address:
        kept = unverified.keep(viewer(), row.channel, row.value)
        flash_undo(said, url_for(".add_address"), channel=row.channel, address=row.value, kept=kept)
    else:
        flash(_("%(channel)s is not connected any more.", channel=channel_title(row.channel)), "ok")
    return _to_addresses()


@blueprint.post("/preferences/addresses/<uuid:id>/move")
@allow("member")
def move_address(id: UUID) -> ResponseReturnValue:
    """Try an address earlier or later than its neighbour."""
    with step(viewer().organisation_id) as work:
        who, later = viewer(), request.form.get("direction") == "down"
        wishes.earlier(work, who.person_id, id, who.by, later=later)
    return _to_addresses()


@blueprint.post("/preferences/telegram")
@allow("member")
@limiter.limit("10 per hour", key_func=lambda: f"telegram:{viewer().account_id}")
def connect_telegram() -> ResponseReturnValue:
    """Show the link that connects a chat of one's own. Where messages stay on this machine, a pretended one is connected."""
    who = viewer()
    provider = asked(hub(), TELEGRAM.name)[0]
    if provider == OFF:
        raise NotFound("Telegram is not offered here.")
    with step(who.organisation_id) as work:
        token = chats.start_link(work, who.person_id)
        if provider == LOCAL:
            chats.pretend(work, who.person_id)
    if provider == LOCAL:
        flash(
            _("A chat is connected. Nothing leaves this machine: the outbox page shows its messages."), "ok"
        )
        return _to_addresses()
    return render_template(
        "connect_telegram.html",
        bot=hub().telegram_bot,
        link=f"https://t.me/{hub().telegram_bot}?start={token}",
        typed=f"/start {token}",
        minutes=int(chats.LIFE.total_seconds() // 60),
        person=person(who.name, who.role, you=True),
    )


def _to_addresses() -> ResponseReturnValue:
    return redirect(url_for(".show", _anchor="addresses-card"), 303)


# --- a test --------------------------------------------------------------------------------------------------------


@blueprint.post("/preferences/test")
@allow("member")
@limiter.limit("6 per minute", key_func=lambda: f"test:{viewer().account_id}")
def test() -> ResponseReturnValue:
    """Send oneself a test through one channel, now."""
    channel = request.form.get("channel", "")
    with step(viewer().organisation_id) as work:
        sent = trial.send(work, viewer().person_id, channel)
    way = channel_title(channel)
    if sent:
        flash(_("%(title)s is on its way by %(channel)s.", title=TEST_MESSAGE.title, channel=way), "ok")
    else:
        flash(_("There is no address for %(channel)s that could be used.", channel=way), "error")
    return redirect(url_for(".show", _anchor="test"), 303)


# --- the page ------------------------------------------------------------------------------------------------------


def _page(typed: Typed) -> str:
    who = viewer()
    with step(who.organisation_id) as work:
        me = members(work, [who.person_id])[who.person_id]
        addresses = wishes.addresses(work, who.person_id)
        waiting = verification.of_person(work, who.person_id)
        quiet = wishes.quiet(work, who.person_id)
        changes = recent(work, who.person_id)
        kept = digests.kept(work, who.person_id)
        now = work.now
    categories = category_rows(me)
    reachable = {reach.channel for reach in me.reaches if not reach.blocked}
    return render_template(
        "preferences.html",
        categories=categories,
        channels=channel_rows(me),
        overrides=event_rows(me),
        digest=digest.shown(me, kept, categories, weekdays(), now, typed.digest),
        quiet=_quiet(quiet, me, typed),
        addresses=_addresses(addresses),
        unverified=[unverified.unverified_row(one) for one in waiting],
        order=channel_order.rows(me),
        own_order=bool(me.choice.order),
        fields=address_fields(),
        telegram=_telegram(addresses),
        push=push.provider(),
        sentences=sentences(me, now, [one["key"] for one in categories]),
        tests=[
            {"channel": one, "title": channel_title(one), "available": one == INBOX or one in reachable}
            for one in (INBOX, *(known.name for known in chosen_by(me)))
        ],
        changes=changes,
        errors=typed.errors,
        values=typed.values,
        person=person(who.name, who.role, you=True),
    )


def _telegram(addresses: list[Any]) -> dict[str, Any] | None:
    """Whether a chat is connected; None where there is no Telegram."""
    if asked(hub(), TELEGRAM.name)[0] == OFF:
        return None
    return {"on": any(row.channel == TELEGRAM.name for row in addresses), "text": _(TELEGRAM.text)}


def _quiet(row: Any, me: Member, typed: Typed) -> dict[str, Any]:
    on = bool(row and row.quiet_from is not None)
    start, end = (row.quiet_from, row.quiet_until) if on else USUAL
    shown: dict[str, Any] = {"on": on, "start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}
    shown["days"] = row.quiet_days if row else range(7)
    shown |= typed.values.get("quiet", {})
    days = [
        {"key": key, "title": title, "short": title[:3], "on": number in shown["days"]}
        for number, (key, title) in enumerate(zip(DAYS, weekdays(), strict=True))
    ]
    return {**shown, "days": days, "zone": me.zone, "zones": zone_options(me.zone)}


def zone_options(chosen: str) -> list[dict[str, Any]]:
    """All time zones that are places."""
    places = (name for name in sorted(_zones()) if "/" in name or name == "UTC")
    return [option(name, name.replace("_", " "), chosen) for name in places]


def _addresses(rows: list[Any]) -> list[dict[str, Any]]:
    channels, each = [None, *(row.channel for row in rows), None], every()
    return [
        {
            "id": str(row.id),
            "channel": row.channel,
            "channel_title": channel_title(row.channel),
            "address": shown(row.channel, row.value),
            "suppressed": row.blocked is not None,
            "reason": suppressed.advice(row.blocked, row.blocked_kind) if row.blocked else "",
            "first": channels[place] != row.channel,
            "last": channels[place + 2] != row.channel,
            "every": row.channel in each,
        }
        for place, row in enumerate(rows)
    ]
