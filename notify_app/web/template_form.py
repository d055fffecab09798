"""The form of an office's own template: as it was typed, as it is saved, and what a row looks like in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from notify_app import domains
from notify_app.domains.base import Priority
from notify_app.policy import sms
from notify_app.web.words import category_title, option
from notify_app.work.templates import FIELDS, SOURCES

__all__ = ["TITLES", "Sheet", "of_row", "parts_of"]

LONGEST = 20_000  # characters of a field; what is longer than a template may be is said beside it
ROWS = {"title": 1, "text": 3, "subject": 1, "email_html": 10, "email_text": 8, "sms": 3}
TITLES = {
    "title": lazy_gettext("Title in the inbox"),
    "text": lazy_gettext("Text in the inbox"),
    "subject": lazy_gettext("Email subject"),
    "email_html": lazy_gettext("Email, with its looks (HTML)"),
    "email_text": lazy_gettext("Email as plain text"),
    "sms": lazy_gettext("SMS"),
    "action_url": lazy_gettext("Where its button leads"),
    "priority": lazy_gettext("Priority"),
    "category": lazy_gettext("Category"),
    "requires": lazy_gettext("Facts that must be given"),
    "active": lazy_gettext("Told at all"),
}


def of_row(row: Any) -> dict[str, str]:
    """The fields of a row, or of a version, as text; nothing at all of None."""
    if row is None:
        return dict.fromkeys(FIELDS, "")
    values = {name: getattr(row, name) or "" for name in (*SOURCES, "action_url", "category")}
    values["priority"] = Priority.of(row.priority).value if row.priority else ""
    values["requires"] = ", ".join(row.requires)
    return values


@dataclass
class Sheet:
    """The whole form; every value is text. `seen` is the version that was looked at."""

    values: dict[str, str] = field(default_factory=dict)
    on: bool = True
    seen: int = 0

    @classmethod
    def of_row(cls, row: Any) -> Sheet:
        return cls(of_row(row), row is None or row.active, row.version if row else 0)

    @classmethod
    def of_form(cls, form: Mapping[str, str]) -> Sheet:
        """What was sent; the button `reset:<field>` empties one, `reset:all` every one."""
        values = {name: form.get(name, "").replace("\r\n", "\n")[:LONGEST] for name in FIELDS}
        for name in ("title", "subject"):
            values[name] = " ".join(values[name].split("\n")).strip()
        # a text of nothing but space is no text
        values = {name: value if value.strip() else "" for name, value in values.items()}
        what, _colon, which = form.get("do", "").partition(":")
        if what == "reset":
            values |= {name: "" for name in FIELDS if which in (name, "all")}
        seen = form.get("seen", "")
        return cls(values, form.get("on") == "1", int(seen) if seen.isdecimal() and len(seen) < 9 else 0)

    def fields(self, built_in: Mapping[str, str]) -> list[dict[str, Any]]:
        """The texts, each with what is built in."""
        return [
            {
                "name": name,
                "title": TITLES[name],
                "value": self.values.get(name, ""),
                "built_in": built_in.get(name, ""),
                "rows": ROWS[name],
            }
            for name in SOURCES
        ]

    def priorities(self, built_in: Priority) -> list[dict[str, Any]]:
        titles = {"urgent": _("Urgent"), "high": _("High"), "medium": _("Medium"), "low": _("Low")}
        chosen = self.values.get("priority", "")
        usual = _("As built in (%(priority)s)", priority=titles[built_in.value])
        return [option("", usual, chosen), *(option(one, title, chosen) for one, title in titles.items())]

    def categories(self, built_in: str) -> list[dict[str, Any]]:
        chosen = self.values.get("category", "")
        usual = _("As built in (%(category)s)", category=category_title(built_in))
        names = [one.name for one in domains.categories()]
        return [option("", usual, chosen), *(option(one, category_title(one), chosen) for one in names)]


def parts_of(text: str) -> dict[str, Any]:
    """How an SMS is counted."""
    counted = sms.segments(text)
    sizes = sms.ALONE if counted.count <= 1 else sms.JOINED
    return {
        "parts": counted.count,
        "units": counted.units,
        "encoding": counted.encoding,
        "limit": sizes[counted.encoding] * max(counted.count, 1),
    }
