"""Who belongs to the organisation, as its administrators keep it: added, changed, marked as left, and back.

Each change has its line in the record (`work.record`). Nobody is deleted: who has left stays as the name in the history.
The last administrator who signs in can neither leave nor become something else, or nobody could put it right. Who signs in
is `joining`'s, what a source says of its own people is `people.resolve`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from notify_app.domains.base import GRADES, ROLES
from notify_app.domains.inputs import Line, Zone
from notify_app.errors import FieldError, Invalid, NotFound, Refused
from notify_app.ids import new_id
from notify_app.live.announce import Changed
from notify_app.pipeline import digest
from notify_app.pipeline.retime import retime
from notify_app.pipeline.step import Step
from notify_app.policy.channel import channels
from notify_app.work import joining, ladders, record, verification, wishes
from notify_app.work.record import By, What

__all__ = ["add", "change", "come_back", "leave", "part"]

ONE = "SELECT * FROM person WHERE organisation_id = :org AND id = :id FOR NO KEY UPDATE"
# locked in the order of ids: of two administrators who demote each other the second is refused
ADMINISTRATORS = """
    SELECT id FROM person WHERE organisation_id = :org AND role = 'administrator' AND left_at IS NULL AND account_id IS NOT NULL
    ORDER BY id FOR NO KEY UPDATE
"""

DISCONNECT = """
    DELETE FROM address WHERE organisation_id = :org AND person_id = :id AND channel = ANY(:channels) RETURNING channel, value
"""


def add(step: Step, values: Mapping[str, str], by: By) -> UUID:
    """A new person: name and role, grade, zone, an email address and a phone number where they are known; without a
    sign-in. The addresses are verified first, unless the administrator knows that they are theirs (`vouched`). Raises Invalid,
    which names each field."""
    columns = _checked(values)
    person_id = new_id()
    step.insert("person", [{"id": person_id, **columns}])
    told = {name: value for name, value in columns.items() if value and name != "name"}
    record.note(step, by, What.person_added, person_id, after=told)
    problems: list[FieldError] = []
    for channel, name in _address_fields():
        if given := values.get(name, "").strip():
            try:
                if values.get("vouched"):
                    wishes.add_address(step, person_id, channel, given, by, vouched=True)
                else:
                    verification.begin(step, person_id, channel, given, by)
            except Invalid as error:
                problems += [FieldError(name, one.message) for one in error.fields]
    if problems:
        raise Invalid("The person cannot be added yet.", *problems)
    _changed(step)
    return person_id


def _address_fields() -> list[tuple[str, str]]:
    """Each channel whose address is typed, with the name of its field in the form."""
    return [(one.name, one.address.named or one.name) for one in channels() if one.address]


def change(step: Step, person_id: UUID, values: Mapping[str, str], by: By) -> None:
    """Name, role, grade, zone. Raises NotFound, Invalid, Refused (the last administrator)."""
    columns = _checked(values)
    if columns["role"] != "administrator":
        _not_the_last(step, person_id)
    known = _one(step, person_id)
    step.run(
        "UPDATE person SET name = :name, role = :role, grade = :grade, zone = :zone WHERE organisation_id = :org AND id = :id",
        id=person_id,
        **columns,
    )
    _note_changes(step, person_id, {name: getattr(known, name) for name in columns}, columns, by)
    digest.replan(step, [person_id])
    retime(step, [person_id])
    _changed(step)


def _note_changes(
    step: Step, person_id: UUID, known: Mapping[str, Any], now: Mapping[str, Any], by: By
) -> None:
    """A line for each that differs; a name is not written down a second time."""
    before, after = record.differing(known, now)
    for name in after:
        values = {} if name == "name" else {"before": {name: before[name]}, "after": {name: after[name]}}
        record.note(step, by, What(f"person.{name}"), person_id, **values)


def leave(step: Step, person_id: UUID, by: By) -> str:
    """From now on they are told nothing, cannot sign in here, and see to nothing; the name. Raises NotFound, Refused."""
    _not_the_last(step, person_id)
    row = _one(step, person_id)
    left = step.run(
        "UPDATE person SET left_at = :now WHERE organisation_id = :org AND id = :id AND left_at IS NULL",
        id=person_id,
        now=step.now,
    )
    if left:
        joining.withdraw(step, person_id, by)
        ladders.give_back(step, person_id)
        record.note(step, by, What.person_left, person_id)
    _changed(step)
    return str(row.name)


def come_back(step: Step, person_id: UUID, by: By) -> str:
    """They belong here again, with the sign-in that they had; the name. Raises NotFound."""
    row = _one(step, person_id)
    step.run("UPDATE person SET left_at = NULL WHERE organisation_id = :org AND id = :id", id=person_id)
    if row.left_at is not None:
        record.note(step, by, What.person_back, person_id)
    _changed(step)
    return str(row.name)


def part(step: Step, person_id: UUID, by: By) -> str:
    """They do not sign in here any more, nor by an invitation that waits; messages reach them by the addresses that somebody has
    typed, and no more by the browsers and chats of whoever signed in. The name. Raises NotFound, Refused."""
    _not_the_last(step, person_id)
    row = _one(step, person_id)
    joining.withdraw(step, person_id, by)
    step.run("UPDATE person SET account_id = NULL WHERE organisation_id = :org AND id = :id", id=person_id)
    for gone in step.all(DISCONNECT, id=person_id, channels=[one.name for one in channels() if one.forgets]):
        record.note(
            step, by, What.address_removed, person_id, before=record.address(gone.channel, gone.value)
        )
    if row.account_id is not None:
        record.note(step, by, What.person_parted, person_id)
    _changed(step)
    return str(row.name)


def _one(step: Step, person_id: UUID) -> Any:
    row = step.one(ONE, id=person_id)
    if row is None:
        raise NotFound("There is nobody like that here.")
    return row


def _not_the_last(step: Step, person_id: UUID) -> None:
    if [row.id for row in step.all(ADMINISTRATORS)] == [person_id]:
        raise Refused("This is the last administrator who signs in. Make somebody else one first.")


def _changed(step: Step) -> None:
    step.news.append(Changed(step.organisation_id, "people"))


def _checked(values: Mapping[str, str]) -> dict[str, Any]:
    problems: list[FieldError] = []
    name = _read(
        Line, values.get("name", ""), "name", "Give a name, on one line of up to 200 letters.", problems
    )
    zone = values.get("zone", "").strip()
    if zone:
        zone = _read(Zone, zone, "zone", "Choose a time zone from the list.", problems)
    role, grade = values.get("role", ""), values.get("grade", "")
    if role not in ROLES:
        problems.append(FieldError("role", "Choose a role from the list."))
    if grade and grade not in GRADES:
        problems.append(FieldError("grade", "Choose a grade from the list."))
    if problems:
        raise Invalid("Something cannot be used.", *problems)
    return {"name": name, "role": role, "grade": grade or None, "zone": zone or None}


def _read(kind: Any, value: str, field: str, advice: str, problems: list[FieldError]) -> str:
    try:
        return str(TypeAdapter(kind).validate_python(value.strip()))
    except ValidationError:
        problems.append(FieldError(field, advice))
        return ""
