"""The bodies of messages: written when a delivery is first claimed, and kept (`content`), so that a retry sends exactly
what was meant, whatever has changed meanwhile.

What was kept makes a message at once. What was not is looked up for a whole claim (`look`), written with no transaction
open, because an office's own template may take its time (`Unwritten.body`), and kept before it is sent (`KEEP`). One
that cannot be written is a sentence, and holds up no other.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from notify_app.channels.base import Message, Sender
from notify_app.domains.base import Draft
from notify_app.ids import new_id
from notify_app.pipeline import again, collected, digest_words, endpoints, unsubscribe_link
from notify_app.pipeline.audience import Member, members
from notify_app.pipeline.digest import PURPOSE as DIGEST
from notify_app.pipeline.outbox import body_hash
from notify_app.pipeline.step import Step
from notify_app.pipeline.wording import TemplateProblem, Wording, Words, absolute, on_behalf
from notify_app.policy import sms
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.formats import unpack
from notify_app.policy.limits import Pace
from notify_app.policy.office import Branding, OfficeSettings, read
from notify_app.policy.replies import asking
from notify_app.work import replies

__all__ = ["KEEP", "KEPT", "OFFICE", "Body", "Office", "Unwritten", "given", "look", "said"]

log = logging.getLogger(__name__)

# subject, html and text of an email; the text of an SMS; `asks`: the event that a button acknowledges; `recalls`: tags of pushes
Body = Mapping[str, str | None]
LONGEST_ERROR = 500
PRIORITIES = again.PRIORITIES

OFFICE = text(
    """
    SELECT name, branding, settings, hub_now() AS now,
           EXISTS (SELECT FROM sms_budget WHERE organisation_id = :org) AS has_budget
    FROM organisation WHERE id = :org
    """
)
# as three texts: to read an email of ten kilobytes as JSON takes three times as long on both sides
KEPT = text(
    """
    SELECT CAST(c.id AS text) AS id, b.* FROM content c
    CROSS JOIN LATERAL jsonb_to_record(c.body) AS b(subject text, text text, html text, asks text, recalls text)
    WHERE c.organisation_id = :org AND c.id = ANY(CAST(:ids AS uuid[]))
    """
)
EVENTS = "SELECT id, name, payload FROM event WHERE organisation_id = :org AND id = ANY(:ids)"
# Of one hash there is one row, which many messages share and nobody writes twice; they are inserted in one order, so
# that two workers cannot wait for each other in a circle; and no column of a key is set, which would lock the row against
# those whose deliveries begin to point at it. A delivery that is under another token by now does not come
# back, and is not sent.
KEEP = text(
    """
    WITH given AS (
        SELECT g.delivery, g.content, decode(g.hash, 'hex') AS hash, g.body
        FROM json_to_recordset(CAST(:given AS json)) AS g(delivery uuid, content uuid, hash text, body jsonb)
    ), there AS (
        SELECT c.id, c.hash FROM (SELECT DISTINCT hash FROM given) g CROSS JOIN LATERAL (
            SELECT id, hash FROM content WHERE organisation_id = :org AND hash = g.hash LIMIT 1) c
    ), made AS (
        INSERT INTO content (organisation_id, id, hash, body)
        SELECT DISTINCT ON (hash) CAST(:org AS uuid), content, hash, body FROM given
        WHERE hash NOT IN (SELECT hash FROM there) ORDER BY hash
        ON CONFLICT ON CONSTRAINT uq_content_hash DO UPDATE SET created_at = content.created_at RETURNING id, hash
    )
    UPDATE delivery d SET content_id = c.id
    FROM given g JOIN (SELECT id, hash FROM there UNION ALL SELECT id, hash FROM made) c ON c.hash = g.hash
    WHERE d.organisation_id = :org AND d.id = g.delivery AND d.token = :token AND d.state = 'sending'
    RETURNING CAST(d.id AS text) AS id
    """
)


@dataclass(frozen=True)
class Office:
    """Who messages of this organisation come from, how often it writes to one person, whether it has a budget for SMS, and
    the hub's time when that was read."""

    sender: Sender
    pace: Pace
    now: datetime
    has_budget: bool = False

    @classmethod
    def of(cls, row: Any) -> Office:
        """From the answer to `OFFICE`."""
        look = read(Branding, row.branding)
        name = look.sender_name or look.company_name or row.name
        sender = Sender(name, look.sender_address, look.reply_to, look.sms_sender)
        return cls(sender, Pace.of(read(OfficeSettings, row.settings)), row.now, row.has_budget)

    def message(self, row: Any, fact: Any, body: Body) -> Message:
        """The message of a claimed delivery; `fact` is what `again` has read of it. Raises ValueError where an endpoint's
        secrets cannot be opened."""
        refused_at = unsubscribe_link.address(row, fact.category)
        message = Message(
            delivery_id=row.id,
            channel=row.channel,
            address=row.address,
            attempt=row.attempts,
            idempotency_key=row.id,
            priority=PRIORITIES[row.priority].value,
            subject=body.get("subject") or "",
            text=unsubscribe_link.text_with(body.get("text") or "", refused_at),
            html=unsubscribe_link.html_with(body.get("html") or "", refused_at),
            sender=self.sender,
            thread=str(fact.item_id) if fact.item_id else None,
            link=absolute(fact.action_url) if fact.action_url else None,
            headers=unsubscribe_link.headers(refused_at),
            line=str(fact.line_id) if fact.line_id else "",
            asks=body.get("asks") or "",
            recalls=tuple((body.get("recalls") or "").split()),
        )
        return endpoints.to_send(message, fact)


