"""Absences: who is away and who stands in, and the times in which nobody of a role or grade is there.

People write down their own; the office anybody's. What reaches somebody who is away goes to whoever stands in for them
(`pipeline.route`); gaps of those whom ladders call are said in advance (`sweeps.cover`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from notify_app import domains
from notify_app.errors import FieldError, Invalid, NotFound
from notify_app.live.announce import Changed
from notify_app.pipeline import world
from notify_app.pipeline.step import Step
from notify_app.policy.cover import Absence, Gap, gaps
from notify_app.work import ladders, record
from notify_app.work.record import By, What

__all__ = ["AHEAD", "Uncovered", "coming", "put", "remove", "uncovered"]

AHEAD = timedelta(days=14)  # how far gaps are looked for
LONGEST = timedelta(days=366)
COMING = """
    SELECT a.id, a.person_id, s.id AS substitute_id, a.starts_at, a.ends_at, p.name, s.name AS substitute
    FROM absence a
    JOIN person p ON p.organisation_id = a.organisation_id AND p.id = a.person_id
    LEFT JOIN person s ON s.organisation_id = a.organisation_id AND s.id = a.substitute_id
     AND s.left_at IS NULL
    WHERE a.organisation_id = :org AND a.ends_at > :now AND (CAST(:person AS uuid) IS NULL OR a.person_id = :person)
    ORDER BY a.starts_at, a.id LIMIT 500
"""
GONE = """
    DELETE FROM absence WHERE organisation_id = :org AND id = :id AND (CAST(:person AS uuid) IS NULL OR person_id = :person)
    RETURNING person_id, substitute_id, starts_at, ends_at
"""
MADE = """
    INSERT INTO absence (organisation_id, person_id, substitute_id, starts_at, ends_at, created_by)
    VALUES (:org, :person, :substitute, :starts, :ends, :by) RETURNING id
"""


@dataclass(frozen=True)
class Uncovered:
    """Nobody who is meant by a word of the ladders is there."""

    word: str
    gap: Gap


def coming(step: Step, person_id: UUID | None = None) -> list[Any]:
    """Absences that are not over, of one person or of all."""
    return step.all(COMING, now=step.now, person=person_id)


def put(
    step: Step,
    person_id: UUID,
    substitute_id: UUID | None,
    starts: datetime | None,
    ends: datetime | None,
    by: By,
) -> UUID:
    """Write one down. Raises Invalid, naming each field: `starts`, `ends`, `substitute`."""
    known = world.of(step)
    person = known.member(person_id)
    if person is None or person.left:
        raise NotFound("There is no such person.")
    problems = []
    if starts is None:
        problems.append(FieldError("starts", "Say from when."))
    if ends is None:
        problems.append(FieldError("ends", "Say until when."))
    if starts and ends:
        if ends <= starts:
            problems.append(FieldError("ends", "It must end after it begins."))
        elif ends <= step.now:
            problems.append(FieldError("ends", "It is over already."))
        elif ends - starts > LONGEST:
            problems.append(FieldError("ends", "A year is the most."))
    problems += _wrong_substitute(known, person, substitute_id)
    if problems:
        raise Invalid("The absence was not written down.", *problems)
    row = step.one(
        MADE, person=person_id, substitute=substitute_id, starts=starts, ends=ends, by=by.person_id
    )
    record.note(step, by, What.absence_added, person_id, after=_said(starts, ends, substitute_id))
    step.news.append(Changed(step.organisation_id, "people"))
    found: UUID = row.id
    return found


def _wrong_substitute(known: Any, person: Any, substitute_id: UUID | None) -> list[FieldError]:
    if substitute_id is None:
        return []
    other = known.member(substitute_id)
    if other is None or other.left or other.role == "contact":
        return [FieldError("substitute", "Choose somebody who works here.")]
    if other.id == person.id:
        return [FieldError("substitute", "Nobody stands in for themselves.")]
    return []


def _said(starts: datetime | None, ends: datetime | None, substitute_id: UUID | None) -> dict[str, Any]:
    return {
        "starts": starts.isoformat() if starts else None,
        "ends": ends.isoformat() if ends else None,
        "substitute": str(substitute_id) if substitute_id else None,
    }


def remove(step: Step, absence_id: UUID, by: By, person_id: UUID | None = None) -> None:
    """Take one back; `person_id` where only one's own may be. Raises NotFound."""
    row = step.one(GONE, id=absence_id, person=person_id)
    if row is None:
        raise NotFound("There is no such absence.")
    before = _said(row.starts_at, row.ends_at, row.substitute_id)
    record.note(step, by, What.absence_removed, row.person_id, before=before)
    step.news.append(Changed(step.organisation_id, "people"))


def uncovered(step: Step) -> list[Uncovered]:
    """The gaps of the roles and grades that the ladders in force call, within two weeks, the nearest first; one that has
    begun with its true beginning."""
    known = world.of(step)
    rows = coming(step)
    absences = [Absence(row.person_id, row.substitute_id, row.starts_at, row.ends_at) for row in rows]
    found = []
    if absences:
        start = min(step.now, *(one.starts_at for one in absences))
        for word in _words(known.rules):
            holders = known.matching(word)
            if holders:  # where nobody has it at all, the ladder's next word is asked: that is no gap
                ahead = gaps(holders, absences, start, step.now + AHEAD)
                found += [Uncovered(word, one) for one in ahead if one.ends_at > step.now]
    return sorted(found, key=lambda one: (one.gap.starts_at, one.word))


def _words(rules: Iterable[ladders.Rule]) -> list[str]:
    """Whom the organisation's rules and the built-in ladders call, by word."""
    ladders_in_force: list[Mapping[str, None]] = [
        dict.fromkeys(level.tell) for rule in rules for level in rule.ladder.levels
    ]
    ladders_in_force += [
        dict.fromkeys(task.escalate_to) for kind in domains.kinds() for task in kind.tasks if task.escalated
    ]
    words = {word for one in ladders_in_force for word in one}
    return sorted(word for word in words if word != "assignee" and not word.startswith("person:"))
