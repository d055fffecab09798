"""The record of changes (audit): what was changed about people and by the office, by whom (C7). It can only grow.

The previous release can run on it: it asks nothing of the new table, and what it changes is not recorded.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name="fk_audit_organisation_id"),
        sa.ForeignKeyConstraint(
            ["organisation_id", "actor_id"],
            ["person.organisation_id", "person.id"],
            name="fk_audit_organisation_id_actor_id",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "subject_id"],
            ["person.organisation_id", "person.id"],
            name="fk_audit_organisation_id_subject_id",
        ),
        sa.CheckConstraint("who IN ('person', 'key', 'command', 'link')", name="ck_audit_who"),
        sa.CheckConstraint("(actor_id IS NOT NULL) = (who IN ('person', 'key'))", name="ck_audit_actor"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_audit"),
    )
    op.create_index("ix_audit_recent", "audit", ["organisation_id", "at", "id"])
    for name in ("subject", "actor"):
        op.create_index(
            f"ix_audit_{name}",
            "audit",
            ["organisation_id", f"{name}_id", "at", "id"],
            postgresql_where=sa.text(f"{name}_id IS NOT NULL"),
        )
    op.execute("ALTER TABLE audit ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE audit FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner ON audit TO hub_owner USING (true) WITH CHECK (true)")
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute(f"CREATE POLICY app ON audit TO hub_app USING ({same}) WITH CHECK ({same})")
    # no UPDATE and no DELETE: what is written here stays
    op.execute("GRANT SELECT, INSERT ON audit TO hub_app")
    op.execute("GRANT SELECT ON audit TO hub_backup")


def downgrade() -> None:
    op.drop_table("audit")
