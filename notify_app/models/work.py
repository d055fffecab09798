"""What the messages are about: what arrived, the items of work, their people and their history."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, identity, moment, of_organisation, states

__all__ = ["Change", "Inbound", "InboundState", "ItemPerson", "Link", "WorkItem"]


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
        # read by the route drain and the rescue sweep
        Index("ix_inbound_due", "next_attempt_at", "id", postgresql_where=text("state = 'accepted'")),
        # read when a row is taken: is an earlier one for the same item still waiting?
        Index(
            "ix_inbound_waiting",
            "item_refs",
            postgresql_using="gin",
            postgresql_where=text("state = 'accepted'"),
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


class Link(Scoped, Base):
    """A link in a message to somebody who does not sign in: it names one person and one item, and expires.

    `token_hash` is of the signed token in the address; the row is what can be revoked.
    """

    __tablename__ = "link"

    id: Mapped[UUID] = identity()
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    person_id: Mapped[UUID]
    item_id: Mapped[UUID]
    created_at: Mapped[datetime] = moment()
    # it answers once
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
    )
