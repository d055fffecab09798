"""Behind an administrator's invitation: the first password of an account, set once; then one is signed in."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.web import identity, invitations
from notify_app.web.extensions import limiter
from notify_app.web.guard import allow

__all__ = ["blueprint"]

blueprint = Blueprint("welcome", __name__)

SHORTEST, LONGEST = 12, 200


@blueprint.get("/welcome/<token>")
@allow("public")
@limiter.limit("30 per minute")
def show(token: str) -> ResponseReturnValue:
    """The form, or that the link is used up."""
    return _page(token)


@blueprint.post("/welcome/<token>")
@allow("public")
@limiter.limit("10 per minute")
def accept(token: str) -> ResponseReturnValue:
    """Set the password and sign in."""
    password = request.form.get("password", "")
    if invitations.find(token) and not SHORTEST <= len(password) <= LONGEST:
        error = _(
            "Choose a password of %(least)d to %(most)d letters: a few words are good.",
            least=SHORTEST,
            most=LONGEST,
        )
        return _page(token, error)
    account_id = invitations.accept(token, identity.hash_password(password)) if _good(token) else None
    if account_id is None:
        return _page(token)
    if not identity.open_session(account_id):
        return redirect(url_for("sign_in.show"), 303)
    flash(_("Welcome. From now on you sign in with this password."), "ok")
    return redirect(url_for("home.show"), 303)


def _good(token: str) -> bool:
    found = invitations.find(token)
    return bool(found and found.good)


def _page(token: str, error: str = "") -> ResponseReturnValue:
    found = invitations.find(token)
    good = bool(found and found.good)
    page = render_template(
        "welcome.html",
        good=good,
        expired=bool(found and not found.good),
        email=found.email if good else "",
        name=found.name if good else "",
        organisation=found.organisation if good else "",
        token=token,
        error=error,
        shortest=SHORTEST,
        most=LONGEST,
    )
    return page, 422 if error else 200 if good else 410 if found else 404
