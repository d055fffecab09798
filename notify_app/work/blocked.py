"""Addresses that are not written to: closed by what came back, opened again by the office with a reason, or by the person.

A row of `suppression` means blocked, for everybody who reads it; one that is opened again is gone, and the record says who
did that and why. The office hears of a closed address once, with whose it is: somebody has to ask for a better one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from notify_app.domains.base import Draft
from notify_app.domains.hub import ADDRESS_BLOCKED
from notify_app.errors import FieldError, Invalid, NotFound, Refused
from notify_app.pipeline.route import Origin, Override, route
from notify_app.pipeline.step import Step
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.feedback import Block
from notify_app.work import record
from notify_app.work.record import By, What

__all__ = ["COMPLAINT", "block", "opt_in", "opt_out", "release", "whose"]

LONGEST_REASON = 300
MANY = 20  # lines about addresses in an hour; a message to a whole estate may close hundreds
ORDER = [one.value for one in Block]
OPTED_OUT = "they answered STOP"
COMPLAINT = Block.complaint.value
# what weighs more replaces the reason that was there; nothing takes away what a person wants
BLOCK = """
    INSERT INTO suppression (organisation_id, channel, value, reason, kind) VALUES (:org, :channel, :value, :reason, :kind)
    ON CONFLICT ON CONSTRAINT uq_suppression_value DO UPDATE SET reason = excluded.reason, kind = excluded.kind
    WHERE array_position(CAST(:order AS text[]), excluded.kind) > array_position(CAST(:order AS text[]), suppression.kind)
    RETURNING id, old.id IS NULL AS fresh
"""
LATELY = """
    SELECT count(*) AS n FROM (
        SELECT FROM event WHERE organisation_id = :org AND created_at > :since AND name = :name LIMIT 100) AS e
"""
WHOSE = """
    SELECT DISTINCT p.id, p.name FROM address a
    JOIN person p ON p.organisation_id = a.organisation_id AND p.id = a.person_id AND p.left_at IS NULL
    WHERE a.organisation_id = :org AND a.channel = :channel AND a.value = :value ORDER BY p.name, p.id LIMIT 20
"""
ONE = "SELECT * FROM suppression WHERE organisation_id = :org AND id = :id FOR UPDATE"
GONE = "DELETE FROM suppression WHERE organisation_id = :org AND id = :id"
FORGET = "DELETE FROM address WHERE organisation_id = :org AND channel = :channel AND value = :value"
OPTED = """
    DELETE FROM suppression WHERE organisation_id = :org AND channel = :channel AND value = :value AND kind = 'opt_out'
"""
# what came back before does not count any more
FORGIVEN = """
    UPDATE feedback SET counts = false WHERE organisation_id = :org AND channel = :channel AND address = :value AND counts
