"""Where the one path begins: `POST /hooks/<source>`, a signed webhook (Standard Webhooks 1.0), and
`POST /hooks/<source>/batch`, up to 100 events in one.

202: durable, will be applied. 200: the same message was accepted before. 207: some events of a batch were refused; the
others are kept. 4xx: a problem+json that names the field. 503: send it again; what was kept counts once. The views read
no cookie and need no CSRF token.
"""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, Response, jsonify, request

from notify_app.errors import FieldError, HubError, Invalid, Unavailable
from notify_app.pipeline import batch, ingest, intake, strict_json
from notify_app.web.extensions import csrf
from notify_app.web.guard import allow
from notify_app.web.machines import Ready
from notify_app.web.problems import OUR_FAULT, body_of, problem, report

__all__ = ["blueprint"]

blueprint = Blueprint("hooks", __name__)

# what a signature needs, and where WSGI keeps it
SIGNED = {
    "webhook-id": "HTTP_WEBHOOK_ID",
    "webhook-timestamp": "HTTP_WEBHOOK_TIMESTAMP",
    "webhook-signature": "HTTP_WEBHOOK_SIGNATURE",
}


class _TooLarge(HubError):
    code = "too-large"


class _NotJson(HubError):
    code = "unsupported-media-type"


@blueprint.post("/hooks/<source>")
@allow("source")
@csrf.exempt
def receive(source: str) -> Ready | Response:
    """Accept one message of a source."""
    body = _body(strict_json.MAX_BYTES)
    if isinstance(body, Response):
        return body
    accepted = ingest.accept(_known(source), _signed(), body, time.time())
    status, duplicate = ("200 OK", "true") if accepted.duplicate else ("202 ACCEPTED", "false")
    return Ready(status, f'{{"duplicate":{duplicate},"id":"{accepted.id}"}}\n', intake.current().wake)


@blueprint.post("/hooks/<source>/batch")
@allow("source")
@csrf.exempt
def receive_batch(source: str) -> Response:
    """Accept or refuse each of many events."""
    body = _body(batch.MAX_BYTES)
    if isinstance(body, Response):
        return body
    try:
        results = [_result(one) for one in batch.accept(_known(source), _signed(), body, time.time())]
    except Unavailable as error:
        response = problem(error)  # some of it may be kept all the same
    else:
        response = jsonify({"results": results})
        seen = {one["status"] for one in results}
        response.status_code = 207 if seen - {200, 202} else max(seen)
    response.call_on_close(intake.current().wake)
    return response


def _body(most: int) -> bytes | Response:
    """The body's bytes, or why it is not read."""
    environ = request.environ
    plain = environ.get("CONTENT_TYPE") == "application/json" or request.mimetype == "application/json"
    if not plain or environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        return problem(_NotJson("Send application/json, uncompressed."), 415)
    length = request.content_length
    if length is not None:
        return problem(_too_large(most), 413) if length > most else environ["wsgi.input"].read(length)
    # a chunked body has no length: one byte more than allowed is read, never all of it
    request.max_content_length = most + 2
    body = request.stream.read(most + 1)
    return problem(_too_large(most), 413) if len(body) > most else body


def _too_large(most: int) -> HubError:
    return _TooLarge(f"Send at most {most // 1024} KiB.")


def _known(source: str) -> str:
    """A slug that may be looked up."""
    if not (source.isascii() and source.isprintable()) or len(source) > 100:
        raise Invalid(
            "There is no such source.", FieldError("source", "Use the address that the office gave you.")
        )
    return source


def _signed() -> dict[str, str]:
    return {name: request.environ.get(key, "") for name, key in SIGNED.items()}


def _result(told: batch.Told) -> dict[str, Any]:
    """What a batch's sender is told of one event: its status is the one that it would have had alone."""
    outcome = told.outcome
    if isinstance(outcome, ingest.Accepted):
        status = 200 if outcome.duplicate else 202
        return {"event": told.event, "status": status, "id": str(outcome.id), "duplicate": outcome.duplicate}
    if isinstance(outcome, HubError):
        refusal = body_of(outcome)
    else:
        report(outcome)
        refusal = body_of(HubError(OUR_FAULT), 500)
    return {"event": told.event, "status": refusal["status"], "problem": refusal}
