"""What the tests of the drain start from: a full outbox, written straight into the tables, and providers that obey."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from notify_app import domains
from notify_app.channels.base import Message, Receipt
from notify_app.policy.formats import pack
from tests.hub import Hub

PEOPLE = 10


class Provider:
    """Takes every message and remembers it. `before` is called first, and may wait or raise."""

    provider = "test"

    def __init__(
        self,
        name: str,
        *,
        instant: bool = False,
        before: Callable[[Message], object] = lambda _: None,
    ) -> None:
        self.name, self.instant = name, instant
        self._before = before
        self._lock = threading.Lock()
        self.taken: Counter[str] = Counter()  # by delivery

    def clean(self, address: str) -> str:
        return address

    def send(self, message: Message) -> Receipt:
        self._before(message)
        with self._lock:
            self.taken[message.delivery_id] += 1
        return Receipt(self.provider, f"id-{message.delivery_id}", "accepted")

    def close(self) -> None:
        """Nothing to close."""


def fill(hub: Hub, count: int, *, priority: int = 3, kept: bool = True) -> list[str]:
    """So many queued emails, each of a notification of its own, to ten contacts; their ids, in the order of their
    turn. `kept`: their bodies were written before."""
    for number in range(PEOPLE):
        if f"reader{number}" not in hub.people:
            hub.customer(f"reader{number}", email=f"reader{number}@example.com")
    happened = domains.event("repair_completed")
    assert happened is not None
    values = {
        "org": hub.organisation.id,
        "count": count,
        "people": PEOPLE,
        "priority": priority,
        "payload": json.dumps(pack(happened.sample)),
        "body": json.dumps({"subject": "Done", "text": "Done.", "html": "<p>Done.</p>"}) if kept else None,
    }
    with hub.world.owner.begin() as conn:
        return [str(row.id) for row in conn.execute(text(FILL), values)]


FILL = """
    WITH told AS (
        INSERT INTO event (organisation_id, id, name, priority, category, payload, occurred_at)
        SELECT :org, uuidv7(), 'repair_completed', :priority, 'repair_status', CAST(:payload AS jsonb), hub_now()
        FROM generate_series(1, CAST(:count AS integer)) RETURNING id
    ), kept AS (
        INSERT INTO content (organisation_id, id, hash, body)
        SELECT :org, id, decode(md5(id::text), 'hex'), CAST(:body AS jsonb) FROM told WHERE CAST(:body AS text) IS NOT NULL
        RETURNING id
    ), reader AS (
        SELECT p.id, a.value, row_number() OVER (ORDER BY p.id) AS number FROM person p
        JOIN address a ON a.organisation_id = p.organisation_id AND a.person_id = p.id
        WHERE p.organisation_id = :org AND p.external_id LIKE 'reader%'
    ), line AS (
        INSERT INTO notification (organisation_id, id, event_id, person_id, name, category, priority, title, text, seq,
                                  changed_seq)
        SELECT :org, t.id, t.id, r.id, 'repair_completed', 'repair_status', :priority, 'Done', 'Done.', 1, 1
        FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM told) t
        JOIN reader r ON r.number = t.number % :people + 1 RETURNING id, person_id
    ), message AS (
        INSERT INTO delivery (organisation_id, id, person_id, channel, address, purpose, group_key, priority, content_id,
                              next_attempt_at)
        SELECT :org, l.id, l.person_id, 'email', r.value, 'notification', l.id::text, :priority, k.id,
               hub_now() - interval '1 minute' + make_interval(secs => 0.001 * row_number() OVER (ORDER BY l.id))
        FROM line l JOIN reader r ON r.id = l.person_id LEFT JOIN kept k ON k.id = l.id RETURNING id, next_attempt_at
    ), item AS (
        INSERT INTO delivery_item (organisation_id, delivery_id, notification_id) SELECT :org, id, id FROM message
    )
    SELECT id FROM message ORDER BY next_attempt_at
"""


def states(hub: Hub) -> dict[str, int]:
    """How many deliveries are in which state."""
    rows = hub.build.all("SELECT state, count(*) AS many FROM delivery GROUP BY state")
    return {row.state: row.many for row in rows}


def attempts(hub: Hub) -> list[Any]:
    """(delivery, number, outcome) of every attempt."""
    rows = hub.build.all("SELECT delivery_id, number, outcome FROM attempt ORDER BY delivery_id, number")
    return [(str(row.delivery_id), row.number, row.outcome) for row in rows]
