"""Whom somebody writes to, in words: `everyone`, `office`, `role:technician`, `grade:A`, `person:<id>`.

Words are what is kept; who is meant by them is asked when the message leaves. Who was chosen by name and is not of this
organisation, or has left it, is refused and named (C5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from notify_app.domains.base import GRADES, ROLES
from notify_app.errors import FieldError, Invalid
from notify_app.pipeline.world import World

__all__ = ["GROUPS", "check", "named", "people"]

GROUPS = ("everyone", "office", *(f"role:{role}" for role in ROLES), *(f"grade:{grade}" for grade in GRADES))
PERSON = "person:"


def check(known: World, words: Sequence[str]) -> None:
    """Raises Invalid where a word means nobody: an unknown word, somebody unknown, somebody who has left."""
    problems = [] if words else ["Choose who it is for."]
    problems += [f"Nobody is called {word}." for word in words if word not in GROUPS and not _id(word)]
    chosen = named(words)
    members = known.members(chosen)
    strangers = len(chosen) - len(members)
    if strangers:
        problems.append(f"{strangers} of those chosen are not known here.")
    problems += [f"{one.name} has left the organisation." for one in members.values() if one.left]
    if not problems and not people(known, words):
        problems.append("Nobody here is meant by that.")
    if problems:
        raise Invalid("It cannot be sent to these people.", FieldError("to", " ".join(problems)))


def people(known: World, words: Iterable[str]) -> list[UUID]:
    """All who are meant now, each once; who has left is not."""
    found: list[UUID] = []
    for word in words:
        if word in GROUPS:
            found += known.matching(word)
    chosen = known.members(named(words))
    found += [one.id for one in chosen.values() if not one.left]
    return list(dict.fromkeys(found))


def named(words: Iterable[str]) -> list[UUID]:
    """Those that were chosen by name."""
    return [found for word in words if (found := _id(word))]


def _id(word: str) -> UUID | None:
    if not word.startswith(PERSON):
        return None
    try:
        return UUID(word.removeprefix(PERSON))
    except ValueError:
        return None
