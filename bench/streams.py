"""The one run behind P1, P2 and P3: each server in turn holds the same crowd of clients and is told the same things.

A round of a server: it starts, some clients come and go (so that what it makes once is made), its memory is read,
the crowd opens and is idle, its memory is read again; then messages to all, then messages to one. In the end ours
holds twice the crowd once more. Nobody may miss anything: a text that does not arrive ends the run.
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from bench import messages
from bench.crowd import Crowd
from bench.harness import FULL, Effort, Memory, memory, percentile
from bench.stand import Stand, stand
from bench.stream_servers import (
    EVENTSTREAM,
    NCHAN_ONE,
    NCHAN_TWO,
    OURS,
    Ours,
    Server,
    eventstream,
    nchan,
    people,
)
from notify_app.live.hub import HEARTBEAT_SECONDS
from notify_app.processes import children_of, raise_file_limit

__all__ = ["EVENTSTREAM", "NCHAN_ONE", "NCHAN_TWO", "OURS", "Found", "measure"]

CLIENTS, CLIENTS_SHORT = 5_000, 1_000
WARM_UP = 200  # clients that come and go first
BROADCASTS, BROADCASTS_SHORT = 7, 3
FIRST_NOT_COUNTED = 1  # of the messages to all
SETTLED = 2.0  # seconds, before memory is read


@dataclass
class Found:
    """What one server has shown; a value for each round."""

    kilobytes: list[float] = field(default_factory=list)  # of one stream
    base: list[float] = field(default_factory=list)  # MB, with no stream
    opened: list[float] = field(default_factory=list)  # streams a second
    last: list[float] = field(default_factory=list)  # ms until the last has what all were told
    half: list[float] = field(default_factory=list)
    one: list[float] = field(default_factory=list)  # ms until one has what it was told, all rounds together

    def one_at(self, share: float) -> float:
        return percentile(self.one, share)


@dataclass
class Restart:
    """Ours, killed with twice the crowd on it: how the streams came back, and what webhooks waited meanwhile."""

    back: list[float] = field(default_factory=list)  # seconds after the kill, of each stream
    serves: float = 0.0  # seconds until the first webhook was answered
    webhooks: list[float] = field(
        default_factory=list
    )  # ms, of each that was sent after that and until all were back


@dataclass
class Measured:
    """All servers, and ours with twice the crowd."""

    clients: int
    found: dict[str, Found]
    twice: Found
    twice_memory: Memory
    restart: Restart


@cache
def measure(effort: Effort) -> Measured:
    """Done once for the three benchmarks that tell of it."""
    raise_file_limit()
    clients = CLIENTS if effort == FULL else CLIENTS_SHORT
    _need_descriptors(2 * clients)
    with stand() as here:
        those = people(here, 2 * clients)
        found: dict[str, Found] = {}
        for number in range(effort.rounds):
            for name, serve in _servers(here, those).items():
                with serve() as server:
                    if server is not None:
                        _round(server, clients, effort, found.setdefault(name, Found()), number)
        return Measured(clients, found, *_twice(here, those, effort))


def _need_descriptors(count: int) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < count + 500:
        raise SystemExit(f"{count} streams need more than {limit} descriptors: raise the limit (ulimit -n)")


def _servers(here: Stand, those: list[tuple[UUID, str]]) -> dict[str, Callable[[], Any]]:
    return {
        NCHAN_TWO: lambda: nchan(NCHAN_TWO),
        OURS: lambda: _ours(here, those),
        NCHAN_ONE: lambda: nchan(NCHAN_ONE),
        EVENTSTREAM: eventstream,
    }


@contextmanager
def _ours(here: Stand, those: list[tuple[UUID, str]]) -> Iterator[Ours]:
    server = Ours(here, those)
    try:
        yield server
    finally:
        server.stop()


def _round(server: Server, clients: int, effort: Effort, found: Found, number: int) -> None:
    requests = server.requests(clients)
    with Crowd(server.port, requests[:WARM_UP], server.ready) as crowd:
        crowd.idle(0.5)
    time.sleep(SETTLED)
    before = memory(server.pids()).rss
    with Crowd(server.port, requests, server.ready) as crowd:
        crowd.idle(SETTLED)
        found.base.append(before)
        found.kilobytes.append((memory(server.pids()).rss - before) * 1024 / clients)
        found.opened.append(clients / crowd.opened_in)
        if server.name != NCHAN_ONE:  # which cannot tell all
            _tell_all(server, crowd, effort, found, number)
        _tell_one(server, crowd, effort, found, number)


def _tell_all(server: Server, crowd: Crowd, effort: Effort, found: Found, number: int) -> None:
    last, half = [], []
    for turn in range(BROADCASTS if effort == FULL else BROADCASTS_SHORT):
        mark = f"all-{number}-{turn}."
        crowd.idle(0.3)
        server.prepare_all(mark)  # nothing is read between this and the telling
        times = crowd.hear(lambda mark=mark: server.tell_all(mark), mark.encode())  # type: ignore[misc]
        last.append(max(times) * 1000)
        half.append(percentile(times, 0.5) * 1000)
    found.last.append(percentile(last[FIRST_NOT_COUNTED:], 0.5))
    found.half.append(percentile(half[FIRST_NOT_COUNTED:], 0.5))


def _tell_one(server: Server, crowd: Crowd, effort: Effort, found: Found, number: int) -> None:
    rng = random.Random(number)
    for turn in range(effort.messages):
        who, mark = rng.randrange(len(crowd)), f"one-{number}-{turn}."
        crowd.idle(rng.uniform(0.002, 0.02))
        times = crowd.hear(
            lambda who=who, mark=mark: server.tell_one(who, mark),  # type: ignore[misc]
            mark.encode(),
            [who],
        )
        found.one.append(times[0] * 1000)


def _twice(here: Stand, those: list[tuple[UUID, str]], effort: Effort) -> tuple[Found, Memory, Restart]:
    found = Found()
    with _ours(here, those) as server:
        _round(server, len(those), effort, found, effort.rounds)
        requests = server.requests(len(those))
        with Crowd(server.port, requests, server.ready, remembers=True) as crowd:
            crowd.idle(SETTLED)
            used = memory(server.pids())
            crowd.idle(HEARTBEAT_SECONDS)  # so that each was told when to come back from so many
            return found, used, _restart(here, server, crowd)


def _restart(here: Stand, server: Ours, crowd: Crowd) -> Restart:
    """The worker is killed; the server starts another."""
    found, over = Restart(), threading.Event()
    os.kill(children_of(server.pids()[0])[0], signal.SIGKILL)
    webhooks = threading.Thread(target=_post, args=(here, server.port, found, over))
    webhooks.start()
    try:
        found.back = crowd.come_back()
    finally:
        over.set()
        webhooks.join()
    return found


def _post(here: Stand, port: int, found: Restart, over: threading.Event) -> None:
    """A webhook every 50 ms, each on a connection of its own. The first waits until the new worker serves."""
    killed = time.perf_counter()
    for number in itertools.count():
        if over.wait(0.05):
            return
        now = datetime.now(UTC)
        path, secret = f"/hooks/{here.source.slug}", here.source.secret
        sent = messages.request(path, secret, f"restart-{number}", now, messages.repair(number, now))
        begun = time.perf_counter()
        with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
            one.sendall(sent)
            answer = one.recv(65536)
        if not answer.startswith(b"HTTP/1.1 202"):
            raise RuntimeError(f"a webhook was answered by {answer!r}")
        if found.serves:
            found.webhooks.append((time.perf_counter() - begun) * 1000)
        else:
            found.serves = time.perf_counter() - killed
