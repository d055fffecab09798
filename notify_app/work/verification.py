"""An address that somebody has typed is written to when it is verified: its owner has followed the link that was sent to
it, or typed the code; or an administrator says that they know whose it is, and the record keeps that.

Until then it waits in `unverified_address`, where nothing that sends looks, and the addresses that there are go on being
used. The codes of a new message end those of the one before. What was guessed wrong is counted in the same transaction, so
the caller must not undo it: `enter` returns what came of it and raises nothing for a wrong code. Whether somebody else has
the same address is neither asked nor told.
"""

from __future__ import annotations

import hmac
import secrets as random_secrets
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from notify_app.errors import FieldError, Invalid, NotFound, Refused
from notify_app.ids import new_id
from notify_app.pipeline import budget, outbox, verification_words
from notify_app.pipeline.again import VERIFICATION
from notify_app.pipeline.audience import members
from notify_app.pipeline.step import Step, hub
from notify_app.policy import verification as policy
from notify_app.policy.channel import channel as channel_type
from notify_app.secrets import Secrets
from notify_app.work import record, wishes
from notify_app.work.record import LINK, By, What

__all__ = ["Entered", "add", "begin", "enter", "follow", "forget", "of_person", "send", "vouch"]

HIGH = 2
DIGITS = 6
PUT = """
    INSERT INTO unverified_address (organisation_id, id, person_id, channel, value, instead_of, touched_at, created_at)
    VALUES (:org, :id, :person, :channel, :value, :instead, :now, :now) ON CONFLICT DO NOTHING
"""
COUNT = "SELECT count(*) AS n FROM unverified_address WHERE organisation_id = :org AND person_id = :person AND channel = :channel"
HAS = "SELECT count(*) AS n FROM address WHERE organisation_id = :org AND person_id = :person AND channel = :channel"
KNOWN = """
    SELECT 1 FROM address WHERE organisation_id = :org AND person_id = :person AND channel = :channel AND value = :value
"""
OF_PERSON = """
    SELECT u.*, u.expires_at > :now AND u.tries < :most AS open, s.reason AS blocked, s.kind AS blocked_kind,
           s.id AS blocked_id, o.value AS old FROM unverified_address u
    LEFT JOIN suppression s ON s.organisation_id = u.organisation_id AND s.channel = u.channel AND s.value = u.value
    LEFT JOIN address o ON o.organisation_id = u.organisation_id AND o.person_id = u.person_id AND o.id = u.instead_of
    WHERE u.organisation_id = :org AND u.person_id = :person AND NOT EXISTS (
        SELECT FROM address a WHERE a.organisation_id = u.organisation_id AND a.person_id = u.person_id
           AND a.channel = u.channel AND a.value = u.value)
    ORDER BY u.channel, u.id
"""
ONE = "SELECT * FROM unverified_address WHERE organisation_id = :org AND person_id = :person AND id = :id FOR UPDATE"
BLOCKED = (
    "SELECT reason FROM suppression WHERE organisation_id = :org AND channel = :channel AND value = :value"
)
# a delivery is found by its person as well: both limits are of one look
SENT = """
    SELECT count(*) FILTER (WHERE channel = :channel AND address = :value) AS to_it,
           count(*) FILTER (WHERE person_id = :person) AS to_them
    FROM delivery WHERE organisation_id = :org AND purpose = 'verification' AND created_at > :since
"""
KEEP = """
    UPDATE unverified_address SET delivery_id = :delivery, code_hash = :code, link_hash = :link, expires_at = :expires,
           tries = 0, touched_at = :now WHERE organisation_id = :org AND id = :id
"""
# each guess counts, however many are made at once: they wait for the row
GUESS = """
    UPDATE unverified_address SET tries = tries + 1
    WHERE organisation_id = :org AND person_id = :person AND id = :id AND tries < :most AND expires_at > :now
    RETURNING *
"""
TAKE = """
    DELETE FROM unverified_address WHERE organisation_id = :org AND link_hash = :link AND expires_at > :now RETURNING *
"""
GONE = "DELETE FROM unverified_address WHERE organisation_id = :org AND id = :id"
OLD = """
    DELETE FROM address WHERE organisation_id = :org AND person_id = :person AND channel = :channel AND id = :id
    RETURNING value, position
"""
USE = """
    INSERT INTO address (organisation_id, person_id, channel, value, position)
    SELECT :org, :person, :channel, :value, coalesce(CAST(:place AS int), (
        SELECT max(position) + 1 FROM address WHERE organisation_id = :org AND person_id = :person AND channel = :channel), 0)
    ON CONFLICT ON CONSTRAINT uq_address_value DO NOTHING
"""
LOCK = "SELECT 1 FROM person WHERE organisation_id = :org AND id = :person FOR NO KEY UPDATE"


