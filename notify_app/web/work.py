"""The list of work of all kinds: what there is and what waits, found by kind, state, person or words, and decided on
together where the kind has batches.

The office sees all of its organisation; a technician or customer what they have a part in. A technician begins with
what is open, in the order in which it presses (`web.jobs`). The filters live in the address; pages follow a cursor
(time and id of the last row), so that a growing list neither skips nor repeats.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from notify_app import domains
from notify_app.domains.base import Item, WorkKind
from notify_app.errors import Invalid
from notify_app.ids import new_id
from notify_app.pipeline.route import Origin, route
from notify_app.pipeline.step import Step, step
from notify_app.web.guard import allow
from notify_app.web.identity import Viewer, viewer
from notify_app.web.jobs import due_of, open_jobs, starts_of, urgency_of
from notify_app.web.new_item import makeable
from notify_app.web.reader import Reader, reader
from notify_app.web.sign_in import safe_next
from notify_app.web.waiting import task_title
from notify_app.web.words import item_url, names, option, uuid_or_none
from notify_app.web.work_list import NOBODY, Filters, find, general, states
from notify_app.work import apply

__all__ = ["blueprint"]

blueprint = Blueprint("work", __name__)

DECISIONS = ("approve", "deny")

STAFF = """
    SELECT id, name FROM person WHERE organisation_id = :org AND role <> 'contact' AND left_at IS NULL ORDER BY lower(name), id
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


def _decide(chosen: list[UUID], verb: str, reason: str) -> tuple[tuple[Item, ...], list[str]]:
    """What was changed, and the sentences of what was not. Raises Invalid."""
    if verb not in DECISIONS:
        raise Invalid(_("Choose what to do: approve or deny."))
    if not chosen:
        raise Invalid(_("Nothing was chosen. Tick what you decide on first."))
    if verb == "deny" and not reason:
        raise Invalid(_("Give a reason, so that people know why."))
    who = viewer()
    with step(who.organisation_id) as work:
        ref = f"OFFICE-{new_id().hex[-8:].upper()}"
        actor = apply.Actor(who.role, who.person_id)
        together, alone = _in_batches(work, chosen)
        applied, refusals = apply.decide_batch(work, together, verb, reason, ref, actor)
        problems = route(work, applied.drafts, Origin(work.now, actor_id=who.person_id)).problems
    return applied.items, [*alone, *refusals, *problems]


def _in_batches(work: Step, chosen: list[UUID]) -> tuple[list[UUID], list[str]]:
    """Those that can be decided together, and a sentence for each that has to be looked at by itself."""
    rows = work.all(
        "SELECT id, kind, number FROM work_item WHERE organisation_id = :org AND id = ANY(:ids)", ids=chosen
    )
    together = [row.id for row in rows if _batched(domains.kind(row.kind))]
    alone = [
        _("%(number)s is decided on its own page.", number=row.number)
        for row in rows
        if row.id not in together
    ]
    return together, alone


def _batched(kind: WorkKind | None) -> bool:
    return kind is not None and kind.on_batch is not None and all(kind.transition(one) for one in DECISIONS)


def _outcome(verb: str, done: tuple[Item, ...]) -> str:
    """ "3 repairs approved." """
    titles = {kind.title.lower() for item in done if (kind := domains.kind(item.kind))}
    what = titles.pop() if len(titles) == 1 else _("item")
    if verb == "approve":
        return ngettext("%(num)d %(kind)s approved.", "%(num)d %(kind)ss approved.", len(done), kind=what)
    return ngettext("%(num)d %(kind)s denied.", "%(num)d %(kind)ss denied.", len(done), kind=what)


# --- the page ------------------------------------------------------------------------------------------------------


def _page(
    filters: Filters, *, error: str | None = None, chosen: list[str] | None = None, reason: str = ""
) -> str:
    who = viewer()
    with step(who.organisation_id) as work:
        read = reader(work.now)
        groups, total, newer, older = _found(work, who, filters, read)
        staff = work.all(STAFF) if who.office else []
        new = makeable(work, who)
    return render_template(
        "work.html",
        groups=groups,
        filters={
            "kind": _kind_options(filters),
            "state": _state_options(filters, who),
            "person": _person_options(filters, staff),
            "overdue": bool(filters.overdue),
            "q": filters.q,
        },
        filtered=filters.narrow,
        total=total,
        newer=newer,
        older=older,
        here_url=filters.url(before=filters.before, after=filters.after),
        new=[{"title": verb.title, "url": url_for("new_item.show", kind=kind.name)} for kind, verb in new],
        can_decide=who.office,
        error=error,
        chosen=chosen or [],
        reason=reason,
    )


