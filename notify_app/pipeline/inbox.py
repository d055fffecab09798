"""Lines in inboxes: put, read, unread, withdrawn. Each change raises the person's counter in the same transaction.

The counter is the stream's cursor: its row lock makes numbers and commits come in the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from notify_app.live.announce import Changed, Frame
from notify_app.pipeline.step import Step
from notify_app.work import people

__all__ = [
    "Line",
    "acknowledge",
    "acknowledge_item",
    "as_frame",
    "mark_all_read",
    "mark_read",
    "mark_unread",
    "put",
    "told_to_many",
    "unread",
    "withdraw",
]

PRIORITIES = {1: "urgent", 2: "high", 3: "medium", 4: "low"}


@dataclass(frozen=True)
class Line:
    """A notification to be written."""

    id: UUID
    event_id: UUID
    person_id: UUID
    name: str
    category: str
    priority: int
    title: str
    text: str
    action_url: str
    item_id: UUID | None


# taken in the order of ids: two steps that tell the same people wait for each other in turn, not in a circle. (One
# that withdraws and tells raises twice, and may meet another in a circle: PostgreSQL ends one, which is tried again.)
RAISE = text(
    """
    INSERT INTO inbox_counter (organisation_id, person_id, seq)
    SELECT :org, person_id, n FROM unnest(CAST(:people AS uuid[]), CAST(:counts AS bigint[])) AS t(person_id, n)
    ORDER BY person_id
    ON CONFLICT (organisation_id, person_id) DO UPDATE SET seq = inbox_counter.seq + excluded.seq
    RETURNING person_id, seq
    """
)


def _raise(step: Step, counts: Mapping[UUID, int]) -> dict[UUID, int]:
    """Raise each person's counter by as many as there are changes; the new values."""
    ids = sorted(counts)
    rows = step.all(RAISE, people=ids, counts=[counts[one] for one in ids])
    return {row.person_id: row.seq for row in rows}


def put(step: Step, lines: Sequence[Line]) -> None:
    """Insert notifications and announce each to its person."""
    if not lines:
        return
    counts = Counter(line.person_id for line in lines)
    last = _raise(step, counts)
    left = dict(counts)
    rows = []
    for line in lines:
        left[line.person_id] -= 1
        seq = last[line.person_id] - left[line.person_id]
        rows.append({"organisation_id": step.organisation_id, **asdict(line), "seq": seq, "changed_seq": seq})
    step.insert("notification", rows)
    totals = _unread_counts(step, list(counts))
    for row in rows:
        step.news.append(
            Frame(
                row["person_id"],
                row["seq"],
                "notification",
                {**as_frame(row, step), "unread": totals[row["person_id"]]},
            )
        )


def as_frame(row: Mapping[str, Any], step: Step) -> dict[str, Any]:
    """A notification as a page is told of it; the reader's own words for category and organisation are added there."""
    return {
        "id": str(row["id"]),
        "title": row["title"],
        "text": row["text"],
        "priority": PRIORITIES[row["priority"]],
        "category": row["category"],
        "url": f"/inbox/{row['id']}",
        "action_url": row["action_url"],
        "created_at": step.now.isoformat(),
        "read": False,
    }


def _unread_counts(step: Step, people: list[UUID]) -> dict[UUID, int]:
    rows = step.all(
        "SELECT p.id, (SELECT count(*) FROM notification n WHERE n.person_id = p.id AND n.read_at IS NULL "
        "AND n.withdrawn_at IS NULL) AS n FROM unnest(CAST(:people AS uuid[])) AS p(id)",
        people=people,
    )
    return {row.id: row.n for row in rows}


def unread(step: Step, person_id: UUID) -> int:
    """How many lines this person has not read."""
    return _unread_counts(step, [person_id])[person_id]


def mark_read(step: Step, person_id: UUID, ids: Iterable[UUID]) -> int:
    """Mark these lines of this person as read; how many were not before."""
    return _mark(step, person_id, list(ids), "read_at = hub_now()", "read_at IS NULL", "read")


