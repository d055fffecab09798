"""The bodies of messages: written when a delivery is first claimed, and kept (`content`), so that a retry sends exactly
what was meant, whatever has changed meanwhile.

`look` reads, for a whole claim and inside its transaction, all that the messages need. What was kept is a message at
once (`message`). What was not is written with no transaction open, because an office's own template may take its time
(`Unwritten.body`), and kept before it is sent (`keep`). One that cannot be written is a sentence, and holds up no other.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from notify_app.channels.base import Message, Sender
from notify_app.domains.base import Draft, Priority
from notify_app.ids import new_id
from notify_app.pipeline.audience import Member, members
from notify_app.pipeline.step import Step
from notify_app.pipeline.wording import TemplateProblem, Wording, Words, absolute
from notify_app.policy.formats import unpack

__all__ = ["Bodies", "Body", "Unwritten", "keep", "look"]

log = logging.getLogger(__name__)

Body = Mapping[str, str]  # subject, html and text of an email; the text of an SMS
LONGEST_ERROR = 500
PRIORITIES = dict(enumerate(Priority, 1))

KEPT = "SELECT id, body FROM content WHERE organisation_id = :org AND id = ANY(:ids)"
EVENTS = "SELECT id, name, payload FROM event WHERE organisation_id = :org AND id = ANY(:ids)"
# Of one hash there is one row, which many messages share and nobody writes twice; they are inserted in one order, so
# that two workers cannot wait for each other in a circle. What is not under this token any more is not told of.
KEEP = """
    WITH given AS (
        SELECT g.delivery, g.content, decode(g.hash, 'hex') AS hash, g.body
        FROM json_to_recordset(CAST(:given AS json)) AS g(delivery uuid, content uuid, hash text, body jsonb)
    ), there AS (
        SELECT id, hash FROM content WHERE organisation_id = :org AND hash IN (SELECT hash FROM given)
    ), made AS (
        INSERT INTO content (organisation_id, id, hash, body)
        SELECT DISTINCT ON (hash) :org, content, hash, body FROM given
        WHERE hash NOT IN (SELECT hash FROM there) ORDER BY hash
        ON CONFLICT ON CONSTRAINT uq_content_hash DO UPDATE SET hash = excluded.hash RETURNING id, hash
    )
    UPDATE delivery d SET content_id = c.id
    FROM given g JOIN (SELECT * FROM there UNION ALL SELECT * FROM made) c ON c.hash = g.hash
    WHERE d.organisation_id = :org AND d.id = g.delivery AND d.token = :token AND d.state = 'sending'
    RETURNING d.id
"""


@dataclass(frozen=True)
class Unwritten:
    """A delivery whose body is to be written: its words, its reader, and where its link leads."""

    row: Any
    words: Wording
    member: Member
    action: str

    def body(self) -> Body | str:
        """The body, or a sentence that says why there is none."""
        try:
            return self.words.bodies(self.row.channel, self.member, self.action)
        except TemplateProblem as problem:
            return _said(problem)
        except Exception as bug:
            log.exception("delivery %s cannot be written", self.row.id)
            return f"{type(bug).__name__}: {bug}"[:LONGEST_ERROR]


@dataclass
class Bodies:
    """What is known of one claim's messages in one organisation. `kept` is by content id; `broken` says why
    one cannot be written."""

    sender: Sender
    kept: dict[UUID, Body] = field(default_factory=dict)
    unwritten: list[Unwritten] = field(default_factory=list)
    broken: list[tuple[Any, str]] = field(default_factory=list)

    def message(self, row: Any, fact: Any, body: Body) -> Message:
        """The message of a claimed delivery."""
        return Message(
            delivery_id=str(row.id),
            channel=row.channel,
            address=row.address,
            attempt=row.attempts,
            idempotency_key=str(row.id),
            priority=PRIORITIES[row.priority].value,
            subject=body.get("subject", ""),
            text=body.get("text", ""),
            html=body.get("html", ""),
            sender=self.sender,
            thread=str(fact.item_id) if fact.item_id else None,
            link=absolute(fact.action_url) or None,
        )


def look(work: Step, rows: Sequence[Any], facts: Mapping[UUID, Any]) -> Bodies:
    """Read what was kept for these deliveries, and what is needed to write the others. `facts` as `again.read` gives."""
    office = Words(work)
    found = Bodies(_sender(office))
    ids = {row.content_id for row in rows if row.content_id}
    if ids:
        found.kept = {row.id: row.body for row in work.all(KEPT, ids=list(ids))}
    fresh = [row for row in rows if row.content_id not in found.kept]
    if fresh:
        _look_to_write(work, office, fresh, facts, found)
    return found


def _look_to_write(
    work: Step, office: Words, rows: Sequence[Any], facts: Mapping[UUID, Any], found: Bodies
) -> None:
    ids = {facts[row.id].event_id for row in rows} - {None}
    events = {one.id: one for one in work.all(EVENTS, ids=list(ids))}
    readers = members(work, {row.person_id for row in rows})
    said: dict[Any, Wording | str] = {}  # the words of an event are the same for all who read it
    for row in rows:
        fact = facts[row.id]
        key = (fact.event_id, fact.of_priority, fact.category)
        if key not in said:
            said[key] = _words(office, events.get(fact.event_id), fact)
        words = said[key]
        if isinstance(words, str):
            found.broken.append((row, words))
        else:
            found.unwritten.append(Unwritten(row, words, readers[row.person_id], fact.action_url))


def _words(office: Words, event: Any, fact: Any) -> Wording | str:
    if event is None:
        return "It carries no notification."
    try:
        draft = Draft(event.name, unpack(event.payload))
        return office.of(draft, PRIORITIES[fact.of_priority], fact.category)
    except TemplateProblem as problem:
        return _said(problem)


def keep(work: Step, written: Sequence[tuple[Any, Body]]) -> set[UUID]:
    """Keep these bodies of one claim; answers the deliveries that are still under its token, which alone are sent."""
    given = [_given(row, body) for row, body in written]
    token = written[0][0].token
    return {row.id for row in work.all(KEEP, given=json.dumps(given), token=token)}


def _given(row: Any, body: Body) -> dict[str, Any]:
    text = json.dumps(body, sort_keys=True)
    hashed = hashlib.sha256(text.encode()).hexdigest()
    return {"delivery": str(row.id), "content": str(new_id()), "hash": hashed, "body": body}


def _sender(office: Words) -> Sender:
    look_ = office.branding
    return Sender(
        name=look_.sender_name or look_.company_name or office.name,
        address=look_.sender_address,
        reply_to=look_.reply_to,
        sms_id=look_.sms_sender,
    )


def _said(problem: TemplateProblem) -> str:
    return " ".join([str(problem), *(f"{one.field}: {one.message}" for one in problem.fields)])
