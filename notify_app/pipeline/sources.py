"""Who may post: a source by its slug, with the opened secrets that sign its messages, remembered for a short while.

What is remembered saves a transaction and a decryption for each message, and is never trusted alone: a message is kept
only by a statement that finds the secret that signed it still among the good ones of an active source (`sql.ACCEPT`).
So a source that was switched off, or a secret that was taken back, is refused with the next message.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID

from notify_app.extensions import db
from notify_app.pipeline import sql
from notify_app.pipeline.signature import Verifier
from notify_app.secrets import Secrets

__all__ = ["Key", "Source", "Sources", "secret_name"]

REMEMBERED_SECONDS = 60.0
MOST_REMEMBERED = 1_000


@dataclass(frozen=True)
class Key:
    """A secret that is good now; `columns` say, as JSON, whose row it came from and as which bytes."""

    verifier: Verifier
    columns: str


@dataclass(frozen=True)
class Source:
    """A source as it was looked up; two keys while a secret is being replaced."""

    id: UUID
    organisation_id: UUID
    keys: tuple[Key, ...]
    sealed: tuple[bytes, ...]


def secret_name(slug: str) -> str:
    """What a source's encrypted secret is bound to."""
    return f"source:{slug}"


class Sources:
    """The sources that this process has met lately. Only what exists is remembered, so strangers cost no memory."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._met: OrderedDict[str, tuple[float, Source]] = OrderedDict()

    def remembered(self, slug: str) -> Source | None:
        """As it was at most a minute ago, or None."""
        found = self._met.get(slug)
        return found[1] if found and found[0] > monotonic() else None

    def look_up(self, slug: str) -> Source | None:
        """As the database knows it now; None when it is none or switched off. The very object that is remembered
        when nothing has changed. Raises SQLAlchemy's OperationalError or TimeoutError."""
        with db.engines["engine"].connect() as conn:
            row = conn.execute(sql.FIND_SOURCE, {"slug": slug}).one_or_none()
        before = self._met.pop(slug, None)
        if row is None:
            return None
        sealed = tuple(one for one in (row.secret, row.previous_secret) if one is not None)
        if before is not None and (before[1].id, before[1].sealed) == (row.id, sealed):
            source = before[1]
        else:
            source = Source(row.id, row.organisation_id, self._open(slug, row, sealed), sealed)
        self._met[slug] = monotonic() + REMEMBERED_SECONDS, source
        self._forget()
        return source

    def _forget(self) -> None:
        """Those whose minute is over, and the oldest of too many: they stand in the order of their look-up."""
        now = monotonic()
        for slug, (until, _) in list(self._met.items()):
            if until > now and len(self._met) <= MOST_REMEMBERED:
                return
            self._met.pop(slug, None)

    def _open(self, slug: str, row: Any, sealed: tuple[bytes, ...]) -> tuple[Key, ...]:
        whose = {"o": str(row.organisation_id), "s": str(row.id)}
        return tuple(
            Key(
                Verifier(self._secrets.open(one, secret_name(slug))),
                json.dumps({**whose, "k": f"\\x{one.hex()}"})[1:-1],
            )
            for one in sealed
        )
