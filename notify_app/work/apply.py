"""Changes to work items: by a source's message, by a person's verb, one at a time for each item.

Each takes the item's lock, compares with the true previous value, writes one version with its history, and
returns the events that the pack's `on_change` wants. What the item's state does not allow is `Refused` with a
sentence; what is older than what is known is `Stale`. Nothing here sends or routes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from notify_app import domains
from notify_app.domains.base import Batch, Draft, FieldKind, Item, PersonRef, Transition, WorkKind
from notify_app.domains.inputs import PersonIn
from notify_app.errors import Conflict, FieldError, Forbidden, HubError, Invalid, NotFound, Refused
from notify_app.ids import new_id
from notify_app.pipeline import inbox
from notify_app.pipeline.step import Step
from notify_app.policy.formats import Money, pack, unpack
from notify_app.work import people

__all__ = ["Actor", "Applied", "Stale", "act", "allowed", "decide_batch", "load", "upsert"]


# a source's clock may be as far ahead as its signatures may; one message from the far future must not make all
# that follow it stale
CLOCKS_DIFFER = timedelta(minutes=5)


class Stale(HubError):
    """Older than what is known of the item: stored, not applied."""

    code = "stale"


@dataclass(frozen=True)
class Actor:
    """Who changes something: a person with a role, or a source (`person_id` None, role 'source')."""

    role: str
    person_id: UUID | None = None
    inbound_id: UUID | None = None


@dataclass(frozen=True)
class Applied:
    """What a change has made of the world."""

    items: tuple[Item, ...]
    drafts: tuple[Draft, ...]


def load(step: Step, item_id: UUID, *, lock: bool = False) -> Item:
    """An item with its people. Raises NotFound, for another organisation's as for none."""
    row = step.one(
        f"SELECT * FROM work_item WHERE organisation_id = :org AND id = :id {'FOR UPDATE' if lock else ''}",
        id=item_id,
    )
    if row is None:
        raise NotFound("There is no such item.")
    return _item(step, row)


def _item(step: Step, row: Any) -> Item:
    held = step.all(
        "SELECT role, person_id FROM item_person WHERE organisation_id = :org AND item_id = :id", id=row.id
    )
    refs = people.by_ids(step, [one.person_id for one in held])
    by_role = {one.role: refs[one.person_id] for one in held}
    return Item(
        row.id,
        row.kind,
        row.number,
        row.title,
        row.status,
        row.version,
        unpack(row.data),
        by_role,
        row.batch_ref,
    )


# --- by a source ---------------------------------------------------------------------------------------------------


def upsert(step: Step, kind: WorkKind, source_id: UUID, data: Any, at: datetime, actor: Actor) -> Applied:
    """Bring an item to what its source reports; what is left out stays. Raises Refused or Stale."""
    at = min(at, step.now + CLOCKS_DIFFER)
    row = _lock_by_ref(step, kind, source_id, data.id)
    before = _item(step, row) if row else None
    if row is not None and at < row.known_at:
        raise Stale(
            f"{before.number if before else data.id} is known as of {row.known_at.isoformat()}; this is older."
        )
    after = _reported(step, kind, source_id, data, before)
    if before and before.status != after.status and after.status not in kind.source_moves[before.status]:
        raise Refused(
            f"{kind.title} {before.number} is {kind.statuses[before.status].lower()}; it cannot become "
            f"{kind.statuses[after.status].lower()}."
        )
    if before is None:
        _insert(step, after, source_id, data.id, at)
    elif _same(before, after):
        step.run(
            "UPDATE work_item SET known_at = :at WHERE organisation_id = :org AND id = :id",
            at=at,
            id=after.id,
        )
        return Applied((after,), ())
    else:
        after = replace(after, version=before.version + 1)
        _update(step, after, at)
    _write_people(step, before, after)
    reason = getattr(data, "reason", None) or ""
    _record(step, before, after, "reported", actor, reason)
    _withdraw_moot(step, before, after)
    return Applied((after,), tuple(kind.on_change(before, after, reason, False)))


def _lock_by_ref(step: Step, kind: WorkKind, source_id: UUID, external_id: str) -> Any:
    """The row under lock; where there is none yet, the right to make it (first sights wait for each other)."""
    find = (
        "SELECT * FROM work_item WHERE organisation_id = :org AND kind = :kind AND source_id = :source "
        "AND external_id = :external FOR UPDATE"
    )
    keys = {"kind": kind.name, "source": source_id, "external": external_id}
    row = step.one(find, **keys)
    if row is None:
        step.one(
            "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))",
            key=f"{source_id}/{kind.name}/{external_id}",
        )
        row = step.one(find, **keys)
    return row


