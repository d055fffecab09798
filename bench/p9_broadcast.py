"""P9: an announcement to 100,000 people, preferences respected, until all rows are durable.

It enters as a signed webhook, and the product's route worker writes it. Beside it, COPY of the very rows that were
written, by the administrator, in one transaction into the same tables, emptied: what the tables, their indexes and
foreign keys cost whoever writes. Then the same again with every process running, while urgent messages go through the
whole route one after the other, against the same without an announcement. What was written is counted in another way
than it was decided: a person too many or too few fails the benchmark.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from bench import messages
from bench.harness import SHORT, Effort, Report, cpu_seconds, percentile
from bench.stand import COMMANDS, Stand, stand
from tests.channels.stubs import AwsStub

__all__ = ["run"]

COPY = "COPY of the same rows, one transaction"
OURS = "OURS: announcement, decided and durable"
ALONE = "urgent message at the provider, otherwise idle"
BESIDE = "urgent message at the provider, meanwhile"
PEOPLE, FEW = 100_000, 5_000
FIRST = 500
# in the order of their foreign keys; `decision` holds one row for each class of people
TABLES = ("event", "broadcast", "inbox_counter", "notification", "delivery", "delivery_item", "decision")
GIVE_UP = 300.0
PHONE = "+12065552671"
IDLE = 40  # urgent messages that are measured without an announcement

# a third sign in; some have no address, some want no emails of this kind, some sleep, some addresses are blocked
FILL = (
    "SELECT setseed(0.5)",
    """
    INSERT INTO account (id, email, name, password_hash)
    SELECT uuidv7(), 'n' || n || '@bench.example', 'Person ' || n, 'x' FROM generate_series(1, %(people)s / 3) AS n
    """,
    """
    INSERT INTO person (organisation_id, id, account_id, name, role, zone)
    SELECT %(org)s, uuidv7(), id, name, 'technician', (ARRAY[NULL, 'America/Chicago', 'Europe/Berlin'])[1 + (random() * 2.4)::int]
    FROM account
    """,
    """
    INSERT INTO person (organisation_id, id, name, role, zone)
    SELECT %(org)s, uuidv7(), 'Contact ' || n, 'contact', CASE WHEN random() < 0.2 THEN 'America/New_York' END
    FROM generate_series(1, %(people)s - %(people)s / 3) AS n
    """,
    """
    INSERT INTO address (organisation_id, person_id, channel, value)
    SELECT organisation_id, id, 'email', 'p-' || id || '@bench.example' FROM person WHERE random() < 0.95
    """,
    """
    INSERT INTO address (organisation_id, person_id, channel, value)
    SELECT organisation_id, id, 'sms', '+1206' || lpad((row_number() OVER ())::text, 7, '0') FROM person WHERE random() < 0.6
    """,
    """
    INSERT INTO suppression (organisation_id, channel, value, reason)
    SELECT organisation_id, channel, value, 'it bounced' FROM address WHERE random() < 0.01
    """,
    """
    INSERT INTO preference (organisation_id, person_id, quiet_from, quiet_until)
    SELECT organisation_id, id, '22:00', '07:00' FROM person WHERE random() < 0.1
    """,
    """
    INSERT INTO preference_choice (organisation_id, person_id, scope, channel, enabled)
    SELECT organisation_id, id, 'category:announcement', 'email', false FROM person WHERE random() < 0.08
    """,
)
# of medium priority: by email; without a usable address by SMS, if that is usable; who has switched it off, by neither
WANTED = """
    WITH usable AS (
        SELECT p.id, bool_or(a.channel = 'email') AS email, bool_or(a.channel = 'sms') AS sms
        FROM person p LEFT JOIN address a ON a.person_id = p.id AND NOT EXISTS (
            SELECT FROM suppression s WHERE s.channel = a.channel AND s.value = a.value)
        GROUP BY p.id
    ), wanted AS (
        SELECT id, CASE WHEN id IN (SELECT person_id FROM preference_choice WHERE NOT enabled) THEN NULL
                        WHEN email THEN 'email' WHEN sms THEN 'sms' END AS channel FROM usable
    )
    SELECT (SELECT count(*) FROM wanted), (SELECT count(*) FROM wanted WHERE channel IS NOT NULL),
           (SELECT count(*) FROM notification WHERE name = 'announcement'),
           (SELECT count(*) FROM delivery d JOIN wanted w ON w.id = d.person_id AND w.channel = d.channel
             WHERE d.group_key = (SELECT event_id::text FROM broadcast)),
           (SELECT count(*) FROM delivery WHERE group_key = (SELECT event_id::text FROM broadcast)),
           (SELECT sum(people) FROM decision WHERE channel = 'inapp')
