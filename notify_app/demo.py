"""The demo office: a windshield shop with people, a week of repairs, and what they were told.

It is made by the one path itself, with the hub's clock set back a week and let run forward: signed webhooks are
accepted, taken, routed and delivered as ever. `fill` does nothing where the demo office exists already.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import Connection, Engine, create_engine, delete, text

from notify_app import clock, tenancy
from notify_app.channels.base import Channel
from notify_app.channels.local import LocalEmail, LocalSms
from notify_app.config import Settings
from notify_app.ids import new_id
from notify_app.models import Base
from notify_app.pipeline import inbox, ingest, signature, take
from notify_app.pipeline.deliver import Deliverer
from notify_app.pipeline.route import Origin, route
from notify_app.pipeline.sources import secret_name
from notify_app.pipeline.step import step
from notify_app.queue import BULK, URGENT
from notify_app.secrets import Secrets
from notify_app.web.identity import hash_password
from notify_app.work import apply

__all__ = ["PASSWORD", "SOURCE", "fill", "sign_ins"]

PASSWORD = "demo"  # noqa: S105  (the demo's, printed on the sign-in page)
SOURCE = SLUG = "evergreen"
# the office bears this name until it is whole, so that a start that was stopped is begun again
HALF_MADE = "evergreen-half-made"
WEEK = timedelta(days=7)

# (name, role, account, email, phone); numbers of the form 555-01xx are not valid, these are
STAFF = (
    ("Alice Moreno", "manager", "alice@evergreen.example", "+12065552610"),
    ("Henry Osei", "administrator", "henry@evergreen.example", "+12065552611"),
    ("Marco Reyes", "technician", "marco@evergreen.example", "+12065552671"),
    ("Priya Natarajan", "technician", "priya@evergreen.example", "+12065552672"),
    ("Tom Lindqvist", "technician", "tom@evergreen.example", "+12065552673"),
    ("Dana Whitfield", "contact", "dana@whitfield.example", "+13605552671"),
)
EXTERNAL = {"Marco Reyes": "T-1", "Priya Natarajan": "T-2", "Tom Lindqvist": "T-3", "Dana Whitfield": "C-1"}
CUSTOMERS: tuple[dict[str, str], ...] = (
    {"id": "C-1", "name": "Dana Whitfield", "email": "dana@whitfield.example", "phone": "+13605552671"},
    {
        "id": "C-2",
        "name": "Harbor Courier Co.",
        "email": "fleet@harborcourier.example",
        "phone": "+12065552680",
    },
    {"id": "C-3", "name": "Luis Ferreira", "phone": "+14255552691"},
    {"id": "C-4", "name": "Grace Okafor", "email": "grace.okafor@mail.example"},
    {"id": "C-5", "name": "Skagit Dairy", "email": "office@skagitdairy.example", "phone": "+13605552644"},
    {"id": "C-6", "name": "Noah Petersen", "email": "noah@petersen.example", "phone": "12345"},
)
VEHICLES = (
    "2021 Subaru Outback", "2019 Ford Transit", "2017 Toyota Tacoma", "2022 Honda CR-V", "2020 Kia Soul",
    "2018 Ram ProMaster", "2023 Tesla Model Y", "2016 Volvo XC70", "2021 Chevrolet Bolt", "2015 Jeep Wrangler",
)  # fmt: skip
DAMAGE = (
    "chip, driver's side", "crack, 30 cm, lower edge", "star break in the line of sight", "two chips, passenger side",
    "edge crack, top left", "bull's eye, centre", "stone chip behind the mirror",
)  # fmt: skip
PLACES = (
    "418 Alder Street, Bellingham", "Pier 4, Harbor Courier yard", "1200 Chuckanut Drive", "Shop, bay 2",
    "77 Fairhaven Avenue", "Skagit Dairy, milk hall car park",
)  # fmt: skip


def fill(app: Flask, say: Callable[[str], None]) -> bool:
    """Make the demo office; False if it was there. `say` gets a line for each step."""
    settings: Settings = app.extensions["hub"]
    owner = create_engine(settings.database_owner_url)
    try:
        return _fill(owner, settings, say)
    finally:
        owner.dispose()


def _fill(owner: Engine, settings: Settings, say: Callable[[str], None]) -> bool:
    with owner.begin() as conn:
        if conn.execute(text("SELECT 1 FROM organisation WHERE slug = :slug"), {"slug": SLUG}).one_or_none():
            return False
        _clear(conn)  # what a start that was stopped half way has left
        conn.execute(text("UPDATE hub_clock SET ahead = :ahead"), {"ahead": -WEEK})
        organisation_id = _office(conn, settings)
    say("people of Evergreen Auto Glass")
    story = _Story(organisation_id, owner, settings)
    try:
        story.play(say)
    finally:
        with owner.begin() as conn:
            clock.reset(conn)
        story.close()
    with owner.begin() as conn:
        values = {"slug": SLUG, "half": HALF_MADE}
        conn.execute(text("UPDATE organisation SET slug = :slug WHERE slug = :half"), values)
    return True


def _clear(conn: Connection) -> None:
    clock.reset(conn)
    row = conn.execute(
        text("SELECT id FROM organisation WHERE slug = :half"), {"half": HALF_MADE}
    ).one_or_none()
    if row is None:
        return
    for table in reversed(Base.metadata.sorted_tables):
        if "organisation_id" in table.columns:
            conn.execute(delete(table).where(table.c.organisation_id == row.id))
    conn.execute(text("DELETE FROM organisation WHERE id = :id"), {"id": row.id})
    conn.execute(
        text("DELETE FROM account WHERE email = ANY(:emails)"),
        {"emails": [email for _, _, email, _ in STAFF]},
    )


def sign_ins() -> Iterator[str]:
    """The lines that tell how to sign in."""
    titles = {
        "manager": "office",
        "administrator": "administrator",
        "technician": "technician",
        "contact": "customer",
    }
    yield f"Sign in with the password '{PASSWORD}':"
    for name, role, email, _ in STAFF:
        yield f"  {email:<28} {name}, {titles[role]}"


def _office(conn: Connection, settings: Settings) -> UUID:
    organisation_id, source_id = new_id(), new_id()
    branding = {
        "company_name": "Evergreen Auto Glass",
        "colour": "#14532d",
        "accent": "#15803d",
        "footer": "Evergreen Auto Glass, 2100 Railroad Avenue, Bellingham WA 98225",
        "sender_name": "Evergreen Auto Glass",
        "sender_address": "hello@evergreen.example",
        "sms_sender": "",
    }
    conn.execute(
        text(
            "INSERT INTO organisation (id, slug, name, zone, locale, currency, branding) VALUES "
            "(:id, :slug, 'Evergreen Auto Glass', 'America/Los_Angeles', 'en', 'USD', CAST(:branding AS jsonb))"
        ),
        {"id": organisation_id, "slug": HALF_MADE, "branding": json.dumps(branding)},
    )
    conn.execute(
        text(
            "INSERT INTO source (organisation_id, id, slug, name, secret) "
            "VALUES (:org, :id, :slug, 'Evergreen shop system', :secret)"
        ),
        {
            "org": organisation_id,
            "id": source_id,
            "slug": SOURCE,
            "secret": Secrets(settings.secret_key).seal(_secret(settings), secret_name(SOURCE)),
        },
    )
    password = hash_password(PASSWORD)
    for name, role, email, phone in STAFF:
        _person(conn, organisation_id, source_id, name, role, email, phone, password)
    conn.execute(
        text(
            "INSERT INTO preference (organisation_id, person_id, quiet_from, quiet_until) "
            "SELECT organisation_id, id, time '21:00', time '07:00' FROM person WHERE name IN ('Marco Reyes', 'Dana Whitfield')"
        )
    )
    return organisation_id


def _secret(settings: Settings) -> str:
    """Differs between installations, stays the same in one."""
    return (
        "whsec_" + base64.b64encode(hashlib.sha256(b"demo" + settings.secret_key.encode()).digest()).decode()
    )


def _person(
    conn: Connection,
    organisation_id: UUID,
    source_id: UUID,
    name: str,
    role: str,
    email: str,
    phone: str,
    password: str,
) -> None:
    account_id, person_id, external = new_id(), new_id(), EXTERNAL.get(name)
    conn.execute(
        text("INSERT INTO account (id, email, password_hash, name) VALUES (:id, :email, :password, :name)"),
        {"id": account_id, "email": email, "password": password, "name": name},
    )
    conn.execute(
        text(
            "INSERT INTO person (organisation_id, id, account_id, source_id, external_id, name, role, grade) "
            "VALUES (:org, :id, :account, :source, :external, :name, :role, :grade)"
        ),
        {
            "org": organisation_id,
            "id": person_id,
            "account": account_id,
            "source": source_id if external else None,
            "external": external,
            "name": name,
            "role": role,
            "grade": {"administrator": "A", "manager": "B"}.get(role),
        },
    )
    for channel, value in (("email", email), ("sms", phone)):
        conn.execute(
            text(
                "INSERT INTO address (organisation_id, person_id, channel, value) VALUES (:org, :person, :channel, :value)"
            ),
            {"org": organisation_id, "person": person_id, "channel": channel, "value": value},
        )


class _Story:
    """A week at the shop. Every message enters as a webhook's data and leaves at the local outbox."""

    def __init__(self, organisation_id: UUID, owner: Any, settings: Settings) -> None:
        self._organisation_id, self._owner = organisation_id, owner
        self._secret = _secret(settings)
        self._rng = random.Random(20261122)  # believable, and the same for everybody
        channels: dict[str, Channel] = {"email": LocalEmail(allow_test_domains=True), "sms": LocalSms()}
        self._deliverer = Deliverer(channels, threads=4, lease=settings.lease, rng=self._rng)
        self._count = 0

    def close(self) -> None:
        self._deliverer.close()

    def play(self, say: Callable[[str], None]) -> None:
        with self._owner.connect() as conn:
            start = clock.now(conn)
        for day in range(7):
            self._day(start + timedelta(days=day), day)
            say(f"day {day + 1} of 7: {self._count} messages from the shop's system")
        self._last_hour()
        say("the last hour, and who has read what")

    def _at(self, moment: datetime) -> None:
        with self._owner.begin() as conn:
            conn.execute(text("UPDATE hub_clock SET ahead = :moment - clock_timestamp()"), {"moment": moment})

    def _hook(self, kind: str, **data: Any) -> None:
        self._count += 1
        with self._owner.connect() as conn:
            now = clock.now(conn)
        body = json.dumps({"type": kind, "timestamp": now.isoformat(), "data": data}).encode()
        real = datetime.now(UTC)
        ingest.accept(
            SOURCE, signature.sign(self._secret, f"demo-{self._count}", real, body), body, real.timestamp()
        )
        self._work()

    def _work(self) -> None:
        take.drain(10)
        for name in (URGENT, BULK):
            self._deliverer.drain(name, 10)

    def _day(self, morning: datetime, day: int) -> None:
        for n in range(3):
            number = f"R-{1001 + day * 3 + n}"
            base = morning + timedelta(hours=n * 2, minutes=self._rng.randint(1, 50))
            self._repair(number, base, finish=day < 6)

    def _repair(self, number: str, base: datetime, *, finish: bool) -> None:
        rng = self._rng
        customer = rng.choice(CUSTOMERS)
        technician = {"id": rng.choice(("T-1", "T-2", "T-3"))}
        self._at(base)
        self._hook(
            "repair.upsert",
            id=number,
            status="pending",
            vehicle=rng.choice(VEHICLES),
            damage=rng.choice(DAMAGE),
            location=rng.choice(PLACES),
            price=str(rng.choice(("89.00", "149.50", "210.00", "349.00"))),
            scheduled_at=(base + timedelta(days=1, hours=3))
            .replace(minute=0, second=0, microsecond=0)
            .isoformat(),
            customer=customer,
        )
        if not finish:
            return
        self._at(base + timedelta(minutes=25))
        if rng.random() < 0.15:
            self._hook(
                "repair.upsert",
                id=number,
                status="denied",
                reason="The customer will claim on insurance first.",
            )
            return
        self._hook("repair.upsert", id=number, status="approved", technician=technician)
        self._at(base + timedelta(hours=1, minutes=10))
        self._hook("repair.upsert", id=number, status="in_progress")
        self._at(base + timedelta(hours=1, minutes=50))
        self._hook("repair.upsert", id=number, status="completed")

    def _last_hour(self) -> None:
        with self._owner.connect() as conn:
            real: datetime = conn.execute(text("SELECT clock_timestamp()")).scalar_one()
        self._at(real - timedelta(hours=26))
        self._read_what_is_old()
        self._at(real - timedelta(minutes=55))
        self._repair("R-1022", real - timedelta(minutes=55), finish=False)
        self._at(real - timedelta(minutes=40))
        self._hook("repair.upsert", id="R-1019", status="approved", technician={"id": "T-1"})
        self._at(real - timedelta(minutes=31))
        self._hook("repair.upsert", id="R-1020", status="approved")
        self._at(real - timedelta(minutes=18))
        self._hook("repair.upsert", id="R-1019", technician={"id": "T-2"})
        self._at(real - timedelta(minutes=9))
        self._hook(
            "reward.redeemed",
            technician={"id": "T-1"},
            reward="Free wiper blades",
            points=1200,
            redeemed_by="Dana Whitfield",
            redeemed_at=(real - timedelta(minutes=10)).isoformat(),
        )
        self._at(real - timedelta(minutes=4))
        self._office_starts("R-1019")

    def _read_what_is_old(self) -> None:
        """Most people have read most of it by now."""
        with step(self._organisation_id) as work:
            people = [
                row.id
                for row in work.all(
                    "SELECT id FROM person WHERE organisation_id = :org AND account_id IS NOT NULL"
                )
            ]
            for person_id in people:
                ids = work.all(
                    "SELECT id FROM notification WHERE organisation_id = :org AND person_id = :person",
                    person=person_id,
                )
                inbox.mark_read(work, person_id, [row.id for row in ids if self._rng.random() < 0.94])

    def _office_starts(self, external_id: str) -> None:
        with tenancy.scope(self._organisation_id), step(self._organisation_id) as work:
            item = work.one(
                "SELECT id FROM work_item WHERE organisation_id = :org AND external_id = :external",
                external=external_id,
            )
            alice = work.one("SELECT id FROM person WHERE organisation_id = :org AND name = 'Alice Moreno'")
            applied = apply.act(work, item.id, "start", {}, apply.Actor("manager", alice.id))
            route(work, applied.drafts, Origin(work.now, actor_id=alice.id))
        self._work()
