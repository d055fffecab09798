"""Links by which people connect a chat of their own (start_link).

The previous release can run on it: it asks nothing of the new table, and sends nothing by a channel that it does not know.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0024"
branch_labels = None
depends_on = None

ENGINE = {"start_link": "SELECT, DELETE"}  # which organisation a token is of; the clean-up sweep
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "start_link",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("chat", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_start_link_organisation_id_person_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_start_link"),
        sa.UniqueConstraint("token_hash", name="uq_start_link_token_hash"),
    )
    op.create_index("ix_start_link_person", "start_link", ["organisation_id", "person_id"])
    op.create_index("ix_start_link_expires", "start_link", ["expires_at"])
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute("ALTER TABLE start_link ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE start_link FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner ON start_link TO hub_owner USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY app ON start_link TO hub_app USING ({same}) WITH CHECK ({same})")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON start_link TO hub_app")
    op.execute("CREATE POLICY engine ON start_link TO hub_engine USING (true) WITH CHECK (true)")
    for table, rights in ENGINE.items():
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")
    op.execute("GRANT SELECT ON start_link TO hub_backup")


def downgrade() -> None:
    op.drop_table("start_link")
