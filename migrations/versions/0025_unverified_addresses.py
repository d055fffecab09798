"""Addresses that were typed and are not verified yet (unverified_address), and the order in which a person wants their
channels (preference.channel_order).

Whatever stands in `address` by now is taken as verified. The previous release can run on it: it asks nothing of the new
table, so it writes to verified addresses only; one that is typed there meanwhile is used at once, as it was before. The
order may be null, which is the hub's own.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0029"
branch_labels = None
depends_on = None

# a link is found whichever organisation it is of; what nobody verifies is forgotten
ENGINE = {"unverified_address": "SELECT, DELETE"}
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "unverified_address",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("instead_of", sa.Uuid(), nullable=True),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column("code_hash", sa.LargeBinary(), nullable=True),
        sa.Column("link_hash", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        _moment("touched_at"),
        _moment("created_at"),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_unverified_address_organisation_id",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "num_nulls(delivery_id, code_hash, expires_at) IN (0, 3)", name=op.f("ck_unverified_address_sent")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_unverified_address"),
        sa.UniqueConstraint(
            "organisation_id", "person_id", "channel", "value", name="uq_unverified_address_value"
        ),
        sa.UniqueConstraint("link_hash", name="uq_unverified_address_link_hash"),
    )
    op.create_index("ix_unverified_address_touched", "unverified_address", ["touched_at"])
    # how much was sent to one address lately; of all deliveries few are such
    op.create_index(
        "ix_delivery_verification",
        "delivery",
        ["organisation_id", "created_at"],
        postgresql_where=sa.text("purpose = 'verification'"),
    )
    op.add_column("preference", sa.Column("channel_order", postgresql.ARRAY(sa.Text()), nullable=True))
    _protect("unverified_address")
    for table, rights in ENGINE.items():
        op.execute(f"CREATE POLICY engine ON {table} TO hub_engine USING (true) WITH CHECK (true)")
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False)


def _protect(table: str) -> None:
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY owner ON {table} TO hub_owner USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY app ON {table} TO hub_app USING ({same}) WITH CHECK ({same})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO hub_app")
    op.execute(f"GRANT SELECT ON {table} TO hub_backup")


def downgrade() -> None:
    op.drop_column("preference", "channel_order")
    op.drop_index("ix_delivery_verification", table_name="delivery")
    op.drop_table("unverified_address")
