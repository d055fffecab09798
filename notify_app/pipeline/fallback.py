"""When an address turns out to be of no use: block it if it is to blame, take the person's next channel, or tell the
office whom it did not reach (A16). Of what was told to many, the office hears once that there are such people; each is
recorded, and the page counts them. Of a level of a ladder that reaches nobody the next one is due at once. Done before the failed delivery is settled; doing it twice changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from notify_app import domains
from notify_app.domains.base import Draft
from notify_app.domains.hub import NOT_REACHED
from notify_app.ids import new_id
from notify_app.pipeline import inbox, outbox
from notify_app.pipeline.audience import Member, members
from notify_app.pipeline.digest import PURPOSE as DIGEST
from notify_app.pipeline.route import Origin, Override, route
from notify_app.pipeline.step import Step
from notify_app.pipeline.wording import title_of
from notify_app.policy.quiet import release_at
from notify_app.policy.routing import OUTWARD
from notify_app.work import ladders

__all__ = ["block", "instead"]

URGENT = 1
GIVING_UP = "giving_up"
HOPEFUL = ("queued", "held", "sending", "sent", "delivered")
# whether the same still reaches somebody
ARRIVING = """
    SELECT 1 FROM delivery WHERE organisation_id = :org AND group_key = :group AND id <> :id
    AND state IN ('queued', 'held', 'sending', 'sent', 'delivered') AND reason IS DISTINCT FROM 'giving_up' LIMIT 1
"""
NOTE = """
    INSERT INTO decision (organisation_id, event_id, person_id, outcome, reason)
    SELECT :org, :event, :person, 'not_told', 'not_reached' WHERE NOT EXISTS (
        SELECT FROM decision WHERE organisation_id = :org AND event_id = :event AND person_id = :person)
"""
CARRIED = """
    SELECT n.id, n.event_id, n.title, n.name, n.category, n.item_id, e.payload FROM delivery_item i
    JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id
    JOIN event e ON e.organisation_id = n.organisation_id AND e.id = n.event_id
    WHERE i.organisation_id = :org AND i.delivery_id = :id ORDER BY n.priority, n.id
"""
# what else carries the same lines: their own messages by other channels, and what was collected
SIBLINGS = """
    SELECT i.notification_id, d.channel, d.state, d.reason FROM delivery_item mine
    JOIN delivery_item i ON i.organisation_id = mine.organisation_id AND i.notification_id = mine.notification_id
    JOIN delivery d ON d.organisation_id = i.organisation_id AND d.id = i.delivery_id
    WHERE mine.organisation_id = :org AND mine.delivery_id = :id AND d.id <> :id
