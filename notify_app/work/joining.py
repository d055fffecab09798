"""How somebody comes to sign in here: an administrator invites an email address, and whoever has it consents.

Until then nothing of the organisation is theirs: no inbox, no stream, no page. Whether the address signs in to this hub
already is neither asked nor told here, so an inviter sees the same either way: that the invitation waits, that it was
accepted, that it was declined. What is decided keeps nothing of the address but its masked form in the record.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from notify_app.errors import NotFound, Refused
from notify_app.live.announce import Changed
from notify_app.models import InvitationOutcome, Who
from notify_app.pipeline.step import Step
from notify_app.work import record
from notify_app.work.record import LINK, By, What

__all__ = ["accept", "decline", "invite", "latest", "withdraw"]

PERSON = "SELECT id, name, left_at, account_id FROM person WHERE organisation_id = :org AND id = :id FOR NO KEY UPDATE"
# another person of the organisation for whom the address waits
TAKEN = """
    SELECT p.name FROM invitation i
    JOIN person p ON p.organisation_id = i.organisation_id AND p.id = i.person_id
    WHERE i.organisation_id = :org AND lower(i.email) = lower(:email) AND i.settled_at IS NULL AND i.person_id <> :id
"""
OPEN = """
    INSERT INTO invitation (organisation_id, person_id, email, token_hash, expires_at, invited_by, created_at)
    VALUES (:org, :person, :email, :hash, :expires, :inviter, :now) ON CONFLICT DO NOTHING
"""
WAITS = """
    SELECT person_id FROM invitation
    WHERE organisation_id = :org AND id = :id AND lower(email) = lower(:email) AND settled_at IS NULL
      AND expires_at > hub_now()
"""
SETTLE = """
    UPDATE invitation SET settled_at = :now, outcome = :outcome, email = NULL, token_hash = NULL
    WHERE organisation_id = :org AND {which} AND settled_at IS NULL
"""
LATEST = """
    SELECT email, created_at, settled_at, outcome FROM invitation
    WHERE organisation_id = :org AND person_id = :person ORDER BY id DESC LIMIT 1
"""
HOLDER = "SELECT name FROM person WHERE organisation_id = :org AND account_id = :account AND id <> :id"


def invite(step: Step, person_id: UUID, email: str, token_hash: bytes, life: timedelta, by: By) -> None:
    """Ask for consent; a link made before ends. Raises NotFound, Refused (they have left, sign in already, or the address
    waits for somebody else here)."""
    person = _person(step, person_id)
    if person.left_at is not None:
        raise Refused(f"{person.name} has left. Bring them back first.")
    if person.account_id is not None:
        raise Refused(f"{person.name} signs in already. Take that sign-in away first.")
    if other := step.one(TAKEN, id=person_id, email=email):
        raise Refused(f"This address is invited as {other.name} here already.")
    _settle_of(step, person_id, InvitationOutcome.withdrawn)
    made = step.run(
        OPEN,
        person=person_id,
        email=email,
        hash=token_hash,
        expires=step.now + life,
        inviter=by.person_id,
        now=step.now,
    )
    if not made:
        raise Refused("This address was invited as somebody else here a moment ago.")
    record.note(step, by, What.person_invited, person_id, after=record.address("email", email))
    _changed(step)


def accept(step: Step, invitation_id: UUID, email: str, account_id: UUID) -> UUID:
    """From now on this account, which has the address, is the person, whose id comes back. Raises NotFound (it does not wait any
    more), Refused (they have left, or the account is somebody else here)."""
    person = _person(step, _waits(step, invitation_id, email))
    if person.left_at is not None:
        raise Refused(f"{person.name} has left this organisation.")
    if other := step.one(HOLDER, id=person.id, account=account_id):
        raise Refused(f"You are {other.name} here already.")
    if not _settle(step, invitation_id, InvitationOutcome.accepted):
        raise NotFound("This invitation does not wait any more.")
    step.run(
        "UPDATE person SET account_id = :account WHERE organisation_id = :org AND id = :id",
        account=account_id,
        id=person.id,
    )
    record.note(step, By(Who.person, person.id), What.person_joined, person.id)
    _changed(step)
    joined: UUID = person.id
    return joined


def decline(step: Step, invitation_id: UUID, email: str) -> None:
    """No. The record says only that. Raises NotFound (it does not wait any more)."""
    person_id = _waits(step, invitation_id, email)
    if not _settle(step, invitation_id, InvitationOutcome.declined):
        raise NotFound("This invitation does not wait any more.")
    record.note(step, LINK, What.person_declined, person_id)
    _changed(step)


def withdraw(step: Step, person_id: UUID, by: By) -> bool:
    """Take back what waits for this person; whether anything did."""
    taken = _settle_of(step, person_id, InvitationOutcome.withdrawn)
    if taken:
        record.note(step, by, What.person_uninvited, person_id)
        _changed(step)
    return taken


def latest(step: Step, person_id: UUID) -> Any:
    """The newest invitation of a person (email, created_at, settled_at, outcome), or None."""
    return step.one(LATEST, person=person_id)


def _person(step: Step, person_id: UUID) -> Any:
    row = step.one(PERSON, id=person_id)
    if row is None:
        raise NotFound("There is nobody like that here.")
    return row


def _waits(step: Step, invitation_id: UUID, email: str) -> UUID:
    row = step.one(WAITS, id=invitation_id, email=email)
    if row is None:
        raise NotFound("This invitation does not wait any more.")
    person_id: UUID = row.person_id
    return person_id


def _settle(step: Step, invitation_id: UUID, outcome: InvitationOutcome) -> bool:
    return bool(step.run(SETTLE.format(which="id = :id"), id=invitation_id, outcome=outcome, now=step.now))


def _settle_of(step: Step, person_id: UUID, outcome: InvitationOutcome) -> bool:
    return bool(step.run(SETTLE.format(which="person_id = :id"), id=person_id, outcome=outcome, now=step.now))


def _changed(step: Step) -> None:
    step.news.append(Changed(step.organisation_id, "people"))
