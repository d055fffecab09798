"""Finding work: by whom it concerns, its state, its technician, or words; a page at a time.

What was typed reaches the database as values only, and what makes no sense counts as not said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import url_for

from notify_app import domains
from notify_app.pipeline.step import Step
from notify_app.web.identity import Viewer
from notify_app.web.paging import Page, page
from notify_app.web.words import uuid_or_none

__all__ = ["NOBODY", "PAGE", "TROUBLE", "Filters", "find", "states"]

PAGE = 30
COUNT_UP_TO = 1000  # beyond it nobody reads the number, and counting costs
NOBODY = "nobody"
# a filter beside the states: somebody was not reached in the last week
TROUBLE = "trouble"

COLUMNS = """
    w.id, w.kind, w.number, w.title, w.status, w.version, w.created_at, w.updated_at,
    (SELECT coalesce(json_object_agg(i.role, p.name), '{}') FROM item_person i
       JOIN person p ON p.organisation_id = i.organisation_id AND p.id = i.person_id
      WHERE i.organisation_id = w.organisation_id AND i.item_id = w.id) AS people
"""
HAS_PERSON = """
    EXISTS (SELECT FROM item_person i WHERE i.organisation_id = w.organisation_id AND i.item_id = w.id AND i.person_id = :{who})
"""
HAS_TECHNICIAN = """
    EXISTS (SELECT FROM item_person i WHERE i.organisation_id = w.organisation_id AND i.item_id = w.id AND i.role = 'technician')
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

    state: str = ""
    person: str = ""
    q: str = ""
    before: str = ""
    after: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Filters:
        """From the query of an address."""
        state, person = given.get("state", ""), given.get("person", "")
        return cls(
            state if state in states() or state == TROUBLE else "",
            person if person == NOBODY or uuid_or_none(person) else "",
            given.get("q", "").replace("\0", "").strip()[:100],
            given.get("before", ""),
            given.get("after", ""),
        )

    def url(self, **change: str) -> str:
        """The address of this list, or of another page of it."""
        values = {"state": self.state, "person": self.person, "q": self.q, **change}
        return url_for("work.show", **{name: value for name, value in values.items() if value})  # type: ignore[arg-type]


def states() -> dict[str, str]:
    """The states of all kinds of work, in words."""
    return {name: title for kind in domains.kinds() for name, title in kind.statuses.items()}


def find(work: Step, who: Viewer, filters: Filters) -> tuple[Page, int | None]:
    """A page of the work that the viewer may see, and how much there is of it in all (None: very much)."""
    clauses, values = _conditions(who, filters, work.now)
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


def _conditions(who: Viewer, filters: Filters, now: datetime) -> tuple[str, dict[str, Any]]:
    clauses: list[str] = ["w.organisation_id = :org"]
    values: dict[str, Any] = {"now": now}
    if not who.office:
        clauses.append(HAS_PERSON.format(who="me"))
        values["me"] = who.person_id
        filters = replace(filters, person="", state="" if filters.state == TROUBLE else filters.state)
    if filters.state == TROUBLE:
        clauses.append(HAS_TROUBLE)
    elif filters.state:
        clauses.append("w.status = :status")
        values["status"] = filters.state
    if filters.person == NOBODY:
        clauses.append(f"NOT {HAS_TECHNICIAN.strip()}")
    elif filters.person:
        clauses.append(HAS_PERSON.format(who="person"))
        values["person"] = UUID(filters.person)
    if filters.q:
        clauses.append(HAS_WORDS)
        escaped = filters.q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values["like"] = f"%{escaped}%"
    return " AND ".join(clauses), values


def _total(work: Step, clauses: str, values: dict[str, Any]) -> int | None:
    """How many there are, if that is a number that somebody would read."""
    statement = (
        f"SELECT count(*) AS n FROM (SELECT 1 FROM work_item w WHERE {clauses} LIMIT :most) AS counted"  # noqa: S608
    )
    row = work.one(statement, **values, most=COUNT_UP_TO + 1)
    return row.n if row.n <= COUNT_UP_TO else None
