"""Finding work of all kinds: by whom it concerns, its kind, its state, what waits and is late, its people, or words; a
page at a time.

What was typed reaches the database as values only, and what makes no sense counts as not said. What is in a removed
state of its kind is in no list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import url_for
from flask_babel import gettext as _

from notify_app import domains
from notify_app.domains.base import WorkKind
from notify_app.pipeline.step import Step
from notify_app.web.identity import Viewer
from notify_app.web.paging import Page, page
from notify_app.web.words import contains, uuid_or_none

__all__ = [
    "APPROVAL",
    "COLUMNS",
    "NOBODY",
    "PAGE",
    "TROUBLE",
    "UNHELD",
    "WAITS",
    "Filters",
    "conditions",
    "find",
    "general",
    "removed",
    "states",
    "unheld",
]

PAGE = 30
COUNT_UP_TO = 1000  # beyond it nobody reads the number, and counting costs
NOBODY = "nobody"
# filters beside the kinds' own states; trouble: somebody was not reached in the last week
OPEN, CLOSED, WAITS, APPROVAL, TROUBLE = "open", "closed", "waits", "approval", "trouble"

COLUMNS = """
    w.id, w.kind, w.number, w.title, w.status, w.version, w.created_at, w.updated_at, w.data,
    (SELECT coalesce(json_object_agg(i.role, p.name), '{}') FROM item_person i
       JOIN person p ON p.organisation_id = i.organisation_id AND p.id = i.person_id
      WHERE i.organisation_id = w.organisation_id AND i.item_id = w.id) AS people,
    (SELECT json_agg(json_build_array(t.name, t.assignee_id, p.name, t.opened_at, t.due_at) ORDER BY t.due_at) FROM task t
       LEFT JOIN person p ON p.organisation_id = t.organisation_id AND p.id = t.assignee_id
      WHERE t.organisation_id = w.organisation_id AND t.item_id = w.id AND t.closed_at IS NULL) AS waits
"""
HAS_PERSON = """
    EXISTS (SELECT FROM item_person i WHERE i.organisation_id = w.organisation_id AND i.item_id = w.id AND i.person_id = :{who})
"""
HAS_TASK = """
    EXISTS (SELECT FROM task t WHERE t.organisation_id = w.organisation_id AND t.item_id = w.id AND t.closed_at IS NULL{more})
"""
# open work that nobody does: a step without anybody, or a kind that is assigned and is not, and nothing else comes first
UNHELD = """
    (NOT (w.kind || '/' || w.status) = ANY(:closed) AND (
        EXISTS (SELECT FROM task t WHERE t.organisation_id = w.organisation_id AND t.item_id = w.id
                   AND t.closed_at IS NULL AND t.assignee_id IS NULL)
        OR (w.kind = ANY(:assigned) AND NOT EXISTS (SELECT FROM task t WHERE t.organisation_id = w.organisation_id
                   AND t.item_id = w.id AND t.closed_at IS NULL)
            AND NOT EXISTS (SELECT FROM item_person i WHERE i.organisation_id = w.organisation_id AND i.item_id = w.id
                   AND (w.kind || '/' || i.role) = ANY(:doers)))))
"""
HAS_WORDS = """
    (w.number ILIKE :like OR w.title ILIKE :like OR w.id IN (SELECT i.item_id FROM person p
       JOIN item_person i ON i.organisation_id = p.organisation_id AND i.person_id = p.id
      WHERE p.organisation_id = :org AND p.name ILIKE :like))
"""
HAS_TROUBLE = """
    EXISTS (SELECT FROM event e WHERE e.organisation_id = w.organisation_id AND e.item_id = w.id
        AND e.created_at > :now - interval '7 days' AND (
            EXISTS (SELECT FROM decision x WHERE x.organisation_id = e.organisation_id AND x.event_id = e.id
                        AND x.reason IN ('not_reached', 'nobody'))
            OR EXISTS (SELECT FROM notification n
                JOIN delivery_item i ON i.organisation_id = n.organisation_id AND i.notification_id = n.id
                JOIN delivery d ON d.organisation_id = i.organisation_id AND d.id = i.delivery_id
                WHERE n.organisation_id = e.organisation_id AND n.event_id = e.id
                  AND d.state IN ('failed', 'bounced', 'unknown', 'suppressed'))))
