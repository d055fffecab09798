"""What one step has to write, table by table, and how it is written: one statement a table, each with one JSON parameter.

The order is the same for every step, so that two wait for each other in turn and not in a circle; people's counters come
last, because who else tells the same people waits from there to the commit. What a step says twice of one row is written
once, as it was said last. Decides nothing but this: a matter that a person has heard of is not told to them again (D3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from notify_app.live.announce import Changed
from notify_app.pipeline import crowd, digest, endpoints, inbox, outbox
from notify_app.pipeline.flaws import Flaw, note
from notify_app.pipeline.retime import retime
from notify_app.pipeline.step import Step
from notify_app.policy.reasons import Reason
from notify_app.work import ladders

__all__ = ["Writes", "write"]


@dataclass
class Writes:
    """Rows that wait for `flush`, table by table."""

    people: list[dict[str, Any]] = field(default_factory=list)
    addresses: list[dict[str, Any]] = field(default_factory=list)
    rezoned: list[UUID] = field(default_factory=list)  # people whose zone is another one now
    items: list[dict[str, Any]] = field(default_factory=list)
    parts: list[dict[str, Any]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    noticed: list[dict[str, Any]] = field(default_factory=list)  # whose lines of an item are acknowledged
    tasks: list[dict[str, Any]] = field(default_factory=list)
    reminders: list[dict[str, Any]] = field(default_factory=list)
    moot: list[dict[str, Any]] = field(default_factory=list)  # messages of an item that are not true any more
    links: list[dict[str, Any]] = field(default_factory=list)
    answer_links: list[dict[str, Any]] = field(
        default_factory=list
    )  # they point at lines, so they come after them
    events: list[dict[str, Any]] = field(default_factory=list)
    lines: list[inbox.Line] = field(default_factory=list)
    deliveries: list[outbox.Row] = field(default_factory=list)
    to_endpoints: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    # audiences that are written in chunks: event, priority, people, action
    crowds: list[tuple[UUID, int, crowd.Audience, str]] = field(default_factory=list)
    settled: list[dict[str, Any]] = field(default_factory=list)  # inbound rows: id, state, error
    flaws: list[Flaw] = field(default_factory=list)  # of the office's own templates

    def lengths(self) -> list[int]:
        return [len(rows) for rows in vars(self).values()]

    def cut(self, lengths: list[int]) -> None:
        for rows, length in zip(vars(self).values(), lengths, strict=True):
            del rows[length:]


def write(step: Step, writes: Writes) -> None:
    """Write all of it. Raises what PostgreSQL raises; the step is then to be given up."""
    _leave_out_what_was_told(step, writes)
    _write_people(step, writes)
    _write_items(step, writes)
    _write_waiting(step, writes)
    step.insert("change", writes.changes)
    step.insert("link", writes.links)
    step.insert("event", writes.events)
    for event_id, priority, many, action in writes.crowds:
        crowd.enlist(step, event_id, priority, many, action)
    step.insert("decision", writes.decisions)
    note(step, writes.flaws)
    outbox.put_messages(step, writes.deliveries)
    endpoints.put(step, writes.to_endpoints)
    if writes.settled:
        step.write(SETTLED, writes.settled)
    inbox.write(step, writes.lines, moot=writes.moot, noticed=writes.noticed)
    outbox.put_items(step, writes.deliveries)
    step.insert("link", writes.answer_links)
    _tell_office(step, "work", [row["item_id"] for row in writes.changes])
    if writes.events:
        _tell_office(step, "event", [row["item_id"] for row in writes.events], always=True)


def _tell_office(step: Step, what: str, items: Iterable[UUID | None], *, always: bool = False) -> None:
    """One word to the office's open pages for all that this step has done."""
    touched = tuple(dict.fromkeys(str(one) for one in items if one))
    if touched or always:
        step.news.append(Changed(step.organisation_id, what, touched))


