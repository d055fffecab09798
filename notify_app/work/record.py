"""The record of changes (C7): what was changed about people and by the office, by whom, from what to what.

A line is written in the transaction of its change, so there is neither one without the other; the application can add
lines, not alter them. What is kept is what differs, and nothing that an erasure would have to take out again: of an
address enough to know it again, of a name only that it changed, of a template which parts, of a key what it is called.
What a source reports of its own people stands in its stored messages, what is done to items in their history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from notify_app.channels.base import hinted
from notify_app.models import Who
from notify_app.pipeline.step import Step

__all__ = ["COMMAND", "LINK", "By", "What", "Who", "about", "address", "differing", "note"]


class What(StrEnum):
    """What can be changed; the part before the dot is the kind by which the page finds it."""

    person_added = "person.added"
    person_name = "person.name"
    person_role = "person.role"
    person_grade = "person.grade"
    person_zone = "person.zone"
    person_left = "person.left"
    person_back = "person.back"
    person_invited = "person.invited"
    person_uninvited = "person.uninvited"
    person_declined = "person.declined"
    person_joined = "person.joined"
    person_parted = "person.parted"
    address_added = "address.added"
    address_typed = "address.typed"
    address_verified = "address.verified"
    address_vouched = "address.vouched"
    address_removed = "address.removed"
    address_moved = "address.moved"
    address_released = "address.released"
    address_opted_out = "address.opted_out"
    address_opted_in = "address.opted_in"
    replayed = "deliveries.replayed"
    choices = "preference.choices"
    quiet_hours = "preference.quiet_hours"
    digest = "preference.digest"
    channel_order = "preference.channel_order"
    switches = "office.switches"
    settings = "office.settings"
    budget = "office.budget"
    key_made = "key.made"
    key_revoked = "key.revoked"
    endpoint_added = "endpoint.added"
    endpoint_changed = "endpoint.changed"
    endpoint_paused = "endpoint.paused"
    endpoint_resumed = "endpoint.resumed"
    endpoint_secret = "endpoint.secret"  # noqa: S105 - it changed; none stands here
    endpoint_removed = "endpoint.removed"
    template = "template.saved"
    rule_saved = "rule.saved"
    rule_paused = "rule.paused"
    rule_counts = "rule.counts"
    rule_removed = "rule.removed"
    absence_added = "absence.added"
    absence_removed = "absence.removed"


@dataclass(frozen=True)
class By:
    """Who changes something: `person_id` is the person, or the one as whom a program acts; a command and a link have
    none."""

    who: Who
    person_id: UUID | None = None


COMMAND, LINK = By(Who.command), By(Who.link)

ABOUT = """
    SELECT a.*, m.name AS actor FROM audit a
    LEFT JOIN person m ON m.organisation_id = a.organisation_id AND m.id = a.actor_id
    WHERE a.organisation_id = :org AND a.subject_id = :person ORDER BY a.at DESC, a.id DESC LIMIT :limit
"""


def note(
    step: Step,
    by: By,
    what: What,
    subject_id: UUID | None = None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write one line, with the step's time. `before` and `after` hold plain values by name; None is nothing to say."""
    row = {
        "who": by.who,
        "actor_id": by.person_id,
        "what": what,
        "subject_id": subject_id,
        "before": dict(before) if before else None,
        "after": dict(after) if after else None,
    }
    step.insert("audit", [row], stamp="at")


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What differs between the two, as it was and as it is; both are empty where nothing does."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}


def address(channel: str, value: str) -> dict[str, str]:
    """An address as a line shows it."""
    return {"channel": channel, "address": hinted(channel, value)}


def about(step: Step, person_id: UUID, limit: int) -> list[Any]:
    """The newest lines about one person, with the name of who did it."""
    return step.all(ABOUT, person=person_id, limit=limit)
