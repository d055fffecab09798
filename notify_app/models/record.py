"""The record of changes: what was changed about people and by the office, by whom, from what to what (C7)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped

from notify_app.models.base import Base, Scoped, identity, moment, of_organisation, states

__all__ = ["Audit", "Who"]


class Who(StrEnum):
    """Who changed something: a person on a page, a program with a person's key, whoever runs the hub by a command,
    somebody behind a link."""

    person = "person"
    key = "key"
    command = "command"
    link = "link"


class Audit(Scoped, Base):
    """One change, written in its transaction and never altered: the application may add lines and read them.

    `what` is named by `work.record.What`; without a CHECK, so that something new to record needs no migration. `before`
    and `after` hold what differs, and nothing that an erasure would have to take out.
    """

    __tablename__ = "audit"

    id: Mapped[UUID] = identity()
    at: Mapped[datetime] = moment()
    who: Mapped[str]
    actor_id: Mapped[UUID | None]
    what: Mapped[str]
    subject_id: Mapped[UUID | None]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]

    __table_args__ = (
        of_organisation(),
        ForeignKeyConstraint(["organisation_id", "actor_id"], ["person.organisation_id", "person.id"]),
        ForeignKeyConstraint(["organisation_id", "subject_id"], ["person.organisation_id", "person.id"]),
        CheckConstraint(f"who IN ({states(Who)})", name="who"),
        CheckConstraint("(actor_id IS NOT NULL) = (who IN ('person', 'key'))", name="actor"),
        # the page, and what it shows of one person
        Index("ix_audit_recent", "organisation_id", "at", "id"),
        Index(
            "ix_audit_subject",
            "organisation_id",
            "subject_id",
            "at",
            "id",
            postgresql_where=text("subject_id IS NOT NULL"),
        ),
        Index(
            "ix_audit_actor",
            "organisation_id",
            "actor_id",
            "at",
            "id",
            postgresql_where=text("actor_id IS NOT NULL"),
        ),
    )
