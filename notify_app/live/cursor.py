"""The stream's cursor: the counters of an account's people, as one opaque string that is the SSE id.

`state` reads counters and unread counts in one statement, so that a page which reads its rows afterwards is never
ahead of the cursor that it hands to its stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import text

from notify_app.extensions import db

__all__ = ["STATE", "decode", "encode", "state"]

MOST = 2**63 - 1  # a bigint

STATE = text(
    """
    SELECT p.id, coalesce(c.seq, 0) AS seq,
           (SELECT count(*) FROM notification n
             WHERE n.person_id = p.id AND n.read_at IS NULL AND n.withdrawn_at IS NULL) AS unread
    FROM unnest(CAST(:people AS uuid[])) AS p(id) LEFT JOIN inbox_counter c ON c.person_id = p.id
    """
)


def state(people: Iterable[tuple[UUID, UUID]]) -> tuple[int, str]:
    """How many lines these (organisation, person) have not read, and the cursor of now."""
    with db.engines["engine"].connect() as conn:
        rows = conn.execute(STATE, {"people": [person for _, person in people]}).all()
    return sum(row.unread for row in rows), encode({row.id.hex: row.seq for row in rows})


def encode(counters: Mapping[str, int]) -> str:
    """`<person>.<counter>` joined by dashes, in the order of the people (each by the 32 digits of their id)."""
    return "-".join(f"{person}.{seq}" for person, seq in sorted(counters.items()))


def decode(token: str) -> dict[str, int]:
    """The counters of a cursor; empty for anything that is none, which means a fresh snapshot."""
    counters: dict[str, int] = {}
    for part in token.split("-") if token else ():
        person, _, seq = part.partition(".")
        try:
            counters[UUID(hex=person).hex] = known = int(seq)
        except ValueError:
            return {}
        if known > MOST:
            return {}
    return counters
