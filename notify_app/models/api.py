"""Programs that act for a person: their keys, and what they have asked for once."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, identity, moment

__all__ = ["ApiCall", "ApiKey"]


class ApiKey(Scoped, Base):
    """A program's right to act as one person of the organisation: with their role, grade and parts, and no more.

    A key has no role of its own, so that what a person may not do any more, their keys may not either. Of the key
    itself only the SHA-256 is kept, and its last characters (`hint`), by which people tell keys apart.
    """

    __tablename__ = "api_key"

    id: Mapped[UUID] = identity()
    person_id: Mapped[UUID]
    name: Mapped[str]
    hint: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = moment()
    # to the minute: a call is not made slower by a write
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "person_id"], ["person.organisation_id", "person.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["organisation_id", "created_by"], ["person.organisation_id", "person.id"]),
        Index("ix_api_key_person", "organisation_id", "person_id"),
    )


class ApiCall(Scoped, Base):
    """A change that was made under an `Idempotency-Key`, and its answer: the same call again gets it, and changes nothing."""

    __tablename__ = "api_call"

    key_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    answer: Mapped[dict[str, Any] | None]
    # read by the clean-up sweep
    created_at: Mapped[datetime] = moment(index=True)

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "key_id"], ["api_key.organisation_id", "api_key.id"], ondelete="CASCADE"
        ),
    )
