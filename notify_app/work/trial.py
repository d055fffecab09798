"""A test message to oneself through one channel, now: the hub's own words, or words that somebody is writing.

The event is LOW, so routing makes the line in the inbox and nothing else; the delivery by the chosen channel is put
into the outbox here. Routing could only be made to use that channel by a priority that the message does not have,
and would then hold it back in quiet hours, while somebody who presses "send me a test" waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

from notify_app.domains.base import Draft
from notify_app.domains.hub import TEST_MESSAGE
from notify_app.errors import Invalid
from notify_app.ids import new_id
from notify_app.pipeline import outbox
from notify_app.pipeline.audience import members
from notify_app.pipeline.route import Origin, route
from notify_app.pipeline.step import Step
from notify_app.policy.reasons import Reason
from notify_app.policy.routing import outward

__all__ = ["send"]


def send(step: Step, person_id: UUID, channel: str, body: Mapping[str, str] | None = None) -> bool:
    """Send it, with `body` (as `Wording.bodies` writes it) instead of the test's own; False when the person has no usable
    address there. Raises Invalid for an unknown channel."""
    if channel != "inapp" and channel not in outward():
        raise Invalid("There is no channel like that.")
    me = members(step, [person_id])[person_id]
    reach = next((one for one in me.reaches if one.channel == channel and not one.blocked), None)
    if channel != "inapp" and reach is None:
        return False
    draft = Draft(TEST_MESSAGE.name, {"asked_by": me.name}, to=(person_id,))
    event_id = route(step, [draft], Origin(step.now, actor_id=person_id)).events[0]
    if reach is not None:
        _put(step, event_id, person_id, channel, reach.address, body)
    return True


def _put(
    step: Step,
    event_id: UUID,
    person_id: UUID,
    channel: str,
    address: str,
    body: Mapping[str, str] | None,
) -> None:
    line = step.one(
        "SELECT id, priority FROM notification WHERE organisation_id = :org AND event_id = :event AND person_id = :person",
        event=event_id,
        person=person_id,
    )
    if line is None:  # the office has switched its messages off
        return
    delivery_id = new_id()
    outbox.put(
        step,
        [
            outbox.Row(
                delivery_id,
                person_id,
                channel,
                address,
                str(event_id),
                line.priority,
                None,
                line.id,
                purpose="test",
            )
        ],
    )
    if body is not None:
        step.run(
            "UPDATE delivery SET content_id = :content WHERE organisation_id = :org AND id = :id",
            content=outbox.keep_body(step, body),
            id=delivery_id,
        )
    step.run(
        "INSERT INTO decision (organisation_id, event_id, person_id, channel, outcome, reason, detail) "
        "VALUES (:org, :event, :person, :channel, 'told', :reason, CAST(:detail AS jsonb))",
        event=event_id,
        person=person_id,
        channel=channel,
        reason=Reason.asked_for.value,
        detail=json.dumps({}),
    )
