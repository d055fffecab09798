"""How the API says things: values for programs, not words for people. Secrets are left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from notify_app import domains
from notify_app.domains.base import Item, PersonRef, Verb, WorkKind
from notify_app.domains.fields import Field, FieldKind
from notify_app.pipeline import world
from notify_app.pipeline.step import Step
from notify_app.policy.formats import Money, unpack
from notify_app.work import apply

__all__ = ["entry", "item", "line", "row", "value"]

PRIORITIES = {1: "urgent", 2: "high", 3: "medium", 4: "low"}
TASKS = """
    SELECT t.name, t.step, t.round, t.opened_at, t.due_at, p.id AS person_id, p.name AS person FROM task t
    LEFT JOIN person p ON p.organisation_id = t.organisation_id AND p.id = t.assignee_id
    WHERE t.organisation_id = :org AND t.item_id = :item AND t.closed_at IS NULL ORDER BY t.opened_at, t.name
"""
TIMES = "SELECT created_at, updated_at FROM work_item WHERE organisation_id = :org AND id = :item"


def value(of: Any) -> Any:
    """A typed fact as JSON: money as an object, times and days as ISO 8601."""
    match of:
        case Money():
            return {"amount": str(of.amount), "currency": of.currency}
        case datetime() | date():
            return of.isoformat()
        case Decimal() | UUID():
            return str(of)
        case Mapping():
            return {name: value(one) for name, one in of.items()}
        case list() | tuple():
            return [value(one) for one in of]
    return of


# --- items ---------------------------------------------------------------------------------------------------------


def row(found: Any) -> dict[str, Any]:
    """An item of a list: a row of `work_item` with its `people`."""
    kind = domains.kind(found.kind)
    return {
        "id": str(found.id),
        "kind": found.kind,
        "number": found.number,
        "title": found.title,
        "state": found.status,
        "state_title": kind.statuses.get(found.status, found.status) if kind else found.status,
        "version": found.version,
        "round": found.round,
        "created_at": found.created_at.isoformat(),
        "updated_at": found.updated_at.isoformat(),
        "facts": _facts(kind, unpack(found.data)),
        "people": found.people,
    }


def item(work: Step, id: UUID, actor: apply.Actor) -> dict[str, Any]:
    """An item whole: with what waits, and what this actor can do to it now."""
    known = world.of(work)
    known.flush()
    found = apply.load(work, id)
    kind = domains.kind(found.kind)
    times = work.one(TIMES, item=id)
    return {
        "id": str(found.id),
        "kind": found.kind,
        "number": found.number,
        "title": found.title,
        "state": found.status,
        "state_title": kind.statuses[found.status] if kind else found.status,
        "version": found.version,
        "round": found.round,
        "created_at": times.created_at.isoformat(),
        "updated_at": times.updated_at.isoformat(),
        "facts": _facts(kind, found.data),
        "people": {role: _person(one) for role, one in sorted(found.people.items())},
        "tasks": [_task(one, kind) for one in work.all(TASKS, item=id)],
        "verbs": _verbs(known, kind, found, actor) if kind else [],
    }


def _facts(kind: WorkKind | None, data: Mapping[str, Any]) -> dict[str, Any]:
    return {one.name: value(data.get(one.name)) for one in (kind.fields if kind else ()) if not one.secret}


def _person(one: PersonRef) -> dict[str, str]:
    return {"id": str(one.id), "name": one.name}


def _task(found: Any, kind: WorkKind | None) -> dict[str, Any]:
    titles = {one.name: one.title for one in (kind.tasks if kind else ())}
    return {
        "name": found.name,
        "title": titles.get(found.name, found.name),
        "step": found.step,
        "round": found.round,
        "assignee": {"id": str(found.person_id), "name": found.person} if found.person_id else None,
        "opened_at": found.opened_at.isoformat(),
        "due_at": found.due_at.isoformat(),
    }


# --- what can be done ----------------------------------------------------------------------------------------------


def _verbs(known: world.World, kind: WorkKind, found: Item, actor: apply.Actor) -> list[dict[str, Any]]:
    can = [_verb(one, found) for one in apply.allowed(known, kind, found, actor)]
    if kind.assignable and apply.may_assign(actor):
        role = kind.assignable
        asks = Field("person", role.capitalize(), FieldKind.person, among=(f"role:{kind.roles[role]}",))
        can.append({"verb": "assign", "title": "Assign", "inputs": [_input(asks, found)]})
    return can


def _verb(one: Verb, found: Item) -> dict[str, Any]:
    return {"verb": one.verb, "title": one.title, "inputs": [_input(asked, found) for asked in one.inputs]}


def _input(one: Field, found: Item) -> dict[str, Any]:
    """What it asks for; `choices` where they are few, `among` the words of those who may be named."""
    said: dict[str, Any] = {
        "name": one.name,
        "title": one.title,
        "kind": one.kind.value,
        "required": one.required,
    }
    choices = one.offers(found) if one.offers else one.choices
    if choices or one.offers:
        said["choices"] = dict(choices)
    if one.among:
        said["among"] = list(one.among)
    if one.of:
        said["of"] = [_input(inner, found) for inner in one.of]
    return said


# --- the rest ------------------------------------------------------------------------------------------------------


def entry(said: Mapping[str, Any]) -> dict[str, Any]:
    """A line of an item's story."""
    return {
        "kind": said["kind"],
        "title": said["title"],
        "text": said["text"],
        "by": said["by"],
        "at": said["when"]["iso"],
        "details": list(said["details"]),
        "channels": [{"channel": one["channel"], "state": one["state"]} for one in _list(said["channels"])],
    }


def _list(of: Iterable[Any] | None) -> list[Any]:
    return list(of or ())


def line(found: Any) -> dict[str, Any]:
    """A row of `notification`."""
    return {
        "id": str(found.id),
        "event_id": str(found.event_id),
        "event": found.name,
        "item_id": str(found.item_id) if found.item_id else None,
        "title": found.title,
        "text": found.text,
        "priority": PRIORITIES[found.priority],
        "category": found.category,
        "created_at": found.created_at.isoformat(),
        "read_at": found.read_at.isoformat() if found.read_at else None,
        "acknowledged_at": found.acknowledged_at.isoformat() if found.acknowledged_at else None,
    }
