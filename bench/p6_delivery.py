"""P6: deliveries that one worker process claims, hands to a channel that sends nothing, and settles with their attempts.

The worker is the product's, woken by its RQ job. Its channel says that it never blocks, once with bodies that were
kept (what a retry does), once with bodies to be written (the first attempt); once it says nothing and gets the pool's
threads; and once two worker processes share the outbox. The peers are Celery, Dramatiq, Huey and RQ with one job for
each message that does nothing and touches no database. All rates are from the first to the last that is done, without
anybody's start. In the end each delivery must be sent, with one attempt.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from rq import Queue

from bench.harness import Effort, Report, cpu_seconds
from bench.queues.race import PEERS, Raced, race
from bench.stand import Stand, stand
from bench.workers import JOBS, nothing
from notify_app import domains
from notify_app.policy.formats import pack
from notify_app.queue import BULK, DRAINS, HubQueue

__all__ = ["DONE", "fill", "run", "worked"]

SIMPLE = "RQ SimpleWorker"
FORK = "RQ Worker (forks for each job)"
PEOPLE = 200
FORKS = 20  # of so many jobs one is done by the worker that forks
FRESH = 3  # of so many deliveries one is of the kind whose body has to be written


@dataclass
class Ours:
    """One way to run the product's worker, and what was measured of it."""

    what: str
    short: str
    kind: str = "ours"
    kept: bool = True
    workers: int = 1
    rates: list[float] = field(default_factory=list)
    python: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)


def run(effort: Effort) -> Report:
    """Measure and report."""
    report = Report(
        "p6",
        "Delivery: claim, send nothing, settle with the attempt; the peers: a job each, no database",
        effort,
    )
    ours = [
        Ours("OURS: body kept", "kept"),
        Ours("OURS: body written first", "written", kept=False),
        Ours("OURS: body kept, through the pool's threads", "kept, by threads", kind="ours-threads"),
        Ours("OURS: body kept, 2 worker processes", "kept, 2 workers", workers=2),
    ]
    with stand() as here:
        peers = _peers(here, effort.jobs)
        found: dict[str, list[Raced]] = {name: [] for name in peers}
        for _ in range(effort.rounds):
            for name, measure in peers.items():
                found[name].append(measure())
            for one in ours:
                _measure(here, one, effort.deliveries)
    for name, rounds in found.items():
        report.add(name, [one.rate for one in rounds], "/s")
    best = max(found, key=report.value)
    report.add(f"  processor time of one, {best}: worker", [one.worker_ms for one in found[best]], "ms")
    report.add(f"  processor time of one, {best}: Valkey", [one.valkey_ms for one in found[best]], "ms")
    for one in ours:
        report.add(one.what, one.rates, "/s", of=best, at_least=2 if one is ours[0] else None)
    for one in ours:
        report.add(f"  processor time of one, {one.short}: worker", one.python, "ms")
        report.add(f"  processor time of one, {one.short}: PostgreSQL", one.database, "ms")
    return report


