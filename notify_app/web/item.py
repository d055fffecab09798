"""One piece of work: its people, facts, next actions, and all that happened, in one page for each kind of reader.

The office sees everything at `/work/<id>`; a technician their jobs at `/jobs/<id>`; a customer with a sign-in their
repairs at `/repairs/<id>`, both without other people's messages. What is not theirs is answered as if there were none.
"""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app import domains
from notify_app.domains.base import Item, WorkKind
from notify_app.errors import Conflict, Invalid, NotFound, Refused
from notify_app.pipeline.route import Origin, route
from notify_app.pipeline.step import step
from notify_app.web import item_page
from notify_app.web.guard import allow
from notify_app.web.identity import Membership, viewer
from notify_app.web.words import is_office, item_url
from notify_app.work import apply

__all__ = ["blueprint"]

blueprint = Blueprint("item", __name__)

OFFICE, JOBS, REPAIRS = "office", "technician", "contact"

SEEN_BY_OFFICE = "SELECT 1 FROM work_item WHERE organisation_id = :org AND id = :id"
# a technician who gave a job away still has its message, whose link must lead somewhere
SEEN_BY_PERSON = """
    SELECT 1 FROM item_person WHERE organisation_id = :org AND item_id = :id AND person_id = :me
    UNION ALL SELECT 1 FROM notification WHERE organisation_id = :org AND item_id = :id AND person_id = :me LIMIT 1
"""


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


@blueprint.get("/repairs/<uuid:id>")
@allow("member")
def repair(id: UUID) -> ResponseReturnValue:
    """The customer's page."""
    return _page(id, REPAIRS)


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


@blueprint.post("/repairs/<uuid:id>/<action>")
@allow("member")
def act_on_repair(id: UUID, action: str) -> ResponseReturnValue:
    """An action of the customer on the item."""
    return _act(id, action, REPAIRS)


# --- finding -------------------------------------------------------------------------------------------------------


def _member(id: UUID, audience: str) -> Membership:
    """The one of the viewer's people who may see this item on this page. Raises NotFound."""
    for one in viewer().memberships:
        if (OFFICE if is_office(one) else one.role) != audience:
            continue
        with step(one.organisation_id) as work:
            if work.one(SEEN_BY_OFFICE if audience == OFFICE else SEEN_BY_PERSON, id=id, me=one.person_id):
                return one
    raise NotFound("There is no such item, or it is not yours to see.")


# --- doing ---------------------------------------------------------------------------------------------------------


def _act(id: UUID, action: str, audience: str) -> ResponseReturnValue:
    member = _member(id, audience)
    values = _filled_in()
    try:
        done, problems = _do(id, action, values, member)
    except (Refused, Conflict) as error:
        return _page(id, audience, error=str(error), error_action=action, values=values), 409
    except Invalid as error:
        sentence = " ".join(one.message for one in error.fields) or str(error)
        # a missing reason is said beside its field, in the form that was sent; the rest above the page
        beside = any(one.field == "reason" for one in error.fields)
        return _page(id, audience, error=sentence, error_action=action, beside=beside, values=values), 422
    flash(done, "ok")
    for problem in problems:
        flash(problem, "warning")
    return redirect(item_url(member.role, id), 303)


def _filled_in() -> dict[str, str]:
    """What the form brings for the verb: its inputs, by their names."""
    ours = ("csrf_token", "version", "choice")
    inputs = {name: value.strip()[:2000] for name, value in request.form.items() if name not in ours}
    return {"reason": "", "person": request.form.get("choice", ""), **inputs}


def _do(id: UUID, action: str, values: dict[str, str], member: Membership) -> tuple[str, list[str]]:
    """Change the item and tell those concerned, in one transaction."""
    actor = apply.Actor(member.role, member.person_id)
    with step(member.organisation_id) as work:
        applied = apply.act(work, id, action, values, actor, seen=_seen())
        problems = route(work, applied.drafts, Origin(work.now, actor_id=member.person_id)).problems
    item = applied.items[0]
    verb = _kind(item).verb(action)
    said = _("%(done)s: %(number)s.", done=verb.done, number=item.number) if verb else _assigned(item)
    return said, problems


def _seen() -> int:
    """The version that the person looked at; a form without one was not ours, and counts as too old."""
    version = request.form.get("version", "")
    return int(version) if version.isdecimal() and len(version) < 10 else -1


def _assigned(item: Item) -> str:
    technician = item.people.get(_kind(item).assignable or "")
    if technician is None:
        return _("%(number)s is assigned to nobody now.", number=item.number)
    return _("%(number)s is assigned to %(name)s.", number=item.number, name=technician.name)


def _kind(item: Item) -> WorkKind:
    kind = domains.kind(item.kind)
    assert kind is not None, "an item that was just changed is of a known kind"
    return kind


def _page(
    id: UUID,
    audience: str,
    *,
    error: str | None = None,
    error_action: str = "",
    beside: bool = False,
    values: dict[str, str] | None = None,
) -> str:
    member = _member(id, audience)
    with step(member.organisation_id) as work:
        shown = item_page.values(work, id, member)
    return render_template(
        "item.html", **shown, error=error, error_action=error_action, beside=beside, values=values or {}
    )
