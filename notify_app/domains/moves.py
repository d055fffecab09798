"""What can be asked of a kind's declarations without the database: who may do what, what comes of it, what waits.

Pure, and handed `now`. The machinery keeps the rows and does what these answer; packs are tested by them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from notify_app.domains.base import (
    OFFICE,
    Dedupe,
    Doing,
    EventType,
    Item,
    PersonRef,
    PlannedReminder,
    TaskType,
    Values,
    Verb,
    WorkKind,
)

__all__ = [
    "Replanned",
    "applied",
    "blank",
    "dedupe_key",
    "follows",
    "is_one",
    "may",
    "needed",
    "pending",
    "refusal",
    "replanned",
    "settled",
]


# --- who -----------------------------------------------------------------------------------------------------------


def is_one(word: str, person: PersonRef) -> bool:
    """Whether an audience word that needs no item is true of a person: `office`, `everyone`, `role:…`, `grade:…`, and
    such words joined by "+"."""
    if word == "everyone":
        return True
    if word == "office":
        return person.role in OFFICE
    return all(
        person.role == value if what == "role" else person.grade == value
        for what, _colon, value in (part.partition(":") for part in word.split("+"))
    )


def may(kind: WorkKind, verb: Verb, item: Item, doing: Doing) -> bool:
    """Whether one of the verb's `by` is true of whoever does it. For a verb that makes an item it is a `blank` one."""
    return any(_holds(word, kind, item, doing) for word in verb.by)


def _holds(word: str, kind: WorkKind, item: Item, doing: Doing) -> bool:
    if doing.person is None:
        return word == doing.role
    if ":" in word:
        return is_one(word, doing.person)
    if word in kind.roles:
        return _is(item.people.get(word), doing.person)
    if word in OFFICE:
        return doing.role == word
    return doing.role == word and any(_is(one, doing.person) for one in item.people.values())


def _is(one: PersonRef | None, other: PersonRef) -> bool:
    return one is not None and one.id == other.id


def refusal(kind: WorkKind, verb: Verb, item: Item, values: Values, doing: Doing) -> str:
    """The sentence that says why this cannot be done now, or nothing. `values` were read and typed before; a verb that
    makes an item is asked with a `blank` one. Whether it was not theirs to do (`may`) or not possible, the caller tells
    apart."""
    if not may(kind, verb, item, doing):
        return f"You cannot {verb.title.lower()} this {kind.title.lower()}."
    if verb.origins and item.status not in verb.origins:
        now = kind.statuses[item.status].lower()
        return f"{kind.title} {item.number} is {now}; {verb.title.lower()} is not possible now."
    for one in verb.inputs:
        if one.offers and values.get(one.name) is not None and values[one.name] not in one.offers(item):
            return (
                f"{one.title}: choose one of {', '.join(one.offers(item).values()) or 'none that is left'}."
            )
    return verb.guard(item, values, doing) if verb.guard else ""


# --- what comes of it ----------------------------------------------------------------------------------------------


def blank(kind: WorkKind, id: UUID, number: str) -> Item:
    """An item before the verb that makes it: in the first state, without facts and people, not a version yet."""
    return Item(id, kind.name, number, "", kind.first, 0, {}, {})


def needed(kind: WorkKind) -> set[str]:
    """The facts that an item of this kind, once it has them, is never without."""
    made = kind.verb("create")
    return {one.name for one in (*kind.fields, *(made.inputs if made else ())) if one.required}


def settled(kind: WorkKind, item: Item) -> Item:
    """The item without what belonged to the change before: its `passing` facts."""
    gone = {one.name for one in kind.fields if one.passing}
    return replace(item, data={name: value for name, value in item.data.items() if name not in gone})


def applied(kind: WorkKind, verb: Verb, item: Item, values: Values, doing: Doing) -> Item:
    """The item after a verb that nothing refuses; for one that makes an item, of a `blank` one."""
    before = settled(kind, item)
    facts = {one.name for one in kind.fields}
    data, people = dict(before.data), dict(before.people)
    for name, value in values.items():
        if value is None:
            data.pop(name, None)
        elif name in facts:
            data[name] = value
        elif name in kind.roles:
            people[name] = value
    after = replace(before, data=data, people=people)
    if verb.apply:
        after = verb.apply(after, values, doing)
    target = getattr(verb, "target", "") or after.status
    return follows(kind, before, replace(after, status=target, version=before.version + 1))


def follows(kind: WorkKind, before: Item | None, after: Item) -> Item:
    """What follows of itself when facts or state have changed: the title, and the round."""
    title = kind.describe(_Known(after.data)) or f"{kind.title} {after.number}"
    anew = before is not None and kind.new_round is not None and kind.new_round(before, after)
    return replace(after, title=title, round=after.round + 1 if anew else after.round)


class _Known(SimpleNamespace):
    """Facts as attributes; what is not known is None."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__(**facts)

    def __getattr__(self, name: str) -> Any:
        return None


# --- what waits ----------------------------------------------------------------------------------------------------


def pending(kind: WorkKind, item: Item) -> tuple[TaskType, ...]:
    """The tasks that wait for somebody in this state of the item."""
    return tuple(
        one for one in kind.tasks if item.status in one.while_in and (one.needed is None or one.needed(item))
    )


@dataclass(frozen=True)
class Replanned:
    """What becomes of an item's reminders: `keep` stand as they are (now of the new version), `make` are new,
    `drop` (keys) are given up: cancelled, or deleted where the item is removed."""

    keep: tuple[PlannedReminder, ...]
    make: tuple[PlannedReminder, ...]
    drop: tuple[str, ...]


def replanned(
    kind: WorkKind, item: Item, waiting: Iterable[str], done: Collection[str], now: datetime
) -> Replanned:
    """The plan for the new version of an item. `waiting` are the keys of its reminders that have not gone yet, `done` of
    those that have, in this round. What waits and is planned still stays, even if it is due this moment. An event that
    has been told, or whose time has passed and is not `late`, is left out; a verb is done as long as it is planned."""
    wanted = {one.key: one for one in (kind.reminders(item) if kind.reminders else ())}
    waits = list(waiting)
    new = [
        one if one.key not in done and (one.due_at > now or one.late) else replace(one, event="")
        for key, one in wanted.items()
        if key not in waits
    ]
    return Replanned(
        keep=tuple(wanted[key] for key in waits if key in wanted),
        make=tuple(one for one in new if one.event or one.verb),
        drop=tuple(key for key in waits if key not in wanted),
    )


def dedupe_key(type_: EventType, item: Item | None, step: str, on: date) -> str | None:
    """The key of a matter that must not be told to one person twice (D3), or None where each time is another.
    `on` is the organisation's local date. The machinery adds the person."""
    if type_.dedupe is Dedupe.never or item is None:
        return None
    parts = [type_.name, str(item.id), str(item.round), step]
    return "/".join([*parts, on.isoformat()] if type_.dedupe is Dedupe.daily else parts)
