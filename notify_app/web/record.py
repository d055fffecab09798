"""The record of changes (C7): what was changed about people and by the office, newest first, for administrators; found by
person (whom it is about, or who did it) and by kind. It is looked at here, and altered nowhere."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.errors import NotFound
from notify_app.pipeline.step import Step, step
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.paging import page
from notify_app.web.reader import reader
from notify_app.web.record_words import kind_title, line
from notify_app.web.words import option, uuid_or_none
from notify_app.work import record

__all__ = ["blueprint", "recent"]

blueprint = Blueprint("record", __name__)

PAGE, RECENT = 50, 10
KINDS = tuple(dict.fromkeys(one.partition(".")[0] for one in record.What))

LIST = """
    SELECT a.*, m.name AS actor, s.name AS subject FROM audit a
    LEFT JOIN person m ON m.organisation_id = a.organisation_id AND m.id = a.actor_id
    LEFT JOIN person s ON s.organisation_id = a.organisation_id AND s.id = a.subject_id
    WHERE a.organisation_id = :org
"""
OF_PERSON = "AND (a.subject_id = :person OR a.actor_id = :person)"
OF_KIND = "AND starts_with(a.what, :kind || '.')"


@blueprint.get("/record")
@allow("administrator")
def show() -> ResponseReturnValue:
    """The lines before or after a cursor, or the newest. Raises NotFound for a person who is nobody here."""
    asked = request.args
    kind = asked.get("kind", "") if asked.get("kind") in KINDS else ""
    person = uuid_or_none(asked.get("person"))
    where = " ".join(clause for clause, wanted in ((OF_PERSON, person), (OF_KIND, kind)) if wanted)
    with step(viewer().organisation_id) as work:
        read = reader(work.now)
        about = _name(work, person) if person else ""
        found = page(
            work,
            f"{LIST} {where}",
            "a",
            "at",
            before=asked.get("before", ""),
            after=asked.get("after", ""),
            size=PAGE,
            values={"person": person, "kind": kind},
        )
    kept: dict[str, Any] = {name: str(value) for name, value in (("person", person), ("kind", kind)) if value}
    return render_template(
        "record.html",
        lines=[line(row, read) for row in found.rows],
        kinds=[
            option("", _("All changes"), kind),
            *(option(one, kind_title(one), kind) for one in KINDS),
        ],
        person={"id": str(person), "name": about, "url": url_for("people.person", id=person)}
        if person
        else None,
        filtered=bool(kept),
        newer=url_for(".show", **kept, after=found.newer) if found.newer else None,
        older=url_for(".show", **kept, before=found.older) if found.older else None,
    )


def _name(work: Step, person_id: UUID) -> str:
    row = work.one("SELECT name FROM person WHERE organisation_id = :org AND id = :id", id=person_id)
    if row is None:
        raise NotFound(_("There is nobody like that here."))
    return str(row.name)


def recent(work: Step, person_id: UUID) -> list[dict[str, Any]]:
    """What was changed about one person lately, as the viewer reads it."""
    read, me = reader(work.now), viewer().person_id
    return [line(row, read, me) for row in record.about(work, person_id, RECENT)]
