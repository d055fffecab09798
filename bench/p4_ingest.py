"""P4: a signed webhook is made durable and answered with 202, by one gunicorn worker with gevent.

Beside it, in turns: the same route without a database (the limit), and with one insert in one transaction (Core, ORM).
Then a hundred events in one request; then single ones again while the same process holds thousands of open streams.
Then the whole path, from the webhook until all that follows from it is committed (an event, its notifications and
deliveries; nothing is sent), beside pgbench writing the same eight rows in each of its transactions. Each run ends by
counting the rows: what was answered with 202 and is not there fails the benchmark.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from bench.harness import FULL, Effort, Report, cpu_seconds
from bench.load import Answers, Task, drive
from bench.messages import BATCH
from bench.onlookers import Onlookers, raise_file_limit, technicians
from bench.stand import Running, Stand, stand

__all__ = ["EIGHT", "people", "pgbench", "run"]

LIMIT = "no database: bare Flask, HMAC, json"
FAIR = "no database: the same, each in its turn"
WHOLE = "no database: our app, our checks"
CORE = "one row, Core, a transaction each"
ORM = "one row, ORM, a transaction each"
OURS = "OURS: durable, then 202"
EIGHT = "pgbench: the same 8 rows a transaction"
PATH = "OURS: webhook to all rows committed"
MANY = f"OURS: {BATCH} events a request"
WATCHED = "OURS with {} streams open"
# requests a second, more than can be: so many are signed beforehand
MOST = {LIMIT: 8_000, FAIR: 8_000, WHOLE: 6_000, OURS: 5_000, MANY: 400}
MOST_OTHERS = 3_000
CLIENTS = (16, 64)
CLIENTS_OF_BATCHES = 4
STREAMS, STREAMS_SHORT = 5_000, 300
FINISHED_WITHIN = 300.0


def run(effort: Effort) -> Report:
    """Measure and report."""
    report = Report("p4", "Signed webhook, durable, 202: one gunicorn worker (gevent)", effort)
    raise_file_limit()
    with stand() as here:
        people(here)
        for clients in CLIENTS:
            _ingest(here, report, clients)
        _batches(here, report)
        _watched(here, report)
        _path(here, report)
    return report


def people(here: Stand) -> None:
    """Three technicians with four addresses, and a customer."""
    for key, email, sms in (
        ("T-1", "t1@evergreen.example", "+12015550171"),
        ("T-2", None, "+12015550172"),
        ("T-3", "t3@evergreen.example", None),
    ):
        here.people.append(here.build.person(here.organisation, here.source, key, email=email, sms=sms))


# --- one row -------------------------------------------------------------------------------------------------------


def _ingest(here: Stand, report: Report, clients: int) -> None:
    bare = here.serve("bare", "bench.bare:bare()", "/none")
    whole = here.serve("whole", "bench.bare:whole()")
    web = here.serve("web")
    hook = f"/hooks/{here.source.slug}"
    turns = {
        LIMIT: (bare, "/none"),
        FAIR: (bare, "/fair"),
        WHOLE: (whole, hook),
        CORE: (bare, "/core"),
        ORM: (bare, "/orm"),
        OURS: (web, hook),
    }
    found: dict[str, list[Answers]] = defaultdict(list)
    cpu: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(report.effort.rounds):
        for what, (server, path) in turns.items():
            here.empty()
            before = cpu_seconds(server.pid), here.database_cpu()
            answers = _drive(here, server, path, clients, report.effort, what)
            after = cpu_seconds(server.pid), here.database_cpu()
            _all_there(here, what, answers.accepted)
            found[what].append(answers)
            cpu[what].append(
                tuple((b - a) / answers.accepted * 1000 for a, b in zip(before, after, strict=True))
            )
    report.facts[f"webhooks in a transaction, {clients} clients"] = _in_a_transaction(here)
    here.stop(bare, whole, web)
    _rows(report, found, clients)
    if clients == CLIENTS[0]:
        _processor_rows(report, cpu)


def _drive(
    here: Stand, server: Running, path: str, clients: int, effort: Effort, what: str, body: str = "repair"
) -> Answers:
    count = int((effort.seconds + effort.warm_up) * MOST.get(what, MOST_OTHERS))
    task = Task(
        server.port, path, here.source.secret, clients, body, count, 0, effort.warm_up, effort.seconds
    )
    return drive(task).all_accepted()


def _all_there(here: Stand, what: str, accepted: int) -> None:
    wanted = 0 if what in (LIMIT, FAIR, WHOLE) else accepted
    there = here.count("SELECT count(*) FROM inbound")
    if there != wanted:
        raise RuntimeError(f"{what}: {accepted} were accepted and {there} are in the database")


def _in_a_transaction(here: Stand) -> float:
    """How many rows were written by one, on average, in the last run."""
    return float(here.count("SELECT count(*)::float / count(DISTINCT CAST(xmin AS text)) FROM inbound"))


def _rows(report: Report, found: dict[str, list[Answers]], clients: int) -> None:
    limit = f"{LIMIT}, {clients} clients"
    for what, answers in found.items():
        report.add(
            f"{what}, {clients} clients",
            [one.rate for one in answers],
            "/s",
            of="" if what == LIMIT else limit,
            at_least=0.65 if what == OURS else None,
        )
    for what in (LIMIT, FAIR):
        report.add(f"  p99, {what}, {clients} clients", [one.p99_ms for one in found[what]], "ms")
    report.add(f"  its p50, {clients} clients", [one.p50_ms for one in found[OURS]], "ms")
    report.add(f"  its p99, {clients} clients", [one.p99_ms for one in found[OURS]], "ms", at_most=25)


def _processor_rows(report: Report, cpu: dict[str, list[tuple[float, float]]]) -> None:
    """What a request costs: less shaken than rates by whatever else the machine does."""
    for what, pairs in cpu.items():
        report.add(f"  web worker's processor, a request: {what}", [web for web, _ in pairs], "ms")
    for what in (CORE, OURS):
        report.add(f"  PostgreSQL's processor, a request: {what}", [base for _, base in cpu[what]], "ms")


# --- many in one request, and with streams beside it -------------------------------------------------------------------


def _batches(here: Stand, report: Report) -> None:
    web = here.serve("web")
    rates, p99s, cpu = [], [], []
    for _ in range(report.effort.rounds):
        here.empty()
        before = cpu_seconds(web.pid), here.database_cpu()
        path = f"/hooks/{here.source.slug}/batch"
        answers = _drive(here, web, path, CLIENTS_OF_BATCHES, report.effort, MANY, "batch")
        after = cpu_seconds(web.pid), here.database_cpu()
        _all_there(here, MANY, answers.accepted * BATCH)
        rates.append(answers.rate * BATCH)
        p99s.append(answers.p99_ms)
        cpu.append([(b - a) / answers.accepted / BATCH * 1000 for a, b in zip(before, after, strict=True)])
    here.stop(web)
    one = f"{OURS}, {CLIENTS[0]} clients"
    report.add(f"{MANY}, {CLIENTS_OF_BATCHES} clients", rates, "events/s", of=one, at_least=5)
    report.add("  p99 of such a request", p99s, "ms")
    report.add("  web worker's processor, an event", [one for one, _ in cpu], "ms")
    report.add("  PostgreSQL's processor, an event", [one for _, one in cpu], "ms")


def _watched(here: Stand, report: Report) -> None:
    count = STREAMS if report.effort == FULL else STREAMS_SHORT
    cookies = technicians(here, count)
    web = here.serve("web")
    with Onlookers(web.port, cookies):
        for clients in CLIENTS:
            found = []
            for _ in range(report.effort.rounds):
                here.empty()
                found.append(_drive(here, web, f"/hooks/{here.source.slug}", clients, report.effort, OURS))
                _all_there(here, OURS, found[-1].accepted)
            what = f"{WATCHED.format(f'{count:,}')}, {clients} clients"
            limit = f"{LIMIT}, {clients} clients"
            report.add(what, [one.rate for one in found], "/s", of=limit, at_least=0.65)
            report.add(
                f"  p99, {count:,} streams, {clients} clients",
                [one.p99_ms for one in found],
                "ms",
                at_most=25,
            )
    here.stop(web)


# --- the whole path ------------------------------------------------------------------------------------------------


def _path(here: Stand, report: Report) -> None:
    from bench.p5_routing import history

    here.empty()
    with here.app.app_context():
        history(here, min(2_000, report.effort.events))
    web, worker = here.serve("web"), here.start("route-worker")
    limits, ours, spent = [], [], []
    for turn in range(report.effort.rounds):
        limits.append(pgbench(here, report.effort))
        before = [cpu_seconds(web.pid), cpu_seconds(worker.pid), here.database_cpu()]
        ours.append(_through(here, web, report.effort, turn))
        after = [cpu_seconds(web.pid), cpu_seconds(worker.pid), here.database_cpu()]
        spent.append([(b - a) / report.effort.events * 1000 for a, b in zip(before, after, strict=True)])
    here.stop(web, worker)
    report.add(f"{EIGHT}, 16 clients", limits, "/s")
    report.add(f"{PATH}, 16 clients", ours, "/s", of=f"{EIGHT}, 16 clients", at_least=0.7)
    for name, at in (("web worker", 0), ("route worker", 1), ("PostgreSQL", 2)):
        report.add(f"  processor time of one webhook: {name}", [one[at] for one in spent], "ms")


def _through(here: Stand, web: Running, effort: Effort, turn: int) -> float:
    """Webhooks a second, from the first that arrived to the last that was settled."""
    path = f"/hooks/{here.source.slug}"
    task = Task(web.port, path, here.source.secret, 16, "three_people", effort.events, (turn + 1) * 1_000_000)
    begun, before = here.count("SELECT hub_now()"), _made(here)
    drive(task).all_accepted()
    until = time.monotonic() + FINISHED_WITHIN
    while here.count("SELECT count(*) FROM inbound WHERE state = 'accepted'"):
        if time.monotonic() > until:
            raise RuntimeError("the route worker did not come to an end")
        time.sleep(0.2)
    made = [now - then for now, then in zip(_made(here), before, strict=True)]
    if made != [effort.events, effort.events * 3, effort.events * 4]:
        raise RuntimeError(f"{effort.events} webhooks made {made}: {_why(here)}")
    with here.admin() as connection:
        row = connection.execute(
            "SELECT extract(epoch FROM max(settled_at) - min(received_at)) FROM inbound WHERE received_at >= %s",
            [begun],
        ).fetchone()
    assert row is not None
    return effort.events / float(row[0])


def _made(here: Stand) -> list[int]:
    return [
        here.count("SELECT count(*) FROM inbound WHERE state = 'applied' AND error IS NULL"),
        here.count("SELECT count(*) FROM notification"),
        here.count("SELECT count(*) FROM delivery"),
    ]


def _why(here: Stand) -> object:
    return here.count("SELECT json_agg(DISTINCT concat(state, ' ', error)) FROM inbound")


# --- the limit of the database -------------------------------------------------------------------------------------

SCRIPT = """\
BEGIN;
INSERT INTO event (organisation_id, name, priority, category, payload, occurred_at)
    VALUES ({org}, 'general', 1, 'system', '{payload}', now()) RETURNING id AS event \\gset
