"""Not too much at once to one person: bursts join one message, and what is over a limit waits (A14).

Asked of the rows of a claim that would leave now, in their order; whoever routes pays nothing. `again` has read when
something has last left to a row's person and channel. Only where that was lately, what has left is counted: in one
question for all of them. What is held leaves with what else is held for that address (`sweeps.collect`). What is pressing
and would wait so long that it is of no use any more takes another channel, if there is one. URGENT never waits for a limit,
and for a burst only where its event says so. Deciding is pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from notify_app import domains
from notify_app.pipeline.again import COLLECTED, WAITING, Refusal
from notify_app.policy.channel import Limit, longest
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.limits import Pace, burst_until, limit_until
from notify_app.policy.reasons import Reason

__all__ = ["Tally", "question"]

URGENT, HIGH = 1, 2
SPARE = 200  # what has left beyond the highest limit of all can be left uncounted
# What has left to these people by these channels before this claim, or is leaving by another one, the newest first; of
# what may have begun a burst, the categories too. What takes a push back is none more to read.
HISTORY = text(
    """
    SELECT l.person_id, l.channel, l.claimed_at,
           CASE WHEN l.claimed_at > :burst_since THEN ARRAY(
               SELECT DISTINCT n.category FROM delivery_item i
               JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id
               WHERE i.organisation_id = :org AND i.delivery_id = l.id) ELSE '{}' END AS categories
    FROM unnest(CAST(:people AS uuid[]), CAST(:channels AS text[])) AS t(person_id, channel)
    CROSS JOIN LATERAL (
        SELECT l.id, l.person_id, l.channel, l.claimed_at FROM delivery l
        WHERE l.organisation_id = :org AND l.person_id = t.person_id AND l.channel = t.channel
          AND l.state IN ('sending', 'sent', 'delivered', 'bounced', 'unknown') AND l.purpose <> 'recall'
          AND l.claimed_at > :since AND l.claimed_at < :claimed_at
        ORDER BY l.claimed_at DESC LIMIT :most
    ) l
    """
)
Who = tuple[UUID, str]  # a person, by a channel


def question(
    rows: Sequence[Any], facts: Mapping[str, Any], pace: Pace, now: datetime
) -> tuple[TextClause, dict[str, Any]] | None:
    """What to ask before these rows of one claim are decided on; None when there is nothing to count."""
    asked = {
        (row.person_id, row.channel)
        for row in rows
        if (fact := facts.get(row.id)) is not None and _may_wait(row, fact) and _lately(fact, now)
    }
    if not asked or not (pace.burst or pace.limits):
        return None
    return HISTORY, {
        "people": [person for person, _ in asked],
        "channels": [channel for _, channel in asked],
        "since": now - longest(),
        "burst_since": now - pace.burst,
        "most": max((limit.most for limit in pace.limits), default=0) + SPARE,
        "claimed_at": rows[0].now,
    }


def _lately(fact: Any, now: datetime) -> bool:
    return fact.last_left is not None and now - fact.last_left < longest()


def _may_wait(row: Any, fact: Any) -> bool:
    # what was tried before may have arrived: it is tried again as it is, and soon
    if row.purpose not in WAITING or not fact.carried or row.attempts > 1:
        return False
    return row.priority != URGENT or (row.purpose != COLLECTED and _in_bursts(row, fact))


def _in_bursts(row: Any, fact: Any) -> bool:
    """Whether it may wait for others: as its event says, or everything but what is urgent. An SMS has room for one link, and
    who has no inbox finds the others nowhere."""
    if not channel_type(row.channel).lists and fact.action_url and not fact.signs_in:
        return False
    type_ = domains.event(fact.name)
    said = type_.in_bursts if type_ else None
    return row.priority != URGENT if said is None else said


def _too_long(row: Any, until: datetime) -> bool:
    """Whether what is pressing would be too old by then to be of use by this channel."""
    late: timedelta = until - row.due_at
    return row.priority == HIGH and late > channel_type(row.channel).schedule.oldest("high")


class Tally:
    """What has left to whom, and what of this claim is leaving now. One for the rows that are decided on together."""

    def __init__(self, pace: Pace, now: datetime, history: Sequence[Any] = ()) -> None:
        self._pace, self._now = pace, now
        self._limits: dict[str, tuple[Limit, ...]] = {}
        self._left: defaultdict[Who, list[datetime]] = defaultdict(list)
        self._alike: defaultdict[tuple[Who, str], list[datetime]] = defaultdict(list)
        for one in history:
            self._count((one.person_id, one.channel), one.claimed_at, one.categories)

    def _count(self, who: Who, at: datetime, categories: Sequence[str]) -> None:
        self._left[who].append(at)
        for category in categories:
            self._alike[who, category].append(at)

    def refusal(self, row: Any, fact: Any) -> Refusal | None:
        """Why this row must wait, or None; then it counts for those after it."""
        who = (row.person_id, row.channel)
        if _may_wait(row, fact):
            reason, until = self._until(row, fact, who)
            if until is not None:
                return Refusal(
                    "held", reason, (until - self._now).total_seconds(), too_long=_too_long(row, until)
                )
        if row.purpose in WAITING:
            self._count(who, self._now, [fact.category] if fact.category else [])
        return None

    def _until(self, row: Any, fact: Any, who: Who) -> tuple[Reason, datetime | None]:
        if row.priority != URGENT and (left := self._left.get(who)):
            limit = limit_until(self._limits_of(row.channel), left, self._now)
            if limit is not None:
                return Reason.throttled, limit
        # what has waited for its burst has waited long enough
        if row.purpose == COLLECTED or row.reason == Reason.burst or not _in_bursts(row, fact):
            return Reason.burst, None
        return Reason.burst, burst_until(
            self._pace.burst, self._alike.get((who, fact.category), ()), self._now
        )

    def _limits_of(self, channel: str) -> tuple[Limit, ...]:
        if channel not in self._limits:
            self._limits[channel] = self._pace.limits_of(channel)
        return self._limits[channel]
