"""What waits for somebody (task), what is planned for a time (reminder), numbers of items made here, rounds of work.

The previous release can run on it: the new column has a default, and it asks nothing of the new tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("numbering", "task", "reminder")
ENGINE = {"reminder": "SELECT"}
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    op.add_column("work_item", sa.Column("round", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.create_table(
        "numbering",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("next", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name="fk_numbering_organisation_id"
        ),
        sa.PrimaryKeyConstraint("organisation_id", "prefix", name="pk_numbering"),
    )
    _task()
    _reminder()
    for table in TABLES:
        _protect(table)
    for table, rights in ENGINE.items():
        op.execute(f"CREATE POLICY engine ON {table} TO hub_engine USING (true) WITH CHECK (true)")
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")


def _task() -> None:
    op.create_table(
        "task",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column(
            "opened_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id", "item_id"],
            ["work_item.organisation_id", "work_item.id"],
            name="fk_task_organisation_id_item_id",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "assignee_id"],
            ["person.organisation_id", "person.id"],
            name="fk_task_organisation_id_assignee_id",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "closed_by"],
            ["person.organisation_id", "person.id"],
            name="fk_task_organisation_id_closed_by",
        ),
        sa.CheckConstraint("outcome IN ('done', 'moot')", name="ck_task_outcome"),
        sa.CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name="ck_task_closed"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_task"),
    )
    waits = sa.text("closed_at IS NULL")
    op.create_index(
        "uq_task_open", "task", ["organisation_id", "item_id", "name"], unique=True, postgresql_where=waits
    )
    op.create_index("ix_task_waiting", "task", ["organisation_id", "due_at"], postgresql_where=waits)
    op.create_index("ix_task_assignee", "task", ["organisation_id", "assignee_id", "opened_at"])
    op.create_index("ix_task_item", "task", ["organisation_id", "item_id"])


def _reminder() -> None:
    op.create_table(
        "reminder",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("item_version", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), server_default="", nullable=False),
        sa.Column("verb", sa.Text(), server_default="", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id", "item_id"],
            ["work_item.organisation_id", "work_item.id"],
            name="fk_reminder_organisation_id_item_id",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'sent', 'skipped', 'cancelled', 'failed')", name="ck_reminder_state"
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_reminder"),
        sa.UniqueConstraint("organisation_id", "item_id", "key", name="uq_reminder_key"),
    )
    # read by the reminder sweep
    op.create_index("ix_reminder_due", "reminder", ["due_at"], postgresql_where=sa.text("state = 'pending'"))


def _protect(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY owner ON {table} TO hub_owner USING (true) WITH CHECK (true)")
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute(f"CREATE POLICY app ON {table} TO hub_app USING ({same}) WITH CHECK ({same})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO hub_app")
    op.execute(f"GRANT SELECT ON {table} TO hub_backup")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_column("work_item", "round")
