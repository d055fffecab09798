"""What waits on an item and what is planned for it, in words: whose step it is and how long there still is, what will be
told when, and what was planned and did not come to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import url_for
from flask_babel import gettext as _

from notify_app import domains
from notify_app.domains.base import Item, TaskType, WorkKind
from notify_app.pipeline import world
from notify_app.pipeline.step import Step
from notify_app.policy.ladder import Fire, Ladder, following
from notify_app.web.ladder_view import rungs
from notify_app.web.reader import Reader
from notify_app.web.words import event_title, names
from notify_app.work import addressees, ladders

__all__ = ["planned", "task_title", "tasks"]

OPEN = f"""
    SELECT t.id, t.name, t.step, t.assignee_id, t.opened_at, t.due_at, p.name AS assignee, t.ladder, t.level, t.next_level_at,
           t.resumed_at, t.hastened_at, t.acknowledged_at, a.name AS acknowledged_by, t.ladder_error,
           (SELECT count(*) FROM task_acknowledgement k WHERE k.organisation_id = t.organisation_id AND k.task_id = t.id) AS seen_to,
           EXISTS (SELECT FROM task_acknowledgement k WHERE k.organisation_id = t.organisation_id AND k.task_id = t.id
                    AND k.person_id = :me) AS by_me,
           {ladders.WAS_TOLD} AS was_told
    FROM task t
    LEFT JOIN person p ON p.organisation_id = t.organisation_id AND p.id = t.assignee_id
    LEFT JOIN person a ON a.organisation_id = t.organisation_id AND a.id = t.acknowledged_by
    WHERE t.organisation_id = :org AND t.item_id = :item AND t.closed_at IS NULL ORDER BY t.due_at, t.id
"""  # noqa: S608  (constants of this program)
# what went is on the timeline
PLANNED = """
    SELECT key, event, verb, due_at, state, error FROM reminder
    WHERE organisation_id = :org AND item_id = :item AND state <> 'sent' ORDER BY due_at, id LIMIT 50
"""


def tasks(
    work: Step, item: Item, kind: WorkKind, read: Reader, me: Any, *, office: bool
) -> list[dict[str, Any]]:
    """The open steps, the next one first, each with its ladder."""
    rows = work.all(OPEN, item=item.id, me=me)
    fires = ladders.fires_of(work, [row.id for row in rows]) if rows else {}
    return [_task(work, row, fires[row.id], kind, read, me, office=office) for row in rows]


def _task(
    work: Step, row: Any, fires: Sequence[Fire], kind: WorkKind, read: Reader, me: Any, *, office: bool
) -> dict[str, Any]:
    known = world.of(work)
    ladder = Ladder.model_validate(row.ladder) if row.ladder else None
    climbs = ladder is not None and row.next_level_at is not None and row.acknowledged_at is None
    coming = None
    if ladder is not None and climbs:
        coming = following(
            ladder,
            row.opened_at,
            fires,
            known.working_time,
            resumed_at=row.resumed_at,
            hastened_at=row.hastened_at,
        )
    chosen = [one for level in ladder.levels for one in addressees.named(level.tell)] if ladder else []
    names = {one: member.name for one, member in known.members(chosen).items()}
    needs = ladders.needed(ladder, row.level)
    theirs = office or row.assignee_id == me or row.was_told
    return {
        "title": task_title(kind, row.name),
        "mine": row.assignee_id == me,
        "whose": _whose(kind, row, me),
        "since": read.when(row.opened_at),
        "due": read.due(row.due_at),
        "rungs": rungs(ladder, read, names, fires=fires, coming=coming)
        if ladder and (climbs or fires)
        else [],
        "seen_to": _seen_to(row, read, needs),
        "until": read.when(row.next_level_at) if row.acknowledged_at and row.next_level_at else None,
        "acknowledge_url": url_for("tasks.acknowledge", id=row.id)
        if theirs and (climbs or fires) and row.acknowledged_at is None and not row.by_me
        else None,
        "error": row.ladder_error or "",
    }


def _seen_to(row: Any, read: Reader, needs: int) -> str:
    """Who has acknowledged it, or how many have of those that must."""
    if row.acknowledged_at is not None:
        return _(
            "%(name)s sees to it since %(when)s",
            name=row.acknowledged_by,
            when=read.exact(row.acknowledged_at),
        )
    if row.seen_to:
        return _("%(count)d of %(needs)d see to it", count=row.seen_to, needs=needs)
    return ""


def task_title(kind: WorkKind | None, name: str) -> str:
    """What a step is called."""
    declared = _declared(kind, name)
    return declared.title if declared else name.replace("_", " ").capitalize()


def _declared(kind: WorkKind | None, name: str) -> TaskType | None:
    return next((one for one in kind.tasks if one.name == name), None) if kind else None


def _whose(kind: WorkKind, row: Any, me: Any) -> str:
    if row.assignee_id == me:
        return _("waits for you")
    if row.assignee:
        return _("waits for %(name)s", name=row.assignee)
    declared = _declared(kind, row.name)
    return _("nobody is %(role)s yet", role=declared.assignee) if declared else _("nobody has it yet")


def planned(work: Step, item: Item, kind: WorkKind, read: Reader) -> dict[str, list[dict[str, Any]]]:
    """`ahead`: what will happen, in the order of its time; `given_up`: what was planned and will not."""
    rows = [
        {
            "title": _what(kind, row),
            "to": _to_whom(item, row.event),
            "when": read.when(row.due_at),
            "state": row.state,
            "state_title": _state(row),
        }
        for row in work.all(PLANNED, item=item.id)
    ]
    return {
        "ahead": [one for one in rows if one["state"] == "pending"],
        "given_up": [one for one in rows if one["state"] != "pending"],
    }


def _what(kind: WorkKind, row: Any) -> str:
    """What is told, or what happens by itself."""
    verb = kind.verb(row.verb) if row.verb else None
    by_itself = _("%(verb)s, by itself", verb=verb.title) if verb else ""
    told = event_title(row.event) if row.event else ""
    return " · ".join(part for part in (told, by_itself) if part) or row.key.partition("@")[0]


def _to_whom(item: Item, event: str) -> str:
    """Those with a part in the item who will be told, or nothing where others are meant too."""
    declared = domains.event(event)
    held = [item.people.get(word) for word in declared.audience] if declared else []
    known = [one.name for one in held if one]
    return _("to %(who)s", who=names(known)) if known and len(known) == len(held) else ""


def _state(row: Any) -> str:
    words = {
        "pending": _("planned"),
        "cancelled": _("given up, because the work has changed"),
        "skipped": _("not needed any more when its time came"),
        "failed": _("could not be done"),
    }
    said = words.get(row.state, row.state)
    return f"{said}: {row.error}" if row.state == "failed" and row.error else said
