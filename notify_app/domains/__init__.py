"""The registry of domain packs: filled once at start, checked whole, then read-only.

`load()` is called by `create_app`; a pack that does not hold together stops the start with a `PackError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from notify_app.domains import hub, repairs
from notify_app.domains.base import Category, DomainPack, EventType, PackError, WorkKind
from notify_app.policy import formats

__all__ = [
    "PACKS",
    "categories",
    "event",
    "events",
    "kind",
    "kinds",
    "load",
    "moot",
    "pack_of",
    "packs",
    "present",
]

PACKS = (repairs.PACK, hub.PACK)
Named = TypeVar("Named", Category, EventType, WorkKind)
CHANNELS = ("inapp", "email", "sms")


@dataclass(frozen=True)
class _Registry:
    events: Mapping[str, EventType]
    kinds: Mapping[str, WorkKind]
    categories: Mapping[str, Category]
    homes: Mapping[str, DomainPack]


def _build(packs: tuple[DomainPack, ...]) -> _Registry:
    events: dict[str, EventType] = {}
    kinds: dict[str, WorkKind] = {}
    categories: dict[str, Category] = {}
    homes: dict[str, DomainPack] = {}
    for pack in packs:
        _add(categories, pack.categories, pack.name, "category")
        _add(kinds, pack.kinds, pack.name, "kind")
        _add(events, pack.events, pack.name, "event")
        homes.update({one.name: pack for one in pack.events})
    return _Registry(events, kinds, categories, homes)


def _add(names: dict[str, Named], declared: Iterable[Named], home: str, what: str) -> None:
    for one in declared:
        if one.name in names:
            raise PackError(f"{home}: the {what} {one.name!r} is declared twice")
        names[one.name] = one


_registry = _build(PACKS)


def load(packs: tuple[DomainPack, ...] = PACKS) -> None:
    """Check every declaration; raises PackError, which names what is wrong."""
    registry = _build(packs)
    for one in registry.events.values():
        _check_event(one, registry)
    for work in registry.kinds.values():
        _check_kind(work)


def _check_event(one: EventType, registry: _Registry) -> None:
    if one.category not in registry.categories:
        raise PackError(f"event {one.name!r}: no category is called {one.category!r}")
    if one.kind is not None and one.kind not in registry.kinds:
        raise PackError(f"event {one.name!r}: no kind of work is called {one.kind!r}")
    roles = registry.kinds[one.kind].roles if one.kind else {}
    for word in one.audience:
        if word != "office" and word not in roles:
            raise PackError(f"event {one.name!r}: nobody is called {word!r} in its audience")
    statuses = registry.kinds[one.kind].statuses if one.kind else {}
    for status in one.holds_while or ():
        if status not in statuses:
            raise PackError(f"event {one.name!r}: no state is called {status!r}")
    for channel in one.channels or ():
        if channel not in CHANNELS:
            raise PackError(f"event {one.name!r}: no channel is called {channel!r}")
    for path in one.requires:
        if not present(one.sample, path):
            raise PackError(f"event {one.name!r}: its sample has no {path!r}")
    formats.pack(one.sample)


def _check_kind(work: WorkKind) -> None:
    for move in work.transitions:
        for status in (*move.origins, move.target):
            if status not in work.statuses:
                raise PackError(
                    f"kind {work.name!r}: the move {move.verb!r} names the unknown state {status!r}"
                )


def present(payload: Mapping[str, Any], path: str) -> bool:
    """Whether `item.number` (dots go inward) has a value in `payload`; None and '' count as missing."""
    value: Any = payload
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return value is not None and value != ""


def event(name: str) -> EventType | None:
    """The event type of that name, or None."""
    return _registry.events.get(name)


def events() -> Iterator[EventType]:
    """All event types, pack by pack."""
    return iter(_registry.events.values())


def moot(kind_name: str, status: str) -> list[str]:
    """Names of events whose message makes no sense any more once an item of the kind is in `status`."""
    return [
        one.name
        for one in events()
        if one.kind == kind_name and one.holds_while and status not in one.holds_while
    ]


def kind(name: str) -> WorkKind | None:
    """The kind of work of that name, or None."""
    return _registry.kinds.get(name)


def kinds() -> Iterator[WorkKind]:
    """All kinds of work."""
    return iter(_registry.kinds.values())


def categories() -> Iterator[Category]:
    """All categories of messages, pack by pack."""
    return iter(_registry.categories.values())


def packs() -> tuple[DomainPack, ...]:
    """The packs."""
    return PACKS


def pack_of(event_name: str) -> DomainPack | None:
    """The pack that declares the event, or None."""
    return _registry.homes.get(event_name)
