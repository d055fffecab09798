"""A ladder as people see it: one rung a level, from the first at the bottom of time to the last, with who hears of it and
when, and what has come of it so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import ngettext

from notify_app import domains
from notify_app.policy.ladder import Fire, Ladder, Level, Next
from notify_app.web import audiences
from notify_app.web.reader import Reader
from notify_app.web.words import PRIORITIES
from notify_app.work import addressees

__all__ = ["clock_words", "every", "rungs", "scope_title", "span", "told_words", "word_title"]


def rungs(
    ladder: Ladder,
    read: Reader,
    names: Mapping[UUID, str],
    *,
    fires: Sequence[Fire] = (),
    coming: Next | None = None,
) -> list[dict[str, Any]]:
    """[{number, says, says_title, after, whole, who, priority, notes: [str], state 'told|next|ahead', when|None, again|None, times, why}]"""
    found, whole = [], 0
    for number, level in enumerate(ladder.levels):
        whole += level.after
        mine = [fire for fire in fires if fire.level == number]
        is_next = coming is not None and coming.level == number
        found.append(
            {
                "number": number + 1,
                "says": level.says,
                "says_title": _("Overdue") if level.says == "overdue" else _("Escalated"),
                "after": span(read, level.after),
                "whole": span(read, whole),
                "first": number == 0,
                "who": told_words(level, names),
                "priority": PRIORITIES.get(level.priority or 0, ""),
                "notes": _notes(level, read),
                "state": "told" if mine else "next" if is_next else "ahead",
                "when": read.when(
                    mine[-1].done_at if mine else coming.due_at if is_next and coming else None
                ),
                "again": read.when(coming.due_at) if mine and is_next and coming else None,
                "times": len(mine),
                "why": _why(mine[-1].why) if mine else "",
            }
        )
    return found


def span(read: Reader, minutes: int) -> str:
    """ "4 hr", "1 day 12 hr"."""
    return read.span(timedelta(minutes=minutes))


def every(read: Reader, minutes: int) -> str:
    """ "every hour", "every day", "every 1 hr 30 min"."""
    usual = {60: _("every hour"), 24 * 60: _("every day"), 7 * 24 * 60: _("every week")}
    return usual.get(minutes) or _("every %(span)s", span=span(read, minutes))


def told_words(level: Level, names: Mapping[UUID, str]) -> str:
    """Whom a level tells, in one line."""
    groups = [word_title(word) for word in level.tell if not word.startswith("person:")]
    people = [names.get(one, _("somebody")) for one in addressees.named(level.tell)]
    return ", ".join([*groups, *people])


def word_title(word: str) -> str:
    """A word of a level, as people read it."""
    if word == "assignee":
        return _("Whose step it is")
    first, _plus, grade = word.partition("+grade:")
    title = audiences.title(first)
    return _("%(role)s, grade %(grade)s", role=title, grade=grade) if grade else title


def clock_words(ladder: Ladder) -> str:
    """By which clock it goes."""
    return _("counted in working hours") if ladder.clock == "working" else _("counted day and night")


def _why(reason: str) -> str:
    titles = {
        "not_delivered": _("at once, because the one before reached nobody"),
        "lapsed": _("again, because it was seen to and not finished"),
    }
    return titles.get(reason, "")


def _notes(level: Level, read: Reader) -> list[str]:
    notes = []
    if level.repeat:
        notes.append(_("again %(every)s while it waits", every=every(read, level.repeat)))
    else:
        notes.append(_("once"))
    if level.needs > 1:
        notes.append(ngettext("%(num)d has to see to it", "%(num)d have to see to it", level.needs))
    return notes


def scope_title(scope: tuple[str | None, str | None, str | None]) -> str:
    """What a rule is about: kind, type, step; None is any."""
    kind_name, sort, name = scope
    kind = domains.kind(kind_name) if kind_name else None
    if kind is None:
        return kind_name or _("All kinds of work")
    task = next((one for one in kind.tasks if one.step == name), None)
    title = (
        f"{kind.title}: {task.title if task else name}"
        if name
        else _("%(kind)s, every step", kind=kind.title)
    )
    return f"{title} ({sort})" if sort else title