"""


@dataclass(frozen=True)
class Filters:
    """What is looked for, as the address says it; what cannot be used counts as not said."""

    kind: str = ""
    state: str = ""
    person: str = ""
    overdue: str = ""
    q: str = ""
    before: str = ""
    after: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Filters:
        """From the query of an address."""
        kind, state, person = given.get("kind", ""), given.get("state", ""), given.get("person", "")
        kind = kind if domains.kind(kind) else ""
        return cls(
            kind,
            state if state in states(kind) or state in general(office=True) else "",
            person if person == NOBODY or uuid_or_none(person) else "",
            "1" if given.get("overdue") == "1" else "",
            given.get("q", "").replace("\0", "").strip()[:100],
            given.get("before", ""),
            given.get("after", ""),
        )

    @property
    def narrow(self) -> bool:
        """Whether anything is looked for."""
        return bool(self.kind or self.state or self.person or self.overdue or self.q)

    def url(self, **change: str) -> str:
        """The address of this list, or of another page of it."""
        names = ("kind", "state", "person", "overdue", "q")
        values = {name: getattr(self, name) for name in names} | change
        return url_for("work.show", **{name: value for name, value in values.items() if value})


def general(*, office: bool) -> dict[str, str]:
    """The states that all kinds have, in words."""
    said = {
        OPEN: _("Open"),
        WAITS: _("Waits for somebody"),
        APPROVAL: _("Waits for approval"),
        CLOSED: _("Closed"),
    }
    return said | ({TROUBLE: _("Somebody not reached")} if office else {})


def states(kind_name: str = "") -> dict[str, str]:
    """The states of a kind in words, or of all; removed ones are not looked for."""
    kinds = [one for one in domains.kinds() if kind_name in ("", one.name)]
    return {
        name: title for kind in kinds for name, title in kind.statuses.items() if name not in kind.removed
    }


def find(work: Step, who: Viewer, filters: Filters) -> tuple[Page, int | None]:
    """A page of the work that the viewer may see, and how much there is of it in all (None: very much)."""
    clauses, values = conditions(who, filters, work.now)
    statement = f"SELECT {COLUMNS} FROM work_item w WHERE {clauses}"  # noqa: S608  (constants of this file)
    found = page(
        work,
        statement,
        "w",
        "updated_at",
        before=filters.before,
        after=filters.after,
        size=PAGE,
        values=values,
    )
    return found, _total(work, clauses, values)


def unheld() -> dict[str, list[str]]:
    """The values that `UNHELD` asks for."""
    assigned = {kind.name: kind.assignable for kind in domains.kinds() if kind.assignable}
    return {
        "closed": _pairs((kind, (*kind.closed, *kind.removed)) for kind in domains.kinds()),
        "assigned": list(assigned),
        "doers": [f"{kind}/{role}" for kind, role in assigned.items()],
    }


def removed() -> list[str]:
    """The states of things that were never meant, as `kind/state`."""
    return _pairs((kind, kind.removed) for kind in domains.kinds())


def _pairs(states_of: Iterable[tuple[WorkKind, Iterable[str]]]) -> list[str]:
    return [f"{kind.name}/{status}" for kind, found in states_of for status in found]


def conditions(who: Viewer, filters: Filters, now: datetime) -> tuple[str, dict[str, Any]]:
    """The WHERE of the list, and its values."""
    clauses: list[str] = ["w.organisation_id = :org", "NOT (w.kind || '/' || w.status) = ANY(:removed)"]
    values: dict[str, Any] = {"removed": removed()}
    if not who.office:
        clauses.append(HAS_PERSON.format(who="me"))
        values["me"] = who.person_id
        filters = replace(filters, person="", state="" if filters.state == TROUBLE else filters.state)
    if filters.kind:
        clauses.append("w.kind = :kind")
        values["kind"] = filters.kind
    for clause, more in (_of_state(filters, now), _of_person(filters), _of_words(filters)):
        clauses += clause
        values |= more
    if filters.overdue:
        clauses.append(HAS_TASK.format(more=" AND t.due_at < :now"))
        values["now"] = now
    return " AND ".join(clauses), values


Clause = tuple[list[str], dict[str, Any]]


def _of_state(filters: Filters, now: datetime) -> Clause:
    closed = {"closed": unheld()["closed"]}
    match filters.state:
        case "":
            return [], {}
        case "open":
            return ["NOT (w.kind || '/' || w.status) = ANY(:closed)"], closed
        case "closed":
            return ["(w.kind || '/' || w.status) = ANY(:closed)"], closed
        case "waits":
            return [HAS_TASK.format(more="")], {}
        case "approval":
            return [HAS_TASK.format(more=" AND t.step = 'approval'")], {}
        case "trouble":
            return [HAS_TROUBLE], {"now": now}
    return ["w.status = :status"], {"status": filters.state}


def _of_person(filters: Filters) -> Clause:
    if filters.person == NOBODY:
        return [UNHELD], dict(unheld())
    if filters.person:
        return [HAS_PERSON.format(who="person")], {"person": UUID(filters.person)}
    return [], {}


def _of_words(filters: Filters) -> Clause:
    if not filters.q:
        return [], {}
    return [HAS_WORDS], {"like": contains(filters.q)}


def _total(work: Step, clauses: str, values: dict[str, Any]) -> int | None:
    """How many there are, if that is a number that somebody would read."""
    statement = (
        f"SELECT count(*) AS n FROM (SELECT 1 FROM work_item w WHERE {clauses} LIMIT :most) AS counted"  # noqa: S608
    )
    row = work.one(statement, **values, most=COUNT_UP_TO + 1)
    return row.n if row.n <= COUNT_UP_TO else None
