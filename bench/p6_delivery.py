"""P6: deliveries that one worker process claims, hands to a channel that sends nothing, and settles with their attempts.

The worker is the product's, woken by its RQ job. Once with bodies that were written before (what a retry does), once
with bodies to be written (the first attempt). The peers are RQ's own workers with one job for each message, which
touch no database. In the end each delivery must be sent, with one closed attempt.
"""

from __future__ import annotations

import json
import sys
from uuid import uuid4

from rq import Queue

from bench.harness import Effort, Report
from bench.stand import Stand, stand
from bench.workers import JOBS, nothing
from notify_app import domains
from notify_app.policy.formats import pack
from notify_app.queue import BULK, wake

__all__ = ["fill", "run"]

SIMPLE = "RQ SimpleWorker, a job each (no database)"
FORK = "RQ Worker (forks), a job each (no database)"
KEPT = "OURS: body kept, claim, send nothing, settle"
FRESH = "OURS: the same, body written first"
PEOPLE = 200
FORKS = 20  # of so many jobs one is done by the worker that forks


def run(effort: Effort) -> Report:
    """Measure and report."""
    report = Report(
        "p6", "Delivery: claim, send nothing, settle with the attempt; one worker process", effort
    )
    found: dict[str, list[float]] = {SIMPLE: [], FORK: [], KEPT: [], FRESH: []}
    cpu: dict[str, list[tuple[float, float]]] = {KEPT: [], FRESH: []}
    with stand() as here:
        for _ in range(effort.rounds):
            found[SIMPLE].append(_peer(here, "simple", effort.jobs))
            found[FORK].append(_peer(here, "fork", max(10, effort.jobs // FORKS)))
            for what in (KEPT, FRESH):
                here.empty()
                count = fill(here, effort.deliveries, kept=what == KEPT)
                rate, spent = _ours(here, count)
                found[what].append(rate)
                cpu[what].append(spent)
    best = max((SIMPLE, FORK), key=lambda what: sorted(found[what])[len(found[what]) // 2])
    for what in (SIMPLE, FORK):
        report.add(what, found[what], "/s")
    report.add(KEPT, found[KEPT], "/s", of=best, at_least=2)
    report.add(FRESH, found[FRESH], "/s", of=best)
    for what in (KEPT, FRESH):
        short = "kept" if what == KEPT else "written"
        report.add(
            f"  processor time of one delivery, body {short}: worker", [one[0] for one in cpu[what]], "ms"
        )
        report.add(
            f"  processor time of one delivery, body {short}: PostgreSQL", [one[1] for one in cpu[what]], "ms"
        )
    return report


def _peer(here: Stand, kind: str, count: int) -> float:
    queue = Queue(JOBS, connection=here.redis())
    jobs = [Queue.prepare_data(nothing, (str(uuid4()),), result_ttl=0) for _ in range(count)]
    queue.enqueue_many(jobs)
    seconds = _worked(here, kind)["seconds"]
    if queue.count:
        raise RuntimeError(f"{queue.count} jobs are left")
    return count / seconds


def _ours(here: Stand, count: int) -> tuple[float, tuple[float, float]]:
    wake(here.redis(), [BULK])
    before = here.database_cpu()
    worked = _worked(here, "ours")
    spent = worked["cpu"] / count * 1000, (here.database_cpu() - before) / count * 1000
    with here.admin() as connection:
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE state = 'sent'), "
            "(SELECT count(*) FROM attempt WHERE outcome = 'accepted' AND number = 1) FROM delivery"
        ).fetchone()
    if row != (count, count):
        raise RuntimeError(f"of {count} deliveries {row} are sent, with so many attempts")
    return count / worked["seconds"], spent


def _worked(here: Stand, kind: str) -> dict[str, float]:
    """Run a worker until its queue is empty."""
    running = here.run(f"worker-{kind}", (sys.executable, "-m", "bench.workers", kind))
    code = running.process.wait(600)
    said = running.log.read_text()
    running.log.unlink()
    here.stop(running)
    if code:
        raise RuntimeError(f"the worker ended with {code}:\n{said[-3000:]}")
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def fill(here: Stand, count: int, *, kept: bool) -> int:
    """So many queued emails, each of a notification of its own, to 200 people. Returns how many."""
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
    INSERT INTO content (organisation_id, id, hash, body)
    SELECT %(org)s, id, decode(md5(id::text), 'hex'), %(body)s::jsonb FROM event WHERE %(body)s::text IS NOT NULL
    """,
    """
    INSERT INTO notification (organisation_id, event_id, person_id, name, category, priority, title, text, seq, changed_seq)
    SELECT %(org)s, e.id, p.id, e.name, e.category, e.priority, 'Repair R-1042 is done', 'It is done.', 1, 1
    FROM event e CROSS JOIN person p WHERE p.name LIKE 'Person %%'
    """,
    """
    INSERT INTO delivery (organisation_id, id, person_id, channel, address, purpose, group_key, priority, content_id)
    SELECT n.organisation_id, n.id, n.person_id, 'email', 'p-' || n.person_id || '@bench.example', 'notification',
           n.event_id::text, 3, c.id
    FROM notification n LEFT JOIN content c ON c.organisation_id = n.organisation_id AND c.id = n.event_id
    """,
    """
    INSERT INTO delivery_item (organisation_id, delivery_id, notification_id)
    SELECT organisation_id, id, id FROM notification
    """,
)
