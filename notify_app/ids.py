"""Time-ordered ids made by the client, so that bulk inserts need no round trip to learn them (RFC 9562, version 7)."""

from __future__ import annotations

import os
import time
from uuid import UUID

__all__ = ["new_id", "new_ids"]


def new_id() -> UUID:
    """A uuidv7: 48 bits of real milliseconds, 12 of their fraction (RFC 9562, 6.2, method 3), the rest random."""
    return _made(_now())


def new_ids(count: int) -> list[UUID]:
    """So many at once, each greater than the one before: rows that get them keep their order."""
    first = _now()
    return [_made(first + at) for at in range(count)]


def _now() -> int:
    """Real time in 1/4096 of a millisecond."""
    return time.time_ns() * 4096 // 1_000_000


def _made(moment: int) -> UUID:
    chance = int.from_bytes(os.urandom(8), "big") & (1 << 62) - 1
    return UUID(int=(moment >> 12) << 80 | 0x7 << 76 | (moment & 0xFFF) << 64 | 0x2 << 62 | chance)
