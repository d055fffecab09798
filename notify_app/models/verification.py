"""Addresses that somebody has typed and nobody has verified yet: nothing is sent to them but the code or link that does."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, identity, moment

__all__ = ["UnverifiedAddress"]


class UnverifiedAddress(Scoped, Base):
    """One of them, with the hashes of what was last sent to it. When it is verified, an `address` takes its place: a row of
    that table is always one that may be used."""

    __tablename__ = "unverified_address"

    id: Mapped[UUID] = identity()
    person_id: Mapped[UUID]
    channel: Mapped[str]
    value: Mapped[str]
    # the address that goes when this one is verified, if it is still there
    instead_of: Mapped[UUID | None]
    # of what was last sent: the message, what verifies, until when, and how often the code was guessed
    delivery_id: Mapped[UUID | None]
    code_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    link_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=sql("0"))
    # when it was typed, or last sent to: from here its time to be forgotten counts
    touched_at: Mapped[datetime] = moment()
    created_at: Mapped[datetime] = moment()

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "person_id"], ["person.organisation_id", "person.id"], ondelete="CASCADE"
        ),
        UniqueConstraint(
            "organisation_id", "person_id", "channel", "value", name="uq_unverified_address_value"
        ),
        CheckConstraint("num_nulls(delivery_id, code_hash, expires_at) IN (0, 3)", name="sent"),
        Index("ix_unverified_address_touched", "touched_at"),
    )
