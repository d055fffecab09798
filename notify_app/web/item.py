"""One piece of work: its people, facts, next actions, and all that happened, in one page for each kind of reader.

The office sees everything at `/work/<id>`; a technician their jobs at `/jobs/<id>`; a customer with a sign-in their
repairs at `/repairs/<id>`, both without other people's messages. What is not theirs is answered as if there were none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app import domains
from notify_app.domains.base import Item, PersonRef, Transition, WorkKind
from notify_app.errors import Conflict, Invalid, NotFound, Refused
from notify_app.live.announce import Changed
from notify_app.pipeline.route import Origin, route
from notify_app.pipeline.step import Step, step
from notify_app.web.guard import allow
from notify_app.web.identity import Membership, viewer
from notify_app.web.timeline import timeline
from notify_app.web.words import Reader, is_office, item_url, option, reader
from notify_app.work import apply

__all__ = ["blueprint", "final"]

blueprint = Blueprint("item", __name__)

OFFICE, JOBS, REPAIRS = "office", "technician", "contact"
# facts that are a place to drive to
PLACES = ("location",)
DIRECTIONS = "https://www.openstreetmap.org/search?query={}"

ROW = "SELECT kind, created_at, updated_at FROM work_item WHERE organisation_id = :org AND id = :id"
SEEN_BY_OFFICE = "SELECT 1 FROM work_item WHERE organisation_id = :org AND id = :id"
# a technician who gave a job away still has its message, whose link must lead somewhere
SEEN_BY_PERSON = """
    SELECT 1 FROM item_person WHERE organisation_id = :org AND item_id = :id AND person_id = :me
    UNION ALL SELECT 1 FROM notification WHERE organisation_id = :org AND item_id = :id AND person_id = :me LIMIT 1
"""
ADDRESSES = """
    SELECT DISTINCT ON (person_id, channel) person_id, channel, value FROM address
    WHERE organisation_id = :org AND person_id = ANY(:people) ORDER BY person_id, channel, position, id
"""
TECHNICIANS = """
    SELECT id, name FROM person WHERE organisation_id = :org AND role = :role AND left_at IS NULL ORDER BY lower(name), id
"""


@dataclass(frozen=True)
class Found:
    """An item, and as whom the viewer sees it."""

    member: Membership
    item: Item
    kind: WorkKind
    created_at: datetime
    updated_at: datetime

    @property
    def office(self) -> bool:
        return is_office(self.member)

    @property
    def assignable(self) -> str:
        """The role in the organisation of those who can be assigned to it."""
        return self.kind.roles[self.kind.assignable] if self.kind.assignable else ""

    @property
    def concerned(self) -> bool:
        """Whether the viewer has a part in the item now."""
        return any(one.id == self.member.person_id for one in self.item.people.values())

    @property
    def actor(self) -> apply.Actor:
        return apply.Actor(self.member.role, self.member.person_id)


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


def _find(work: Step, id: UUID, member: Membership) -> Found:
    item = apply.load(work, id)
    row = work.one(ROW, id=id)
    kind = domains.kind(item.kind)
    if kind is None:
        raise NotFound(f"Items of the kind {item.kind} are not known to this release.")
    return Found(member, item, kind, row.created_at, row.updated_at)


# --- doing ---------------------------------------------------------------------------------------------------------


def _act(id: UUID, action: str, audience: str) -> ResponseReturnValue:
    member = _member(id, audience)
    values = {
        "reason": request.form.get("reason", "").strip()[:2000],
        "person": request.form.get("choice", ""),
    }
    try:
        done, problems = _do(id, action, values, member)
    except (Refused, Conflict) as error:
        return _page(id, audience, error=str(error)), 409
    except Invalid as error:
        sentence = " ".join(one.message for one in error.fields) or str(error)
        # a missing reason is said beside its field, in the form that was sent; the rest above the page
        beside = action if any(one.field == "reason" for one in error.fields) else ""
        return _page(id, audience, error=sentence, error_action=beside, values=values), 422
    flash(done, "ok")
    for problem in problems:
        flash(problem, "warning")
    return redirect(item_url(member.role, id), 303)


def _do(id: UUID, action: str, values: dict[str, str], member: Membership) -> tuple[str, list[str]]:
    """Change the item and tell those concerned, in one transaction."""
    actor = apply.Actor(member.role, member.person_id)
    with step(member.organisation_id) as work:
        applied = apply.act(work, id, action, values, actor, seen=_seen())
        problems = route(work, applied.drafts, Origin(work.now, actor_id=member.person_id)).problems
        work.news.append(Changed(work.organisation_id, "work", tuple(str(item.id) for item in applied.items)))
    item = applied.items[0]
    move = _kind(item).transition(action)
    said = _("%(done)s: %(number)s.", done=move.done, number=item.number) if move else _assigned(item)
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


# --- showing -------------------------------------------------------------------------------------------------------


def _page(
    id: UUID,
    audience: str,
    *,
    error: str | None = None,
    error_action: str = "",
    values: dict[str, str] | None = None,
) -> str:
    member = _member(id, audience)
    with step(member.organisation_id) as work:
        found = _find(work, id, member)
        read = reader(work.now)
        addresses = _addresses(work, found)
        technicians = work.all(TECHNICIANS, role=found.assignable) if _assigns(found) else []
        entries = timeline(work, found.item, found.kind, read, me=member.person_id, everything=found.office)
    return render_template(
        "item.html",
        item=_head(found, read),
        people=_people(found, addresses),
        facts=_facts(found, read),
        actions=_actions(found, technicians),
        timeline=entries,
        error=error,
        error_action=error_action,
        values=values or {},
    )


def _head(found: Found, read: Reader) -> dict[str, Any]:
    item, kind = found.item, found.kind
    return {
        "id": str(item.id),
        "number": item.number,
        "kind_title": kind.title,
        "title": item.title,
        "state": item.status,
        "state_title": kind.statuses[item.status],
        "version": item.version,
        "created": read.when(found.created_at),
        "updated": read.when(found.updated_at),
        "url": item_url(found.member.role, item.id),
    }


def _addresses(work: Step, found: Found) -> dict[tuple[UUID, str], str]:
    """Where the item's people are reached: for the office, and for the technician who has the job now."""
    if not (found.office or (found.member.role == JOBS and found.concerned)):
        return {}
    rows = work.all(ADDRESSES, people=[one.id for one in found.item.people.values()])
    return {(row.person_id, row.channel): row.value for row in rows}


