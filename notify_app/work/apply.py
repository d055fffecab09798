"""Changes to work items: by a source's message, by a person's verb, one at a time for each item.

Each takes the item's lock, compares with the true previous value, makes one version with its history, its tasks and its
reminders, and returns the events that the pack's `on_change` wants: in the order that `domains.base` promises. What the
item's state does not allow is `Refused` with a sentence; what is older than what is known is `Stale`. Changes are made
in the step's memory (`pipeline.world`) and written with everything else of the step. Nothing here sends or routes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from notify_app import domains
from notify_app.domains import inputs, moves
from notify_app.domains.base import (
    OFFICE,
    Batch,
    Doing,
    Draft,
    Item,
    PersonRef,
    Values,
    Verb,
    WorkKind,
)
from notify_app.domains.fields import PERSONS, Field, FieldKind
from notify_app.domains.inputs import PersonIn
from notify_app.errors import Conflict, FieldError, Forbidden, HubError, Invalid, NotFound, Refused
from notify_app.ids import new_id
from notify_app.pipeline import world
from notify_app.pipeline.step import Step
from notify_app.pipeline.world import Held, World
from notify_app.policy.formats import pack
from notify_app.work import people, reminders, tasks
from notify_app.work.assign import filled

__all__ = [
    "Actor",
    "Applied",
    "Stale",
    "act",
    "allowed",
    "create",
    "decide_batch",
    "load",
    "may_assign",
    "upsert",
]


# a source's clock may be as far ahead as its signatures may; one message from the far future must not make all
# that follow it stale
CLOCKS_DIFFER = timedelta(minutes=5)
NEEDED = "{}: this is needed and cannot be taken away."


class Stale(HubError):
    """Older than what is known of the item: stored, not applied."""

    code = "stale"


@dataclass(frozen=True)
class Actor:
    """Who changes something: a person with a role, a source (`person_id` None, role 'source'), or time ('clock')."""

    role: str
    person_id: UUID | None = None
    inbound_id: UUID | None = None

    def doing(self, known: World) -> Doing:
        """As packs see it."""
        member = known.member(self.person_id) if self.person_id else None
        return Doing(self.role, known.step.now, member.ref if member else None)


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
    """Bring an item to what its source reports; what is left out stays, null is not known any more. Raises Refused or
    Stale."""
    at = min(at, known.step.now + CLOCKS_DIFFER)
    held = known.item_of(kind.name, source_id, data.id)
    if held:
        _not_older(kind, held, at)
    before = moves.settled(kind, held.item) if held else None
    after = _reported(known, kind, source_id, data, before)
    if before and before.status != after.status and after.status not in kind.source_moves[before.status]:
        raise Refused(
            f"{kind.title} {before.number} is {kind.statuses[before.status].lower()}; it cannot become "
            f"{kind.statuses[after.status].lower()}."
        )
    reason = getattr(data, "reason", None) or ""
    if held is None or before is None:
        named = (kind.name, source_id, data.id)
        return _keep(known, kind, None, after, "reported", reason, actor, at=at, name=named)
    if _same(before, after):
        known.still_known(held, at)
        return Applied((after,), ())
    after = replace(after, version=before.version + 1)
    return _keep(known, kind, before, after, "reported", reason, actor, at=at)


def _reported(known: World, kind: WorkKind, source_id: UUID, data: Any, before: Item | None) -> Item:
    given = data.model_fields_set
    facts = {one.name: getattr(data, one.name) for one in kind.fields if one.given and one.name in given}
    by_role = dict(before.people) if before else {}
    for role, makes in kind.roles.items():
        if role in given:
            person: PersonIn | None = getattr(data, role)
            if person is None:
                by_role.pop(role, None)
            else:
                by_role[role] = people.resolve(known, source_id, person, makes)
    status = data.status if "status" in given and data.status else None
    item = before or moves.blank(kind, new_id(), data.id)
    told = {**item.data, **inputs.typed(kind.fields, facts, known.words.currency)}
    after = replace(
        item,
        number=data.number or item.number,
        status=status or item.status,
        version=item.version or 1,
        data={name: value for name, value in told.items() if value is not None},
        people=by_role,
        batch_ref=data.batch_id if "batch_id" in given else item.batch_ref,
    )
    return moves.follows(kind, before, after)


def _same(before: Item, after: Item) -> bool:
    return pack(_facts(before)) == pack(_facts(after))


def _facts(item: Item) -> dict[str, Any]:
    return {
        "number": item.number,
        "title": item.title,
        "status": item.status,
        "data": {name: value for name, value in item.data.items() if value is not None},
        "people": {role: str(one.id) for role, one in sorted(item.people.items())},
        "batch": item.batch_ref,
    }


# --- by a person, or by time ---------------------------------------------------------------------------------------


def act(
    step: Step, item_id: UUID, verb: str, values: Mapping[str, Any], actor: Actor, *, seen: int | None = None
) -> Applied:
    """Do a verb of its kind to an item, or `assign`. `values` are its inputs as a form or JSON has them: what is not among
    them stays as it is, None clears a fact. `seen` is the version that the person looked at.

    Raises NotFound, Forbidden, Refused (with the state), Invalid (an input that is missing or cannot be used),
    Conflict (changed meanwhile).
    """
    known = world.of(step)
    held = _held(known, item_id, lock=True).item
    kind = _kind(held)
    if seen is not None and seen != held.version:
        raise Conflict(f"{kind.title} {held.number} was changed meanwhile. Look at it again, then decide.")
    before = moves.settled(kind, held)
    if verb == "assign" and kind.assignable:
        after = _assigned(known, kind, before, values, actor)
    else:
        after = _done(known, kind, before, _declared(kind, verb), values, actor)
    if actor.person_id:
        known.writes.noticed.append({"item_id": before.id, "person_id": actor.person_id})
    return _keep(known, kind, before, after, verb, str(values.get("reason") or ""), actor)


def create(step: Step, kind: WorkKind, values: Mapping[str, Any], actor: Actor) -> Applied:
    """Make an item here, by the kind's verb `create`. Raises NotFound, Forbidden, Invalid, Refused."""
    known = world.of(step)
    declared = kind.verb("create")
    if declared is None:
        raise NotFound(f"A {kind.title.lower()} is made by its own system.")
    blank = moves.blank(kind, new_id(), "")
    _check_right(kind, declared, blank, actor.doing(known))
    after = _done(
        known, kind, replace(blank, number=_next_number(step, kind.prefix)), declared, values, actor
    )
    return _keep(known, kind, None, after, "create", "", actor)