"""


@dataclass(frozen=True)
class Closed:
    """An address that is blocked from now on."""

    id: UUID
    channel: str
    value: str
    reason: str


def block(step: Step, channel: str, value: str, reason: str, kind: Block = Block.refused) -> bool:
    """Never write to this address again, in this organisation. Returns whether it was written to before. At the end of the
    transaction the office is told, unless it is what the person wants. An address that nobody has typed (a browser, a chat)
    is forgotten instead: there is nothing that anybody could mend."""
    if channel_type(channel).forgets:
        return bool(step.run(FORGET, channel=channel, value=value))
    row = step.one(BLOCK, channel=channel, value=value, reason=reason, kind=kind.value, order=ORDER)
    if row is None or not row.fresh:
        return False
    if kind is not Block.opt_out:
        # last, because it takes the counters of the office's people, which come after everything else
        step.before_commit.append(lambda: _tell(step, Closed(row.id, channel, value, reason)))
    return True


def _tell(step: Step, closed: Closed) -> None:
    """One line for the office, and after MANY of them within an hour one that leads to the list. Nobody's address is nobody's
    trouble."""
    people = whose(step, closed.channel, closed.value)
    if not people:
        return
    if step.one(LATELY, name=ADDRESS_BLOCKED.name, since=step.now - timedelta(hours=1)).n >= MANY:
        _tell_of_many(step, closed.channel)
        return
    payload = {
        "who": " and ".join(one.name for one in people),
        "channel": closed.channel,
        "address": record.address(closed.channel, closed.value)["address"],
        "why": closed.reason,
    }
    leads = f"/people/{people[0].id}#addresses" if len(people) == 1 else f"/suppressed/{closed.id}"
    override = Override(action_url=leads, dedupe_key=f"address_blocked:{closed.id}")
    route(step, [Draft(ADDRESS_BLOCKED.name, payload)], Origin(step.now), override)


def _tell_of_many(step: Step, channel: str) -> None:
    key = f"address_blocked:many:{step.now:%Y-%m-%dT%H}"
    # nobody waits for somebody else here, who may wait for us: whoever is faster tells it
    mine = step.one(
        "SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 0)) AS it",
        key=f"{step.organisation_id}/{key}",
    )
    if not mine.it or step.one(
        "SELECT 1 FROM event WHERE organisation_id = :org AND dedupe_key = :key", key=key
    ):
        return
    payload = {
        "who": "many people",
        "channel": channel,
        "address": f"more than {MANY} addresses",
        "why": "all of them stand in the list of blocked addresses",
    }
    route(
        step,
        [Draft(ADDRESS_BLOCKED.name, payload)],
        Origin(step.now),
        Override(action_url="/suppressed", dedupe_key=key),
    )


def whose(step: Step, channel: str, value: str) -> Sequence[Any]:
    """The people who have this address here."""
    return step.all(WHOSE, channel=channel, value=value)


def release(step: Step, id: UUID, reason: str, by: By, *, asked: bool = False) -> Any:
    """Write to it again, for this reason; `asked`: whoever complained has said that they want it. Returns the row that is
    gone. Raises NotFound, Invalid, Refused (the person themselves wants no messages there)."""
    row = step.one(ONE, id=id)
    if row is None:
        raise NotFound("This address is not blocked here.")
    if row.kind == Block.opt_out:
        raise Refused("Whoever has this number wants no messages. Only they can change that.")
    reason = " ".join(reason.split())
    problems = []
    if not reason:
        problems.append(FieldError("reason", "Say why it works now; the record keeps it."))
    elif len(reason) > LONGEST_REASON:
        problems.append(FieldError("reason", f"Use at most {LONGEST_REASON} characters."))
    if row.kind == COMPLAINT and not asked:
        problems.append(
            FieldError(
                "asked", "Ask them first: whoever complains twice closes the door to everybody's mail."
            )
        )
    if problems:
        raise Invalid("The address stays blocked.", *problems)
    step.run(GONE, id=id)
    step.run(FORGIVEN, channel=row.channel, value=row.value)
    about = {**record.address(row.channel, row.value), "kind": row.kind}
    people = whose(step, row.channel, row.value)
    for person_id in [one.id for one in people] or [None]:
        record.note(step, by, What.address_released, person_id, before=about, after={"reason": reason})
    return row


def opt_out(step: Step, channel: str, value: str, person_ids: Sequence[UUID]) -> None:
    """Whoever has the address wants no messages there."""
    if step.one(BLOCK, channel=channel, value=value, reason=OPTED_OUT, kind=Block.opt_out.value, order=ORDER):
        _note(step, What.address_opted_out, channel, value, person_ids)


def opt_in(step: Step, channel: str, value: str, person_ids: Sequence[UUID]) -> bool:
    """They take that back; what else closes it stays. Returns whether there was anything to take back."""
    if not step.run(OPTED, channel=channel, value=value):
        return False
    step.run(FORGIVEN, channel=channel, value=value)
    _note(step, What.address_opted_in, channel, value, person_ids)
    return True


def _note(step: Step, what: What, channel: str, value: str, person_ids: Sequence[UUID]) -> None:
    for one in person_ids:
        record.note(step, By(record.Who.person, one), what, one, after=record.address(channel, value))
