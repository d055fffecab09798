"""The list of work: what there is, found by state, person or words, and decided on together.

The office sees all of its organisation; a technician or customer what they have a part in. The filters live in the
address; pages follow a cursor (time and id of the last row), so that a growing list neither skips nor repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
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
from notify_app.live.announce import Changed
from notify_app.pipeline.route import Origin, route
from notify_app.pipeline.step import Step, step
from notify_app.web.guard import allow
from notify_app.web.identity import Viewer, viewer
from notify_app.web.sign_in import safe_next
from notify_app.web.words import Reader, item_url, option, reader, uuid_or_none
from notify_app.work import apply

__all__ = ["TROUBLE", "blueprint"]

blueprint = Blueprint("work", __name__)

PAGE = 30
COUNT_UP_TO = 1000  # beyond it nobody reads the number, and counting costs
NOBODY = "nobody"
DECISIONS = ("approve", "deny")
# a filter beside the states: somebody was not reached in the last week
TROUBLE = "trouble"

COLUMNS = """
    w.id, w.kind, w.number, w.title, w.status, w.version, w.created_at, w.updated_at,
    (SELECT coalesce(json_object_agg(i.role, p.name), '{}') FROM item_person i
       JOIN person p ON p.organisation_id = i.organisation_id AND p.id = i.person_id
      WHERE i.organisation_id = w.organisation_id AND i.item_id = w.id) AS people
"""
HAS_PERSON = """
    EXISTS (SELECT FROM item_person i WHERE i.organisation_id = w.organisation_id AND i.item_id = w.id AND i.person_id = :{who})
"""
HAS_TECHNICIAN = """
    EXISTS (SELECT FROM item_person i WHERE i.organisation_id = w.organisation_id AND i.item_id = w.id AND i.role = 'technician')
"""
HAS_WORDS = """
    (w.number ILIKE :like OR w.title ILIKE :like OR EXISTS (SELECT FROM item_person i
       JOIN person p ON p.organisation_id = i.organisation_id AND p.id = i.person_id
      WHERE i.organisation_id = w.organisation_id AND i.item_id = w.id AND p.name ILIKE :like))
"""
HAS_TROUBLE = """
    EXISTS (SELECT FROM event e WHERE e.organisation_id = w.organisation_id AND e.item_id = w.id
        AND e.created_at > :now - interval '7 days' AND (
            EXISTS (SELECT FROM decision x WHERE x.organisation_id = e.organisation_id AND x.event_id = e.id
                        AND x.reason IN ('not_reached', 'nobody'))
            OR EXISTS (SELECT FROM notification n
                JOIN delivery_item i ON i.organisation_id = n.organisation_id AND i.notification_id = n.id
                JOIN delivery d ON d.organisation_id = i.organisation_id AND d.id = i.delivery_id
                WHERE n.organisation_id = e.organisation_id AND n.event_id = e.id
                  AND d.state IN ('failed', 'bounced', 'unknown', 'suppressed'))))
"""
TECHNICIANS = """
    SELECT id, name FROM person WHERE organisation_id = :org AND role = 'technician' AND left_at IS NULL ORDER BY lower(name), id
