"""The words in which a domain says all about itself: events, kinds of work, what a change means.

A pack is one file of these declarations and pure functions. It never sees the database, sends nothing and
reads no clock; what it needs is handed in as values, what it wants is returned as `Draft`s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel

__all__ = [
    "Batch",
    "Category",
    "DomainPack",
    "Draft",
    "EventType",
    "Field",
    "FieldKind",
    "Item",
    "PackError",
    "PersonRef",
    "Priority",
    "Transition",
    "WorkKind",
]

OFFICE = ("manager", "administrator")


class PackError(ValueError):
    """A declaration that does not hold together; the message names it. Stops the start."""


class Priority(StrEnum):
    """The field's four words. `critical` and the integers 1 to 4 are accepted for them at the edges."""

    urgent = "urgent"
    high = "high"
    medium = "medium"
    low = "low"

    @property
    def rank(self) -> int:
        """1 for urgent to 4 for low, as the database keeps it."""
        return list(Priority).index(self) + 1

    @classmethod
    def of(cls, value: str | int) -> Priority:
        """From a word in any case, `critical`, or 1 (most pressing) to 4. Raises ValueError."""
        if isinstance(value, int) and not isinstance(value, bool):
            if 1 <= value <= len(cls):
                return list(cls)[value - 1]
            raise ValueError(f"{value} is not a priority: use 1 to 4")
        word = str(value).lower()
        return cls("urgent" if word == "critical" else word)


class FieldKind(StrEnum):
    """How a fact is typed, so that each channel can shape it."""

    text = "text"
    money = "money"
    moment = "moment"


@dataclass(frozen=True)
class Field:
    """One fact of a kind of work."""

    name: str
    title: str
    kind: FieldKind = FieldKind.text


@dataclass(frozen=True)
class Category:
    """What a person switches on and off."""

    name: str
    title: str
    text: str


@dataclass(frozen=True)
class PersonRef:
    """A person as packs see them."""

    id: UUID
    name: str
    role: str
    phone: str = ""


@dataclass(frozen=True)
class Item:
    """A work item as packs see it: `data` is typed (Money, aware datetimes), `people` is by role on the item."""

    id: UUID
    kind: str
    number: str
    title: str
    status: str
    version: int
    data: Mapping[str, Any]
    people: Mapping[str, PersonRef]
    batch_ref: str | None = None


@dataclass(frozen=True)
class Draft:
    """An event that a change asks for. `to` names people where the event type's own audience is not meant."""

    event: str
    payload: Mapping[str, Any]
    to: tuple[UUID, ...] | None = None
    item: Item | None = None


@dataclass(frozen=True)
class Batch:
    """Many items decided together."""

    ref: str
    verb: str
    reason: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class EventType:
    """One event: who hears of it, how pressing it is, what its messages may say.

    `audience` holds roles on the item (`customer`), `office` (managers and administrators), or nothing where each
    draft names its people. `channels` replaces the priority's table of channels. `requires` are the payload's
    fields without which no message can be written; `sample` is one believable payload, used by the demo, the
    previews, the documentation and the test that renders every event on every channel.
    """

    name: str
    title: str
    category: str
    priority: Priority
    audience: tuple[str, ...]
    requires: tuple[str, ...]
    sample: Mapping[str, Any]
    kind: str | None = None
    channels: tuple[str, ...] | None = None
    # the states of its item in which the message still makes sense; outside of them unread lines are withdrawn
    holds_while: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Transition:
    """A verb that moves an item. `by` names roles in the organisation and `source`; `needs` names its arguments."""

    verb: str
    title: str
    done: str
    origins: tuple[str, ...]
    target: str
    by: tuple[str, ...]
    needs: tuple[str, ...] = ()
    primary: bool = False
    danger: bool = False


@dataclass(frozen=True)
class WorkKind:
    """One kind of item: its states, the roles of people on it, the moves, and what a change means.

    `on_change(before, after, reason, in_batch)` returns drafts; `before` is None for a new item, and equals the
    true previous value otherwise. `upsert` is the model of a webhook's data. An item in a `closed` state
    needs nobody any more.
    """

    name: str
    title: str
    statuses: Mapping[str, str]
    first: str
    roles: Mapping[str, str]
    fields: tuple[Field, ...]
    transitions: tuple[Transition, ...]
    source_moves: Mapping[str, tuple[str, ...]]
    upsert: type[BaseModel]
    describe: Callable[[Any], str]
    on_change: Callable[[Item | None, Item, str, bool], Sequence[Draft]]
    on_batch: Callable[[Batch], Sequence[Draft]] | None = None
    closed: tuple[str, ...] = ()
    assignable: str | None = None

    def transition(self, verb: str) -> Transition | None:
        """The move called `verb`, or None."""
        return next((move for move in self.transitions if move.verb == verb), None)


@dataclass(frozen=True)
class DomainPack:
    """All about one domain. `happenings` are webhook types that report an event without an item:
    type → (model of its data, function that makes its drafts from the data and the people it resolved)."""

    name: str
    title: str
    categories: tuple[Category, ...]
    events: tuple[EventType, ...]
    kinds: tuple[WorkKind, ...] = ()
    happenings: Mapping[
        str, tuple[type[BaseModel], Callable[[Any, Mapping[str, PersonRef]], Sequence[Draft]]]
    ] = field(default_factory=dict)
