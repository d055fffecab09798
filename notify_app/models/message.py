"""What is said: events, the notifications they make, the deliveries that carry them, and why."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any
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

from notify_app.models.base import Base, Scoped, big, identity, moment, of_organisation, states

__all__ = [
    "Attempt",
    "Content",
    "Decision",
    "Delivery",
    "DeliveryItem",
    "DeliveryState",
    "Event",
    "Notification",
    "Outcome",
    "Priority",
]


class Priority(IntEnum):
    """Smaller is more pressing, so that claims order by it."""

    urgent = 1
    high = 2
    medium = 3
    low = 4


class DeliveryState(StrEnum):
    """queued → sending → sent → delivered; or back to queued, or held until a time; or one of the other ends."""

    queued = "queued"
    held = "held"
    sending = "sending"
    sent = "sent"
    delivered = "delivered"
    bounced = "bounced"
    failed = "failed"
    skipped = "skipped"
    suppressed = "suppressed"
    unknown = "unknown"


class Outcome(StrEnum):
    """How one attempt ended; the failure classes are those of the retry policy."""

    accepted = "accepted"
    transient = "transient"
    permanent = "permanent"
    throttled = "throttled"
    ambiguous = "ambiguous"
    config = "config"


class Event(Scoped, Base):
    """Something that happened and that somebody may have to know. `payload` is all that its messages may say."""

    __tablename__ = "event"

    id: Mapped[UUID] = identity()
    name: Mapped[str]
    inbound_id: Mapped[UUID | None]
    ordinal: Mapped[int] = mapped_column(SmallInteger, server_default=sql("0"))
    item_id: Mapped[UUID | None]
    item_version: Mapped[int | None]
    actor_id: Mapped[UUID | None]
    priority: Mapped[int] = mapped_column(SmallInteger)
    category: Mapped[str]
    payload: Mapped[dict[str, Any]]
    dedupe_key: Mapped[str | None]
    error: Mapped[str | None]
    occurred_at: Mapped[datetime]
    created_at: Mapped[datetime] = moment()

    __table_args__ = (
        of_organisation(),
        ForeignKeyConstraint(["organisation_id", "inbound_id"], ["inbound.organisation_id", "inbound.id"]),
        ForeignKeyConstraint(["organisation_id", "item_id"], ["work_item.organisation_id", "work_item.id"]),
        ForeignKeyConstraint(["organisation_id", "actor_id"], ["person.organisation_id", "person.id"]),
        UniqueConstraint("organisation_id", "inbound_id", "ordinal", name="uq_event_inbound"),
        UniqueConstraint("organisation_id", "dedupe_key", name="uq_event_dedupe"),
        CheckConstraint("priority BETWEEN 1 AND 4", name="priority"),
        Index("ix_event_item", "organisation_id", "item_id", "id"),
        Index("ix_event_recent", "organisation_id", "created_at"),
        # the dashboard's alerts: however old, until somebody takes notice
        Index(
            "ix_event_alert",
            "organisation_id",
            "priority",
            postgresql_where=sql("priority = 1 OR name = 'not_reached'"),
        ),
    )


class Notification(Scoped, Base):
    """A line in one person's inbox. `seq` is their counter when it was made, `changed_seq` when it last changed."""

    __tablename__ = "notification"

    id: Mapped[UUID] = identity()
    event_id: Mapped[UUID]
    person_id: Mapped[UUID]
    name: Mapped[str]
    category: Mapped[str]
    priority: Mapped[int] = mapped_column(SmallInteger)
    title: Mapped[str]
    text: Mapped[str]
    action_url: Mapped[str] = mapped_column(server_default="")
    item_id: Mapped[UUID | None]
    dedupe_key: Mapped[str | None]
    seq: Mapped[int] = big()
    changed_seq: Mapped[int] = big()
    # of a broadcast: which of its decisions were theirs
    class_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = moment()
    read_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    # whom its reader stands in for
    for_person_id: Mapped[UUID | None]
    withdrawn_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["organisation_id", "event_id"], ["event.organisation_id", "event.id"]),
        ForeignKeyConstraint(["organisation_id", "person_id"], ["person.organisation_id", "person.id"]),
        ForeignKeyConstraint(["organisation_id", "item_id"], ["work_item.organisation_id", "work_item.id"]),
        UniqueConstraint("organisation_id", "event_id", "person_id", name="uq_notification_event"),
        UniqueConstraint("organisation_id", "dedupe_key", name="uq_notification_dedupe"),
        # the inbox page
        Index("ix_notification_inbox", "person_id", sql("id DESC")),
        # the unread list and its count
        Index(
            "ix_notification_unread",
            "person_id",
            sql("id DESC"),
            postgresql_where=sql("read_at IS NULL AND withdrawn_at IS NULL"),
        ),
        # a stream that resumes
        Index("ix_notification_changed", "person_id", "changed_seq"),
        Index("ix_notification_item", "organisation_id", "item_id"),
    )


