"""Writing accepted webhooks: a group of rows in one statement that is its own transaction, over one kept connection.

Raw psycopg, because this is the hottest statement of the product: prepared once, one parameter, and nothing comes back
but what was not kept. A group that PostgreSQL refuses is written again row by row, so that the one row which it cannot
take is refused alone. When the connection breaks, the group is written once more over a new one: a row that the first
try did keep is recognised by its id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
from psycopg import errors, generators
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from notify_app.errors import FieldError, Invalid, Unavailable
from notify_app.pipeline import sql
from notify_app.pipeline.envelope import Envelope
from notify_app.pipeline.group import IN_DOUBT, NOTHING_KEPT
from notify_app.pipeline.sources import Key

__all__ = ["Before", "Kept", "Outcome", "Row", "Unsigned", "Writer", "row"]

log = logging.getLogger(__name__)

Connection = psycopg.Connection[Any]
STATEMENTS = {b"accept": sql.ACCEPT, b"find": sql.FIND_INBOUND}
# row by row, one that waits for somebody's lock must not use up the time of those behind it
IMPATIENT, AS_BEFORE = b"SET lock_timeout = '250ms'", b"RESET lock_timeout"
MOST_PUT_OFF = 3
# classes of SQLSTATE (PostgreSQL, appendix A): the value itself is to blame; what passes by itself
THE_VALUE = ("22", "54")
PASSES = ("08", "25", "40", "53", "55", "57")


@dataclass(frozen=True, slots=True)
class Row:
    """One webhook to be kept. `columns` is a JSON object with the names of `sql.ACCEPT`."""

    id: UUID
    columns: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The row is durable."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Before:
    """Nothing was written: another row has this key. `alike`: its body says the same (False once it was cleared)."""

    id: UUID
    body_hash: bytes
    alike: bool


class Unsigned(Exception):
    """Nothing was written: the secret that signed it is none, or none any more, of an active source."""


class _Refused(RuntimeError):
    """A constraint of ours is against it: a bug. Says which one, and nothing of what the row holds."""


Outcome = Kept | Before | Exception


def row(id: UUID, key: Key, external_id: str, body_hash: bytes, message: Envelope) -> Row:
    """What is to be kept of a message that was signed with this key."""
    quote = encode_basestring_ascii
    refs = ",".join(map(quote, message.item_refs))
    return Row(
        id,
        f'{{{key.columns},"id":"{id}","e":{quote(external_id)},"h":"\\\\x{body_hash.hex()}","t":{quote(message.type)},'
        f'"b":{message.text},"r":[{refs}],"at":"{message.occurred_at.isoformat()}"}}',
    )


class Writer:
    """Is called by one at a time. Connects when it is first called, and again when the connection has broken."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None

    def __call__(self, rows: list[Row], until: float) -> list[Outcome]:
        """Write them before `until` (monotonic seconds) and say what became of each; an Exception is that row's own."""
        words = NOTHING_KEPT
        for _ in range(2):
            try:
                connection = self._connected(until)
            except psycopg.OperationalError as error:
                log.warning("ingest: no connection (%s)", type(error).__name__)
                break
            try:
                return _write(connection, rows, until)
            except psycopg.Error as error:
                log.warning("ingest: the connection broke (%s)", type(error).__name__)
                words = IN_DOUBT
            finally:
                if _broken(connection):
                    self.close()
            if monotonic() >= until:
                break
        return [Unavailable(words) for _ in rows]

    def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self, until: float) -> Connection:
        if self._connection is None:
            connection = self._connect()
            try:
                for name, statement in STATEMENTS.items():
                    connection.pgconn.send_prepare(name, statement.encode())
                    _result(connection, until)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def _write(connection: Connection, rows: list[Row], until: float) -> list[Outcome]:
    """All at once, or else one by one. Raises psycopg.Error when the connection has broken."""
    try:
        return _insert(connection, rows, until)
    except psycopg.Error as refusal:
        if _broken(connection):
            raise
        if len(rows) == 1:
            return [_outcome(refusal)]
        log.warning("ingest: a group of %s is written row by row (%s)", len(rows), refusal.sqlstate)
    _run(connection, IMPATIENT, until)
    outcomes = _one_by_one(connection, rows, until)
    _run(connection, AS_BEFORE, until)
    return outcomes


