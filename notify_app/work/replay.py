"""What ended badly, sent once more because somebody says so: a new generation of the same message (dead letters).

Whether it may is decided as at any send (`again.refusal`): what is too old, was read, was withdrawn, has nobody to go to or
is blocked stays where it is, and so does what has reached its reader by another way or was sent again before. A replay is
paced, what is urgent first, so that a repaired provider is not asked by a thousand messages at once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from notify_app.domains.base import Priority
from notify_app.errors import FieldError, Invalid
from notify_app.ids import new_id
from notify_app.pipeline import again
from notify_app.pipeline.fallback import GIVING_UP, HOPEFUL
from notify_app.pipeline.step import Step
from notify_app.policy.channel import channels
from notify_app.policy.reasons import Reason
from notify_app.queue import BULK, URGENT
from notify_app.work import record
from notify_app.work.record import By, What

__all__ = [
    "ENDED",
    "MOST",
    "PACE",
    "Refused",
    "Replayed",
    "causes",
    "hasten",
    "hasten_waiting",
    "look",
    "of_cause",
    "replay",
    "twins",
    "under_way",
]

MOST = 1000  # of one request
PACE = timedelta(milliseconds=200)  # five a second
LATELY = timedelta(days=30)
LONGEST_REASON = 300
ENDED = ("failed", "bounced", "unknown", "suppressed")
PURPOSES = ("notification", "collected")


class Refused(StrEnum):
    """Why one is not sent again, beside the reasons for which nothing is sent at all (`Reason`)."""

    gone = "gone"
    not_ended = "not_ended"
    no_message = "no_message"
    again_already = "again_already"
    other_way = "other_way"


# the same message, sent before or after
SAME = """
    o.organisation_id = d.organisation_id AND o.group_key = d.group_key AND o.person_id = d.person_id
    AND o.channel = d.channel AND o.address = d.address AND o.purpose = d.purpose
"""
ROWS = f"""
    SELECT d.id, CAST(d.id AS text) AS key, d.channel, d.purpose, d.priority, d.state, d.due_at, 1 AS attempts,
           EXISTS (SELECT FROM delivery o WHERE {SAME} AND o.generation > d.generation) AS replayed,
           EXISTS (
               SELECT FROM delivery_item m JOIN delivery_item i
                 ON i.organisation_id = m.organisation_id AND i.notification_id = m.notification_id
               JOIN delivery o ON o.organisation_id = i.organisation_id AND o.id = i.delivery_id
               WHERE m.organisation_id = d.organisation_id AND m.delivery_id = d.id AND o.id <> d.id
                 AND o.state = ANY(:hopeful) AND o.reason IS DISTINCT FROM :giving_up AND o.channel = ANY(:counts)
                 AND o.created_at >= d.created_at) AS carried
    FROM delivery d WHERE d.organisation_id = :org AND d.id = ANY(CAST(:ids AS uuid[])) ORDER BY d.id {{lock}}
"""  # noqa: S608  (constants of this program)
# twice at once is once: the second finds the generation there
COPY = """
    INSERT INTO delivery (organisation_id, id, person_id, channel, address, purpose, group_key, generation, priority,
                          due_at, next_attempt_at, content_id)
    SELECT d.organisation_id, r.id, d.person_id, d.channel, d.address, d.purpose, d.group_key, d.generation + 1, d.priority,
           d.due_at, r.at, d.content_id
    FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, old uuid, at timestamptz)
    JOIN delivery d ON d.organisation_id = :org AND d.id = r.old
    ON CONFLICT ON CONSTRAINT uq_delivery_message DO NOTHING RETURNING CAST(id AS text) AS id
"""
CARRY = """
    INSERT INTO delivery_item (organisation_id, delivery_id, notification_id)
    SELECT i.organisation_id, r.id, i.notification_id
    FROM json_to_recordset(CAST(:rows AS json)) AS r(id uuid, old uuid)
    JOIN delivery_item i ON i.organisation_id = :org AND i.delivery_id = r.old