class Content(Scoped, Base):
    """A rendered message body, kept once by its hash: retries and twins send exactly this."""

    __tablename__ = "content"

    id: Mapped[UUID] = identity()
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = moment()

    __table_args__ = (
        of_organisation(),
        UniqueConstraint("organisation_id", "hash", name="uq_content_hash"),
    )


class Delivery(Scoped, Base):
    """One message to one address on one channel: a row of the outbox. It is for a person or for an endpoint."""

    __tablename__ = "delivery"

    id: Mapped[UUID] = identity()
    person_id: Mapped[UUID | None]
    endpoint_id: Mapped[UUID | None]
    channel: Mapped[str]
    # of an endpoint its id: where that is, is a secret
    address: Mapped[str]
    purpose: Mapped[str]
    group_key: Mapped[str]
    generation: Mapped[int] = mapped_column(SmallInteger, server_default=sql("0"))
    priority: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[str] = mapped_column(server_default="queued")
    reason: Mapped[str | None]
    detail: Mapped[str | None]
    # when it was first to leave (when it was held until, or at once): its age counts from here
    due_at: Mapped[datetime] = moment()
    next_attempt_at: Mapped[datetime] = moment()
    lease_until: Mapped[datetime | None]
    token: Mapped[UUID | None]
    # when the try that is under way began (or the last one): its attempt is written when it ends
    claimed_at: Mapped[datetime | None]
    # the number of the last attempt; only what counts against the retry budget is a failure
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=sql("0"))
    failures: Mapped[int] = mapped_column(SmallInteger, server_default=sql("0"))
    content_id: Mapped[UUID | None]
    provider: Mapped[str | None]
    provider_id: Mapped[str | None]
    segments: Mapped[int | None] = mapped_column(SmallInteger)
    cost_usd: Mapped[Decimal | None]
    created_at: Mapped[datetime] = moment()
    settled_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["organisation_id", "person_id"], ["person.organisation_id", "person.id"]),
        ForeignKeyConstraint(["organisation_id", "endpoint_id"], ["endpoint.organisation_id", "endpoint.id"]),
        ForeignKeyConstraint(["organisation_id", "content_id"], ["content.organisation_id", "content.id"]),
        CheckConstraint("num_nonnulls(person_id, endpoint_id) = 1", name="whose"),
        # the group first: rows that are made together lie together, and differ early when they are compared
        UniqueConstraint(
            "organisation_id",
            "group_key",
            "person_id",
            "channel",
            "address",
            "purpose",
            "generation",
            name="uq_delivery_message",
        ),
        # of one matter an endpoint hears once
        Index(
            "uq_delivery_endpoint",
            "organisation_id",
            "endpoint_id",
            "group_key",
            "purpose",
            "generation",
            unique=True,
            postgresql_where=sql("endpoint_id IS NOT NULL"),
        ),
        # its page
        Index(
            "ix_delivery_endpoint",
            "organisation_id",
            "endpoint_id",
            "id",
            postgresql_where=sql("endpoint_id IS NOT NULL"),
        ),
        CheckConstraint(f"state IN ({states(DeliveryState)})", name="state"),
        CheckConstraint(
            "(state = 'sending') = (token IS NOT NULL AND lease_until IS NOT NULL)", name="lease"
        ),
        # what its attempt will say, whoever writes it
        CheckConstraint(
            "state <> 'sending' OR (claimed_at IS NOT NULL AND provider IS NOT NULL)", name="claimed"
        ),
        # read by the delivery drain, the release sweep and the retries sweep
        Index("ix_delivery_due", "priority", "next_attempt_at", postgresql_where=sql("state = 'queued'")),
        # read by the rescue sweep: leases that ran out
        Index("ix_delivery_lease", "lease_until", postgresql_where=sql("state = 'sending'")),
        # read by the collect sweep: what was held until now, and all that one person has waiting
        Index("ix_delivery_held", "next_attempt_at", postgresql_where=sql("state = 'held'")),
        Index(
            "ix_delivery_held_person", "organisation_id", "person_id", postgresql_where=sql("state = 'held'")
        ),
        # read right before a message leaves: what has lately left to its person (bursts and limits); and all of a person
        Index("ix_delivery_told", "organisation_id", "person_id", "channel", "claimed_at"),
        # read when an address is to be verified: how much was sent lately for that
        Index(
            "ix_delivery_verification",
            "organisation_id",
            "created_at",
            postgresql_where=sql("purpose = 'verification'"),
        ),
        # read by the office's pages: what was made lately. A summary of pages: entries of its own would cost each message
        # one whenever its state changes
        Index(
            "ix_delivery_made",
            "created_at",
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on", "pages_per_range": 32},
        ),
    )


