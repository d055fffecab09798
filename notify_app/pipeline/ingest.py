"""Step one of the path: a signed webhook becomes one durable inbound row, or a refusal that says why.

Checks in this order: UTF-8, source, signature over the raw bytes, shape, idempotency. `accept` returns only
after the commit: a 202 is a promise. The same message again is answered with the first one's id; the same id
with another body is a Conflict. It applies nothing: that is `pipeline.take`.

What arrives together is written together (`intake`, `group`, `inbound`), and a source is not looked up for each message
(`sources`). What is remembered of a source may be old, so nothing is decided by it alone: the statement that keeps a
message checks it, and before one is refused the source is looked up anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from notify_app.errors import Conflict, FieldError, Invalid, Unavailable
from notify_app.ids import new_id
from notify_app.pipeline import envelope, inbound, intake, signature
from notify_app.pipeline.group import NOTHING_KEPT
from notify_app.pipeline.sources import Key, Source, secret_name

__all__ = ["MAX_ID", "Accepted", "accept", "accepted", "authenticated", "check_id", "secret_name"]

MAX_ID = 200
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is answered: the inbound row's id, and whether this message had been accepted before."""

    id: UUID
    duplicate: bool


def accept(slug: str, headers: Mapping[str, str], body: bytes, now: float) -> Accepted:
    """Make the message durable. `headers` has the three of the standard, `now` is real time in seconds. Raises
    BadSignature, Invalid (each field named), Conflict, Unavailable."""

    def keep(key: Key, _: bool) -> Accepted:
        message_id = check_id(headers["webhook-id"], "webhook-id", "The header cannot be used.")
        message = envelope.parse(body)
        digest = hashlib.sha256(body).digest()
        [outcome] = intake.current().store([inbound.row(new_id(), key, message_id, digest, message)])
        return accepted(outcome, f"webhook-id {message_id}", lambda before: _same(before, digest, message))

    return authenticated(slug, headers, body, now, keep)


def authenticated(
    slug: str, headers: Mapping[str, str], body: bytes, now: float, keep: Callable[[Key, bool], Result]
) -> Result:
    """What `keep` makes of a message, given the key that signed it and whether that is known to be good now. It is
    called a second time when it refused the message (Invalid, Unsigned) for a source that has changed meanwhile."""
    _check_encoding(body)
    sources = intake.current().sources
    try:
        source = sources.remembered(slug)
        if source is not None:
            try:
                return keep(_key(source, headers, body, now), False)
            except (signature.BadSignature, Invalid, inbound.Unsigned) as refusal:
                source, before = sources.look_up(slug), source
                if source is before and not isinstance(refusal, inbound.Unsigned):
                    raise
        else:
            source = sources.look_up(slug)
        return keep(_key(source, headers, body, now), True)
    except inbound.Unsigned:  # taken back in this very moment
        raise signature.BadSignature(signature.REFUSED) from None
    except (OperationalError, PoolTimeout) as error:
        raise Unavailable(NOTHING_KEPT) from error


def accepted(outcome: inbound.Outcome, name: str, same: Callable[[inbound.Before], bool]) -> Accepted:
    """What is answered of a row; `same` says whether what was there before is the same message. Raises what stood in
    its way: Conflict (which names the key), Invalid, Unavailable, Unsigned, or what is a bug."""
    if isinstance(outcome, inbound.Kept):
        return Accepted(outcome.id, duplicate=False)
    if isinstance(outcome, Exception):
        raise outcome
    if not same(outcome):
        raise Conflict(f"{name} was used before with another body. Use a new id for a new message.")
    return Accepted(outcome.id, duplicate=True)


def check_id(value: str, field: str, otherwise: str) -> str:
    """An idempotency key that can be kept. Raises Invalid with the sentence `otherwise`."""
    if not value or len(value) > MAX_ID or not value.isprintable():
        raise Invalid(otherwise, FieldError(field, f"Use at most {MAX_ID} printable characters."))
    return value


def _check_encoding(body: bytes) -> None:
    """First, because a signature of Standard Webhooks is over text: what is none could only be called unsigned."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = FieldError("body", f"Encode the body in UTF-8 (byte {error.start} is not).")
        raise Invalid("The body cannot be used.", problem) from None


def _key(source: Source | None, headers: Mapping[str, str], body: bytes, now: float) -> Key:
    """The key that signed it. A source that is none is checked as well, against a dummy, and takes as long."""
    verifiers = [key.verifier for key in source.keys] if source else [signature.DUMMY]
    signed = signature.check(verifiers, headers, body, now)
    if source is None:
        raise signature.BadSignature(signature.REFUSED)
    return source.keys[signed]


def _same(before: inbound.Before, digest: bytes, message: envelope.Envelope) -> bool:
    """By its bytes, as it was sent here; or by what it says, if it came in a batch (`batch`)."""
    return before.body_hash in (digest, hashlib.sha256(message.text.encode()).digest())
