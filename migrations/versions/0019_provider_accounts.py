"""How the accounts of the providers stand, for all workers; by which account an attempt was made.

The previous release can run on it: it writes attempts without an account and asks nothing of the new table.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

GLOBAL_ENGINE = {"provider_account": "SELECT, INSERT, UPDATE"}


def upgrade() -> None:
    op.create_table(
        "provider_account",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("in_a_row", sa.Integer(), server_default="0", nullable=False),
        sa.Column("calls", sa.Integer(), server_default="0", nullable=False),
        sa.Column("troubles", sa.Integer(), server_default="0", nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pauses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("probe_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("hub_now()"),
            nullable=False,
        ),
        sa.Column("places", sa.Float(), nullable=True),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("channel", "name", name="pk_provider_account"),
    )
    for table, rights in GLOBAL_ENGINE.items():
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")
        op.execute(f"GRANT SELECT ON {table} TO hub_backup")
    op.add_column("attempt", sa.Column("account", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("attempt", "account")
    op.drop_table("provider_account")
