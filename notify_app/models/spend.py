"""What SMS cost an organisation: what it may spend, what it has spent, and what is about to be sent.

All amounts are US dollars and estimates by the price list (`policy.sms`); a provider's invoice decides.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, moment, of_organisation

__all__ = ["SmsBudget", "SmsHold", "SmsSpent"]


class SmsBudget(Scoped, Base):
    """What an organisation may spend in a month of its own time zone, and in a day where that is set. `reserve` is the
    share in percent that only what is urgent may use. `..._refused_at`: when an SMS last did not leave for want of it."""

    __tablename__ = "sms_budget"

    month_usd: Mapped[Decimal]
    day_usd: Mapped[Decimal | None]
    reserve: Mapped[int] = mapped_column(SmallInteger, server_default=text("15"))
    month_refused_at: Mapped[datetime | None]
    day_refused_at: Mapped[datetime | None]
    changed_at: Mapped[datetime] = moment()

    __table_args__ = (
        of_organisation(),
        CheckConstraint("month_usd >= 0 AND day_usd >= 0", name="amounts"),
        CheckConstraint("reserve BETWEEN 0 AND 50", name="reserve"),
    )


class SmsSpent(Scoped, Base):
    """What was spent on a day of the organisation's own time zone, by country and event: settlement adds to it in the
    statement that settles (`pipeline.sql.SETTLE`). A message in doubt counts, since it may have arrived."""

    __tablename__ = "sms_spent"

    day: Mapped[date] = mapped_column(primary_key=True)
    country: Mapped[str] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(primary_key=True)
    messages: Mapped[int] = mapped_column(Integer)
    segments: Mapped[int] = mapped_column(Integer)
    cost_usd: Mapped[Decimal]

    __table_args__ = (of_organisation(), {"postgresql_with": {"fillfactor": "50"}})


class SmsHold(Scoped, Base):
    """What the messages of one claim would cost that are about to be sent and not settled yet. It counts as long as one of
    them is; so nothing has to give it back when a worker dies."""

    __tablename__ = "sms_hold"

    token: Mapped[UUID] = mapped_column(primary_key=True)
    cost_usd: Mapped[Decimal]

    __table_args__ = (of_organisation(),)
