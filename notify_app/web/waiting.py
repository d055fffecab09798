"""What waits on an item and what is planned for it, in words: whose step it is and how long there still is, what will be
told when, and what was planned and did not come to it."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from notify_app import domains
from notify_app.domains.base import Item, TaskType, WorkKind
from notify_app.pipeline.step import Step
from notify_app.web.reader import Reader
from notify_app.web.words import event_title, names

__all__ = ["planned", "task_title", "tasks"]

OPEN = """
    SELECT t.name, t.step, t.assignee_id, t.opened_at, t.due_at, p.name AS assignee FROM task t
    LEFT JOIN person p ON p.organisation_id = t.organisation_id AND p.id = t.assignee_id
    WHERE t.organisation_id = :org AND t.item_id = :item AND t.closed_at IS NULL ORDER BY t.due_at, t.id
"""
# what went is on the timeline
PLANNED = """
    SELECT key, event, verb, due_at, state, error FROM reminder
    WHERE organisation_id = :org AND item_id = :item AND state <> 'sent' ORDER BY due_at, id LIMIT 50
"""


def tasks(work: Step, item: Item, kind: WorkKind, read: Reader, me: Any) -> list[dict[str, Any]]:
    """The open steps, the next one first."""
    return [
        {
            "title": task_title(kind, row.name),
            "mine": row.assignee_id == me,
            "whose": _whose(kind, row, me),
            "since": read.when(row.opened_at),
            "due": read.due(row.due_at),
        }
        for row in work.all(OPEN, item=item.id)
    ]


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