def _people(found: Found, addresses: dict[tuple[UUID, str], str]) -> list[dict[str, Any]]:
    people = found.item.people
    return [_person(role, people[role], addresses) for role in found.kind.roles if role in people]


def _person(role: str, one: PersonRef, addresses: dict[tuple[UUID, str], str]) -> dict[str, Any]:
    phone, mail = addresses.get((one.id, "sms"), ""), addresses.get((one.id, "email"), "")
    return {
        "role": role.capitalize(),
        "name": one.name,
        "detail": phone or mail,
        "tel": phone if phone.startswith("+") else "",
        "mail": mail if "@" in mail else "",
        "url": None,
    }


def _facts(found: Found, read: Reader) -> list[dict[str, Any]]:
    facts = []
    for field in found.kind.fields:
        value = found.item.data.get(field.name)
        if value is None or value == "":
            continue
        text = read.shaped(value)
        facts.append(
            {
                "title": field.title,
                "value": text,
                "when": read.when(value) if isinstance(value, datetime) else None,
                "map_url": DIRECTIONS.format(quote(text)) if field.name in PLACES else "",
            }
        )
    if found.item.batch_ref and found.office:
        facts.append({"title": _("Batch"), "value": found.item.batch_ref, "when": None, "map_url": ""})
    return facts


def _assigns(found: Found) -> bool:
    return found.office and bool(found.kind.assignable) and found.item.status not in final(found.kind)


def final(kind: WorkKind) -> set[str]:
    """The states that no action leads out of."""
    return set(kind.statuses) - {origin for move in kind.transitions for origin in move.origins}


def _actions(found: Found, technicians: list[Any]) -> list[dict[str, Any]]:
    moves = [_move(found, move) for move in apply.allowed(found.kind, found.item, found.actor)]
    return moves + ([_assign(found, technicians)] if _assigns(found) else [])


def _move(found: Found, move: Transition) -> dict[str, Any]:
    last = move.target in final(found.kind)
    return {
        "name": move.verb,
        "title": move.title,
        "url": f"{item_url(found.member.role, found.item.id)}/{move.verb}",
        "primary": move.primary,
        "danger": move.danger,
        "reason": "reason" in move.needs,
        "reason_title": _("Reason, told to those concerned"),
        "confirm": _("Those concerned are told at once, and this cannot be taken back.") if last else "",
        "choices": [],
        "choices_title": "",
        "done_title": move.title,
    }


def _assign(found: Found, technicians: list[Any]) -> dict[str, Any]:
    role = found.kind.assignable or ""
    now = found.item.people.get(role)
    nobody = option("", _("Nobody"), str(now.id) if now else "")
    return {
        "name": "assign",
        "title": _("Assign somebody else") if now else _("Assign"),
        "url": url_for(".act", id=found.item.id, action="assign"),
        "primary": False,
        "danger": False,
        "reason": False,
        "reason_title": "",
        "confirm": "",
        "choices": [
            nobody,
            *(option(str(one.id), one.name, str(now.id) if now else "") for one in technicians),
        ],
        "choices_title": role.capitalize(),
        "done_title": _("Assign"),
    }