def allowed(known: World, kind: WorkKind, item: Item, actor: Actor) -> list[Verb]:
    """The verbs that this person can do to the item now, in the order of their declaration."""
    doing = actor.doing(known)
    verbs: list[Verb] = [*kind.transitions, *kind.verbs]
    return [
        one
        for one in verbs
        if one.origins and item.status in one.origins and moves.may(kind, one, item, doing)
    ]


def may_assign(actor: Actor) -> bool:
    """Whether this actor may `assign` an item of a kind that has somebody assignable."""
    return actor.role in OFFICE


def _declared(kind: WorkKind, verb: str) -> Verb:
    declared = kind.verb(verb)
    if declared is None or not declared.origins:
        raise NotFound(f"A {kind.title.lower()} has no action called {verb}.")
    return declared


def _done(
    known: World, kind: WorkKind, before: Item, verb: Verb, values: Mapping[str, Any], actor: Actor
) -> Item:
    """The item after a verb that nothing refuses."""
    doing = actor.doing(known)
    _check_right(kind, verb, before, doing)
    if verb.origins and before.status not in verb.origins:
        raise Refused(moves.refusal(kind, verb, before, {}, doing))
    read = {**_read(known, verb, values), **_cleared(kind, verb, before, values)}
    if sentence := moves.refusal(kind, verb, before, read, doing):
        raise Refused(sentence)
    return moves.applied(kind, verb, before, read, doing)


def _check_right(kind: WorkKind, verb: Verb, item: Item, doing: Doing) -> None:
    if not moves.may(kind, verb, item, doing):
        raise Forbidden(moves.refusal(kind, verb, item, {}, doing))


