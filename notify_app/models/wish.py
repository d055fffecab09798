"""What people and offices want: preferences, quiet hours, digests, who stands in for whom, the office's own templates."""

from __future__ import annotations

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, big, identity, moment, of_organisation, states
from notify_app.models.record import Who

__all__ = ["Absence", "Digest", "Preference", "PreferenceChoice", "Template", "TemplateVersion"]


class Preference(Scoped, Base):
    """A person's quiet hours and digest; made with its defaults (neither) on first need."""

    __tablename__ = "preference"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    quiet_from: Mapped[time | None]
    quiet_until: Mapped[time | None]
    # days of the week on which the window begins, Monday = 0
    quiet_days: Mapped[list[int]] = mapped_column(
        ARRAY(SmallInteger), server_default=sql("'{0,1,2,3,4,5,6}'")
    )
    updated_at: Mapped[datetime] = moment()
    # how often a digest comes (none: never), at what time, on which day of the week; which categories come in it are
    # choices of the channel `digest`
    digest_rhythm: Mapped[str | None]
    digest_time: Mapped[time] = mapped_column(server_default=sql("'09:00'"))
    digest_day: Mapped[int] = mapped_column(SmallInteger, server_default=sql("0"))
    # when the next one is due, and from where it goes: a time, and the person's counter, which alone is exact
    digest_due_at: Mapped[datetime | None]
    digest_since: Mapped[datetime | None]
    digest_seq: Mapped[int | None] = mapped_column(BigInteger)
    # their own order of the channels, the first first; none: the hub's
    channel_order: Mapped[list[str] | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "person_id"], ["person.organisation_id", "person.id"], ondelete="CASCADE"
        ),
        CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name="quiet"),
        CheckConstraint("digest_rhythm IN ('hourly', 'daily', 'weekly')", name="rhythm"),
        CheckConstraint("digest_day BETWEEN 0 AND 6", name="digest_day"),
        CheckConstraint(
            "num_nulls(digest_rhythm, digest_due_at, digest_since, digest_seq) IN (0, 4)", name="digest"
        ),
        # read by the digest sweep
        Index("ix_preference_digest", "digest_due_at", postgresql_where=sql("digest_due_at IS NOT NULL")),
    )


class PreferenceChoice(Scoped, Base):
    """One switch: `scope` is `category:<name>` or `event:<name>`; an event's choice beats its category's. No row: on; of
    the channel `digest`, which says what comes in one, off."""

    __tablename__ = "preference_choice"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    enabled: Mapped[bool]

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "person_id"], ["person.organisation_id", "person.id"], ondelete="CASCADE"
        ),
        CheckConstraint("scope LIKE 'category:%' OR scope LIKE 'event:%'", name="scope"),
    )


class Absence(Scoped, Base):
    """Somebody is away for a time; what reaches them goes to the substitute, if they have named one."""

    __tablename__ = "absence"

    id: Mapped[UUID] = identity()
    person_id: Mapped[UUID]
    substitute_id: Mapped[UUID | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = moment()

    __table_args__ = (
        ForeignKeyConstraint(["organisation_id", "person_id"], ["person.organisation_id", "person.id"]),
        ForeignKeyConstraint(["organisation_id", "substitute_id"], ["person.organisation_id", "person.id"]),
        ForeignKeyConstraint(["organisation_id", "created_by"], ["person.organisation_id", "person.id"]),
        CheckConstraint("starts_at < ends_at", name="times"),
        CheckConstraint("substitute_id <> person_id", name="other"),
        Index("ix_absence_person", "organisation_id", "person_id", "ends_at"),
        # read by the cover sweep
        Index("ix_absence_ends", "ends_at"),
    )


class Digest(Scoped, Base):
    """One digest that somebody had: what it is of, and the delivery that carries it. One for each person and period."""

    __tablename__ = "digest"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    period_start: Mapped[datetime] = mapped_column(primary_key=True)
    period_end: Mapped[datetime]
    # the person's counter up to which it goes; the next one goes on from there
    until_seq: Mapped[int] = big()
    delivery_id: Mapped[UUID]
    carried: Mapped[int]

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "person_id"], ["person.organisation_id", "person.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["organisation_id", "delivery_id"],
            ["delivery.organisation_id", "delivery.id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint("organisation_id", "delivery_id", name="uq_digest_delivery"),
        CheckConstraint("period_start < period_end", name="period"),
        CheckConstraint("carried > 0", name="carried"),
    )


class Template(Scoped, Base):
    """An office's own wording for one event: a field that is null falls back to the pack's file; an inactive row
    switches the event off. `requires` adds to the fields that the event must carry, it cannot remove."""

    __tablename__ = "template"

    id: Mapped[UUID] = identity()
    event: Mapped[str]
    locale: Mapped[str] = mapped_column(server_default="en")
    version: Mapped[int] = mapped_column(Integer, server_default=sql("1"))
    active: Mapped[bool] = mapped_column(server_default=sql("true"))
    title: Mapped[str | None]
    text: Mapped[str | None]
    subject: Mapped[str | None]
    email_html: Mapped[str | None]
    email_text: Mapped[str | None]
    sms: Mapped[str | None]
    action_url: Mapped[str | None]
    priority: Mapped[int | None] = mapped_column(SmallInteger)
    category: Mapped[str | None]
    requires: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"))
    updated_at: Mapped[datetime] = moment()
    # since when this version could not be used, why, and when the office was told so
    broken_at: Mapped[datetime | None]
    broken_why: Mapped[str | None]
    broken_told_at: Mapped[datetime | None]

    __table_args__ = (
        of_organisation(),
        UniqueConstraint("organisation_id", "event", "locale", name="uq_template_event"),
        CheckConstraint("priority BETWEEN 1 AND 4", name="priority"),
        # read by the sweep that warns
        Index(
            "ix_template_broken",
            "organisation_id",
            postgresql_where=sql("broken_at IS NOT NULL AND broken_told_at IS NULL"),
        ),
    )


class TemplateVersion(Scoped, Base):
    """A template as it once was saved, by whom and when. The application may add versions and read them."""

    __tablename__ = "template_version"

    event: Mapped[str] = mapped_column(primary_key=True)
    locale: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    active: Mapped[bool]
    title: Mapped[str | None]
    text: Mapped[str | None]
    subject: Mapped[str | None]
    email_html: Mapped[str | None]
    email_text: Mapped[str | None]
    sms: Mapped[str | None]
    action_url: Mapped[str | None]
    priority: Mapped[int | None] = mapped_column(SmallInteger)
    category: Mapped[str | None]
    requires: Mapped[list[str]]
    who: Mapped[str]
    author_id: Mapped[UUID | None]
    saved_at: Mapped[datetime] = moment()

    __table_args__ = (
        of_organisation(),
        ForeignKeyConstraint(["organisation_id", "author_id"], ["person.organisation_id", "person.id"]),
        CheckConstraint(f"who IN ({states(Who)})", name="who"),
    )
