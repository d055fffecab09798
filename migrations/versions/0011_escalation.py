"""Escalation: an organisation's rules, the ladder that a task has been given, each level that was told, who has
acknowledged, and the installation's switch.

The previous release can run on it: what it opens has no ladder and is not climbed until escalations are switched off and
on again, which is how they begin everywhere.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = ("escalation_rule", "escalation", "task_acknowledgement")
ENGINE = {"task": "SELECT"}
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    op.add_column(
        "installation",
        sa.Column("escalations_on", sa.Boolean(), server_default=sa.text("true"), nullable=False),
    )
    _task()
    _rule()
    _escalation()
    _acknowledgement()
    for table in TABLES:
        _protect(table)
    for table, rights in ENGINE.items():
        op.execute(f"CREATE POLICY engine ON {table} TO hub_engine USING (true) WITH CHECK (true)")
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")


def _task() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("task", sa.Column("ladder", sa.dialects.postgresql.JSONB(), nullable=True))
    op.add_column("task", sa.Column("rule_id", sa.Uuid(), nullable=True))
    op.add_column("task", sa.Column("rule_version", sa.Integer(), nullable=True))
    op.add_column("task", sa.Column("level", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("task", sa.Column("next_level_at", moment, nullable=True))
    op.add_column("task", sa.Column("resumed_at", moment, nullable=True))
    op.add_column("task", sa.Column("hastened_at", moment, nullable=True))
    op.add_column("task", sa.Column("awaits_since", moment, nullable=True))
    op.add_column("task", sa.Column("acknowledged_at", moment, nullable=True))
    op.add_column("task", sa.Column("acknowledged_by", sa.Uuid(), nullable=True))
    op.add_column("task", sa.Column("ladder_error", sa.Text(), nullable=True))
    op.create_foreign_key(
        "fk_task_organisation_id_acknowledged_by",
        "task",
        "person",
        ["organisation_id", "acknowledged_by"],
        ["organisation_id", "id"],
    )
    op.execute(
        "ALTER TABLE task ADD CONSTRAINT ck_task_climbs CHECK (next_level_at IS NULL OR closed_at IS NULL)"
    )
    # read by the escalation sweep
    op.create_index(
        "ix_task_next_level",
        "task",
        ["next_level_at"],
        postgresql_where=sa.text("next_level_at IS NOT NULL"),
    )
    # read by the auditor: levels that could not be told
    op.create_index(
        "ix_task_ladder_failed", "task", ["due_at"], postgresql_where=sa.text("ladder_error IS NOT NULL")
    )
    # what a changed rule would have done: the tasks of a time
    op.create_index("ix_task_opened", "task", ["organisation_id", "opened_at"])


def _rule() -> None:
    op.create_table(
        "escalation_rule",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("sort", sa.Text(), nullable=True),
        sa.Column("step", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("ladder", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("updated_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name="fk_escalation_rule_organisation_id"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "updated_by"],
            ["person.organisation_id", "person.id"],
            name="fk_escalation_rule_organisation_id_updated_by",
        ),
        sa.CheckConstraint("sort IS NULL OR kind IS NOT NULL", name="ck_escalation_rule_sort"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_escalation_rule"),
        sa.UniqueConstraint(
            "organisation_id",
            "kind",
            "sort",
            "step",
            name="uq_escalation_rule_scope",
            postgresql_nulls_not_distinct=True,
        ),
    )


def _escalation() -> None:
    op.create_table(
        "escalation",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("repetition", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "task_id"],
            ["task.organisation_id", "task.id"],
            name="fk_escalation_organisation_id_task_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_escalation"),
        sa.UniqueConstraint("organisation_id", "task_id", "level", "repetition", name="uq_escalation_level"),
    )
    # whose ladder an event belongs to: what is acknowledged, what did not arrive
    op.create_index("ix_escalation_event", "escalation", ["organisation_id", "event_id"])


def _acknowledgement() -> None:
    op.create_table(
        "task_acknowledgement",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "task_id"],
            ["task.organisation_id", "task.id"],
            name="fk_task_acknowledgement_organisation_id_task_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_task_acknowledgement_organisation_id_person_id",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "task_id", "person_id", name="pk_task_acknowledgement"),
    )


def _protect(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY owner ON {table} TO hub_owner USING (true) WITH CHECK (true)")
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute(f"CREATE POLICY app ON {table} TO hub_app USING ({same}) WITH CHECK ({same})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO hub_app")
    op.execute(f"GRANT SELECT ON {table} TO hub_backup")


def downgrade() -> None:
    for table in ENGINE:
        op.execute(f"REVOKE ALL ON {table} FROM hub_engine")
        op.execute(f"DROP POLICY engine ON {table}")
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_index("ix_task_opened", "task")
    op.drop_index("ix_task_ladder_failed", "task")
    op.drop_index("ix_task_next_level", "task")
    op.execute("ALTER TABLE task DROP CONSTRAINT ck_task_climbs")
    op.drop_constraint("fk_task_organisation_id_acknowledged_by", "task")
    for column in (
        "ladder_error",
        "acknowledged_by",
        "acknowledged_at",
        "awaits_since",
        "hastened_at",
        "resumed_at",
        "next_level_at",
        "level",
        "rule_version",
        "rule_id",
        "ladder",
    ):
        op.drop_column("task", column)
    op.drop_column("installation", "escalations_on")
