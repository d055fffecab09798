"""An office of the demo before anything happens in it: its name and look, its people, the system that reports to it.

`furnish` writes them. Somebody who works in two offices is one account and two people, as everywhere in the hub.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from notify_app.config import Settings
from notify_app.demo.week import Week
from notify_app.ids import new_id
from notify_app.pipeline.ingest import secret_name
from notify_app.secrets import Secrets
from notify_app.web.identity import hash_password

__all__ = ["PASSWORD", "Furnished", "Office", "Somebody", "furnish", "half_made"]

PASSWORD = "demo"  # noqa: S105  (the demo's, printed on the sign-in page)


@dataclass(frozen=True)
class Somebody:
    """A person of an office. `id` is what the office's own system calls them; `sleeps` keeps quiet hours at night."""

    name: str
    role: str
    email: str
    phone: str
    grade: str = ""
    id: str = ""
    signs_in: bool = True
    sleeps: bool = False


@dataclass(frozen=True)
class Office:
    """An office: who is in it, and `week`, which writes down what happens there."""

    slug: str
    name: str
    domain: str
    zone: str
    address: str
    colour: str
    accent: str
    people: tuple[Somebody, ...]
    week: Callable[[Week], None]
    options: tuple[str, ...] = ()
    # what waits too long climbs its ladder; rules of its own: kind, type, step, ladder
    escalates: bool = False
    rules: tuple[tuple[str, str | None, str | None, Mapping[str, Any]], ...] = ()

    def first(self, role: str) -> Somebody:
        """The first person with this role."""
        return next(person for person in self.people if person.role == role)

    @property
    def branding(self) -> dict[str, str]:
        """How its messages look."""
        return {
            "company_name": self.name,
            "colour": self.colour,
            "accent": self.accent,
            "footer": f"{self.name}, {self.address}",
            "sender_name": self.name,
            "sender_address": f"hello@{self.slug}.example",
            "sms_sender": "",
        }


@dataclass(frozen=True)
class Furnished:
    """An office that is in the database: its ids, and those of its people with their roles, by name."""

    office: Office
    organisation_id: UUID
    source_id: UUID
    people: Mapping[str, tuple[UUID, str]]


def half_made(office: Office) -> str:
    """The name that an office bears until it is whole."""
    return f"{office.slug}-half-made"


def furnish(conn: Connection, offices: Iterable[Office], settings: Settings) -> list[Furnished]:
    """Write the offices with their people. Accounts that are there already keep their password."""
    password = hash_password(PASSWORD)
    return [_furnish(conn, office, settings, password) for office in offices]


def _furnish(conn: Connection, office: Office, settings: Settings, password: str) -> Furnished:
    organisation_id, source_id = new_id(), new_id()
    conn.execute(
        text(
            "INSERT INTO organisation (id, slug, name, zone, locale, currency, branding, settings) VALUES "
            "(:id, :slug, :name, :zone, 'en', 'USD', CAST(:branding AS jsonb), CAST(:settings AS jsonb))"
        ),
        {
            "id": organisation_id,
            "slug": half_made(office),
            "name": office.name,
            "zone": office.zone,
            "branding": json.dumps(office.branding),
            "settings": json.dumps({"options": list(office.options), "escalations_on": office.escalates}),
        },
    )
    for kind, sort, name, ladder in office.rules:
        conn.execute(
            text(
                "INSERT INTO escalation_rule (organisation_id, kind, sort, step, ladder) "
                "VALUES (:org, :kind, :sort, :step, CAST(:ladder AS jsonb))"
            ),
            {"org": organisation_id, "kind": kind, "sort": sort, "step": name, "ladder": json.dumps(ladder)},
        )
    conn.execute(
        text(
            "INSERT INTO source (organisation_id, id, slug, name, secret) VALUES (:org, :id, :slug, :name, :secret)"
        ),
        {
            "org": organisation_id,
            "id": source_id,
            "slug": office.slug,
            "name": f"{office.name}: {office.domain}",
            "secret": Secrets(settings.secret_key).seal(_secret(settings, office), secret_name(office.slug)),
        },
    )
    people = {
        person.name: (_person(conn, organisation_id, source_id, person, password), person.role)
        for person in office.people
    }
    return Furnished(office, organisation_id, source_id, people)


def _secret(settings: Settings, office: Office) -> str:
    """Differs between installations and offices, stays the same in one."""
    seed = f"demo{office.slug}{settings.secret_key}"
    return "whsec_" + base64.b64encode(hashlib.sha256(seed.encode()).digest()).decode()


def _person(
    conn: Connection, organisation_id: UUID, source_id: UUID, person: Somebody, password: str
) -> UUID:
    person_id = new_id()
    mine: dict[str, Any] = {"org": organisation_id, "person": person_id}
    conn.execute(
        text(
            "INSERT INTO person (organisation_id, id, account_id, source_id, external_id, name, role, grade) "
            "VALUES (:org, :person, :account, :source, :external, :name, :role, :grade)"
        ),
        mine
        | {
            "account": _account(conn, person, password) if person.signs_in else None,
            "source": source_id if person.id else None,
            "external": person.id or None,
            "name": person.name,
            "role": person.role,
            "grade": person.grade or None,
        },
    )
    reached = [("email", person.email), ("sms", person.phone)]
    conn.execute(
        text(
            "INSERT INTO address (organisation_id, person_id, channel, value, from_source) "
            "VALUES (:org, :person, :channel, :value, :given)"
        ),
        [
            mine | {"channel": channel, "value": value, "given": bool(person.id)}
            for channel, value in reached
            if value
        ],
    )
    if person.sleeps:
        conn.execute(
            text(
                "INSERT INTO preference (organisation_id, person_id, quiet_from, quiet_until) "
                "VALUES (:org, :person, '21:00', '07:00')"
            ),
            mine,
        )
    return person_id


def _account(conn: Connection, person: Somebody, password: str) -> UUID:
    values = {"id": new_id(), "email": person.email, "password": password, "name": person.name}
    conn.execute(
        text(
            "INSERT INTO account (id, email, password_hash, name) VALUES (:id, :email, :password, :name) "
            "ON CONFLICT (lower(email)) DO NOTHING"
        ),
        values,
    )
    found: UUID = conn.execute(
        text("SELECT id FROM account WHERE lower(email) = lower(:email)"), values
    ).scalar_one()
    return found