def _peers(here: Stand, jobs: int) -> dict[str, Callable[[], Raced]]:
    made: dict[str, Callable[[], Raced]] = {
        peer.name: lambda peer=peer: race(here, peer, jobs)  # type: ignore[misc]
        for peer in PEERS
    }
    made[SIMPLE] = lambda: _rq(here, "simple", jobs)
    made[FORK] = lambda: _rq(here, "fork", max(10, jobs // FORKS))
    return made


def _rq(here: Stand, kind: str, count: int) -> Raced:
    here.redis().flushall()
    queue = Queue(JOBS, connection=here.redis())
    queue.enqueue_many([Queue.prepare_data(nothing, (str(uuid4()),), result_ttl=0) for _ in range(count)])
    valkey = here.engines.pids["valkey"]
    before = cpu_seconds(valkey)
    (did,) = worked(here, kind, 1)
    if queue.count:
        raise RuntimeError(f"{queue.count} jobs are left")
    spent = did["cpu"], cpu_seconds(valkey) - before
    return Raced(count / did["seconds"], *(one / count * 1000 for one in spent))


def _measure(here: Stand, one: Ours, deliveries: int) -> None:
    here.empty()
    count = fill(here, deliveries if one.kept else max(PEOPLE, deliveries // FRESH), kept=one.kept)
    for _ in range(one.workers):
        HubQueue(BULK, connection=here.redis()).enqueue(DRAINS[BULK], result_ttl=0)
    before = here.database_cpu()
    did = worked(here, one.kind, one.workers)
    one.database.append((here.database_cpu() - before) / count * 1000)
    one.python.append(sum(each["cpu"] for each in did) / count * 1000)
    with here.admin() as connection:
        row = connection.execute(DONE).fetchone()
    if row is None or row[:2] != (count, count):
        raise RuntimeError(f"of {count} deliveries {row} are sent, with so many attempts")
    one.rates.append(count / float(row[2]))


DONE = """
    SELECT count(*) FILTER (WHERE state = 'sent'), (SELECT count(*) FROM attempt WHERE outcome = 'accepted' AND number = 1),
           extract(epoch FROM max(settled_at) - min(claimed_at)) FROM delivery
"""


def worked(here: Stand, kind: str, workers: int, **env: str) -> list[dict[str, float]]:
    """Run so many workers until their queue is empty."""
    all_of_them = [
        here.run(f"worker-{kind}-{number}", (sys.executable, "-m", "bench.workers", kind), **env)
        for number in range(workers)
    ]
    found = []
    for running in all_of_them:
        code = running.process.wait(600)
        said = running.log.read_text()
        running.log.unlink()
        here.stop(running)
        if code:
            raise RuntimeError(f"the worker ended with {code}:\n{said[-3000:]}")
        found.append(json.loads(said.splitlines()[-1]))
    return found


def fill(here: Stand, count: int, *, kept: bool) -> int:
    """So many queued emails, each of a notification of its own, to 200 people; each has a body of its own, if it was
    kept. Returns how many."""
    happened = domains.event("repair_completed")
    assert happened is not None
    body = {"subject": "Repair completed", "text": "Done. " * 60, "html": "<p>Done.</p>" * 150}
    values = {
        "org": here.organisation.id,
        "people": PEOPLE,
        "events": max(1, count // PEOPLE),
        "payload": json.dumps(pack(happened.sample)),
        "body": json.dumps(body) if kept else None,
    }
    with here.admin() as connection:
        for statement in FILL:
            connection.execute(statement, values)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    made: int = here.count("SELECT count(*) FROM delivery")
    return made


FILL = (
    """
    INSERT INTO person (organisation_id, id, name, role)
    SELECT %(org)s, uuidv7(), 'Person ' || n, 'contact' FROM generate_series(1, %(people)s) AS n
    WHERE NOT EXISTS (SELECT FROM person WHERE name LIKE 'Person %%')
    """,
    """
    INSERT INTO address (organisation_id, person_id, channel, value)
    SELECT p.organisation_id, p.id, 'email', 'p-' || p.id || '@bench.example' FROM person p
    WHERE p.name LIKE 'Person %%' AND NOT EXISTS (SELECT FROM address a WHERE a.person_id = p.id)
    """,
    """
    INSERT INTO event (organisation_id, id, name, priority, category, payload, occurred_at)
    SELECT %(org)s, uuidv7(), 'repair_completed', 3, 'repair_status', %(payload)s::jsonb, now()
    FROM generate_series(1, %(events)s)
    """,
    """
    INSERT INTO notification (organisation_id, event_id, person_id, name, category, priority, title, text, seq, changed_seq)
    SELECT %(org)s, e.id, p.id, e.name, e.category, e.priority, 'Repair R-1042 is done', 'It is done.', 1, 1
    FROM event e CROSS JOIN person p WHERE p.name LIKE 'Person %%'
    """,
    """
    INSERT INTO content (organisation_id, id, hash, body)
    SELECT %(org)s, id, decode(md5(id::text), 'hex'), %(body)s::jsonb FROM notification WHERE %(body)s::text IS NOT NULL
    """,
    """
    INSERT INTO delivery (organisation_id, id, person_id, channel, address, purpose, group_key, priority, content_id)
    SELECT n.organisation_id, n.id, n.person_id, 'email', 'p-' || n.person_id || '@bench.example', 'notification',
           n.event_id::text, 3, c.id
    FROM notification n LEFT JOIN content c ON c.organisation_id = n.organisation_id AND c.id = n.id
    """,
    """
    INSERT INTO delivery_item (organisation_id, delivery_id, notification_id)
    SELECT organisation_id, id, id FROM notification
    """,
)
