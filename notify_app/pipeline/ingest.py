"""Step one of the path: a signed webhook becomes one durable inbound row, or a refusal that says why.

Checks in this order: UTF-8, source, signature over the raw bytes, shape, idempotency. `accept` returns only
after the commit: a 202 is a promise. The same message again is answered with the first one's id; the same id
with another body is a Conflict. It applies nothing: that is `pipeline.route`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from notify_app import queue
from notify_app.errors import Conflict, FieldError, Invalid, Unavailable
from notify_app.extensions import db
from notify_app.ids import new_id
from notify_app.pipeline import envelope, signature, sql
from notify_app.pipeline.step import hub
from notify_app.secrets import Secrets

__all__ = ["Accepted", "accept", "secret_name"]

MAX_ID = 200


@dataclass(frozen=True)
class Accepted:
    """What is answered: the inbound row's id, and whether this message had been accepted before."""

    id: UUID
    duplicate: bool


@dataclass(frozen=True)
class _Source:
    id: UUID
    organisation_id: UUID


def secret_name(slug: str) -> str:
    """What a source's encrypted secret is bound to."""
    return f"source:{slug}"


def accept(slug: str, headers: Mapping[str, str], body: bytes) -> Accepted:
    """Make the message durable. Raises BadSignature, Invalid (each field named), Conflict, Unavailable."""
    _check_encoding(body)
    try:
        source = _authenticate(slug, headers, body)
        message_id = _message_id(headers)
        parsed = envelope.parse(body)
        accepted = _store(source, message_id, parsed, body)
    except (OperationalError, PoolTimeout) as error:
        raise Unavailable("The database is away for a moment; nothing was kept. Send it again.") from error
    queue.wake(queue.connect(hub().redis_url), [queue.ROUTE])
    return accepted


def _check_encoding(body: bytes) -> None:
    """First, because a signature of Standard Webhooks is over text: what is none could only be called unsigned."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = FieldError("body", f"Encode the body in UTF-8 (byte {error.start} is not).")
        raise Invalid("The body cannot be used.", problem) from None


def _authenticate(slug: str, headers: Mapping[str, str], body: bytes) -> _Source:
    with db.engines["engine"].connect() as conn:
        row = conn.execute(sql.FIND_SOURCE, {"slug": slug}).one_or_none()
    if row is None:
        signature.check([signature.DUMMY_SECRET], headers, body)
        raise signature.BadSignature(signature.REFUSED)
    secrets = Secrets(hub().secret_key)
    keys = [
        secrets.open(key, secret_name(slug)) for key in (row.secret, row.previous_secret) if key is not None
    ]
    signature.check(keys, headers, body)
    return _Source(row.id, row.organisation_id)


def _message_id(headers: Mapping[str, str]) -> str:
    value = headers["webhook-id"]
    if len(value) > MAX_ID or not value.isprintable():
        raise Invalid(
            "The header cannot be used.",
            FieldError("webhook-id", f"Use at most {MAX_ID} printable characters."),
        )
    return value


def _store(source: _Source, message_id: str, parsed: envelope.Envelope, body: bytes) -> Accepted:
    digest = hashlib.sha256(body).digest()
    key = {"organisation_id": source.organisation_id, "source_id": source.id, "external_id": message_id}
    inbound_id = new_id()
    row = {
        **key,
        "id": inbound_id,
        "body_hash": digest,
        "type": parsed.type,
        "body": json.dumps(parsed.body),
        "item_refs": list(parsed.item_refs),
        "occurred_at": parsed.occurred_at,
    }
    with db.engines["engine"].begin() as conn:
        new = conn.execute(sql.ACCEPT, row).scalar_one_or_none()
        known = None if new else conn.execute(sql.FIND_INBOUND, key).one()
    if known is None:
        return Accepted(inbound_id, duplicate=False)
    if bytes(known.body_hash) != digest:
        raise Conflict(
            f"webhook-id {message_id} was used before with another body. Use a new id for a new message."
        )
    return Accepted(known.id, duplicate=True)
