"""Systems that an organisation has told what it tells: outgoing webhook endpoints."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, LargeBinary, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, identity, moment, of_organisation, states

__all__ = ["DisabledWhy", "Endpoint"]


class DisabledWhy(StrEnum):
    """Why the hub itself has switched one off."""

    failing = "failing"
    gone = "gone"


class Endpoint(Scoped, Base):
    """Where an organisation's events are posted. Address and secrets are encrypted (`secrets.py`); `host` is what of the
    address may be seen. What is removed keeps neither; its deliveries stay, and name it.

    `good_at`, `failing_since` (the first failure since then), `failed_at` and `failed_why` are what came of its messages.
    """

    __tablename__ = "endpoint"

    id: Mapped[UUID] = identity()
    name: Mapped[str]
    format: Mapped[str]  # `policy.endpoint.Format`
    url: Mapped[bytes | None] = mapped_column(LargeBinary)
    host: Mapped[str]
    # only the standard format is signed
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None]
    # none: of all categories, also of those that are still to come
    categories: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    least_priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("4"))
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = moment()
    paused_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_why: Mapped[str | None]
    removed_at: Mapped[datetime | None]
    good_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    failed_why: Mapped[str | None]

    __table_args__ = (
        of_organisation(),
        ForeignKeyConstraint(["organisation_id", "created_by"], ["person.organisation_id", "person.id"]),
        CheckConstraint("format IN ('standard', 'slack', 'teams')", name="format"),
        CheckConstraint(f"disabled_why IN ({states(DisabledWhy)})", name="disabled_why"),
        CheckConstraint("(disabled_at IS NULL) = (disabled_why IS NULL)", name="disabled"),
        CheckConstraint("least_priority BETWEEN 1 AND 4", name="priority"),
        CheckConstraint(
            "CASE WHEN removed_at IS NULL THEN url IS NOT NULL ELSE num_nonnulls(url, secret, previous_secret) = 0 END",
            name="forgotten",
        ),
    )
