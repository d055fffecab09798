"""`announcement.send`: what a system has to say to many becomes a broadcast, with the people it names found here."""

from __future__ import annotations

from typing import Any

from notify_app.domains import hub
from notify_app.domains.base import Priority
from notify_app.pipeline import broadcast
from notify_app.pipeline.crowd import Audience
from notify_app.pipeline.envelope import AnnouncementIn, NamedIn
from notify_app.pipeline.route import Origin, Override
from notify_app.pipeline.step import Step
from notify_app.pipeline.world import World

__all__ = ["send"]

FIND = """
    SELECT id, CASE WHEN source_id = :source THEN external_id END AS external_id
    FROM person WHERE organisation_id = :org AND left_at IS NULL
     AND ((source_id = :source AND external_id = ANY(:theirs)) OR id = ANY(:ours))
"""


def send(known: World, inbound: Any, data: AnnouncementIn) -> list[str]:
    """Begin it. Returns what whoever reported it should hear of: unknown people are named, the others are told.
    Raises TemplateProblem when the message is switched off or cannot be written."""
    audience, problems = _audience(known.step, inbound.source_id, data)
    priority = Priority.of(data.priority) if data.priority else None
    _, more = broadcast.begin(
        known.step,
        hub.announcement(data.title, data.message),
        audience,
        Origin(inbound.occurred_at, inbound_id=inbound.id),
        Override(priority, data.category, data.action_url),
    )
    return problems + more


def _audience(work: Step, source_id: Any, data: AnnouncementIn) -> tuple[Audience, list[str]]:
    given = data.audience
    if given.people is None:
        return Audience.of(given.model_dump(exclude_none=True)), []
    theirs = [one.id for one in given.people if one.id is not None]
    ours = [one.person for one in given.people if one.person is not None]
    found = work.all(FIND, source=source_id, theirs=theirs, ours=ours)
    known = {row.external_id for row in found} | {row.id for row in found}
    problems = [
        f"audience.people[{number}]: {_name(one)} is not known in this organisation."
        for number, one in enumerate(given.people)
        if (one.id or one.person) not in known
    ]
    return Audience.people(tuple(sorted({row.id for row in found}))), problems


def _name(one: NamedIn) -> str:
    return one.id or str(one.person)