def _one_by_one(connection: Connection, rows: list[Row], until: float) -> list[Outcome]:
    """When row after row finds the database busy, it is not the rows: the rest is put off."""
    outcomes: list[Outcome] = []
    put_off = 0
    for one in rows:
        outcome: Outcome = Unavailable(NOTHING_KEPT)
        if put_off < MOST_PUT_OFF:
            try:
                [outcome] = _insert(connection, [one], until)
            except psycopg.Error as refusal:
                if _broken(connection):
                    raise
                outcome = _outcome(refusal)
        put_off += isinstance(outcome, Unavailable)
        outcomes.append(outcome)
    return outcomes


def _insert(connection: Connection, rows: list[Row], until: float) -> list[Outcome]:
    rest = {UUID(id_.decode()): signed == b"t" for id_, signed in _ask(connection, b"accept", rows, until)}
    if not rest:
        return [Kept(one.id) for one in rows]
    known = [one for one in rows if rest.get(one.id)]
    before = {}
    for asked, id_, digest, alike in _ask(connection, b"find", known, until) if known else ():
        found = Before(UUID(id_.decode()), bytes.fromhex(digest[2:].decode()), alike == b"t")
        before[UUID(asked.decode())] = found
    return [_became(one.id, rest, before) for one in rows]


def _became(id_: UUID, rest: dict[UUID, bool], before: dict[UUID, Before]) -> Outcome:
    if id_ not in rest:
        return Kept(id_)
    if not rest[id_]:
        return Unsigned()
    if id_ not in before:  # it was there a moment ago
        return Unavailable(NOTHING_KEPT)
    return Kept(id_) if before[id_].id == id_ else before[id_]  # kept by a try whose answer was lost


def _outcome(refusal: psycopg.Error) -> Outcome:
    """What is said of a row that PostgreSQL has refused. Nothing of it was kept: the statement is its transaction."""
    state, constraint = refusal.sqlstate or "", refusal.diag.constraint_name or ""
    log.warning("ingest: a row was refused (%s %s)", state, constraint)
    if state.startswith(PASSES):
        return Unavailable(NOTHING_KEPT)
    if state.startswith(THE_VALUE):
        problem = FieldError("body", "One of its values cannot be stored; make numbers and texts shorter.")
        return Invalid("The body cannot be used.", problem)
    return _Refused(f"PostgreSQL refused a webhook's row: {state} {constraint}".strip())


# --- asking ------------------------------------------------------------------------------------------------------------


def _ask(connection: Connection, name: bytes, rows: list[Row], until: float) -> list[tuple[bytes, ...]]:
    connection.pgconn.send_query_prepared(name, [f"[{','.join([one.columns for one in rows])}]".encode()])
    result = _result(connection, until)
    width = result.nfields
    return [tuple(result.get_value(at, n) or b"" for n in range(width)) for at in range(result.ntuples)]


def _run(connection: Connection, statement: bytes, until: float) -> None:
    connection.pgconn.send_query(statement)
    _result(connection, until)


def _result(connection: Connection, until: float) -> PGresult:
    """The answer to what was sent. Raises psycopg.Error, an OperationalError after `until`."""
    left = max(0.0, until - monotonic())
    result: PGresult = connection.wait(generators.execute(connection.pgconn), timeout=left)[-1]
    if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        raise errors.error_from_result(result)
    return result


def _broken(connection: Connection) -> bool:
    """Whether it can be asked nothing more: gone, or in the middle of an answer that nobody waits for any more."""
    return connection.closed or connection.pgconn.transaction_status != TransactionStatus.IDLE