INSERT INTO notification (organisation_id, event_id, person_id, name, category, priority, title, text, seq, changed_seq)
    VALUES {notifications};
INSERT INTO delivery (organisation_id, person_id, channel, address, purpose, group_key, priority)
    VALUES {deliveries};
COMMIT;
"""


def pgbench(here: Stand, effort: Effort) -> float:
    """Transactions a second on the product's own tables, past row-level security, with prepared statements."""
    org = f"'{here.organisation.id}'"
    title = "The van with the glass is late; please call the customer."
    notifications = ", ".join(
        f"({org}, :event, '{one.id}', 'general', 'system', 1, '{title}', '{title}', 1, 1)"
        for one in here.people
    )
    deliveries = ", ".join(
        f"({org}, '{one.id}', '{channel}', '{address}', 'notification', :event, 1)"
        for one in here.people
        for channel, address in one.addresses.items()
    )
    payload = '{"headline": "The van with the glass is late; please call the customer.", "known": []}'
    script = SCRIPT.format(org=org, payload=payload, notifications=notifications, deliveries=deliveries)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        seconds = str(max(1, round(effort.seconds)))
        output = here.program(
            "pgbench",
            "-n",
            "-M",
            "prepared",
            "-c",
            "16",
            "-j",
            "1",
            "-T",
            seconds,
            "-f",
            str(Path(file.name)),
        )
    found = re.search(r"tps = ([\d.]+)", output)
    if found is None:
        raise RuntimeError(f"pgbench said no rate:\n{output}")
    return float(found[1])