"""


def run(effort: Effort) -> Report:
    """Measure and report."""
    people = FEW if effort == SHORT else PEOPLE
    report = Report("p9", f"Announcement to {people:,} people, their wishes respected", effort)
    with AwsStub() as aws:
        providers = {
            "HUB_EMAIL_PROVIDER": "local",
            "HUB_SMS_ACCOUNTS": "sns://us-east-1?rate=10000/s",
            "HUB_AWS_ENDPOINT_URL": aws.url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
        }
        with stand(**providers) as here:
            _fill(here, people - 1)
            here.build.person(here.organisation, here.source, "T-1", sms=PHONE)
            _rows(here, report, people)
            _urgent(here, report, aws)
    return report


def _fill(here: Stand, people: int) -> None:
    with here.admin() as connection:
        for statement in FILL:
            connection.execute(statement, {"org": here.organisation.id, "people": people})
        connection.execute("VACUUM ANALYZE")


# --- people a second, beside COPY --------------------------------------------------------------------------------------


@dataclass
class Times:
    """One announcement: seconds until its first people were announced, and until all of it was durable."""

    first: float
    durable: float
    worker_ms: float  # processor time of one person
    database_ms: float


def _rows(here: Stand, report: Report, people: int) -> None:
    web, worker = here.serve("web"), here.start("route-worker")
    ours, copies = [], []
    _warm(here, web.port)
    for turn in range(report.effort.rounds):
        here.empty()
        ours.append(_announced(here, web.port, worker.pid, people, turn))
        copies.append(_copied(here))
    here.stop(web, worker)
    report.add(COPY, [people / seconds for seconds, _ in copies], "/s")
    report.add(OURS, [people / one.durable for one in ours], "/s", of=COPY, at_least=0.8)
    report.add(f"the first {FIRST} people announced, after", [one.first for one in ours], "s", at_most=2)
    report.add("  processor time of one person: route worker", [one.worker_ms for one in ours], "ms")
    report.add("  processor time of one person: PostgreSQL", [one.database_ms for one in ours], "ms")
    spent = [used / people * 1000 for _, used in copies]
    report.add("  processor time of one person: PostgreSQL, COPY", spent, "ms")


def _warm(here: Stand, port: int) -> None:
    """One announcement to one person, so that the worker has started and has its connections."""
    audience = {"people": [{"id": "T-1"}]}
    _send(here, port, "one", messages.announcement(0, datetime.now(UTC), audience))
    _until_written(here)


def _announced(here: Stand, port: int, pid: int, people: int, turn: int) -> Times:
    with _listening(here) as heard:
        cpu = cpu_seconds(pid), here.database_cpu()
        begun = time.perf_counter()
        _send(here, port, f"many-{turn}", messages.announcement(turn, datetime.now(UTC)))
        _until_written(here)
        seconds, used = time.perf_counter() - begun, (cpu_seconds(pid), here.database_cpu())
        first = heard.first_at - begun
    _check(here, people)
    worker, database = ((after - before) / people * 1000 for before, after in zip(cpu, used, strict=True))
    return Times(first, seconds, worker, database)


def _send(here: Stand, port: int, message_id: str, body: bytes) -> None:
    """One webhook, until it is accepted."""
    request = messages.request(
        f"/hooks/{here.source.slug}", here.source.secret, message_id, datetime.now(UTC), body
    )
    with socket.create_connection(("127.0.0.1", port)) as hook:
        hook.sendall(request)
        answer = hook.recv(65536)
    if not answer.startswith(b"HTTP/1.1 202"):
        raise RuntimeError(f"it was not accepted: {answer[:500]!r}")


def _until_written(here: Stand) -> None:
    until = time.monotonic() + GIVE_UP
    with here.admin() as connection:  # one: to open many would cost PostgreSQL more than what is measured
        while not connection.execute("SELECT 1 FROM broadcast WHERE done_at IS NOT NULL").fetchone():
            if time.monotonic() > until:
                raise RuntimeError("the announcement did not come to an end")
            time.sleep(0.02)


def _check(here: Stand, people: int) -> None:
    with here.admin() as connection:
        row = connection.execute(WANTED).fetchone()
    assert row is not None
    there, reached, lines, right, messages_, decided = row
    if not (there == people == lines == decided and reached == right == messages_):
        raise RuntimeError(f"of {people} people: {row}")


@dataclass
class Heard:
    """When the first announcement of many people was heard."""

    first_at: float = 0.0
    ready: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def _listening(here: Stand) -> Iterator[Heard]:
    """A subscriber as the web processes are."""
    heard = Heard()

    def listen() -> None:
        with here.redis() as connection, connection.pubsub(ignore_subscribe_messages=False) as listener:
            listener.psubscribe("hub:live*")
            while not heard.over.is_set():
                message = listener.get_message(timeout=0.2)
                if message and message["type"] == "psubscribe":
                    heard.ready.set()
                if (
                    message
                    and message["type"] == "pmessage"
                    and _many(message["data"])
                    and not heard.first_at
                ):
                    heard.first_at = time.perf_counter()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    heard.ready.wait(10)
    try:
        yield heard
    finally:
        heard.over.set()
        thread.join(10)


def _many(raw: bytes) -> bool:
    """Whether this tells many people: a message of its own, or a part of one."""
    said = json.loads(raw)
    return isinstance(said, dict) or any("b" in one for one in said)


# --- COPY --------------------------------------------------------------------------------------------------------------


def _copied(here: Stand) -> tuple[float, float]:
    """The same rows from memory, in one transaction, into the same tables: seconds, and PostgreSQL's processor seconds."""
    with here.admin() as connection:
        connection.execute(
            "DELETE FROM event WHERE NOT EXISTS (SELECT FROM broadcast b WHERE b.event_id = event.id)"
        )
        connection.execute("UPDATE event SET inbound_id = NULL")
        rows = {table: _exported(connection, table) for table in TABLES}
        here.empty()
        cpu, begun = here.database_cpu(), time.perf_counter()
        with connection.transaction():
            for table, data in rows.items():
                with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                    for part in data:
                        copy.write(part)
        return time.perf_counter() - begun, here.database_cpu() - cpu


