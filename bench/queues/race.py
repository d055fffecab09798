"""Runs one peer: its jobs are enqueued, then its worker is started, and what it does a second is read from its meter.

The rate is from the first job's end to the last one's, so that no start-up counts against a peer.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass

from bench import peers
from bench.harness import ROOT, cpu_seconds
from bench.queues.meter import read
from bench.stand import Running, Stand

__all__ = ["PEERS", "Peer", "Raced", "race"]

GIVE_UP = 300.0  # seconds
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR")


@dataclass(frozen=True)
class Peer:
    """A way to run a library's worker: `module` and its arguments, run by the peers' interpreter. `times` as many jobs
    as of the slowest peers, so that each works for some seconds."""

    name: str
    library: str
    module: str
    arguments: tuple[str, ...]
    times: int = 1


def _celery(*how: str) -> tuple[str, ...]:
    return ("-A", "bench.queues.celery_app", "worker", *how, *QUIET)


PEERS = (
    Peer("Celery prefork, 2 processes", "celery", "celery", _celery("-P", "prefork", "-c", "2")),
    Peer("Celery, 8 threads", "celery", "celery", _celery("-P", "threads", "-c", "8")),
    Peer(
        "Dramatiq, 1 process, 8 threads",
        "dramatiq",
        "dramatiq",
        ("bench.queues.dramatiq_app", "-p", "1", "-t", "8"),
        5,
    ),
    Peer(
        "Dramatiq, 2 processes, 8 threads",
        "dramatiq",
        "dramatiq",
        ("bench.queues.dramatiq_app", "-p", "2", "-t", "8"),
        5,
    ),
    Peer(
        "Huey, 1 thread",
        "huey",
        "huey.bin.huey_consumer",
        ("bench.queues.huey_app.huey", "-k", "thread", "-w", "1", "-q"),
        5,
    ),
    Peer(
        "Huey, 2 processes",
        "huey",
        "huey.bin.huey_consumer",
        ("bench.queues.huey_app.huey", "-k", "process", "-w", "2", "-q"),
        5,
    ),
)


@dataclass(frozen=True)
class Raced:
    """What a peer did: jobs a second, and the processor time of one in its processes and in Valkey, in ms."""

    rate: float
    worker_ms: float
    valkey_ms: float


def race(here: Stand, peer: Peer, count: int) -> Raced:
    """Run it. Raises RuntimeError when the worker ends or does not get through its jobs."""
    python, url = str(peers.python()), here.env["REDIS_URL"]
    connection = here.redis()
    connection.flushall()
    count *= peer.times
    enqueue = [python, "-m", "bench.queues", peer.library, str(count)]
    subprocess.run(enqueue, cwd=ROOT, env={"QUEUE_URL": url}, check=True)
    worker = here.run("peer", (python, "-m", peer.module, *peer.arguments), QUEUE_URL=url)
    until = time.monotonic() + GIVE_UP
    done, seconds = 0, 0.0
    begun: tuple[int, float, float] | None = None
    while done < count:
        if worker.process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{peer.name} did {done} of {count}:\n{worker.log.read_text()[-3000:]}")
        time.sleep(0.05)
        done, seconds = read(connection)
        if done and begun is None:
            begun = (done, *_cpu(here, worker))
    assert begun is not None
    ended = _cpu(here, worker)
    here.stop(worker)
    worker.log.unlink()
    jobs = max(1, count - begun[0])
    spent = [(after - before) / jobs * 1000 for after, before in zip(ended, begun[1:], strict=True)]
    return Raced((count - 1) / seconds, *spent)


def _cpu(here: Stand, worker: Running) -> tuple[float, float]:
    return cpu_seconds(worker.pid), cpu_seconds(here.engines.pids["valkey"])