class DeliveryItem(Scoped, Base):
    """Which notifications a delivery carries: one as a rule, many in a collected message or a digest, none in a
    verification code."""

    __tablename__ = "delivery_item"

    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    notification_id: Mapped[UUID] = mapped_column(primary_key=True)

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "delivery_id"],
            ["delivery.organisation_id", "delivery.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["organisation_id", "notification_id"],
            ["notification.organisation_id", "notification.id"],
            ondelete="CASCADE",
        ),
        Index("ix_delivery_item_notification", "organisation_id", "notification_id"),
    )


class Attempt(Scoped, Base):
    """One try to hand a delivery to a provider, written whole when it has ended. Until then the delivery's own row
    says that it is under way; if its worker dies, the rescue sweep writes it as ambiguous."""

    __tablename__ = "attempt"

    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    token: Mapped[UUID]
    provider: Mapped[str]
    # which of the channel's accounts, where it has several
    account: Mapped[str | None]
    outcome: Mapped[str]
    provider_id: Mapped[str | None]
    response: Mapped[str | None]
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    segments: Mapped[int | None] = mapped_column(SmallInteger)
    cost_usd: Mapped[Decimal | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "delivery_id"],
            ["delivery.organisation_id", "delivery.id"],
            ondelete="CASCADE",
        ),
        CheckConstraint(f"outcome IN ({states(Outcome)})", name="outcome"),
        # read by the clean-up sweep
        Index("ix_attempt_started", "started_at"),
        # read when a provider reports; those that do not cost nothing here
        Index(
            "ix_attempt_provider_id",
            "provider_id",
            postgresql_where=sql("outcome = 'accepted' AND provider IN ('ses', 'sns')"),
        ),
    )


class Decision(Scoped, Base):
    """Why somebody was, or was not, told: one row for each person considered and channel thought of.

    Of a broadcast, one row for each class of people and channel: all who were decided on alike, with their number.
    """

    __tablename__ = "decision"

    id: Mapped[UUID] = identity()
    event_id: Mapped[UUID]
    person_id: Mapped[UUID | None]
    channel: Mapped[str | None]
    outcome: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    delivery_id: Mapped[UUID | None]
    class_id: Mapped[UUID | None]
    people: Mapped[int | None]
    created_at: Mapped[datetime] = moment()

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "event_id"], ["event.organisation_id", "event.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["organisation_id", "person_id"], ["person.organisation_id", "person.id"]),
        CheckConstraint(
            "(class_id IS NULL AND people IS NULL) OR "
            "(people IS NOT NULL AND channel IS NOT NULL AND person_id IS NULL)",
            name="class",
        ),
        Index("ix_decision_event", "organisation_id", "event_id", "person_id"),
        # the chunks of a broadcast add up in one row
        Index(
            "uq_decision_class",
            "organisation_id",
            "event_id",
            "class_id",
            "channel",
            unique=True,
            postgresql_where=sql("class_id IS NOT NULL"),
        ),
    )
