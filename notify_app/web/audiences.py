"""Words of an audience as people read them, and how many each means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _

from notify_app.domains.base import OFFICE
from notify_app.pipeline.step import Step
from notify_app.work import addressees
from notify_app.work.rollcall import SILENT

__all__ = ["counts", "said", "title"]

COUNTED = """
    SELECT role, coalesce(grade, '') AS grade, count(*) AS n FROM person
    WHERE organisation_id = :org AND left_at IS NULL GROUP BY 1, 2
"""


def title(word: str) -> str:
    """A group's name."""
    titles = {
        "everyone": _("Everyone"),
        "office": _("The office"),
        "role:manager": _("Managers"),
        "role:administrator": _("Administrators"),
        "role:technician": _("Technicians"),
        "role:contact": _("Contacts"),
        SILENT: _("Those who had not answered"),
    }
    what, _colon, value = word.partition(":")
    return titles.get(word) or (_("Grade %(grade)s", grade=value) if what == "grade" else word)


def counts(work: Step) -> dict[str, int]:
    """How many people each group is now."""
    found = dict.fromkeys(addressees.GROUPS, 0)
    for row in work.all(COUNTED):
        for word in ("everyone", f"role:{row.role}", f"grade:{row.grade}"):
            if word in found:
                found[word] += row.n
        if row.role in OFFICE:
            found["office"] += row.n
    return found


def said(words: Sequence[str], names: dict[Any, str]) -> str:
    """An audience in one line; `names` are of those chosen by name, by id."""
    groups = [title(word) for word in words if word in addressees.GROUPS or word == SILENT]
    people = [names.get(one, _("somebody")) for one in addressees.named(words)]
    shown = people[:3] + ([_("%(count)d more", count=len(people) - 3)] if len(people) > 3 else [])
    return ", ".join([*groups, *shown])
