"""Rows that a story starts from: organisations, sources, people. Written as the owner, past nobody's back."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import time
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from notify_app.ids import new_id
from notify_app.pipeline.ingest import secret_name
from notify_app.secrets import Secrets
from notify_app.web.identity import hash_password

PASSWORD = "open sesame, please"
# a story that is not about how often people are written to does not wait for it
AT_ONCE = {"burst_seconds": 0, "sms_an_hour": 0, "sms_a_day": 0, "email_an_hour": 0, "email_a_day": 0}


@cache
def _password_hash() -> str:
    """One hash for all accounts; needs the application's context the first time."""
    return hash_password(PASSWORD)


def new_secret() -> str:
    """As Standard Webhooks writes one: 24 random bytes."""
    return "whsec_" + base64.b64encode(os.urandom(24)).decode()


@dataclass(frozen=True)
class Organisation:
    id: UUID
    slug: str
    name: str
    zone: str


@dataclass(frozen=True)
class Source:
    id: UUID
    slug: str
    secret: str


@dataclass(frozen=True)
class Person:
    """`key` is the source's id for them; `login` the address they sign in with, '' when they do not."""

    id: UUID
    key: str
    name: str
    role: str
    organisation_id: UUID
    login: str = ""
    account_id: UUID | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)


class Builder:
    """Inserts; each method returns a value that a story can hold."""

    def __init__(self, owner: Engine, secret_key: str) -> None:
        self._owner = owner
        self._secrets = Secrets(secret_key)
        self._password_hash = _password_hash()

    def organisation(
        self,
        slug: str,
        *,
        name: str = "",
        zone: str = "UTC",
        branding: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        currency: str = "USD",
    ) -> Organisation:
        """An office without bursts and limits, unless its own `settings` are given ({} is what a new office has)."""
        made = Organisation(new_id(), slug, name or slug.title(), zone)
        look = {"sender_address": f"hello@{slug}.example.com", **(branding or {})}
        self.insert(
            "organisation",
            id=made.id,
            slug=slug,
            name=made.name,
            zone=zone,
            currency=currency,
            branding=json.dumps(look),
            settings=json.dumps(AT_ONCE if settings is None else settings),
        )
        return made

    def source(self, organisation: Organisation, slug: str) -> Source:
        made = Source(new_id(), slug, new_secret())
        self.insert(
            "source",
            organisation_id=organisation.id,
            id=made.id,
            slug=slug,
            name=slug.title(),
            secret=self._secrets.seal(made.secret, secret_name(slug)),
        )
        return made

    def roll_secret(self, source: Source, *, hours: float) -> Source:
        """A new secret; the one before it is taken for so many hours more."""
        new = Source(source.id, source.slug, new_secret())
        self.run(
            "UPDATE source SET previous_secret = secret, previous_until = hub_now() + make_interval(secs => :seconds), "
            "secret = :secret WHERE id = :id",
            id=source.id,
            secret=self._secrets.seal(new.secret, secret_name(source.slug)),
            seconds=hours * 3600,
        )
        return new

    def account(self, email: str, name: str) -> UUID:
        account_id = new_id()
        self.insert("account", id=account_id, email=email, name=name, password_hash=self._password_hash)
        return account_id

    def person(
        self,
        organisation: Organisation,
        source: Source | None,
        key: str,
        *,
        role: str = "technician",
        name: str = "",
        email: str | None = None,
        sms: str | None = None,
        zone: str | None = None,
        grade: str | None = None,
        login: str = "",
        account_id: UUID | None = None,
    ) -> Person:
        if login and account_id is None:
            account_id = self.account(login, name or key.title())
        addresses = {channel: value for channel, value in (("email", email), ("sms", sms)) if value}
        made = Person(new_id(), key, name or key.title(), role, organisation.id, login, account_id, addresses)
        self.insert(
            "person",
            organisation_id=organisation.id,
            id=made.id,
            account_id=account_id,
            source_id=source.id if source else None,
            external_id=key if source else None,
            name=made.name,
            role=role,
            grade=grade,
            zone=zone,
        )
        for channel, value in addresses.items():
            self.address(made, channel, value)
        return made

    def address(self, person: Person, channel: str, value: str, *, position: int = 0) -> None:
        keys = {"organisation_id": person.organisation_id, "person_id": person.id}
        self.insert("address", **keys, channel=channel, value=value, position=position)

    def quiet(self, person: Person, start: str, end: str, days: Iterable[int] = range(7)) -> None:
        self.insert(
            "preference",
            organisation_id=person.organisation_id,
            person_id=person.id,
            quiet_from=time.fromisoformat(start),
            quiet_until=time.fromisoformat(end),
            quiet_days=list(days),
        )

    def digest(self, person: Person, *categories: str) -> None:
        """Which categories come in a digest; whether and when one comes is chosen on the page."""
        for one in categories:
            self.choose(person, f"category:{one}", "digest", True)

    def choose(self, person: Person, scope: str, channel: str, enabled: bool) -> None:
        keys = {"organisation_id": person.organisation_id, "person_id": person.id}
        self.insert("preference_choice", **keys, scope=scope, channel=channel, enabled=enabled)

    def suppress(
        self, organisation: Organisation, channel: str, value: str, reason: str = "it asked for no more"
    ) -> None:
        self.insert(
            "suppression", organisation_id=organisation.id, channel=channel, value=value, reason=reason
        )

    def template(self, organisation: Organisation, event: str, **fields: Any) -> None:
        self.insert("template", organisation_id=organisation.id, event=event, **fields)

    # --- plain statements ------------------------------------------------------------------------------------------

    def insert(self, table: str, **columns: Any) -> None:
        names = ", ".join(columns)
        holes = ", ".join(f":{name}" for name in columns)
        self.run(f"INSERT INTO {table} ({names}) VALUES ({holes})", **columns)

    def run(self, statement: str, **values: Any) -> int:
        with self._owner.begin() as conn:
            return conn.execute(text(statement), values).rowcount

    def all(self, statement: str, **values: Any) -> list[Any]:
        with self._owner.connect() as conn:
            return list(conn.execute(text(statement), values))

    def one(self, statement: str, **values: Any) -> Any:
        rows = self.all(statement, **values)
        assert len(rows) == 1, f"{len(rows)} rows, not one: {statement} {values}"
        return rows[0]