def mark_unread(step: Step, person_id: UUID, ids: Iterable[UUID]) -> int:
    """The way back."""
    return _mark(step, person_id, list(ids), "read_at = NULL", "read_at IS NOT NULL", "unread")


def mark_all_read(step: Step, person_id: UUID) -> int:
    """Everything that is in the inbox now; how many were unread."""
    return _mark(step, person_id, None, "read_at = hub_now()", "read_at IS NULL", "read")


def acknowledge(step: Step, event_id: UUID, person_id: UUID, *, for_all: bool = False) -> int:
    """Somebody takes notice of an event: their own line of it is acknowledged and read; `for_all` (the office) ends
    it as an alert for everybody; of what was told to many, for the office. Returns how many lines were not acknowledged
    before."""
    rows = step.all(
        "UPDATE notification SET acknowledged_at = hub_now() WHERE organisation_id = :org AND event_id = :event "
        "AND acknowledged_at IS NULL AND withdrawn_at IS NULL AND (:all OR person_id = ANY(:people)) RETURNING id, person_id",
        event=event_id,
        people=[person_id, *(people.office(step) if for_all else ())],
        all=for_all and not told_to_many(step, event_id),
    )
    mark_read(step, person_id, [row.id for row in rows if row.person_id == person_id])
    step.news.append(Changed(step.organisation_id, "alert"))
    return len(rows)


def told_to_many(step: Step, event_id: UUID) -> bool:
    """Whether the event is a broadcast, whose lines nobody goes through one by one."""
    found = step.one(
        "SELECT 1 FROM broadcast WHERE organisation_id = :org AND event_id = :event", event=event_id
    )
    return found is not None


def acknowledge_item(step: Step, item_id: UUID, person_id: UUID) -> int:
    """Who acts on an item has taken notice of what they were told of it."""
    return step.run(
        "UPDATE notification SET acknowledged_at = hub_now() WHERE organisation_id = :org AND item_id = :item "
        "AND person_id = :person AND acknowledged_at IS NULL",
        item=item_id,
        person=person_id,
    )


def withdraw(step: Step, item_id: UUID, names: Sequence[str]) -> int:
    """Take back unread lines of an item whose message is not true any more; what was read stays as history."""
    if not names:
        return 0
    rows = step.all(
        "SELECT person_id, array_agg(id) AS ids FROM notification WHERE organisation_id = :org AND item_id = :item "
        "AND name = ANY(:names) AND read_at IS NULL AND withdrawn_at IS NULL GROUP BY person_id",
        item=item_id,
        names=list(names),
    )
    last = _raise(step, {row.person_id: 1 for row in rows})
    for row in rows:
        step.run(
            "UPDATE notification SET withdrawn_at = hub_now(), changed_seq = :seq WHERE organisation_id = :org "
            "AND id = ANY(:ids)",
            ids=row.ids,
            seq=last[row.person_id],
        )
        data = {"ids": [str(one) for one in row.ids], "unread": unread(step, row.person_id)}
        step.news.append(Frame(row.person_id, last[row.person_id], "withdrawn", data))
    return len(rows)


def _mark(step: Step, person_id: UUID, ids: list[UUID] | None, change: str, when: str, event: str) -> int:
    found = step.one(
        "SELECT 1 FROM notification WHERE organisation_id = :org AND person_id = :person AND withdrawn_at IS NULL "
        f"AND {when} AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY(:ids)) LIMIT 1",
        person=person_id,
        ids=ids,
    )
    if found is None:
        return 0
    seq = _raise(step, {person_id: 1})[person_id]
    rows = step.all(
        f"UPDATE notification SET {change}, changed_seq = :seq WHERE organisation_id = :org AND person_id = :person "
        f"AND withdrawn_at IS NULL AND {when} AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY(:ids)) RETURNING id",
        person=person_id,
        ids=ids,
        seq=seq,
    )
    marked = [str(row.id) for row in rows]
    data = {"ids": marked, "all": ids is None, "unread": unread(step, person_id)}
    step.news.append(Frame(person_id, seq, event, data))
    return len(marked)