class Entered(StrEnum):
    """What came of a code that was typed."""

    verified = "verified"
    wrong = "wrong"
    over = "over"  # too late, too many wrong ones, or nothing was sent


def of_person(step: Step, person_id: UUID) -> Sequence[Any]:
    """Their addresses that are not verified yet, with whether what was sent is still good (`open`), why one is blocked, and
    the address that it is to replace (`old`)."""
    return step.all(OF_PERSON, person=person_id, now=step.now, most=policy.MOST_TRIES)


def add(
    step: Step,
    person_id: UUID,
    channel: str,
    value: str,
    by: By,
    *,
    most: int,
    instead_of: UUID | None = None,
) -> UUID:
    """Keep an address, in its one form, until it is verified; its id. Nothing is sent yet. Raises Invalid."""
    step.one(LOCK, person=person_id)
    row_id = new_id()
    values = {"person": person_id, "channel": channel}
    if step.one(KNOWN, value=value, **values):
        raise _refused(channel, "You have this address already.")
    if step.one(COUNT, **values).n >= most:
        raise _refused(channel, "Many addresses wait to be verified already; verify or remove one first.")
    if not step.run(PUT, id=row_id, value=value, instead=instead_of, now=step.now, **values):
        raise _refused(channel, "This address waits to be verified already.")
    record.note(step, by, What.address_typed, person_id, after=record.address(channel, value))
    return row_id


def begin(
    step: Step, person_id: UUID, channel: str, given: str, by: By, *, instead_of: UUID | None = None
) -> tuple[str, str]:
    """Keep what somebody has typed and send to it what verifies it; its one form, and why nothing was sent ('' where
    something was). Raises Invalid, NotFound."""
    value = wishes.cleaned(step, channel, given)
    if instead_of is None and step.one(HAS, person=person_id, channel=channel).n >= wishes.MOST_ADDRESSES:
        raise _refused(channel, "You have many addresses already; remove one first.")
    waiting = add(step, person_id, channel, value, by, most=wishes.MOST_ADDRESSES, instead_of=instead_of)
    try:
        send(step, person_id, waiting)
    except Refused as refusal:
        return value, str(refusal)
    return value, ""


def _refused(channel: str, message: str) -> Invalid:
    return Invalid("The address cannot be used.", FieldError(channel, message))


