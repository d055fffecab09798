"""`GET /stream`: the live inbox of an account, as Server-Sent Events (requirement B4).

The view authenticates and answers. What follows is written by `live.hub`: to the connection itself where the server
hands it over, else through the generator that is this answer's body.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify, request

from notify_app.errors import Unavailable
from notify_app.live import cursor, hub
from notify_app.live.handover import OFFER, Offer
from notify_app.live.queued import QueuedStream
from notify_app.live.stream import Reader, reader_of
from notify_app.web.guard import allow
from notify_app.web.identity import Viewer, viewer
from notify_app.web.problems import problem

__all__ = ["blueprint"]

blueprint = Blueprint("stream", __name__)


@blueprint.get("/stream")
@allow("member")
def show() -> Response:
    """Open a stream after `Last-Event-ID`, or `?after=` where a browser has forgotten the header."""
    _same_account()
    live = hub.of(current_app._get_current_object())  # type: ignore[attr-defined]
    offer: Offer | None = request.environ.get(OFFER)
    try:
        live.admit(queued=offer is None)
    except Unavailable as full:
        return problem(full)
    after = request.headers.get("Last-Event-ID") or request.args.get("after", "")
    response = Response(_body(live, _reader(viewer()), after, offer), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-cache, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    return response


@blueprint.get("/stream/state")
@allow("member")
def state() -> Response:
    """What a page asks after its stream was refused: 401 when the session is over, else the unread count."""
    _same_account()
    unread, _ = cursor.state([(one.organisation_id, one.person_id) for one in viewer().memberships])
    return jsonify({"unread": unread})


def _same_account() -> None:
    """An old tab of somebody who has signed out must not show the frames of who signed in after them."""
    if request.args.get("account", str(viewer().account_id)) != str(viewer().account_id):
        abort(401)


def _reader(who: Viewer) -> Reader:
    people = {
        one.person_id: (one.organisation_id, one.organisation_name, one.role) for one in who.memberships
    }
    return reader_of(who.account_id, who.session_id, people)


def _body(live: hub.Hub, reader: Reader, after: str, offer: Offer | None) -> Iterable[bytes]:
    """What the server is to send itself: nothing, where it hands the connection over."""
    place = hub.known_place(reader, after)
    if request.method == "HEAD":
        return iter(())
    if offer is not None:
        offer.accept(lambda fd, head: live.hand_over(reader, place, fd, head))
        return iter(())
    stream = QueuedStream(reader, live, place, _breaker(request.environ.get("gunicorn.socket")))
    live.join(stream)
    return stream.frames()


def _breaker(connection: Any) -> Any:
    """What breaks a connection whose client takes nothing, where the server lets us have it."""

    def cut() -> None:
        try:
            if connection is not None:
                connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is broken already

    return cut