"""


def block(work: Step, channel: str, address: str, reason: str) -> None:
    """Never write to this address again."""
    work.run(
        "INSERT INTO suppression (organisation_id, channel, value, reason) VALUES (:org, :channel, :value, :reason) "
        "ON CONFLICT ON CONSTRAINT uq_suppression_value DO NOTHING",
        channel=channel,
        value=address,
        reason=reason,
    )


def instead(work: Step, delivery: Any, reason: str, *, blocked: bool = False) -> None:
    """Take the next usable channel for what this delivery carried; where there is none, tell the office.

    `blocked`: the address is to blame, and is written to no more. Does nothing when the delivery is not this
    worker's any more: what another one has made of it stands.
    """
    # two deliveries of one line may fail at once: the later one sees that the earlier is no hope any more
    work.one("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", key=f"instead/{delivery.person_id}")
    mine = work.run(
        "UPDATE delivery SET reason = :reason WHERE organisation_id = :org AND id = :id AND token = :token "
        "AND state = 'sending'",
        reason=GIVING_UP,
        id=delivery.id,
        token=delivery.token,
    )
    if not mine:
        return
    if blocked:
        block(work, delivery.channel, delivery.address, reason)
    if delivery.purpose == DIGEST:
        _tell_of_digest(work, delivery, reason)
        return
    lost, tried = _lost(work, delivery)
    if not lost:
        return
    member = members(work, [delivery.person_id])[delivery.person_id]
    urgent = delivery.priority == URGENT
    others: defaultdict[tuple[str, str] | None, list[Any]] = defaultdict(list)
    for one in lost:
        others[_next(member, tried, one, urgent=urgent)].append(one)
    nowhere = others.pop(None, [])
    # the task before anybody's counter, as whoever acknowledges takes them
    if urgent and nowhere and not work.one(ARRIVING, group=delivery.group_key, id=delivery.id):
        for one in nowhere:
            ladders.hasten(work, one.event_id)
    for one in nowhere:
        _tell_office(work, delivery, member, one, reason)
    # it may be night by now
    quiet = None if urgent else release_at(member.choice.quiet, member.zone, work.now)
    outbox.put(work, [_copy(delivery, those, *way, not_before=quiet) for way, those in others.items() if way])


def _lost(work: Step, delivery: Any) -> tuple[list[Any], set[str]]:
    """The lines that nothing else carries any more, the most pressing first, and the channels that were tried. That
    somebody was not reached is no reason to tell of it again."""
    siblings = work.all(SIBLINGS, id=delivery.id)
    hoped = {one.notification_id for one in siblings if one.state in HOPEFUL and one.reason != GIVING_UP}
    carried = work.all(CARRIED, id=delivery.id)
    lost = [one for one in carried if one.id not in hoped and one.name != NOT_REACHED.name]
    of_lost = {one.id for one in lost}
    tried = {one.channel for one in siblings if one.notification_id in of_lost}
    return lost, {delivery.channel, *tried}


def _next(member: Member, tried: set[str], carried: Any, *, urgent: bool) -> tuple[str, str] | None:
    for channel in OUTWARD:
        if channel in tried:
            continue
        scopes = (f"event:{carried.name}", f"category:{carried.category}")
        on = next(
            (
                member.choice.switches[scope, channel]
                for scope in scopes
                if (scope, channel) in member.choice.switches
            ),
            True,
        )
        usable = next((one for one in member.reaches if one.channel == channel and not one.blocked), None)
        if (on or urgent) and usable:
            return channel, usable.address
    return None


def _copy(
    delivery: Any, carried: Sequence[Any], channel: str, address: str, *, not_before: datetime | None
) -> outbox.Row:
    return outbox.Row(
        id=new_id(),
        person_id=delivery.person_id,
        channel=channel,
        address=address,
        group_key=delivery.group_key,
        priority=delivery.priority,
        not_before=not_before,
        notification_id=carried[0].id,
        more=tuple(one.id for one in carried[1:]),
        purpose=delivery.purpose,
    )


def _tell_office(work: Step, delivery: Any, member: Member, carried: Any, reason: str) -> None:
    who, key, action = member.name, f"not_reached:{carried.event_id}:{delivery.person_id}", None
    known = domains.event(carried.name)
    about = title_of(known.title, carried.payload) if known else carried.title
    if inbox.told_to_many(work, carried.event_id):
        work.run(NOTE, event=carried.event_id, person=member.id)
        who, key = "Some of many people", f"undelivered:{carried.event_id}"
        about = f"{known.title if known else carried.name}: {carried.title}"
        action = f"/inbox/{carried.id}"
        work.one("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", key=key)
    if work.one("SELECT 1 FROM event WHERE organisation_id = :org AND dedupe_key = :key", key=key):
        return
    draft = Draft(NOT_REACHED.name, {"who": who, "about": about, "why": reason})
    route(
        work, [draft], Origin(work.now), Override(item_id=carried.item_id, dedupe_key=key, action_url=action)
    )


def _tell_of_digest(work: Step, delivery: Any, reason: str) -> None:
    """A digest is an email and nothing else: what it carries is in the inbox, and was told by what could not wait."""
    key = f"not_reached:{delivery.group_key}:{delivery.person_id}"
    work.one("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", key=key)
    if work.one("SELECT 1 FROM event WHERE organisation_id = :org AND dedupe_key = :key", key=key):
        return
    who = work.one("SELECT name FROM person WHERE organisation_id = :org AND id = :id", id=delivery.person_id)
    draft = Draft(NOT_REACHED.name, {"who": who.name, "about": "Their digest", "why": reason})
    route(work, [draft], Origin(work.now), Override(dedupe_key=key))
