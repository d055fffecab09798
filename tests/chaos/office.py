"""An organisation for one kill test, what its systems report, and who must have heard of what in the end.

Every office has its own slug, addresses and numbers: several share one running product, and what reached a stub
is told apart by them.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

from notify_app.ids import new_id
from notify_app.pipeline.ingest import secret_name
from notify_app.secrets import Secrets
from tests.builders import AT_ONCE, new_secret
from tests.chaos.database import Database

TECHNICIANS, CUSTOMERS = 6, 10
_numbers, _offices = count(1000), count(1)


@dataclass(frozen=True)
class Tell:
    """One person hears of one event: one line in the inbox, and a message on each of these channels."""

    event: str
    person: str
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Post:
    """One webhook. `tells` is all that must come of it."""

    id: str
    type: str
    data: Mapping[str, Any]
    tells: tuple[Tell, ...]

    def body(self) -> bytes:
        """As it is sent the first time; a retry sends the same bytes again."""
        told = {"type": self.type, "timestamp": datetime.now(UTC).isoformat(), "data": self.data}
        return json.dumps(told).encode()


Chain = tuple[Post, ...]  # one after the other: they are about the same thing


@dataclass
class Office:
    """The organisation, its source, its people by key with their addresses."""

    id: UUID
    slug: str
    secret: str
    people: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def open(cls, database: Database, secret_key: str) -> Office:
        """A new one, with technicians and customers who have an email address and a telephone each."""
        office = cls(new_id(), f"shop-{next(_offices)}", new_secret())
        database.run(
            "INSERT INTO organisation (id, slug, name, zone, branding, settings) "
            "VALUES (%(id)s, %(slug)s, %(slug)s, 'UTC', %(look)s, %(settings)s)",
            id=office.id,
            slug=office.slug,
            settings=json.dumps(AT_ONCE),  # each message is counted by itself
            look=json.dumps({"sender_address": f"hello@{office.slug}.example.com"}),
        )
        database.run(
            "INSERT INTO source (organisation_id, id, slug, name, secret) VALUES (%(org)s, %(id)s, %(slug)s, %(slug)s, %(secret)s)",
            org=office.id,
            id=(source := new_id()),
            slug=office.slug,
            secret=Secrets(secret_key).seal(office.secret, secret_name(office.slug)),
        )
        for role, key in [
            *(("technician", f"tech{number}") for number in range(TECHNICIANS)),
            *(("contact", f"cust{number}") for number in range(CUSTOMERS)),
        ]:
            office._person(database, source, role, key)
        return office

    def _person(self, database: Database, source: UUID, role: str, key: str) -> None:
        person = new_id()
        addresses = {"email": f"{key}@{self.slug}.example.com", "sms": f"+1202555{next(_numbers)}"}
        self.people[key] = addresses
        database.run(
            "INSERT INTO person (organisation_id, id, source_id, external_id, name, role) "
            "VALUES (%(org)s, %(id)s, %(source)s, %(key)s, %(name)s, %(role)s)",
            org=self.id,
            id=person,
            source=source,
            key=key,
            name=key.title(),
            role=role,
        )
        for channel, value in addresses.items():
            database.run(
                "INSERT INTO address (organisation_id, person_id, channel, value) VALUES (%(org)s, %(person)s, %(channel)s, %(value)s)",
                org=self.id,
                person=person,
                channel=channel,
                value=value,
            )

    # --- what its systems report -----------------------------------------------------------------------------------

    def chains(self, events: int) -> list[Chain]:
        """So many webhooks: of each ten, three repairs' worth of three steps and one of another kind."""
        made: list[Chain] = []
        number = 0
        while (left := events - sum(len(chain) for chain in made)) > 0:
            number += 1
            if left >= 3 and number % 4:
                made.append(self.repair(number))
            else:
                made.append(self.reward(number) if number % 8 else self.question(number))
        random.Random(events).shuffle(made)
        return made

    def repair(self, number: int) -> Chain:
        """Approved, begun and done: the technician hears twice of the first, the customer of the others."""
        technician, customer = f"tech{number % TECHNICIANS}", f"cust{number % CUSTOMERS}"
        facts = {"id": f"r{number}", "number": f"R-{number}", "vehicle": "2021 Subaru Outback"}
        people = {"customer": {"id": customer}, "technician": {"id": technician}}
        approved = (
            Tell("repair_approved", technician, ("sms", "email")),
            Tell("repair_assigned", technician, ("sms",)),
        )
        return (
            Post(
                f"{self.slug}-r{number}-1",
                "repair.upsert",
                {**facts, **people, "status": "approved"},
                approved,
            ),
            Post(
                f"{self.slug}-r{number}-2",
                "repair.upsert",
                {**facts, "status": "in_progress"},
                (Tell("repair_in_progress", customer, ("email",)),),
            ),
            Post(
                f"{self.slug}-r{number}-3",
                "repair.upsert",
                {**facts, "status": "completed"},
                (Tell("repair_completed", customer, ("sms",)),),
            ),
        )

    def question(self, number: int) -> Chain:
        """A repair that waits for its customer."""
        customer = f"cust{number % CUSTOMERS}"
        facts = {"id": f"q{number}", "number": f"Q-{number}", "customer": {"id": customer}}
        tells = (Tell("repair_pending_approval", customer, ("sms",)),)
        return (Post(f"{self.slug}-q{number}", "repair.upsert", {**facts, "status": "pending"}, tells),)

    def reward(self, number: int) -> Chain:
        technician = f"tech{number % TECHNICIANS}"
        data = {
            "technician": {"id": technician},
            "reward": f"Wiper blades {number}",
            "points": number,
            "redeemed_by": "Dana Whitfield",
            "redeemed_at": "2026-11-22T12:00:00Z",
        }
        tells = (Tell("reward", technician, ("email",)),)
        return (Post(f"{self.slug}-w{number}", "reward.redeemed", data, tells),)

    def announcement(self, database: Database, crowd: int) -> Post:
        """Something to say to everybody, after so many people more, with an email address each, have come."""
        rows = database.all(
            "INSERT INTO person (organisation_id, external_id, name, role) "
            "SELECT %(org)s, 'many' || n, 'Many ' || n, 'contact' FROM generate_series(1, %(crowd)s) AS n RETURNING id, external_id",
            org=self.id,
            crowd=crowd,
        )
        database.run(
            "INSERT INTO address (organisation_id, person_id, channel, value) "
            "SELECT organisation_id, id, 'email', external_id || %(at)s FROM person WHERE organisation_id = %(org)s AND id = ANY(%(ids)s)",
            org=self.id,
            at=f"@{self.slug}.example.com",
            ids=[row.id for row in rows],
        )
        for row in rows:
            self.people[row.external_id] = {"email": f"{row.external_id}@{self.slug}.example.com", "sms": ""}
        data = {
            "title": "The shop closes at noon",
            "message": "Open again on Monday.",
            "audience": {"everyone": True},
        }
        tells = tuple(Tell("announcement", person, ("email",)) for person in self.people)
        return Post(f"{self.slug}-many", "announcement.send", data, tells)


def lines(posts: list[Post]) -> Counter[tuple[str, str, str]]:
    """The inbox lines that must exist: (message, event, person)."""
    return Counter((post.id, tell.event, tell.person) for post, tell in _tells(posts))


def messages(posts: list[Post]) -> Counter[tuple[str, str, str, str]]:
    """The deliveries that must exist: (message, event, person, channel)."""
    return Counter(
        (post.id, tell.event, tell.person, channel)
        for post, tell in _tells(posts)
        for channel in tell.channels
    )


def _tells(posts: list[Post]) -> Iterator[tuple[Post, Tell]]:
    return ((post, tell) for post in posts for tell in post.tells)
