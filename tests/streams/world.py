"""People whose inboxes change, as the pipeline changes them: the counter first, all in one transaction, announced after
the commit. The announcements are kept, to be delivered, lost, doubled or late as a test likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import redis
from flask import Flask
from sqlalchemy import Connection, text

from notify_app.ids import new_id
from notify_app.live.announce import Frame, News, Spread, _messages, publish
from notify_app.live.stream import Reader, reader_of
from notify_app.secrets import Secrets
from tests.builders import Builder, Organisation, Person

RAISE = """
    INSERT INTO inbox_counter (organisation_id, person_id, seq)
    SELECT p.organisation_id, p.id, :by FROM person p WHERE p.id = ANY(:people) ORDER BY p.id
    ON CONFLICT (organisation_id, person_id) DO UPDATE SET seq = inbox_counter.seq + :by RETURNING person_id, seq
"""
UNREAD = (
    "SELECT count(*) FROM notification WHERE person_id = :person AND read_at IS NULL AND withdrawn_at IS NULL"
)
LINE = """
    WITH event AS (
        INSERT INTO event (organisation_id, id, name, priority, category, payload, occurred_at)
        VALUES (:org, :event, 'general', 4, 'general', '{}', hub_now()) RETURNING id
    )
    INSERT INTO notification (organisation_id, id, event_id, person_id, name, category, priority, title, text, created_at,
                              seq, changed_seq)
    SELECT :org, :line, id, :person, 'general', 'assignment', 4, :title, 'Text', '2027-02-10T12:00:00Z', :seq, :seq FROM event
"""
MARK = {
    event: f"UPDATE notification SET {change}, changed_seq = :seq WHERE id = ANY(:ids)"
    for event, change in {
        "read": "read_at = hub_now()",
        "unread": "read_at = NULL",
        "withdrawn": "withdrawn_at = hub_now()",
    }.items()
}


@dataclass
class Member:
    """An account, its session (with the token that its cookie carries), and its people."""

    account_id: UUID
    session_id: UUID
    token: str
    people: list[Person]
    reader: Reader


@dataclass
class World:
    """`air` holds the messages that were announced and not yet heard; with `valkey` they are published instead."""

    build: Builder
    air: list[bytes] = field(default_factory=list)
    valkey: redis.Redis | None = None

    # --- who is there ----------------------------------------------------------------------------------------------

    def organisation(self, slug: str) -> Organisation:
        return self.build.organisation(slug)

    def member(self, name: str, *organisations: Organisation, role: str = "technician") -> Member:
        """An account that is a person in each of these organisations, and is signed in."""
        account = self.build.account(f"{name}@example.com", name)
        people = [
            self.build.person(one, None, name, role=role, name=name, account_id=account)
            for one in organisations
        ]
        session, token = new_id(), f"token of {name}"
        self.build.run(
            "INSERT INTO account_session (id, account_id, token_hash, expires_at) "
            "VALUES (:id, :account, :hash, hub_now() + interval '1 day')",
            id=session,
            account=account,
            hash=Secrets.hash_token(token),
        )
        named = {
            person.id: (one.id, one.name, role) for person, one in zip(people, organisations, strict=True)
        }
        return Member(account, session, token, people, reader_of(account, session, named))

    def cookie(self, app: Flask, member: Member) -> str:
        """The cookie of the browser that is signed in."""
        signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
        return (
            f"{app.config['SESSION_COOKIE_NAME']}={signer.dumps({'_user_id': member.token, '_fresh': True})}"
        )

    # --- what changes ----------------------------------------------------------------------------------------------

    def put(self, person: Person, *titles: str) -> list[UUID]:
        """New lines for one person, in one transaction."""
        with self.build._owner.begin() as conn:
            first = _raised(conn, [person], len(titles))[person.id] - len(titles) + 1
            told = [
                (seq, "notification", _insert(conn, person, title, seq))
                for seq, title in enumerate(titles, first)
            ]
            unread = _unread(conn, person)
        self._announce([Frame(person.id, seq, event, data | {"unread": unread}) for seq, event, data in told])
        return [UUID(data["id"]) for _, _, data in told]

    def mark(self, person: Person, event: str, lines: Sequence[UUID]) -> None:
        """Lines become `read`, `unread` or `withdrawn`."""
        with self.build._owner.begin() as conn:
            seq = _raised(conn, [person], 1)[person.id]
            conn.execute(text(MARK[event]), {"seq": seq, "ids": list(lines)})
            data = {"ids": [str(one) for one in lines], "unread": _unread(conn, person)}
        self._announce([Frame(person.id, seq, event, data | ({"all": False} if event == "read" else {}))])

    def spread(self, people: Sequence[Person], title: str) -> list[UUID]:
        """One message to many people of one organisation."""
        with self.build._owner.begin() as conn:
            seqs = _raised(conn, people, 1)
            data = [_insert(conn, one, title, seqs[one.id]) for one in people]
        lines = [UUID(one["id"]) for one in data]
        shared = {name: value for name, value in data[0].items() if name not in ("id", "url")}
        told = [(one.id, seqs[one.id], line) for one, line in zip(people, lines, strict=True)]
        self._announce([Spread(people[0].organisation_id, "notification", shared, told)])
        return lines

    def _announce(self, news: Sequence[News]) -> None:
        if self.valkey is not None:
            publish(self.valkey, news)
        else:
            self.air += [message.encode() for _, message in _messages(news)]

    # --- what is true ----------------------------------------------------------------------------------------------

    def inbox(self, member: Member) -> dict[str, bool]:
        """The lines of all of an account's people that are not withdrawn, and whether each is read."""
        rows = self.build.all(
            "SELECT id, read_at FROM notification WHERE person_id = ANY(:people) AND withdrawn_at IS NULL",
            people=[one.id for one in member.people],
        )
        return {str(row.id): row.read_at is not None for row in rows}


def _raised(conn: Connection, people: Sequence[Person], by: int) -> dict[UUID, int]:
    rows = conn.execute(text(RAISE), {"people": [one.id for one in people], "by": by})
    return {row.person_id: row.seq for row in rows}


def _unread(conn: Connection, person: Person) -> int:
    return conn.execute(text(UNREAD), {"person": person.id}).scalar_one()


def _insert(conn: Connection, person: Person, title: str, seq: int) -> dict[str, Any]:
    """A line, and what a page is told of it."""
    ids = {"line": new_id(), "event": new_id()}
    conn.execute(
        text(LINE),
        {
            **ids,
            "org": person.organisation_id,
            "person": person.id,
            "title": title,
            "seq": seq,
        },
    )
    return {
        "id": str(ids["line"]),
        "title": title,
        "text": "Text",
        "priority": "low",
        "category": "assignment",
        "url": f"/inbox/{ids['line']}",
        "action_url": "",
        "created_at": "2027-02-10T12:00:00+00:00",
        "read": False,
    }
