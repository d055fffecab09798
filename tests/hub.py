"""The harness of the stories: a hub that is entered by HTTP and left at a provider's stub or at a stream.

`hub` reads as the story does: people are there, something happens, time passes, somebody hears of it, and nobody
else does. The engines, the jobs, the protocols and the pages are real; only the clock can be moved. What was
sent or put into an inbox and never expected fails the story, at `hub.silence()` and in any case at its end.
"""

from __future__ import annotations

import base64
import hmac
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import redis
from flask import Flask
from rq.registry import FailedJobRegistry
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from notify_app import clock, process
from notify_app.pipeline import sql
from notify_app.process import WorkerProcess
from notify_app.queue import QUEUES, SWEEP, HubQueue
from notify_app.timetable import SCHEDULE
from tests.builders import PASSWORD, Builder, Organisation, Person, Source
from tests.channels.stubs import AwsStub, Mail, Sms, SmtpSink
from tests.pages import Browser
from worker import HubWorker

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Burst(HubWorker):
    """The product's worker, until its queues are empty; the signals stay with pytest."""

    def _install_signal_handlers(self) -> None:
        """Nothing to install."""


class _Errors(logging.Handler):
    """Keeps what was logged as an error: a story that ends well has none."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {self.format(record)}")


# work that waits and that nobody has begun, by queue
_NEVER_TRIED = text(
    """
    WITH d AS (
        SELECT priority FROM delivery
        WHERE state = 'queued' AND attempts = 0 AND next_attempt_at <= created_at + interval '0.2 s'
    )
    SELECT EXISTS (SELECT FROM d WHERE priority = 1) AS urgent, EXISTS (SELECT FROM d WHERE priority > 1) AS bulk,
           EXISTS (SELECT FROM inbound WHERE state = 'accepted' AND attempts = 0
                   AND next_attempt_at <= received_at + interval '0.2 s')
               OR EXISTS (SELECT FROM broadcast WHERE done_at IS NULL AND attempts = 0
                          AND next_chunk_at <= created_at + interval '0.2 s') AS route
    """
)


# --- what all offices of a story share -----------------------------------------------------------------------------


@dataclass
class World:
    """The machinery below one or more offices: application, workers, clock, stubs, and what was expected of them."""

    app: Flask
    owner: Engine
    valkey: redis.Redis
    smtp: SmtpSink
    aws: AwsStub
    workers: Mapping[str, WorkerProcess]
    errors: _Errors = field(default_factory=_Errors)
    seen: set[Any] = field(default_factory=set)  # ids of messages and notifications that the story expected
    quiet_errors: bool = False

    @contextmanager
    def listening(self, logger: logging.Logger) -> Iterator[None]:
        """Collect errors while the block runs."""
        logger.addHandler(self.errors)
        try:
            yield
        finally:
            logger.removeHandler(self.errors)

    # --- work ------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Run every job that was woken, and what those woke, until the queues are empty."""
        while self.queued():
            worker = Burst(list(QUEUES), self.valkey, process.current())
            worker.work(burst=True, logging_level="WARNING")
        failed = [
            job for name in QUEUES for job in FailedJobRegistry(name, connection=self.valkey).get_job_ids()
        ]
        assert not failed, f"jobs failed: {failed} {self.errors.lines}"

    def queued(self) -> int:
        """How many jobs wait in the real queues."""
        return sum(HubQueue(name, connection=self.valkey).count for name in QUEUES)

    def due(self) -> list[str]:
        """The queues that have work by the database, whether anybody was woken for it or not."""
        with self.app.app_context(), self.engine().connect() as conn:
            row = conn.execute(sql.WAITING).one()
        return [name for name, waiting in row._mapping.items() if waiting]

    def forgotten(self) -> list[str]:
        """The same, of what was due when it was made and was never tried. What was put off, or has failed, waits for a time and
        wakes nobody, and that time may come while we look."""
        with self.owner.connect() as conn:
            row = conn.execute(_NEVER_TRIED).one()
        return [name for name in self.due() if row._mapping[name]]

    def sweep(self, *jobs: str) -> None:
        """Enqueue these periodic jobs (or all that the schedule runs every few seconds) as the scheduler would, and
        run them and all they wake."""
        known = {one.job.rpartition(".")[2]: one for one in SCHEDULE}
        for name in jobs or [name for name, one in known.items() if one.seconds is not None]:
            HubQueue(SWEEP, connection=self.valkey).enqueue(known[name].job, result_ttl=0)
        self.settle()

    def engine(self) -> Engine:
        """As hub_engine; needs the application's context."""
        from notify_app.extensions import db

        return db.engines["engine"]

    # --- time ------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        with self.owner.connect() as conn:
            return clock.now(conn)

    def move(self, by: timedelta) -> None:
        with self.owner.begin() as conn:
            clock.move(conn, by)

    def next_moment(self) -> datetime | None:
        """When something is next due by a column with a time in it."""
        statement = text(
            "SELECT min(at) FROM (SELECT next_attempt_at AS at FROM delivery WHERE state IN ('queued', 'held') "
            "UNION ALL SELECT next_attempt_at FROM inbound WHERE state = 'accepted' "
            "UNION ALL SELECT due_at FROM reminder WHERE state = 'pending' "
            "UNION ALL SELECT next_level_at FROM task WHERE next_level_at IS NOT NULL "
            "UNION ALL SELECT next_chunk_at FROM broadcast WHERE done_at IS NULL "
            "UNION ALL SELECT due_at FROM written_message WHERE state = 'scheduled' "
            "UNION ALL SELECT next_look_at FROM provider_message WHERE waiting IS NOT NULL "
            "UNION ALL SELECT digest_due_at FROM preference) AS due"
        )
        with self.owner.connect() as conn:
            found: datetime | None = conn.execute(statement).scalar_one()
        return found

    # --- what left the house ---------------------------------------------------------------------------------------

    def mails(self) -> list[tuple[Any, Mail]]:
        """All accepted emails with what tells them apart, over SMTP and over SES."""
        return [(id(one), one) for one in (*self.smtp.messages, *self.aws.emails)]

    def texts(self) -> list[tuple[Any, Sms]]:
        return [(one.provider_id, one) for one in self.aws.sms]

    def lines(self) -> list[Any]:
        """Inbox rows of those who can see an inbox."""
        statement = text(
            "SELECT n.*, p.external_id AS person, p.name AS person_name FROM notification n "
            "JOIN person p ON p.organisation_id = n.organisation_id AND p.id = n.person_id "
            "WHERE p.account_id IS NOT NULL ORDER BY n.id"
        )
        with self.owner.connect() as conn:
            return list(conn.execute(statement))

    def unexpected(self) -> list[str]:
        """Whatever was sent or written into an inbox and no story has spoken of, in words."""
        return [
            *(f"mail to {mail.to}: {mail.subject!r}" for key, mail in self.mails() if key not in self.seen),
            *(f"SMS to {sms.number}: {sms.text!r}" for key, sms in self.texts() if key not in self.seen),
            *(
                f"inbox of {row.person_name}: {row.name} {row.title!r}"
                for row in self.lines()
                if row.id not in self.seen
            ),
        ]

    def silence(self) -> None:
        """Nothing else was sent to anyone, and nothing was logged as an error."""
        assert not self.unexpected(), "sent and not expected:\n" + "\n".join(self.unexpected())
        assert self.quiet_errors or not self.errors.lines, "logged as errors:\n" + "\n".join(
            self.errors.lines
        )


