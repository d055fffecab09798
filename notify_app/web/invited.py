"""Invitations that wait for the account that is signed in: which organisation asks, as what, who has invited; to accept or
to decline. Nothing of the organisation is theirs before, and of a no it learns only that.

Only the link accepts: an account may have been made by whoever invited its address first, so that it is signed in does not
prove that its holder reads that address. Which links were opened is kept in the signed session.
"""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from notify_app.errors import NotFound, Refused
from notify_app.pipeline.step import step
from notify_app.web import invitations
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.reader import Reader
from notify_app.web.words import role_title
from notify_app.work import joining

__all__ = ["blueprint", "opened"]

blueprint = Blueprint("invited", __name__)

OPENED = "invitations"  # of the session: those whose link was opened in it
MOST = 20


def opened(invitation_id: UUID) -> None:
    """The link of this invitation was opened by whoever is signed in."""
    kept = [one for one in session.get(OPENED, []) if one != str(invitation_id)]
    session[OPENED] = [*kept[1 - MOST :], str(invitation_id)]


@blueprint.get("/invitations")
@allow("member")
def show() -> ResponseReturnValue:
    """What waits."""
    who = viewer()
    with step(who.organisation_id) as work:
        read = Reader(work.now, who.zone, who.locale)
    return render_template(
        "invitations.html",
        invitations=[
            {
                "id": str(one.id),
                "opened": str(one.id) in session.get(OPENED, []),
                "organisation": one.organisation,
                "role": role_title(one.role),
                "name": one.name,
                "invited_by": one.invited_by or "",
                "when": read.when(one.created_at),
            }
            for one in invitations.waiting(who.email)
        ],
    )


@blueprint.post("/invitations/<uuid:id>")
@allow("member")
def decide(id: UUID) -> ResponseReturnValue:
    """Accept (`do=accept`) or decline (`do=decline`) one of one's own. Accepting needs its link to have been opened
    in this session. Raises NotFound for anything else."""
    who, do = viewer(), request.form.get("do")
    found = next((one for one in invitations.waiting(who.email) if one.id == id), None)
    if found is None or do not in ("accept", "decline"):
        raise NotFound(_("There is no such invitation for you."))
    if do == "accept" and str(id) not in session.get(OPENED, []):
        flash(_("Open the link of the invitation first: only with it can you accept."), "error")
        return redirect(url_for(".show"), 303)
    try:
        if do == "accept":
            invitations.accept(found.organisation_id, id, who.email, who.account_id)
        else:
            with step(found.organisation_id) as work:
                joining.decline(work, id, who.email)
    except Refused as refusal:
        flash(str(refusal), "error")
        return redirect(url_for(".show"), 303)
    if do == "accept":
        flash(_("%(organisation)s is among your organisations now.", organisation=found.organisation), "ok")
    else:
        flash(
            _("You have declined the invitation of %(organisation)s.", organisation=found.organisation), "ok"
        )
    return redirect(url_for(".show" if len(invitations.waiting(who.email)) else "home.show"), 303)
