"""What reaches a person, how, and when: choices by category and event, quiet hours, addresses, a test to oneself.

People edit their own; nobody else's are changed here. A field that cannot be used is said beside it and nothing of
its form is kept. The sentences about tonight are decided by the same functions that decide when it is real.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import time
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.channels.addresses import clean_email, clean_number
from notify_app.channels.base import Invalid as BadAddress
from notify_app.domains.hub import TEST_MESSAGE
from notify_app.errors import NotFound
from notify_app.pipeline.audience import Member, members
from notify_app.pipeline.step import Step, hub, step
from notify_app.web.extensions import limiter
from notify_app.web.guard import allow
from notify_app.web.identity import Viewer, viewer
from notify_app.web.tonight import sentences
from notify_app.web.wishes import category_rows, channel_rows, choices_from, event_rows
from notify_app.web.words import channel_title, option, person
from notify_app.work import trial

__all__ = ["blueprint"]

blueprint = Blueprint("preferences", __name__)

OUTWARD = ("email", "sms")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
USUAL = (time(22), time(7))
MOST_ADDRESSES = 10  # of one person on one channel

ADDRESSES = """
    SELECT a.id, a.channel, a.value, s.reason AS blocked FROM address a
    LEFT JOIN suppression s ON s.organisation_id = a.organisation_id AND s.channel = a.channel AND s.value = a.value
    WHERE a.organisation_id = :org AND a.person_id = :me ORDER BY a.channel, a.position, a.id
"""
QUIET = "SELECT quiet_from, quiet_until, quiet_days FROM preference WHERE organisation_id = :org AND person_id = :me"
SAVE_QUIET = """
    INSERT INTO preference (organisation_id, person_id, quiet_from, quiet_until, quiet_days)
    VALUES (:org, :me, :start, :end, :days)
    ON CONFLICT (organisation_id, person_id) DO UPDATE
    SET quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until, quiet_days = excluded.quiet_days,
        updated_at = hub_now()
"""
SAVE_CHOICES = """
    INSERT INTO preference_choice (organisation_id, person_id, scope, channel, enabled)
    SELECT :org, :me, scope, channel, enabled
    FROM unnest(CAST(:scopes AS text[]), CAST(:channels AS text[]), CAST(:enabled AS boolean[])) AS t(scope, channel, enabled)
    WHERE enabled IS NOT NULL
    ON CONFLICT (organisation_id, person_id, scope, channel) DO UPDATE SET enabled = excluded.enabled
"""
FORGET_CHOICES = """
    DELETE FROM preference_choice c
    USING unnest(CAST(:scopes AS text[]), CAST(:channels AS text[]), CAST(:enabled AS boolean[])) AS t(scope, channel, enabled)
    WHERE c.organisation_id = :org AND c.person_id = :me AND c.scope = t.scope AND c.channel = t.channel AND t.enabled IS NULL
"""
ADD_ADDRESS = """
    INSERT INTO address (organisation_id, person_id, channel, value, position)
    SELECT :org, :me, :channel, :value, coalesce(max(position) + 1, 0) FROM address
    WHERE organisation_id = :org AND person_id = :me AND channel = :channel
    ON CONFLICT ON CONSTRAINT uq_address_value DO NOTHING
"""
PLACE_ADDRESS = """
    UPDATE address a SET position = t.place
    FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS t(id, place)
    WHERE a.organisation_id = :org AND a.person_id = :me AND a.id = t.id
