"""The worker processes that P6 compares: `python -m bench.workers ours|ours-threads|real|simple|fork`; prints one JSON line.

`ours` is the product's worker on its bulk queue, with channels that send nothing and say that they never block;
`ours-threads` the same with channels that do not say so. `real` has the accounts of its environment (P7). `simple` and `fork` are RQ's own workers with a job for each
message that does nothing at all. Each works until its queue is empty and says how long that took, without its own
start.
"""

from __future__ import annotations

import json
import random
import sys
import time
from typing import Any

import redis
from rq import Queue
from rq.worker import SimpleWorker, Worker

from notify_app.channels.base import Message, Receipt

__all__ = ["JOBS", "Nothing", "nothing"]

JOBS = "bench-jobs"


def nothing(message: str) -> str:
    """What a peer's job does."""
    return message


class Nothing:
    """A channel that accepts everything at once. `instant`: it says so, and needs no thread."""

    def __init__(self, name: str, *, instant: bool = True) -> None:
        self.name = name
        self.instant = instant
        self.provider = "nothing"

    def clean(self, address: str) -> str:
        return address

    def send(self, message: Message) -> Receipt:
        return Receipt(self.provider, message.idempotency_key, "accepted")

    def close(self) -> None:
        """Nothing is open."""


def _ours(*, instant: bool) -> Any:
    from notify_app import create_app
    from notify_app.pipeline.deliver import Deliverer
    from notify_app.process import WorkerProcess, install
    from notify_app.queue import BULK
    from worker import HubWorker

    process = WorkerProcess(create_app(pages=False))
    settings = process.settings
    process.deliverer = Deliverer(
        {name: Nothing(name, instant=instant) for name in ("email", "sms")},
        threads=settings.send_threads,
        lease=settings.lease,
        rng=random.Random(1),
    )
    install(process)
    return HubWorker([BULK], redis.Redis.from_url(settings.redis_url), process)


def _real() -> Any:
    """The product's worker with the accounts that its environment names."""
    from notify_app import create_app
    from notify_app.process import WorkerProcess, install
    from notify_app.queue import BULK
    from worker import HubWorker

    process = WorkerProcess(create_app(pages=False))
    install(process)
    return HubWorker([BULK], redis.Redis.from_url(process.settings.redis_url), process)


def _peer(kind: type[Worker]) -> Worker:
    from notify_app.config import Settings

    connection = redis.Redis.from_url(Settings.from_env().redis_url)
    return kind([Queue(JOBS, connection=connection)], connection=connection, log_job_description=False)


def main() -> None:
    """Work until the queue is empty."""
    match sys.argv[1]:
        case "ours" | "ours-threads" as kind:
            worker = _ours(instant=kind == "ours")
        case "real":
            worker = _real()
        case "simple":
            worker = _peer(SimpleWorker)
        case "fork":
            worker = _peer(Worker)
        case other:
            sys.exit(f"{other}: there is ours, ours-threads, real, simple, fork")
    begun, used = time.perf_counter(), time.process_time()
    worker.work(burst=True, logging_level="WARNING")
    print(json.dumps({"seconds": time.perf_counter() - begun, "cpu": time.process_time() - used}))


if __name__ == "__main__":
    main()
