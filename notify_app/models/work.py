"""What the messages are about: what arrived, the items of work, their people and their history."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, identity, moment, of_organisation, states

__all__ = [
    "Change",
    "Inbound",
    "InboundState",
    "ItemPerson",
    "Link",
    "Numbering",
    "Reminder",
    "ReminderState",
    "Task",
    "TaskOutcome",
    "WorkItem",
]


class InboundState(StrEnum):
    """accepted: durable, not yet applied. The others are final: applied, refused by the item's state, stale
    (older than what is known), failed (tried to the end; the error says why)."""

    accepted = "accepted"
    applied = "applied"
    refused = "refused"
    stale = "stale"
    failed = "failed"


class Inbound(Scoped, Base):
    """One webhook message: what the 202 promises. (organisation, source, external id) is the idempotency key."""

    __tablename__ = "inbound"

    id: Mapped[UUID] = identity()
    source_id: Mapped[UUID]
    external_id: Mapped[str]
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    type: Mapped[str]
    body: Mapped[dict[str, Any] | None]
    item_refs: Mapped[list[str]]
    state: Mapped[str] = mapped_column(server_default="accepted")
    error: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    received_at: Mapped[datetime] = moment()
    occurred_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime] = moment()
    settled_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["organisation_id", "source_id"], ["source.organisation_id", "source.id"]),
        UniqueConstraint("organisation_id", "source_id", "external_id", name="uq_inbound_external"),
        CheckConstraint(f"state IN ({states(InboundState)})", name="state"),
        CheckConstraint("(state = 'accepted') = (settled_at IS NULL)", name="settled"),
        # read by the route drain and the rescue sweep
        Index("ix_inbound_due", "next_attempt_at", "id", postgresql_where=text("state = 'accepted'")),
        # read when a row is taken: is an earlier one for the same item still waiting? Its condition is not that of
        # ix_inbound_due: the planner, which always believes that next to nothing waits, would read that one from end to
        # end for each row. Nothing is put off until a clean-up, since what has just arrived is what is asked for
        Index(
            "ix_inbound_waiting",
            "item_refs",
            postgresql_using="gin",
            postgresql_where=text("settled_at IS NULL"),
            postgresql_with={"fastupdate": "off"},
        ),
        # read by the clean-up sweep
        Index("ix_inbound_body", "received_at", postgresql_where=text("body IS NOT NULL")),
    )


class WorkItem(Scoped, Base):
    """A repair (work order, permit, booking): its state here, its facts in `data`, one version a change."""

    __tablename__ = "work_item"

    id: Mapped[UUID] = identity()
    kind: Mapped[str]
    source_id: Mapped[UUID | None]
    external_id: Mapped[str | None]
    number: Mapped[str]
    title: Mapped[str]
    status: Mapped[str]
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    # rises when the work begins anew (a permit that is submitted again): each round has its own messages and clocks
    round: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    batch_ref: Mapped[str | None]
    # the newest time that its source has reported; what is older is stored, not applied
    known_at: Mapped[datetime]
    created_at: Mapped[datetime] = moment()
    updated_at: Mapped[datetime] = moment()

    __table_args__ = (
        of_organisation(),
        ForeignKeyConstraint(["organisation_id", "source_id"], ["source.organisation_id", "source.id"]),
        UniqueConstraint("organisation_id", "kind", "source_id", "external_id", name="uq_work_item_external"),
        Index("ix_work_item_list", "organisation_id", "updated_at", "id"),
        Index(
            "ix_work_item_batch",
            "organisation_id",
            "batch_ref",
            postgresql_where=text("batch_ref IS NOT NULL"),
        ),
    )


class ItemPerson(Scoped, Base):
    """A person's part in an item: customer, technician, verifier."""

    __tablename__ = "item_person"

    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "item_id"], ["work_item.organisation_id", "work_item.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["organisation_id", "person_id"], ["person.organisation_id", "person.id"]),
        Index("ix_item_person_person", "organisation_id", "person_id"),
    )


class Change(Scoped, Base):
    """One version of an item: who changed it, by which verb, what was before and after. Never altered."""

    __tablename__ = "change"

    id: Mapped[UUID] = identity()
    item_id: Mapped[UUID]
    version: Mapped[int]
    verb: Mapped[str]
    actor_id: Mapped[UUID | None]
    inbound_id: Mapped[UUID | None]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = moment()

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "item_id"], ["work_item.organisation_id", "work_item.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["organisation_id", "actor_id"], ["person.organisation_id", "person.id"]),
        UniqueConstraint("organisation_id", "item_id", "version", name="uq_change_version"),
    )


class Numbering(Scoped, Base):
    """The next number of items that are made here, by the prefix of their kind."""

    __tablename__ = "numbering"

    prefix: Mapped[str] = mapped_column(primary_key=True)
    next: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))

    __table_args__ = (of_organisation(),)


class TaskOutcome(StrEnum):
    """done: by somebody's act. moot: the item left the state in which it was needed without one."""

    done = "done"
    moot = "moot"


