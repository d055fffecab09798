"""SMS that people send us: who wants no more messages, who wants them again, who asks what this is, and who sees to what
they were told of, by its code. The verbs are those of every other door; the first who acknowledges wins, and a late one
hears by SMS who did.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from notify_app.channels.addresses import clean_number
from notify_app.channels.base import Invalid
from notify_app.channels.reports import Answered
from notify_app.domains.base import OFFICE
from notify_app.ids import new_id
from notify_app.pipeline import inbox, outbox, sql
from notify_app.pipeline.step import Step, step
from notify_app.policy import sms
from notify_app.policy.office import Branding, read
from notify_app.policy.replies import LIFE_HOURS, Meaning, new_code, understood
from notify_app.queue import URGENT
from notify_app.work import blocked

__all__ = ["PURPOSE", "acknowledge", "asked_for", "codes", "take"]

PURPOSE = "reply"
LIFE = timedelta(hours=LIFE_HOURS)
SMS = "sms"
THANKS = "Thank you. You see to it: {what}"
ENOUGH = "Thank you. Others still have to: {what}"
LATE = "{who} sees to it already: {what}"
OVER = "That is done already: {what}"
EXPIRED = "This code is too old. Open the link in the message, or call us."
UNKNOWN = "We do not know this code. Look at the message again: it counts only from the phone that got it."
HELPS = "{company}: messages about your work with us. Reply STOP for no more, START to get them again."

EVENT = """
    SELECT n.title, p.role, t.id AS task_id, t.closed_at, t.acknowledged_at, t.acknowledged_by, b.name AS by
    FROM event e
    JOIN person p ON p.organisation_id = e.organisation_id AND p.id = :person
    LEFT JOIN notification n ON n.organisation_id = e.organisation_id AND n.event_id = e.id AND n.person_id = :person
    LEFT JOIN escalation s ON s.organisation_id = e.organisation_id AND s.event_id = e.id
    LEFT JOIN task t ON t.organisation_id = s.organisation_id AND t.id = s.task_id
    LEFT JOIN person b ON b.organisation_id = t.organisation_id AND b.id = t.acknowledged_by
    WHERE e.organisation_id = :org AND e.id = :event LIMIT 1
"""
# the levels of ladders whose tasks still wait for somebody: they ask to be acknowledged
ASKING = """
    SELECT s.event_id FROM escalation s JOIN task t ON t.organisation_id = s.organisation_id AND t.id = s.task_id
    WHERE s.organisation_id = :org AND s.event_id = ANY(:events) AND t.closed_at IS NULL AND t.acknowledged_at IS NULL
"""
NEW_CODE = """
    INSERT INTO reply_code (organisation_id, number, code, person_id, event_id, expires_at)
    VALUES (:org, :number, :code, :person, :event, :expires)
    ON CONFLICT ON CONSTRAINT uq_reply_code_event DO UPDATE SET expires_at = excluded.expires_at RETURNING code
"""
ANSWERED = (
    "SELECT 1 FROM delivery WHERE organisation_id = :org AND group_key = :key AND person_id = ANY(:person)"
)


# --- what comes in -------------------------------------------------------------------------------------------------


def take(answered: Answered, message_id: str, conn: Connection) -> None:
    """Do what an SMS says, in each organisation that knows its number (as hub_engine, `conn` finds them). Doing it twice
    changes nothing: an answer to one message (`message_id`) is sent once."""
    said = understood(answered.words)
    try:
        number = clean_number(answered.number)
    except Invalid:
        return
    if said.meaning is Meaning.other:
        return
    people: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in conn.execute(sql.FIND_ANSWERERS, {"number": number, "code": said.code}):
        people[row.organisation_id].append(row)
    if said.meaning in (Meaning.stop, Meaning.start):
        for organisation_id, mine in people.items():
            with step(organisation_id) as work:
                _wish(work, number, said.meaning, mine)
        return
    if not people:
        return
    # one answer, whoever knows the number: the organisation whose code it is, else the first
    chosen = next((some for some in people.values() if any(one.event_id for one in some)), None)
    mine = chosen or next(iter(people.values()))
    with step(mine[0].organisation_id) as work:
        key = f"{PURPOSE}/{message_id}"
        if not work.one(ANSWERED, key=key, person=[one.person_id for one in mine]):
            person_id, words = _answer(work, said.meaning, mine)
            _say(work, key, person_id, number, words)


def _wish(work: Step, number: str, meaning: Meaning, mine: Sequence[Any]) -> None:
    change = blocked.opt_out if meaning is Meaning.stop else blocked.opt_in
    change(work, SMS, number, [one.person_id for one in mine])


def _answer(work: Step, meaning: Meaning, mine: Sequence[Any]) -> tuple[UUID, str]:
    """Whom to answer and what. A code is done."""
    coded = next((one for one in mine if one.event_id is not None), None)
    if meaning is Meaning.help:
        return mine[0].person_id, HELPS.format(company=_company(work))
    if coded is None:
        return mine[0].person_id, UNKNOWN
    if coded.expired:
        return coded.person_id, EXPIRED
    return coded.person_id, acknowledge(work, coded.event_id, coded.person_id)


def acknowledge(work: Step, event_id: UUID, person_id: UUID) -> str:
    """See to it, as from the inbox; what is said of that."""
    before = work.one(EVENT, event=event_id, person=person_id)
    what = before.title or ""
    if before.closed_at is not None:
        return OVER.format(what=what)
    if before.acknowledged_at is not None and before.acknowledged_by != person_id:
        return LATE.format(who=before.by, what=what)
    inbox.acknowledge(work, event_id, person_id, for_all=before.role in OFFICE)
    # somebody else may have been faster by a moment: what stands now counts
    now = work.one(EVENT, event=event_id, person=person_id)
    if now.closed_at is not None:
        return OVER.format(what=what)
    if now.task_id is not None and now.acknowledged_at is None:
        return ENOUGH.format(what=what)
    if now.task_id is None or now.acknowledged_by == person_id:
        return THANKS.format(what=what)
    return LATE.format(who=now.by, what=what)


def _company(work: Step) -> str:
    row = work.one("SELECT name, branding FROM organisation WHERE id = :org")
    return read(Branding, row.branding).company_name or row.name


def _say(work: Step, key: str, person_id: UUID, number: str, words: str) -> None:
    """One SMS, in these words, at once."""
    row = {
        "id": new_id(),
        "person_id": person_id,
        "channel": SMS,
        "address": number,
        "purpose": PURPOSE,
        "group_key": key,
        "priority": 1,
        "content_id": outbox.keep_body(work, {"text": sms.fit(words)}),
        "due_at": work.now,
        "next_attempt_at": work.now,
    }
    work.insert("delivery", [row])
    work.wakes.add(URGENT)


# --- what goes out -------------------------------------------------------------------------------------------------


def asked_for(work: Step, event_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these events that ask to be acknowledged, and still wait for it."""
    return {row.event_id for row in work.all(ASKING, events=list(event_ids))} if event_ids else set()


def codes(work: Step, wanted: Sequence[tuple[UUID, UUID, str]]) -> dict[tuple[UUID, str], str]:
    """(event, person, number) → by event and number, the code with which that phone sees to it; the same one when it is
    asked for again."""
    found = {}
    for event_id, person_id, number in wanted:
        row = work.one(
            NEW_CODE,
            number=number,
            code=new_code(secrets.randbelow),
            person=person_id,
            event=event_id,
            expires=work.now + LIFE,
        )
        found[event_id, number] = row.code
    return found
