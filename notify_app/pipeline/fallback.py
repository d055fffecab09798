"""When an address turns out to be of no use: block it if it is to blame, take the person's next channel, or tell the
office whom it did not reach (A16). Of what was told to many, the office hears once that there are such people; each is
recorded, and the page counts them. Of a level of a ladder that reaches nobody the next one is due at once. Done before the
failed delivery is settled; doing it twice changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from notify_app import domains
from notify_app.domains.base import Draft
from notify_app.domains.hub import NOT_REACHED
from notify_app.ids import new_id
from notify_app.pipeline import inbox, outbox
from notify_app.pipeline.again import PRIORITIES
from notify_app.pipeline.audience import Member, members
from notify_app.pipeline.digest import PURPOSE as DIGEST
from notify_app.pipeline.route import Origin, Override, route
from notify_app.pipeline.step import Step
from notify_app.pipeline.wording import title_of
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.feedback import Block
from notify_app.policy.own_order import arranged
from notify_app.policy.quiet import release_at
from notify_app.policy.routing import Matter, stand_ins, switched_off
from notify_app.work import blocked as blocked_addresses
from notify_app.work import ladders

__all__ = ["afterwards", "besides", "instead"]

URGENT = 1
GIVING_UP = "giving_up"
HOPEFUL = ("queued", "held", "sending", "sent", "delivered")
# whether an event still reaches somebody
ARRIVING = """
    SELECT 1 FROM notification n
    JOIN delivery_item i ON i.organisation_id = n.organisation_id AND i.notification_id = n.id
    JOIN delivery d ON d.organisation_id = i.organisation_id AND d.id = i.delivery_id
    WHERE n.organisation_id = :org AND n.event_id = :event AND d.id <> :id
      AND d.state IN ('queued', 'held', 'sending', 'sent', 'delivered') AND d.reason IS DISTINCT FROM 'giving_up' LIMIT 1
"""
NOTE = """
    INSERT INTO decision (organisation_id, event_id, person_id, outcome, reason)
    SELECT :org, :event, :person, 'not_told', 'not_reached' WHERE NOT EXISTS (
        SELECT FROM decision WHERE organisation_id = :org AND event_id = :event AND person_id = :person)
"""
CARRIED = """
    SELECT n.id, n.event_id, n.title, n.name, n.category, n.priority, n.item_id, n.read_at, n.withdrawn_at,
           e.payload FROM delivery_item i
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


