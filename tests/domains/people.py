"""People, items and deeds as the packs' pure functions see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from notify_app.domains import moves
from notify_app.domains.base import Doing, Draft, Item, PersonRef, Verb, WorkKind

SPACE = UUID("0199a3c4-0000-7000-8000-000000000000")
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def person(name: str, role: str = "technician", grade: str = "") -> PersonRef:
    return PersonRef(uuid5(SPACE, name), name, role, "+12065550123", grade)


ALICE, HENRY = person("Alice", "manager", "B"), person("Henry", "administrator", "A")
MARCO, PRIYA = person("Marco"), person("Priya")
DANA, RUTH = person("Dana", "contact"), person("Ruth", "contact")
CARLOS, VERA, ABEL = person("Carlos"), person("Vera", grade="C"), person("Abel", "technician", "B")

# whoever might do something, by a word for it
EVERYBODY = {
    "manager": ALICE,
    "administrator": HENRY,
    "technician": MARCO,
    "other technician": PRIYA,
    "contact": DANA,
    "other contact": RUTH,
    "creator": CARLOS,
    "verifier": VERA,
    "approver": ABEL,
}


def by(who: PersonRef | str, at: datetime = NOW) -> Doing:
    """A person, a source or the clock, at a time."""
    return Doing(who, at) if isinstance(who, str) else Doing(who.role, at, who)


def item(
    kind: WorkKind, status: str = "", people: Mapping[str, PersonRef] | None = None, **data: Any
) -> Item:
    return Item(
        uuid5(SPACE, kind.name),
        kind.name,
        f"{kind.prefix}-1",
        f"A {kind.name}",
        status or kind.first,
        1,
        data,
        people or {},
    )


def verb(kind: WorkKind, name: str) -> Verb:
    found = kind.verb(name)
    assert found is not None, name
    return found


def do(kind: WorkKind, before: Item, name: str, who: PersonRef | str, **values: Any) -> Item:
    """What comes of a verb that nothing refuses."""
    doing = by(who)
    assert moves.refusal(kind, verb(kind, name), before, values, doing) == ""
    return moves.applied(kind, verb(kind, name), before, values, doing)


def refused(kind: WorkKind, before: Item, name: str, who: PersonRef | str, **values: Any) -> str:
    """The sentence with which a verb is refused."""
    said = moves.refusal(kind, verb(kind, name), before, values, by(who))
    assert said, f"{name} is possible"
    assert said[0].isupper()
    assert said[-1] == "."
    return said


def names(drafts: list[Draft]) -> list[str]:
    return [draft.event for draft in drafts]


def changes(kind: WorkKind, before: Item | None, after: Item, reason: str = "") -> list[Draft]:
    """The drafts of a change, as the machinery asks for them."""
    shown = moves.settled(kind, before) if before else None
    return list(kind.on_change(shown, after, reason, False))


def possible(kind: WorkKind, items: Mapping[str, Item], values: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Every "who: verb in state" that nothing refuses, over all verbs, states and people."""
    found = set()
    for one in (*kind.transitions, *kind.verbs):
        for status, before in items.items():
            for who, doing in {**EVERYBODY, "source": "source", "clock": "clock"}.items():
                given = values.get(one.verb, {})
                if not moves.refusal(kind, one, before, given, by(doing)):
                    found.add(f"{who}: {one.verb} in {status}")
    return found


def expected(table: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]) -> set[str]:
    """The same of a table: verb → (states, who)."""
    return {
        f"{who}: {name} in {status}"
        for name, (states, people) in table.items()
        for status in states
        for who in people
    }
