"""How the hub itself is: what the auditor has found, when it looked, which processes live, when each sweep ran.

Times that are compared with real intervals (signs of life, turns, runs) are real ones; what pages show of a finding is
the hub's time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Float, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, identity, moment, of_organisation

__all__ = ["AuditFinding", "AuditRun", "ProcessBeat", "ProviderAccount", "ProviderShare", "SweepRun"]


def real_moment() -> Mapped[datetime]:
    """A time that defaults to real time."""
    return mapped_column(server_default=text("clock_timestamp()"))


class AuditFinding(Scoped, Base):
    """Something that is not as it should be, from the look that found it to the one that did not any more. What concerns
    the whole installation is a row of each organisation, in words that name none.

    `name` is the check, `subject` what it is about (a channel, a queue, a person), `found` how much of it (of `total`),
    `oldest_at` since when the oldest of it waits. `told_at`: administrators were told; `well_at`: and that it is over.
    """

    __tablename__ = "audit_finding"

    id: Mapped[UUID] = identity()
    name: Mapped[str]
    subject: Mapped[str] = mapped_column(server_default="")
    found: Mapped[int] = mapped_column(Integer)
    total: Mapped[int | None] = mapped_column(Integer)
    oldest_at: Mapped[datetime | None]
    since: Mapped[datetime] = moment()
    seen_at: Mapped[datetime] = moment()
    cleared_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    well_at: Mapped[datetime | None]

    __table_args__ = (
        of_organisation(),
        # one of each is open at a time; read by the auditor, the warn sweep and the pages
        Index(
            "uq_audit_finding_open",
            "organisation_id",
            "name",
            "subject",
            unique=True,
            postgresql_where=text("cleared_at IS NULL"),
        ),
        # read by the warn sweep: what was told and is over
        Index(
            "ix_audit_finding_over",
            "organisation_id",
            postgresql_where=text("told_at IS NOT NULL AND well_at IS NULL AND cleared_at IS NOT NULL"),
        ),
        # the page's list of what is well again, and the clean-up sweep
        Index("ix_audit_finding_cleared", "organisation_id", "cleared_at"),
    )


class AuditRun(Base):
    """The auditor's one row: whose turn the last look was, when it ended, how far its samples are."""

    __tablename__ = "audit_run"

    one: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    began_at: Mapped[datetime] = real_moment()
    taken_at: Mapped[datetime] = real_moment()
    done_at: Mapped[datetime | None]
    # the same moment on the hub's clock, for pages
    looked_at: Mapped[datetime | None]
    seconds: Mapped[float | None] = mapped_column(Float)
    # the last person whose inbox was sampled
    cursor: Mapped[UUID | None]
    # how many jobs wait in each queue of Redis; null when Redis did not answer
    queues: Mapped[dict[str, Any] | None]
    pinged_at: Mapped[datetime | None]
    ping_error: Mapped[str | None]

    __table_args__ = (CheckConstraint("one", name="one"),)


class ProcessBeat(Base):
    """A sign of life of one process: a worker with its queues, or the scheduler."""

    __tablename__ = "process_beat"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    queues: Mapped[list[str]]
    started_at: Mapped[datetime] = real_moment()
    seen_at: Mapped[datetime] = real_moment()

    __table_args__ = (CheckConstraint("kind IN ('worker', 'scheduler')", name="kind"),)


class SweepRun(Base):
    """When a sweep last ran to its end, for how long and how much it did; `failed_at` when it last did not."""

    __tablename__ = "sweep_run"

    name: Mapped[str] = mapped_column(primary_key=True)
    ended_at: Mapped[datetime | None]
    seconds: Mapped[float | None] = mapped_column(Float)
    done: Mapped[int | None] = mapped_column(Integer)
    failed_at: Mapped[datetime | None]
    error: Mapped[str | None]


class ProviderAccount(Base):
    """How an account of a channel stands with its provider (`policy.provider`), and the places of its rate; all workers
    share it. A row is made at the first trouble, or with the first place taken."""

    __tablename__ = "provider_account"

    channel: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    in_a_row: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    calls: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    troubles: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    since: Mapped[datetime | None]
    pauses: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    paused_until: Mapped[datetime | None]
    # one message of one worker tries it until then
    probe_until: Mapped[datetime | None]
    # the code of the last trouble; never its words, in which there may be an address
    error: Mapped[str | None]
    changed_at: Mapped[datetime] = moment()
    places: Mapped[float | None] = mapped_column(Float)
    filled_at: Mapped[datetime | None]
    # the share of its rate that was left when it last wanted to be asked less often; from then on it recovers
    slowed_to: Mapped[float | None] = mapped_column(Float)
    slowed_at: Mapped[datetime | None]


class ProviderShare(Base):
    """The places of one office in the rate of a provider's account, so that its many leave room for others' few. It is the
    machinery's own and says nothing of the office but that it has sent; no organisation can read it."""

    __tablename__ = "provider_share"

    channel: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    office: Mapped[UUID] = mapped_column(primary_key=True)
    places: Mapped[float] = mapped_column(Float)
    filled_at: Mapped[datetime]