def instead(
    work: Step, delivery: Any, reason: str, *, blocked: Block | None = None, or_wait: bool = False
) -> bool:
    """Take the next usable channel for what this delivery carried; where there is none, tell the office.

    `blocked`: the address is to blame, and is written to no more, for this. `or_wait`: it is only that this one would be late, so
    nothing is done unless all of it has another way. Returns whether it is given up here. Does nothing when the delivery
    is not this worker's any more: what another one has made of it stands.
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
        return False
    if blocked:
        blocked_addresses.block(work, delivery.channel, delivery.address, reason, blocked)
    if delivery.purpose == DIGEST:
        _tell_of_digest(work, delivery, reason)
        return True
    if channel_type(delivery.channel).rank is None:
        return True  # it came besides: what matters goes by the others
    lost = _lost(work, delivery)
    if not lost:
        return True
    member = members(work, [delivery.person_id])[delivery.person_id]
    others, nowhere = _ways(work, member, lost)
    if nowhere and or_wait:
        return False
    _go_on(work, delivery, member, others, nowhere, reason)
    return True


def afterwards(work: Step, delivery: Any, reason: str) -> None:
    """The provider had taken it, and says later that it has not arrived: the same for what of it is not read and not
    withdrawn yet. What is too old by now to be of use takes no other way; the office hears that it was not told."""
    work.one("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", key=f"instead/{delivery.person_id}")
    if delivery.purpose == DIGEST:
        _tell_of_digest(work, delivery, reason)
        return
    lost = [one for one in _lost(work, delivery) if one[0].read_at is None and one[0].withdrawn_at is None]
    if not lost:
        return
    member = members(work, [delivery.person_id])[delivery.person_id]
    patience = channel_type(delivery.channel).schedule.oldest(PRIORITIES[delivery.priority].value)
    if work.now - delivery.due_at > patience:
        others: dict[_Way, list[Any]] = {}
        nowhere = [one for one, _ in lost]
    else:
        others, nowhere = _ways(work, member, lost)
    _go_on(work, delivery, member, others, nowhere, reason)


def _go_on(
    work: Step,
    delivery: Any,
    member: Member,
    others: Mapping[_Way, Sequence[Any]],
    nowhere: Sequence[Any],
    reason: str,
) -> None:
    """Send what has another way by that, and tell the office of what has none."""
    # the task before anybody's counter, as whoever acknowledges takes them
    for one in nowhere:
        if one.priority == URGENT and not work.one(ARRIVING, event=one.event_id, id=delivery.id):
            ladders.hasten(work, one.event_id)
    for one in nowhere:
        _tell_office(work, delivery, member, one, reason)
    outbox.put(work, [_copy(delivery, those, way) for way, those in others.items()])


def besides(work: Step, delivery: Any) -> None:
    """Take the next usable channel for what this urgent delivery carries and nothing else brings soon, while it goes on
    waiting for its own: the provider is in trouble, not the address. Where there is none, it waits alone. Doing it twice
    changes nothing: what it sends is there already then."""
    work.one("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", key=f"instead/{delivery.person_id}")
    lost = _lost(work, delivery)
    if not lost or delivery.purpose == DIGEST:
        return
    member = members(work, [delivery.person_id])[delivery.person_id]
    others, _ = _ways(work, member, lost)
    outbox.put(work, [_copy(delivery, those, way) for way, those in others.items()])


def _ways(
    work: Step, member: Member, lost: Sequence[tuple[Any, set[str]]]
) -> tuple[dict[_Way, list[Any]], list[Any]]:
    """The lines by the way that each takes, and those for which there is none."""
    nowhere: list[Any] = []
    others: defaultdict[_Way, list[Any]] = defaultdict(list)
    for one, tried in lost:
        way = _next(work, member, tried, one)
        (others[way] if way else nowhere).append(one)
    return others, nowhere


@dataclass(frozen=True)
class _Way:
    """By what a line goes instead. Lines of one way leave as one message."""

    channel: str
    address: str
    not_before: datetime | None


def _lost(work: Step, delivery: Any) -> list[tuple[Any, set[str]]]:
    """The lines that nothing else carries any more, the most pressing first, each with the channels that were tried for
    it. That somebody was not reached is no reason to tell of it again."""
    tried: defaultdict[UUID, set[str]] = defaultdict(lambda: {delivery.channel})
    hoped = set()
    for one in work.all(SIBLINGS, id=delivery.id):
        tried[one.notification_id].add(one.channel)
        beside = channel_type(one.channel).rank is None  # nobody relies on it
        if one.state in HOPEFUL and one.reason != GIVING_UP and not beside:
            hoped.add(one.notification_id)
    return [
        (one, tried[one.id])
        for one in work.all(CARRIED, id=delivery.id)
        if one.id not in hoped and one.name != NOT_REACHED.name
    ]


def _next(work: Step, member: Member, tried: set[str], carried: Any) -> _Way | None:
    """The next usable channel that they want this line by; an urgent one passes their choices and their quiet hours."""
    urgent = carried.priority == URGENT
    matter = Matter(carried.name, carried.category, PRIORITIES[carried.priority])
    for channel in arranged(stand_ins(), member.choice.order):
        if channel in tried:
            continue
        usable = next((one for one in member.reaches if one.channel == channel and not one.blocked), None)
        if usable and not switched_off(matter, member.choice, channel):
            # it may be night by now
            quiet = None if urgent else release_at(member.choice.quiet, member.zone, work.now)
            return _Way(channel, usable.address, quiet)
    return None


def _copy(delivery: Any, carried: Sequence[Any], way: _Way) -> outbox.Row:
    return outbox.Row(
        id=new_id(),
        person_id=delivery.person_id,
        channel=way.channel,
        address=way.address,
        group_key=delivery.group_key,
        priority=min(one.priority for one in carried),
        not_before=way.not_before,
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