# --- one office ----------------------------------------------------------------------------------------------------


class Hub:
    """One organisation of the world, with a signed source, as a story sees it."""

    def __init__(self, world: World, build: Builder, organisation: Organisation) -> None:
        self.world = world
        self.build = build
        self.organisation = organisation
        self.source: Source = build.source(organisation, f"{organisation.slug}-shop")
        self.people: dict[str, Person] = {}
        self._browsers: dict[str, Browser] = {}

    # --- setting the scene -----------------------------------------------------------------------------------------

    def person(
        self,
        key: str,
        role: str = "technician",
        *,
        name: str = "",
        email: str | None = None,
        sms: str | None = None,
        zone: str | None = None,
        grade: str | None = None,
        signs_in: bool | None = None,
        quiet: tuple[str, str] | None = None,
        off: Sequence[tuple[str, str]] = (),
        on: Sequence[tuple[str, str]] = (),
        account_of: Person | None = None,
    ) -> Person:
        """Somebody of this office. Staff sign in unless said otherwise, contacts do not. `off` and `on` are
        (scope, channel) switches."""
        signs_in = role != "contact" if signs_in is None else signs_in
        login = f"{key}@{self.organisation.slug}.example.com" if signs_in and not account_of else ""
        made = self.build.person(
            self.organisation,
            self.source,
            key,
            role=role,
            name=name,
            email=email,
            sms=sms,
            zone=zone,
            grade=grade,
            login=account_of.login if account_of else login,
            account_id=account_of.account_id if account_of else None,
        )
        if quiet:
            self.build.quiet(made, *quiet)
        for scope, channel in off:
            self.build.choose(made, scope, channel, False)
        for scope, channel in on:
            self.build.choose(made, scope, channel, True)
        self.people[key] = made
        return made

    def office(self, key: str = "olga", **more: Any) -> Person:
        """A manager who signs in."""
        return self.person(key, "manager", **more)

    def customer(self, key: str = "dana", **more: Any) -> Person:
        """A contact who does not."""
        return self.person(key, "contact", **more)

    def another(self, slug: str, **more: Any) -> Hub:
        """A second organisation in the same installation."""
        return Hub(self.world, self.build, self.build.organisation(slug, **more))

    def over(self, provider: str) -> None:
        """Email through this provider from now on: smtp (as it begins), ses or local."""
        process.install(self.world.workers[provider])

    @contextmanager
    def configured(self, channel: str, provider: str, **settings: Any) -> Iterator[None]:
        """While the block runs, the application and the worker send by this channel through this provider."""
        app, worker = self.world.app, self.world.workers["smtp"]
        known, before = app.extensions["hub"], worker.settings
        given = (f"HUB_{channel.upper()}_PROVIDER", provider)
        app.extensions["hub"] = replace(known, **settings, of_channels=(*known.of_channels, given))
        worker.settings = replace(before, **settings, of_channels=(*before.of_channels, given))
        kept = vars(worker).pop("deliverer", None)
        process.install(worker)
        try:
            yield
        finally:
            if "deliverer" in vars(worker):
                worker.deliverer.close()
                del worker.deliverer
            if kept is not None:
                worker.deliverer = kept
            app.extensions["hub"], worker.settings = known, before

    # --- the ways in -----------------------------------------------------------------------------------------------

    def post(
        self,
        type_: str,
        data: Mapping[str, Any],
        *,
        id: str | None = None,
        at: datetime | None = None,
        settle: bool = True,
        secret: str | None = None,
    ) -> TestResponse:
        """A signed webhook, as an external system sends it. `at` is when it happened, for the body."""
        happened = (at or self.now()).isoformat()
        body = json.dumps({"type": type_, "timestamp": happened, "data": data}, default=str).encode()
        return self.send(body, id=id, settle=settle, secret=secret)

    def send(
        self,
        body: bytes,
        *,
        id: str | None = None,
        settle: bool = True,
        secret: str | None = None,
        headers: Mapping[str, str | None] = NOTHING,
        slug: str | None = None,
        path: str = "",
    ) -> TestResponse:
        """These bytes, signed; `headers` replace what would be sent, None takes one away; `path` follows the source's
        address."""
        signed = self.signed(body, id or f"msg_{uuid4().hex}", secret)
        everything = {"Content-Type": "application/json", **signed, **headers}
        everything = {name: value for name, value in everything.items() if value is not None}
        client = self.world.app.test_client(use_cookies=False)
        # buffered: read and closed, as a server does; workers are woken when the answer is on its way
        response = client.post(
            f"/hooks/{slug or self.source.slug}{path}", data=body, headers=everything, buffered=True
        )
        if settle:
            self.settle()
        return response

    def signed(self, body: bytes, id: str, secret: str | None = None) -> dict[str, str]:
        """The headers of Standard Webhooks for any bytes, text or not."""
        at = str(int(datetime.now(UTC).timestamp()))
        key = base64.b64decode((secret or self.source.secret).removeprefix("whsec_"))
        mac = hmac.digest(key, b".".join((id.encode(), at.encode(), body)), "sha256")
        return {
            "webhook-id": id,
            "webhook-timestamp": at,
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        }

    def repair(self, id: str, *, customer: Any = None, technician: Any = None, **facts: Any) -> Repair:
        """A repair of the shop's system; each of its verbs reports its new state by webhook. People are named by
        the keys of this story, or given whole as a source would."""
        return Repair(self, id, {"customer": customer, "technician": technician, **facts})

    def browser(self, key: str) -> Browser:
        """The browser of this person, signed in through the form."""
        if key not in self._browsers:
            opened = self.stranger()
            opened.sign_in(self.people[key].login, PASSWORD)
            self._browsers[key] = opened
        return self._browsers[key]

    def stranger(self) -> Browser:
        """The browser of somebody who is not signed in."""
        return Browser(self.world.app.test_client(), self.world.app.extensions["hub"].base_url)

    # --- time ------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The hub's time."""
        return self.world.now()

    def at(self, wall: str, zone: str = "UTC") -> datetime:
        """Put the clock to this wall time; what becomes due by it is swept. Returns the instant."""
        moment = datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        self.world.move(moment - self.now())
        self.world.sweep()
        return moment

    def wait(self, by: timedelta) -> None:
        """Let time pass: stop at each moment at which something is due, and sweep until all is quiet."""
        target = self.now() + by
        while (due := self.world.next_moment()) is not None and due < target:
            self.world.move(max(due - self.now(), timedelta(0)) + timedelta(milliseconds=1))
            self.world.sweep()
            after = self.world.next_moment()
            assert after is None or after > due, f"what was due at {due} stays due"
        self.world.move(max(target - self.now(), timedelta(0)))
        self.world.sweep()

    def jump(self, by: timedelta) -> None:
        """Move the clock at once, as an outage would, then sweep."""
        self.world.move(by)
        self.world.sweep()

    def settle(self) -> None:
        """Run all jobs. Work that is due now and that nobody was woken for is a mistake of the product."""
        self.world.settle()
        forgotten = self.world.forgotten()
        assert not forgotten, f"due, and nobody was woken for it: {forgotten}"

    # --- what must have come of it ---------------------------------------------------------------------------------

    def mail(self, address: str) -> Mailbox:
        """The mailbox behind this address."""
        return Mailbox(self.world, address)

    def sms(self, number: str) -> Phone:
        """The phone with this number."""
        return Phone(self.world, number)

    def inbox(self, key: str) -> Inbox:
        """The inbox of this person."""
        return Inbox(self.world, self.people[key])

    def silence(self) -> None:
        """Nothing else was sent to anyone."""
        self.world.silence()

    def forget(self) -> None:
        """For tests that are about something else: whatever was sent is as good as expected."""
        self.world.seen |= {key for key, _ in (*self.world.mails(), *self.world.texts())}
        self.world.seen |= {row.id for row in self.world.lines()}

    def expects_errors(self) -> None:
        """This story breaks something that is rightly logged as an error."""
        self.world.quiet_errors = True

    def deliveries(self, key: str, channel: str | None = None) -> list[Any]:
        """Rows of the outbox to this person, oldest first."""
        return self.build.all(
            "SELECT * FROM delivery WHERE person_id = :person AND (CAST(:channel AS text) IS NULL OR channel = :channel) "
            "ORDER BY id",
            person=self.people[key].id,
            channel=channel,
        )

    def delivery(self, key: str, channel: str) -> Any:
        """The only one on this channel."""
        found = self.deliveries(key, channel)
        assert len(found) == 1, f"{len(found)} deliveries to {key} by {channel}"
        return found[0]

    def delivery_of(self, key: str, channel: str, event: str) -> Any:
        """The one that carries this event."""
        found = self.build.all(
            "SELECT d.* FROM delivery d JOIN delivery_item i ON i.organisation_id = d.organisation_id "
            "AND i.delivery_id = d.id JOIN notification n ON n.organisation_id = i.organisation_id "
            "AND n.id = i.notification_id WHERE d.person_id = :person AND d.channel = :channel AND n.name = :event",
            person=self.people[key].id,
            channel=channel,
            event=event,
        )
        assert len(found) == 1, f"{len(found)} deliveries of {event} to {key} by {channel}"
        return found[0]

    def attempts(self, delivery: Any) -> list[Any]:
        """Its attempts, in order."""
        return self.build.all("SELECT * FROM attempt WHERE delivery_id = :id ORDER BY number", id=delivery.id)

    def decisions(self, key: str | None, event: str) -> dict[str, tuple[str, str]]:
        """Why: channel → (outcome, reason) of this person for the newest event of that name ('' is no channel)."""
        rows = self.build.all(
            "SELECT d.* FROM decision d JOIN event e ON e.organisation_id = d.organisation_id AND e.id = d.event_id "
            "WHERE e.id = (SELECT id FROM event WHERE organisation_id = :org AND name = :event ORDER BY id DESC LIMIT 1) "
            "AND d.person_id IS NOT DISTINCT FROM :person ORDER BY d.id",
            org=self.organisation.id,
            event=event,
            person=self.people[key].id if key else None,
        )
        return {row.channel or "": (row.outcome, row.reason) for row in rows}

    def events(self, name: str | None = None) -> list[Any]:
        """Events of this office, oldest first."""
        return self.build.all(
            "SELECT * FROM event WHERE organisation_id = :org AND (CAST(:name AS text) IS NULL OR name = :name) ORDER BY id",
            org=self.organisation.id,
            name=name,
        )

    def inbound(self, response: TestResponse) -> Any:
        """What has become of an accepted webhook."""
        return self.build.one("SELECT * FROM inbound WHERE id = :id", id=UUID(response.get_json()["id"]))


