"""Decide again before a message leaves (invariant 6): what has changed since it was queued, for its reader and for us.

Read meanwhile, withdrawn, blocked, too old, left, another address, switched off (by them, or for all), quiet hours. Read
for a whole claim in one statement, in the transaction right before the sending; a row that is under this worker's token no more is not
among what is read, and so is not sent. What was held is decided on by the same facts before it is collected. Deciding is
pure. How often somebody is written to is asked after this (`pace`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from notify_app.domains.base import Priority
from notify_app.pipeline.digest import PURPOSE as DIGEST
from notify_app.pipeline.step import Step
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.channel import in_order
from notify_app.policy.quiet import QuietHours, release_at
from notify_app.policy.reasons import Reason
from notify_app.policy.routing import Choice, Matter, switched_off

__all__ = [
    "COLLECTED",
    "PRIORITIES",
    "TEST",
    "VERIFICATION",
    "WAITING",
    "Refusal",
    "about_ended",
    "about_held",
    "question",
    "refusal",
    "relied_on",
    "too_old",
]

PRIORITIES = dict(enumerate(Priority, 1))
OFF_SECONDS = 300.0  # so often is asked whether the office tells people again
VERIFICATION = "verification"  # the purpose of what verifies an address, to which nothing else is sent
COLLECTED = "collected"  # the purpose of a delivery that carries what was held
TEST = "test"
WAITING = ("notification", COLLECTED)  # the purposes of what may be put off; a test is wanted now
FACTS = """
    SELECT CAST(d.id AS text) AS id, p.left_at IS NOT NULL AS gone,
           p.account_id IS NOT NULL AS signs_in, coalesce(p.zone, o.zone) AS zone, f.quiet_from, f.quiet_until, f.quiet_days,
           d.endpoint_id IS NOT NULL
               OR EXISTS (SELECT FROM address a WHERE a.organisation_id = d.organisation_id
                   AND a.person_id = d.person_id AND a.channel = d.channel AND a.value = d.address)
               OR d.purpose = 'verification' AND EXISTS (SELECT FROM unverified_address u
                   WHERE u.organisation_id = d.organisation_id AND u.person_id = d.person_id AND u.delivery_id = d.id
                     AND u.expires_at > (SELECT hub_now())) AS theirs,
           d.endpoint_id, e.url, e.secret, CASE WHEN e.previous_until > hub_now() THEN e.previous_secret END AS previous_secret,
           e.removed_at IS NOT NULL AS removed, coalesce(e.paused_at, e.disabled_at) IS NOT NULL AS idle,
           (SELECT s.reason FROM suppression s WHERE s.organisation_id = d.organisation_id
               AND s.channel = d.channel AND s.value = d.address) AS blocked,
           (SELECT json_object_agg(c.scope, c.enabled) FROM preference_choice c
             WHERE c.organisation_id = d.organisation_id AND c.person_id = d.person_id AND c.channel = d.channel) AS switches,
           CASE WHEN d.attempts > 1 THEN (SELECT count(*) FROM attempt t WHERE t.organisation_id = d.organisation_id
               AND t.delivery_id = d.id AND t.outcome = 'ambiguous') ELSE 0 END AS doubts,
           NOT coalesce((o.settings ->> 'notifications_on')::boolean, true)
               OR NOT coalesce((SELECT i.notifications_on FROM installation i), true) AS off,
           c.carried, c.unread, c.withdrawn,
           n.item_id IS NOT NULL AND d.purpose <> 'collected' AND EXISTS (
               SELECT FROM escalation s JOIN task t ON t.organisation_id = s.organisation_id AND t.id = s.task_id
               WHERE s.organisation_id = d.organisation_id AND s.event_id = n.event_id
                 AND t.acknowledged_at IS NOT NULL AND t.closed_at IS NULL) AS seen_to,
           n.name, n.category, n.priority AS of_priority, n.event_id,
           CASE WHEN d.purpose <> 'collected' THEN n.id END AS line_id,
           CASE WHEN d.purpose <> 'collected' THEN n.item_id END AS item_id,
           CASE WHEN d.purpose <> 'collected' THEN n.action_url END AS action_url,
           CASE WHEN n.for_person_id IS NOT NULL AND d.purpose <> 'collected' THEN (SELECT a.name FROM person a
               WHERE a.organisation_id = d.organisation_id AND a.id = n.for_person_id) END AS stands_in_for {more}
    FROM delivery d
    LEFT JOIN person p ON p.organisation_id = d.organisation_id AND p.id = d.person_id
    LEFT JOIN endpoint e ON e.organisation_id = d.organisation_id AND e.id = d.endpoint_id
    JOIN organisation o ON o.id = d.organisation_id
    LEFT JOIN preference f ON f.organisation_id = d.organisation_id AND f.person_id = d.person_id
    LEFT JOIN LATERAL (
        SELECT count(*) AS carried, count(*) FILTER (WHERE n.read_at IS NULL AND n.withdrawn_at IS NULL) AS unread,
               count(*) FILTER (WHERE n.withdrawn_at IS NOT NULL) AS withdrawn, (array_agg(n.id ORDER BY n.id))[1] AS first
        FROM delivery_item i
        JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id
        WHERE i.organisation_id = d.organisation_id AND i.delivery_id = d.id
    ) c ON true
    LEFT JOIN notification n ON n.organisation_id = d.organisation_id AND n.id = c.first AND d.purpose <> 'digest'
    WHERE d.organisation_id = :org AND d.id = ANY(CAST(:ids AS uuid[])) AND {which}
