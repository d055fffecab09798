"""Keys of programs: made for a person, shown once, revoked for good (requirement C6).

A key acts as its person, so whoever may make one could act as anybody of the organisation: that is for its
administrators, which the edges see to. Refuses a key for somebody who has left, and one without a name.
"""

from __future__ import annotations

import secrets as random_secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notify_app.errors import FieldError, Invalid, NotFound
from notify_app.ids import new_id
from notify_app.pipeline.step import Step
from notify_app.secrets import Secrets
from notify_app.work import record
from notify_app.work.record import By, What

__all__ = ["PREFIX", "Made", "known", "make", "revoke"]

# it says what it is, where somebody finds it in a file or a log
PREFIX = "hub_"
TOKEN_BYTES = 32
LONGEST_NAME = 100

KNOWN = """
    SELECT k.id, k.name, k.hint, k.created_at, k.last_used_at, k.revoked_at, p.id AS person_id, p.name AS person, p.role,
           p.left_at IS NOT NULL AS gone, m.name AS made_by
    FROM api_key k
    JOIN person p ON p.organisation_id = k.organisation_id AND p.id = k.person_id
    LEFT JOIN person m ON m.organisation_id = k.organisation_id AND m.id = k.created_by
    WHERE k.organisation_id = :org ORDER BY k.revoked_at IS NOT NULL, k.id DESC LIMIT 200
"""
REVOKE = """
    UPDATE api_key SET revoked_at = coalesce(revoked_at, hub_now()) WHERE organisation_id = :org AND id = :id
    RETURNING person_id, name, old.revoked_at AS was
"""


@dataclass(frozen=True)
class Made:
    """A new key. `token` is what the program sends; it is not kept and cannot be shown again."""

    id: UUID
    token: str
    name: str
    person: str


def make(step: Step, name: str, person_id: UUID | None, by: By) -> Made:
    """Make a key for a person. Raises Invalid, naming `name` or `person`."""
    name = " ".join(name.split())
    person = step.one(
        "SELECT id, name FROM person WHERE organisation_id = :org AND id = :id AND left_at IS NULL",
        id=person_id,
    )
    problems = []
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        problems.append(
            FieldError("name", f"Say in a few words (at most {LONGEST_NAME} letters) what uses it.")
        )
    if person is None:
        problems.append(FieldError("person", "Choose the person as whom the program acts."))
    if problems:
        raise Invalid("The key was not made.", *problems)
    token = PREFIX + random_secrets.token_urlsafe(TOKEN_BYTES)
    made = Made(new_id(), token, name, person.name)
    row = {
        "id": made.id,
        "person_id": person.id,
        "name": name,
        "hint": token[-4:],
        "token_hash": Secrets.hash_token(token),
        "created_by": by.person_id,
    }
    step.insert("api_key", [row])
    record.note(step, by, What.key_made, person.id, after={"name": name})
    return made


def revoke(step: Step, key_id: UUID, by: By) -> None:
    """From now on the key is worth nothing. Raises NotFound; one that is revoked already stays so."""
    row = step.one(REVOKE, id=key_id)
    if row is None:
        raise NotFound("There is no such key.")
    if row.was is None:
        record.note(step, by, What.key_revoked, row.person_id, before={"name": row.name})


def known(step: Step) -> list[Any]:
    """All keys, the newest first, the revoked ones behind them."""
    return step.all(KNOWN)
