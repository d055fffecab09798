"""Chats that people connect for themselves: a start link that works once, what they press and write there, and the end.

A person has one chat in an organisation; one chat may be of several people in several organisations. What comes in is done
in each of them, and doing it twice changes nothing, since Telegram sends again what it had no answer to.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from notify_app.channels.telegram import TELEGRAM
from notify_app.pipeline import sql
from notify_app.pipeline.step import Step, step
from notify_app.secrets import Secrets
from notify_app.work import record, replies
from notify_app.work.record import By, What, Who

__all__ = ["HELPS", "LIFE", "connect", "leave", "press", "pretend", "start_link"]

CHANNEL = TELEGRAM.name
LIFE = timedelta(minutes=15)
TOKEN_BYTES = 24
CONNECTED = "Connected. Messages of {company} for {name} come here from now on. Write /stop to end that."
USED = "This link was used already. Get a new one on your preferences page."
OLD = "This link is too old. Get a new one on your preferences page."
STRANGER = "Open your preferences page in the hub and choose Connect Telegram: its link begins this chat."
ENDED = "Nothing more is sent here. Your preferences page connects this chat again."
NOBODY = "This chat is not connected, so nothing is sent here."
HELPS = "Messages about your work come here. Press the button under a message to see to it, or write /stop for no more."
NOT_YOURS = "This message was not for you."

FORGET_LINKS = "DELETE FROM start_link WHERE organisation_id = :org AND person_id = :me AND chat IS NULL"
TAKE_LINK = "SELECT chat, expires_at FROM start_link WHERE organisation_id = :org AND id = :id FOR UPDATE"
USE_LINK = "UPDATE start_link SET chat = :chat WHERE organisation_id = :org AND id = :id"
OTHERS = """
    DELETE FROM address WHERE organisation_id = :org AND person_id = :me AND channel = :channel AND value <> :chat
    RETURNING value
"""
ADD = """
    INSERT INTO address (organisation_id, person_id, channel, value) VALUES (:org, :me, :channel, :chat)
    ON CONFLICT ON CONSTRAINT uq_address_value DO NOTHING
"""
REMOVE = """
    DELETE FROM address WHERE organisation_id = :org AND person_id = :me AND channel = :channel AND value = :chat
"""
CONNECTED_HERE = """
    SELECT 1 FROM address WHERE organisation_id = :org AND person_id = :me AND channel = :channel AND value = :chat
"""
WHO = """
    SELECT p.name, coalesce(nullif(o.branding ->> 'company_name', ''), o.name) AS company FROM person p
    JOIN organisation o ON o.id = p.organisation_id
    WHERE p.organisation_id = :org AND p.id = :me AND p.left_at IS NULL
"""
TOLD = "SELECT 1 FROM notification WHERE organisation_id = :org AND event_id = :event AND person_id = :me"


def start_link(work: Step, person_id: UUID) -> str:
    """The token of a new start link of this person; the one before is worth nothing any more."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    work.run(FORGET_LINKS, me=person_id)
    row = {"person_id": person_id, "token_hash": Secrets.hash_token(token), "expires_at": work.now + LIFE}
    work.insert("start_link", [row])
    return token


def connect(conn: Connection, token: str, chat: str) -> str:
    """Whoever has opened a start link in this chat is the one that it is of; what is said to them. `conn` (hub_engine)
    finds whose it is."""
    if not token:
        return HELPS if _whose(conn, chat) else STRANGER
    found = conn.execute(sql.FIND_START_LINK, {"hash": Secrets.hash_token(token[:64])}).one_or_none()
    if found is None:
        return OLD
    with step(found.organisation_id) as work:
        link = work.one(TAKE_LINK, id=found.id)
        who = work.one(WHO, me=found.person_id)
        if link is None or who is None or (link.chat is None and link.expires_at <= work.now):
            return OLD
        if link.chat is None:
            work.run(USE_LINK, id=found.id, chat=chat)
            _connect(work, found.person_id, chat)
        elif not work.one(CONNECTED_HERE, me=found.person_id, channel=CHANNEL, chat=chat):
            return USED  # by another chat, or by this one, which has left since
        return CONNECTED.format(company=who.company, name=who.name)


def _connect(work: Step, person_id: UUID, chat: str) -> None:
    by = By(Who.person, person_id)
    for row in work.all(OTHERS, me=person_id, channel=CHANNEL, chat=chat):
        record.note(work, by, What.address_removed, person_id, before=record.address(CHANNEL, row.value))
    if work.run(ADD, me=person_id, channel=CHANNEL, chat=chat):
        record.note(work, by, What.address_added, person_id, after=record.address(CHANNEL, chat))


def pretend(work: Step, person_id: UUID) -> None:
    """Where messages stay on this machine there is no bot to open: a chat that is none, so that they can be looked at."""
    _connect(work, person_id, str(1 + person_id.int % 10**10))


def leave(conn: Connection, chat: str) -> str:
    """Nobody is written to in this chat any more; what is said to them."""
    people = _whose(conn, chat)
    for row in people:
        with step(row.organisation_id) as work:
            if work.run(REMOVE, me=row.person_id, channel=CHANNEL, chat=chat):
                by = By(Who.person, row.person_id)
                before = record.address(CHANNEL, chat)
                record.note(work, by, What.address_removed, row.person_id, before=before)
    return ENDED if people else NOBODY


def press(conn: Connection, chat: str, event_id: UUID | None) -> str:
    """See to an event as from the inbox, if it was told to somebody whose chat this is; what is said of that."""
    if event_id is None:
        return NOT_YOURS
    for row in _whose(conn, chat):
        with step(row.organisation_id) as work:
            if work.one(TOLD, event=event_id, me=row.person_id):
                return replies.acknowledge(work, event_id, row.person_id)
    return NOT_YOURS


def _whose(conn: Connection, chat: str) -> Sequence[Any]:
    return conn.execute(sql.FIND_CHATS, {"channel": CHANNEL, "chat": chat}).all()
