"""All that happened to an item, newest first: its changes with what they said, its events, who was told by which channel,
who read it, what was planned and has come.

Seven statements, whatever the length. Somebody who is not of the office sees the changes, and their own messages only; a
contact none of the notes that office and technicians leave each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from notify_app.domains.base import Item, WorkKind
from notify_app.pipeline.step import Step
from notify_app.web.changes import Told, what_changed
from notify_app.web.reader import Reader
from notify_app.web.words import channel_title, delivery_title, event_title, names
from notify_app.work import why

__all__ = ["timeline"]

LIMIT = 200
BATCH_SPAN = timedelta(minutes=5)
AT_ONE_GO = timedelta(minutes=1)

CHANGES = """
    SELECT c.id, c.version, c.verb, c.actor_id, c.before, c.after, c.created_at, p.name AS actor, s.name AS source
    FROM change c
    LEFT JOIN person p ON p.organisation_id = c.organisation_id AND p.id = c.actor_id
    LEFT JOIN inbound i ON i.organisation_id = c.organisation_id AND i.id = c.inbound_id
    LEFT JOIN source s ON s.organisation_id = i.organisation_id AND s.id = i.source_id
    WHERE c.organisation_id = :org AND c.item_id = :item ORDER BY c.version DESC LIMIT :limit
"""
# a batch's event has no single item: it is found by the time of the change that it made, and by what it lists
EVENTS = """
    SELECT e.id, e.name, e.priority, e.error, e.created_at, b.told AS many
    FROM event e LEFT JOIN broadcast b ON b.organisation_id = e.organisation_id AND b.event_id = e.id
    WHERE e.organisation_id = :org AND e.item_id = :item
    UNION ALL
    SELECT e.id, e.name, e.priority, e.error, e.created_at, NULL
    FROM unnest(CAST(:batches AS timestamptz[])) AS t(at)
    JOIN event e ON e.organisation_id = :org AND e.item_id IS NULL AND e.created_at BETWEEN t.at - :span AND t.at + :span
     AND e.payload @> jsonb_build_object('items', jsonb_build_array(jsonb_build_object('id', CAST(:item AS text))))
    ORDER BY created_at DESC LIMIT :limit
"""
TOLD = """
    SELECT n.id, n.event_id, n.person_id, n.title, n.text, n.created_at, n.read_at, p.name, p.account_id IS NOT NULL AS signs_in,
           (SELECT coalesce(json_agg(json_build_array(d.channel, d.state, d.reason, d.detail, d.due_at)
                                     ORDER BY d.created_at, d.id), '[]')
              FROM delivery_item i
              JOIN delivery d ON d.organisation_id = i.organisation_id AND d.id = i.delivery_id
             WHERE i.organisation_id = n.organisation_id AND i.notification_id = n.id
               AND d.reason IS DISTINCT FROM 'collected') AS sent
    FROM notification n
    JOIN person p ON p.organisation_id = n.organisation_id AND p.id = n.person_id
    WHERE n.organisation_id = :org AND n.event_id = ANY(:events) AND (:everything OR n.person_id = :me)
"""
DECISIONS = """
    SELECT event_id, person_id, channel, outcome, reason, detail FROM decision
    WHERE organisation_id = :org AND event_id = ANY(:events) AND (:everything OR person_id = :me)
    ORDER BY created_at, id
"""
GONE = """
    SELECT event, verb, settled_at FROM reminder
    WHERE organisation_id = :org AND item_id = :item AND state = 'sent' ORDER BY settled_at DESC LIMIT :limit
"""
SEEN_TO = """
    SELECT t.name, k.created_at, p.id AS person_id, p.name AS person FROM task_acknowledgement k
    JOIN task t ON t.organisation_id = k.organisation_id AND t.id = k.task_id
    JOIN person p ON p.organisation_id = k.organisation_id AND p.id = k.person_id
    WHERE k.organisation_id = :org AND t.item_id = :item ORDER BY k.created_at DESC LIMIT :limit