class Task(Scoped, Base):
    """A step of an item's work that somebody has to take by a time. Its clock starts when it becomes pending."""

    __tablename__ = "task"

    id: Mapped[UUID] = identity()
    item_id: Mapped[UUID]
    kind: Mapped[str]
    name: Mapped[str]
    step: Mapped[str]
    round: Mapped[int] = mapped_column(Integer)
    # whose it is now; nobody's where the item has nobody in that part, or where a whole role is asked
    assignee_id: Mapped[UUID | None]
    hours: Mapped[int] = mapped_column(Integer)
    opened_at: Mapped[datetime] = moment()
    due_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None]
    outcome: Mapped[str | None]
    # its ladder as it was when it opened (`policy.ladder`), and the rule that it is a copy of
    ladder: Mapped[dict[str, Any] | None]
    rule_id: Mapped[UUID | None]
    rule_version: Mapped[int | None] = mapped_column(Integer)
    # how many levels have been told; when the next one is due (none while escalations are off or it is acknowledged;
    # of an acknowledgement that lapses, when it does)
    level: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    next_level_at: Mapped[datetime | None]
    resumed_at: Mapped[datetime | None]
    hastened_at: Mapped[datetime | None]
    # since when the sweep has waited for what its item's source has reported and is not applied
    awaits_since: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None]
    # why the last level could not be told; it is tried again
    ladder_error: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(["organisation_id", "item_id"], ["work_item.organisation_id", "work_item.id"]),
        ForeignKeyConstraint(["organisation_id", "assignee_id"], ["person.organisation_id", "person.id"]),
        ForeignKeyConstraint(["organisation_id", "closed_by"], ["person.organisation_id", "person.id"]),
        ForeignKeyConstraint(["organisation_id", "acknowledged_by"], ["person.organisation_id", "person.id"]),
        CheckConstraint(f"outcome IN ({states(TaskOutcome)})", name="outcome"),
        CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name="closed"),
        CheckConstraint("next_level_at IS NULL OR closed_at IS NULL", name="climbs"),
        # read by the escalation sweep
        Index("ix_task_next_level", "next_level_at", postgresql_where=text("next_level_at IS NOT NULL")),
        # read by the auditor: levels that could not be told
        Index("ix_task_ladder_failed", "due_at", postgresql_where=text("ladder_error IS NOT NULL")),
        # what a changed rule would have done: the tasks of a time
        Index("ix_task_opened", "organisation_id", "opened_at"),
        # one of each name waits at a time
        Index(
            "uq_task_open",
            "organisation_id",
            "item_id",
            "name",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
        # the lists of what waits: all of an office, and one person's
        Index("ix_task_waiting", "organisation_id", "due_at", postgresql_where=text("closed_at IS NULL")),
        Index("ix_task_assignee", "organisation_id", "assignee_id", "opened_at"),
        Index("ix_task_item", "organisation_id", "item_id"),
    )


class ReminderState(StrEnum):
    """pending until its time; then sent, skipped (not true any more), or failed (its item refused it); or cancelled."""

    pending = "pending"
    sent = "sent"
    skipped = "skipped"
    cancelled = "cancelled"
    failed = "failed"


class Reminder(Scoped, Base):
    """What is to happen to an item at a time: an event is told, a verb is done by the clock, or both."""

    __tablename__ = "reminder"

    id: Mapped[UUID] = identity()
    item_id: Mapped[UUID]
    # the version that planned it, or that last found it still true
    item_version: Mapped[int] = mapped_column(Integer)
    key: Mapped[str]
    event: Mapped[str] = mapped_column(server_default="")
    verb: Mapped[str] = mapped_column(server_default="")
    due_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="pending")
    error: Mapped[str | None]
    created_at: Mapped[datetime] = moment()
    settled_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "item_id"], ["work_item.organisation_id", "work_item.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("organisation_id", "item_id", "key", name="uq_reminder_key"),
        CheckConstraint(f"state IN ({states(ReminderState)})", name="state"),
        # read by the reminder sweep
        Index("ix_reminder_due", "due_at", postgresql_where=text("state = 'pending'")),
    )


class Link(Scoped, Base):
    """A link in a message to somebody who does not sign in: it names one person, and one item or one message that asks
    something, and expires. `token_hash` is of the signed token in the address; the row is what can be revoked.
    """

    __tablename__ = "link"

    id: Mapped[UUID] = identity()
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    person_id: Mapped[UUID]
    item_id: Mapped[UUID | None]
    # what its message told of: who follows it later is shown what has changed since
    item_version: Mapped[int | None] = mapped_column(Integer)
    notification_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = moment()
    # about an item it answers once
    used_at: Mapped[datetime | None]
    # read by the clean-up sweep
    expires_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "person_id"], ["person.organisation_id", "person.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["organisation_id", "item_id"], ["work_item.organisation_id", "work_item.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["organisation_id", "notification_id"],
            ["notification.organisation_id", "notification.id"],
            ondelete="CASCADE",
        ),
        CheckConstraint("num_nonnulls(item_id, notification_id) = 1", name="opens"),
        # read when a notification goes (the tidy sweep)
        Index(
            "ix_link_notification",
            "organisation_id",
            "notification_id",
            postgresql_where=text("notification_id IS NOT NULL"),
        ),
    )
