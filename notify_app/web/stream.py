"""`GET /stream`: the live inbox of an account, as Server-Sent Events (requirement B4).

The plain form: a generator that waits on a queue. It holds no database connection while idle, writes a heartbeat
event every 15 seconds (scripts cannot see comments, and a dead peer shows only on a write), and begins with a
`retry:` that differs from stream to stream, so that a restart is no stampede.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from flask import Blueprint, Response, abort, current_app, jsonify, request

from notify_app.live import cursor, hub
from notify_app.live.stream import HEARTBEAT_SECONDS, Reader, Stream, encode
from notify_app.web.guard import allow
from notify_app.web.identity import Viewer, viewer

__all__ = ["blueprint"]

blueprint = Blueprint("stream", __name__)

RETRY_MS = (2_000, 10_000)
STAFF = ("manager", "administrator", "technician")


@blueprint.get("/stream")
@allow("member")
def show() -> Response:
    """Open a stream after `Last-Event-ID`, or `?after=` where a browser has forgotten the header."""
    _same_account()
    after = request.headers.get("Last-Event-ID") or request.args.get("after", "")
    live = hub.of(current_app._get_current_object())  # type: ignore[attr-defined]
    stream = live.open(_reader(viewer()), after)
    response = Response(_frames(live, stream), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-cache, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(lambda: live.drop(stream))
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
    return Reader(
        who.account_id,
        who.session_id,
        {one.person_id: (one.organisation_id, one.organisation_name) for one in who.memberships},
        frozenset(one.organisation_id for one in who.memberships if one.role in STAFF),
    )


def _frames(live: hub.Hub, stream: Stream) -> Iterator[bytes]:
    heartbeat = encode("heartbeat", {})
    try:
        yield f"retry: {random.randint(*RETRY_MS)}\n\n".encode() + heartbeat
        while True:
            frame = stream.next(HEARTBEAT_SECONDS)
            if frame is None and stream.closed:
                return
            yield frame or heartbeat
    finally:
        live.drop(stream)
