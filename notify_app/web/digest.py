"""The digest's part of the preferences: what its form says when it comes back, and what the page shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.datastructures import MultiDict

from notify_app import domains
from notify_app.pipeline.audience import Member
from notify_app.policy.digest import USUAL, Rhythm, Schedule
from notify_app.policy.routing import DIGEST
from notify_app.web.tonight import day_words
from notify_app.web.words import option
from notify_app.work.digests import Kept

__all__ = ["Asked", "asked", "shown"]

OFF = "off"


@dataclass(frozen=True)
class Asked:
    """What somebody wants: a schedule (None: no digest), of these of the `offered` categories."""

    schedule: Schedule | None
    categories: frozenset[str]
    offered: frozenset[str]


def asked(form: MultiDict[str, str]) -> tuple[Asked | None, dict[str, str]]:
    """What the form says; or None, and what is wrong by field."""
    known = {one.name for one in domains.categories()}
    offered = known & set(form.getlist("digest_shown"))
    chosen = offered & set(form.getlist("digest_of"))
    rhythm = form.get("digest_rhythm", "")
    if rhythm == OFF:
        return Asked(None, frozenset(chosen), frozenset(offered)), {}
    at, day = _time(form.get("digest_at", "")), form.get("digest_day", "")
    errors = {}
    if rhythm not in {one.value for one in Rhythm}:
        errors["digest_rhythm"] = _("Choose from the list how often it comes.")
    if at is None and rhythm != Rhythm.hourly:
        errors["digest_at"] = _("Give the time as hours and minutes, such as 09:00.")
    if day not in set("0123456") and rhythm == Rhythm.weekly:
        errors["digest_day"] = _("Choose a day of the week from the list.")
    if not chosen:
        errors["digest_of"] = _("Choose at least one kind of message, or switch the digest off.")
    if errors:
        return None, errors
    schedule = Schedule(Rhythm(rhythm), at or USUAL, int(day) if day in set("0123456") else 0)
    return Asked(schedule, frozenset(chosen), frozenset(offered)), {}


def _time(text: str) -> time | None:
    try:
        return time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        return None


def shown(
    me: Member,
    kept: Kept,
    categories: Sequence[Mapping[str, Any]],
    days: Sequence[str],
    now: datetime,
    typed: MultiDict[str, str] | None,
) -> dict[str, Any]:
    """The form and the sentence about the next one. `categories` are the page's rows, `days` the names of the days from
    Monday; `typed` is what was typed and could not be used."""
    rhythm = kept.schedule.rhythm.value if kept.due_at else OFF
    at, day = f"{kept.schedule.at:%H:%M}", str(kept.schedule.day)
    chosen = {one["key"] for one in categories if me.choice.switches.get((f"category:{one['key']}", DIGEST))}
    if not chosen and not kept.due_at:  # who has never thought of it would have all of it
        chosen = {one["key"] for one in categories}
    if typed is not None:
        rhythm, at = typed.get("digest_rhythm", ""), typed.get("digest_at", "")
        day, chosen = typed.get("digest_day", ""), set(typed.getlist("digest_of"))
    titles = {
        OFF: _("Never"),
        Rhythm.hourly: _("Every hour"),
        Rhythm.daily: _("Every day"),
        Rhythm.weekly: _("Every week"),
    }
    return {
        "rhythms": [option(value, title, rhythm) for value, title in titles.items()],
        "at": at,
        "days": [option(str(number), title, day) for number, title in enumerate(days)],
        "categories": [
            {
                "key": one["key"],
                "title": one["title"],
                "on": one["key"] in chosen,
                "off": not me.choice.switches.get((f"category:{one['key']}", "email"), True),
            }
            for one in categories
        ],
        "sentence": _sentence(me, kept, now),
    }


def _sentence(me: Member, kept: Kept, now: datetime) -> str:
    if kept.due_at is None:
        return ""
    if not any(reach.channel == "email" and not reach.blocked for reach in me.reaches):
        return _("Your next digest has nowhere to go: add a mail address below.")
    when = day_words(max(kept.due_at, now), now, me.zone)
    if not kept.unread:
        return _(
            "%(when)s: your next digest. Nothing is in it so far, and an empty one is not sent.", when=when
        )
    return ngettext(
        "%(when)s: your next digest, with %(num)d unread message so far.",
        "%(when)s: your next digest, with %(num)d unread messages so far.",
        kept.unread,
        when=when,
    )
