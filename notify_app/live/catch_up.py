"""What a stream has missed, read from the database: the resume after a gap, or a fresh snapshot.

Each change of an inbox row carries the counter of its transaction (`changed_seq`), so what lies behind a cursor is
one indexed range. A line that is new to the client comes as `notification` (read or not), an older one that was
read, unread or withdrawn elsewhere as a tombstone. Nothing is missed, nothing is sent twice.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import text

from notify_app import domains, tenancy
from notify_app.extensions import db
from notify_app.live import cursor
from notify_app.live.stream import Stream, encode

__all__ = ["SNAPSHOT_LINES", "TOO_FAR", "bring"]

TOO_FAR = 500  # a client that missed more gets a snapshot instead
SNAPSHOT_LINES = 50
PRIORITIES = {1: "urgent", 2: "high", 3: "medium", 4: "low"}

LINES = "id, title, text, priority, category, action_url, created_at, read_at, withdrawn_at, seq, changed_seq"
# one statement reads counter, unread count and rows, so that all three are of one moment
MISSED = text(
    f"""
    WITH state AS (
        SELECT coalesce((SELECT seq FROM inbox_counter WHERE organisation_id = :org AND person_id = :person), 0) AS counter,
               (SELECT count(*) FROM notification WHERE person_id = :person AND read_at IS NULL AND withdrawn_at IS NULL)
                   AS unread
    )
    SELECT state.counter, state.unread, n.* FROM state LEFT JOIN LATERAL (
        SELECT {LINES} FROM notification WHERE organisation_id = :org AND person_id = :person AND changed_seq > :after
        ORDER BY changed_seq, id LIMIT :limit
    ) n ON true
    """
)
NEWEST = text(
    f"""
    WITH state AS (
        SELECT coalesce((SELECT seq FROM inbox_counter WHERE organisation_id = :org AND person_id = :person), 0) AS counter,
               (SELECT count(*) FROM notification WHERE person_id = :person AND read_at IS NULL AND withdrawn_at IS NULL)
                   AS unread
    )
    SELECT state.counter, state.unread, n.* FROM state LEFT JOIN LATERAL (
        SELECT {LINES} FROM notification WHERE organisation_id = :org AND person_id = :person AND withdrawn_at IS NULL
        ORDER BY id DESC LIMIT :limit
    ) n ON true
    """
)


def bring(stream: Stream) -> None:
    """Bring a stream up to now. Call it with the stream's lock held, in an application context."""
    if stream.fresh:
        _snapshot(stream)
        stream.fresh = False
        return
    for person_id in stream.reader.people:
        if not _resume(stream, person_id):
            _snapshot(stream)
            return


def _read(stream: Stream, person_id: UUID, statement: Any, **values: Any) -> list[Any]:
    organisation_id, _ = stream.reader.people[person_id]
    with tenancy.scope(organisation_id), db.engine.connect() as conn:
        return list(conn.execute(statement, {"org": organisation_id, "person": person_id, **values}))


def _resume(stream: Stream, person_id: UUID) -> bool:
    """Send what one person missed; False when it is too much, or the cursor is ahead of what is known."""
    after = stream.counters[person_id]
    rows = _read(stream, person_id, MISSED, after=after, limit=TOO_FAR + 1)
    counter, stream.unread[person_id] = rows[0].counter, rows[0].unread
    if len(rows) > TOO_FAR or after > counter:
        return False
    found = [row for row in rows if row.id is not None]
    for seq, group in groupby(found, key=lambda row: row.changed_seq):
        _send(stream, person_id, seq, after, list(group))
    stream.counters[person_id] = max(counter, stream.counters[person_id])
    return True


def _send(stream: Stream, person_id: UUID, seq: int, after: int, rows: list[Any]) -> None:
    unread = stream.unread[person_id]
    tombstones: dict[str, list[str]] = {}
    frames: list[tuple[str, dict[str, Any]]] = []
    for row in rows:
        if row.withdrawn_at is not None:
            tombstones.setdefault("withdrawn", []).append(str(row.id))
        elif row.seq > after:
            frames.append(("notification", {**line(row, stream.name_of(person_id)), "unread": unread}))
        else:
            tombstones.setdefault("read" if row.read_at else "unread", []).append(str(row.id))
    for event, ids in tombstones.items():
        data = {"ids": ids, "unread": unread} | ({"all": False} if event == "read" else {})
        frames.append((event, data))
    for number, (event, data) in enumerate(frames, 1):
        stream.send(event, data, person_id, seq, last=number == len(frames))


def _snapshot(stream: Stream) -> None:
    lines: list[tuple[Any, UUID]] = []
    for person_id in stream.reader.people:
        rows = _read(stream, person_id, NEWEST, limit=SNAPSHOT_LINES)
        stream.counters[person_id], stream.unread[person_id] = rows[0].counter, rows[0].unread
        lines += [(row, person_id) for row in rows if row.id is not None]
    lines.sort(key=lambda one: one[0].id, reverse=True)
    data = {
        "unread": sum(stream.unread.values()),
        "notifications": [line(row, stream.name_of(person)) for row, person in lines[:SNAPSHOT_LINES]],
    }
    stream.write(encode("snapshot", data, cursor.encode(stream.counters)))


def line(row: Any, organisation: str) -> dict[str, Any]:
    """A notification as pages are told of it."""
    category = next((one.title for one in domains.categories() if one.name == row.category), "")
    return {
        "id": str(row.id),
        "title": row.title,
        "text": row.text,
        "priority": PRIORITIES[row.priority],
        "category": row.category,
        "category_title": category,
        "url": f"/inbox/{row.id}",
        "action_url": row.action_url,
        "created_at": row.created_at.isoformat(),
        "read": row.read_at is not None,
        "organisation": organisation,
    }
