"""A technician's own work over all kinds, in the order in which it presses: first what waits for them by its limit, then
what is urgent, then by its time.

Only what is open: it fits on one list. What is closed is found by the list's filters.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from notify_app import domains
from notify_app.domains.base import FieldKind, WorkKind
from notify_app.pipeline.step import Step
from notify_app.policy.formats import unpack
from notify_app.web.identity import Viewer
from notify_app.web.work_list import COLUMNS, Filters, conditions

__all__ = ["MOST", "due_of", "open_jobs", "starts_of", "urgency_of"]

# nobody works at more at a time; beyond it the filters find the rest
MOST = 100
# the facts by which kinds say how pressing an item is: a choice from most to least, or a yes
URGENCY = ("urgency", "urgent")
CALM = 2


def open_jobs(work: Step, who: Viewer) -> list[Any]:
    """Rows of `work_list.COLUMNS`, the most pressing first."""
    clauses, values = conditions(who, Filters(state="open"), work.now)
    rows = work.all(
        f"SELECT {COLUMNS} FROM work_item w WHERE {clauses} ORDER BY w.updated_at DESC, w.id LIMIT :most",  # noqa: S608
        **values,
        most=MOST,
    )
    return sorted(rows, key=lambda row: _order(row, who))


def _order(row: Any, who: Viewer) -> tuple[Any, ...]:
    kind = domains.kind(row.kind)
    waits, (_title, starts) = due_of(row, who), starts_of(kind, row)
    at = waits or starts
    return (waits is None, urgency_of(kind, row), at is None, at.timestamp() if at else 0.0, row.number)


def due_of(row: Any, who: Viewer) -> datetime | None:
    """By when a step of this item waits for the viewer."""
    mine = [
        datetime.fromisoformat(due)
        for _name, whose, _n, _since, due in row.waits or ()
        if whose == str(who.person_id)
    ]
    return min(mine, default=None)


def urgency_of(kind: WorkKind | None, row: Any) -> int:
    """0 for urgent; what says nothing is as usual."""
    for one in kind.fields if kind else ():
        value = row.data.get(one.name) if one.name in URGENCY else None
        if one.kind is FieldKind.choice and value in one.choices:
            return list(one.choices).index(str(value))
        if one.kind is FieldKind.yes_no and value:
            return 0
    return CALM


def starts_of(kind: WorkKind | None, row: Any) -> tuple[str, datetime | None]:
    """The first time that the item has for the work (planned, due, from), and what its kind calls it."""
    for one in kind.fields if kind else ():
        if one.kind is FieldKind.moment and one.given and not one.passing:
            value = unpack(row.data.get(one.name))
            if isinstance(value, datetime):
                return one.title, value
    return "", None
