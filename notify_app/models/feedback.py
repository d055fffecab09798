"""What came back: messages of providers, what they report of ours, and the codes by which an SMS is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, identity, moment, of_organisation

__all__ = ["Feedback", "ProviderMessage", "ReplyCode"]

HEARD = ("delayed", "soft_bounce", "rejected", "hard_bounce", "opted_out", "complaint")


class ProviderMessage(Base):
    """A message of a provider that was taken, by its own id: once. `waiting` is what is still to be done with it, at
    `next_look_at`; afterwards nothing of its content is left."""

    __tablename__ = "provider_message"

    id: Mapped[str] = mapped_column(primary_key=True)
    topic: Mapped[str]
    received_at: Mapped[datetime] = moment()
    waiting: Mapped[dict[str, Any] | None]
    next_look_at: Mapped[datetime | None]

    __table_args__ = (
        # read by the clean-up sweep
        Index("ix_provider_message_received", "received_at"),
        # read by the feedback sweep
        Index("ix_provider_message_waiting", "next_look_at", postgresql_where=text("waiting IS NOT NULL")),
    )


class Feedback(Scoped, Base):
    """One trouble that was reported of one delivery, once. `counts`: it counts towards blocking its address, until the
    office lets that be written to again."""

    __tablename__ = "feedback"

    id: Mapped[UUID] = identity()
    delivery_id: Mapped[UUID | None]
    channel: Mapped[str]
    address: Mapped[str]
    heard: Mapped[str]
    provider: Mapped[str]
    detail: Mapped[str] = mapped_column(server_default="")
    counts: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = moment()

    __table_args__ = (
        of_organisation(),
        ForeignKeyConstraint(
            ["organisation_id", "delivery_id"],
            ["delivery.organisation_id", "delivery.id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint("organisation_id", "delivery_id", "heard", name="uq_feedback_matter"),
        CheckConstraint(f"heard IN ({', '.join(repr(one) for one in HEARD)})", name="heard"),
        # read by the auditor: of all organisations, lately
        Index("ix_feedback_recent", "created_at"),
        Index("ix_feedback_address", "organisation_id", "channel", "address", "created_at"),
    )


class ReplyCode(Scoped, Base):
    """The code in an SMS with which its reader acknowledges its event, from that number only."""

    __tablename__ = "reply_code"

    number: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    event_id: Mapped[UUID]
    expires_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "person_id"], ["person.organisation_id", "person.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["organisation_id", "event_id"], ["event.organisation_id", "event.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("organisation_id", "event_id", "number", name="uq_reply_code_event"),
        Index("ix_reply_code_number", "number", "code"),
        # read by the clean-up sweep
        Index("ix_reply_code_expires", "expires_at"),
    )
