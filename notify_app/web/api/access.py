"""Who calls the API: a program with a key, acting as one person (`Authorization: Bearer hub_…`).

No cookie counts here, so no form token is needed. A key that is unknown, revoked, or of somebody who has left is answered
like none at all.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, g, request
from sqlalchemy import text

from notify_app import tenancy
from notify_app.domains.base import OFFICE
from notify_app.errors import Unauthenticated
from notify_app.extensions import db
from notify_app.pipeline import sql
from notify_app.secrets import Secrets
from notify_app.web.extensions import csrf, limiter
from notify_app.work.apply import Actor
from notify_app.work.keys import PREFIX

__all__ = ["FOR_AN_ADDRESS", "FOR_A_KEY", "PATH", "Caller", "authenticate", "caller", "room"]

PATH = "/api/v1"
FOR_A_KEY, FOR_AN_ADDRESS = "600 per minute", "3000 per minute"

NOTE = text("UPDATE api_key SET last_used_at = hub_now() WHERE organisation_id = :org AND id = :id")


@dataclass(frozen=True)
class Caller:
    """The person as whom a program acts, and the key that says so."""

    key_id: UUID
    organisation_id: UUID
    person_id: UUID
    name: str
    role: str
    zone: str
    locale: str

    @property
    def office(self) -> bool:
        return self.role in OFFICE

    @property
    def actor(self) -> Actor:
        """As verbs want it."""
        return Actor(self.role, self.person_id)


def room(name: str) -> Blueprint:
    """A part of the API: by key only, without form tokens, and no faster than a key and an address may."""
    made = Blueprint(name, __name__, url_prefix=PATH)
    csrf.exempt(made)
    limiter.limit(lambda: FOR_A_KEY, key_func=_key_of_request)(made)
    limiter.limit(lambda: FOR_AN_ADDRESS)(made)
    return made


def _key_of_request() -> str:
    """Whose calls are counted together: those with the same key, good or not. The key itself stays out of Redis."""
    return "api:" + hashlib.sha256(request.headers.get("Authorization", "").encode()).hexdigest()[:32]


def authenticate() -> None:
    """Find out who calls, before a view runs. Raises Unauthenticated."""
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    row = _find(token) if scheme.lower() == "bearer" and token.startswith(PREFIX) else None
    if row is None:
        raise Unauthenticated(f"Send a key of this hub: Authorization: Bearer {PREFIX}…")
    g.caller = Caller(
        row.key_id, row.organisation_id, row.person_id, row.name, row.role, row.zone, row.locale
    )
    if row.unnoted:
        with tenancy.scope(row.organisation_id), db.engine.begin() as conn:
            conn.execute(NOTE, {"org": row.organisation_id, "id": row.key_id})


def _find(token: str) -> Any:
    with db.engines["engine"].connect() as conn:
        return conn.execute(sql.FIND_KEY, {"hash": Secrets.hash_token(token)}).one_or_none()


def caller() -> Caller:
    """The caller of a guarded request."""
    found: Caller = g.caller
    return found
