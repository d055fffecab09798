"""The offset of the hub's clock: one row, which only the owner (tests, the demo) can write."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import CheckConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base

__all__ = ["HubClock"]


class HubClock(Base):
    """`hub_now()` is `clock_timestamp() + ahead`."""

    __tablename__ = "hub_clock"

    one: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    ahead: Mapped[timedelta]

    __table_args__ = (CheckConstraint("one", name="one"),)
