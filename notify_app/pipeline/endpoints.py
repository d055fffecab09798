"""Endpoints on the path: what they are told when an event is, where it is posted, and what came of it.

An event that is told is told to each endpoint that wants such events, once, whoever its people are and however many: a delivery
that is the endpoint's and nobody's else, with its body, written in the transaction of the event (decision 31). From
there on it is a row of the outbox like any other. What an endpoint answers is kept on its own row: after five days of
nothing but failures, or when it says that it is gone, it is switched off, and the administrators hear of it in the same
transaction, so once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from notify_app.channels import OFF, asked
from notify_app.channels.base import ChannelFailure, Message, Receipt
from notify_app.channels.endpoint import ENDPOINT, GONE
from notify_app.domains.base import Draft
from notify_app.domains.hub import ENDPOINT_OFF
from notify_app.errors import Invalid
from notify_app.ids import new_id
from notify_app.pipeline import outbox
from notify_app.pipeline.audience import Member
from notify_app.pipeline.step import Step, hub
from notify_app.policy import endpoint as shapes
from notify_app.policy.endpoint import Said
from notify_app.policy.routing import Choice
from notify_app.queue import BULK, URGENT
from notify_app.secrets import Secrets

if TYPE_CHECKING:
    from notify_app.pipeline.wording import Wording

__all__ = [
    "CHANNEL",
    "PURPOSE",
    "Answers",
    "heard",
    "is_on",
    "put",
    "row",
    "rows_for",
    "sealed_name",
    "to_send",
]

CHANNEL = ENDPOINT.name
PURPOSE = "endpoint"
PATIENCE = timedelta(days=5)  # of nothing but failures
ADMINISTRATORS = (
    "SELECT id FROM person WHERE organisation_id = :org AND role = 'administrator' AND left_at IS NULL"
)
# of one body there is one row; of one matter an endpoint hears once
PUT = """
    WITH given AS (
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS g(
            id uuid, endpoint_id uuid, purpose text, group_key text, priority smallint, content uuid, hash text, body jsonb)
    ), kept AS (
        INSERT INTO content (organisation_id, id, hash, body)
        SELECT DISTINCT ON (hash) CAST(:org AS uuid), content, decode(hash, 'hex'), body FROM given ORDER BY hash
        ON CONFLICT ON CONSTRAINT uq_content_hash DO UPDATE SET created_at = content.created_at RETURNING id, hash
    )
    INSERT INTO delivery (organisation_id, id, endpoint_id, channel, address, purpose, group_key, priority, content_id,
                          due_at, next_attempt_at, created_at)
    SELECT :org, g.id, g.endpoint_id, 'endpoint', CAST(g.endpoint_id AS text), g.purpose, g.group_key, g.priority, k.id,
           (SELECT hub_now()), (SELECT hub_now()), (SELECT hub_now())
    FROM given g JOIN kept k ON k.hash = decode(g.hash, 'hex') ORDER BY g.id
    ON CONFLICT (organisation_id, endpoint_id, group_key, purpose, generation) WHERE endpoint_id IS NOT NULL DO NOTHING
"""
# a failure that came long after the one before it begins anew: nothing was tried meanwhile
HEARD = """
    UPDATE endpoint SET
        good_at = CASE WHEN CAST(:good AS boolean) THEN hub_now() ELSE good_at END,
        failing_since = CASE
            WHEN CAST(:recovered AS boolean) THEN NULL
            WHEN CAST(:why AS text) = '' THEN failing_since
            WHEN CAST(:good AS boolean) OR failed_at < hub_now() - CAST(:patience AS interval) THEN hub_now()
            ELSE coalesce(failing_since, hub_now()) END,
        failed_at = CASE WHEN CAST(:why AS text) <> '' THEN hub_now() ELSE failed_at END,
        failed_why = CASE WHEN CAST(:why AS text) <> '' THEN CAST(:why AS text) ELSE failed_why END
    WHERE organisation_id = :org AND id = :id AND removed_at IS NULL
    RETURNING name, host, failing_since, failed_why, coalesce(paused_at, disabled_at) IS NOT NULL AS idle
"""
DISABLE = """
    UPDATE endpoint SET disabled_at = hub_now(), disabled_why = :why
    WHERE organisation_id = :org AND id = :id AND disabled_at IS NULL
"""


def is_on() -> bool:
    """Whether this installation posts to endpoints at all."""
    return asked(hub(), CHANNEL) != (OFF, "")


def sealed_name(endpoint_id: UUID | str, what: str) -> str:
    """What an endpoint's encrypted `url` or `secret` is bound to."""
    return f"endpoint:{endpoint_id}:{what}"


# --- an event is told ------------------------------------------------------------------------------------------------


def rows_for(
    says: Wording,
    draft: Draft,
    event_id: UUID,
    occurred_at: datetime,
    *,
    item_id: UUID | None = None,
    matter: str | None = None,
) -> list[dict[str, Any]]:
    """The deliveries of an event that is told; `matter` is what it shares with another event of the same matter. What holds a
    secret of its reader is for nobody else."""
    listening = [
        one
        for one in says.office.endpoints
        if shapes.matches(one["categories"], one["least_priority"], says.category, says.priority.rank)
    ]
    if not listening or any(draft.payload.get(name) for name in says.type.secrets) or not is_on():
        return []
    said = _said(says, draft, event_id, occurred_at, item_id)
    bodies: dict[str, str] = {}
    made = []
    for one in listening:
        text = bodies.setdefault(one["format"], shapes.body(said, one["format"]))
        made.append(row(one["id"], said.title, text, str(matter or event_id), says.priority.rank))
    return made