@dataclass(frozen=True)
class Unwritten:
    """A delivery whose body is to be written: its words, its reader, and where its link leads."""

    row: Any
    words: Wording
    member: Member
    action: str
    stands_in_for: str | None = None
    code: str = ""  # with which its reader answers
    asks: UUID | None = None  # the event that its reader acknowledges by a button

    def body(self) -> Body | str:
        """The body, or a sentence that says why there is none."""
        try:
            written: Body = self.words.bodies(self.row.channel, self.member, self.action)
            written = self._on_behalf(written, self.stands_in_for) if self.stands_in_for else written
            written = {**written, "asks": str(self.asks)} if self.asks else written
            return self._asking(written) if self.code else written
        except Exception as error:  # noqa: BLE001 - `said` logs what is no template's problem
            return said(error, self.row)

    def _on_behalf(self, written: Body, name: str) -> Body:
        """Whoever stands in reads at once for whom."""
        if "subject" in written:
            text = f"You stand in for {name}.\n\n{written['text']}"
            return {**written, "subject": on_behalf(name, written["subject"] or ""), "text": text}
        return {**written, "text": sms.fit(on_behalf(name, written["text"] or ""), self.words.sms_segments)}

    def _asking(self, written: Body) -> Body:
        """An SMS says how it is acknowledged from the same phone."""
        return {**written, "text": sms.fit(asking(written["text"] or "", self.code), self.words.sms_segments)}


