"""What streams have missed, read from the database for many at once: the resume after a gap, or a fresh snapshot.

Streams that open within the same few milliseconds share one statement that reads their counters; only those that are
behind are read in detail, together again, each organisation by itself. So ten thousand that come back after a restart
cost some dozens of statements.

Each change of an inbox row carries the counter of its transaction (`changed_seq`), so what lies behind a cursor is
one indexed range. A line that is new to the client comes as `notification` (read or not), an older one that was
read, unread or withdrawn elsewhere as a tombstone. Nothing is missed, nothing is sent twice.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cache
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import text

from notify_app import domains, tenancy
from notify_app.extensions import db
from notify_app.live.cursor import STATE
from notify_app.live.stream import Stream, encode

__all__ = ["SNAPSHOT_LINES", "TOO_FAR", "bring", "category_title"]

TOO_FAR = 500  # a client that missed more gets a snapshot instead
SNAPSHOT_LINES = 50
FRESH_AT_ONCE = 20  # streams of a statement: a thousand rows, and some milliseconds to write them
MISSED_AT_ONCE = 100
PRIORITIES = {1: "urgent", 2: "high", 3: "medium", 4: "low"}

Place = tuple[Stream, int]  # one of a stream's people
One = TypeVar("One")

# what this person has answered last to the matter of a line that asks, told again or not
ANSWERED = """
    SELECT a.name FROM answer a WHERE a.organisation_id = :org AND a.person_id = notification.person_id
        AND a.event_id = coalesce((SELECT again_of FROM written_message m WHERE m.organisation_id = :org
            AND m.event_id = notification.event_id AND m.again_of IS NOT NULL LIMIT 1), notification.event_id)
    ORDER BY a.id DESC LIMIT 1
"""
# counter, unread count and rows of each person are of one moment
READ = """
    SELECT p.at, coalesce(c.seq, 0) AS counter, u.unread, n.*
    FROM unnest(CAST(:people AS uuid[]), CAST(:afters AS bigint[])) WITH ORDINALITY AS p(id, after, at)
    LEFT JOIN inbox_counter c ON c.organisation_id = :org AND c.person_id = p.id
    CROSS JOIN LATERAL (
        SELECT count(*) AS unread FROM notification
        WHERE person_id = p.id AND read_at IS NULL AND withdrawn_at IS NULL
    ) u
    LEFT JOIN LATERAL (
        SELECT id, name, title, text, priority, category, action_url, created_at, read_at, withdrawn_at, seq, changed_seq,
               CASE WHEN name = ANY(:asking) THEN ({answered}) END AS answered
        FROM notification WHERE organisation_id = :org AND person_id = p.id AND {which} LIMIT :limit
    ) n ON true
    ORDER BY p.at, {order}
"""
MISSED = text(
    READ.format(
        which="changed_seq > p.after ORDER BY changed_seq, id", order="n.changed_seq, n.id", answered=ANSWERED
    )
)
NEWEST = text(
    READ.format(which="withdrawn_at IS NULL ORDER BY id DESC", order="n.id DESC", answered=ANSWERED)
)


def bring(
    streams: Sequence[Stream], lock: AbstractContextManager[Any], settle: Callable[[Stream], None]
) -> None:
    """Bring unsettled streams up to now. Needs an application context. Each is written to and handed to `settle` with
    the lock held; one that turns out to be too far behind, or ahead of all that is known, is `fresh` then and needs
    another look. Raises SQLAlchemyError when the database is away; some are not settled then."""
    known, fresh = [one for one in streams if not one.fresh], [one for one in streams if one.fresh]
    behind = _behind(known)
    with lock:
        for stream in known:
            if stream not in behind:
                settle(stream)
    for some in _parts(list(behind.values()), MISSED_AT_ONCE):
        rows = _read(MISSED, [place for places in some for place in places], TOO_FAR + 1)
        for places in some:
            with lock:
                _resume(places, rows)
                settle(places[0][0])
        time.sleep(0)  # others want to be served meanwhile
    for part in _parts(fresh, FRESH_AT_ONCE):
        rows = _read(NEWEST, [place for stream in part for place in _places(stream)], SNAPSHOT_LINES)
        for stream in part:
            with lock:
                _snapshot(stream, rows)
                settle(stream)
        time.sleep(0)


def _behind(streams: Sequence[Stream]) -> dict[Stream, list[Place]]:
    """The people of these streams that have missed something, by stream; the unread counts of the others are noted."""
    keys = sorted({one.key for stream in streams for one in stream.reader.people})
    if not keys:
        return {}
    with db.engines["engine"].connect() as conn:
        states = {row.id.hex: row for row in conn.execute(STATE, {"people": keys})}
    return {stream: behind for stream in streams if (behind := _compare(stream, states))}


def _compare(stream: Stream, states: dict[str, Any]) -> list[Place]:
    behind = []
    for at, one in enumerate(stream.reader.people):
        state = states[one.key]
        if stream.seqs[at] > state.seq:
            stream.fresh = True
            return []
        if stream.seqs[at] < state.seq:
            behind.append((stream, at))
        else:
            stream.unread[at] = state.unread
    return behind


def _read(statement: Any, places: Sequence[Place], limit: int) -> dict[Place, list[Any]]:
    """The rows of each of these people; at least one each, with the counter, and without an id where there are none."""
    by_organisation = defaultdict(list)
    for place in places:
        stream, at = place
        by_organisation[stream.reader.people[at].organisation_id].append(place)
    found: dict[Place, list[Any]] = {place: [] for place in places}
    for organisation_id, those in by_organisation.items():
        values = {
            "org": organisation_id,
            "people": [stream.reader.people[at].key for stream, at in those],
            "afters": [stream.seqs[at] for stream, at in those],
            "limit": limit,
            "asking": asking(),
        }
        with tenancy.scope(organisation_id), db.engine.connect() as conn:
            for row in conn.execute(statement, values):
                found[those[row.at - 1]].append(row)
    return found


def _resume(places: Sequence[Place], rows: dict[Place, list[Any]]) -> None:
    """Write what one stream has missed."""
    stream = places[0][0]
    if any(len(rows[place]) > TOO_FAR for place in places):
        stream.fresh = True
        return
    frames = [frame for _, at in places for frame in _missed(stream, at, rows[stream, at])]
    stream.write(b"".join(frames))


def _missed(stream: Stream, at: int, rows: Sequence[Any]) -> Iterator[bytes]:
    """The frames that bring one of a stream's people from where it is to the counter of `rows`, which the last names."""
    after, counter, unread = stream.seqs[at], rows[0].counter, rows[0].unread
    stream.unread[at] = unread
    found = sorted((row for row in rows if row.id is not None), key=lambda row: _place(row, after))
    changes = [
        (seq, list(_frames(stream, at, after, list(group), unread)))
        for seq, group in groupby(found, key=lambda row: _place(row, after))
    ]
    for number, (seq, frames) in enumerate(changes, 1):
        reached = counter if number == len(changes) else seq
        for place, (event, data) in enumerate(frames, 1):
            yield stream.advance(event, data, at, reached, last=place == len(frames))
    stream.seqs[at] = counter