"""


@dataclass
class Typed:
    """What somebody typed that could not be used, with what is wrong with it."""

    errors: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


@blueprint.get("/preferences")
@allow("member")
def show() -> ResponseReturnValue:
    """The page."""
    return _page(Typed())


@blueprint.post("/preferences")
@allow("member")
def save() -> ResponseReturnValue:
    """Keep the ticked boxes and the choices for single events."""
    chosen = choices_from(request.form)
    who = viewer()
    with step(who.organisation_id) as work:
        values = {
            "me": who.person_id,
            "scopes": [scope for scope, _channel in chosen],
            "channels": [channel for _scope, channel in chosen],
            "enabled": list(chosen.values()),
        }
        work.run(FORGET_CHOICES, **values)
        work.run(SAVE_CHOICES, **values)
    flash(_("Your choices are saved."), "ok")
    return redirect(url_for(".show"), 303)


@blueprint.post("/preferences/quiet-hours")
@allow("member")
def save_quiet() -> ResponseReturnValue:
    """Keep the quiet hours and the time zone."""
    form = request.form
    start, end = _time(form.get("start", "")), _time(form.get("end", ""))
    days = [number for number, key in enumerate(DAYS) if key in form.getlist("days")]
    on = form.get("on") == "1"
    typed = Typed(
        values={"quiet": {"on": on, "start": form.get("start", ""), "end": form.get("end", ""), "days": days}}
    )
    if on and start is None:
        typed.errors["start"] = _("Give the time as hours and minutes, such as 22:00.")
    if on and end is None:
        typed.errors["end"] = _("Give the time as hours and minutes, such as 07:00.")
    if on and not days:
        typed.errors["days"] = _("Choose at least one day, or switch quiet hours off.")
    if form.get("zone", "") not in available_timezones():
        typed.errors["zone"] = _("Choose a time zone from the list.")
    if typed.errors:
        return _page(typed), 422
    _keep_quiet(viewer(), start if on else None, end if on else None, days or list(range(7)), form["zone"])
    flash(_("Your quiet hours are saved.") if on else _("Quiet hours are off."), "ok")
    return redirect(url_for(".show", _anchor="quiet-hours"), 303)


def _time(text: str) -> time | None:
    try:
        return time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        return None


def _keep_quiet(who: Viewer, start: time | None, end: time | None, days: list[int], zone: str) -> None:
    with step(who.organisation_id) as work:
        work.run(SAVE_QUIET, me=who.person_id, start=start, end=end, days=days)
        if zone != who.zone:
            work.run(
                "UPDATE person SET zone = :zone WHERE organisation_id = :org AND id = :me",
                zone=zone,
                me=who.person_id,
            )


# --- addresses -----------------------------------------------------------------------------------------------------


@blueprint.post("/preferences/addresses")
@allow("member")
def add_address() -> ResponseReturnValue:
    """Add an address behind the others of its channel."""
    channel, given = request.form.get("channel", ""), request.form.get("address", "")[:320]
    if channel not in OUTWARD:
        raise NotFound("There is no channel like that.")
    try:
        value = (
            clean_number(given)
            if channel == "sms"
            else clean_email(given, allow_test_domains=hub().env != "production")
        )
    except BadAddress as error:
        return _page(Typed({channel: str(error)}, {channel: given})), 422
    who = viewer()
    with step(who.organisation_id) as work:
        if sum(row.channel == channel for row in work.all(ADDRESSES, me=who.person_id)) >= MOST_ADDRESSES:
            return _page(
                Typed({channel: _("You have many addresses already; remove one first.")}, {channel: given})
            ), 422
        added = work.run(ADD_ADDRESS, me=who.person_id, channel=channel, value=value)
    if not added:
        return _page(Typed({channel: _("You have this address already.")}, {channel: given})), 422
    flash(_("%(address)s is added.", address=value), "ok")
    return _to_addresses()


@blueprint.post("/preferences/addresses/<uuid:id>/remove")
@allow("member")
def remove_address(id: UUID) -> ResponseReturnValue:
    """Forget an address of one's own; it can be put back."""
    who = viewer()
    with step(who.organisation_id) as work:
        row = _own_address(work, who, id)
        work.run("DELETE FROM address WHERE organisation_id = :org AND id = :id", id=id)
    undo = {"channel": row.channel, "address": row.value}
    flash(
        {
            "text": _("%(address)s is removed.", address=row.value),
            "undo_url": url_for(".add_address"),
            "undo_fields": undo,
        },
        "ok",
    )  # type: ignore[arg-type]
    return _to_addresses()


@blueprint.post("/preferences/addresses/<uuid:id>/move")
@allow("member")
def move_address(id: UUID) -> ResponseReturnValue:
    """Try an address earlier or later than its neighbour."""
    who = viewer()
    with step(who.organisation_id) as work:
        row = _own_address(work, who, id)
        order = [one.id for one in work.all(ADDRESSES, me=who.person_id) if one.channel == row.channel]
        here = order.index(id)
        there = min(max(here + (1 if request.form.get("direction") == "down" else -1), 0), len(order) - 1)
        order[here], order[there] = order[there], order[here]
        work.run(PLACE_ADDRESS, me=who.person_id, ids=order)
    return _to_addresses()