"""
TWINS = f"""
    SELECT o.id, o.generation, o.state FROM delivery d JOIN delivery o ON {SAME} AND o.id <> d.id
    WHERE d.organisation_id = :org AND d.id = :id ORDER BY o.generation
"""  # noqa: S608
# what ended badly; one that was sent again counts where that one is, and what was only to take a push back is no loss
DEAD = f"""
    FROM delivery d WHERE d.organisation_id = :org AND d.created_at > :since AND d.state = ANY(:ended) AND d.purpose <> 'recall'
      AND NOT EXISTS (SELECT FROM delivery o WHERE {SAME} AND o.generation > d.generation)
"""
CAUSES = f"""
    SELECT d.channel, coalesce(d.reason, '') AS reason, coalesce(d.provider, '') AS provider, count(*) AS n,
           count(*) FILTER (WHERE d.priority = 1) AS urgent, count(DISTINCT coalesce(d.person_id, d.endpoint_id)) AS people,
           min(d.settled_at) AS first, max(d.settled_at) AS last,
           (array_agg(d.detail ORDER BY d.settled_at DESC) FILTER (WHERE d.detail IS NOT NULL))[1] AS detail
    {DEAD} GROUP BY 1, 2, 3 ORDER BY max(d.settled_at) DESC NULLS LAST LIMIT 100
"""
AGES = " ".join(
    f"WHEN {number} THEN CAST(:age{number} AS interval)" for number in range(1, len(Priority) + 1)
)
# what may still be of use first, so that the rest takes no place of it and yet is there to say why it stays
OF_CAUSE = f"""
    SELECT d.id {DEAD} AND d.channel = :channel AND coalesce(d.reason, '') = :reason AND coalesce(d.provider, '') = :provider
    ORDER BY d.purpose = ANY(:purposes) AND d.due_at > :now - CASE d.priority {AGES} END DESC, d.priority, d.id DESC
    LIMIT :most
"""
UNDER_WAY = """
    SELECT count(*) AS n FROM delivery
    WHERE organisation_id = :org AND generation > 0 AND state IN ('queued', 'sending') AND created_at > :since
"""
HASTEN = """
    UPDATE delivery SET next_attempt_at = :now WHERE organisation_id = :org AND id = :id AND state = 'queued'
      AND next_attempt_at > :now RETURNING priority
"""

HASTEN_WAITING = """
    UPDATE delivery SET next_attempt_at = :now WHERE organisation_id = :org AND channel = :channel AND state = 'queued'
      AND reason = :reason AND next_attempt_at > :now RETURNING priority
