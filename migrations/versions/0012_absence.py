"""Absences: who is away when, and who stands in; for whom a line of an inbox was told to somebody else.

The previous release can run on it: it asks nothing of the new table, and the new column may be empty.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ENGINE = {"absence": "SELECT"}
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    op.add_column("notification", sa.Column("for_person_id", sa.Uuid(), nullable=True))
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "absence",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("substitute_id", sa.Uuid(), nullable=True),
        sa.Column("starts_at", moment, nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", moment, server_default=sa.text("hub_now()"), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                ["organisation_id", column],
                ["person.organisation_id", "person.id"],
                name=f"fk_absence_organisation_id_{column}",
            )
            for column in ("person_id", "substitute_id", "created_by")
        ),
        sa.CheckConstraint("starts_at < ends_at", name="ck_absence_times"),
        sa.CheckConstraint("substitute_id <> person_id", name="ck_absence_other"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_absence"),
    )
    op.create_index("ix_absence_person", "absence", ["organisation_id", "person_id", "ends_at"])
    # read by the cover sweep
    op.create_index("ix_absence_ends", "absence", ["ends_at"])
    op.execute("ALTER TABLE absence ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE absence FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner ON absence TO hub_owner USING (true) WITH CHECK (true)")
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute(f"CREATE POLICY app ON absence TO hub_app USING ({same}) WITH CHECK ({same})")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON absence TO hub_app")
    op.execute("GRANT SELECT ON absence TO hub_backup")
    for table, rights in ENGINE.items():
        op.execute(f"CREATE POLICY engine ON {table} TO hub_engine USING (true) WITH CHECK (true)")
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")


def downgrade() -> None:
    op.drop_table("absence")
    op.drop_column("notification", "for_person_id")