def _reported(step: Step, kind: WorkKind, source_id: UUID, data: Any, before: Item | None) -> Item:
    given = data.model_fields_set
    known = dict(before.data) if before else {}
    for field in kind.fields:
        if field.name in given:
            known[field.name] = _typed(step, field.kind, getattr(data, field.name))
    by_role = dict(before.people) if before else {}
    for role, makes in kind.roles.items():
        if role in given:
            person: PersonIn | None = getattr(data, role)
            if person is None:
                by_role.pop(role, None)
            else:
                by_role[role] = people.resolve(step, source_id, person, makes)
    status = data.status if "status" in given and data.status else (before.status if before else kind.first)
    number = data.number or (before.number if before else data.id)
    described = kind.describe(_Known(known))
    return Item(
        before.id if before else new_id(),
        kind.name,
        number,
        described or f"{kind.title} {number}",
        status,
        before.version if before else 1,
        known,
        by_role,
        data.batch_id if "batch_id" in given else (before.batch_ref if before else None),
    )


class _Known:
    """Facts by attribute, as a pack's `describe` reads them."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts

    def __getattr__(self, name: str) -> Any:
        return self._facts.get(name)


def _typed(step: Step, kind: FieldKind, value: Any) -> Any:
    if kind is FieldKind.money and isinstance(value, Decimal):
        currency = step.one("SELECT currency FROM organisation WHERE id = :org").currency
        return Money(value, currency)
    return value


def _same(before: Item, after: Item) -> bool:
    return pack(_facts(before)) == pack(_facts(after))


def _facts(item: Item) -> dict[str, Any]:
    return {
        "number": item.number,
        "title": item.title,
        "status": item.status,
        "data": dict(item.data),
        "people": {role: str(one.id) for role, one in sorted(item.people.items())},
        "batch": item.batch_ref,
    }


# --- by a person ---------------------------------------------------------------------------------------------------


def act(
    step: Step, item_id: UUID, verb: str, values: Mapping[str, str], actor: Actor, *, seen: int | None = None
) -> Applied:
    """Do a verb to an item: a move of its kind, or `assign`. `seen` is the version that the person looked at.

    Raises NotFound, Forbidden, Refused (with the state), Invalid (a missing reason), Conflict (changed meanwhile).
    """
    before = load(step, item_id, lock=True)
    kind = _kind(before)
    if seen is not None and seen != before.version:
        raise Conflict(f"{kind.title} {before.number} was changed meanwhile. Look at it again, then decide.")
    if verb == "assign" and kind.assignable:
        after = _assigned(step, kind, before, values, actor)
    else:
        after = _moved(kind, before, verb, values, actor)
    if actor.person_id:
        inbox.acknowledge_item(step, before.id, actor.person_id)
    return _write(step, kind, before, after, verb, values.get("reason", ""), actor, in_batch=False)


def allowed(kind: WorkKind, item: Item, actor: Actor) -> list[Transition]:
    """The moves that this person can make now."""
    return [move for move in kind.transitions if item.status in move.origins and _may(move, item, actor)]


def _may(move: Transition, item: Item, actor: Actor) -> bool:
    if actor.role not in move.by:
        return False
    if actor.role in ("manager", "administrator", "source"):
        return True
    return any(person.id == actor.person_id for person in item.people.values())


def _moved(kind: WorkKind, before: Item, verb: str, values: Mapping[str, str], actor: Actor) -> Item:
    move = kind.transition(verb)
    if move is None:
        raise NotFound(f"A {kind.title.lower()} has no action called {verb}.")
    if not _may(move, before, actor):
        raise Forbidden(f"You cannot {move.title.lower()} this {kind.title.lower()}.")
    if before.status not in move.origins:
        raise Refused(
            f"{kind.title} {before.number} is {kind.statuses[before.status].lower()}; "
            f"{move.title.lower()} is not possible now."
        )
    for name in move.needs:
        if not values.get(name, "").strip():
            raise Invalid(
                "Something is missing.", FieldError(name, f"Give a {name}, so that people know why.")
            )
    return replace(before, status=move.target, version=before.version + 1)


def _assigned(step: Step, kind: WorkKind, before: Item, values: Mapping[str, str], actor: Actor) -> Item:
    role = kind.assignable or ""
    if actor.role not in ("manager", "administrator"):
        raise Forbidden(f"Only the office assigns a {kind.title.lower()}.")
    by_role = dict(before.people)
    chosen = values.get("person", "").strip()
    if not chosen:
        by_role.pop(role, None)
    else:
        person = people.find(step, None, None, _uuid(chosen))
        if person is None or person.role != kind.roles[role]:
            raise Invalid("Nobody was chosen.", FieldError("person", f"Choose one of the {role}s."))
        by_role[role] = person
    return replace(before, people=by_role, version=before.version + 1)


def _uuid(value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise Invalid("Nobody was chosen.", FieldError("person", "Choose a person from the list.")) from None


# --- together ------------------------------------------------------------------------------------------------------


def decide_batch(
    step: Step,
    item_ids: Iterable[UUID],
    verb: str,
    reason: str,
    ref: str,
    actor: Actor,
    at: datetime | None = None,
) -> tuple[Applied, list[str]]:
    """Approve or deny many items as one batch: one event for each technician's part of it.

    `at` is when a source says that it happened: what is known to be later stays. Items whose state does not allow
    it are left as they are; their sentences are returned beside what was done.
    Locks are taken in the order of ids, so that two batches cannot wait for each other.
    """
    done: list[Item] = []
    drafts: list[Draft] = []
    refusals: list[str] = []
    for item_id in sorted(set(item_ids)):
        before = load(step, item_id, lock=True)
        kind = _kind(before)
        try:
            _not_older(step, kind, before, at)
            after = replace(_moved(kind, before, verb, {"reason": reason}, actor), batch_ref=ref)
        except (Refused, Stale) as refusal:
            refusals.append(str(refusal))
            continue
        applied = _write(step, kind, before, after, verb, reason, actor, in_batch=True, at=at)
        done += applied.items
        drafts += applied.drafts
    for name in sorted({item.kind for item in done}):
        together = domains.kind(name)
        if together and together.on_batch:
            drafts += together.on_batch(
                Batch(ref, verb, reason, tuple(item for item in done if item.kind == name))
            )
    return Applied(tuple(done), tuple(drafts)), refusals


# --- writing -------------------------------------------------------------------------------------------------------


def _kind(item: Item) -> WorkKind:
    kind = domains.kind(item.kind)
    if kind is None:
        raise NotFound(f"Items of the kind {item.kind} are not known to this release.")
    return kind


def _write(
    step: Step,
    kind: WorkKind,
    before: Item,
    after: Item,
    verb: str,
    reason: str,
    actor: Actor,
    *,
    in_batch: bool,
    at: datetime | None = None,
) -> Applied:
    if _same(before, after):
        return Applied((before,), ())
    _update(step, after, at)
    _write_people(step, before, after)
    _record(step, before, after, verb, actor, reason)
    _withdraw_moot(step, before, after)
    return Applied((after,), tuple(kind.on_change(before, after, reason, in_batch)))


def _not_older(step: Step, kind: WorkKind, item: Item, at: datetime | None) -> None:
    known_at = step.one(
        "SELECT known_at FROM work_item WHERE organisation_id = :org AND id = :id", id=item.id
    ).known_at
    if at is not None and at < known_at:
        raise Stale(f"{kind.title} {item.number} is known as of {known_at.isoformat()}; this is older.")


def _withdraw_moot(step: Step, before: Item | None, after: Item) -> None:
    if before and before.status != after.status:
        inbox.withdraw(step, after.id, domains.moot(after.kind, after.status))


def _insert(step: Step, item: Item, source_id: UUID | None, external_id: str | None, at: datetime) -> None:
    step.run(
        "INSERT INTO work_item (organisation_id, id, kind, source_id, external_id, number, title, status, data, "
        "batch_ref, known_at) VALUES (:org, :id, :kind, :source, :external, :number, :title, :status, "
        "CAST(:data AS jsonb), :batch, :at)",
        source=source_id,
        external=external_id,
        kind=item.kind,
        at=at,
        **_columns(item),
    )


def _update(step: Step, item: Item, at: datetime | None) -> None:
    step.run(
        "UPDATE work_item SET number = :number, title = :title, status = :status, version = :version, "
        "data = CAST(:data AS jsonb), batch_ref = :batch, updated_at = hub_now(), "
        "known_at = coalesce(:at, greatest(known_at, hub_now())) WHERE organisation_id = :org AND id = :id",
        version=item.version,
        at=at,
        **_columns(item),
    )


def _columns(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "number": item.number,
        "title": item.title,
        "status": item.status,
        "data": json.dumps(pack(item.data)),
        "batch": item.batch_ref,
    }


def _write_people(step: Step, before: Item | None, after: Item) -> None:
    old = {role: person.id for role, person in before.people.items()} if before else {}
    new = {role: person.id for role, person in after.people.items()}
    for role in {*old, *new}:
        if old.get(role) != new.get(role):
            _put_person(step, after.id, role, after.people.get(role))


def _put_person(step: Step, item_id: UUID, role: str, person: PersonRef | None) -> None:
    step.run(
        "DELETE FROM item_person WHERE organisation_id = :org AND item_id = :item AND role = :role",
        item=item_id,
        role=role,
    )
    if person:
        step.run(
            "INSERT INTO item_person (organisation_id, item_id, role, person_id) VALUES (:org, :item, :role, :person)",
            item=item_id,
            role=role,
            person=person.id,
        )


def _record(step: Step, before: Item | None, after: Item, verb: str, actor: Actor, reason: str = "") -> None:
    step.run(
        "INSERT INTO change (organisation_id, item_id, version, verb, actor_id, inbound_id, before, after) "
        "VALUES (:org, :item, :version, :verb, :actor, :inbound, CAST(:before AS jsonb), CAST(:after AS jsonb))",
        item=after.id,
        version=after.version,
        verb=verb,
        actor=actor.person_id,
        inbound=actor.inbound_id,
        before=json.dumps(pack(_facts(before))) if before else None,
        after=json.dumps(pack({**_facts(after), **({"reason": reason} if reason else {})})),
    )
