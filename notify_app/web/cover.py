"""Cover: who is away, who stands in, and when nobody is there. People write down their own; the office anybody's."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.errors import FieldError, Invalid
from notify_app.pipeline.step import Step, step
from notify_app.policy.wall import NoSuchTime, instant_of
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.ladder_view import word_title
from notify_app.web.reader import Reader, reader
from notify_app.web.words import option, uuid_or_none
from notify_app.work import absences

__all__ = ["blueprint"]

blueprint = Blueprint("cover", __name__)

PEOPLE = """
    SELECT id, name FROM person WHERE organisation_id = :org AND left_at IS NULL AND role <> 'contact'
    ORDER BY lower(name), id LIMIT 1000
"""


@blueprint.get("/cover")
@allow("member")
def show() -> ResponseReturnValue:
    """Absences to come, one's own or the office's, the gaps, and the form."""
    return _page({}, {})


@blueprint.post("/cover")
@allow("member")
def save() -> ResponseReturnValue:
    """Write an absence down."""
    who, form = viewer(), request.form
    typed = {name: form.get(name, "")[:60] for name in ("person", "substitute", "starts", "ends")}
    person = (uuid_or_none(typed["person"]) if who.office else None) or who.person_id
    try:
        starts, ends = _times(typed, who.zone)
        with step(who.organisation_id) as work:
            absences.put(work, person, uuid_or_none(typed["substitute"]), starts, ends, who.by)
    except Invalid as error:
        return _page({one.field: one.message for one in error.fields}, typed), 422
    flash(_("It is written down. What comes in that time goes to whoever stands in."), "ok")
    return redirect(url_for(".show"), 303)


@blueprint.post("/cover/<uuid:id>/remove")
@allow("member")
def remove(id: UUID) -> ResponseReturnValue:
    """Take one back."""
    who = viewer()
    with step(who.organisation_id) as work:
        absences.remove(work, id, who.by, None if who.office else who.person_id)
    flash(_("The absence is taken back."), "ok")
    return redirect(url_for(".show"), 303)


def _times(typed: dict[str, str], zone: str) -> tuple[datetime | None, datetime | None]:
    found: list[datetime | None] = []
    problems = []
    for name in ("starts", "ends"):
        try:
            found.append(instant_of(typed[name], zone) if typed[name] else None)
        except NoSuchTime:
            problems.append(FieldError(name, _("The clocks jump over that time.")))
        except ValueError:
            problems.append(FieldError(name, _("That is no time.")))
    if problems:
        raise Invalid("The absence was not written down.", *problems)
    return found[0], found[1]


def _page(errors: dict[str, str], typed: dict[str, str]) -> str:
    who = viewer()
    with step(who.organisation_id) as work:
        read = reader(work.now)
        people = work.all(PEOPLE)
        context = {
            "absences": [
                _absence(row, read) for row in absences.coming(work, None if who.office else who.person_id)
            ],
            "gaps": _gaps(work, read) if who.office else [],
        }
    chosen = typed.get("person") or str(who.person_id)
    return render_template(
        "cover.html",
        **context,
        people=[option(str(one.id), one.name, chosen) for one in people],
        substitutes=[
            option("", _("Nobody"), typed.get("substitute", "")),
            *(
                option(str(one.id), one.name, typed.get("substitute", ""))
                for one in people
                if who.office or one.id != who.person_id
            ),
        ],
        values=typed,
        errors=errors,
    )


def _absence(row: Any, read: Reader) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.name,
        "substitute": row.substitute or "",
        "starts": read.when(row.starts_at),
        "ends": read.when(row.ends_at),
        "now": row.starts_at <= read.now,
    }


def _gaps(work: Step, read: Reader) -> list[dict[str, Any]]:
    return [
        {
            "who": word_title(one.word),
            "starts": read.when(one.gap.starts_at),
            "ends": read.when(one.gap.ends_at),
            "now": one.gap.starts_at <= read.now,
        }
        for one in absences.uncovered(work)
    ]
