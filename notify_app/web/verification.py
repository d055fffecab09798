"""Addresses are verified: on one's own preferences page, on a person's page, and behind the link that was sent.

The page behind the link needs no sign-in, because whoever reads the mail may be on another device; looking at it does
nothing, its button verifies, once. What a person does with somebody else's address is answered as if there were none.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.errors import Refused
from notify_app.extensions import db
from notify_app.pipeline import sql
from notify_app.pipeline.step import Step, step
from notify_app.secrets import Secrets
from notify_app.web import person_page
from notify_app.web.extensions import limiter
from notify_app.web.guard import allow
from notify_app.web.identity import Viewer, viewer, viewer_or_none
from notify_app.web.words import channel_title
from notify_app.work import verification
from notify_app.work.verification import Entered

__all__ = ["blueprint"]

blueprint = Blueprint("verification", __name__)

TRIES = "30 per hour"  # of one account; each address has its own five


def _account() -> str:
    return f"verify:{viewer().account_id}"


# --- one's own, and those of a person ------------------------------------------------------------------------------


@blueprint.post("/preferences/unverified/<uuid:id>")
@allow("member")
@limiter.limit(TRIES, key_func=_account)
def mine(id: UUID) -> ResponseReturnValue:
    """Type the code (`do=code`), have another one sent (`do=send`) or forget the address (`do=remove`). Raises NotFound."""
    who = viewer()
    _do(who, who.person_id, id, may_vouch=False)
    return redirect(url_for("preferences.show", _anchor="addresses-card"), 303)


@blueprint.post("/people/<uuid:id>/unverified/<uuid:address>")
@allow("administrator")
@limiter.limit(TRIES, key_func=_account)
def theirs(id: UUID, address: UUID) -> ResponseReturnValue:
    """The same for somebody's address, with the code that they read out; or vouch for it (`do=vouch`). Raises NotFound."""
    _do(viewer(), id, address, may_vouch=True)
    return redirect(url_for("people.person", id=id, _anchor="addresses"), 303)


def _do(who: Viewer, person_id: UUID, id: UUID, *, may_vouch: bool) -> None:
    """What the form asks for, and what is said of it on the next page."""
    asked = request.form.get("do", "")
    try:
        with step(who.organisation_id) as work:
            if may_vouch:
                person_page.one(work, person_id)
            said, good = _done(work, who, person_id, id, asked if asked != "vouch" or may_vouch else "")
    except Refused as refusal:
        said, good = str(refusal), False
    flash(said, "ok" if good else "error")


def _done(work: Step, who: Viewer, person_id: UUID, id: UUID, asked: str) -> tuple[str, bool]:
    match asked:
        case "send":
            address = verification.send(work, person_id, id)
            return _(
                "A new code was sent to %(address)s; the one before is of no use now.", address=address
            ), True
        case "remove":
            return _(
                "%(address)s is removed.", address=verification.forget(work, person_id, id, who.by)
            ), True
        case "vouch":
            address = verification.vouch(work, person_id, id, who.by)
            return _(
                "%(address)s is used from now on. The record says that you vouch for it.", address=address
            ), True
    # everything else is a code, perhaps an empty one
    match verification.enter(work, person_id, id, request.form.get("code", "")[:40], who.by):
        case Entered.verified:
            return _("The address is verified and used from now on."), True
        case Entered.wrong:
            return _(
                "This is not the code that was sent last. Look at the newest message and type its six digits."
            ), False
    return _("This code is of no use any more. Have another one sent."), False


# --- behind the link -----------------------------------------------------------------------------------------------


@blueprint.get("/verify/<token>")
@allow("public")
@limiter.limit("30 per minute")
def show(token: str) -> ResponseReturnValue:
    """What the button will do, or that the link leads nowhere any more. Changes nothing."""
    return _page(token)


@blueprint.post("/verify/<token>")
@allow("public")
@limiter.limit("10 per minute")
def follow(token: str) -> ResponseReturnValue:
    """Verify the address that the link was sent to."""
    found = _find(token)
    if found is None:
        return _page(token)
    with step(found.organisation_id) as work:
        done = verification.follow(work, token)
    return _page(token, found if done else None)


def _find(token: str) -> Any:
    with db.engines["engine"].connect() as conn:
        values = {"hash": Secrets.hash_token(token[:100])}
        return conn.execute(sql.FIND_UNVERIFIED, values).one_or_none()


def _page(token: str, done: Any = None) -> ResponseReturnValue:
    found = done or _find(token)
    state = "done" if done else "nowhere" if found is None else "open" if found.good else "expired"
    page = render_template(
        "verify.html",
        state=state,
        token=token,
        address=found.value if found else "",
        channel=channel_title(found.channel) if found else "",
        name=found.name if found else "",
        organisation=found.organisation if found else "",
        signed_in=viewer_or_none() is not None,
    )
    return page, {"open": 200, "done": 200, "expired": 410, "nowhere": 404}[state]
