"""No more emails of one kind, without a sign-in: `POST /unsubscribe/<token>` as mail programs send it (RFC 8058), and the page
on which a person presses the button, and takes it back.

The token is the proof, so the post needs no session and no form token; it can do nothing else. GET shows and changes nothing,
since scanners follow every link.
"""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from notify_app.pipeline.step import step
from notify_app.web.extensions import csrf, limiter
from notify_app.web.guard import allow
from notify_app.web.words import category_title, channel_title
from notify_app.work import unsubscribing

__all__ = ["blueprint"]

blueprint = Blueprint("unsubscribe", __name__)

# what a mail program posts in the body, RFC 8058 §3.1
ONE_CLICK = ("List-Unsubscribe", "One-Click")


@blueprint.get("/unsubscribe/<token>")
@allow("public")
def show(token: str) -> ResponseReturnValue:
    """Ask."""
    return _page(token, None)


@blueprint.post("/unsubscribe/<token>")
@allow("public")
@csrf.exempt
@limiter.limit("120 per minute")
def act(token: str) -> ResponseReturnValue:
    """Switch it off, or on again."""
    return _page(token, request.form.get("want") == "yes")


def _page(token: str, wanted: bool | None) -> ResponseReturnValue:
    wish = unsubscribing.of_token(token)
    standing = None
    if wish is not None:
        with step(wish.organisation_id) as work:
            standing = wish.now(work)
            if standing and wanted is not None:
                wish.keep(work, wanted=wanted)
                standing = wish.now(work)
    if wish is None or standing is None:
        return render_template(
            "unsubscribe.html", state="gone", token=token, company="", kind="", channel=""
        ), 404
    if request.form.get(ONE_CLICK[0]) == ONE_CLICK[1]:
        return "", 200
    state = "ask" if wanted is None and standing.wanted else "on" if standing.wanted else "off"
    return render_template(
        "unsubscribe.html",
        state=state,
        token=token,
        company=standing.company,
        kind=category_title(wish.category),
        channel=channel_title(wish.channel),
    )
