"""Web push, from the browser's side: the service worker, the hub's key, this device on, and what is pressed on a push.

The service worker has no page whose token it could use, so it asks for one (`GET /push`), which only our own origin can read.
"""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, current_app, flash, jsonify, redirect, request, send_from_directory, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf.csrf import generate_csrf

from notify_app.channels import asked
from notify_app.channels.base import Invalid as BadAddress
from notify_app.channels.push import PUSH, address_of, public_key
from notify_app.errors import FieldError, Invalid, NotFound
from notify_app.extensions import db
from notify_app.pipeline.step import hub, step
from notify_app.web.extensions import limiter
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.work import devices, replies

__all__ = ["blueprint", "provider"]

blueprint = Blueprint("push", __name__)

TOLD = "SELECT 1 FROM notification WHERE organisation_id = :org AND event_id = :event AND person_id = :me"


def provider() -> str:
    """Who sends pushes here: vapid, local, or off."""
    return asked(hub(), PUSH.name)[0]


@blueprint.get("/sw.js")
@allow("public")
def worker() -> ResponseReturnValue:
    """The service worker: at the root, so that it may show and open any page."""
    folder = current_app.static_folder or ""
    answer = send_from_directory(folder, "js/service-worker.js", mimetype="text/javascript")
    answer.headers["Cache-Control"] = "no-cache"
    return answer


@blueprint.get("/push")
@allow("member")
def state() -> ResponseReturnValue:
    """What a browser needs: the key it subscribes for, the account's devices in any of its organisations, a token for what it
    posts."""
    known: list[str] = []
    for one in viewer().memberships:
        with step(one.organisation_id) as work:
            known += devices.known(work, one.person_id)
    key = public_key(hub().secret_key) if provider() == "vapid" else ""
    return jsonify(key=key, devices=sorted(set(known)), token=generate_csrf())


@blueprint.post("/push")
@allow("member")
@limiter.limit("30 per hour", key_func=lambda: f"push:{viewer().account_id}")
def add() -> ResponseReturnValue:
    """Push to this browser from now on. 422 names the field that cannot be used."""
    if provider() != "vapid":
        raise NotFound("Pushes are not sent here.")
    given = [request.form.get(name, "") for name in ("endpoint", "p256dh", "auth")]
    try:
        address = address_of(*given)
    except BadAddress as error:
        field, _colon, said = str(error).partition(": ")
        raise Invalid("The subscription cannot be used.", FieldError(field, said)) from None
    _allow(address)
    return jsonify(on=True)


@blueprint.post("/push/off")
@allow("member")
def remove() -> ResponseReturnValue:
    """No more pushes to this browser."""
    endpoint = request.form.get("endpoint", "")
    for one in viewer().memberships:
        with step(one.organisation_id) as work:
            devices.remove(work, one.person_id, endpoint, viewer().by)
    return jsonify(on=False)


@blueprint.post("/push/pretend")
@allow("member")
def pretend() -> ResponseReturnValue:
    """A device that is none, where messages stay on this machine."""
    if provider() != "local":
        raise NotFound("Pushes are not kept here.")
    _allow(devices.pretend(viewer().account_id))
    flash(_("A device is connected. Nothing leaves this machine: the outbox page shows its pushes."), "ok")
    return redirect(url_for("preferences.show", _anchor="addresses-card"), 303)


def _allow(address: str) -> None:
    who = viewer()
    with db.engines["engine"].connect() as conn:
        devices.allow(conn, who.memberships, address, who.by)


@blueprint.post("/push/<uuid:id>/acknowledge")
@allow("member")
def acknowledge(id: UUID) -> ResponseReturnValue:
    """See to what a push told of; says who was first. 404 where one was not told of it."""
    for one in viewer().memberships:
        with step(one.organisation_id) as work:
            if work.one(TOLD, event=id, me=one.person_id):
                return jsonify(said=replies.acknowledge(work, id, one.person_id))
    raise NotFound("There is no such message.")
