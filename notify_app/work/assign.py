"""A role that is empty is filled by itself, where a kind offers it and the organisation has switched it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from notify_app.domains.base import Assignment, Item, WorkKind
from notify_app.pipeline.world import World

__all__ = ["filled"]

# whoever has the fewest open tasks; of equals, whoever was given one the longest ago, and then by name
LOAD = """
    SELECT p.id FROM unnest(CAST(:people AS uuid[])) AS p(id) LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE closed_at IS NULL) AS open, max(opened_at) AS last
        FROM task WHERE organisation_id = :org AND assignee_id = p.id
    ) t ON true ORDER BY t.open, t.last NULLS FIRST, p.id LIMIT 1
"""


def filled(known: World, kind: WorkKind, item: Item) -> Item:
    """The item with the roles filled that its state wants filled."""
    for one in kind.assignments:
        wanted = item.status in one.while_in and one.role not in item.people
        if wanted and one.option in known.words.settings.options:
            item = _with_somebody(known, item, one)
    return item


def _with_somebody(known: World, item: Item, one: Assignment) -> Item:
    never = {item.people[role].id for role in one.never if role in item.people}
    able = [person for word in one.among for person in known.matching(word) if person not in never]
    chosen = _least_busy(known, list(dict.fromkeys(able)))
    member = known.member(chosen) if chosen else None
    return replace(item, people={**item.people, one.role: member.ref}) if member else item


def _least_busy(known: World, able: Sequence[UUID]) -> UUID | None:
    row = known.step.one(LOAD, people=list(able)) if able else None
    return row.id if row else None
