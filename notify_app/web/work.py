"""The list of work: what there is, found by state, person or words, and decided on together.

The office sees all of its organisation; a technician or customer what they have a part in. The filters live in the
address; pages follow a cursor (time and id of the last row), so that a growing list neither skips nor repeats.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from notify_app import domains
from notify_app.errors import Invalid
from notify_app.ids import new_id
from notify_app.pipeline.route import Origin, route
from notify_app.pipeline.step import step
from notify_app.web.guard import allow
from notify_app.web.identity import Viewer, viewer
from notify_app.web.reader import Reader, reader
from notify_app.web.sign_in import safe_next
from notify_app.web.words import item_url, option, uuid_or_none
from notify_app.web.work_list import NOBODY, TROUBLE, Filters, find, states
from notify_app.work import apply

__all__ = ["blueprint"]

blueprint = Blueprint("work", __name__)

DECISIONS = ("approve", "deny")

TECHNICIANS = """
    SELECT id, name FROM person WHERE organisation_id = :org AND role = 'technician' AND left_at IS NULL ORDER BY lower(name), id
"""


@blueprint.get("/work")
@allow("member")
def show() -> ResponseReturnValue:
    """The list."""
    return _page(Filters.of(request.args))


@blueprint.post("/work/decide")
@allow("office")
def decide() -> ResponseReturnValue:
    """Approve or deny what was chosen, as one batch."""
    target = safe_next(request.form.get("next"))
    chosen = [found for value in request.form.getlist("item")[:500] if (found := uuid_or_none(value))]
    verb, reason = request.form.get("decision", ""), request.form.get("reason", "").strip()[:2000]
    try:
        done, refusals = _decide(chosen, verb, reason)
    except Invalid as error:
        sentence = " ".join(one.message for one in error.fields) or str(error)
        filters = Filters.of(dict(parse_qsl(urlsplit(target).query)))
        return _page(filters, error=sentence, chosen=[str(one) for one in chosen], reason=reason), 422
    if done:
        flash(_outcome(verb, done), "ok")
    for refusal in refusals:
        flash(refusal, "warning")
    return redirect(target if target.startswith("/work") else url_for(".show"), 303)


def _decide(chosen: list[UUID], verb: str, reason: str) -> tuple[int, list[str]]:
    """How many were changed, and the sentences of those that were not. Raises Invalid."""
    if verb not in DECISIONS:
        raise Invalid(_("Choose what to do: approve or deny."))
    if not chosen:
        raise Invalid(_("Nothing was chosen. Tick the repairs first."))
    if verb == "deny" and not reason:
        raise Invalid(_("Give a reason, so that people know why."))
    who = viewer()
    with step(who.organisation_id) as work:
        ref = f"OFFICE-{new_id().hex[-8:].upper()}"
        actor = apply.Actor(who.role, who.person_id)
        known = [
            row.id
            for row in work.all(
                "SELECT id FROM work_item WHERE organisation_id = :org AND id = ANY(:ids)", ids=chosen
            )
        ]
        applied, refusals = apply.decide_batch(work, known, verb, reason, ref, actor)
        problems = route(work, applied.drafts, Origin(work.now, actor_id=who.person_id)).problems
    return len(applied.items), refusals + problems


def _outcome(verb: str, done: int) -> str:
    if verb == "approve":
        return ngettext("%(num)d repair approved.", "%(num)d repairs approved.", done)
    return ngettext("%(num)d repair denied.", "%(num)d repairs denied.", done)


# --- the page ------------------------------------------------------------------------------------------------------


def _page(
    filters: Filters, *, error: str | None = None, chosen: list[str] | None = None, reason: str = ""
) -> str:
    who = viewer()
    with step(who.organisation_id) as work:
        read = reader(work.now)
        found, total = find(work, who, filters)
        technicians = work.all(TECHNICIANS) if who.office else []
    return render_template(
        "work.html",
        items=[_row(row, who, read) for row in found.rows],
        filters={
            "state": _state_options(filters, who),
            "person": _person_options(filters, technicians),
            "q": filters.q,
        },
        filtered=bool(filters.state or filters.person or filters.q),
        total=total,
        newer=filters.url(after=found.newer) if found.newer else None,
        older=filters.url(before=found.older) if found.older else None,
        here_url=filters.url(before=filters.before, after=filters.after),
        can_decide=who.office,
        error=error,
        chosen=chosen or [],
        reason=reason,
    )


def _row(row: Any, who: Viewer, read: Reader) -> dict[str, Any]:
    kind = domains.kind(row.kind)
    moves = {move.verb for move in kind.transitions if row.status in move.origins} if kind else set()
    waits = kind is not None and row.status == kind.first
    return {
        "id": str(row.id),
        "number": row.number,
        "kind_title": kind.title if kind else row.kind,
        "title": row.title,
        "customer": row.people.get("customer", ""),
        "technician": row.people.get("technician", ""),
        "state": row.status,
        "state_title": kind.statuses.get(row.status, row.status) if kind else row.status,
        "decidable": waits and set(DECISIONS) <= moves,
        "age": read.age(row.created_at),
        "updated": read.when(row.updated_at),
        "url": item_url(who.role, row.id),
        "version": row.version,
    }


def _state_options(filters: Filters, who: Viewer) -> list[dict[str, Any]]:
    options = [option("", _("All states"), filters.state)]
    options += [option(name, title, filters.state) for name, title in states().items()]
    return options + ([option(TROUBLE, _("Somebody not reached"), filters.state)] if who.office else [])


def _person_options(filters: Filters, technicians: list[Any]) -> list[dict[str, Any]]:
    if not technicians:
        return []
    options = [
        option("", _("All technicians"), filters.person),
        option(NOBODY, _("Nobody assigned"), filters.person),
    ]
    return options + [option(str(one.id), one.name, filters.person) for one in technicians]
