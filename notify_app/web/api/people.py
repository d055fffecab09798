"""Who there is, for whoever assigns: the ids that verbs take for people. For the office's keys only."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from notify_app.domains.base import ROLES
from notify_app.errors import Forbidden
from notify_app.pipeline.step import step
from notify_app.web.api import call
from notify_app.web.api.access import caller, room
from notify_app.web.guard import allow

__all__ = ["blueprint"]

blueprint = room("api_people")

PEOPLE = """
    SELECT id, name, role, grade FROM person WHERE organisation_id = :org AND left_at IS NULL {where}
    ORDER BY id DESC LIMIT :limit
"""


@blueprint.get("/people")
@allow("key")
def index() -> ResponseReturnValue:
    """People of the organisation who have not left, the newest first; no addresses."""
    who = caller()
    if not who.office:
        raise Forbidden("Only the office's keys list people.")
    given = call.query("role", "after", "limit")
    role = call.choice(given, "role", {name: name for name in ROLES})
    after, limit = call.id_of(given, "after"), call.size(given)
    clauses = {"role = :role": role, "id < :after": after}
    where = "".join(f" AND {clause}" for clause, wanted in clauses.items() if wanted)
    with step(who.organisation_id) as work:
        rows = work.all(PEOPLE.format(where=where), role=role, after=after, limit=limit + 1)
    return call.listed(
        rows,
        limit,
        lambda row: {"id": str(row.id), "name": row.name, "role": row.role, "grade": row.grade},
    )
