"""Counts the jobs that this process has done, and tells Valkey now and then from a thread of its own.

A job pays for a clock reading and an addition, nothing else: a counter in Valkey would cost the peer a round trip for
each job. `read` adds up what all processes have told. The clock is one for all processes of a machine.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import redis

__all__ = ["Meter", "client", "read"]

KEY = "bench:done"
TELL_SECONDS = 0.05


def client() -> Any:
    """Valkey, as the benchmark's environment names it."""
    return redis.Redis.from_url(os.environ["QUEUE_URL"])


@dataclass
class Meter:
    """One process's count. Begins to tell at the first job, so after any fork."""

    done: int = 0
    first: float = 0.0
    last: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pid: int = 0

    def count(self) -> None:
        """One more job is done."""
        with self._lock:
            self.last = time.monotonic()
            if self._pid != os.getpid():
                self._begin()
            self.done += 1

    def _begin(self) -> None:
        self._pid, self.done, self.first = os.getpid(), 0, self.last
        threading.Thread(target=self._tell, daemon=True).start()

    def _tell(self) -> None:
        connection, told = client(), 0
        while True:
            time.sleep(TELL_SECONDS)
            if self.done != told:
                with self._lock:
                    told, facts = self.done, {"done": self.done, "first": self.first, "last": self.last}
                connection.hset(KEY, str(self._pid), json.dumps(facts))


def read(connection: Any) -> tuple[int, float]:
    """How many jobs all processes have done, and the seconds from the first to the last."""
    facts = [json.loads(one) for one in connection.hvals(KEY)]
    if not facts:
        return 0, 0.0
    return sum(one["done"] for one in facts), max(one["last"] for one in facts) - min(
        one["first"] for one in facts
    )
