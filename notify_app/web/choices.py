"""The grid of preferences: what a person can choose, as rows of boxes, and what the boxes say when they come back.

Stored is only what differs from its default: a category is on unless it was switched off, an event is as its category
unless it was chosen by itself. Urgent events are not offered, since nothing holds them back.
"""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from notify_app import domains
from notify_app.channels import offered
from notify_app.domains import moves
from notify_app.domains.base import EventType, Priority, WorkKind
from notify_app.domains.hub import COLLECTED
from notify_app.pipeline.audience import WORDS, Member
from notify_app.pipeline.step import hub
from notify_app.policy.channel import INBOX, ChannelType
from notify_app.policy.routing import Matter, in_digest, outward
from notify_app.web.words import category_title, channel_title

__all__ = ["category_rows", "channel_rows", "choices_from", "chosen_by", "event_rows", "missing"]

Choices = dict[tuple[str, str], bool | None]


def chosen_by(me: Member) -> list[ChannelType]:
    """The channels that this person can choose about: those that everybody has, and those that they have connected."""
    mine = {reach.channel for reach in me.reaches}
    return [one for one in offered(hub()) if not one.by_wish or one.name in mine]


def channel_rows(me: Member) -> list[dict[str, Any]]:
    """The columns; those without an address that can be used say why."""
    reachable = {reach.channel for reach in me.reaches if not reach.blocked}
    inbox = {"key": INBOX, "title": channel_title(INBOX), "available": True, "reason": ""}
    return [inbox] + [
        {
            "key": one.name,
            "title": channel_title(one.name),
            "available": one.name in reachable,
            "reason": "" if one.name in reachable else missing(one),
        }
        for one in chosen_by(me)
    ]


def missing(type_: ChannelType) -> str:
    """What to do where there is no address of it that works."""
    return _(type_.address.missing) if type_.address else _("it is not connected, or does not work any more.")


def category_rows(me: Member) -> list[dict[str, Any]]:
    """A row for each category that has something for this person."""
    channels = chosen_by(me)
    concerned = {event.category for event in domains.events() if _concerns(event, me)}
    return [
        {
            "key": one.name,
            "title": one.title,
            "text": one.text,
            "choices": [_always(), *(_box(me, one.name, channel.name) for channel in channels)],
        }
        for one in domains.categories()
        if one.name in concerned
    ]


def _always() -> dict[str, Any]:
    return {
        "channel": INBOX,
        "title": channel_title(INBOX),
        "on": True,
        "fixed": True,
        "reason": _("Your inbox always has everything."),
        "note": "",
    }


def _box(me: Member, category: str, channel: str) -> dict[str, Any]:
    on = me.choice.switches.get((f"category:{category}", channel), True)
    kept = channel == "email" and in_digest(Matter("", category, Priority.medium), me.choice)
    return {
        "channel": channel,
        "title": channel_title(channel),
        "on": on,
        "fixed": False,
        "reason": "",
        "note": _("digest") if on and kept else "",
    }


def event_rows(me: Member) -> list[dict[str, Any]]:
    """A row for each event that can reach this person and can be chosen."""
    channels = chosen_by(me)
    return [
        {
            "key": one.name,
            "title": one.title,
            "category_title": category_title(one.category),
            "choices": [_override(me, one, channel.name) for channel in channels],
        }
        for one in domains.events()
        if one.priority is not Priority.urgent and one.name != COLLECTED.name and _concerns(one, me)
    ]


def _override(me: Member, event: EventType, channel: str) -> dict[str, Any]:
    chosen = me.choice.switches.get((f"event:{event.name}", channel))
    as_category = me.choice.switches.get((f"category:{event.category}", channel), True)
    return {
        "channel": channel,
        "title": channel_title(channel),
        "value": "default" if chosen is None else "on" if chosen else "off",
        "default_title": _("On") if as_category else _("Off"),
    }


def _concerns(event: EventType, me: Member) -> bool:
    """Whether this person can hear of it: an event that names its people can be anybody's."""
    if not event.audience:
        return True
    kind = domains.kind(event.kind) if event.kind else None
    return any(
        _can_be(word, kind, me) if kind and word in kind.roles else moves.is_one(word, me.ref)
        for word in event.audience
        if (kind and word in kind.roles) or word in WORDS or ":" in word
    )


def _can_be(role: str, kind: WorkKind, me: Member) -> bool:
    """Whether somebody may have this part in an item: as a source names people for it, or as a form offers them."""
    offered = [
        word
        for verb in (*kind.transitions, *kind.verbs)
        for one in verb.inputs
        if one.name == role
        for word in one.among
    ]
    return me.role == kind.roles[role] or any(moves.is_one(word, me.ref) for word in offered)


def choices_from(form: MultiDict[str, str]) -> Choices:
    """(scope, channel) → on, off, or None for the default, of all boxes that the page has shown.
    What was not shown, or does not exist, is left as it is."""
    categories = {one.name for one in domains.categories()}
    events = {one.name for one in domains.events()}
    known = outward()
    ticked = set(form.getlist("on"))
    chosen: Choices = {}
    for box in form.getlist("shown"):
        category, _colon, channel = box.partition(":")
        if category in categories and channel in known:
            chosen[f"category:{category}", channel] = None if box in ticked else False
    for name, value in form.items():
        kind, _colon, rest = name.partition(":")
        event, _colon, channel = rest.partition(":")
        if kind == "override" and event in events and channel in known:
            chosen[f"event:{event}", channel] = {"on": True, "off": False}.get(value)
    return chosen
