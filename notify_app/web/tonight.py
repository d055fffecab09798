"""What a person's choices mean, in sentences: decided by the routing policy itself for a moment that will come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from notify_app.domains.base import Priority
from notify_app.pipeline.audience import Member
from notify_app.policy import formats
from notify_app.policy.quiet import QuietHours, release_at
from notify_app.policy.routing import DIGEST, Matter, Plan, plan
from notify_app.web.words import channel_title

__all__ = ["day_words", "sentences"]

INTO = timedelta(minutes=70)  # how far into the quiet hours the example lies: 23:10 of 22:00


def sentences(me: Member, now: datetime, categories: Sequence[str]) -> list[str]:
    """What would happen to a high and to an urgent message, and to one of medium priority by day. `categories` are those
    that can reach them."""
    if not any(not reach.blocked for reach in me.reaches):
        return [_("Without an address, nothing but your inbox reaches you.")]
    at = _example(me.choice.quiet, me.zone, now)
    if at is None:
        usual = _usual(me, categories)
        return [_said(me, Priority.high, now, _("Now")), _said(me, Priority.medium, now, _("Now"), usual)]
    return [
        _said(me, Priority.high, at, day_words(at, now, me.zone)),
        _said(me, Priority.urgent, at, _("Then, too,")),
    ]


def _usual(me: Member, categories: Sequence[str]) -> str:
    """A category in which it goes as in all: one of the digest's, where all of them are."""
    kept = [one for one in categories if me.choice.switches.get((f"category:{one}", DIGEST))]
    return kept[0] if kept and len(kept) == len(categories) else ""


def _example(quiet: QuietHours | None, zone: str, now: datetime) -> datetime | None:
    """A moment inside the next window."""
    if quiet is None:
        return None
    tz = ZoneInfo(zone)
    today = now.astimezone(tz).date()
    for days in range(8):
        at = (
            datetime.combine(today + timedelta(days=days), quiet.start, tzinfo=tz).astimezone(now.tzinfo)
            + INTO
        )
        for moment in (at, at - INTO + timedelta(minutes=1)):
            if moment > now and release_at(quiet, zone, moment):
                return moment
    return None


def day_words(at: datetime, now: datetime, zone: str) -> str:
    """ "Tonight at 22:00", "Tomorrow at 09:00", "On Monday at 09:00": where the sentence begins."""
    local = formats.local(at, zone)
    time = formats.time_of(at, zone)
    days = (local.date() - formats.local(now, zone).date()).days
    if days == 0:
        return _("Tonight at %(time)s", time=time) if local.hour >= 18 else _("Today at %(time)s", time=time)
    if days == 1:
        return _("Tomorrow at %(time)s", time=time)
    return _("On %(day)s at %(time)s", day=f"{local:%A}", time=time)


def _said(me: Member, priority: Priority, at: datetime, when: str, category: str = "") -> str:
    decided = plan(Matter("", category, priority), me.reaches, me.choice, signs_in=True, zone=me.zone, now=at)
    word = {
        Priority.urgent: _("an urgent message"),
        Priority.high: _("a high message"),
        Priority.medium: _("a medium message"),
        Priority.low: _("a low message"),
    }[priority]
    if any(told.outcome == "digested" for told in decided.record):
        return _("%(when)s %(what)s would be kept for your digest.", when=when, what=word)
    ways = _ways(decided)
    if not ways:
        return _("%(when)s %(what)s would be in your inbox only.", when=when, what=word)
    until = decided.messages[0].not_before
    if until is None:
        return _("%(when)s %(what)s would come at once, by %(ways)s.", when=when, what=word, ways=ways)
    return _(
        "%(when)s %(what)s would wait until %(time)s, then come by %(ways)s.",
        when=when,
        what=word,
        time=formats.time_of(until, me.zone),
        ways=ways,
    )


def _ways(decided: Plan) -> str:
    titles = [channel_title(one.channel) for one in decided.messages]
    return titles[0] if len(titles) == 1 else _(" and ").join(titles)
