"""P5: routing. What was accepted becomes an event, three notifications and four deliveries, by one route worker's drain.

Preferences, addresses, templates and the reasons of each decision included; nothing is sent. Beside it, in turns,
pgbench writes the eight rows (event, notifications, deliveries) in each of its transactions, by 16 clients on the same
tables. The office has a history: on tables that are known to be empty, PostgreSQL plans as if they would stay so.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from bench import messages
from bench.harness import Effort, Report
from bench.p4_ingest import EIGHT, people, pgbench
from bench.stand import Stand, stand
from notify_app.pipeline import ingest, signature, take

__all__ = ["accepted", "run"]

OURS = "OURS: accepted → event, 3 notifications, 4 deliveries, their reasons"
HISTORY = 2_000


def run(effort: Effort) -> Report:
    """Measure and report."""
    report = Report("p5", "Routing by one worker: an event, 3 notifications, 4 deliveries", effort)
    count = max(200, effort.events * 3)
    with stand() as here, here.app.app_context():
        people(here)
        history(here, min(HISTORY, count * 2))
        limits, ours, python, database = [], [], [], []
        for turn in range(effort.rounds):
            limits.append(pgbench(here, effort))
            accepted(here, HISTORY + turn * count, count)
            wall, cpu, base = time.perf_counter(), time.process_time(), here.database_cpu()
            settled = take.drain(600)
            wall, cpu, base = (
                time.perf_counter() - wall,
                time.process_time() - cpu,
                here.database_cpu() - base,
            )
            if settled != count:
                raise RuntimeError(f"{count} were accepted and {settled} settled")
            ours.append(count / wall)
            python.append(cpu / count * 1000)
            database.append(base / count * 1000)
    report.add(f"{EIGHT}, 16 clients", limits, "/s")
    report.add(OURS, ours, "/s", of=f"{EIGHT}, 16 clients", at_least=1.0)
    report.add("  processor time of one: worker", python, "ms")
    report.add("  processor time of one: PostgreSQL", database, "ms")
    return report


def history(here: Stand, count: int) -> None:
    """An office that has been at work: so many messages, routed, and the tables analysed."""
    accepted(here, 0, count)
    take.drain(600)
    with here.admin() as connection:
        connection.execute("VACUUM ANALYZE")


def accepted(here: Stand, first: int, count: int) -> None:
    """So many webhooks, durable and not yet routed."""
    now = datetime.now(UTC)
    for number in range(first, first + count):
        body = messages.three_people(number, now)
        headers = signature.sign(here.source.secret, f"msg-{number}", now, body)
        ingest.accept(here.source.slug, headers, body, now.timestamp())