def _own_address(work: Step, who: Viewer, id: UUID) -> Any:
    row = work.one(
        "SELECT channel, value FROM address WHERE organisation_id = :org AND person_id = :me AND id = :id FOR UPDATE",
        me=who.person_id,
        id=id,
    )
    if row is None:
        raise NotFound("There is no such address among yours.")
    return row


def _to_addresses() -> ResponseReturnValue:
    return redirect(url_for(".show", _anchor="addresses-card"), 303)


# --- a test --------------------------------------------------------------------------------------------------------


@blueprint.post("/preferences/test")
@allow("member")
@limiter.limit("6 per minute", key_func=lambda: f"test:{viewer().account_id}")
def test() -> ResponseReturnValue:
    """Send oneself a test through one channel, now."""
    channel = request.form.get("channel", "")
    who = viewer()
    with step(who.organisation_id) as work:
        sent = trial.send(work, who.person_id, channel)
    if sent:
        flash(
            _(
                "%(title)s is on its way by %(channel)s.",
                title=TEST_MESSAGE.title,
                channel=channel_title(channel),
            ),
            "ok",
        )
    else:
        flash(
            _("There is no address for %(channel)s that could be used.", channel=channel_title(channel)),
            "error",
        )
    return redirect(url_for(".show", _anchor="test"), 303)


# --- the page ------------------------------------------------------------------------------------------------------


def _page(typed: Typed) -> str:
    who = viewer()
    with step(who.organisation_id) as work:
        me = members(work, [who.person_id])[who.person_id]
        addresses = work.all(ADDRESSES, me=who.person_id)
        quiet = work.one(QUIET, me=who.person_id)
        now = work.now
    reachable = {reach.channel for reach in me.reaches if not reach.blocked}
    return render_template(
        "preferences.html",
        categories=category_rows(me, who.role),
        channels=channel_rows(reachable),
        overrides=event_rows(me, who.role),
        quiet=_quiet(quiet, me, typed),
        addresses=_addresses(addresses),
        sentences=sentences(me, now),
        tests=[
            {"channel": one, "title": channel_title(one), "available": one == "inapp" or one in reachable}
            for one in ("inapp", *OUTWARD)
        ],
        errors=typed.errors,
        values=typed.values,
        person=person(who.name, who.role, you=True),
    )


def _quiet(row: Any, me: Member, typed: Typed) -> dict[str, Any]:
    on = bool(row and row.quiet_from is not None)
    start, end = (row.quiet_from, row.quiet_until) if on else USUAL
    shown: dict[str, Any] = {
        "on": on,
        "start": f"{start:%H:%M}",
        "end": f"{end:%H:%M}",
        "days": row.quiet_days if row else range(7),
    }
    shown |= typed.values.get("quiet", {})
    titles = (
        _("Monday"),
        _("Tuesday"),
        _("Wednesday"),
        _("Thursday"),
        _("Friday"),
        _("Saturday"),
        _("Sunday"),
    )
    days = [
        {"key": key, "title": title, "short": title[:3], "on": number in shown["days"]}
        for number, (key, title) in enumerate(zip(DAYS, titles, strict=True))
    ]
    zones = [
        option(name, name.replace("_", " "), me.zone)
        for name in sorted(available_timezones())
        if "/" in name or name == "UTC"
    ]
    return {**shown, "days": days, "zone": me.zone, "zones": zones}


def _addresses(rows: list[Any]) -> list[dict[str, Any]]:
    shown = []
    for place, row in enumerate(rows):
        shown.append(
            {
                "id": str(row.id),
                "channel": row.channel,
                "channel_title": channel_title(row.channel),
                "address": row.value,
                "verified": True,
                "suppressed": row.blocked is not None,
                "reason": row.blocked or "",
                "first": place == 0 or rows[place - 1].channel != row.channel,
                "last": place == len(rows) - 1 or rows[place + 1].channel != row.channel,
            }
        )
    return shown
