"""One change of an item in words: what it became, what it said, who and which facts are others now.

For one reader: a contact is not told the notes that office and technicians leave each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _

from notify_app.domains.base import Field, FieldKind, WorkKind
from notify_app.domains.fields import plain
from notify_app.policy.formats import unpack
from notify_app.web.reader import Reader

__all__ = ["Told", "what_changed"]


@dataclass(frozen=True)
class Told:
    """How changes are told to one reader: whose names there are, and whether notes are for them."""

    kind: WorkKind
    people: Mapping[str, str]
    read: Reader
    notes: bool


def what_changed(row: Any, to: Told) -> tuple[str, list[str]]:
    """The headline, and a sentence for each other thing that changed; no headline where all of it is others' notes."""
    before, after = row.before, row.after
    status = to.kind.statuses.get(after["status"], after["status"])
    notes = _notes(after, to)
    if before is None:
        made = row.verb == "create"
        title = _("%(kind)s made: %(status)s") if made else _("%(kind)s reported: %(status)s")
        return title % {"kind": to.kind.title, "status": status.lower()}, notes
    said = [*notes, *_people_changed(before, after, to.people), *_facts_changed(before, after, to)]
    if before["status"] != after["status"]:
        return status, said
    verb = to.kind.verb(row.verb)
    if verb is not None:
        return (verb.done, said) if said else ("", [])
    return (said[0].rstrip("."), said[1:]) if said else (_("Updated"), [])


def _notes(after: Any, to: Told) -> list[str]:
    """What this very change said beside what lasts: a note, an issue, that the office must look."""
    if not to.notes:
        return []
    said = unpack(after["data"])
    return [
        _sentence(one, said[one.name], to.read)
        for one in to.kind.fields
        if one.passing and said.get(one.name)
    ]


def _sentence(one: Field, value: Any, read: Reader) -> str:
    if value is True:
        return f"{one.title}."
    return _("%(fact)s: %(value)s", fact=one.title, value=_ended(read.shaped(plain(one, value))))


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _people_changed(before: Any, after: Any, people: Mapping[str, str]) -> list[str]:
    said = []
    for role in sorted({*before["people"], *after["people"]}):
        old, new = before["people"].get(role), after["people"].get(role)
        if old != new:
            was, now = people.get(old or "", ""), people.get(new or "", _("nobody"))
            text = (
                _("%(role)s: %(now)s, before %(was)s.", role=role.capitalize(), now=now, was=was)
                if was
                else _("%(role)s: %(now)s.", role=role.capitalize(), now=now)
            )
            said.append(text)
    return said


def _facts_changed(before: Any, after: Any, to: Told) -> list[str]:
    old, new = unpack(before["data"]), unpack(after["data"])
    return [
        _fact_changed(one, old.get(one.name), new.get(one.name), to.read)
        for one in to.kind.fields
        if not (one.passing or one.secret) and old.get(one.name) != new.get(one.name)
    ]


def _fact_changed(one: Field, old: Any, new: Any, read: Reader) -> str:
    """The new value; of records those lines that are new, since the others have not changed."""
    now = plain(one, new)
    if one.kind is FieldKind.records:
        known = plain(one, old) or []
        now = [line for line in now or [] if line not in known] or now
    return _("%(fact)s: %(value)s.", fact=one.title, value=read.shaped(now) or _("none"))
