"""The values that packs are handed and hand back: people, items, what is being done, and the drafts of events.

All are frozen; a pack answers with new ones. Where a value needs the database to be made, the machinery makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

__all__ = ["Batch", "Doing", "Draft", "Item", "People", "PersonRef", "Priority", "Values"]


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


@dataclass(frozen=True)
class PersonRef:
    """A person as packs see them; `role` and `grade` are theirs in the organisation."""

    id: UUID
    name: str
    role: str
    phone: str = ""
    grade: str = ""


# what a verb's inputs were filled with, by name and typed as `FieldKind` says; what was left as it is is not there, and
# None is a fact that is to be cleared
Values = Mapping[str, Any]
# the people that a message names, by field: one, or several where the field is of the kind `people`
People = Mapping[str, "PersonRef | tuple[PersonRef, ...]"]


@dataclass(frozen=True)
class Item:
    """A work item as packs see it: `data` is typed (Money, aware datetimes), `people` is by role on the item.

    `version` rises with every change, `round` when its kind says that the work begins anew (`WorkKind.new_round`).
    """

    id: UUID
    kind: str
    number: str
    title: str
    status: str
    version: int
    data: Mapping[str, Any]
    people: Mapping[str, PersonRef]
    batch_ref: str | None = None
    round: int = 1


@dataclass(frozen=True)
class Doing:
    """Who does a verb, and when: a person (`role` is theirs), a source (`source`), or time itself (`clock`)."""

    role: str
    at: datetime
    person: PersonRef | None = None


@dataclass(frozen=True)
class Draft:
    """An event that a change asks for. `to` names people where the event type's own audience is not meant; `step`
    tells events of one type and round apart in their dedupe key."""

    event: str
    payload: Mapping[str, Any]
    to: tuple[UUID, ...] | None = None
    item: Item | None = None
    step: str = ""


@dataclass(frozen=True)
class Batch:
    """Many items decided together."""

    ref: str
    verb: str
    reason: str
    items: tuple[Item, ...]
