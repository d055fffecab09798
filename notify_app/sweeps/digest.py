"""Digests whose time has come: what is unread becomes one email, and the person's next digest gets its time (A12).

One transaction for an organisation's batch, each person under lock, so two schedulers never make one twice and a crash
leaves it due. After an outage there is one for all that was missed. In quiet hours, or while the office or the whole
installation tells nobody of anything, a digest waits. A surprise puts off one person by an hour, and the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from notify_app.extensions import db
from notify_app.pipeline import digest, sql
from notify_app.pipeline.step import hub, step
from notify_app.pipeline.wording import Words

__all__ = ["run"]

log = logging.getLogger(__name__)

TROUBLE_WAITS = timedelta(hours=1)
Done = tuple[int, int]  # people who were seen to, digests that were made
NOTHING: Done = (0, 0)


def run(now: datetime, limit: int = 0) -> int:
    """Make what is due at `now`, in batches of `limit` people (0: the setting), until nothing is. Returns how many digests."""
    size, made = limit or hub().digest_batch, 0
    while True:
        with db.engines["engine"].connect() as conn:
            due = conn.execute(sql.DUE_DIGESTS, {"now": now, "limit": size}).all()
        done = [_together(organisation, ids) for organisation, ids in _by_organisation(due)]
        made += sum(digests for _, digests in done)
        if not any(people for people, _ in done) or len(due) < size:
            return made


def _by_organisation(due: Iterable[Any]) -> Iterable[tuple[UUID, list[UUID]]]:
    found: dict[UUID, list[UUID]] = {}
    for row in due:
        found.setdefault(row.organisation_id, []).append(row.person_id)
    return found.items()


def _together(organisation_id: UUID, ids: list[UUID]) -> Done:
    try:
        return _settle(organisation_id, ids)
    except OperationalError as error:
        if error.connection_invalidated:
            raise
        # two steps that wait for each other: one of them is ended, and comes again
        log.warning("%s digests wait for another round: %s", len(ids), type(error.orig).__name__)
        return NOTHING
    except (InterfaceError, PoolTimeout):
        raise
    except Exception:
        if len(ids) > 1:
            done = [_together(organisation_id, [one]) for one in ids]
            return sum(people for people, _ in done), sum(digests for _, digests in done)
        log.exception("digest of %s", ids[0])
        return _later(organisation_id, ids[0])


def _settle(organisation_id: UUID, ids: list[UUID]) -> Done:
    with step(organisation_id) as work:
        due = digest.due(work, ids)
        if not due:
            return NOTHING
        if not Words(work).on:
            digest.put_off(work, [(one, one.next(work.now)) for one in due])
            return len(due), 0
        quiet = {one: until for one in due if (until := one.quiet_until(work.now))}
        digest.put_off(work, quiet.items())
        return len(due), digest.write(work, [one for one in due if one not in quiet])


def _later(organisation_id: UUID, person_id: UUID) -> Done:
    with step(organisation_id) as work:
        moved = work.run(
            "UPDATE preference SET digest_due_at = :later WHERE organisation_id = :org AND person_id = :id "
            "AND digest_due_at <= :now",
            later=work.now + TROUBLE_WAITS,
            now=work.now,
            id=person_id,
        )
    return moved, 0
