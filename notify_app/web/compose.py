"""Writing: a message in one's own words, or a happening (an emergency, a visitor, a newsletter); looked at, then sent.

One form with its buttons: find somebody, look at it, send it. Looking changes nothing and shows what would come of it:
how many people, by which channel, at what cost, whom nothing reaches, and each message as its recipient would see it.
What is sent must be what was looked at; what goes to everyone or is urgent is confirmed besides. It works without scripts.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app import domains
from notify_app.domains.base import Happening, PersonRef, Priority
from notify_app.domains.fields import Field, FieldKind
from notify_app.errors import Forbidden, Invalid, NotFound
from notify_app.pipeline import world
from notify_app.pipeline.step import Step, step
from notify_app.policy.wall import wall_of
from notify_app.web import audiences, compose_preview
from notify_app.web.compose_form import (
    OWN_WORDS,
    Sheet,
    happening_of,
    letter_of,
    mark_of,
    open_preview,
)
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.outbox import FRAME_POLICY
from notify_app.web.reader import reader
from notify_app.web.words import PRIORITIES, contains, option, role_title, uuid_or_none
from notify_app.work import addressees, forecast, messages
from notify_app.work.forecast import Forecast
from notify_app.work.messages import Letter

__all__ = ["blueprint", "kinds_for"]

blueprint = Blueprint("compose", __name__)

FOUND = """
    SELECT id, name, role FROM person WHERE organisation_id = :org AND left_at IS NULL AND name ILIKE :like
    AND NOT id = ANY(:chosen) ORDER BY lower(name), id LIMIT 20
"""
CHOSEN = "SELECT id, name, role FROM person WHERE organisation_id = :org AND id = ANY(:chosen) ORDER BY lower(name), id"
BEFORE = """
    SELECT * FROM written_message WHERE organisation_id = :org AND id = :id AND again_of IS NULL AND (:office OR author_id = :me)