def look(work: Step, rows: Sequence[Any], facts: Mapping[str, Any]) -> list[Unwritten | tuple[Any, str]]:
    """What is needed to write the bodies of these deliveries; for one that has no words, the sentence that says why."""
    office = Words(work)
    parts = collected.parts(work, [row.id for row in rows if row.purpose == again.COLLECTED])
    # of what was collected and has only one line left, that one is said
    said_of = {row.id: parts[row.id][0] if row.id in parts else facts[row.id] for row in rows}
    asked = {one.event_id for one in said_of.values()} - {None}
    events = {one.id: one for one in work.all(EVENTS, ids=list(asked))}
    readers = members(work, {row.person_id for row in rows})
    digests = digest_words.look(work, office, [row.id for row in rows if row.purpose == DIGEST])
    asking_ = _asking(work, rows, said_of, parts)
    answers = _codes(work, rows, said_of, asking_)
    known: dict[Any, Wording | str] = {}  # the words of an event are the same for all who read it
    found: list[Unwritten | tuple[Any, str]] = []
    for row in rows:
        if row.id in digests:
            reader = readers[row.person_id]
            found.append(Unwritten(row, digests[row.id], reader, collected.leads_to(reader)))
            continue
        one, reader, lines = said_of[row.id], readers[row.person_id], parts.get(row.id, ())
        key = row.id if len(lines) > 1 else (one.event_id, one.of_priority, one.category)
        if key not in known:
            known[key] = (
                _words_of_many(office, row, lines, reader)
                if len(lines) > 1
                else _words(office, events.get(one.event_id), row, one)
            )
        words = known[key]
        if isinstance(words, str):
            found.append((row, words))
        else:
            action = collected.leads_to(reader) if len(lines) > 1 else one.action_url or ""
            absent = one.stands_in_for if len(lines) < 2 else None  # of many, each line says it
            found.append(
                Unwritten(
                    row, words, reader, action, absent, answers.get(row.id, ""), _button(row, one, asking_)
                )
            )
    return found


def _asking(
    work: Step, rows: Sequence[Any], said_of: Mapping[str, Any], parts: Mapping[str, Any]
) -> set[str]:
    """Those of the deliveries that ask their reader to see to one thing, and whose channel has a way to answer."""
    alone = [row for row in rows if len(parts.get(row.id, ())) < 2 and channel_type(row.channel).answers]
    events = replies.asked_for(work, list({said_of[row.id].event_id for row in alone} - {None}))
    return {row.id for row in alone if said_of[row.id].event_id in events}


def _codes(work: Step, rows: Sequence[Any], said_of: Mapping[str, Any], asking_: set[str]) -> dict[str, str]:
    """The codes with which the readers of these answer."""
    coded = [row for row in rows if row.id in asking_ and channel_type(row.channel).answers == "code"]
    found = replies.codes(work, [(said_of[row.id].event_id, row.person_id, row.address) for row in coded])
    return {row.id: found[said_of[row.id].event_id, row.address] for row in coded}


def _button(row: Any, fact: Any, asking_: set[str]) -> UUID | None:
    if row.id not in asking_ or channel_type(row.channel).answers != "button":
        return None
    event_id: UUID = fact.event_id
    return event_id


def _words(office: Words, event: Any, row: Any, fact: Any) -> Wording | str:
    if event is None:
        return "It carries no notification."
    try:
        draft = Draft(event.name, unpack(event.payload))
        return office.of(draft, PRIORITIES[fact.of_priority], fact.category)
    except TemplateProblem as problem:
        return said(problem, row)


def _words_of_many(office: Words, row: Any, lines: Sequence[Any], reader: Member) -> Wording | str:
    try:
        return office.of(collected.draft(lines, reader, row.reason), PRIORITIES[row.priority], None)
    except TemplateProblem as problem:
        return said(problem, row)


def given(written: Sequence[tuple[Any, Body]]) -> dict[str, Any]:
    """The values of `KEEP`: the bodies of deliveries of one claim."""
    return {"given": json.dumps([_given(row, body) for row, body in written]), "token": written[0][0].token}


def _given(row: Any, body: Body) -> dict[str, Any]:
    return {"delivery": row.id, "content": str(new_id()), "hash": body_hash(body), "body": body}


def said(error: Exception, row: Any) -> str:
    """Why a delivery cannot be written, as a sentence. What is no problem of a template is a bug, and is logged."""
    if isinstance(error, TemplateProblem):
        return " ".join([str(error), *(f"{one.field}: {one.message}" for one in error.fields)])
    log.error("delivery %s cannot be written", row.id, exc_info=error)
    return f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
