"""Changes to work items: by a source's message, by a person's verb, one at a time for each item.

Each takes the item's lock, compares with the true previous value, makes one version with its history, and
returns the events that the pack's `on_change` wants. What the item's state does not allow is `Refused` with a
sentence; what is older than what is known is `Stale`. Changes are made in the step's memory (`pipeline.world`) and
written with everything else of the step. Nothing here sends or routes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from notify_app import domains
from notify_app.domains.base import Batch, Draft, FieldKind, Item, Transition, WorkKind
from notify_app.domains.inputs import PersonIn
from notify_app.errors import Conflict, FieldError, Forbidden, HubError, Invalid, NotFound, Refused
from notify_app.ids import new_id
from notify_app.pipeline import world
from notify_app.pipeline.step import Step
from notify_app.pipeline.world import Held, World
from notify_app.policy.formats import Money, pack
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
    return _held(world.of(step), item_id, lock=lock).item


def _held(known: World, item_id: UUID, *, lock: bool) -> Held:
    held = known.item(item_id, lock=lock)
    if held is None:
        raise NotFound("There is no such item.")
    return held


# --- by a source ---------------------------------------------------------------------------------------------------


def upsert(known: World, kind: WorkKind, source_id: UUID, data: Any, at: datetime, actor: Actor) -> Applied:
    """Bring an item to what its source reports; what is left out stays. Raises Refused or Stale."""
    at = min(at, known.step.now + CLOCKS_DIFFER)
    held = known.item_of(kind.name, source_id, data.id)
    if held:
        _not_older(kind, held, at)
    before = held.item if held else None
    after = _reported(known, kind, source_id, data, before)
    if before and before.status != after.status and after.status not in kind.source_moves[before.status]:
        raise Refused(
            f"{kind.title} {before.number} is {kind.statuses[before.status].lower()}; it cannot become "
            f"{kind.statuses[after.status].lower()}."
        )
    reason = getattr(data, "reason", None) or ""
    if held is None:
        return _keep(
            known, kind, None, after, "reported", reason, actor, at=at, name=(kind.name, source_id, data.id)
        )
    if _same(held.item, after):
        known.still_known(held, at)
        return Applied((after,), ())
    after = replace(after, version=held.item.version + 1)
    return _keep(known, kind, held.item, after, "reported", reason, actor, at=at)


def _reported(world_: World, kind: WorkKind, source_id: UUID, data: Any, before: Item | None) -> Item:
    given = data.model_fields_set
    facts = dict(before.data) if before else {}
    for field in kind.fields:
        if field.name in given:
            facts[field.name] = _typed(world_, field.kind, getattr(data, field.name))
    by_role = dict(before.people) if before else {}
    for role, makes in kind.roles.items():
        if role in given:
            person: PersonIn | None = getattr(data, role)
            if person is None:
                by_role.pop(role, None)
            else:
                by_role[role] = people.resolve(world_, source_id, person, makes)
    status = data.status if "status" in given and data.status else (before.status if before else kind.first)
    number = data.number or (before.number if before else data.id)
    described = kind.describe(_Known(facts))
    return Item(
        before.id if before else new_id(),
        kind.name,
        number,
        described or f"{kind.title} {number}",
        status,
        before.version if before else 1,
        facts,
        by_role,
        data.batch_id if "batch_id" in given else (before.batch_ref if before else None),
    )


class _Known:
    """Facts by attribute, as a pack's `describe` reads them."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts

    def __getattr__(self, name: str) -> Any:
        return self._facts.get(name)


def _typed(world_: World, kind: FieldKind, value: Any) -> Any:
    if kind is FieldKind.money and isinstance(value, Decimal):
        return Money(value, world_.words.currency)
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
    known = world.of(step)
    before = _held(known, item_id, lock=True).item
    kind = _kind(before)
    if seen is not None and seen != before.version:
        raise Conflict(f"{kind.title} {before.number} was changed meanwhile. Look at it again, then decide.")
    if verb == "assign" and kind.assignable:
        after = _assigned(known, kind, before, values, actor)
    else:
        after = _moved(kind, before, verb, values, actor)
    if actor.person_id:
        known.writes.noticed.append({"item_id": before.id, "person_id": actor.person_id})
    return _keep(known, kind, before, after, verb, values.get("reason", ""), actor)


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


def _assigned(known: World, kind: WorkKind, before: Item, values: Mapping[str, str], actor: Actor) -> Item:
    role = kind.assignable or ""
    if actor.role not in ("manager", "administrator"):
        raise Forbidden(f"Only the office assigns a {kind.title.lower()}.")
    by_role = dict(before.people)
    chosen = values.get("person", "").strip()
    if not chosen:
        by_role.pop(role, None)
    else:
        person = people.find(known, None, None, _uuid(chosen))
        if person is None or person.role != kind.roles[role]:
            raise Invalid("Nobody was chosen.", FieldError("person", f"Choose one of the {role}s."))
        by_role[role] = person
    return replace(before, people=by_role, version=before.version + 1)


def _uuid(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise Invalid("Nobody was chosen.", FieldError("person", "Choose a person from the list.")) from None


# --- together ------------------------------------------------------------------------------------------------------


def decide_batch(
    step: Step,
    item_ids: Sequence[UUID],
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
    known = world.of(step)
    held = known.items(item_ids, lock=True)
    done: list[Item] = []
    drafts: list[Draft] = []
    refusals: list[str] = []
    for item_id in sorted(set(item_ids)):
        if item_id not in held:
            raise NotFound("There is no such item.")
        before = held[item_id].item
        kind = _kind(before)
        try:
            _not_older(kind, held[item_id], at)
            after = replace(_moved(kind, before, verb, {"reason": reason}, actor), batch_ref=ref)
        except (Refused, Stale) as refusal:
            refusals.append(str(refusal))
            continue
        applied = _keep(known, kind, before, after, verb, reason, actor, in_batch=True, at=at)
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


def _keep(
    known: World,
    kind: WorkKind,
    before: Item | None,
    after: Item,
    verb: str,
    reason: str,
    actor: Actor,
    *,
    in_batch: bool = False,
    at: datetime | None = None,
    name: tuple[str, UUID, str] | None = None,
) -> Applied:
    """One version with its history; `at` is when its source says that it was so, `name` what it calls a new one."""
    if before and _same(before, after):
        return Applied((before,), ())
    known.keep_item(after, at, name)
    known.writes.changes.append(
        {
            "item_id": after.id,
            "version": after.version,
            "verb": verb,
            "actor_id": actor.person_id,
            "inbound_id": actor.inbound_id,
            "before": pack(_facts(before)) if before else None,
            "after": pack({**_facts(after), **({"reason": reason} if reason else {})}),
        }
    )
    if before and before.status != after.status:
        known.writes.moot.append({"item_id": after.id, "names": domains.moot(after.kind, after.status)})
    return Applied((after,), tuple(kind.on_change(before, after, reason, in_batch)))


def _not_older(kind: WorkKind, held: Held, at: datetime | None) -> None:
    if at is not None and at < held.known_at:
        raise Stale(
            f"{kind.title} {held.item.number} is known as of {held.known_at.isoformat()}; this is older."
        )