class Repair:
    """A repair as the shop's system knows it. Reports are whole: all that is known goes with each of them."""

    def __init__(self, hub: Hub, id: str, facts: Mapping[str, Any]) -> None:
        self._hub = hub
        self.id = id
        self._facts: dict[str, Any] = {}
        self._learn(facts)

    def pending(self, **facts: Any) -> Repair:
        return self.reported(status="pending", **facts)

    def approved(self, **facts: Any) -> Repair:
        return self.reported(status="approved", **facts)

    def denied(self, reason: str = "Too dear.", **facts: Any) -> Repair:
        return self.reported(status="denied", reason=reason, **facts)

    def in_progress(self, **facts: Any) -> Repair:
        return self.reported(status="in_progress", **facts)

    def completed(self, **facts: Any) -> Repair:
        return self.reported(status="completed", **facts)

    def assigned(self, technician: Any) -> Repair:
        """To this technician; None takes the repair from whoever had it."""
        self._facts["technician"] = self._named(technician)
        return self.reported()

    def saved(self, **facts: Any) -> Repair:
        """Saved again in the shop's system, status and people as they were."""
        return self.reported(**facts)

    def reported(self, *, reason: str | None = None, **facts: Any) -> Repair:
        """What the shop's system does after each change; the hub must accept and apply it."""
        self._learn(facts)
        data = {"id": self.id, **self._facts, **({"reason": reason} if reason else {})}
        response = self._hub.post("repair.upsert", data)
        assert response.status_code == 202, response.get_data(as_text=True)
        row = self._hub.inbound(response)
        assert row.state == "applied", f"{row.state}: {row.error}"
        return self

    def unassigned(self) -> Repair:
        return self.assigned(None)

    @property
    def item_id(self) -> UUID:
        found: UUID = self.row.id
        return found

    @property
    def row(self) -> Any:
        """The work item."""
        return self._hub.build.one(
            "SELECT * FROM work_item WHERE organisation_id = :org AND external_id = :id",
            org=self._hub.organisation.id,
            id=self.id,
        )

    def _learn(self, facts: Mapping[str, Any]) -> None:
        for name, value in facts.items():
            if value is not None:
                self._facts[name] = self._named(value) if name in ("customer", "technician") else value

    @staticmethod
    def _named(person: Any) -> Any:
        return {"id": person} if isinstance(person, str) else person


