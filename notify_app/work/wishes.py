"""What people want: their choices, quiet hours and addresses, written for one person of the step's organisation.

Stored is only what differs from its default, and each change has its line in the record (`work.record`). An address
that cannot be used is refused with a sentence; somebody else's is answered as if there were none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any
from uuid import UUID

from notify_app.errors import FieldError, Invalid, NotFound
from notify_app.pipeline import digest
from notify_app.pipeline.retime import retime
from notify_app.pipeline.step import Step, hub
from notify_app.policy.channel import channels
from notify_app.policy.verification import region
from notify_app.work import record
from notify_app.work.record import By, What

__all__ = [
    "MOST_ADDRESSES",
    "add_address",
    "addresses",
    "choose",
    "cleaned",
    "earlier",
    "keep_quiet",
    "order_channels",
    "quiet",
    "remove_address",
    "restore_address",
]

MOST_ADDRESSES = 10  # of one person on one channel

# NULL is the default, which is no row
FORGET = """
    DELETE FROM preference_choice c
    USING unnest(CAST(:scopes AS text[]), CAST(:channels AS text[]), CAST(:on AS boolean[])) AS t(scope, channel, enabled)
    WHERE c.organisation_id = :org AND c.person_id = :me AND c.scope = t.scope AND c.channel = t.channel AND t.enabled IS NULL
    RETURNING c.scope, c.channel, c.enabled AS was, CAST(NULL AS boolean) AS now
"""
KEEP = """
    INSERT INTO preference_choice (organisation_id, person_id, scope, channel, enabled)
    SELECT :org, :me, scope, channel, enabled
    FROM unnest(CAST(:scopes AS text[]), CAST(:channels AS text[]), CAST(:on AS boolean[])) AS t(scope, channel, enabled)
    WHERE enabled IS NOT NULL
    ON CONFLICT (organisation_id, person_id, scope, channel) DO UPDATE SET enabled = excluded.enabled
    WHERE preference_choice.enabled <> excluded.enabled
    RETURNING scope, channel, old.enabled AS was, new.enabled AS now
"""
QUIET = "SELECT quiet_from, quiet_until, quiet_days FROM preference WHERE organisation_id = :org AND person_id = :me"
KEEP_QUIET = """
    INSERT INTO preference (organisation_id, person_id, quiet_from, quiet_until, quiet_days)
    VALUES (:org, :me, :start, :end, :days)
    ON CONFLICT (organisation_id, person_id) DO UPDATE
    SET quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until, quiet_days = excluded.quiet_days,
        updated_at = hub_now()
    RETURNING old.quiet_from, old.quiet_until, old.quiet_days
"""
MOVE_ZONE = """
    UPDATE person SET zone = :zone WHERE organisation_id = :org AND id = :me AND zone IS DISTINCT FROM :zone
    RETURNING old.zone
"""
ADDRESSES = """
    SELECT a.id, a.channel, a.value, s.reason AS blocked, s.kind AS blocked_kind, s.id AS blocked_id FROM address a
    LEFT JOIN suppression s ON s.organisation_id = a.organisation_id AND s.channel = a.channel AND s.value = a.value
    WHERE a.organisation_id = :org AND a.person_id = :me ORDER BY a.channel, a.position, a.id
"""
ADD = """
    INSERT INTO address (organisation_id, person_id, channel, value, position)
    SELECT :org, :me, :channel, :value, coalesce(max(position) + 1, 0) FROM address
    WHERE organisation_id = :org AND person_id = :me AND channel = :channel
    ON CONFLICT ON CONSTRAINT uq_address_value DO NOTHING
"""
NO_LONGER_WAITS = """
    DELETE FROM unverified_address
    WHERE organisation_id = :org AND person_id = :me AND channel = :channel AND value = :value
"""
KEEP_ORDER = """
    INSERT INTO preference (organisation_id, person_id, channel_order) VALUES (:org, :me, CAST(:order AS text[]))
    ON CONFLICT (organisation_id, person_id) DO UPDATE SET channel_order = excluded.channel_order, updated_at = hub_now()
    RETURNING old.channel_order AS was
"""
PLACE = """
    UPDATE address a SET position = t.place
    FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS t(id, place)
    WHERE a.organisation_id = :org AND a.person_id = :me AND a.id = t.id
"""
ONE = "SELECT channel, value FROM address WHERE organisation_id = :org AND person_id = :me AND id = :id FOR UPDATE"


def choose(step: Step, person_id: UUID, chosen: Mapping[tuple[str, str], bool | None], by: By) -> None:
    """Keep (scope, channel) → on, off, or None for the default."""
    values = {
        "me": person_id,
        "scopes": [scope for scope, _channel in chosen],
        "channels": [channel for _scope, channel in chosen],
        "on": list(chosen.values()),
    }
    changed = {
        f"{row.scope}/{row.channel}": (row.was, row.now)
        for row in (*step.all(FORGET, **values), *step.all(KEEP, **values))
    }
    if changed:
        before = {name: was for name, (was, _now) in changed.items()}
        after = {name: now for name, (_was, now) in changed.items()}
        record.note(step, by, What.choices, person_id, before=before, after=after)


def quiet(step: Step, person_id: UUID) -> Any:
    """The person's quiet hours, or None while they never thought of any."""
    return step.one(QUIET, me=person_id)


