"""Whom a level of a ladder tells: asked when it is told, so that it is those who are there then."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from notify_app.domains.base import TaskType
from notify_app.pipeline.world import World
from notify_app.policy.ladder import Level

__all__ = ["people_of"]


def people_of(known: World, task: TaskType, assignee_id: UUID | None, level: Level) -> list[UUID]:
    """Whom a level tells, now: those that its words find; else those above; else the office (A16)."""
    found = [person for word in level.tell for person in _found(known, task, assignee_id, word)]
    if not found and level.says == "escalated":
        found = [person for word in task.escalate_to for person in known.matching(word)]
    return list(dict.fromkeys(found or known.office))


def _found(known: World, task: TaskType, assignee_id: UUID | None, word: str) -> Iterable[UUID]:
    if word == "assignee":
        return _whose(known, task, assignee_id)
    if word.startswith("person:"):
        person = known.member(UUID(word.removeprefix("person:")))
        return [person.id] if person and not person.left else []
    return known.matching(word)


def _whose(known: World, task: TaskType, assignee_id: UUID | None) -> Iterable[UUID]:
    """The assignee; of a step that is asked of a whole role, all who have it; of one without either, who sees to that."""
    member = known.member(assignee_id) if assignee_id else None
    if member is not None and not member.left:
        return [member.id]
    if ":" in task.assignee or task.assignee == "office":
        return known.matching(task.assignee)
    return [person for word in task.unassigned for person in known.matching(word)]
