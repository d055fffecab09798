"""Plays the weeks of all offices at once, with the hub's clock at each moment of them.

What happens at one moment goes together: the webhooks of every office are stored and then taken in one go, people do
what they do, and what is to leave leaves. Between two moments the clock stops wherever something is due (a reminder, a
message that has waited for the morning), so everything goes out at its own time and ends as it would have ended.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import TypeVar

from sqlalchemy import Engine, text

from notify_app import clock
from notify_app.config import Settings
from notify_app.demo.office import Furnished
from notify_app.demo.week import Acknowledged, Did, Moment, Read, Said, Week
from notify_app.extensions import db
from notify_app.ids import new_id
from notify_app.pipeline import envelope, inbox, take, world
from notify_app.pipeline.deliver import Deliverer
from notify_app.pipeline.route import Origin, stage
from notify_app.pipeline.step import Step, step
from notify_app.policy.channel import channels
from notify_app.policy.sms import prices
from notify_app.queue import BULK, URGENT
from notify_app.sweeps import collect, escalate, remind
from notify_app.work import apply

__all__ = ["Play"]

WEEK, DAY, MINUTE = timedelta(days=7), timedelta(days=1), timedelta(minutes=1)
# real seconds that one moment's work may take; it takes hundredths
PATIENCE = 30
# which queues of deliveries have something to do now: asking is less than half of claiming nothing from both
QUEUES = text(
    """
    SELECT DISTINCT priority = 1 AS urgent FROM delivery
    WHERE organisation_id = ANY(:offices) AND state = 'queued' AND next_attempt_at <= (SELECT hub_now()) ORDER BY 1 DESC
    """
)
NEXT_DUE = text(
    """
    SELECT min(at) FROM (
        SELECT min(due_at) AS at FROM reminder WHERE organisation_id = ANY(:offices) AND state = 'pending'
        UNION ALL
        SELECT min(next_level_at) FROM task WHERE organisation_id = ANY(:offices)
        UNION ALL
        SELECT min(next_attempt_at) FROM delivery WHERE organisation_id = ANY(:offices) AND state IN ('queued', 'held')
    ) t WHERE at <= :until
    """
)
TOLD = """
    SELECT w.id, ARRAY(SELECT n.id FROM notification n WHERE n.organisation_id = :org AND n.item_id = w.id
                       AND n.person_id = :person AND n.read_at IS NULL) AS unread
    FROM work_item w WHERE w.organisation_id = :org AND w.number = :number
