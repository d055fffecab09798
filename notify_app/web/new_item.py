"""Making a piece of work here: a form of what its kind's verb `create` asks for.

Who may is the declaration's to say (the office; for permits technicians too); for everybody else there is no such page.
"""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from notify_app import domains
from notify_app.domains import moves
from notify_app.domains.base import Item, Verb, WorkKind
from notify_app.errors import Invalid, NotFound, Refused
from notify_app.ids import new_id
from notify_app.pipeline import world
from notify_app.pipeline.route import Origin, route
from notify_app.pipeline.step import Step, step
from notify_app.web import verb_form
from notify_app.web.guard import allow
from notify_app.web.identity import Viewer, viewer
from notify_app.web.reader import reader
from notify_app.web.words import item_url
from notify_app.work import apply

__all__ = ["blueprint", "makeable"]

blueprint = Blueprint("new_item", __name__)


def makeable(work: Step, who: Viewer) -> list[tuple[WorkKind, Verb]]:
    """The kinds of which this person may make an item, with the verb that does."""
    doing = apply.Actor(who.role, who.person_id).doing(world.of(work))
    return [
        (kind, verb)
        for kind in domains.kinds()
        if (verb := kind.verb("create")) and moves.may(kind, verb, moves.blank(kind, new_id(), ""), doing)
    ]


@blueprint.get("/new/<kind>")
@allow("member")
def show(kind: str) -> ResponseReturnValue:
    """The empty form."""
    return _page(kind)


@blueprint.post("/new/<kind>")
@allow("member")
def make(kind: str) -> ResponseReturnValue:
    """Make it, tell those concerned, and lead to its page."""
    try:
        done, item, problems = _make(kind)
    except Invalid as error:
        beside = {one.field: one.message for one in error.fields}
        return _page(kind, typed=request.form, problems=beside, error="" if beside else str(error)), 422
    except Refused as error:
        return _page(kind, typed=request.form, error=str(error)), 409
    flash(_("%(done)s: %(number)s.", done=done, number=item.number), "ok")
    for problem in problems:
        flash(problem, "warning")
    return redirect(item_url(viewer().role, item.id, item.kind), 303)


def _make(name: str) -> tuple[str, Item, list[str]]:
    who = viewer()
    with step(who.organisation_id) as work:
        kind, verb = _allowed(work, name)
        blank = moves.blank(kind, new_id(), "")
        people = verb_form.people_for(work, [verb], kind)
        values = verb_form.read(work, verb, kind, blank, request.form, people, who.zone)
        applied = apply.create(work, kind, values, apply.Actor(who.role, who.person_id))
        problems = route(work, applied.drafts, Origin(work.now, actor_id=who.person_id)).problems
    return verb.done, applied.items[0], problems


def _page(
    name: str,
    *,
    typed: MultiDict[str, str] | None = None,
    problems: dict[str, str] | None = None,
    error: str = "",
) -> str:
    who = viewer()
    with step(who.organisation_id) as work:
        kind, verb = _allowed(work, name)
        blank = moves.blank(kind, new_id(), "")
        people = verb_form.people_for(work, [verb], kind)
        zone = reader(work.now).zone
        fields = verb_form.fields(verb, kind, blank, people, zone, typed=typed, problems=problems)
    return render_template(
        "new_item.html",
        kind={"name": kind.name, "title": kind.title},
        title=verb.title,
        fields=fields,
        error=error,
    )


def _allowed(work: Step, name: str) -> tuple[WorkKind, Verb]:
    """The kind and its verb, if the viewer may make one. Raises NotFound."""
    for kind, verb in makeable(work, viewer()):
        if kind.name == name:
            return kind, verb
    raise NotFound("There is no such page, or it is not for you.")