def keep_quiet(
    step: Step, person_id: UUID, hours: tuple[time, time] | None, days: Sequence[int], zone: str, by: By
) -> None:
    """Quiet from the first to the second, on windows that begin on `days` (Monday = 0); None is never. Their next digest
    follows, and what quiet hours hold by now is timed anew."""
    start, end = hours or (None, None)
    # the person before their preferences, as whoever edits people takes them
    moved = step.one(MOVE_ZONE, me=person_id, zone=zone)
    known = step.one(KEEP_QUIET, me=person_id, start=start, end=end, days=list(days))
    before = _window(known.quiet_from, known.quiet_until, known.quiet_days)
    after = _window(start, end, days)
    if moved:
        before, after = {**before, "zone": moved.zone}, {**after, "zone": zone}
    if before != after:
        record.note(step, by, What.quiet_hours, person_id, before=before, after=after)
    digest.replan(step, [person_id])
    retime(step, [person_id])


def _window(start: time | None, end: time | None, days: Sequence[int] | None) -> dict[str, Any]:
    """Quiet hours as the record keeps them; nothing while they are off."""
    if start is None or end is None:
        return {}
    return {"from": f"{start:%H:%M}", "until": f"{end:%H:%M}", "days": sorted(days or ())}


def order_channels(step: Step, person_id: UUID, order: Sequence[str], by: By) -> None:
    """Keep the person's own order of the channels; nothing is the hub's."""
    was = step.one(KEEP_ORDER, me=person_id, order=list(order) or None).was
    if list(was or ()) != list(order):
        before, after = {"order": list(was or ())}, {"order": list(order)}
        record.note(step, by, What.channel_order, person_id, before=before, after=after)


def addresses(step: Step, person_id: UUID) -> list[Any]:
    """The person's addresses in the order in which they are tried, with why one is blocked."""
    return step.all(ADDRESSES, me=person_id)


def add_address(
    step: Step, person_id: UUID, channel: str, given: str, by: By, *, vouched: bool = False
) -> str:
    """Add an address behind the others of its channel, as one that may be used: `vouched` for by an administrator. What
    somebody types otherwise is verified first (`verification.add`). Returns its one form. Raises Invalid, NotFound."""
    value = cleaned(step, channel, given)
    what = What.address_vouched if vouched else What.address_added
    _put(step, person_id, channel, value, by, what)
    step.run(NO_LONGER_WAITS, me=person_id, channel=channel, value=value)
    return value


def restore_address(step: Step, person_id: UUID, channel: str, value: str, by: By) -> None:
    """Put back one that was removed a moment ago and was verified. Raises Invalid."""
    _put(step, person_id, channel, value, by, What.address_added)


def _put(step: Step, person_id: UUID, channel: str, value: str, by: By, what: What) -> None:
    if sum(row.channel == channel for row in addresses(step, person_id)) >= MOST_ADDRESSES:
        raise _refused(channel, "You have many addresses already; remove one first.")
    if not step.run(ADD, me=person_id, channel=channel, value=value):
        raise _refused(channel, "You have this address already.")
    record.note(step, by, what, person_id, after=record.address(channel, value))


def cleaned(step: Step, channel: str, given: str) -> str:
    """The one form of an address that somebody types; a number without its country is of the office's own. Raises Invalid,
    which names the field, and NotFound."""
    field = next((one.address for one in channels() if one.name == channel), None)
    if field is None:
        raise NotFound("There is no channel like that.")
    if field.within:
        zone = step.one("SELECT zone FROM organisation WHERE id = :org").zone
        given = field.within(given, region(zone))
    try:
        return field.clean(given, hub().env != "production")
    except ValueError as error:
        raise _refused(channel, str(error)) from None


def _refused(channel: str, message: str) -> Invalid:
    return Invalid("The address cannot be used.", FieldError(channel, message))


def remove_address(step: Step, person_id: UUID, address_id: UUID, by: By) -> Any:
    """Forget an address; returns its channel and value. Raises NotFound."""
    row = _own(step, person_id, address_id)
    step.run("DELETE FROM address WHERE organisation_id = :org AND id = :id", id=address_id)
    record.note(step, by, What.address_removed, person_id, before=record.address(row.channel, row.value))
    return row


def earlier(step: Step, person_id: UUID, address_id: UUID, by: By, *, later: bool = False) -> None:
    """Try an address before the one that was tried before it, or after the next. Raises NotFound."""
    row = _own(step, person_id, address_id)
    order = [one.id for one in addresses(step, person_id) if one.channel == row.channel]
    here = order.index(address_id)
    there = min(max(here + (1 if later else -1), 0), len(order) - 1)
    if here == there:
        return
    order[here], order[there] = order[there], order[here]
    step.run(PLACE, me=person_id, ids=order)
    shown = record.address(row.channel, row.value)
    before, after = {**shown, "place": here + 1}, {**shown, "place": there + 1}
    record.note(step, by, What.address_moved, person_id, before=before, after=after)


def _own(step: Step, person_id: UUID, address_id: UUID) -> Any:
    row = step.one(ONE, me=person_id, id=address_id)
    if row is None:
        raise NotFound("There is no such address among yours.")
    return row
