"""Who there is: organisations, global sign-ins, people of an organisation and where they can be reached."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from notify_app.models.base import Base, Scoped, big, identity, moment, of_organisation, states

__all__ = [
    "Account",
    "AccountSession",
    "Address",
    "Grade",
    "InboxCounter",
    "Invitation",
    "InvitationOutcome",
    "Organisation",
    "Person",
    "Role",
    "Source",
    "Suppression",
]


class Role(StrEnum):
    """What a person is in an organisation."""

    administrator = "administrator"
    manager = "manager"
    technician = "technician"
    contact = "contact"


class Grade(StrEnum):
    """Seniority, as the rules of permits use it."""

    a = "A"
    b = "B"
    c = "C"


class Organisation(Base):
    """One office (tenant). `settings` is validated by `policy.settings`, `branding` by `policy.branding`."""

    __tablename__ = "organisation"

    id: Mapped[UUID] = identity()
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    zone: Mapped[str] = mapped_column(server_default="UTC")
    locale: Mapped[str] = mapped_column(server_default="en")
    currency: Mapped[str] = mapped_column(server_default="USD")
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    branding: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[datetime] = moment()


class Account(Base):
    """A global sign-in identity. One account may be a person in several organisations."""

    __tablename__ = "account"

    id: Mapped[UUID] = identity()
    email: Mapped[str]
    password_hash: Mapped[str]
    name: Mapped[str]
    created_at: Mapped[datetime] = moment()
    disabled_at: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_account_email", text("lower(email)"), unique=True),
        CheckConstraint("password_hash <> ''", name="password"),
    )


class AccountSession(Base):
    """One signed-in browser; the cookie carries a random token, the row its SHA-256. Deleting or revoking signs out."""

    __tablename__ = "account_session"

    id: Mapped[UUID] = identity()
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    user_agent: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = moment()
    # read by the clean-up sweep; past it the cookie is worth nothing
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]


class Person(Scoped, Base):
    """One person in one organisation; a contact has no account. `external_id` is the source's own name for them."""

    __tablename__ = "person"

    id: Mapped[UUID] = identity()
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    source_id: Mapped[UUID | None]
    external_id: Mapped[str | None]
    name: Mapped[str]
    role: Mapped[str]
    grade: Mapped[str | None]
    zone: Mapped[str | None]
    locale: Mapped[str | None]
    created_at: Mapped[datetime] = moment()
    left_at: Mapped[datetime | None]

    __table_args__ = (
        of_organisation(),
        ForeignKeyConstraint(["organisation_id", "source_id"], ["source.organisation_id", "source.id"]),
        UniqueConstraint("organisation_id", "source_id", "external_id", name="uq_person_external"),
        UniqueConstraint("organisation_id", "account_id", name="uq_person_account"),
        Index("ix_person_account", "account_id"),
        Index("ix_person_role", "organisation_id", "role", postgresql_where=text("left_at IS NULL")),
        CheckConstraint(f"role IN ({states(Role)})", name="role"),
        CheckConstraint(f"grade IN ({states(Grade)})", name="grade"),
    )


class InvitationOutcome(StrEnum):
    """What has become of an invitation; none while it waits."""

    accepted = "accepted"
    declined = "declined"
    withdrawn = "withdrawn"


class Invitation(Scoped, Base):
    """Somebody of the organisation is asked to sign in as this person, with an email address.

    It waits for the consent of whoever has the address, whether that signs in to the hub already or not. From `expires_at`
    on it can be accepted no more; the row stays until it is decided, taken back or made anew. What is decided keeps nothing of the address.
    """

    __tablename__ = "invitation"

    id: Mapped[UUID] = identity()
    person_id: Mapped[UUID]
    email: Mapped[str | None]
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[datetime]
    invited_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = moment()
    settled_at: Mapped[datetime | None]
    outcome: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "person_id"], ["person.organisation_id", "person.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["organisation_id", "invited_by"], ["person.organisation_id", "person.id"]),
        CheckConstraint(f"outcome IN ({states(InvitationOutcome)})", name="outcome"),
        CheckConstraint("(settled_at IS NULL) = (outcome IS NULL)", name="settled"),
        CheckConstraint(
            "settled_at IS NULL AND email IS NOT NULL OR settled_at IS NOT NULL AND num_nonnulls(email, token_hash) = 0",
            name="forgotten",
        ),
        # one waits for a person, and one for an address in an organisation; by the address each session is told of its own
        Index(
            "uq_invitation_person",
            "organisation_id",
            "person_id",
            unique=True,
            postgresql_where=text("settled_at IS NULL"),
        ),
        Index(
            "uq_invitation_email",
            text("lower(email)"),
            "organisation_id",
            unique=True,
            postgresql_where=text("settled_at IS NULL"),
        ),
        Index("ix_invitation_latest", "organisation_id", "person_id", "id"),
    )


class InboxCounter(Scoped, Base):
    """A person's counter: raised in every transaction that changes their inbox, so it is the stream's cursor.

    Its row lock makes the order of the numbers the order of the commits, which no sequence can promise.
    """

    __tablename__ = "inbox_counter"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = big(0)

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "person_id"], ["person.organisation_id", "person.id"], ondelete="CASCADE"
        ),
        Index("ix_inbox_counter_person", "person_id", "seq"),
    )


class Address(Scoped, Base):
    """Where a person can be reached on a channel; `position` orders the addresses of one channel."""

    __tablename__ = "address"

    id: Mapped[UUID] = identity()
    person_id: Mapped[UUID]
    channel: Mapped[str]
    value: Mapped[str]
    position: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    # the source's own; it replaces it, and leaves alone what the person added
    from_source: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = moment()

    __table_args__ = (
        ForeignKeyConstraint(
            ["organisation_id", "person_id"], ["person.organisation_id", "person.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("organisation_id", "person_id", "channel", "value", name="uq_address_value"),
        # whose an address is: what comes in by SMS, and the page of blocked addresses
        Index("ix_address_value", "channel", "value", "organisation_id"),
        CheckConstraint("channel <> 'inapp'", name="channel"),
    )


class Suppression(Scoped, Base):
    """An address that this organisation must not write to (opted out, bounced), whoever it belongs to."""

    __tablename__ = "suppression"

    id: Mapped[UUID] = identity()
    channel: Mapped[str]
    value: Mapped[str]
    reason: Mapped[str]
    # what has closed it (`policy.feedback.Block`)
    kind: Mapped[str] = mapped_column(server_default=text("'refused'"))
    created_at: Mapped[datetime] = moment()

    __table_args__ = (
        of_organisation(),
        UniqueConstraint("organisation_id", "channel", "value", name="uq_suppression_value"),
        CheckConstraint("kind IN ('refused', 'soft_bounces', 'bounce', 'complaint', 'opt_out')", name="kind"),
        # the page of blocked addresses
        Index("ix_suppression_recent", "organisation_id", "created_at", "id"),
    )


class Source(Scoped, Base):
    """An external system that posts signed webhooks; its secrets are encrypted (`secrets.py`), never shown again."""

    __tablename__ = "source"

    id: Mapped[UUID] = identity()
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    previous_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = moment()

    __table_args__ = (of_organisation(),)
