"""Tables for a spreadsheet: comma-separated, and safe to open. A cell that a spreadsheet would take for a formula is text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["sheet"]

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def sheet(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """The head and the rows. Numbers stay numbers; a text that begins like a formula gets an apostrophe before it."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(head)
    writer.writerows([_cell(one) for one in row] for row in rows)
    return written.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
