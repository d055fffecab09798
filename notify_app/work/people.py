"""People as sources name them: found or made by (organisation, source, external id), their addresses kept current.

An address that cannot be used is kept as it came: the delivery to it fails and says so (A9), which is seen,
while a refused webhook would lose the repair itself.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from notify_app.domains.base import PersonRef
from notify_app.domains.inputs import PersonIn
from notify_app.pipeline.step import Step

__all__ = ["by_ids", "find", "office", "resolve"]

UPSERT = text(
    """
    INSERT INTO person (organisation_id, source_id, external_id, name, role, zone, locale)
    VALUES (:org, :source, :external, :name, :role, :zone, :locale)
    ON CONFLICT ON CONSTRAINT uq_person_external DO UPDATE
    SET name = coalesce(:given_name, person.name), zone = coalesce(:zone, person.zone),
        locale = coalesce(:locale, person.locale), left_at = NULL
    RETURNING id, name, role
    """
)


def resolve(step: Step, source_id: UUID, given: PersonIn, role: str) -> PersonRef:
    """The person that the source means; made on first sight with `role`, brought up to date after."""
    row = step.one(
        UPSERT,
        source=source_id,
        external=given.id,
        name=given.name or given.id,
        given_name=given.name,
        role=role,
        zone=given.zone,
        locale=given.locale,
    )
    for channel, value in (("email", given.email), ("sms", given.phone)):
        if value is not None:
            _replace_address(step, row.id, channel, value)
    phone = given.phone or _phone(step, row.id)
    return PersonRef(row.id, row.name, row.role, phone)


def _replace_address(step: Step, person_id: UUID, channel: str, value: str) -> None:
    """The source's address replaces the one that it gave before and becomes the first; what the person added stays."""
    if not value:
        return
    keys = {"person": person_id, "channel": channel, "value": value}
    known = step.one(
        "SELECT 1 FROM address WHERE organisation_id = :org AND person_id = :person AND channel = :channel "
        "AND value = :value AND position = 0 AND from_source",
        **keys,
    )
    if known:
        return
    step.run(
        "DELETE FROM address WHERE organisation_id = :org AND person_id = :person AND channel = :channel "
        "AND value <> :value AND from_source",
        **keys,
    )
    step.run(
        "UPDATE address SET position = position + 1 WHERE organisation_id = :org AND person_id = :person "
        "AND channel = :channel AND value <> :value",
        **keys,
    )
    step.run(
        "INSERT INTO address (organisation_id, person_id, channel, value, from_source) "
        "VALUES (:org, :person, :channel, :value, true) "
        "ON CONFLICT ON CONSTRAINT uq_address_value DO UPDATE SET position = 0, from_source = true",
        **keys,
    )


def _phone(step: Step, person_id: UUID) -> str:
    row = step.one(
        "SELECT value FROM address WHERE organisation_id = :org AND person_id = :person AND channel = 'sms' "
        "ORDER BY position, id LIMIT 1",
        person=person_id,
    )
    return row.value if row else ""


def find(
    step: Step, source_id: UUID | None, external_id: str | None, person_id: str | None
) -> PersonRef | None:
    """A known person, by the source's id or the hub's own; None if there is none here or they have left."""
    row = step.one(
        "SELECT id FROM person WHERE organisation_id = :org AND left_at IS NULL AND "
        "((source_id = :source AND external_id = :external) OR id = CAST(:person AS uuid))",
        source=source_id,
        external=external_id,
        person=person_id,
    )
    return by_ids(step, [row.id])[row.id] if row else None


def by_ids(step: Step, ids: list[UUID]) -> dict[UUID, PersonRef]:
    """People of this organisation by id; unknown ones are left out."""
    rows = step.all(
        "SELECT p.id, p.name, p.role, coalesce((SELECT value FROM address a WHERE a.organisation_id = :org "
        "AND a.person_id = p.id AND a.channel = 'sms' ORDER BY position, id LIMIT 1), '') AS phone "
        "FROM person p WHERE p.organisation_id = :org AND p.id = ANY(:ids)",
        ids=ids,
    )
    return {row.id: PersonRef(row.id, row.name, row.role, row.phone) for row in rows}


def office(step: Step) -> list[UUID]:
    """Managers and administrators."""
    rows = step.all(
        "SELECT id FROM person WHERE organisation_id = :org AND role IN ('manager', 'administrator') AND left_at IS NULL"
    )
    return [row.id for row in rows]
