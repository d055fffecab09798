"""Many events in one signed request: each is checked, and kept or refused, as if it had come alone.

The signature covers the whole body; `webhook-id` is part of it and of no other use, since each event has its own id.
What can be kept is written in one group, and its rows' ids are made in the order of the events, so that two events about
one item are applied in that order. When the database could not take all of it for the moment, the request is refused
whole (Unavailable): it is sent again, and what was kept already counts as a duplicate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from notify_app.errors import FieldError, Invalid, Unavailable
from notify_app.ids import new_ids
from notify_app.pipeline import envelope, inbound, intake, strict_json
from notify_app.pipeline.ingest import Accepted, accepted, authenticated, check_id
from notify_app.pipeline.sources import Key

__all__ = ["MAX_BYTES", "MAX_EVENTS", "Told", "accept"]

MAX_EVENTS, MAX_BYTES = 100, 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one event; `event` is its own id, if it has a usable one."""

    event: str | None
    outcome: Accepted | Exception


@dataclass(frozen=True, slots=True)
class _Event:
    """One that can be kept; `path` is where it stands."""

    path: str
    id: str
    digest: bytes
    row: inbound.Row


def accept(slug: str, headers: Mapping[str, str], body: bytes, now: float) -> list[Told]:
    """Make each usable event durable; a result for each, in their order. Raises Invalid when the body is no list of
    events, BadSignature, Unavailable."""

    def keep(key: Key, sure: bool) -> list[Told]:
        events, flawed = _events(body)
        read = [
            _read(one, f"events[{at}]", key, id_, flawed)
            for at, (one, id_) in enumerate(zip(events, new_ids(len(events)), strict=True))
        ]
        usable = [one for one in read if isinstance(one, _Event)]
        if not usable and not sure:
            raise inbound.Unsigned  # nothing is written that would tell
        outcomes = iter(intake.current().store([one.row for one in usable]) if usable else [])
        return [_told(one, next(outcomes)) if isinstance(one, _Event) else one for one in read]

    return authenticated(slug, headers, body, now, keep)


def _events(body: bytes) -> tuple[list[Any], bool]:
    """The events, and whether parts of them may be unreadable."""
    value, flawed = strict_json.read_parts(body)
    wrong = [FieldError(name[:100], "Send nothing beside events.") for name in value if name != "events"]
    events = value.get("events")
    if not isinstance(events, list) or not 1 <= len(events) <= MAX_EVENTS:
        wrong.insert(0, FieldError("events", f"Send a list of 1 to {MAX_EVENTS} events."))
    if wrong or not isinstance(events, list):
        raise Invalid("The body cannot be used.", *wrong[:MAX_EVENTS])
    return events, flawed


def _read(value: Any, path: str, key: Key, id_: UUID, flawed: bool) -> _Event | Told:
    usable_id = None
    try:
        if flawed:
            strict_json.check(value, path)
        if not isinstance(value, dict):
            problem = FieldError(path, "Send an object with id, type, timestamp and data.")
            raise Invalid("The event cannot be used.", problem)
        usable_id = _id(value, path)
        message = _check({name: one for name, one in value.items() if name != "id"}, path)
    except Invalid as refusal:
        return Told(usable_id, refusal)
    digest = hashlib.sha256(message.text.encode()).digest()
    return _Event(path, usable_id, digest, inbound.row(id_, key, usable_id, digest, message))


def _id(value: Mapping[str, Any], path: str) -> str:
    id_ = value.get("id")
    if not isinstance(id_, str):
        problem = FieldError(f"{path}.id", "Give each event an id of its own, as text.")
        raise Invalid("Some fields cannot be used.", problem)
    return check_id(id_, f"{path}.id", "Some fields cannot be used.")


def _check(message: Mapping[str, Any], path: str) -> envelope.Envelope:
    try:
        return envelope.check(message)
    except Invalid as refusal:
        fields = [FieldError(f"{path}.{one.field}"[:200], one.message) for one in refusal.fields]
        raise Invalid(str(refusal), *fields) from None


def _told(event: _Event, outcome: inbound.Outcome) -> Told:
    """By its digest it was sent in a batch before, and by what it says if it came alone."""
    try:
        result = accepted(
            outcome, f"id {event.id}", lambda before: before.body_hash == event.digest or before.alike
        )
    except (Unavailable, inbound.Unsigned):
        raise
    except Invalid as refusal:
        return Told(event.id, Invalid(str(refusal), FieldError(event.path, refusal.fields[0].message)))
    except Exception as error:  # noqa: BLE001  (whatever it is, it is this event's alone)
        return Told(event.id, error)
    return Told(event.id, result)
