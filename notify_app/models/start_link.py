"""The links by which people connect a chat of their own."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, identity, moment

__all__ = ["StartLink"]


class StartLink(Scoped, Base):
    """A link that connects whoever opens it in Telegram with one person, once: the chat that did stands in `chat`.
    `token_hash` is of the random token in the link."""

    __tablename__ = "start_link"

    id: Mapped[UUID] = identity()
    person_id: Mapped[UUID]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = moment()
    expires_at: Mapped[datetime]
    chat: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "person_id"], ["person.organisation_id", "person.id"], ondelete="CASCADE"
        ),
        Index("ix_start_link_person", "organisation_id", "person_id"),
        # read by the clean-up sweep
        Index("ix_start_link_expires", "expires_at"),
    )
