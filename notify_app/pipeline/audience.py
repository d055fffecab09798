"""Who an event is for."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from notify_app.domains.base import Draft, EventType
from notify_app.work.people import Member, members

if TYPE_CHECKING:
    from notify_app.pipeline.world import World

__all__ = ["Member", "audience", "members"]

WORDS = ("office", "everyone")


def audience(world: World, type_: EventType, draft: Draft) -> list[UUID]:
    """The people that a draft is for, each once: those it names, else whom the event type's words find."""
    if draft.to is not None:
        return list(dict.fromkeys(draft.to))
    found: list[UUID] = []
    for word in type_.audience:
        if word in WORDS or ":" in word:
            found += world.matching(word)
        elif draft.item and word in draft.item.people:
            found.append(draft.item.people[word].id)
    return list(dict.fromkeys(found))