# --- the ends of the path ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mailbox:
    """What has reached an email address."""

    world: World
    address: str

    def says(self, *words: str) -> Mail:
        """One mail, not spoken of before, has all these words in its subject or its bodies."""
        waiting = [
            (key, mail)
            for key, mail in self.world.mails()
            if self.address in mail.to and key not in self.world.seen
        ]
        for key, mail in waiting:
            if all(word in f"{mail.subject}\n{mail.text}\n{mail.html}" for word in words):
                self.world.seen.add(key)
                return mail
        raise AssertionError(
            f"no mail to {self.address} says {words}; waiting: {[(m.subject, m.text) for _, m in waiting]}"
        )

    def nothing(self) -> None:
        """Nothing (more) has come."""
        waiting = [
            mail.subject
            for key, mail in self.world.mails()
            if self.address in mail.to and key not in self.world.seen
        ]
        assert not waiting, f"mail to {self.address}: {waiting}"


@dataclass(frozen=True)
class Phone:
    """What has reached a phone number."""

    world: World
    number: str

    def says(self, *words: str) -> Sms:
        """One SMS, not spoken of before, has all these words."""
        waiting = [
            (key, sms)
            for key, sms in self.world.texts()
            if sms.number == self.number and key not in self.world.seen
        ]
        for key, sms in waiting:
            if all(word in sms.text for word in words):
                self.world.seen.add(key)
                return sms
        raise AssertionError(
            f"no SMS to {self.number} says {words}; waiting: {[sms.text for _, sms in waiting]}"
        )

    def nothing(self) -> None:
        """Nothing (more) has come."""
        waiting = [
            sms.text
            for key, sms in self.world.texts()
            if sms.number == self.number and key not in self.world.seen
        ]
        assert not waiting, f"SMS to {self.number}: {waiting}"


@dataclass(frozen=True)
class Inbox:
    """The lines of one person."""

    world: World
    person: Person

    def has(self, event: str, *words: str, priority: str | None = None) -> Any:
        """One line of this event, not spoken of before, has all these words; returns its row."""
        for row in self._waiting():
            if row.name == event and all(word in f"{row.title}\n{row.text}" for word in words):
                if priority:
                    assert row.priority == ("urgent", "high", "medium", "low").index(priority) + 1, (
                        row.priority
                    )
                self.world.seen.add(row.id)
                return row
        waiting = [(row.name, row.title, row.text) for row in self._waiting()]
        raise AssertionError(f"{self.person.name} has no {event} with {words}; waiting: {waiting}")

    def nothing(self) -> None:
        """Nothing (more) is in it."""
        waiting = [(row.name, row.title) for row in self._waiting()]
        assert not waiting, f"{self.person.name}'s inbox: {waiting}"

    def _waiting(self) -> list[Any]:
        return [
            row
            for row in self.world.lines()
            if row.person_id == self.person.id and row.id not in self.world.seen
        ]
