"""Who belongs to the organisation, as its administrators keep it: added, changed, marked as left, and back.

Nobody is deleted: who has left stays as the name in the history. The last administrator who signs in can neither leave
nor become something else, or nobody could put it right. What a source says of its own people is `people.resolve`.
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
from notify_app.pipeline.retime import retime
from notify_app.pipeline.step import Step
from notify_app.work import wishes

__all__ = ["add", "change", "come_back", "join", "leave", "part"]

ONE = "SELECT * FROM person WHERE organisation_id = :org AND id = :id FOR UPDATE"
# locked in the order of ids: of two administrators who demote each other the second is refused
ADMINISTRATORS = """
    SELECT id FROM person WHERE organisation_id = :org AND role = 'administrator' AND left_at IS NULL AND account_id IS NOT NULL
    ORDER BY id FOR UPDATE
"""
ADDRESSES = (("email", "email"), ("sms", "phone"))


def add(step: Step, values: Mapping[str, str]) -> UUID:
    """A new person: name and role, grade, zone, an email address and a phone number where they are known; without a
    sign-in. Raises Invalid, which names each field."""
    columns = _checked(values)
    person_id = new_id()
    step.insert("person", [{"id": person_id, **columns}])
    problems: list[FieldError] = []
    for channel, name in ADDRESSES:
        if given := values.get(name, "").strip():
            try:
                wishes.add_address(step, person_id, channel, given)
            except Invalid as error:
                problems += [FieldError(name, one.message) for one in error.fields]
    if problems:
        raise Invalid("The person cannot be added yet.", *problems)
    _changed(step)
    return person_id


def change(step: Step, person_id: UUID, values: Mapping[str, str]) -> None:
    """Name, role, grade, zone. Raises NotFound, Invalid, Refused (the last administrator)."""
    columns = _checked(values)
    if columns["role"] != "administrator":
        _not_the_last(step, person_id)
    _one(step, person_id)
    step.run(
        "UPDATE person SET name = :name, role = :role, grade = :grade, zone = :zone WHERE organisation_id = :org AND id = :id",
        id=person_id,
        **columns,
    )
    retime(step, [person_id])
    _changed(step)


def leave(step: Step, person_id: UUID) -> str:
    """From now on they are told nothing and cannot sign in here; the name. Raises NotFound, Refused."""
    _not_the_last(step, person_id)
    row = _one(step, person_id)
    step.run(
        "UPDATE person SET left_at = :now WHERE organisation_id = :org AND id = :id AND left_at IS NULL",
        id=person_id,
        now=step.now,
    )
    _changed(step)
    return str(row.name)


def come_back(step: Step, person_id: UUID) -> str:
    """They belong here again, with the sign-in that they had; the name. Raises NotFound."""
    row = _one(step, person_id)
    step.run("UPDATE person SET left_at = NULL WHERE organisation_id = :org AND id = :id", id=person_id)
    _changed(step)
    return str(row.name)


def join(step: Step, person_id: UUID, account_id: UUID) -> None:
    """From now on this account is this person. Raises NotFound, Refused (they have left, sign in otherwise, or the account
    is somebody else here)."""
    row = _one(step, person_id)
    if row.left_at is not None:
        raise Refused(f"{row.name} has left. Bring them back first.")
    if row.account_id not in (None, account_id):
        raise Refused(f"{row.name} signs in with another address. Take that sign-in away first.")
    other = step.one(
        "SELECT name FROM person WHERE organisation_id = :org AND account_id = :account AND id <> :id",
        account=account_id,
        id=person_id,
    )
    if other:
        raise Refused(f"This address signs in as {other.name} here already.")
    step.run(
        "UPDATE person SET account_id = :account WHERE organisation_id = :org AND id = :id",
        account=account_id,
        id=person_id,
    )
    _changed(step)


def part(step: Step, person_id: UUID) -> str:
    """They do not sign in here any more; messages reach them by their addresses. The name. Raises NotFound, Refused."""
    _not_the_last(step, person_id)
    row = _one(step, person_id)
    step.run("UPDATE person SET account_id = NULL WHERE organisation_id = :org AND id = :id", id=person_id)
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
