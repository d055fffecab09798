"""Looking into the database as its administrator, whom row-level security does not bind; survives its crashes."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row


class Database:
    """One connection, made again when it broke. While the server is away every question raises OperationalError."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()

    def all(self, statement: str, **values: Any) -> list[Any]:
        """The rows."""
        with self._lock:
            return self._ask(statement, values).fetchall()

    def one(self, statement: str, **values: Any) -> Any:
        """The only row."""
        rows = self.all(statement, **values)
        assert len(rows) == 1, f"{len(rows)} rows, not one: {statement} {values}"
        return rows[0]

    def run(self, statement: str, **values: Any) -> int:
        """How many rows it touched."""
        with self._lock:
            return self._ask(statement, values).rowcount

    def connect(self) -> psycopg.Connection[Any]:
        """A connection of its own, with a transaction, for a test that holds a lock."""
        return psycopg.connect(self._url, row_factory=namedtuple_row)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, statement: str, values: dict[str, Any]) -> psycopg.Cursor[Any]:
        if self._connection is None or self._connection.broken or self._connection.closed:
            self._connection = psycopg.connect(self._url, autocommit=True, row_factory=namedtuple_row)
        try:
            return self._connection.execute(statement, values)  # type: ignore[arg-type]
        except psycopg.OperationalError:
            self.close()  # a connection that died since the last question is not the server's absence
            self._connection = psycopg.connect(self._url, autocommit=True, row_factory=namedtuple_row)
            return self._connection.execute(statement, values)  # type: ignore[arg-type]
