"""Why somebody was, or was not, told of an event: the story of the page and of `flask why`, for programs.

The office asks about everybody of its organisation; everybody else about themselves, of what they were considered for.
"""

from __future__ import annotations

from uuid import UUID

from flask.typing import ResponseReturnValue

from notify_app.errors import NotFound
from notify_app.pipeline.step import step
from notify_app.web.api import call
from notify_app.web.api.access import caller, room
from notify_app.web.guard import allow
from notify_app.web.words import hinted
from notify_app.work import why as reasons

__all__ = ["blueprint"]

blueprint = room("api_events")

CONSIDERED = """
    SELECT 1 FROM notification WHERE organisation_id = :org AND event_id = :event AND person_id = :me
    UNION ALL SELECT 1 FROM decision WHERE organisation_id = :org AND event_id = :event AND person_id = :me LIMIT 1
"""


@blueprint.get("/events/<uuid:id>/why/<uuid:person>")
@allow("key")
def why(id: UUID, person: UUID) -> ResponseReturnValue:
    """The story, sentence by sentence, and what was sent."""
    who = caller()
    with step(who.organisation_id) as work:
        mine = person == who.person_id
        if not who.office and not (mine and work.one(CONSIDERED, event=id, me=who.person_id)):
            raise NotFound("There is no such event, or it is not yours to see.")
        said = reasons.Said(who.zone, work.now, you=mine, locale=who.locale)
        story = reasons.explain(work, id, person, said)
    return call.answer(
        200,
        {
            "event_id": str(story.event_id),
            "event": story.event,
            "person": {"id": str(story.person_id), "name": story.person},
            "told": story.told,
            "why": [
                {"text": one.text, "at": one.at.isoformat() if one.at else None, "kind": one.kind}
                for one in story.lines
            ],
            "deliveries": [
                {
                    "id": str(one.id),
                    "channel": one.channel,
                    "address": hinted(one.channel, one.address),
                    "state": one.state,
                    "reason": one.reason,
                    "attempts": one.attempts,
                    "at": one.at.isoformat(),
                    "next_at": one.next_at.isoformat() if one.next_at else None,
                }
                for one in story.deliveries
            ],
        },
    )