def send(step: Step, person_id: UUID, id: UUID) -> str:
    """Send what verifies it, and end what was sent before; the address. Raises NotFound, Refused (it is blocked, enough
    was sent, or there is no money for it)."""
    step.one(LOCK, person=person_id)  # two that ask at once are counted one after the other
    row = _one(step, person_id, id)
    if step.one(BLOCKED, channel=row.channel, value=row.value):
        raise Refused("Nothing is sent to this address: it is blocked.")
    sent = step.one(
        SENT, channel=row.channel, value=row.value, person=person_id, since=step.now - timedelta(days=1)
    )
    if sent.to_it >= policy.MOST_A_DAY or sent.to_them >= policy.MOST_OF_A_PERSON:
        raise Refused("Enough messages to verify it were sent today. Try again tomorrow.")
    if row.channel == budget.CHANNEL and not budget.affords(step, "0" * DIGITS, row.value):
        raise Refused("Nothing is sent to it now: what the office may spend on SMS is used up.")
    type_ = channel_type(row.channel)
    code = f"{random_secrets.randbelow(10**DIGITS):0{DIGITS}d}"
    token = random_secrets.token_urlsafe(32) if policy.has_link(type_) else ""
    delivery_id, until = new_id(), step.now + policy.life(type_)
    step.run(
        KEEP,
        id=id,
        delivery=delivery_id,
        code=_secrets().code_hash(code, str(id)),
        link=Secrets.hash_token(token) if token else None,
        expires=until,
        now=step.now,
    )
    member = members(step, [person_id])[person_id]
    body = verification_words.body(
        step, row.channel, member, code, until, f"/verify/{token}" if token else ""
    )
    outbox.put(
        step,
        [
            outbox.Row(
                delivery_id,
                person_id,
                row.channel,
                row.value,
                f"verify:{delivery_id}",
                HIGH,
                None,
                None,
                purpose=VERIFICATION,
            )
        ],
    )
    step.run(
        "UPDATE delivery SET content_id = :content WHERE organisation_id = :org AND id = :id",
        content=outbox.keep_body(step, body),
        id=delivery_id,
    )
    return str(row.value)


def enter(step: Step, person_id: UUID, id: UUID, code: str, by: By) -> Entered:
    """Somebody has typed the code. Each try counts. Raises NotFound (there is no such address among theirs)."""
    step.one(LOCK, person=person_id)
    row = step.one(GUESS, person=person_id, id=id, most=policy.MOST_TRIES, now=step.now)
    if row is None:
        _one(step, person_id, id)
        return Entered.over
    typed = "".join(code.split())
    if not hmac.compare_digest(_secrets().code_hash(typed, str(id)), bytes(row.code_hash)):
        return Entered.wrong if row.tries < policy.MOST_TRIES else Entered.over
    step.run(GONE, id=id)
    _use(step, row, by, What.address_verified)
    return Entered.verified


def follow(step: Step, token: str) -> bool:
    """Somebody who reads what comes to the address has pressed the button behind its link. Once: whoever is later finds
    nothing any more."""
    row = step.one(TAKE, link=Secrets.hash_token(token), now=step.now)
    if row is None:
        return False
    _use(step, row, LINK, What.address_verified)
    return True


def vouch(step: Step, person_id: UUID, id: UUID, by: By) -> str:
    """An administrator knows that it is theirs; the address. Raises NotFound."""
    row = _one(step, person_id, id)
    step.run(GONE, id=id)
    _use(step, row, by, What.address_vouched)
    return str(row.value)


def forget(step: Step, person_id: UUID, id: UUID, by: By) -> str:
    """It is not to be verified any more; the address. Raises NotFound."""
    row = _one(step, person_id, id)
    step.run(GONE, id=id)
    record.note(step, by, What.address_removed, person_id, before=record.address(row.channel, row.value))
    return str(row.value)


def _use(step: Step, row: Any, by: By, what: What) -> None:
    """From now on it is written to: behind the others, or in the place of the one that it replaces."""
    values = {"person": row.person_id, "channel": row.channel}
    old = step.one(OLD, id=row.instead_of, **values) if row.instead_of else None
    step.run(USE, value=row.value, place=old.position if old else None, **values)
    if old:
        before = record.address(row.channel, old.value)
        record.note(step, by, What.address_removed, row.person_id, before=before)
    record.note(step, by, what, row.person_id, after=record.address(row.channel, row.value))


def _one(step: Step, person_id: UUID, id: UUID) -> Any:
    row = step.one(ONE, person=person_id, id=id)
    if row is None:
        raise NotFound("There is no such address that waits to be verified.")
    return row


def _secrets() -> Secrets:
    return Secrets(hub().secret_key)
