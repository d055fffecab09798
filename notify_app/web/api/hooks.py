"""Where the one path begins: `POST /hooks/<source>`, a signed webhook (Standard Webhooks 1.0).

202: durable, will be applied. 200: the same message was accepted before. 4xx: a problem+json that names the field.
503: nothing was kept, send it again. The view reads no cookie and needs no CSRF token.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from notify_app.errors import FieldError, HubError, Invalid
from notify_app.pipeline import ingest
from notify_app.pipeline.strict_json import MAX_BYTES
from notify_app.web.extensions import csrf
from notify_app.web.guard import allow
from notify_app.web.problems import problem

__all__ = ["blueprint"]

blueprint = Blueprint("hooks", __name__)


class _TooLarge(HubError):
    code = "too-large"


class _NotJson(HubError):
    code = "unsupported-media-type"


@blueprint.post("/hooks/<source>")
@allow("source")
@csrf.exempt
def receive(source: str) -> Response:
    """Accept one message of a source."""
    if (
        request.mimetype != "application/json"
        or request.headers.get("content-encoding", "identity") != "identity"
    ):
        return problem(_NotJson("Send application/json, uncompressed."), 415)
    if (request.content_length or 0) > MAX_BYTES:
        return problem(_TooLarge(f"Send at most {MAX_BYTES // 1024} KiB."), 413)
    # a chunked body has no length: one byte more than allowed is read, never all of it
    body = request.stream.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        return problem(_TooLarge(f"Send at most {MAX_BYTES // 1024} KiB."), 413)
    if not (source.isascii() and source.isprintable()) or len(source) > 100:
        raise Invalid(
            "There is no such source.", FieldError("source", "Use the address that the office gave you.")
        )
    accepted = ingest.accept(source, {name.lower(): value for name, value in request.headers.items()}, body)
    response = jsonify({"id": str(accepted.id), "duplicate": accepted.duplicate})
    response.status_code = 200 if accepted.duplicate else 202
    return response