def _read(known: World, verb: Verb, values: Mapping[str, Any]) -> Values:
    """The inputs, typed; people are looked up."""
    read = inputs.typed(
        verb.inputs, inputs.read(verb.form, verb.inputs, _asked_for(verb, values)), known.words.currency
    )
    for one in verb.inputs:
        if one.kind in PERSONS and one.name in read:
            read[one.name] = _people(known, one, read[one.name])
    return read


def _cleared(kind: WorkKind, verb: Verb, before: Item, values: Mapping[str, Any]) -> dict[str, None]:
    """The facts of the item that are given as nothing, by name. Raises Invalid for one that it needs."""
    facts = {one.name for one in kind.fields if not one.passing and before.data.get(one.name) is not None}
    gone = [
        one for one in verb.inputs if one.name in facts and one.name in values and values[one.name] is None
    ]
    kept = moves.needed(kind)
    if problems := [
        FieldError(one.name, one.asks or NEEDED.format(one.title)) for one in gone if one.name in kept
    ]:
        raise Invalid("Some fields cannot be used.", *problems)
    return {one.name: None for one in gone}


def _asked_for(verb: Verb, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A page's form brings more than the verb asks for: what every verb has, empty."""
    names = {one.name for one in verb.inputs}
    return {name: value for name, value in values.items() if name in names or value not in (None, "")}


def _people(known: World, one: Field, given: Any) -> Any:
    if one.kind is FieldKind.person:
        return _person(known, one, given)
    return tuple(_person(known, one, each) for each in given)


def _person(known: World, one: Field, person_id: UUID) -> PersonRef:
    found = people.find(known, None, None, person_id)
    if found is None or (one.among and not any(moves.is_one(word, found) for word in one.among)):
        raise Invalid(
            "Nobody was chosen.", FieldError(one.name, f"{one.title}: choose a person from the list.")
        )
    return found


def _assigned(known: World, kind: WorkKind, before: Item, values: Mapping[str, Any], actor: Actor) -> Item:
    role = kind.assignable or ""
    if not may_assign(actor):
        raise Forbidden(f"Only the office assigns a {kind.title.lower()}.")
    by_role = dict(before.people)
    chosen = str(values.get("person") or "").strip()
    if not chosen:
        by_role.pop(role, None)
    else:
        person = people.find(known, None, None, _uuid(chosen))
        if person is None or person.role != kind.roles[role]:
            raise Invalid("Nobody was chosen.", FieldError("person", f"Choose one of the {role}s."))
        by_role[role] = person
    return moves.follows(kind, before, replace(before, people=by_role, version=before.version + 1))


def _uuid(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise Invalid("Nobody was chosen.", FieldError("person", "Choose a person from the list.")) from None


def _next_number(step: Step, prefix: str) -> str:
    row = step.one(
        "INSERT INTO numbering (organisation_id, prefix, next) VALUES (:org, :prefix, 2) "
        "ON CONFLICT (organisation_id, prefix) DO UPDATE SET next = numbering.next + 1 RETURNING next - 1 AS number",
        prefix=prefix,
    )
    return f"{prefix}-{row.number}"


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
        kind = _kind(held[item_id].item)
        before = moves.settled(kind, held[item_id].item)
        declared = _declared(kind, verb)
        given = {"reason": reason} if "reason" in declared.needs else {}
        try:
            _not_older(kind, held[item_id], at)
            after = replace(_done(known, kind, before, declared, given, actor), batch_ref=ref)
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
    after = filled(known, kind, after)
    if kind.check and (sentence := kind.check(after)):
        raise Refused(sentence)
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
    tasks.follow(known, kind, after, verb, actor.person_id)
    reminders.replan(known, kind, after)
    return Applied((after,), tuple(kind.on_change(before, after, reason, in_batch)))


def _not_older(kind: WorkKind, held: Held, at: datetime | None) -> None:
    if at is not None and at < held.known_at:
        raise Stale(
            f"{kind.title} {held.item.number} is known as of {held.known_at.isoformat()}; this is older."
        )