def _leave_out_what_was_told(step: Step, writes: Writes) -> None:
    """A matter that a person has heard of is not told to them again (D3): neither line nor message, and the record says
    why. The item is under lock, so nobody else tells it meanwhile; the constraint stands behind that."""
    keys = [line.dedupe_key for line in writes.lines if line.dedupe_key]
    if not keys:
        return
    rows = step.all(
        "SELECT dedupe_key FROM notification WHERE organisation_id = :org AND dedupe_key = ANY(:keys)",
        keys=keys,
    )
    known = {row.dedupe_key for row in rows}
    again: set[UUID] = set()
    for line in writes.lines:
        if line.dedupe_key in known:
            again.add(line.id)
        elif line.dedupe_key:
            known.add(line.dedupe_key)
    if not again:
        return
    told = {(str(line.event_id), line.person_id) for line in writes.lines if line.id in again}
    writes.lines = [line for line in writes.lines if line.id not in again]
    writes.deliveries = [row for row in writes.deliveries if row.notification_id not in again]
    writes.answer_links = [row for row in writes.answer_links if row["notification_id"] not in again]
    writes.decisions = [row for row in writes.decisions if (row["event_id"], row["person_id"]) not in told]
    writes.decisions += [
        {
            "event_id": event,
            "person_id": person,
            "channel": None,
            "outcome": "not_told",
            "reason": Reason.duplicate.value,
            "detail": {},
        }
        for event, person in told
    ]


SETTLED = """
    UPDATE inbound i SET state = r.state, error = r.error, settled_at = (SELECT hub_now()), attempts = i.attempts + 1
    FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, state text, error text)
    WHERE i.organisation_id = :org AND i.id = r.id
"""
# the name, zone and locale that were not given stay as they are; so does that somebody has left, which is the
# office's to say: with it their sign-in came back
PEOPLE = """
    INSERT INTO person (organisation_id, id, source_id, external_id, name, role, zone, locale)
    SELECT :org, id, source_id, external_id, name, role, zone, locale
    FROM json_populate_recordset(NULL::person, CAST(:rows AS json)) ORDER BY id
    ON CONFLICT (organisation_id, id) DO UPDATE
    SET name = excluded.name, zone = coalesce(excluded.zone, person.zone),
        locale = coalesce(excluded.locale, person.locale)
"""
GIVEN = "SELECT person_id, channel, value FROM json_populate_recordset(NULL::address, CAST(:rows AS json))"
# the source's address replaces the one that it gave before and becomes the first; what the person added stays
ADDRESSES = (
    f"""
    DELETE FROM address a USING ({GIVEN}) g WHERE a.organisation_id = :org AND a.person_id = g.person_id
    AND a.channel = g.channel AND a.value <> g.value AND a.from_source
    """,
    f"""
    UPDATE address a SET position = a.position + 1 FROM ({GIVEN}) g WHERE a.organisation_id = :org
    AND a.person_id = g.person_id AND a.channel = g.channel AND a.value <> g.value
    """,
    f"""
    INSERT INTO address (organisation_id, person_id, channel, value, from_source)
    SELECT :org, person_id, channel, value, true FROM ({GIVEN}) g
    ON CONFLICT ON CONSTRAINT uq_address_value DO UPDATE SET position = 0, from_source = true
    """,
)
ITEMS = """
    INSERT INTO work_item (organisation_id, id, kind, source_id, external_id, number, title, status, version, round,
                           data, batch_ref, known_at)
    SELECT :org, id, kind, source_id, external_id, number, title, status, version, round, data, batch_ref, known_at
    FROM json_populate_recordset(NULL::work_item, CAST(:rows AS json)) ORDER BY id
    ON CONFLICT (organisation_id, id) DO UPDATE
    SET number = excluded.number, title = excluded.title, status = excluded.status, version = excluded.version,
        round = excluded.round, data = excluded.data, batch_ref = excluded.batch_ref, known_at = excluded.known_at,
        updated_at = CASE WHEN excluded.version = work_item.version THEN work_item.updated_at ELSE (SELECT hub_now()) END
"""
PARTS = (
    """
    DELETE FROM item_person p USING json_populate_recordset(NULL::item_person, CAST(:rows AS json)) r
    WHERE p.organisation_id = :org AND p.item_id = r.item_id AND p.role = r.role
    """,
    """
    INSERT INTO item_person (organisation_id, item_id, role, person_id)
    SELECT :org, item_id, role, person_id FROM json_populate_recordset(NULL::item_person, CAST(:rows AS json))
    WHERE person_id IS NOT NULL
    """,
)


