"""Outgoing webhook endpoints, and deliveries that are an endpoint's instead of a person's.

An endpoint's address and secrets are encrypted. A delivery has a person or an endpoint, never both; of one matter there is
one delivery to an endpoint. The previous release can run on it: it makes no such delivery, and as long as it runs
beside this one nobody has an endpoint yet.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0030"
branch_labels = None
depends_on = None

FORMATS = ("standard", "slack", "teams")
WHYS = ("failing", "gone")
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"
MINE = sa.text("endpoint_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "endpoint",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("url", sa.LargeBinary(), nullable=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        _moment("previous_until"),
        sa.Column("categories", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("least_priority", sa.SmallInteger(), server_default=sa.text("4"), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        _moment("created_at", "hub_now()"),
        _moment("paused_at"),
        _moment("disabled_at"),
        sa.Column("disabled_why", sa.Text(), nullable=True),
        _moment("removed_at"),
        _moment("good_at"),
        _moment("failing_since"),
        _moment("failed_at"),
        sa.Column("failed_why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name="fk_endpoint_organisation_id"),
        sa.ForeignKeyConstraint(
            ["organisation_id", "created_by"],
            ["person.organisation_id", "person.id"],
            name="fk_endpoint_organisation_id_created_by",
        ),
        sa.CheckConstraint(_one_of("format", FORMATS), name=op.f("ck_endpoint_format")),
        sa.CheckConstraint(_one_of("disabled_why", WHYS), name=op.f("ck_endpoint_disabled_why")),
        sa.CheckConstraint(
            "(disabled_at IS NULL) = (disabled_why IS NULL)", name=op.f("ck_endpoint_disabled")
        ),
        sa.CheckConstraint("least_priority BETWEEN 1 AND 4", name=op.f("ck_endpoint_priority")),
        sa.CheckConstraint(
            "CASE WHEN removed_at IS NULL THEN url IS NOT NULL ELSE num_nonnulls(url, secret, previous_secret) = 0 END",
            name=op.f("ck_endpoint_forgotten"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_endpoint"),
    )
    _protect("endpoint", "SELECT, INSERT, UPDATE")
    op.alter_column("delivery", "person_id", nullable=True)
    op.add_column("delivery", sa.Column("endpoint_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_delivery_organisation_id_endpoint_id",
        "delivery",
        "endpoint",
        ["organisation_id", "endpoint_id"],
        ["organisation_id", "id"],
    )
    op.create_check_constraint(
        op.f("ck_delivery_whose"), "delivery", "num_nonnulls(person_id, endpoint_id) = 1"
    )
    op.create_index(
        "uq_delivery_endpoint",
        "delivery",
        ["organisation_id", "endpoint_id", "group_key", "purpose", "generation"],
        unique=True,
        postgresql_where=MINE,
    )
    op.create_index(
        "ix_delivery_endpoint", "delivery", ["organisation_id", "endpoint_id", "id"], postgresql_where=MINE
    )


def _one_of(column: str, words: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(word) for word in words)})"


def _moment(name: str, default: str | None = None) -> sa.Column[object]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=sa.text(default) if default else None,
        nullable=default is None,
    )


def _protect(table: str, rights: str) -> None:
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY owner ON {table} TO hub_owner USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY app ON {table} TO hub_app USING ({same}) WITH CHECK ({same})")
    op.execute(f"GRANT {rights} ON {table} TO hub_app")
    op.execute(f"GRANT SELECT ON {table} TO hub_backup")


def downgrade() -> None:
    op.execute(
        "DELETE FROM attempt a USING delivery d WHERE d.organisation_id = a.organisation_id AND d.id = a.delivery_id "
        "AND d.endpoint_id IS NOT NULL"
    )
    op.execute("DELETE FROM delivery WHERE endpoint_id IS NOT NULL")
    op.drop_index("ix_delivery_endpoint", table_name="delivery")
    op.drop_index("uq_delivery_endpoint", table_name="delivery")
    op.drop_constraint(op.f("ck_delivery_whose"), "delivery")
    op.drop_constraint("fk_delivery_organisation_id_endpoint_id", "delivery")
    op.drop_column("delivery", "endpoint_id")
    op.alter_column("delivery", "person_id", nullable=False)
    op.drop_table("endpoint")
