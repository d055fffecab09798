"""`GET /`: where each person begins."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

from notify_app.web.guard import allow
from notify_app.web.identity import viewer

__all__ = ["blueprint"]

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
@allow("member")
def show() -> ResponseReturnValue:
    """The office begins at its dashboard, everybody else in their inbox."""
    return redirect(url_for("dashboard.show" if viewer().office else "inbox.show"), 303)
