"""What was held until now leaves: quiet hours that ended, bursts that are over, limits that allow more.

All that one person has due at one address is decided on again and leaves as one message; what is alone leaves as itself.
What is not wanted any more is settled with its reason, what lies in quiet hours again waits on, and what cannot reach its
address leaves as itself, so that the drain finds another way (A16). One transaction for a batch of people of one
organisation, each under a lock that two schedulers never hold both; a crash leaves all of it due. What cannot be collected
leaves one by one.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from notify_app.extensions import db
from notify_app.ids import new_id
from notify_app.live.announce import Changed
from notify_app.pipeline import again, outbox, sql
from notify_app.pipeline.step import Step, hub, step
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.reasons import Reason
from notify_app.queue import BULK, URGENT

__all__ = ["run"]

log = logging.getLogger(__name__)

SOON = timedelta(
    seconds=5
)  # bursts of several categories, whose minutes end one after the other, leave together
# for these it is not wanted any more; every other refusal is the drain's, which finds another way
NOT_WANTED = (Reason.read_meanwhile, Reason.withdrawn, Reason.preference_event, Reason.preference_category)
MINE = """
    SELECT id FROM unnest(CAST(:people AS uuid[])) AS t(id) WHERE pg_try_advisory_xact_lock(hashtextextended('collect/' || CAST(id AS text), 0))
"""
DUE = """
    SELECT id, person_id, channel, address, purpose, priority, reason, due_at, attempts FROM delivery
    WHERE organisation_id = :org AND person_id = ANY(:people) AND state = 'held'
      AND (next_attempt_at <= :now OR (reason = 'burst' AND next_attempt_at <= :soon))
    ORDER BY person_id, channel, address, priority, created_at, id FOR UPDATE SKIP LOCKED
"""
MOVE = """
    UPDATE delivery d
    SET state = r.state, reason = r.reason, detail = r.detail, due_at = coalesce(r.until, d.due_at),
        next_attempt_at = coalesce(r.until, d.next_attempt_at), settled_at = CASE WHEN r.state = 'skipped' THEN hub_now() END
    FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, state text, reason text, detail text, until timestamptz)
    WHERE d.organisation_id = :org AND d.id = r.id AND d.state = 'held'
"""
LET_GO = """
    UPDATE delivery SET state = 'queued' WHERE organisation_id = :org AND person_id = :person AND state = 'held'
    AND next_attempt_at <= :now
