"""The inbox of the person as whom a program acts: look, mark read or unread, acknowledge.

Each mark is what the page does (`pipeline.inbox`), heard by all of the person's tabs and phones. Somebody else's line is
answered as if there were none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask.typing import ResponseReturnValue

from notify_app.errors import NotFound
from notify_app.live.announce import Changed
from notify_app.pipeline import inbox
from notify_app.pipeline.step import Step, step
from notify_app.web.api import call, shown
from notify_app.web.api.access import Caller, caller, room
from notify_app.web.guard import allow

__all__ = ["blueprint"]

blueprint = room("api_notifications")

LINES = """
    SELECT * FROM notification WHERE organisation_id = :org AND person_id = :me AND withdrawn_at IS NULL {where}
    ORDER BY id DESC LIMIT :limit
"""
MINE = "SELECT * FROM notification WHERE organisation_id = :org AND person_id = :me AND id = :id"
ANSWERS = {"true": True, "false": False}


@blueprint.get("/notifications")
@allow("key")
def index() -> ResponseReturnValue:
    """One's own lines, the newest first."""
    who = caller()
    given = call.query("unread", "after", "limit")
    unread = ANSWERS.get(call.choice(given, "unread", ANSWERS), False)
    after, limit = call.id_of(given, "after"), call.size(given)
    clauses = {"read_at IS NULL": unread, "id < :after": after}
    where = "".join(f" AND {clause}" for clause, wanted in clauses.items() if wanted)
    with step(who.organisation_id) as work:
        rows = work.all(LINES.format(where=where), me=who.person_id, after=after, limit=limit + 1)
    return call.listed(rows, limit, shown.line)


@blueprint.post("/notifications/<uuid:id>/read")
@allow("key")
def read(id: UUID) -> ResponseReturnValue:
    """Mark a line as read."""
    return _change(id, lambda work, who, _row: inbox.mark_read(work, who.person_id, [id]))


@blueprint.post("/notifications/<uuid:id>/unread")
@allow("key")
def unread(id: UUID) -> ResponseReturnValue:
    """The way back."""
    return _change(id, lambda work, who, _row: inbox.mark_unread(work, who.person_id, [id]))


@blueprint.post("/notifications/<uuid:id>/acknowledge")
@allow("key")
def acknowledge(id: UUID) -> ResponseReturnValue:
    """Take notice of its event: for oneself, and of the office for everybody, as on the page."""
    return _change(
        id, lambda work, who, row: inbox.acknowledge(work, row.event_id, who.person_id, for_all=who.office)
    )


def _change(id: UUID, verb: Callable[[Step, Caller, Any], int]) -> ResponseReturnValue:
    who = caller()

    def change(work: Step) -> call.Answer:
        row = work.one(MINE, me=who.person_id, id=id)
        if row is None:
            raise NotFound("There is no such notification in this inbox.")
        if verb(work, who, row):
            work.news.append(Changed(work.organisation_id, "read"))
        return 200, shown.line(work.one(MINE, me=who.person_id, id=id))

    return call.once(who, change)
