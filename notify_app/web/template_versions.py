"""What a template was: its versions, and what differs between two of them, line by line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from itertools import islice
from typing import Any

from flask_babel import gettext as _

from notify_app.web.reader import Reader
from notify_app.web.template_form import TITLES, of_row

__all__ = ["difference", "shown"]

CONTEXT = 3


def shown(rows: Sequence[Any], read: Reader) -> list[dict[str, Any]]:
    """The list, the newest first: who saved what, and which fields that changed."""
    before = [*rows[1:], None][: len(rows)]
    return [
        {
            "number": row.version,
            "who": row.author or (_("A command") if row.who == "command" else _("Somebody")),
            "when": read.when(row.saved_at),
            "fields": [TITLES[name] for name in _changed(earlier, row)],
            "current": at == 0,
        }
        for at, (row, earlier) in enumerate(zip(rows, before, strict=True))
    ]


def difference(old: Any, new: Any) -> list[dict[str, Any]]:
    """The fields that differ, each with its lines; a line has a sign and a word, so that nobody needs its colour."""
    was, now = _texts(old), _texts(new)
    return [{"title": TITLES[name], "lines": _lines(was[name], now[name])} for name in _changed(old, new)]


def _changed(old: Any, new: Any) -> list[str]:
    was, now = _texts(old), _texts(new)
    return [name for name in now if was[name] != now[name]]


def _texts(row: Any) -> dict[str, str]:
    active = row is None or row.active
    return of_row(row) | {"active": _("Yes") if active else _("No: it is switched off")}


def _lines(was: str, now: str) -> list[dict[str, str]]:
    words = {"-": _("Taken out"), "+": _("Put in"), " ": ""}
    found: list[dict[str, str]] = []
    compared = difflib.unified_diff(was.splitlines(), now.splitlines(), lineterm="", n=CONTEXT)
    for line in islice(compared, 2, None):  # the first two name files
        if line.startswith("@@"):
            found += [{"sign": "…", "word": _("Further on"), "text": "", "kind": "gap"}] if found else []
            continue
        kind = {"-": "out", "+": "in"}.get(line[0], "same")
        found.append({"sign": line[0], "word": words[line[0]], "text": line[1:], "kind": kind})
    return found