"""
FAILED = ("failed", "bounced", "unknown", "suppressed")


def timeline(
    work: Step, item: Item, kind: WorkKind, read: Reader, *, me: UUID, role: str, everything: bool
) -> list[dict[str, Any]]:
    """The entries for somebody of this role. `everything` is for the office; else only what is told to `me`."""
    scope = {"me": me, "everything": everything}
    changes = work.all(CHANGES, item=item.id, limit=LIMIT)
    batches = [row.created_at for row in changes if row.after.get("batch")]
    events = work.all(EVENTS, item=item.id, batches=batches, span=BATCH_SPAN, limit=LIMIT)
    # what was told to many is one entry for the office, and for everybody else their own line
    ids = list({row.id for row in events if row.many is None or not everything})
    told = _grouped(work.all(TOLD, events=ids, **scope)) if ids else {}
    decided = _grouped(work.all(DECISIONS, events=ids, **scope)) if ids else {}
    said = why.Said(read.zone, read.now, locale=read.locale)
    people = _names_in(work, changes)
    told_all = Told(kind, people, read, role != "contact")
    entries = [
        entry for row in changes for entry in [_change(row, told_all, me, everything)] if entry is not None
    ]
    for event in {row.id: row for row in events}.values():
        lines = told.get(event.id, [])
        entries += [_told(row, decided.get(event.id, []), said, read, me) for row in lines]
        if everything and event.many is not None:
            entries.append(_many(event, read))
        elif everything and not lines:
            entries.append(_nobody(event, decided.get(event.id, []), said, read))
    entries += _readings([row for lines in told.values() for row in lines if row.read_at], read, me)
    entries += [_came(row, kind, read) for row in work.all(GONE, item=item.id, limit=LIMIT)]
    entries += [_seen_to(row, kind, read, me) for row in work.all(SEEN_TO, item=item.id, limit=LIMIT)]
    return [entry for _at, _order, entry in sorted(entries, key=lambda one: (one[0], one[1]), reverse=True)]


# an entry with its time; of one moment the change comes first, then the messages, then their reading
Entry = tuple[datetime, int, dict[str, Any]]


def _grouped(rows: Iterable[Any]) -> Mapping[UUID, list[Any]]:
    found: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.event_id].append(row)
    return found


def _names_in(work: Step, changes: list[Any]) -> dict[str, str]:
    """The names of everybody who ever had a part in it."""
    ids = {
        one
        for row in changes
        for facts in (row.before, row.after)
        if facts
        for one in facts["people"].values()
    }
    rows = work.all(
        "SELECT id, name FROM person WHERE organisation_id = :org AND id = ANY(:ids)",
        ids=[UUID(one) for one in ids],
    )
    return {str(row.id): row.name for row in rows}


# --- changes -------------------------------------------------------------------------------------------------------


def _change(row: Any, to: Told, me: UUID, everything: bool) -> Entry | None:
    """One change, or nothing where it said what is not for this reader."""
    title, details = what_changed(row, to)
    if not title:
        return None
    text = " ".join(part for part in (_reason(row.after.get("reason")), *details) if part)
    entry = _entry("change", title, to.read, row.created_at, text=text, by=_by(row, me, everything))
    return row.created_at, 0, entry


def _by(row: Any, me: UUID, everything: bool) -> str:
    if row.actor_id == me:
        return _("by you")
    if row.actor:
        return _("by %(name)s", name=row.actor) if everything else ""
    return _("by %(source)s", source=row.source) if row.source else _("by itself")


def _reason(reason: str | None) -> str:
    return _("Reason: %(reason)s", reason=reason) if reason else ""


# --- messages ------------------------------------------------------------------------------------------------------


def _told(row: Any, decided: list[Any], said: why.Said, read: Reader, me: UUID) -> Entry:
    states = [one[1] for one in row.sent]
    kind = (
        "failed"
        if any(one in FAILED for one in states)
        else "waiting"
        if {"queued", "held"} & {*states}
        else "told"
    )
    title = (
        _("You were told: %(title)s", title=row.title)
        if row.person_id == me
        else _("%(name)s was told: %(title)s", name=row.name, title=row.title)
    )
    own = [one for one in decided if one.person_id == row.person_id]
    details = [
        why.reason_of(one.reason, one.channel, one.detail, _said_to(said, row.person_id == me)) for one in own
    ]
    details += [text for one in row.sent for text in [_trouble(one, said)] if text]
    channels = [("inapp", "read" if row.read_at else "unread")] if row.signs_in else []
    channels += [(one[0], one[1]) for one in row.sent]
    entry = _entry(
        kind, title, read, row.created_at, details=details, url=url_for("notification.show", id=row.id)
    )
    entry["channels"] = [
        {
            "channel": one,
            "channel_title": channel_title(one),
            "state": state,
            "state_title": delivery_title(state),
        }
        for one, state in channels
    ]
    return row.created_at, 1, entry


def _said_to(said: why.Said, you: bool) -> why.Said:
    return why.Said(said.zone, said.now, you, said.locale)


def _trouble(sent: list[Any], said: why.Said) -> str:
    """What went wrong with a delivery, in words."""
    channel, state, reason, detail, due_at = sent
    if state in ("sent", "delivered", "sending", "held"):
        return ""
    text = why.reason_of(reason, channel, {"until": due_at}, said) if reason else ""
    return f"{channel_title(channel)}: {text} {detail or ''}".strip() if text or detail else ""


def _readings(rows: list[Any], read: Reader, me: UUID) -> list[Entry]:
    """Who read when; what one person read at one go is one entry."""
    groups: list[list[Any]] = []
    for row in sorted(rows, key=lambda one: (str(one.person_id), one.read_at)):
        last = groups[-1][-1] if groups else None
        if last is not None and last.person_id == row.person_id and row.read_at - last.read_at < AT_ONE_GO:
            groups[-1].append(row)
        else:
            groups.append([row])
    return [_reading(group, read, me) for group in groups]


def _reading(group: list[Any], read: Reader, me: UUID) -> Entry:
    last = group[-1]
    who = _("You") if last.person_id == me else last.name
    title = (
        _("%(who)s read it", who=who)
        if len(group) == 1
        else _("%(who)s read %(count)d messages", who=who, count=len(group))
    )
    text = " · ".join(dict.fromkeys(row.title for row in group))
    return last.read_at, 2, _entry("read", title, read, last.read_at, text=text)


def _many(event: Any, read: Reader) -> Entry:
    title = ngettext(
        "%(count)s person was told: %(event)s",
        "%(count)s people were told: %(event)s",
        event.many,
        count=f"{event.many:,}",
        event=event_title(event.name),
    )
    return event.created_at, 1, _entry("told", title, read, event.created_at)


def _came(row: Any, kind: WorkKind, read: Reader) -> Entry:
    """What was planned has come; whom it was told stands beside it."""
    verb = kind.verb(row.verb) if row.verb else None
    what = event_title(row.event) if row.event else (verb.title if verb else row.verb)
    title = _("As planned: %(what)s", what=what)
    return row.settled_at, 0, _entry("waiting", title, read, row.settled_at)


def _seen_to(row: Any, kind: WorkKind, read: Reader, me: UUID) -> Entry:
    """Somebody has said that they see to a step."""
    task = next((one for one in kind.tasks if one.name == row.name), None)
    what = task.title if task else row.name
    if row.person_id == me:
        title = _("You see to it: %(what)s", what=what)
    else:
        title = _("%(name)s sees to it: %(what)s", name=row.person, what=what)
    return row.created_at, 0, _entry("read", title, read, row.created_at)


def _nobody(event: Any, decided: list[Any], said: why.Said, read: Reader) -> Entry:
    details = [why.reason_of(one.reason, one.channel, one.detail, said) for one in decided]
    title = _("%(who)s was told: %(event)s", who=names([]).capitalize(), event=event_title(event.name))
    text = details[0] if details else ""
    return (
        event.created_at,
        1,
        _entry("failed", title, read, event.created_at, text=text, details=details[1:]),
    )


def _entry(
    kind: str,
    title: str,
    read: Reader,
    at: datetime,
    *,
    text: str = "",
    by: str = "",
    details: list[str] | None = None,
    url: str | None = None,
) -> dict[str, Any]:
    return {
        "kind": kind,
        "title": title,
        "text": text,
        "when": read.when(at),
        "by": by,
        "details": list(dict.fromkeys(details or [])),
        "channels": [],
        "url": url,
    }
