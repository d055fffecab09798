"""Lines in inboxes: put, read, unread, withdrawn. Each change raises the person's counter in the same transaction.

The counter is the stream's cursor: its row lock makes numbers and commits come in the same order.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from notify_app import domains
from notify_app.live.announce import Changed, Frame
from notify_app.pipeline import recall
from notify_app.pipeline.step import Step
from notify_app.work import ladders

__all__ = [
    "Line",
    "acknowledge",
    "as_frame",
    "mark_all_read",
    "mark_read",
    "mark_unread",
    "told_to_many",
    "unread",
    "write",
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
    dedupe_key: str | None = None
    for_person_id: UUID | None = None


# taken in the order of ids: two steps that tell the same people wait for each other in turn, not in a circle
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


def write(
    step: Step,
    lines: Sequence[Line],
    *,
    moot: Sequence[Mapping[str, Any]] = (),
    noticed: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Insert notifications, take back what is not true any more, and announce both to their people.

    `moot` holds item_id and names: unread lines of an item whose message has become untrue; what was read stays as
    history. `noticed` holds item_id and person_id: who acts on an item has taken notice of what they were told of it.
    Every counter is raised once, all of them in the order of their people: two steps cannot wait in a circle.
    """
    if noticed:
        step.write(NOTICED, noticed)
    gone = _gone(step, moot)
    counts = Counter(line.person_id for line in lines)
    counts.update(person_id for person_id, _ in gone)
    if not counts:
        return
    last = _raise(step, counts)
    seqs = {person_id: last[person_id] - count for person_id, count in counts.items()}

    def next_of(person_id: UUID) -> int:
        seqs[person_id] += 1
        return seqs[person_id]

    withdrawn = [(person_id, next_of(person_id), ids) for (person_id, _), ids in gone.items()]
    _withdraw(step, withdrawn)
    recall.close(step, [one for _, _, ids in withdrawn for one in ids])
    rows = []
    for line in lines:
        seq = next_of(line.person_id)
        rows.append({**vars(line), "seq": seq, "changed_seq": seq})
    step.insert("notification", rows)
    totals = _unread_counts(step, list(counts))
    for person_id, seq, ids in withdrawn:
        data = {"ids": [str(one) for one in ids], "unread": totals[person_id]}
        step.news.append(Frame(person_id, seq, "withdrawn", data))
    for row in rows:
        data = as_frame(row, step) | {"unread": totals[row["person_id"]]}
        step.news.append(Frame(row["person_id"], row["seq"], "notification", data))


NOTICED = """
    UPDATE notification n SET acknowledged_at = (SELECT hub_now())
    FROM json_to_recordset(CAST(:rows AS json)) AS r(item_id uuid, person_id uuid)
    WHERE n.organisation_id = :org AND n.item_id = r.item_id AND n.person_id = r.person_id AND n.acknowledged_at IS NULL
"""
GONE = """
    SELECT n.item_id, n.person_id, n.id FROM json_to_recordset(CAST(:rows AS json)) AS r(item_id uuid, names text[])
    JOIN notification n ON n.organisation_id = :org AND n.item_id = r.item_id AND n.name = ANY(r.names)
    WHERE n.read_at IS NULL AND n.withdrawn_at IS NULL ORDER BY n.id
"""
WITHDRAWN = """
    UPDATE notification n SET withdrawn_at = (SELECT hub_now()), changed_seq = r.seq
    FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, seq bigint)
    WHERE n.organisation_id = :org AND n.id = r.id
"""


def _gone(step: Step, moot: Sequence[Mapping[str, Any]]) -> dict[tuple[UUID, UUID], list[UUID]]:
    """(person, item) → the lines that are not true any more."""
    rows = [row for row in moot if row["names"]]
    found: dict[tuple[UUID, UUID], list[UUID]] = {}
    for row in step.all(GONE, rows=json.dumps(rows, default=str)) if rows else ():
        found.setdefault((row.person_id, row.item_id), []).append(row.id)
    return found


def _withdraw(step: Step, withdrawn: Sequence[tuple[UUID, int, list[UUID]]]) -> None:
    rows = [{"id": one, "seq": seq} for _, seq, ids in withdrawn for one in ids]
    if rows:
        step.write(WITHDRAWN, rows)


def as_frame(row: Mapping[str, Any], step: Step) -> dict[str, Any]:
    """A notification as a page is told of it; the reader's own words for category and organisation are added there. Of an
    event that asks something it names the event (`asks`), whose answers the page knows."""
    type_ = domains.event(row["name"])
    asks = {"asks": row["name"]} if type_ and type_.answers else {}
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
        **asks,
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
    return _read(step, person_id, list(ids))


def mark_unread(step: Step, person_id: UUID, ids: Iterable[UUID]) -> int:
    """The way back."""
    return len(_mark(step, person_id, list(ids), "read_at = NULL", "read_at IS NOT NULL", "unread"))


def mark_all_read(step: Step, person_id: UUID) -> int:
    """Everything that is in the inbox now; how many were unread."""
    return _read(step, person_id, None)


def acknowledge(step: Step, event_id: UUID, person_id: UUID, *, for_all: bool = False) -> int:
    """Somebody takes notice of an event: their own line of it is acknowledged and read; `for_all` (the office) ends
    it as an alert for everybody; of what was told to many, for the office. Where the event is a level of a ladder, they
    see to its task. Returns how many lines were not acknowledged before."""
    # the task before any line, as the sweep takes them
    ladders.see_to(step, event_id, person_id)
    rows = step.all(
        "UPDATE notification SET acknowledged_at = hub_now() WHERE organisation_id = :org AND event_id = :event "
        "AND acknowledged_at IS NULL AND withdrawn_at IS NULL AND (:all OR person_id = :person OR (:office AND person_id IN "
        "(SELECT id FROM person WHERE organisation_id = :org AND role IN ('manager', 'administrator')))) "
        "RETURNING id, person_id",
        event=event_id,
        person=person_id,
        office=for_all,
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


def _read(step: Step, person_id: UUID, ids: list[UUID] | None) -> int:
    lines = _mark(step, person_id, ids, "read_at = hub_now()", "read_at IS NULL", "read")
    recall.close(step, lines)
    return len(lines)


def _mark(
    step: Step, person_id: UUID, ids: list[UUID] | None, change: str, when: str, event: str
) -> list[UUID]:
    found = step.one(
        "SELECT 1 FROM notification WHERE organisation_id = :org AND person_id = :person AND withdrawn_at IS NULL "
        f"AND {when} AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY(:ids)) LIMIT 1",
        person=person_id,
        ids=ids,
    )
    if found is None:
        return []
    seq = _raise(step, {person_id: 1})[person_id]
    rows = step.all(
        f"UPDATE notification SET {change}, changed_seq = :seq WHERE organisation_id = :org AND person_id = :person "
        f"AND withdrawn_at IS NULL AND {when} AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY(:ids)) RETURNING id",
        person=person_id,
        ids=ids,
        seq=seq,
    )
    data = {"ids": [str(row.id) for row in rows], "all": ids is None, "unread": unread(step, person_id)}
    step.news.append(Frame(person_id, seq, event, data))
    return [row.id for row in rows]