def _exported(connection: psycopg.Connection[Any], table: str) -> list[bytes]:
    with connection.cursor().copy(f"COPY {table} TO STDOUT") as copy:
        data = b"".join(bytes(part) for part in copy)
    return [data[at : at + 65536] for at in range(0, len(data), 65536)]


# --- urgent messages meanwhile -----------------------------------------------------------------------------------------


def _urgent(here: Stand, report: Report, aws: AwsStub) -> None:
    here.empty()
    web = here.serve("web")
    for name in COMMANDS:
        if name != "web":
            here.start(name)
    number = iter(range(1, 1_000_000))
    for _ in range(5):
        _one_urgent(here, web.port, aws, next(number))
    alone = [_one_urgent(here, web.port, aws, next(number)) for _ in range(IDLE)]
    _send(here, web.port, "many", messages.announcement(0, datetime.now(UTC)))
    beside: list[float] = []
    while not _ended(here):
        beside.append(_one_urgent(here, web.port, aws, next(number)))
    for share in (0.5, 0.95):
        of = f"{ALONE}, p{share * 100:.0f}"
        report.add(of, percentile(alone, share), "ms")
        report.add(f"{BESIDE}, p{share * 100:.0f}", percentile(beside, share), "ms", of=of, at_most=2)
    report.facts["urgent messages meanwhile"] = len(beside)


def _ended(here: Stand) -> bool:
    return bool(here.count("SELECT count(*) FROM broadcast WHERE done_at IS NOT NULL"))


def _one_urgent(here: Stand, port: int, aws: AwsStub, number: int) -> float:
    """Milliseconds from the webhook until the provider of SMS has it."""
    before = len(aws.sms)
    begun = time.perf_counter()
    _send(here, port, f"urgent-{number}", messages.urgent(number, datetime.now(UTC)))
    while not any(one.number == PHONE for one in aws.sms[before:]):
        if time.perf_counter() > begun + GIVE_UP:
            raise RuntimeError("an urgent message did not arrive")
        time.sleep(0.001)
    return (time.perf_counter() - begun) * 1000
