"""Broadcasts: an event for many is written in chunks, each with its cursor, and decided once for each class of people.

The previous release can run on it: the table is new, the columns may be null, and what it writes leaves them so. It
would leave a broadcast where it is; this release goes on with it. Writers wait while `decision` is looked through once:
about a second for each few million rows.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# the engine looks what is due; it writes nothing
ENGINE = {"broadcast": "SELECT"}
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "broadcast",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("audience", postgresql.JSONB(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("action_url", sa.Text(), server_default="", nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("considered", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("told", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("cursor", sa.Uuid(), nullable=True),
        sa.Column("last_id", sa.Uuid(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column(
            "next_chunk_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("priority BETWEEN 1 AND 4", name="ck_broadcast_priority"),
        sa.ForeignKeyConstraint(
            ["organisation_id", "event_id"],
            ["event.organisation_id", "event.id"],
            name="fk_broadcast_organisation_id_event_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "event_id", name="pk_broadcast"),
    )
    op.create_index(
        "ix_broadcast_due",
        "broadcast",
        ["priority", "next_chunk_at"],
        unique=False,
        postgresql_where=sa.text("done_at IS NULL"),
    )
    _protect()
    op.add_column("notification", sa.Column("class_id", sa.Uuid(), nullable=True))
    op.add_column("decision", sa.Column("class_id", sa.Uuid(), nullable=True))
    op.add_column("decision", sa.Column("people", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_decision_class"),
        "decision",
        "(class_id IS NULL AND people IS NULL) OR "
        "(people IS NOT NULL AND channel IS NOT NULL AND person_id IS NULL)",
    )
    op.create_index(
        "uq_decision_class",
        "decision",
        ["organisation_id", "event_id", "class_id", "channel"],
        unique=True,
        postgresql_where=sa.text("class_id IS NOT NULL"),
    )


def _protect() -> None:
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute("ALTER TABLE broadcast ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE broadcast FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner ON broadcast TO hub_owner USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY app ON broadcast TO hub_app USING ({same}) WITH CHECK ({same})")
    op.execute("CREATE POLICY engine ON broadcast TO hub_engine USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON broadcast TO hub_app")
    for table, rights in ENGINE.items():
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")
    op.execute("GRANT SELECT ON broadcast TO hub_backup")


def downgrade() -> None:
    op.drop_index("uq_decision_class", table_name="decision")
    op.drop_constraint(op.f("ck_decision_class"), "decision")
    op.execute("DELETE FROM decision WHERE class_id IS NOT NULL")
    op.drop_column("decision", "people")
    op.drop_column("decision", "class_id")
    op.drop_column("notification", "class_id")
    op.drop_table("broadcast")
