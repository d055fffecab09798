"""What people write to each other, now or for a time; what is answered to an event that asks; the installation."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, identity, moment, of_organisation, states

__all__ = ["Answer", "Installation", "WrittenMessage", "WrittenState"]


class WrittenState(StrEnum):
    """scheduled until its time; then sent, or failed (the error says why); or cancelled before."""

    scheduled = "scheduled"
    sent = "sent"
    cancelled = "cancelled"
    failed = "failed"


class WrittenMessage(Scoped, Base):
    """What a person has written, or a happening that they have triggered: what it says, for whom, and when it leaves.

    `audience` holds words (`everyone`, `role:technician`, `grade:A`, `person:<id>`), never a list of who that was:
    people are found when it leaves. `again_of` is the event of a roll-call that is told again to the silent.
    """

    __tablename__ = "written_message"

    id: Mapped[UUID] = identity()
    # of the form that it was written in: sent twice, it is still one message
    form_key: Mapped[str]
    author_id: Mapped[UUID]
    event: Mapped[str]
    # the happening that it reports; '' for a message in one's own words
    happening: Mapped[str] = mapped_column(server_default="")
    priority: Mapped[int | None] = mapped_column(SmallInteger)
    facts: Mapped[dict[str, Any]]
    audience: Mapped[list[str]]
    item_id: Mapped[UUID | None]
    again_of: Mapped[UUID | None]
    due_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="scheduled")
    error: Mapped[str | None]
    event_id: Mapped[UUID | None]
    cancelled_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = moment()
    settled_at: Mapped[datetime | None]

    __table_args__ = (
        of_organisation(),
        ForeignKeyConstraint(["organisation_id", "author_id"], ["person.organisation_id", "person.id"]),
        ForeignKeyConstraint(["organisation_id", "item_id"], ["work_item.organisation_id", "work_item.id"]),
        ForeignKeyConstraint(["organisation_id", "again_of"], ["event.organisation_id", "event.id"]),
        ForeignKeyConstraint(["organisation_id", "event_id"], ["event.organisation_id", "event.id"]),
        ForeignKeyConstraint(["organisation_id", "cancelled_by"], ["person.organisation_id", "person.id"]),
        UniqueConstraint("organisation_id", "author_id", "form_key", name="uq_written_message_form"),
        CheckConstraint(f"state IN ({states(WrittenState)})", name="state"),
        CheckConstraint("priority BETWEEN 1 AND 4", name="priority"),
        CheckConstraint("(state = 'sent') = (event_id IS NOT NULL)", name="sent"),
        # read by the scheduled sweep
        Index("ix_written_message_due", "due_at", postgresql_where=text("state = 'scheduled'")),
        # the list of what was written
        Index("ix_written_message_recent", "organisation_id", "created_at", "id"),
        # which roll-call an event belongs to, and which events a roll-call has
        Index("ix_written_message_event", "organisation_id", "event_id"),
        Index(
            "ix_written_message_again",
            "organisation_id",
            "again_of",
            postgresql_where=text("again_of IS NOT NULL"),
        ),
    )


class Answer(Scoped, Base):
    """What somebody has answered to an event that asks. Never altered: the last one counts, the others are history.

    `event_id` is the first event of the roll-call, `notification_id` the line that was answered.
    """

    __tablename__ = "answer"

    id: Mapped[UUID] = identity()
    event_id: Mapped[UUID]
    person_id: Mapped[UUID]
    notification_id: Mapped[UUID]
    name: Mapped[str]
    answered_at: Mapped[datetime] = moment()

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "event_id"], ["event.organisation_id", "event.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["organisation_id", "person_id"], ["person.organisation_id", "person.id"]),
        ForeignKeyConstraint(
            ["organisation_id", "notification_id"],
            ["notification.organisation_id", "notification.id"],
            ondelete="CASCADE",
        ),
        Index("ix_answer_event", "organisation_id", "event_id", "person_id", "id"),
        # read when a notification goes (the tidy sweep)
        Index("ix_answer_notification", "organisation_id", "notification_id"),
    )


class Installation(Base):
    """The switches of the whole installation: one row, or none while nothing was ever switched."""

    __tablename__ = "installation"

    one: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    notifications_on: Mapped[bool] = mapped_column(server_default=text("true"))
    escalations_on: Mapped[bool] = mapped_column(server_default=text("true"))
    changed_at: Mapped[datetime] = moment()

    __table_args__ = (CheckConstraint("one", name="one"),)
