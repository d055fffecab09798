"""Devices that people let show pushes: a browser that asks once, in all organisations of its account, and forgets with it.

A browser has one subscription, whoever sits before it: when somebody else switches it on, it is theirs alone from then on.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection

from notify_app.channels.push import PUSH, address_of
from notify_app.pipeline import sql
from notify_app.pipeline.step import Step, step
from notify_app.work import record
from notify_app.work.record import By, What, Who

__all__ = ["MOST", "allow", "bring", "known", "pretend", "remove"]

CHANNEL = PUSH.name
MOST = 10  # devices of one person; the oldest goes
ADD = """
    INSERT INTO address (organisation_id, person_id, channel, value) VALUES (:org, :me, :channel, :value)
    ON CONFLICT ON CONSTRAINT uq_address_value DO NOTHING
"""
TAKE_AWAY = """
    DELETE FROM address WHERE organisation_id = :org AND channel = :channel AND starts_with(value, :prefix)
      AND (person_id, value) <> (:me, :value) RETURNING person_id, value
"""
TOO_MANY = """
    DELETE FROM address WHERE organisation_id = :org AND id IN (
        SELECT id FROM address WHERE organisation_id = :org AND person_id = :me AND channel = :channel
        ORDER BY created_at DESC, id DESC OFFSET :most) RETURNING value
"""
REMOVE = """
    DELETE FROM address WHERE organisation_id = :org AND person_id = :me AND channel = :channel
      AND starts_with(value, :prefix) RETURNING value
"""
MINE = "SELECT value FROM address WHERE organisation_id = :org AND person_id = :me AND channel = :channel"


def allow(conn: Connection, memberships: Iterable[Any], address: str, by: By) -> None:
    """Push to this browser what is told to any of these people, who are of one account, and to nobody else. `conn`
    (hub_engine) finds whom else it was of."""
    mine = {one.organisation_id: one.person_id for one in memberships}
    prefix = f"{address.split(' ', maxsplit=1)[0]} "
    others = conn.execute(sql.FIND_DEVICES, {"channel": CHANNEL, "prefix": prefix}).all()
    for organisation_id in {row.organisation_id for row in others} | mine.keys():
        with step(organisation_id) as work:
            _allow(work, mine.get(organisation_id), address, prefix, by)


def _allow(work: Step, me: UUID | None, address: str, prefix: str, by: By) -> None:
    for row in work.all(TAKE_AWAY, channel=CHANNEL, prefix=prefix, me=me or UUID(int=0), value=address):
        gone = record.address(CHANNEL, row.value)
        record.note(work, by, What.address_removed, row.person_id, before=gone)
    if me is None:
        return
    if work.run(ADD, me=me, channel=CHANNEL, value=address):
        record.note(work, by, What.address_added, me, after=record.address(CHANNEL, address))
    for row in work.all(TOO_MANY, me=me, channel=CHANNEL, most=MOST):
        record.note(work, by, What.address_removed, me, before=record.address(CHANNEL, row.value))


def bring(conn: Connection, work: Step, account_id: UUID, person_id: UUID) -> None:
    """Push to the devices of this account what is told to this person too, who is of it from now on. `conn` (hub_engine) finds
    them."""
    by = By(Who.person, person_id)
    for row in conn.execute(sql.ACCOUNT_DEVICES, {"account": account_id, "channel": CHANNEL}).all():
        if work.run(ADD, me=person_id, channel=CHANNEL, value=row.value):
            record.note(work, by, What.address_added, person_id, after=record.address(CHANNEL, row.value))


def remove(work: Step, person_id: UUID, endpoint: str, by: By) -> None:
    """This person's device with this endpoint has no pushes any more."""
    for row in work.all(REMOVE, me=person_id, channel=CHANNEL, prefix=f"{endpoint} "):
        record.note(work, by, What.address_removed, person_id, before=record.address(CHANNEL, row.value))


def known(work: Step, person_id: UUID) -> list[str]:
    """The endpoints of this person's devices, as a browser may compare them with its own: their SHA-256, in hex."""
    rows = work.all(MINE, me=person_id, channel=CHANNEL)
    return [hashlib.sha256(row.value.split(" ")[0].encode()).hexdigest() for row in rows]


def pretend(person_id: UUID) -> str:
    """The address of a device that is none, for where messages stay on this machine."""
    point = ec.derive_private_key(person_id.int % 2**120 + 1, ec.SECP256R1()).public_key()
    raw = point.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    key, secret = (base64.urlsafe_b64encode(one).decode() for one in (raw, person_id.bytes))
    return address_of(f"https://fcm.googleapis.com/pretended/{person_id.hex}", key, secret)