"""
# Whether there is anything to count for its person and channel: when the last message before this claim left, or began to
# leave by another one. Asked for each row of a claim, so it is one look into an index of nothing else.
LATELY = """,
    (SELECT l.claimed_at FROM delivery l WHERE l.organisation_id = d.organisation_id AND l.person_id = d.person_id
        AND l.channel = d.channel AND l.state IN ('sending', 'sent', 'delivered', 'bounced', 'unknown')
        AND l.claimed_at < d.claimed_at ORDER BY l.claimed_at DESC LIMIT 1) AS last_left
"""
READ = text(FACTS.format(more=LATELY, which="d.token = :token AND d.state = 'sending'"))
READ_HELD = text(FACTS.format(more="", which="d.state = 'held'"))
READ_ENDED = text(FACTS.format(more="", which="d.settled_at IS NOT NULL"))


@dataclass(frozen=True)
class Refusal:
    """Not now, or not any more: the state and reason to settle with; `wait` in seconds where it is held, `detail` what
    stands with the reason. `too_long`: another way is taken where there is one, for so late it would be of no use."""

    state: str
    reason: Reason
    wait: float | None = None
    detail: str | None = None
    too_long: bool = False


def question(rows: Sequence[Any]) -> tuple[TextClause, dict[str, Any]]:
    """What to ask of these deliveries of one claim; the rows that come back are the facts by which `refusal` decides.
    Those that are not under their token any more do not come back."""
    return READ, {"ids": [row.id for row in rows], "token": rows[0].token}


def about_held(ids: Sequence[UUID]) -> tuple[TextClause, dict[str, Any]]:
    """The same of deliveries that are held; without what `pace` asks for."""
    return READ_HELD, {"ids": list(ids)}


def about_ended(step: Step, ids: Sequence[UUID]) -> tuple[TextClause, dict[str, Any]]:
    """The same of deliveries that have come to an end, for who thinks of sending them again."""
    return READ_ENDED, {"org": step.organisation_id, "ids": [str(one) for one in ids]}


def relied_on() -> tuple[str, ...]:
    """The channels of which a message counts as having reached somebody."""
    return tuple(one.name for one in in_order() if one.rank is not None)


def too_old(row: Any, now: datetime) -> Refusal | None:
    """Whether it has waited for longer than its channel's messages are of use."""
    oldest = channel_type(row.channel).schedule.oldest(PRIORITIES[row.priority].value)
    return Refusal("skipped", Reason.too_old) if now - row.due_at > oldest else None


def refusal(row: Any, fact: Any, now: datetime) -> Refusal | None:
    """Why this claimed row must not leave now, or None. URGENT passes choices, quiet hours and that it was seen (another
    phone may lie elsewhere), and its first attempt passes its age; a test passes choices and quiet hours too."""
    return _not_any_more(row, fact, now) or _not_by_choice(row, fact, now) or _digest_by_night(row, fact, now)


def _not_any_more(row: Any, fact: Any, now: datetime) -> Refusal | None:
    urgent = row.priority == 1
    if fact.endpoint_id is not None and (fact.removed or (fact.idle and row.purpose != TEST)):
        return Refusal("skipped", Reason.endpoint_off)
    # an endpoint's message carries no line; a test of one is wanted now
    if fact.off and (fact.carried or (fact.endpoint_id is not None and row.purpose != TEST)):
        if row.purpose == DIGEST:  # what it carries is in no other one
            return Refusal("queued", Reason.notifications_off, OFF_SECONDS)
        return Refusal("skipped", Reason.notifications_off)
    if fact.blocked:
        return Refusal("suppressed", Reason.suppressed, detail=fact.blocked)
    if fact.carried and fact.withdrawn == fact.carried:
        return Refusal("skipped", Reason.withdrawn)
    if fact.carried and fact.seen_to:
        return Refusal("skipped", Reason.acknowledged)
    # another phone may lie elsewhere; what was pushed besides is of no use there
    if fact.carried and not fact.unread and (not urgent or channel_type(row.channel).rank is None):
        return Refusal("skipped", Reason.read_meanwhile)
    late = too_old(row, now)
    if late and not (urgent and row.attempts == 1):
        return late
    if fact.gone:
        return Refusal("skipped", Reason.person_left)
    if not fact.theirs:
        # what verifies an address is of use for as long as it would be taken, and until another has been sent
        return Refusal("skipped", Reason.too_old if row.purpose == VERIFICATION else Reason.no_address)
    return None


def _not_by_choice(row: Any, fact: Any, now: datetime) -> Refusal | None:
    priority = PRIORITIES[row.priority]
    if priority is Priority.urgent or row.purpose not in WAITING or not fact.carried:
        return None
    if not fact.switches and fact.quiet_from is None:
        return None
    choice = _choice(row, fact)
    # what was collected was asked for each of its parts
    off = (
        switched_off(Matter(fact.name, fact.category, priority), choice, row.channel)
        if row.purpose != COLLECTED
        else None
    )
    if off:
        return Refusal("skipped", off.reason)
    until = release_at(choice.quiet, fact.zone, now)
    if until:
        return Refusal("held", Reason.quiet_hours, (until - now).total_seconds())
    return None


def _digest_by_night(row: Any, fact: Any, now: datetime) -> Refusal | None:
    """A digest is of what its reader wanted when it was made; one that comes late waits for the morning, by itself."""
    if row.purpose != DIGEST or fact.quiet_from is None:
        return None
    until = release_at(_choice(row, fact).quiet, fact.zone, now)
    return Refusal("queued", Reason.quiet_hours, (until - now).total_seconds()) if until else None


def _choice(row: Any, fact: Any) -> Choice:
    quiet = None
    if fact.quiet_from is not None:
        quiet = QuietHours(fact.quiet_from, fact.quiet_until, frozenset(fact.quiet_days))
    switches = {(scope, row.channel): on for scope, on in (fact.switches or {}).items()}
    return Choice(switches, quiet)
