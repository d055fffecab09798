"""Seeing to a task: whoever has it, whoever was told that it waits, and the office stop its ladder (D4)."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.errors import NotFound, Refused
from notify_app.pipeline.step import step
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.sign_in import safe_next
from notify_app.web.words import is_office
from notify_app.work import ladders

__all__ = ["blueprint"]

blueprint = Blueprint("tasks", __name__)

THEIRS = f"""
    SELECT 1 FROM task t WHERE t.organisation_id = :org AND t.id = :id
       AND (:office OR t.assignee_id = :me OR {ladders.WAS_TOLD})
"""  # noqa: S608  (constants of this program)


@blueprint.post("/tasks/<uuid:id>/acknowledge")
@allow("member")
def acknowledge(id: UUID) -> ResponseReturnValue:
    """Say that one sees to it: 404 where it is neither one's own nor one's office's, and one was not told of it."""
    stopped = _acknowledge(id)
    flash(
        _("You see to it. Nobody else is told.") if stopped else _("You see to it. Others still have to."),
        "ok",
    )
    return redirect(safe_next(request.form.get("next")), 303)


def _acknowledge(id: UUID) -> bool:
    """In the organisation whose task it is, of those that the account belongs to. Done already is as good."""
    for one in viewer().memberships:
        with step(one.organisation_id) as work:
            if work.one(THEIRS, id=id, office=is_office(one), me=one.person_id):
                try:
                    return ladders.acknowledge(work, id, one.person_id)
                except Refused:
                    return True
    raise NotFound("There is no such task.")