"""


@dataclass(frozen=True)
class Filters:
    """What is looked for, as the address says it; what cannot be used counts as not said."""

    state: str = ""
    person: str = ""
    q: str = ""
    before: str = ""
    after: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Filters:
        """From the query of an address."""
        state, person = given.get("state", ""), given.get("person", "")
        return cls(
            state if state in _states() or state == TROUBLE else "",
            person if person == NOBODY or uuid_or_none(person) else "",
            given.get("q", "").replace("\0", "").strip()[:100],
            given.get("before", ""),
            given.get("after", ""),
        )

    def url(self, **change: str) -> str:
        """The address of this list, or of another page of it."""
        values = {"state": self.state, "person": self.person, "q": self.q, **change}
        return url_for("work.show", **{name: value for name, value in values.items() if value})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Cursor:
    """A place in the list: behind this row."""

    at: datetime
    id: UUID

    @classmethod
    def read(cls, text: str) -> Cursor | None:
        """None for anything that is no cursor."""
        stamp, _dot, rest = text.partition("_")
        try:
            at, found = datetime.fromisoformat(stamp.replace(" ", "+")), UUID(rest)
        except ValueError:
            return None
        return cls(at, found) if at.utcoffset() is not None else None

    @staticmethod
    def of(row: Any) -> str:
        return f"{row.updated_at.isoformat()}_{row.id}"


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
        work.news.append(Changed(work.organisation_id, "work", tuple(str(item.id) for item in applied.items)))
    return len(applied.items), refusals + problems


def _outcome(verb: str, done: int) -> str:
    if verb == "approve":
        return ngettext("%(num)d repair approved.", "%(num)d repairs approved.", done)
    return ngettext("%(num)d repair denied.", "%(num)d repairs denied.", done)


# --- reading -------------------------------------------------------------------------------------------------------


def _page(
    filters: Filters, *, error: str | None = None, chosen: list[str] | None = None, reason: str = ""
) -> str:
    who = viewer()
    with step(who.organisation_id) as work:
        read = reader(work.now)
        clauses, values = _conditions(who, filters, work.now)
        rows, newer, older = _rows(work, filters, clauses, values)
        total = _total(work, clauses, values)
        technicians = work.all(TECHNICIANS) if who.office else []
    return render_template(
        "work.html",
        items=[_row(row, who, read) for row in rows],
        filters={
            "state": _state_options(filters, who),
            "person": _person_options(filters, technicians),
            "q": filters.q,
        },
        filtered=bool(filters.state or filters.person or filters.q),
        total=total,
        newer=filters.url(after=Cursor.of(rows[0])) if newer else None,
        older=filters.url(before=Cursor.of(rows[-1])) if older else None,
        here_url=filters.url(before=filters.before, after=filters.after),
        can_decide=who.office,
        error=error,
        chosen=chosen or [],
        reason=reason,
    )


def _conditions(who: Viewer, filters: Filters, now: datetime) -> tuple[str, dict[str, Any]]:
    clauses: list[str] = ["w.organisation_id = :org"]
    values: dict[str, Any] = {"now": now}
    if not who.office:
        clauses.append(HAS_PERSON.format(who="me"))
        values["me"] = who.person_id
        filters = replace(filters, person="", state="" if filters.state == TROUBLE else filters.state)
    if filters.state == TROUBLE:
        clauses.append(HAS_TROUBLE)
    elif filters.state:
        clauses.append("w.status = :status")
        values["status"] = filters.state
    if filters.person == NOBODY:
        clauses.append(f"NOT {HAS_TECHNICIAN.strip()}")
    elif filters.person:
        clauses.append(HAS_PERSON.format(who="person"))
        values["person"] = UUID(filters.person)
    if filters.q:
        clauses.append(HAS_WORDS)
        escaped = filters.q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values["like"] = f"%{escaped}%"
    return " AND ".join(clauses), values


def _rows(work: Step, filters: Filters, clauses: str, values: dict[str, Any]) -> tuple[list[Any], bool, bool]:
    """A page of rows, and whether there are newer and older ones."""
    after, before = Cursor.read(filters.after), Cursor.read(filters.before)
    place = after or before
    if place:
        clauses += f" AND (w.updated_at, w.id) {'>' if after else '<'} (:at, :id)"
        values = {**values, "at": place.at, "id": place.id}
    direction = "ASC" if after else "DESC"
    # the clauses are constants of this file; what was typed goes in as values
    order = f"ORDER BY w.updated_at {direction}, w.id {direction} LIMIT :limit"
    rows = work.all(f"SELECT {COLUMNS} FROM work_item w WHERE {clauses} {order}", **values, limit=PAGE + 1)  # noqa: S608
    more, page = len(rows) > PAGE, rows[:PAGE]
    if after:
        return page[::-1], more, bool(page)
    return page, before is not None and bool(page), more


def _total(work: Step, clauses: str, values: dict[str, Any]) -> int | None:
    """How many there are, if that is a number that somebody would read."""
    statement = (
        f"SELECT count(*) AS n FROM (SELECT 1 FROM work_item w WHERE {clauses} LIMIT :most) AS counted"  # noqa: S608
    )
    row = work.one(statement, **values, most=COUNT_UP_TO + 1)
    return row.n if row.n <= COUNT_UP_TO else None


# --- shaping -------------------------------------------------------------------------------------------------------


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


def _states() -> dict[str, str]:
    return {name: title for kind in domains.kinds() for name, title in kind.statuses.items()}


def _state_options(filters: Filters, who: Viewer) -> list[dict[str, Any]]:
    options = [option("", _("All states"), filters.state)]
    options += [option(name, title, filters.state) for name, title in _states().items()]
    return options + ([option(TROUBLE, _("Somebody not reached"), filters.state)] if who.office else [])


def _person_options(filters: Filters, technicians: list[Any]) -> list[dict[str, Any]]:
    if not technicians:
        return []
    options = [
        option("", _("All technicians"), filters.person),
        option(NOBODY, _("Nobody assigned"), filters.person),
    ]
    return options + [option(str(one.id), one.name, filters.person) for one in technicians]