"""
STORE = text(
    """
    INSERT INTO inbound (organisation_id, id, source_id, external_id, body_hash, type, body, item_refs, occurred_at)
    VALUES (:organisation_id, :id, :source_id, :external_id, :body_hash, :type, CAST(:body AS jsonb), :item_refs,
            :occurred_at)
    """
)
What = TypeVar("What")


class Play:
    """Every message enters as a webhook's data or by a person's verb, and leaves at the local outbox."""

    def __init__(self, owner: Engine, settings: Settings, offices: Sequence[Furnished]) -> None:
        self._owner, self._offices = owner, offices
        self._ids = [one.organisation_id for one in offices]
        rng = random.Random(20261122)
        known = prices(settings.sms_prices)
        here = {one.name: one.providers["local"].make(settings, "") for one in channels()}
        self._deliverer = Deliverer(here, threads=16, lease=settings.lease, rng=rng, prices=known)
        self._said, self._done = 0, 0

    def close(self) -> None:
        """Let the threads go."""
        self._deliverer.close()

    def run(self, say: Callable[[str], None]) -> None:
        """Play all of it. The clock is left where it ends, which is now."""
        with self._owner.begin() as conn:
            clock.reset(conn)
            now = clock.now(conn)
        moments = sorted(self._moments(now), key=lambda one: one[1].at)
        self._time = moments[0][1].at - MINUTE
        day = 0
        for at, together in groupby(moments, key=lambda one: one[1].at):
            while day < 7 and at > now - WEEK + day * DAY:
                day += 1
                say(f"day {day} of 7: {self._said} messages from the offices' systems so far")
            self._pass_time(at)
            self._set(at)
            self._happen([(office, moment.what) for office, moment in together])
        self._pass_time(now)
        say(f"now: {self._said} messages from the offices' systems, {self._done} things done by people")

    def _moments(self, now: datetime) -> Iterable[tuple[Furnished, Moment]]:
        for furnished in self._offices:
            week = Week(now, furnished.office.zone, furnished.office.slug)
            furnished.office.week(week)
            yield from ((furnished, moment) for moment in week.moments)

    # --- time ------------------------------------------------------------------------------------------------------

    def _set(self, at: datetime) -> None:
        with self._owner.begin() as conn:
            conn.execute(text("UPDATE hub_clock SET ahead = :at - clock_timestamp()"), {"at": at})
        self._time = at

    def _pass_time(self, until: datetime) -> None:
        """Stop wherever something is due on the way. What is put off without a later time is looked at again a minute
        on, so that the way always ends."""
        while self._time < until:
            with self._owner.connect() as conn:
                due = conn.execute(NEXT_DUE, {"offices": self._ids, "until": until}).scalar_one()
            if due is None:
                return
            self._set(min(max(due, self._time + MINUTE), until))
            remind.run(self._time)
            escalate.run(self._time)
            collect.run(self._time)
            self._deliver()

    # --- what happens ----------------------------------------------------------------------------------------------

    def _happen(self, together: Sequence[tuple[Furnished, object]]) -> None:
        self._store(_those(together, Said))
        for office, done in groupby(_those(together, Did), key=lambda one: one[0]):
            with step(office.organisation_id) as work:
                for _, what in done:
                    self._do(work, office, what)
        for office, read in _those(together, Read):
            self._read(office, read.share)
        for office, seen in _those(together, Acknowledged):
            self._acknowledge(office, seen)
        self._deliver()

    def _store(self, said: Sequence[tuple[Furnished, Said]]) -> None:
        """As ingest does once it has checked the signature, and then as a route worker does."""
        if not said:
            return
        with db.engines["engine"].begin() as conn:
            conn.execute(STORE, [self._row(office, what) for office, what in said])
        take.drain(PATIENCE)

    def _row(self, office: Furnished, what: Said) -> dict[str, object]:
        self._said += 1
        body = {"type": what.type, "timestamp": self._time.isoformat(), "data": what.data}
        raw = json.dumps(body).encode()
        parsed = envelope.parse(raw)
        return {
            "organisation_id": office.organisation_id,
            "source_id": office.source_id,
            "external_id": f"demo-{self._said}",
            "id": new_id(),
            "body_hash": hashlib.sha256(raw).digest(),
            "type": parsed.type,
            "body": raw.decode(),
            "item_refs": list(parsed.item_refs),
            "occurred_at": parsed.occurred_at,
        }

    def _do(self, work: Step, office: Furnished, what: Did) -> None:
        """Whoever acts has read what they were told of it."""
        self._done += 1
        person_id, role = office.people[what.who]
        item = work.one(TOLD, number=what.number, person=person_id)
        if item.unread:
            inbox.mark_read(work, person_id, item.unread)
        applied = apply.act(work, item.id, what.verb, what.values, apply.Actor(role, person_id))
        stage(world.of(work), applied.drafts, Origin(work.now, actor_id=person_id))

    def _read(self, office: Furnished, share: float) -> None:
        with step(office.organisation_id) as work:
            unread = work.all(
                "SELECT n.person_id, array_agg(n.id ORDER BY n.id) AS ids FROM notification n "
                "JOIN person p ON p.organisation_id = n.organisation_id AND p.id = n.person_id "
                "WHERE n.organisation_id = :org AND n.read_at IS NULL AND p.account_id IS NOT NULL "
                "GROUP BY n.person_id, p.name ORDER BY p.name"
            )
            rng = random.Random(f"{office.office.slug} {share}")
            for row in unread:
                inbox.mark_read(work, row.person_id, [one for one in row.ids if rng.random() < share])

    def _acknowledge(self, office: Furnished, what: Acknowledged) -> None:
        person_id, _ = office.people[what.who]
        with step(office.organisation_id) as work:
            events = work.all(
                "SELECT id FROM event WHERE organisation_id = :org AND name = :name", name=what.event
            )
            for event in events:
                inbox.acknowledge(work, event.id, person_id, for_all=True)

    def _deliver(self) -> None:
        """As the workers of both queues do."""
        with self._owner.connect() as conn:
            queues = conn.execute(QUEUES, {"offices": self._ids}).scalars().all()
        for urgent in queues:
            self._deliverer.drain(URGENT if urgent else BULK, PATIENCE)


def _those(together: Iterable[tuple[Furnished, object]], kind: type[What]) -> list[tuple[Furnished, What]]:
    return [(office, what) for office, what in together if isinstance(what, kind)]
