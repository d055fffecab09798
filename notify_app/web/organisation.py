"""Which of one's organisations to look at. The inbox shows all of them; everything else shows the chosen one."""

from __future__ import annotations

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue

from notify_app.errors import NotFound
from notify_app.web import identity
from notify_app.web.guard import allow
from notify_app.web.sign_in import safe_next
from notify_app.web.words import uuid_or_none

__all__ = ["blueprint"]

blueprint = Blueprint("organisation", __name__)


@blueprint.post("/organisation")
@allow("member")
def choose() -> ResponseReturnValue:
    """Look at another one from now on. Raises NotFound for one where the account is nobody."""
    wanted = uuid_or_none(request.form.get("organisation"))
    if wanted is None or not identity.choose(wanted):
        raise NotFound("You do not belong to an organisation like that.")
    return redirect(safe_next(request.form.get("next")), 303)
