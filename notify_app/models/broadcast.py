"""How far the telling of an event to many has come."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Integer, SmallInteger
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, moment

__all__ = ["Broadcast"]


class Broadcast(Scoped, Base):
    """An event whose people are found by a question and written in chunks: each moves `cursor` on in its own
    transaction, so that a crash resumes exactly there. Beside the event, which is never altered.

    `last_id` is the highest person there was when it began: ids are in order of time, so who joins later lies beyond.
    """

    __tablename__ = "broadcast"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    # whom it is for: everyone, roles, grades or people (`pipeline.crowd.Audience`)
    audience: Mapped[dict[str, Any]]
    priority: Mapped[int] = mapped_column(SmallInteger)
    action_url: Mapped[str] = mapped_column(server_default="")
    # how many there were when it began, how many were decided on so far, and how many of them have a line
    people: Mapped[int] = mapped_column(Integer)
    considered: Mapped[int] = mapped_column(Integer, server_default=sql("0"))
    told: Mapped[int] = mapped_column(Integer, server_default=sql("0"))
    cursor: Mapped[UUID | None]
    last_id: Mapped[UUID]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=sql("0"))
    error: Mapped[str | None]
    created_at: Mapped[datetime] = moment()
    next_chunk_at: Mapped[datetime] = moment()
    done_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "event_id"], ["event.organisation_id", "event.id"], ondelete="CASCADE"
        ),
        CheckConstraint("priority BETWEEN 1 AND 4", name="priority"),
        # read by the route worker after its inbound rows, and by the release sweep
        Index("ix_broadcast_due", "priority", "next_chunk_at", postgresql_where=sql("done_at IS NULL")),
    )