"""


@dataclass(frozen=True)
class Replayed:
    """What a replay does, or did: these deliveries, in this order, and how many not, by why (a `Reason` or `Refused`)."""

    ids: Sequence[UUID] = ()
    refused: Mapping[str, int] = field(default_factory=dict)


def look(step: Step, ids: Sequence[UUID]) -> Replayed:
    """What a replay of these would do, now. Raises Invalid for more than MOST."""
    found = _decided(step, ids, lock="")
    return Replayed([row.id for row in found[0]], found[1])


def replay(step: Step, ids: Sequence[UUID], reason: str, by: By) -> Replayed:
    """Send these again, for this reason. Raises Invalid: more than MOST, or no reason."""
    reason = " ".join(reason.split())
    if not reason or len(reason) > LONGEST_REASON:
        words = f"Use at most {LONGEST_REASON} characters." if reason else "Say why; the record keeps it."
        raise Invalid("Nothing was sent again.", FieldError("reason", words))
    rows, refused = _decided(step, ids, lock="FOR UPDATE OF d")
    copies = [
        {"id": str(new_id()), "old": row.key, "at": (step.now + PACE * place).isoformat()}
        for place, row in enumerate(rows)
    ]
    made = {row.id for row in step.all(COPY, rows=json.dumps(copies))} if copies else set()
    sent = [row for row, copy in zip(rows, copies, strict=True) if copy["id"] in made]
    if len(sent) < len(rows):
        refused[Refused.again_already] = refused.get(Refused.again_already, 0) + len(rows) - len(sent)
    if sent:
        step.write(CARRY, [copy for copy in copies if copy["id"] in made])
        step.wakes |= {URGENT if row.priority == 1 else BULK for row in sent}
        after = {"count": len(sent), "reason": reason, "channels": sorted({row.channel for row in sent})}
        record.note(step, by, What.replayed, None, after=after)
    return Replayed([row.id for row in sent], refused)


def causes(step: Step) -> Sequence[Any]:
    """What ended badly lately, by channel, reason and provider, the latest first: how many (`n`, of them `urgent`), to how many,
    when first and last, and what stands beside the newest."""
    return step.all(CAUSES, since=step.now - LATELY, ended=list(ENDED))


def of_cause(step: Step, channel: str, reason: str, provider: str) -> list[UUID]:
    """Those of one cause, at most MOST: first those that are not too old to be of use, the most pressing and newest first."""
    known = next((one for one in channels() if one.name == channel), None)
    if known is None:
        return []
    values = {"channel": channel, "reason": reason, "provider": provider, "most": MOST, "now": step.now}
    ages = {f"age{number}": known.schedule.oldest(one.value) for number, one in enumerate(Priority, 1)}
    values |= {"purposes": list(PURPOSES), "ended": list(ENDED), "since": step.now - LATELY, **ages}
    return [row.id for row in step.all(OF_CAUSE, **values)]


def twins(step: Step, id: UUID) -> Sequence[Any]:
    """The same message, sent before or after this one."""
    return step.all(TWINS, id=id)


def under_way(step: Step) -> int:
    """How many that are sent again have not left yet."""
    return int(step.one(UNDER_WAY, since=step.now - LATELY).n)


def hasten(step: Step, id: UUID) -> bool:
    """Try one that waits for its next attempt now; whether it waited for one. Its provider's rate and pause hold as ever."""
    row = step.one(HASTEN, id=id, now=step.now)
    if row is None:
        return False
    step.wakes.add(URGENT if row.priority == 1 else BULK)
    return True


def hasten_waiting(step: Step, channel: str) -> int:
    """The same for all that wait because no account of this channel worked; how many did."""
    found = step.all(HASTEN_WAITING, channel=channel, now=step.now, reason=Reason.provider_down)
    step.wakes |= {URGENT if row.priority == 1 else BULK for row in found}
    return len(found)


def _decided(step: Step, ids: Sequence[UUID], *, lock: str) -> tuple[list[Any], dict[str, int]]:
    """Those that are sent again, the most pressing first, and why the others are not."""
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MOST:
        raise Invalid("Nothing was sent again.", FieldError("ids", f"Choose at most {MOST:,} at once."))
    found = step.all(
        ROWS.format(lock=lock),
        ids=wanted,
        hopeful=list(HOPEFUL),
        giving_up=GIVING_UP,
        counts=list(again.relied_on()),
    )
    facts = {fact.id: fact for fact in step.conn.execute(*again.about_ended(step, [row.id for row in found]))}
    refused: Counter[str] = Counter()
    if len(found) < len(wanted):
        refused[Refused.gone] = len(wanted) - len(found)
    good = []
    for row in found:
        why = _refusal(step, row, facts.get(row.key))
        if why:
            refused[why] += 1
        else:
            good.append(row)
    return sorted(good, key=lambda row: (row.priority, row.due_at, row.id)), dict(refused)


def _refusal(step: Step, row: Any, fact: Any) -> str:
    if row.state not in ENDED:
        return Refused.not_ended
    if row.purpose not in PURPOSES or fact is None or not fact.carried:
        return Refused.no_message
    if row.replayed:
        return Refused.again_already
    if row.carried:
        return Refused.other_way
    # one that is urgent passes its age at a first attempt; a replay of yesterday's alarm would not help anybody
    not_now = again.too_old(row, step.now) or again.refusal(row, fact, step.now)
    return not_now.reason if not_now and not_now.state in ("skipped", "suppressed") else ""
