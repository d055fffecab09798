"""The processes beside the web server: `python worker.py work QUEUE [QUEUE ...]` and `python worker.py schedule`.

`work` runs RQ jobs without a fork for each (the lease in a row, not the fork, is what protects a delivery), and a
poll that looks into the database by itself. `schedule` runs rq-scheduler. Both end on SIGTERM; the supervisor
starts again what ends by itself.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import redis
from redis.client import Pipeline
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty
from rq.worker import SimpleWorker

from notify_app.queue import BULK, QUEUES, URGENT, HubJob, HubQueue

if TYPE_CHECKING:
    from notify_app.config import Settings

# where the processor is short, what is urgent and who waits for a page go first (measured with a broadcast under way:
# an urgent message took 1.05 to 1.2 times as long as without one, else about twice)
BULK_IS_NICE = 10


class NoDeathPenalty(BaseDeathPenalty):
    """RQ's time-out would raise in the middle of whatever runs; a drain ends by itself."""

    def setup_death_penalty(self) -> None:
        """Sets nothing up."""

    def cancel_death_penalty(self) -> None:
        """So there is nothing to cancel."""


BEAT_SECONDS = 5.0  # between two signs of life; without one for two minutes RQ takes a worker for dead


class HubWorker(SimpleWorker):
    """JSON jobs, no fork, no time-out, quick to find Redis again, and few words on the way to a job."""

    death_penalty_class = NoDeathPenalty
    max_connection_wait_time = 2.0

    def __init__(self, queues: list[str], connection: redis.Redis, process: Any) -> None:
        super().__init__(
            queues,
            connection=connection,
            job_class=HubJob,
            queue_class=HubQueue,
            serializer=JSONSerializer,
            worker_ttl=60,
            log_job_description=False,
        )
        self._process = process
        self._beat_at = -BEAT_SECONDS

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """A sign of life, every few seconds. RQ gives one before and after each step, in three round trips each, for
        which a wake-up would wait."""
        alone = timeout is None and pipeline is None
        if alone and time.monotonic() - self._beat_at < BEAT_SECONDS:
            return
        self._beat_at = time.monotonic()
        super().heartbeat(timeout, pipeline)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Let the running drain finish its sends, then leave."""
        self._process.stop()
        super().request_stop(signum, frame)


def work(queues: list[str]) -> int:
    """Work on `queues` until told to stop."""
    from notify_app import create_app
    from notify_app.process import WorkerProcess, install
    from notify_app.schedule import assert_schedule
    from notify_app.timetable import chosen

    if BULK in queues and URGENT not in queues:
        os.nice(BULK_IS_NICE)
    app = create_app(pages=False)
    process = WorkerProcess(app)
    install(process)
    url = process.settings.redis_url
    connection = redis.Redis.from_url(url)

    def net() -> None:
        from notify_app import jobs

        jobs.retry()
        jobs.warn()
        assert_schedule(connection, chosen(process.settings))

    poll = threading.Thread(target=process.poll, args=(queues, net), name="poll", daemon=True)
    poll.start()
    stop_auditor = _auditor(process.settings, "worker", queues)
    _wait_for_redis(connection, process)
    if not process.stopping:
        HubWorker(queues, connection, process).work(logging_level="WARNING")
    process.stop()
    stop_auditor()
    poll.join(timeout=20)
    return 0


def _auditor(settings: Settings, kind: str, queues: list[str]) -> Callable[[], None]:
    """Start the auditor's thread of this process; what ends it. Only workers send the heartbeat."""
    if not settings.audit_every:
        return lambda: None
    from notify_app.audit.heartbeat import Heartbeat
    from notify_app.audit.watch import Watch, this_process
    from notify_app.queue import connect
    from notify_app.timetable import watched

    url = settings.database_engine_url
    ping = Heartbeat(settings.heartbeat_url, url) if settings.heartbeat_url and kind == "worker" else None
    beat = this_process(kind, tuple(queues))
    watch = Watch(url, connect(settings.redis_url), watched(settings), beat, ping)
    watch.start()
    return watch.stop


def _wait_for_redis(connection: redis.Redis, process: Any) -> None:
    """RQ will not start without Redis; the poll works meanwhile."""
    signal.signal(signal.SIGTERM, lambda *_: process.stop())
    signal.signal(signal.SIGINT, lambda *_: process.stop())
    while not process.stopping:
        try:
            connection.ping()
            return
        except redis.RedisError:
            time.sleep(0.5)


def schedule() -> int:
    """Beat until told to stop; exits when Redis goes away, and the supervisor starts it again."""
    from notify_app.config import Settings
    from notify_app.schedule import assert_schedule, make_scheduler
    from notify_app.timetable import chosen

    settings = Settings.from_env()
    connection = redis.Redis.from_url(settings.redis_url)
    _auditor(settings, "scheduler", [])
    try:
        assert_schedule(connection, chosen(settings), anew=True)
        make_scheduler(connection).run()
    except redis.RedisError as error:
        logging.getLogger("worker").error("Redis is away (%s); leaving", type(error).__name__)
        return 1
    return 0


def main(arguments: list[str]) -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="worker.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    working = commands.add_parser("work", help="run the jobs of one or more queues")
    working.add_argument(
        "queues", nargs="+", choices=QUEUES, metavar="QUEUE", help=f"one of {', '.join(QUEUES)}"
    )
    commands.add_parser("schedule", help="run the scheduler")
    chosen = parser.parse_args(arguments)
    # rq-scheduler reads cron lines in the process's zone
    os.environ["TZ"] = "UTC"
    time.tzset()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("rq.worker", "rq_scheduler.scheduler", "botocore", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return work(chosen.queues) if chosen.command == "work" else schedule()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
