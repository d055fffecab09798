"""The ladders: an organisation's rules, each level that was told, and who has acknowledged a task."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, identity, moment, of_organisation

__all__ = ["Escalation", "EscalationRule", "TaskAcknowledgement"]


class EscalationRule(Scoped, Base):
    """How long the steps of a kind of work may wait, and who hears of it then (`policy.ladder.Ladder`). The more of kind,
    sort and step it names, the more it counts; what it leaves empty, it does not ask."""

    __tablename__ = "escalation_rule"

    id: Mapped[UUID] = identity()
    kind: Mapped[str | None]
    sort: Mapped[str | None]
    step: Mapped[str | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    ladder: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    updated_at: Mapped[datetime] = moment()
    updated_by: Mapped[UUID | None]

    __table_args__ = (
        of_organisation(),
        ForeignKeyConstraint(["organisation_id", "updated_by"], ["person.organisation_id", "person.id"]),
        CheckConstraint("sort IS NULL OR kind IS NOT NULL", name="sort"),
        UniqueConstraint(
            "organisation_id",
            "kind",
            "sort",
            "step",
            name="uq_escalation_rule_scope",
            postgresql_nulls_not_distinct=True,
        ),
    )


class Escalation(Scoped, Base):
    """A level of a task's ladder that was told: when it was due, when it was done, of which event it made, to how many.
    `reason` says why it came before its time ('not_delivered'), or that an acknowledgement lapsed."""

    __tablename__ = "escalation"

    id: Mapped[UUID] = identity()
    task_id: Mapped[UUID]
    level: Mapped[int] = mapped_column(SmallInteger)
    repetition: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime]
    done_at: Mapped[datetime]
    event_id: Mapped[UUID | None]
    told: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(server_default="")

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "task_id"], ["task.organisation_id", "task.id"], ondelete="CASCADE"
        ),
        # a ladder climbs each level once
        UniqueConstraint("organisation_id", "task_id", "level", "repetition", name="uq_escalation_level"),
        # whose ladder an event belongs to: what is acknowledged, what did not arrive
        Index("ix_escalation_event", "organisation_id", "event_id"),
    )


class TaskAcknowledgement(Scoped, Base):
    """Somebody has taken notice of a task: as many as its level asks for stop the ladder."""

    __tablename__ = "task_acknowledgement"

    task_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = moment()

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "task_id"], ["task.organisation_id", "task.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["organisation_id", "person_id"], ["person.organisation_id", "person.id"]),
    )
