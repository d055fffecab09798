"""Where the time of each step goes: ingest, routing, delivery, each alone and in this process, one after the other.

For each step: time by the clock, processor time, how often it asks PostgreSQL and Valkey and waits for the answer, and
which packages the processor time was spent in. This explains P4 and P6; it is no goal of its own.
"""

from __future__ import annotations

import cProfile
import pstats
import random
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis.connection
from flask import current_app
from sqlalchemy import event

from bench.harness import ROOT, Effort, Report
from bench.p5_routing import accepted
from bench.p6_delivery import fill
from bench.stand import Stand, stand
from bench.workers import Nothing
from notify_app.extensions import db
from notify_app.pipeline import take
from notify_app.pipeline.deliver import Deliverer
from notify_app.pipeline.intake import Intake
from notify_app.queue import BULK

__all__ = ["run"]

PACKAGES = Path(sysconfig.get_path("purelib"))
SHOWN = 7


def run(effort: Effort) -> Report:
    """Measure and report."""
    report = Report("parts", "One step at a time, in one process: where its time goes", effort)
    count = max(40, effort.events // 2)
    with stand() as here, here.app.app_context():
        for key, email, sms in (
            ("T-1", "t1@evergreen.example", "+12015550171"),
            ("T-2", None, "+12015550172"),
            ("T-3", "t3@evergreen.example", None),
        ):
            here.build.person(here.organisation, here.source, key, email=email, sms=sms)
        _report(report, "ingest, one webhook", _step(here, count, _ingest, _nothing))
        _report(report, "routing, 3 events with 4 deliveries", _step(here, count, _route, _ingest))
        for kept in (True, False):
            what = f"delivery, body {'kept' if kept else 'written'}"
            _report(report, what, _step(here, count, _deliver, _filled(kept)))
    return report


@dataclass(frozen=True)
class Part:
    """One step, per unit."""

    wall_ms: float
    cpu_ms: float
    database: float  # round trips
    valkey: float
    packages: dict[str, float]  # share of the processor time


def _report(report: Report, what: str, part: Part) -> None:
    shares = ", ".join(f"{name} {share:.0%}" for name, share in list(part.packages.items())[:SHOWN])
    report.add(f"{what}: by the clock", part.wall_ms, "ms", note=shares)
    report.add(f"{what}: processor", part.cpu_ms, "ms")
    report.add(f"{what}: asks PostgreSQL", part.database, "times")
    report.add(f"{what}: asks Valkey", part.valkey, "times")
    report.facts[what] = {name: round(share, 3) for name, share in part.packages.items()}


Step = Callable[[Stand, int, int], int]  # (stand, first number, how many) → how many units were done


def _step(here: Stand, count: int, work: Step, prepare: Step) -> Part:
    """Once to warm up, once by the clock, once counting, once under the profiler."""
    first = 0

    def prepared() -> tuple[int, int]:
        nonlocal first
        here.empty()
        first += count
        prepare(here, first, count)
        here.redis().flushall()
        return first, count

    work(here, *prepared())
    numbers = prepared()
    wall, cpu = time.perf_counter(), time.process_time()
    done = work(here, *numbers)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    numbers = prepared()
    with _counting() as asked:
        counted = work(here, *numbers)
    numbers = prepared()
    profile = cProfile.Profile(time.process_time)
    profile.runcall(work, here, *numbers)
    return Part(
        wall / done * 1000,
        cpu / done * 1000,
        asked["database"] / counted,
        asked["valkey"] / counted,
        _packages(profile),
    )


def _nothing(_here: Stand, _first: int, _count: int) -> int:
    return 0


def _ingest(here: Stand, first: int, count: int) -> int:
    accepted(here, first, count)
    return count


def _route(_here: Stand, _first: int, _count: int) -> int:
    return take.drain(600)


def _filled(kept: bool) -> Step:
    def prepare(here: Stand, _first: int, count: int) -> int:
        return fill(here, count, kept=kept)

    return prepare


def _deliver(here: Stand, _first: int, _count: int) -> int:
    settings = here.app.extensions["hub"]
    deliverer = Deliverer(
        {name: Nothing(name) for name in ("email", "sms")},
        threads=settings.send_threads,
        lease=settings.lease,
        rng=random.Random(1),
    )
    try:
        return deliverer.drain(BULK, 600)
    finally:
        deliverer.close()


@contextmanager
def _counting() -> Iterator[Counter[str]]:
    """How often PostgreSQL answers (libpq's own trace says when it is ready for the next request), and how often
    something is sent to Valkey."""
    asked: Counter[str] = Counter()
    send = redis.connection.AbstractConnection.send_packed_command

    def counted(self: Any, *args: Any, **more: Any) -> Any:
        asked["valkey"] += 1
        return send(self, *args, **more)

    def traced(connection: Any, *_: Any) -> None:
        connection.pgconn.trace(trace.fileno())

    def finished(connection: Any, *_: Any) -> None:
        connection.pgconn.untrace()  # which writes what is still in its buffer

    def traced_too(self: Intake) -> Any:
        connection = connect(self)
        traced(connection)
        ours.append(connection)
        return connection

    engines, connect, ours = list(db.engines.values()), Intake._connect, list[Any]()
    with tempfile.NamedTemporaryFile() as trace:
        for engine in engines:
            engine.dispose()
            event.listen(engine, "connect", traced)
            event.listen(engine, "close", finished)
        redis.connection.AbstractConnection.send_packed_command = counted  # type: ignore[method-assign]
        Intake._connect = traced_too  # type: ignore[method-assign]
        current_app.extensions.pop("hub.intake", None)  # the next webhook makes one that connects like this
        try:
            yield asked
        finally:
            redis.connection.AbstractConnection.send_packed_command = send  # type: ignore[method-assign]
            Intake._connect = connect  # type: ignore[method-assign]
            current_app.extensions.pop("hub.intake", None)
            for connection in ours:
                finished(connection)
            for engine in engines:
                engine.dispose()
                event.remove(engine, "connect", traced)
                event.remove(engine, "close", finished)
        # opened anew: the descriptor's own place in the file is where libpq stopped writing
        asked["database"] = (
            Path(trace.name).read_text(encoding="utf-8", errors="replace").count("\tReadyForQuery")
        )


def _packages(profile: cProfile.Profile) -> dict[str, float]:
    """Own time by package; what is written in C counts for the package that called it."""
    times: Counter[str] = Counter()
    stats: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for (file, _, _), (_, _, own, _, callers) in stats.items():
        if file != "~" or not callers:
            times[_package(file)] += own
            continue
        for (caller, _, _), (_, _, share, _) in callers.items():
            times[_package(caller)] += share
    total = sum(times.values()) or 1.0
    return {name: time_ / total for name, time_ in times.most_common()}


def _package(file: str) -> str:
    path = Path(file)
    for base, depth in ((PACKAGES, 1), (ROOT / "notify_app", 0), (ROOT / "bench", 0)):
        if path.is_relative_to(base):
            return path.relative_to(base).parts[0] if depth else base.name
    return "Python"
