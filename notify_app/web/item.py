"""One piece of work: its people, facts, next actions, and all that happened, in one page for each kind of reader.

The office sees everything at `/work/<id>`; a technician their jobs at `/jobs/<id>`; a customer with a sign-in what is
theirs at `/mine/<id>` (a repair has kept its first address, `/repairs/<id>`), both without other people's messages. What
is not theirs is answered as if there were none.
"""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app import domains
from notify_app.domains.base import Item, Verb, WorkKind
from notify_app.errors import Conflict, Invalid, NotFound, Refused
from notify_app.pipeline.route import Origin, route
from notify_app.pipeline.step import Step, step
from notify_app.web import item_page, verb_form
from notify_app.web.guard import allow
from notify_app.web.identity import Membership, viewer
from notify_app.web.item_page import Found, Tried
from notify_app.web.reader import reader
from notify_app.web.words import is_office, item_url
from notify_app.work import apply
from notify_app.work.sight import sees

__all__ = ["blueprint"]

blueprint = Blueprint("item", __name__)

OFFICE, JOBS, MINE = "office", "technician", "contact"


@blueprint.get("/work/<uuid:id>")
@allow("member")
def show(id: UUID) -> ResponseReturnValue:
    """The office's page."""
    return _page(id, OFFICE)


@blueprint.get("/jobs/<uuid:id>")
@allow("member")
def job(id: UUID) -> ResponseReturnValue:
    """The technician's page."""
    return _page(id, JOBS)


@blueprint.get("/mine/<uuid:id>")
@blueprint.get("/repairs/<uuid:id>")
@allow("member")
def mine(id: UUID) -> ResponseReturnValue:
    """The customer's page."""
    return _page(id, MINE)


@blueprint.post("/work/<uuid:id>/<action>")
@allow("member")
def act(id: UUID, action: str) -> ResponseReturnValue:
    """An action of the office."""
    return _act(id, action, OFFICE)


@blueprint.post("/jobs/<uuid:id>/<action>")
@allow("member")
def act_on_job(id: UUID, action: str) -> ResponseReturnValue:
    """An action of the technician on the item."""
    return _act(id, action, JOBS)


@blueprint.post("/mine/<uuid:id>/<action>")
@blueprint.post("/repairs/<uuid:id>/<action>")
@allow("member")
def act_on_mine(id: UUID, action: str) -> ResponseReturnValue:
    """An action of the customer on the item."""
    return _act(id, action, MINE)


# --- finding -------------------------------------------------------------------------------------------------------


def _member(id: UUID, audience: str) -> Membership:
    """The one of the viewer's people who may see this item on this page. Raises NotFound."""
    for one in viewer().memberships:
        if (OFFICE if is_office(one) else one.role) != audience:
            continue
        with step(one.organisation_id) as work:
            if sees(work, id, one.person_id, office=audience == OFFICE):
                return one
    raise NotFound("There is no such item, or it is not yours to see.")


# --- doing ---------------------------------------------------------------------------------------------------------


def _act(id: UUID, action: str, audience: str) -> ResponseReturnValue:
    member = _member(id, audience)
    try:
        item, problems = _do(id, action, member)
    except (Refused, Conflict) as error:
        tried = Tried(action, request.form, {})
        return _page(id, audience, error=str(error), tried=tried), 409
    except Invalid as error:
        # what is wrong with a field is said beside it, in the form that was sent; the rest above the page
        beside = {_field(action, one.field): one.message for one in error.fields}
        said = "" if beside else str(error)
        return _page(id, audience, error=said, tried=Tried(action, request.form, beside)), 422
    kind = _kind(item)
    flash(_done(kind, item, action), "ok")
    for problem in problems:
        flash(problem, "warning")
    if item.status in kind.removed:
        return redirect("/work", 303)
    return redirect(item_url(member.role, id, item.kind), 303)


def _do(id: UUID, action: str, member: Membership) -> tuple[Item, list[str]]:
    """Change the item and tell those concerned, in one transaction."""
    actor = apply.Actor(member.role, member.person_id)
    with step(member.organisation_id) as work:
        applied = apply.act(work, id, action, _values(work, id, action, member), actor, seen=_seen())
        problems = route(work, applied.drafts, Origin(work.now, actor_id=member.person_id)).problems
    return applied.items[0], problems


def _values(work: Step, id: UUID, action: str, member: Membership) -> dict[str, object]:
    """What was filled in for this verb; an action that there is not is refused by `apply`."""
    found = item_page.find(work, id, member)
    verb = _verb(found, action)
    if verb is None:
        return {}
    people = verb_form.people_for(work, [verb], found.kind)
    zone = reader(work.now).zone
    values = verb_form.read(work, verb, found.kind, found.item, request.form, people, zone)
    return {"person": values.get(verb_form.CHOICE, "")} if action == verb_form.ASSIGN else values


def _field(action: str, field: str) -> str:
    """The form's name of a field that `apply` complains of."""
    return verb_form.CHOICE if action == verb_form.ASSIGN else field


def _verb(found: Found, action: str) -> Verb | None:
    if action == verb_form.ASSIGN and found.kind.assignable:
        return verb_form.assigning(found.kind)
    return found.kind.verb(action)


def _seen() -> int:
    """The version that the person looked at; a form without one was not ours, and counts as too old."""
    version = request.form.get("version", "")
    return int(version) if version.isdecimal() and len(version) < 10 else -1


def _done(kind: WorkKind, item: Item, action: str) -> str:
    verb = kind.verb(action)
    if verb is not None:
        return _("%(done)s: %(number)s.", done=verb.done, number=item.number)
    holder = item.people.get(kind.assignable or "")
    if holder is None:
        return _("%(number)s is assigned to nobody now.", number=item.number)
    return _("%(number)s is assigned to %(name)s.", number=item.number, name=holder.name)


def _kind(item: Item) -> WorkKind:
    kind = domains.kind(item.kind)
    assert kind is not None, "an item that was just changed is of a known kind"
    return kind


def _page(id: UUID, audience: str, *, error: str = "", tried: Tried | None = None) -> str:
    member = _member(id, audience)
    with step(member.organisation_id) as work:
        shown = item_page.values(work, id, member, tried)
    offered = tried is not None and any(one["name"] == tried.verb for one in shown["actions"])
    if tried and tried.problems and not offered:
        error = " ".join(tried.problems.values())
    return render_template("item.html", **shown, error=error, tried=tried.verb if tried else "")
