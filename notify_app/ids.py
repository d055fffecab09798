"""Time-ordered ids made by the client, so that bulk inserts need no round trip to learn them (RFC 9562, version 7)."""

from __future__ import annotations

import os
import time
from uuid import UUID

__all__ = ["new_id"]


def new_id() -> UUID:
    """A uuidv7: 48 bits of real milliseconds, the rest random."""
    value = int.from_bytes(os.urandom(10), "big") | (time.time_ns() // 1_000_000) << 80
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
