"""Who an event is for, and what routing must know of them: read in one statement for many people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notify_app.domains.base import Draft, EventType
from notify_app.pipeline.step import Step
from notify_app.policy.quiet import QuietHours
from notify_app.policy.routing import Choice, Reach
from notify_app.work import people

__all__ = ["Member", "audience", "members"]


@dataclass(frozen=True)
class Member:
    """A person as routing sees them."""

    id: UUID
    name: str
    role: str
    zone: str
    locale: str
    signs_in: bool
    left: bool
    reaches: tuple[Reach, ...]
    choice: Choice


def audience(step: Step, type_: EventType, draft: Draft) -> list[UUID]:
    """The people that a draft is for, each once: those it names, else the event type's roles."""
    if draft.to is not None:
        return list(dict.fromkeys(draft.to))
    found: list[UUID] = []
    for word in type_.audience:
        if word == "office":
            found += people.office(step)
        elif draft.item and word in draft.item.people:
            found.append(draft.item.people[word].id)
    return list(dict.fromkeys(found))


# preferences are made on first need: no row means the defaults (A7)
READ = """
    SELECT p.id, p.name, p.role, coalesce(p.zone, o.zone) AS zone, coalesce(p.locale, o.locale) AS locale,
           p.account_id IS NOT NULL AS signs_in, p.left_at IS NOT NULL AS gone,
           f.quiet_from, f.quiet_until, f.quiet_days,
           (SELECT coalesce(json_agg(json_build_array(a.channel, a.value, s.reason) ORDER BY a.position, a.id), '[]')
              FROM address a LEFT JOIN suppression s
                ON s.organisation_id = a.organisation_id AND s.channel = a.channel AND s.value = a.value
             WHERE a.organisation_id = p.organisation_id AND a.person_id = p.id) AS reaches,
           (SELECT coalesce(json_agg(json_build_array(c.scope, c.channel, c.enabled)), '[]')
              FROM preference_choice c
             WHERE c.organisation_id = p.organisation_id AND c.person_id = p.id) AS switches
    FROM person p
    JOIN organisation o ON o.id = p.organisation_id
    LEFT JOIN preference f ON f.organisation_id = p.organisation_id AND f.person_id = p.id
    WHERE p.organisation_id = :org AND p.id = ANY(:ids)
"""


def members(
    step: Step, ids: Iterable[UUID], known: Mapping[UUID, Member] | None = None
) -> dict[UUID, Member]:
    """Those of `ids` that are people of this organisation and not in `known`, by id."""
    wanted = [one for one in dict.fromkeys(ids) if not known or one not in known]
    if not wanted:
        return {}
    return {row.id: _member(row) for row in step.all(READ, ids=wanted)}


def _member(r: Any) -> Member:
    quiet = (
        QuietHours(r.quiet_from, r.quiet_until, frozenset(r.quiet_days)) if r.quiet_from is not None else None
    )
    return Member(
        id=r.id,
        name=r.name,
        role=r.role,
        zone=r.zone,
        locale=r.locale,
        signs_in=r.signs_in,
        left=r.gone,
        reaches=tuple(Reach(channel, value, blocked) for channel, value, blocked in r.reaches),
        choice=Choice({(scope, channel): on for scope, channel, on in r.switches}, quiet),
    )
