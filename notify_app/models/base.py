"""What all tables share: naming of constraints, column types, the organisation in every key."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKeyConstraint, MetaData, Numeric, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry

__all__ = ["Base", "Scoped", "big", "identity", "moment", "of_organisation", "states"]


class Base(DeclarativeBase):
    """Constraint names are fixed, so that migrations and error handling can name them."""

    # the map stands on the registry because Flask-SQLAlchemy derives its own base from this one
    registry = registry(
        metadata=MetaData(
            naming_convention={
                "pk": "pk_%(table_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
            }
        ),
        type_annotation_map={
            str: Text,
            datetime: DateTime(timezone=True),
            UUID: Uuid,
            Decimal: Numeric(12, 5),
            dict[str, Any]: JSONB,
            list[str]: ARRAY(Text),
        },
    )


class Scoped:
    """An organisation's table: (organisation, id) is the key, so that a foreign key cannot cross the line.

    Only the roots point at `organisation` itself (`of_organisation`); the rest reach it through their parents,
    which saves a look-up and a lock on that one row with every insert.
    """

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-2)


def of_organisation() -> ForeignKeyConstraint:
    """The foreign key of a root table."""
    return ForeignKeyConstraint(["organisation_id"], ["organisation.id"])


def identity() -> Mapped[UUID]:
    """A time-ordered id (uuidv7) that the database makes unless the client did."""
    return mapped_column(primary_key=True, server_default=text("uuidv7()"), sort_order=-1)


def moment(**options: Any) -> Mapped[datetime]:
    """A time that defaults to the hub's clock."""
    return mapped_column(server_default=text("hub_now()"), **options)


def big(default: int | None = None) -> Any:
    """A 64-bit counter."""
    return mapped_column(BigInteger, server_default=None if default is None else text(str(default)))


def states(kind: type) -> str:
    """The SQL list of an enumeration's values, for CHECK constraints."""
    return ", ".join(f"'{member.value}'" for member in kind)  # type: ignore[attr-defined]
