"""Who stands in for whom, and when nobody is there: pure, over the absences that people have written down.

An absence may name a substitute. A substitute who is away too hands on to their own. A role or grade is uncovered while
everybody who has it is away and nobody who is there stands in for any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from uuid import UUID

__all__ = ["Absence", "Gap", "gaps", "stand_in"]

LONGEST_CHAIN = 5


@dataclass(frozen=True)
class Absence:
    """`person_id` is away from `starts_at` until `ends_at`; what reaches them goes to the substitute, if there is one."""

    person_id: UUID
    substitute_id: UUID | None
    starts_at: datetime
    ends_at: datetime

    def holds(self, at: datetime) -> bool:
        """Whether they are away at this moment."""
        return self.starts_at <= at < self.ends_at


@dataclass(frozen=True)
class Gap:
    """Nobody is there from `starts_at` until `ends_at`."""

    starts_at: datetime
    ends_at: datetime


def stand_in(person_id: UUID, away: Mapping[UUID, UUID | None]) -> UUID | None:
    """Who stands in for somebody now; None where they are there, or where nobody does. `away` are those who are away,
    each with their substitute."""
    seen = {person_id}
    at = person_id
    for _ in range(LONGEST_CHAIN):
        if at not in away:
            return at if at != person_id else None
        following = away[at]
        if following is None or following in seen:
            return None
        seen.add(following)
        at = following
    return None


def gaps(holders: Iterable[UUID], absences: Sequence[Absence], start: datetime, until: datetime) -> list[Gap]:
    """The times between `start` and `until` in which none of `holders`, nor anybody who stands in for them, is there.
    Without holders all of it is one gap."""
    wanted = list(holders)
    edges = sorted(
        {start, until, *(at for one in absences for at in (one.starts_at, one.ends_at) if start < at < until)}
    )
    found: list[Gap] = []
    for begin, end in pairwise(edges):
        away = {one.person_id: one.substitute_id for one in absences if one.holds(begin)}
        if any(one not in away or stand_in(one, away) for one in wanted):
            continue
        if found and found[-1].ends_at == begin:
            found[-1] = Gap(found[-1].starts_at, end)
        else:
            found.append(Gap(begin, end))
    return found
