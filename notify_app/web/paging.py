"""Pages of a growing list by a cursor: the time and id of the row they stop at, so that nothing is skipped or repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from notify_app.pipeline.step import Step
from notify_app.web.words import uuid_or_none

__all__ = ["Cursor", "Page", "page"]


class Cursor(NamedTuple):
    """A place in a list: behind this row."""

    at: datetime
    id: UUID

    @classmethod
    def read(cls, text: str) -> Cursor | None:
        """From an address; None for anything that is no cursor."""
        stamp, _underscore, rest = text.partition("_")
        found = uuid_or_none(rest)
        try:
            # a plus that nobody has escaped arrives as a space
            at = datetime.fromisoformat(stamp.replace(" ", "+"))
        except ValueError:
            return None
        return cls(at, found) if found and at.utcoffset() is not None else None

    def __str__(self) -> str:
        return f"{self.at.isoformat()}_{self.id}"


@dataclass(frozen=True)
class Page:
    """Rows, newest first, and the cursors of the pages beside them ('' where there is none)."""

    rows: list[Any]
    newer: str = ""
    older: str = ""


def page(
    work: Step,
    statement: str,
    alias: str,
    time: str,
    *,
    before: str,
    after: str,
    size: int,
    values: Mapping[str, Any],
) -> Page:
    """The rows before or after a cursor, or the newest. `statement` ends in its WHERE; the list is ordered by the
    column `time` and by `id` of the table `alias`."""
    newer_than, older_than = Cursor.read(after), Cursor.read(before)
    place, way, sign = newer_than or older_than, "ASC" if newer_than else "DESC", ">" if newer_than else "<"
    # the names come from this program; what was typed goes in as values
    behind = f"AND ({alias}.{time}, {alias}.id) {sign} (:at, :behind)" if place else ""
    rows = work.all(
        f"{statement} {behind} ORDER BY {alias}.{time} {way}, {alias}.id {way} LIMIT :limit",
        **values,
        at=place.at if place else None,
        behind=place.id if place else None,
        limit=size + 1,
    )
    more, shown = len(rows) > size, rows[:size]
    if newer_than:
        shown, has_newer, has_older = shown[::-1], more, bool(shown)
    else:
        has_newer, has_older = older_than is not None and bool(shown), more
    ends = [str(Cursor(getattr(row, time), row.id)) for row in (shown[0], shown[-1])] if shown else ["", ""]
    return Page(shown, ends[0] if has_newer else "", ends[1] if has_older else "")
