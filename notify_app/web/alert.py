"""Taking notice: who was told acknowledges their own line, the office ends an alert for everybody (requirement B5)."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.errors import NotFound
from notify_app.pipeline import inbox
from notify_app.pipeline.step import step
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.sign_in import safe_next
from notify_app.web.words import is_office

__all__ = ["blueprint"]

blueprint = Blueprint("alert", __name__)

TOLD = """
    SELECT 1 FROM notification WHERE organisation_id = :org AND event_id = :event AND (:office OR person_id = :person)
    LIMIT 1
"""


@blueprint.post("/alerts/<uuid:id>/acknowledge")
@allow("member")
def acknowledge(id: UUID) -> ResponseReturnValue:
    """Acknowledge the event: 404 where one was not told of it (the office may for all)."""
    _acknowledge(id)
    flash(_("Acknowledged."), "ok")
    return redirect(safe_next(request.form.get("next")), 303)


def _acknowledge(id: UUID) -> None:
    """In the organisation whose event it is, of those that the account belongs to."""
    for one in viewer().memberships:
        with step(one.organisation_id) as work:
            if work.one(TOLD, event=id, office=is_office(one), person=one.person_id):
                inbox.acknowledge(work, id, one.person_id, for_all=is_office(one))
                return
    raise NotFound("There is no such alert.")
