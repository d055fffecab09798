"""Light, dark, or as the device has it: kept in a cookie that the page's script reads and writes as well."""

from __future__ import annotations

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue

from notify_app.web.guard import allow
from notify_app.web.sign_in import safe_next

__all__ = ["blueprint"]

blueprint = Blueprint("theme", __name__)

THEMES = ("light", "dark", "auto")
A_YEAR = 365 * 24 * 3600


@blueprint.post("/theme")
@allow("public")
def save() -> ResponseReturnValue:
    """Keep the choice; anything else means the device's."""
    theme = request.form.get("theme", "")
    response = redirect(safe_next(request.form.get("next")), 303)
    response.set_cookie(
        "theme",
        theme if theme in THEMES else "auto",
        max_age=A_YEAR,
        samesite="Lax",
        secure=request.is_secure,
    )
    return response
