"""A drain's own line to the database: one connection held while it works, and the driver spoken to without SQLAlchemy.

For the few statements that run for every claim, whose round trips and wrapping cost more than their work: each call is
one transaction and, where it asks several things, still one round trip. What goes wrong comes out as psycopg's error,
and the connection is let go; the next call takes another one. Everything else goes through `step`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Self
from uuid import UUID

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Engine, PoolProxiedConnection, TextClause
from sqlalchemy.dialects.postgresql.psycopg import dialect
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from notify_app import tenancy

__all__ = ["AWAY", "Line"]

AWAY = (
    OperationalError,
    PoolTimeout,
    psycopg.OperationalError,
)  # the database; any other error is about a row

Asked = tuple[TextClause, Mapping[str, Any]]


class Line:
    """One connection of an engine's pool, from the first call until `close`. For one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: PoolProxiedConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def all(self, statement: TextClause, values: Mapping[str, Any]) -> list[Any]:
        """The rows of one statement, if it gives any; it is a transaction of its own."""
        with self._connection() as connection:
            return _rows(_run(connection, statement, values))

    def scoped(self, organisation_id: UUID, *asked: Asked) -> list[list[Any]]:
        """The rows of each statement, all in one transaction of this organisation; `:org` is always known."""
        with self._connection() as connection:
            with connection.pipeline():
                connection.execute("BEGIN")
                _run(connection, tenancy.ANNOUNCE, {"id": str(organisation_id)})
                answers = [
                    _run(connection, statement, {"org": organisation_id, **values})
                    for statement, values in asked
                ]
                connection.execute("COMMIT")
            return [_rows(answer) for answer in answers]

    def close(self) -> None:
        """Give the connection back to the pool, as it was."""
        held, self._held = self._held, None
        if held is not None:
            driver(held).autocommit = False
            held.close()

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        if self._held is None:
            self._held = self._engine.raw_connection()
            driver(self._held).autocommit = True
        try:
            yield driver(self._held)
        except BaseException:
            held, self._held = self._held, None
            held.invalidate()
            raise


def driver(held: PoolProxiedConnection) -> psycopg.Connection[Any]:
    connection = held.driver_connection
    assert isinstance(connection, psycopg.Connection)
    return connection


def _run(
    connection: psycopg.Connection[Any], statement: TextClause, values: Mapping[str, Any]
) -> psycopg.Cursor[Any]:
    return connection.cursor(row_factory=namedtuple_row).execute(_text(statement), values)


def _rows(cursor: psycopg.Cursor[Any]) -> list[Any]:
    return cursor.fetchall() if cursor.description else []


@cache
def _text(statement: TextClause) -> bytes:
    """As the driver takes it, its values by name."""
    return str(statement.compile(dialect=dialect())).encode()  # type: ignore[no-untyped-call]
