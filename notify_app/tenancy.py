"""Which organisation the running code works for: set in one place, checked in two.

`scope(organisation_id)` names it. Every transaction that then begins on the app role's engine tells
PostgreSQL (`hub.organisation`), whose row-level security refuses all else; the ORM adds the same condition
to each query by itself, and refuses to run without one. Outside a scope the app role sees nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from notify_app.models.base import Scoped

__all__ = ["ANNOUNCE", "NoOrganisation", "current", "guard_engine", "guard_sessions", "scope"]

# for the length of a transaction; what speaks to the driver itself (`pipeline.line`) says the same
ANNOUNCE = text("SELECT set_config('hub.organisation', :id, true)")
_current: ContextVar[UUID | None] = ContextVar("organisation", default=None)


class NoOrganisation(RuntimeError):
    """A query on an organisation's table outside any `scope`: a bug, never a user's mistake."""


def current() -> UUID | None:
    """The organisation in scope, or None."""
    return _current.get()


@contextmanager
def scope(organisation_id: UUID) -> Iterator[None]:
    """Work for this organisation inside the block. Transactions pick it up when they begin."""
    token = _current.set(organisation_id)
    try:
        yield
    finally:
        _current.reset(token)


def guard_engine(engine: Engine) -> None:
    """Tell PostgreSQL the organisation at the begin of each transaction on `engine` (the second lock)."""
    event.listen(engine, "begin", _announce)


def _announce(conn: Connection) -> None:
    organisation = _current.get()
    if organisation is not None:
        conn.execute(ANNOUNCE, {"id": str(organisation)})


def guard_sessions(factory: Any) -> None:
    """Scope every ORM query and refuse to flush another organisation's row (the first lock)."""
    event.listen(factory, "do_orm_execute", _restrict)
    event.listen(factory, "before_flush", _refuse_foreign)


def _restrict(state: ORMExecuteState) -> None:
    if (
        not (state.is_select or state.is_update or state.is_delete)
        or state.is_column_load
        or state.is_relationship_load
    ):
        return
    if not any(issubclass(mapper.class_, Scoped) for mapper in state.all_mappers):
        return
    organisation = _current.get()
    if organisation is None:
        raise NoOrganisation(f"{state.statement} needs tenancy.scope(...)")
    state.statement = state.statement.options(
        with_loader_criteria(Scoped, lambda cls: cls.organisation_id == organisation, include_aliases=True)
    )


def _refuse_foreign(session: Session, *_: Any) -> None:
    organisation = _current.get()
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, Scoped) and row.organisation_id != organisation:
            raise NoOrganisation(f"{row!r} does not belong to the organisation in scope")
