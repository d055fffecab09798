"""A person's inbox: the lines of all their organisations, newest first, and marking them read.

Every mark is a transaction that raises the person's counter, so that all their tabs and phones hear of it.
Somebody else's line is answered as if there were none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.errors import NotFound
from notify_app.live import cursor
from notify_app.live.announce import Changed
from notify_app.pipeline import inbox
from notify_app.pipeline.step import Step, step
from notify_app.web.folds import folded
from notify_app.web.guard import allow
from notify_app.web.identity import Viewer, viewer
from notify_app.web.reader import Reader, reader
from notify_app.web.rollcall import answers_of, asking
from notify_app.web.sign_in import safe_next
from notify_app.web.words import event_title, flash_undo, hold_inbox_state, note, uuid_or_none, wants_json

__all__ = ["blueprint"]

blueprint = Blueprint("inbox", __name__)

PAGE = 30
LAST_ID = UUID(int=2**128 - 1)
LINES = """
    SELECT id, name, title, text, priority, category, action_url, created_at, read_at FROM notification
    WHERE organisation_id = :org AND person_id = :person AND withdrawn_at IS NULL AND id < :before {unread}
    ORDER BY id DESC LIMIT :limit
"""
MINE = "SELECT 1 FROM notification WHERE organisation_id = :org AND person_id = :person AND id = :id"


@blueprint.get("/inbox")
@allow("member")
def show() -> ResponseReturnValue:
    """The lines before a cursor, or the newest."""
    who = viewer()
    shown = "unread" if request.args.get("show") == "unread" else "all"
    before = uuid_or_none(request.args.get("before"))
    hold_inbox_state(who)
    lines, read, answers = _lines(who, before or LAST_ID, shown)
    page = lines[:PAGE]
    return render_template(
        "inbox.html",
        groups=_by_day(page, read, answers),
        show=shown,
        older=page[-1][0].id if len(lines) > PAGE else None,
        first_page=before is None,
        many_organisations=len(who.memberships) > 1,
        asking=asking(),
    )


def _lines(who: Viewer, before: UUID, shown: str) -> tuple[list[tuple[Any, str]], Reader, dict[UUID, Any]]:
    """Rows with their organisation's name ('' for the only one), newest first, one more than a page if there is; and
    what can be answered to some of them."""
    found: list[tuple[Any, str]] = []
    answers: dict[UUID, Any] = {}
    statement = LINES.format(unread="AND read_at IS NULL" if shown == "unread" else "")
    for one in who.memberships:
        with step(one.organisation_id) as work:
            rows = work.all(statement, person=one.person_id, before=before, limit=PAGE + 1)
            answers |= answers_of(work, one.person_id, {row.id: row.name for row in rows})
            now = work.now
        found += [(row, one.organisation_name if len(who.memberships) > 1 else "") for row in rows]
    found.sort(key=lambda line: line[0].id, reverse=True)
    return found, reader(now), answers


def _by_day(lines: list[tuple[Any, str]], read: Reader, answers: dict[UUID, Any]) -> list[dict[str, Any]]:
    days: dict[date, list[tuple[Any, str]]] = {}
    for line in lines:
        days.setdefault(read.on(line[0].created_at), []).append(line)
    return [
        {
            "title": read.day_title(day),
            "date": day.isoformat(),
            "entries": [
                _entry(group, read, answers)
                for group in folded(those, lambda line: line[0], lambda line: line[1])
            ],
        }
        for day, those in days.items()
    ]


def _entry(group: Sequence[tuple[Any, str]], read: Reader, answers: dict[UUID, Any]) -> dict[str, Any]:
    """One line, or several of one event that are folded into a group."""
    notes = [
        {**note(row, read, organisation), "answers": answers.get(row.id, [])} for row, organisation in group
    ]
    newest = group[0][0]
    return {
        "notifications": notes,
        "title": event_title(newest.name),
        "priority": notes[0]["priority"],
        "when": notes[0]["when"],
    }


@blueprint.post("/inbox/<uuid:id>/read")
@allow("member")
def read(id: UUID) -> ResponseReturnValue:
    """Mark a line as read, here and on every other screen of this person."""
    _mark(id, inbox.mark_read)
    return _answer(_("Marked as read."), url_for(".unread", id=id))


@blueprint.post("/inbox/<uuid:id>/unread")
@allow("member")
def unread(id: UUID) -> ResponseReturnValue:
    """The way back."""
    _mark(id, inbox.mark_unread)
    return _answer(_("Marked as unread."), url_for(".read", id=id))


@blueprint.post("/inbox/read-all")
@allow("member")
def read_all() -> ResponseReturnValue:
    """Mark everything that is in the inbox now, in all organisations."""
    for one in viewer().memberships:
        with step(one.organisation_id) as work:
            if inbox.mark_all_read(work, one.person_id):
                _tell_office(work)
    return _answer(_("Everything is marked as read."))


def _mark(id: UUID, verb: Callable[[Step, UUID, list[UUID]], int]) -> None:
    for one in viewer().memberships:
        with step(one.organisation_id) as work:
            if work.one(MINE, person=one.person_id, id=id):
                if verb(work, one.person_id, [id]):
                    _tell_office(work)
                return
    raise NotFound("There is no such notification in your inbox.")


def _tell_office(work: Step) -> None:
    """Who has read what is on the office's pages too."""
    work.news.append(Changed(work.organisation_id, "read"))


def _answer(text: str, undo_url: str = "") -> ResponseReturnValue:
    who = viewer()
    if wants_json():
        unread_now, _cursor = cursor.state([(one.organisation_id, one.person_id) for one in who.memberships])
        return jsonify({"unread": unread_now})
    if undo_url:
        flash_undo(text, undo_url)
    else:
        flash(text, "ok")
    return redirect(
        safe_next(request.form.get("next")) if request.form.get("next") else url_for(".show"), 303
    )