Groups = list[dict[str, Any]]


def _found(
    work: Step, who: Viewer, filters: Filters, read: Reader
) -> tuple[Groups, int | None, str | None, str | None]:
    """The rows in their groups, how many there are, and the addresses of the pages beside."""
    paged = filters.before or filters.after
    if who.role == "technician" and not filters.narrow and not paged:
        rows = open_jobs(work, who)
        return _pressing(rows, who, read), len(rows), None, None
    found, total = find(work, who, filters)
    rows = [_row(row, who, read) for row in found.rows]
    newer = filters.url(after=found.newer) if found.newer else None
    older = filters.url(before=found.older) if found.older else None
    return ([{"title": "", "rows": rows}] if rows else []), total, newer, older


def _pressing(rows: list[Any], who: Viewer, read: Reader) -> Groups:
    mine = [_row(row, who, read) for row in rows if due_of(row, who)]
    others = [_row(row, who, read) for row in rows if not due_of(row, who)]
    groups = [{"title": _("Waiting for you"), "rows": mine}, {"title": _("Open jobs"), "rows": others}]
    return [one for one in groups if one["rows"]]


def _row(row: Any, who: Viewer, read: Reader) -> dict[str, Any]:
    kind = domains.kind(row.kind)
    title, starts = starts_of(kind, row)
    ahead = starts is not None and starts > read.now and kind is not None and row.status not in kind.closed
    return {
        "id": str(row.id),
        "number": row.number,
        "kind": row.kind,
        "kind_title": kind.title if kind else row.kind,
        "title": row.title,
        "people": _people(kind, row, who),
        "nobody": _nobody(kind, row),
        "urgent": urgency_of(kind, row) == 0,
        "state": row.status,
        "state_title": kind.statuses.get(row.status, row.status) if kind else row.status,
        "decidable": _batched(kind) and kind is not None and row.status == kind.first,
        "next": _next(kind, row, who, read),
        "at": {"title": title, "when": read.when(starts)} if ahead else None,
        "updated": read.when(row.updated_at),
        "url": item_url(who.role, row.id, row.kind),
        "version": row.version,
    }


def _people(kind: WorkKind | None, row: Any, who: Viewer) -> str:
    """Who has a part in it, as its kind orders them, without the viewer."""
    roles = list(kind.roles) if kind else sorted(row.people)
    others = dict.fromkeys(row.people[role] for role in roles if role in row.people)
    found = [one for one in others if who.office or one != who.name]
    return ", ".join(found) if len(found) < 3 else names(found)


def _nobody(kind: WorkKind | None, row: Any) -> bool:
    """Whether work that is assigned has nobody."""
    return bool(
        kind and kind.assignable and kind.assignable not in row.people and row.status not in kind.closed
    )


def _next(kind: WorkKind | None, row: Any, who: Viewer, read: Reader) -> dict[str, Any] | None:
    """The step that waits: what, for whom, since when, and how long there still is."""
    if not row.waits:
        return None
    name, whose, person, since, due = row.waits[0]
    mine = whose == str(who.person_id)
    return {
        "title": task_title(kind, name),
        "whose": _("you") if mine else person or _("nobody yet"),
        "mine": mine,
        "since": read.when(datetime.fromisoformat(since)),
        "due": read.due(datetime.fromisoformat(due)),
    }


# --- filters -------------------------------------------------------------------------------------------------------


def _kind_options(filters: Filters) -> list[dict[str, Any]]:
    kinds = [option(kind.name, kind.title, filters.kind) for kind in domains.kinds()]
    return [option("", _("All kinds"), filters.kind), *kinds]


def _state_options(filters: Filters, who: Viewer) -> list[dict[str, Any]]:
    """What all kinds have, and of the chosen one its own; an address may ask for a state of another one too."""
    own: Iterable[tuple[str, str]] = states(filters.kind).items()
    if not filters.kind:
        own = [(name, title) for name, title in own if name == filters.state]
    options = [option("", _("All states"), filters.state)]
    options += [option(name, title, filters.state) for name, title in general(office=who.office).items()]
    return options + [
        option(name, title, filters.state) for name, title in own if name not in general(office=True)
    ]


def _person_options(filters: Filters, staff: list[Any]) -> list[dict[str, Any]]:
    if not staff:
        return []
    options = [
        option("", _("Everybody"), filters.person),
        option(NOBODY, _("Nobody has it"), filters.person),
    ]
    return options + [option(str(one.id), one.name, filters.person) for one in staff]
