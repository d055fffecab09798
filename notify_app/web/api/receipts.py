"""What SNS brings: `POST /receipts/sns`, what became of messages that a provider has taken, and `POST /inbound/sms`, what
people answer by SMS.

Believed is only what a topic of `HUB_SNS_TOPICS` has signed: another topic, a wrong signature or an old copy is 403 and leaves
nothing. 200: kept, and done if it can be; the same message again is 200 and changes nothing. 503: send it again. The views
read no cookie and need no CSRF token.
"""

from __future__ import annotations

import http.client
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, jsonify, request

from notify_app import outgoing
from notify_app.channels import reports, sns_message
from notify_app.channels.reports import Answered, Report
from notify_app.channels.sns_message import CONFIRM, NOTIFICATION, SnsMessage
from notify_app.errors import Forbidden, HubError, Invalid, Unavailable
from notify_app.pipeline import feedback, strict_json
from notify_app.pipeline.certificates import Certificates
from notify_app.pipeline.step import hub
from notify_app.web.extensions import csrf
from notify_app.web.guard import allow
from notify_app.web.problems import problem

__all__ = ["blueprint"]

blueprint = Blueprint("receipts", __name__)
log = logging.getLogger(__name__)

MOST = 512 * 1024  # SNS sends at most 256 KiB, whose quotes it escapes
CONFIRMED = 200
ANSWER_BYTES = 64 * 1024
Reader = Callable[[Mapping[str, Any]], Report | Answered | None]


class _TooLarge(HubError):
    code = "too-large"


@blueprint.post("/receipts/sns")
@allow("source")
@csrf.exempt
def sns() -> Response:
    """What became of a message that SES or SNS has taken."""
    return _receive(reports.report)


@blueprint.post("/inbound/sms")
@allow("source")
@csrf.exempt
def sms() -> Response:
    """An SMS that somebody has sent to us."""
    return _receive(reports.answer)


def _receive(reader: Reader) -> Response:
    try:
        return _taken(_message(), reader)
    except HubError as error:
        return problem(error, 413 if isinstance(error, _TooLarge) else None)


def _message() -> SnsMessage:
    """The message, whose signature is good. Raises Invalid, Forbidden, Unavailable."""
    request.max_content_length = MOST + 2
    body = request.stream.read(MOST + 1)
    if len(body) > MOST:
        raise _TooLarge(f"Send at most {MOST // 1024} KiB.")
    message = sns_message.parse(strict_json.read(body), hub().topics)
    known = current_app.extensions.setdefault("sns certificates", Certificates.from_outside(hub().sns_url))
    signer = known.at(message.certificate_url)
    sns_message.check_signature(message, signer, datetime.fromtimestamp(time.time(), UTC))
    return message


def _taken(message: SnsMessage, reader: Reader) -> Response:
    if not message.fresh(datetime.fromtimestamp(time.time(), UTC)) and not feedback.is_known(message.id):
        raise Forbidden(sns_message.REFUSED)
    if message.type == NOTIFICATION:
        said = _read(message, reader)
        if said is None:
            return jsonify({"duplicate": False})
        fresh = feedback.keep(message.id, message.topic, said)
        feedback.take(message.id)
        return jsonify({"duplicate": not fresh})
    fresh = feedback.keep(message.id, message.topic, None)
    if message.type == CONFIRM and fresh:
        _confirm(message)
    elif fresh:
        log.warning("the topic %s does not send to this hub any more", message.topic)
    return jsonify({"duplicate": not fresh})


def _read(message: SnsMessage, reader: Reader) -> Report | Answered | None:
    """What the message says; what is no JSON (SES greets a new topic in words) says nothing to us."""
    if not message.message.lstrip().startswith("{"):
        return None
    try:
        return reader(strict_json.read(message.message.encode()))
    except Invalid as error:
        log.warning("a message of %s cannot be used: %s", message.topic, error)
        raise


def _confirm(message: SnsMessage) -> None:
    """Tell SNS that the topic is wanted. It comes again when that did not work."""
    try:
        status, _ = outgoing.read(message.subscribe_url, most=ANSWER_BYTES, instead=hub().sns_url)
    except (OSError, ValueError, http.client.HTTPException, outgoing.Inside, outgoing.TooMuch) as error:
        status, why = 0, type(error).__name__
    else:
        why = f"answered {status}"
    if status != CONFIRMED:
        feedback.forget(message.id)
        log.warning("%s did not take the confirmation: %s", urlsplit(message.subscribe_url).hostname, why)
        raise Unavailable("The subscription could not be confirmed. Send it again.")
    log.info("the topic %s sends to this hub from now on", message.topic)