def _place(row: Any, after: int) -> int:
    """Where a row's change stands in the order of the frames. A line that is new to the client comes at the number of
    its making, as it is by now, and not at that of its last change: who breaks off between the two and comes back
    would be told of the change alone, of a line that it has never seen."""
    return int(row.seq if _is_new(row, after) else row.changed_seq)


def _is_new(row: Any, after: int) -> bool:
    return row.withdrawn_at is None and bool(row.seq > after)


def _frames(
    stream: Stream, at: int, after: int, rows: Sequence[Any], unread: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What happened at one number: new lines, and tombstones for older ones."""
    tombstones: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        if _is_new(row, after):
            yield "notification", {**_line(row, stream.name_of(at)), "unread": unread}
        else:
            event = "withdrawn" if row.withdrawn_at else "read" if row.read_at else "unread"
            tombstones[event].append(str(row.id))
    for event, ids in tombstones.items():
        yield event, {"ids": ids, "unread": unread} | ({"all": False} if event == "read" else {})


def _snapshot(stream: Stream, rows: dict[Place, list[Any]]) -> None:
    """Write the newest lines of all of a stream's people: a beginning that forgets what was before."""
    lines: list[tuple[Any, int]] = []
    for _, at in _places(stream):
        of_one = rows[stream, at]
        stream.seqs[at], stream.unread[at] = of_one[0].counter, of_one[0].unread
        lines += [(row, at) for row in of_one if row.id is not None]
    lines.sort(key=lambda line: line[0].id, reverse=True)
    data = {
        "unread": sum(stream.unread),
        "notifications": [_line(row, stream.name_of(at)) for row, at in lines[:SNAPSHOT_LINES]],
    }
    stream.fresh = False
    stream.write(encode("snapshot", data, stream.cursor()))


def _line(row: Any, organisation: str) -> dict[str, Any]:
    """A notification as pages are told of it; of one that asks, its event and what was answered."""
    asks = {"asks": row.name, "answered": row.answered or ""} if row.name in asking() else {}
    return {
        "id": str(row.id),
        "title": row.title,
        "text": row.text,
        "priority": PRIORITIES[row.priority],
        "category": row.category,
        "category_title": category_title(row.category),
        "url": f"/inbox/{row.id}",
        "action_url": row.action_url,
        "created_at": row.created_at.isoformat(),
        "read": row.read_at is not None,
        "organisation": organisation,
        **asks,
    }


@cache
def asking() -> list[str]:
    """The events that ask something."""
    return [one.name for one in domains.events() if one.answers]


@cache
def category_title(name: str) -> str:
    """A category's name for people; nothing for one that no pack declares any more."""
    return next((one.title for one in domains.categories() if one.name == name), "")


def _places(stream: Stream) -> list[Place]:
    return [(stream, at) for at in range(len(stream.seqs))]


def _parts(those: Sequence[One], size: int) -> Iterator[Sequence[One]]:
    return (those[start : start + size] for start in range(0, len(those), size))
