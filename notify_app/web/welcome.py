"""Behind the link of an invitation: whoever has its address accepts with a password, and is signed in.

The page is the same whether the address signs in to this hub already (then its password is asked for) or not (then a first
one is chosen): who has an account is nobody's to learn. Who is signed in with the address decides without a password.
"""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.errors import HubError, Invalid, Refused
from notify_app.web import identity, invitations
from notify_app.web.extensions import limiter
from notify_app.web.guard import allow
from notify_app.web.invitations import LONGEST, SHORTEST
from notify_app.web.invited import opened
from notify_app.web.sign_in import FOR_AN_ADDRESS, TRIES, address_key
from notify_app.web.words import role_title

__all__ = ["blueprint"]

blueprint = Blueprint("welcome", __name__)


@blueprint.get("/welcome/<token>")
@allow("public")
@limiter.limit("30 per minute")
def show(token: str) -> ResponseReturnValue:
    """The form, or that the link leads nowhere any more."""
    return _page(token)


def _address() -> str:
    """The address whose password is tried."""
    found = invitations.find(str((request.view_args or {}).get("token", "")))
    return address_key(found.email if found else "")


@blueprint.post("/welcome/<token>")
@allow("public")
@limiter.limit("10 per minute")
@limiter.shared_limit(FOR_AN_ADDRESS, TRIES, key_func=_address)
def accept(token: str) -> ResponseReturnValue:
    """Accept: with the password that the address has, or a first one; then sign in."""
    found = invitations.find(token)
    if found is None or not found.good or identity.viewer_or_none():
        return _page(token)
    try:
        account_id = invitations.account_for(found, request.form.get("password", ""))
        invitations.accept(found.organisation_id, found.id, found.email, account_id)
    except (Invalid, Refused) as error:
        return _page(token, _said(error))
    if not identity.open_session(account_id):
        return redirect(url_for("sign_in.show"), 303)
    identity.choose(found.organisation_id)
    flash(_("Welcome. You sign in with this password."), "ok")
    return redirect(url_for("home.show"), 303)


def _said(error: HubError) -> str:
    if isinstance(error, Invalid):
        return _(
            "Choose a password of %(least)d to %(most)d letters: a few words are good. If you have one for this hub, "
            "type that.",
            least=SHORTEST,
            most=LONGEST,
        )
    return str(error)


def _page(token: str, error: str = "") -> ResponseReturnValue:
    found, who = invitations.find(token), identity.viewer_or_none()
    if found and found.good and who and who.email.lower() == found.email.lower():
        opened(found.id)
        return redirect(url_for("invited.show"), 303)
    good = bool(found and found.good)
    page = render_template(
        "welcome.html",
        good=good,
        expired=bool(found and not found.good),
        email=found.email if good else "",
        name=found.name if good else "",
        organisation=found.organisation if good else "",
        role=role_title(found.role) if good else "",
        invited_by=(found.invited_by or "") if good else "",
        other=who.email if who else "",
        token=token,
        error=error,
        shortest=SHORTEST,
        most=LONGEST,
    )
    return page, 422 if error else 200 if good else 410 if found else 404