"""


def run(now: datetime, limit: int = 0) -> int:
    """Let go what was held until `now`, in batches of about `limit` messages (0: the setting), until nothing is due.
    Returns how many messages were decided on."""
    size, done = limit or hub().collect_batch, 0
    while True:
        with db.engines["engine"].connect() as conn:
            due = conn.execute(sql.DUE_HELD, {"now": now, "limit": size}).all()
        moved = sum(
            _together(organisation_id, [row.person_id for row in rows], now)
            for organisation_id, rows in _by_organisation(due)
        )
        done += moved
        if not moved or sum(row.messages for row in due) < size:
            return done


def _by_organisation(due: Iterable[Any]) -> Iterator[tuple[UUID, list[Any]]]:
    for organisation_id, rows in groupby(
        sorted(due, key=lambda row: row.organisation_id), key=lambda row: row.organisation_id
    ):
        yield organisation_id, list(rows)


def _together(organisation_id: UUID, people: list[UUID], now: datetime) -> int:
    try:
        with step(organisation_id) as work:
            return _Batch(work, now).let_go(people)
    except (InterfaceError, OperationalError, PoolTimeout) as error:
        log.warning("%s people wait for another round: %s", len(people), type(error).__name__)
        return 0
    except Exception:
        if len(people) > 1:
            return sum(_together(organisation_id, [one], now) for one in people)
        log.exception("what was held for %s leaves one by one", people[0])
        with step(organisation_id) as work:
            work.wakes |= {URGENT, BULK}
            return work.run(LET_GO, person=people[0], now=now)


class _Batch:
    """What is done about some people's messages in one transaction."""

    def __init__(self, work: Step, now: datetime) -> None:
        self._work, self._now = work, now
        self._moves: list[dict[str, Any]] = []
        self._carriers: list[outbox.Row] = []
        self._parts: list[tuple[UUID, UUID]] = []

    def let_go(self, people: list[UUID]) -> int:
        """Decide and write; how many messages."""
        work = self._work
        mine = [row.id for row in work.all(MINE, people=people)]
        due = work.all(DUE, people=mine, now=self._now, soon=self._now + SOON) if mine else []
        if not due:
            return 0
        groups = [
            list(rows) for _, rows in groupby(due, key=lambda row: (row.person_id, row.channel, row.address))
        ]
        facts = self._facts(row.id for rows in groups if len(rows) > 1 for row in rows)
        for rows in groups:
            self._group(rows, facts)
        work.write(MOVE, self._moves)
        outbox.put_messages(work, self._carriers)
        if self._parts:
            outbox.carry(work, self._parts)
        work.news.append(Changed(work.organisation_id, "delivery"))
        return len(due)

    def _facts(self, ids: Iterable[UUID]) -> Mapping[str, Any]:
        statement, values = again.about_held(list(ids))
        rows = self._work.all(statement, **values) if values["ids"] else []
        return {row.id: row for row in rows}

    # --- one address -----------------------------------------------------------------------------------------------

    def _group(self, rows: Sequence[Any], facts: Mapping[str, Any]) -> None:
        if len(rows) == 1:  # the drain decides on it again
            self._alone(rows[0])
            return
        wanted = [row for row in rows if self._wanted(row, facts[str(row.id)])]
        together = [row for row in wanted if _may_join(row, facts[str(row.id)])]
        alone = [row for row in wanted if not _may_join(row, facts[str(row.id)])]
        if len(together) > 1:
            self._collect(together)
        else:
            alone += together
        for row in alone:
            self._alone(row)

    def _wanted(self, row: Any, fact: Any) -> bool:
        refusal = again.refusal(row, fact, self._now)
        if refusal is None:
            return True
        if refusal.state == "held":
            self._move(row, "held", refusal.reason, until=self._now + timedelta(seconds=refusal.wait or 0))
        elif refusal.reason in NOT_WANTED:
            self._move(row, "skipped", refusal.reason, detail=refusal.detail)
        else:
            self._alone(row)
        return False

    def _alone(self, row: Any) -> None:
        self._move(row, "queued", row.reason)
        self._work.wakes.add(URGENT if row.priority == 1 else BULK)

    def _collect(self, rows: Sequence[Any]) -> None:
        """One message that carries what all of these were to carry."""
        first = min(row.id for row in rows)
        reasons = Counter(row.reason for row in rows)
        carrier = outbox.Row(
            id=new_id(),
            person_id=rows[0].person_id,
            channel=rows[0].channel,
            address=rows[0].address,
            group_key=f"held:{first}",
            priority=min(row.priority for row in rows),
            not_before=None,
            notification_id=None,
            purpose=again.COLLECTED,
            reason=rows[0].reason if len(reasons) == 1 else None,
        )
        self._carriers.append(carrier)
        for row in rows:
            self._parts.append((carrier.id, row.id))
            self._move(row, "skipped", Reason.collected)

    def _move(
        self,
        row: Any,
        state: str,
        reason: str | None,
        *,
        detail: str | None = None,
        until: datetime | None = None,
    ) -> None:
        self._moves.append({"id": row.id, "state": state, "reason": reason, "detail": detail, "until": until})


def _may_join(row: Any, fact: Any) -> bool:
    # what was tried before may have arrived: it is tried again as it is
    if row.attempts:
        return False
    # an SMS has room for one link: who has no inbox would find the others nowhere
    return not (not channel_type(row.channel).lists and fact.action_url and not fact.signs_in)
