"""Audiences that are too large for one transaction: whom an event is for, as a question that is asked chunk by chunk.

`enlist` notes the question beside the event; `broadcast` answers it. The audience is who is there at that moment: the
highest id is kept, and since ids are in order of time, who joins later lies beyond it. Somebody who is being made at
that very moment may be on either side. Roles and grades are those of the moment in which the chunk is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notify_app.pipeline.step import Step
from notify_app.queue import ROUTE

__all__ = ["MANY", "Audience", "belongs", "enlist"]

MANY = 1_000  # an audience larger than this is written in chunks (invariant 2)

# who belongs to it; those who were named and have left are answered for as well
WHO = {
    "everyone": "p.left_at IS NULL",
    "roles": "p.left_at IS NULL AND p.role = ANY(CAST(:those AS text[]))",
    "grades": "p.left_at IS NULL AND p.grade = ANY(CAST(:those AS text[]))",
    "people": "p.id = ANY(CAST(:those AS uuid[]))",
}
HOW_MANY = """
    SELECT count(*) AS people,
           (SELECT p.id FROM person p WHERE p.organisation_id = :org AND {who} ORDER BY p.id DESC LIMIT 1) AS last_id
    FROM person p WHERE p.organisation_id = :org AND {who}
"""
BELONGS = "SELECT 1 FROM person p WHERE p.organisation_id = :org AND p.id = :person AND {who}"


@dataclass(frozen=True)
class Audience:
    """Whom it is for: `form` is everyone, roles, grades or people; `those` are the roles, grades, or ids of people."""

    form: str
    those: tuple[str, ...] = ()

    @classmethod
    def everyone(cls) -> Audience:
        """All who have not left."""
        return cls("everyone")

    @classmethod
    def people(cls, ids: tuple[UUID, ...]) -> Audience:
        """Those, whoever they are."""
        return cls("people", tuple(str(one) for one in ids))

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Audience:
        """As `stored` wrote it, and as a webhook says it."""
        form, those = next(iter(stored.items()))
        return cls(form, () if form == "everyone" else tuple(those))

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return {self.form: True if self.form == "everyone" else list(self.those)}

    @property
    def who(self) -> str:
        """The condition on `person p`; `:those` is bound to `those`."""
        return WHO[self.form]

    def words(self) -> str:
        """ "everyone", "technicians and managers", "grade A", "12 named people"."""
        match self.form:
            case "everyone":
                return "everyone"
            case "roles":
                return " and ".join(f"{one}s" for one in self.those)
            case "grades":
                return f"grade {' and '.join(self.those)}"
        return f"{len(self.those)} named people"


def enlist(step: Step, event_id: UUID, priority: int, audience: Audience, action_url: str = "") -> int:
    """Have the route workers tell these people of an event that is written already. Returns how many there are;
    of nobody, nothing is noted."""
    found = step.one(HOW_MANY.format(who=audience.who), those=list(audience.those))
    if not found.people:
        return 0
    step.run(
        "INSERT INTO broadcast (organisation_id, event_id, audience, priority, action_url, people, last_id) "
        "VALUES (:org, :event, CAST(:audience AS jsonb), :priority, :action, :people, :last)",
        event=event_id,
        audience=json.dumps(audience.stored()),
        priority=priority,
        action=action_url,
        people=found.people,
        last=found.last_id,
    )
    step.wakes.add(ROUTE)
    return int(found.people)


def belongs(step: Step, audience: Audience, person_id: UUID) -> bool:
    """Whether this person is of the audience, as things are now."""
    found = step.one(BELONGS.format(who=audience.who), person=person_id, those=list(audience.those))
    return found is not None