"""


@blueprint.get("/compose", defaults={"kind": OWN_WORDS})
@blueprint.get("/compose/<kind>")
@allow("member")
def show(kind: str) -> ResponseReturnValue:
    """The empty form; `?from=` fills it with what was written before, `?to=` and `?item=` choose."""
    happening = happening_of(kind)
    with step(viewer().organisation_id) as work:
        _check_right(work, happening)
        sheet = _before(work, happening) or Sheet.blank(happening)
        chosen = uuid_or_none(request.args.get("to"))
        sheet.chosen += [chosen] if chosen and chosen not in sheet.chosen else []
        sheet.item = sheet.item or request.args.get("item", "")[:200]
        return _page(work, sheet)


@blueprint.post("/compose", defaults={"kind": OWN_WORDS})
@blueprint.post("/compose/<kind>")
@allow("member")
def write(kind: str) -> ResponseReturnValue:
    """Find somebody, look at it, or send it."""
    happening, who = happening_of(kind), viewer()
    sheet, do = Sheet.of(happening, request.form), request.form.get("do", "preview")
    with step(who.organisation_id) as work:
        _check_right(work, happening)
        if do == "find" and sheet.q:
            return _page(work, sheet)
        try:
            letter = letter_of(work, sheet, who.zone)
            looked = _look(work, sheet, letter)
        except Invalid as error:
            return _page(work, sheet, errors=_errors(error)), 422
        if do != "send":
            return _page(work, sheet, looked=looked)
        missing = _missing(sheet, letter, looked)
        if missing:
            return _page(work, sheet, looked=looked, missing=missing), 422
    return _send(letter, sheet)


def _send(letter: Letter, sheet: Sheet) -> ResponseReturnValue:
    who = viewer()
    try:
        with step(who.organisation_id) as work:
            written = messages.write(work, who.person_id, letter, sheet.key)
    except Invalid as error:  # somebody left, or a template was changed, since the look
        with step(who.organisation_id) as work:
            return _page(work, sheet, errors=_errors(error)), 422
    if written.fresh:
        flash(_("It is scheduled.") if letter.due_at else _("It is on its way."), "ok")
    return redirect(url_for("sent.message", id=written.id), 303)


@blueprint.get("/compose/frame")
@allow("member")
def frame() -> ResponseReturnValue:
    """The HTML of the mail that is looked at, alone; only who wrote it can open it."""
    who = viewer()
    letter, recipient = open_preview(request.args.get("d", ""), who.person_id)
    with step(who.organisation_id) as work:
        known = world.of(work)
        me = _check_right(work, letter.happening)
        html = forecast.mail(known, messages.draft(known, me, letter), recipient, letter.priority)
    if not html:
        raise NotFound("There is no such preview.")
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = FRAME_POLICY
    return response


def _check_right(work: Step, happening: Happening | None) -> PersonRef:
    member = world.of(work).member(viewer().person_id)
    if member is None or not messages.may(member.ref, happening):
        raise Forbidden(_("This is for others to send."))
    return member.ref


def _before(work: Step, happening: Happening | None) -> Sheet | None:
    found, who = uuid_or_none(request.args.get("from")), viewer()
    row = work.one(BEFORE, id=found, office=who.office, me=who.person_id) if found else None
    if row is None:
        return None
    letter = messages.letter_of(row)
    if letter.happening != happening:
        return None
    sheet = Sheet.again(letter)
    held = world.of(work).item(letter.item_id) if letter.item_id else None
    sheet.item = held.item.number if held else ""
    if row.due_at > work.now:
        sheet.later, sheet.at = True, wall_of(row.due_at, who.zone)
    return sheet


def _errors(error: Invalid) -> dict[str, str]:
    found = {one.field: one.message for one in error.fields}
    return found | {"form": str(error)}


# --- looking -------------------------------------------------------------------------------------------------------


def _look(work: Step, sheet: Sheet, letter: Letter) -> tuple[Letter, Forecast]:
    known = world.of(work)
    people = addressees.people(known, letter.audience)
    said = messages.draft(known, _check_right(work, sheet.happening), letter)
    return letter, forecast.foresee(known, said, people, letter.priority)


def _missing(sheet: Sheet, letter: Letter, looked: tuple[Letter, Forecast]) -> str:
    """Why it is not sent yet."""
    if sheet.seen != mark_of(letter):
        return _("Look at it first: what is sent is what was looked at.")
    if compose_preview.must_confirm(letter, looked[1]) and not sheet.confirmed:
        return _("Confirm that it is to go to all of them.")
    return ""


# --- the page ------------------------------------------------------------------------------------------------------


def _page(
    work: Step,
    sheet: Sheet,
    *,
    looked: tuple[Letter, Forecast] | None = None,
    errors: dict[str, str] | None = None,
    missing: str = "",
) -> str:
    who, read = viewer(), reader(work.now)
    me = _check_right(work, sheet.happening)
    sizes = audiences.counts(work)
    hits = work.all(FOUND, like=contains(sheet.q), chosen=sheet.chosen) if sheet.q else []
    return render_template(
        "compose.html",
        sheet=sheet,
        kinds=kinds_for(me, sheet.kind),
        title=sheet.happening.event.title if sheet.happening else _("Message"),
        fields=[_field(one, sheet) for one in messages.fields(sheet.happening)],
        groups=[
            {
                "word": word,
                "title": audiences.title(word),
                "count": sizes[word],
                "on": word in sheet.groups,
            }
            for word in sizes
            if sizes[word] or word in sheet.groups
        ],
        fixed=audiences.said(sheet.words, {}) if sheet.fixed else "",
        chosen=[_person(row) for row in (work.all(CHOSEN, chosen=sheet.chosen) if sheet.chosen else [])],
        hits=[_person(row) for row in hits],
        priorities=_priorities(sheet.priority),
        earliest=wall_of(work.now, who.zone),
        preview=compose_preview.shown(*looked, read) if looked else None,
        errors=errors or {},
        missing=missing,
    )


def _person(row: Any) -> dict[str, Any]:
    return {"id": str(row.id), "name": row.name, "role": role_title(row.role)}


def kinds_for(me: PersonRef, chosen: str = "") -> list[dict[str, Any]]:
    """What this person may write, as choices."""
    known: list[tuple[str, str, Happening | None]] = [(OWN_WORDS, _("Message"), None)]
    known += [(one.name, one.event.title, one) for one in domains.happenings() if one.by]
    return [
        {
            "title": title,
            "url": url_for(".show") if name == OWN_WORDS else url_for(".show", kind=name),
            "current": name == chosen,
            "urgent": bool(happening and happening.event.priority is Priority.urgent),
        }
        for name, title, happening in known
        if messages.may(me, happening)
    ]


INPUTS = {FieldKind.moment: "datetime-local", FieldKind.day: "date", FieldKind.number: "number"}


def _field(one: Field, sheet: Sheet) -> dict[str, Any]:
    value = sheet.values.get(one.name, "")
    return {
        "name": one.name,
        "title": one.title,
        "kind": one.kind.value,
        "type": INPUTS.get(one.kind, "text"),
        "mode": "decimal" if one.kind is FieldKind.money else "",
        "required": one.required,
        "value": value,
        "options": [
            option("", _("Not said"), value),
            *(option(key, title, value) for key, title in one.choices.items()),
        ]
        if one.kind is FieldKind.choice
        else [],
    }


def _priorities(chosen: str) -> list[dict[str, Any]]:
    texts = {
        "urgent": _("By SMS and email at once, also in quiet hours and whatever was switched off."),
        "high": _("By SMS; in quiet hours it waits until they end."),
        "medium": _("By email; in quiet hours it waits until they end."),
        "low": _("In the inbox only; who does not sign in gets an SMS or an email."),
    }
    titles = {"urgent": _("Urgent"), "high": _("High"), "medium": _("Medium"), "low": _("Low")}
    return [
        {"value": word, "title": titles[word], "text": texts[word], "on": word == chosen}
        for word in PRIORITIES.values()
    ]
