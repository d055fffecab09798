"""The order in which a person wants their channels: the card of the preferences page, and what its buttons do."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.pipeline.audience import Member, members
from notify_app.pipeline.step import step
from notify_app.policy.own_order import arranged, moved
from notify_app.policy.routing import stand_ins
from notify_app.web.choices import chosen_by
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.words import channel_title
from notify_app.work import wishes

__all__ = ["blueprint", "rows"]

blueprint = Blueprint("channel_order", __name__)


def rows(me: Member) -> list[dict[str, Any]]:
    """The channels that stand in for each other, as this person has them."""
    names = _theirs(me)
    return [
        {"key": name, "title": channel_title(name), "first": place == 0, "last": place == len(names) - 1}
        for place, name in enumerate(names)
    ]


def _theirs(me: Member) -> tuple[str, ...]:
    offered = {one.name for one in chosen_by(me)}
    return arranged([one for one in stand_ins() if one in offered], me.choice.order)


@blueprint.post("/preferences/order")
@allow("member")
def move() -> ResponseReturnValue:
    """Take a channel before the one above it (`direction=down`: after the one below), keep the order as it is shown
    (`keep`), or go back to the hub's own (`reset`)."""
    who, form = viewer(), request.form
    direction, channel = form.get("direction", "up"), form.get("channel", "")
    with step(who.organisation_id) as work:
        me = members(work, [who.person_id])[who.person_id]
        order: tuple[str, ...] = ()
        if direction == "keep":
            order = _theirs(me)
        elif direction != "reset":
            order = moved(_theirs(me), channel, later=direction == "down")
        wishes.order_channels(work, who.person_id, order, who.by)
    if order:
        flash(_("%(channel)s comes first now.", channel=channel_title(order[0])), "ok")
    else:
        flash(_("Your channels are in the usual order again."), "ok")
    return redirect(url_for("preferences.show", _anchor="order-card"), 303)
