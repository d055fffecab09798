"""The registry of domain packs: filled once at start, checked whole, then read-only.

`load()` is called by `create_app`; a pack that does not hold together stops the start with a `PackError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from notify_app.domains import bookings, checks, estates, hub, permits, repairs, work_orders
from notify_app.domains.base import Category, DomainPack, EventType, Happening, PackError, WorkKind
from notify_app.domains.checks import present

__all__ = [
    "PACKS",
    "categories",
    "event",
    "events",
    "happening",
    "happenings",
    "kind",
    "kinds",
    "load",
    "moot",
    "pack_of",
    "packs",
    "present",
]

PACKS = (repairs.PACK, work_orders.PACK, estates.PACK, permits.PACK, bookings.PACK, hub.PACK)
Named = TypeVar("Named", Category, EventType, WorkKind)


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
    reports = [one for pack in packs for one in pack.reports]
    checks.check(registry.events, registry.kinds, registry.categories, reports)


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


def happenings() -> Iterator[Happening]:
    """All that may be reported without an item, pack by pack."""
    return (one for pack in PACKS for one in pack.reports)


def happening(name: str) -> Happening | None:
    """The happening of that webhook type, or None."""
    return next((one for one in happenings() if one.name == name), None)


def packs() -> tuple[DomainPack, ...]:
    """The packs."""
    return PACKS


def pack_of(event_name: str) -> DomainPack | None:
    """The pack that declares the event, or None."""
    return _registry.homes.get(event_name)
