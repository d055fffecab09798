"""Time-ordered ids made by the client, so that bulk inserts need no round trip to learn them (RFC 9562, version 7).

Those of one process rise, also within a millisecond: what a step writes first is listed first.
"""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

__all__ = ["new_id", "new_ids"]

RANDOM_BITS = 74
STEP_BITS = 32  # RFC 9562, 6.2, method 2: the next one of a millisecond is a random step further
_lock = threading.Lock()
_last = 0  # milliseconds and random bits of the newest id, as one number


def new_id() -> UUID:
    """A uuidv7: 48 bits of real milliseconds, the rest random and rising."""
    global _last  # noqa: PLW0603 - the newest id of the process
    with _lock:
        now = time.time_ns() // 1_000_000
        if now > _last >> RANDOM_BITS:
            fresh = now << RANDOM_BITS | _random(RANDOM_BITS - 1)
        else:
            fresh = _last + 1 + _random(STEP_BITS)
        _last = fresh
    milliseconds, random = fresh >> RANDOM_BITS, fresh & ((1 << RANDOM_BITS) - 1)
    high, low = random >> 62, random & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0x2 << 62 | low)


def new_ids(count: int) -> list[UUID]:
    """So many at once, each greater than the one before: rows that get them keep their order."""
    return [new_id() for _ in range(count)]


def _random(bits: int) -> int:
    return int.from_bytes(os.urandom(10), "big") & ((1 << bits) - 1)
