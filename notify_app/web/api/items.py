"""Work items for programs: find, make, look at, do a verb, and what has happened.

The same verbs as on the pages, by the same functions (`work.apply`), for the person as whom the key acts. The office sees
all of its organisation, everybody else what they have a part in or were told of; the rest is answered as if there were
none. A verb may name the version that was looked at: 409 when the item was changed meanwhile (412 with `If-Match`).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask.typing import ResponseReturnValue
from pydantic import Field

from notify_app import domains
from notify_app.domains.base import Item, WorkKind
from notify_app.domains.inputs import StrictInput
from notify_app.errors import Conflict, FieldError, Invalid, NotFound
from notify_app.pipeline.route import Origin, route
from notify_app.pipeline.step import Step, step
from notify_app.web.api import call, shown
from notify_app.web.api.access import Caller, caller, room
from notify_app.web.guard import allow
from notify_app.web.problems import problem
from notify_app.web.reader import Reader
from notify_app.web.timeline import timeline
from notify_app.work import apply
from notify_app.work.sight import sees

__all__ = ["CreateIn", "VerbIn", "blueprint"]

blueprint = room("api_items")

ROWS = """
    SELECT w.*, (SELECT coalesce(json_object_agg(i.role, json_build_object('id', p.id, 'name', p.name)), '{{}}')
                   FROM item_person i JOIN person p ON p.organisation_id = i.organisation_id AND p.id = i.person_id
                  WHERE i.organisation_id = w.organisation_id AND i.item_id = w.id) AS people
    FROM work_item w WHERE w.organisation_id = :org {where} ORDER BY w.id DESC LIMIT :limit
"""
OF_PERSON = "w.id IN (SELECT item_id FROM item_person WHERE organisation_id = :org AND person_id = :{who})"


class CreateIn(StrictInput):
    """A new item: its kind, and the inputs of the kind's verb `create`."""

    kind: str
    values: dict[str, Any] = Field(default_factory=dict)


class VerbIn(StrictInput):
    """The verb's inputs, and the version of the item that was looked at."""

    values: dict[str, Any] = Field(default_factory=dict)
    version: int | None = None


# --- looking -------------------------------------------------------------------------------------------------------


@blueprint.get("/items")
@allow("key")
def index() -> ResponseReturnValue:
    """Items, the newest first."""
    who = caller()
    given = call.query("kind", "state", "person", "after", "limit")
    kind = call.choice(given, "kind", {one.name: one for one in domains.kinds()})
    of = [one for one in domains.kinds() if not kind or one.name == kind]
    state = call.choice(given, "state", {name: name for one in of for name in one.statuses})
    person, after, limit = call.id_of(given, "person"), call.id_of(given, "after"), call.size(given)
    where = {
        "w.kind = :kind": kind,
        "w.status = :state": state,
        "w.id < :after": after,
        OF_PERSON.format(who="person"): person,
        OF_PERSON.format(who="me"): not who.office,
        # what is removed is gone from lists, unless one asks for it by name
        "NOT (w.kind, w.status) IN (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:states AS text[])))": not state,
    }
    removed = [(one.name, name) for one in domains.kinds() for name in one.removed]
    with step(who.organisation_id) as work:
        rows = work.all(
            ROWS.format(where="".join(f" AND {clause}" for clause, value in where.items() if value)),
            kind=kind,
            state=state,
            after=after,
            person=person,
            me=who.person_id,
            kinds=[name for name, _ in removed],
            states=[name for _, name in removed],
            limit=limit + 1,
        )
    return call.listed(rows, limit, shown.row)


@blueprint.get("/items/<uuid:id>")
@allow("key")
def show(id: UUID) -> ResponseReturnValue:
    """One item: its facts and people, what waits, and what this person can do now."""
    who = caller()
    with step(who.organisation_id) as work:
        _check_visible(work, who, id)
        return call.answer(200, shown.item(work, id, who.actor))


@blueprint.get("/items/<uuid:id>/timeline")
@allow("key")
def history(id: UUID) -> ResponseReturnValue:
    """What has happened to it, the newest first; messages to others are the office's to see."""
    who = caller()
    with step(who.organisation_id) as work:
        _check_visible(work, who, id)
        found = apply.load(work, id)
        read = Reader(work.now, who.zone, who.locale)
        entries = timeline(
            work, found, _kind(found.kind), read, me=who.person_id, role=who.role, everything=who.office
        )
    return call.answer(200, {"data": [shown.entry(one) for one in entries]})


def _check_visible(work: Step, who: Caller, id: UUID) -> None:
    if not sees(work, id, who.person_id, office=who.office):
        raise NotFound("There is no such item, or it is not yours to see.")


def _kind(name: str) -> WorkKind:
    kind = domains.kind(name)
    if kind is None:
        known = ", ".join(one.name for one in domains.kinds())
        raise Invalid("There is no such kind of work.", FieldError("kind", f"Use one of {known}."))
    return kind


# --- doing ---------------------------------------------------------------------------------------------------------


@blueprint.post("/items")
@allow("key")
def create() -> ResponseReturnValue:
    """Make an item of a kind that is made here."""
    who, asked = caller(), call.body_of(CreateIn)
    if isinstance(asked, Response):
        return asked
    kind = _kind(asked.kind)

    def change(work: Step) -> call.Answer:
        made = _named(lambda: apply.create(work, kind, asked.values, who.actor))
        return 201, _told(work, who, made)

    response = call.once(who, change)
    response.headers["Location"] = f"{blueprint.url_prefix}/items/{(response.json or {}).get('id', '')}"
    return response


@blueprint.post("/items/<uuid:id>/<verb>")
@allow("key")
def act(id: UUID, verb: str) -> ResponseReturnValue:
    """Do a verb to an item."""
    who, asked = caller(), call.body_of(VerbIn)
    if isinstance(asked, Response):
        return asked
    version, by_header = call.seen(asked.version)

    def change(work: Step) -> call.Answer:
        _check_visible(work, who, id)
        done = _named(lambda: apply.act(work, id, verb, asked.values, who.actor, seen=version))
        return 200, _told(work, who, done)

    try:
        return call.once(who, change)
    except Conflict as error:
        if by_header and version is not None:
            return problem(error, 412)
        raise


def _named(change: Any) -> apply.Applied:
    """A change; what is wrong with an input is named by its place in the body."""
    try:
        applied: apply.Applied = change()
    except Invalid as error:
        named = (FieldError(f"values.{one.field}", one.message) for one in error.fields)
        raise Invalid(str(error), *named) from None
    return applied


def _told(work: Step, who: Caller, applied: apply.Applied) -> dict[str, Any]:
    """Tell those concerned; the item as it is now, and what went wrong in telling."""
    problems = route(work, applied.drafts, Origin(work.now, actor_id=who.person_id)).problems
    item: Item = applied.items[0]
    return {**shown.item(work, item.id, who.actor), "problems": problems}