def row(
    endpoint_id: UUID | str, title: str, text: str, group_key: str, priority: int, purpose: str = PURPOSE
) -> dict[str, Any]:
    """One delivery, for `put`."""
    body = {"subject": title, "text": text}
    return {
        "id": new_id(),
        "endpoint_id": str(endpoint_id),
        "purpose": purpose,
        "group_key": group_key,
        "priority": priority,
        "content": new_id(),
        "hash": outbox.body_hash(body),
        "body": body,
    }


def put(step: Step, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write deliveries with their bodies, and wake the workers whose turn it is."""
    if not rows:
        return
    step.write(PUT, rows)
    step.wakes |= {URGENT if one["priority"] == 1 else BULK for one in rows}


def _said(says: Wording, draft: Draft, event_id: UUID, occurred_at: datetime, item_id: UUID | None) -> Said:
    page = f"{hub().base_url}/work/{item_id}" if item_id else ""  # the office's, which asks who one is
    title, text = _words(says, page)
    return Said(
        event=draft.event,
        event_id=str(event_id),
        title=title,
        text=text,
        category=says.category,
        category_title=says.category_title,
        priority=says.priority.value,
        organisation=says.office.name,
        occurred_at=occurred_at,
        about=_about(draft, item_id),
        page=page,
    )


def _words(says: Wording, page: str) -> tuple[str, str]:
    """Title and text as the office would read them; what cannot be written has its event's own title."""
    office = says.office
    reader = Member(
        UUID(int=0), office.name, "contact", "", office.zone, office.locale, False, False, (), Choice()
    )
    try:
        return says.inbox(reader, page)
    except Invalid:
        return says.title(), ""


def _about(draft: Draft, item_id: UUID | None) -> dict[str, str] | None:
    """The plain facts of the work item, where it is about one."""
    item = draft.item
    if item is not None:
        facts = {"id": str(item.id), "kind": item.kind, "number": item.number, "title": item.title}
        return facts | {"status": item.status}
    known = draft.payload.get("item")
    if item_id is None or not isinstance(known, Mapping):
        return {"id": str(item_id)} if item_id else None
    plain = {name: str(known[name]) for name in ("number", "title") if known.get(name)}
    return {"id": str(item_id), **plain}


# --- it leaves ---------------------------------------------------------------------------------------------------------


def to_send(message: Message, fact: Any) -> Message:
    """The message with the address and the keys of its endpoint, opened. Raises ValueError where they cannot be."""
    if fact.endpoint_id is None:
        return message
    secrets = Secrets(hub().secret_key)
    address = secrets.open(fact.url, sealed_name(fact.endpoint_id, "url"))
    sealed = [one for one in (fact.secret, fact.previous_secret) if one is not None]
    keys = tuple(secrets.open(one, sealed_name(fact.endpoint_id, "secret")) for one in sealed)
    return replace(message, address=address, keys=keys)


# --- what came of it -----------------------------------------------------------------------------------------------------


@dataclass
class Answers:
    """What one endpoint has answered lately, in the order of the answers."""

    good: bool = False
    last_good: bool = False
    why: str = ""
    gone: bool = False

    def add(self, answer: Receipt | Exception | None) -> None:
        """Count one more answer. That it wants to be asked less often is no failure."""
        if isinstance(answer, Receipt):
            self.good = self.last_good = True
            return
        code = answer.code if isinstance(answer, ChannelFailure) else ""
        if code == "429":
            return
        self.last_good = False
        self.why = answer.reason if isinstance(answer, ChannelFailure) else type(answer).__name__
        self.gone = self.gone or code == GONE


def heard(step: Step, endpoint_id: UUID, answers: Answers) -> None:
    """Keep what came of its messages; switch it off where that is enough, and tell the administrators. Doing it twice
    changes nothing."""
    values = {"good": answers.good, "recovered": answers.last_good, "why": answers.why[:500]}
    found = step.one(HEARD, id=endpoint_id, patience=PATIENCE, **values)
    if found is None or found.idle or answers.last_good:
        return
    if answers.gone:
        _switch_off(step, endpoint_id, found, "gone")
    elif found.failing_since is not None and step.now - found.failing_since >= PATIENCE:
        _switch_off(step, endpoint_id, found, "failing")


def _switch_off(step: Step, endpoint_id: UUID, found: Any, why: str) -> None:
    if not step.run(DISABLE, id=endpoint_id, why=why):
        return
    # here, because routing tells endpoints too
    from notify_app.pipeline.route import Origin, Override, route

    payload = {
        "name": found.name,
        "host": found.host,
        "gone": why == "gone",
        "since": found.failing_since,
        "why": found.failed_why,
    }
    people: Iterable[Any] = step.all(ADMINISTRATORS)
    draft = Draft(ENDPOINT_OFF.name, payload, to=tuple(one.id for one in people) or None)
    override = Override(
        action_url=f"/endpoints/{endpoint_id}",
        dedupe_key=f"endpoint_off:{endpoint_id}:{step.now.isoformat()}",
    )
    route(step, [draft], Origin(step.now), override)
