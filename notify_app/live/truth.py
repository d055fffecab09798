"""Open streams beside the database: whose inbox has changed without their hearing of it, and whose stream must end.

Announcements are hints. So every few seconds the counters of all connected people are compared with the database,
and their sessions with those that are still good: one statement each for a thousand streams, which answer with the
differences alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, text

from notify_app.live.stream import WATCHERS, Stream

__all__ = ["AT_ONCE", "compare"]

AT_ONCE = 1_000  # streams of a statement

# who has left the organisation or the account, or whose pages show other things now, is not shown this stream any more
BEHIND = text(
    """
    SELECT s.at, p.id IS NULL AS ended
    FROM unnest(CAST(:at AS bigint[]), CAST(:organisations AS uuid[]), CAST(:people AS uuid[]),
                CAST(:accounts AS uuid[]), CAST(:watching AS boolean[]), CAST(:seqs AS bigint[]))
         AS s(at, organisation_id, person_id, account_id, watches, seq)
    LEFT JOIN inbox_counter c ON c.organisation_id = s.organisation_id AND c.person_id = s.person_id
    LEFT JOIN person p ON p.organisation_id = s.organisation_id AND p.id = s.person_id AND p.left_at IS NULL
        AND p.account_id = s.account_id AND (p.role = ANY(CAST(:watchers AS text[]))) = s.watches
    WHERE c.seq > s.seq OR p.id IS NULL
    """
)
# a session is over when it was revoked, has expired or lost its account; or when the account is more people than before
OVER = text(
    """
    SELECT s.at
    FROM unnest(CAST(:sessions AS uuid[]), CAST(:people AS bigint[])) WITH ORDINALITY AS s(id, people, at)
    WHERE NOT EXISTS (
        SELECT FROM account_session o JOIN account a ON a.id = o.account_id AND a.disabled_at IS NULL
        WHERE o.id = s.id AND o.revoked_at IS NULL AND o.expires_at > (SELECT hub_now())
          AND (SELECT count(*) FROM person p WHERE p.account_id = a.id AND p.left_at IS NULL) = s.people)
    """
)


def compare(conn: Connection, streams: Sequence[Stream]) -> tuple[list[Stream], list[Stream]]:
    """Those of these streams that are behind, and those that must end. `conn` is hub_engine's. What moves a stream
    meanwhile makes the answer old, not wrong: one look too many."""
    people = [
        (number, one.organisation_id.hex, one.key, stream.reader.account_id.hex, one.watches, seq)
        for number, stream in enumerate(streams)
        for one, seq in zip(stream.reader.people, stream.seqs, strict=True)
    ]
    names = ("at", "organisations", "people", "accounts", "watching", "seqs")
    columns = {name: _array(column) for name, column in zip(names, zip(*people, strict=True), strict=True)}
    found = conn.execute(BEHIND, columns | {"watchers": _array(WATCHERS)}).all()
    sessions = {
        "sessions": _array(one.reader.session_id.hex for one in streams),
        "people": _array(len(one.seqs) for one in streams),
    }
    ended = {row.at for row in found if row.ended} | {row.at - 1 for row in conn.execute(OVER, sessions)}
    behind = {row.at for row in found} - ended
    return [streams[at] for at in sorted(behind)], [streams[at] for at in sorted(ended)]


def _array(values: Iterable[object]) -> str:
    """An array as PostgreSQL writes it. For plain words and numbers; the driver takes ten times as long."""
    return f"{{{','.join(map(str, values))}}}"