def _write_people(step: Step, writes: Writes) -> None:
    if writes.people:
        step.write(PEOPLE, _last(writes.people, ("id",), keep=("zone", "locale")))
    if writes.addresses:
        rows = _last(writes.addresses, ("person_id", "channel"))
        for statement in ADDRESSES:
            step.write(statement, rows)
    if writes.rezoned:
        digest.replan(step, writes.rezoned)
        retime(step, writes.rezoned)


def _write_items(step: Step, writes: Writes) -> None:
    if writes.items:
        step.write(ITEMS, _last(writes.items, ("id",), keep=("source_id", "external_id")))
    if writes.parts:
        rows = _last(writes.parts, ("item_id", "role"))
        for statement in PARTS:
            step.write(statement, rows)


TASKS = """
    INSERT INTO task (organisation_id, id, item_id, kind, name, step, round, assignee_id, hours, opened_at, due_at,
                      closed_at, closed_by, outcome, ladder, rule_id, rule_version, level, next_level_at)
    SELECT :org, id, item_id, kind, name, step, round, assignee_id, hours, opened_at, due_at, closed_at, closed_by,
           outcome, ladder, rule_id, rule_version, level, CASE WHEN closed_at IS NULL THEN next_level_at END
    FROM json_populate_recordset(NULL::task, CAST(:rows AS json))
"""
TASKS_MOVED = """
    UPDATE task t SET assignee_id = r.assignee_id, closed_at = r.closed_at, closed_by = r.closed_by, outcome = r.outcome,
           next_level_at = CASE WHEN r.closed_at IS NULL THEN t.next_level_at END
    FROM json_populate_recordset(NULL::task, CAST(:rows AS json)) r WHERE t.organisation_id = :org AND t.id = r.id
"""
# what was given up can be planned again; what has gone has gone
REMINDERS = """
    INSERT INTO reminder (organisation_id, id, item_id, item_version, key, event, verb, due_at, state, error, settled_at)
    SELECT :org, id, item_id, item_version, key, event, verb, due_at, state, error, settled_at
    FROM json_populate_recordset(NULL::reminder, CAST(:rows AS json))
    ON CONFLICT ON CONSTRAINT uq_reminder_key DO UPDATE
    SET item_version = excluded.item_version, state = excluded.state, error = excluded.error,
        event = CASE WHEN excluded.state = 'pending' THEN excluded.event ELSE reminder.event END,
        settled_at = excluded.settled_at
"""
UNPLANNED = """
    DELETE FROM reminder m USING json_populate_recordset(NULL::reminder, CAST(:rows AS json)) r
    WHERE m.organisation_id = :org AND m.item_id = r.item_id AND m.key = r.key
"""


def _write_waiting(step: Step, writes: Writes) -> None:
    """Closed before opened: one task of each name may wait at a time."""
    rows: dict[UUID, dict[str, Any]] = {}
    for row in writes.tasks:
        before = rows.get(row["id"], row)
        rows[row["id"]] = before | row | {"new": before["new"]}
    moved = [row for row in rows.values() if not row["new"]]
    opened = [row for row in rows.values() if row["new"]]
    climbs = not opened or ladders.is_on(step, lock=True)
    if moved:
        step.write(TASKS_MOVED, moved)
    for row in moved:
        if row.get("handed_from") and row["closed_at"] is None:
            ladders.give_back(step, row["handed_from"], [row["id"]])
    if opened:
        step.write(TASKS, opened if climbs else [row | {"next_level_at": None} for row in opened])
    plan = _last(writes.reminders, ("item_id", "key"))
    gone = [row for row in plan if row["state"] == "deleted"]
    if gone:
        step.write(UNPLANNED, gone)
    kept = [row for row in plan if row["state"] != "deleted"]
    if kept:
        step.write(REMINDERS, kept)


def _last(
    rows: Iterable[dict[str, Any]], key: tuple[str, ...], *, keep: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """One row for each key, the last one; what `keep` names is not forgotten by a later row that leaves it out."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        at = tuple(row[name] for name in key)
        before = found.get(at, {})
        found[at] = row | {name: before[name] for name in keep if row[name] is None and name in before}
    return list(found.values())
