"""What the auditor finds and needs: findings, its turn, signs of life, runs of sweeps; indexes for notifications that go.

hub_engine may read what the auditor compares, and remove notifications (the tidy sweep). The previous release can run on
it: it asks nothing of the new tables, and the indexes change nothing for it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ENGINE = {
    "audit_finding": "SELECT, INSERT, UPDATE, DELETE",
    "decision": "SELECT",
    "work_item": "SELECT",
    "answer": "SELECT",
    "notification": "DELETE",
}
HAS_POLICY = {"notification"}
GLOBAL_ENGINE = {
    "audit_run": "SELECT, INSERT, UPDATE",
    "process_beat": "SELECT, INSERT, UPDATE, DELETE",
    "sweep_run": "SELECT, INSERT, UPDATE",
}
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    _finding()
    _installation()
    for table, rights in ENGINE.items():
        if table not in HAS_POLICY:
            op.execute(f"CREATE POLICY engine ON {table} TO hub_engine USING (true) WITH CHECK (true)")
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")
    for table, rights in GLOBAL_ENGINE.items():
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")
        op.execute(f"GRANT SELECT ON {table} TO hub_app, hub_backup")
    # a notification that goes takes its links and answers along, found by these
    op.create_index("ix_answer_notification", "answer", ["organisation_id", "notification_id"])
    op.create_index(
        "ix_link_notification",
        "link",
        ["organisation_id", "notification_id"],
        postgresql_where=sa.text("notification_id IS NOT NULL"),
    )


def _moment(name: str, default: str | None = None) -> sa.Column[object]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=sa.text(default) if default else None,
        nullable=default is None,
    )


def _finding() -> None:
    op.create_table(
        "audit_finding",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        _moment("oldest_at"),
        _moment("since", "hub_now()"),
        _moment("seen_at", "hub_now()"),
        _moment("cleared_at"),
        _moment("told_at"),
        _moment("well_at"),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name="fk_audit_finding_organisation_id"
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_audit_finding"),
    )
    op.create_index(
        "uq_audit_finding_open",
        "audit_finding",
        ["organisation_id", "name", "subject"],
        unique=True,
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_index(
        "ix_audit_finding_over",
        "audit_finding",
        ["organisation_id"],
        postgresql_where=sa.text("told_at IS NOT NULL AND well_at IS NULL AND cleared_at IS NOT NULL"),
    )
    op.create_index("ix_audit_finding_cleared", "audit_finding", ["organisation_id", "cleared_at"])
    op.execute("ALTER TABLE audit_finding ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE audit_finding FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner ON audit_finding TO hub_owner USING (true) WITH CHECK (true)")
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute(f"CREATE POLICY app ON audit_finding TO hub_app USING ({same}) WITH CHECK ({same})")
    # pages look, the warn sweep notes whom it told
    op.execute("GRANT SELECT, UPDATE ON audit_finding TO hub_app")
    op.execute("GRANT SELECT ON audit_finding TO hub_backup")


def _installation() -> None:
    op.create_table(
        "audit_run",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        _moment("began_at", "clock_timestamp()"),
        _moment("taken_at", "clock_timestamp()"),
        _moment("done_at"),
        _moment("looked_at"),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("cursor", sa.Uuid(), nullable=True),
        sa.Column("queues", postgresql.JSONB(), nullable=True),
        _moment("pinged_at"),
        sa.Column("ping_error", sa.Text(), nullable=True),
        sa.CheckConstraint("one", name="ck_audit_run_one"),
        sa.PrimaryKeyConstraint("one", name="pk_audit_run"),
    )
    op.create_table(
        "process_beat",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("queues", postgresql.ARRAY(sa.Text()), nullable=False),
        _moment("started_at", "clock_timestamp()"),
        _moment("seen_at", "clock_timestamp()"),
        sa.CheckConstraint("kind IN ('worker', 'scheduler')", name="ck_process_beat_kind"),
        sa.PrimaryKeyConstraint("id", name="pk_process_beat"),
    )
    op.create_table(
        "sweep_run",
        sa.Column("name", sa.Text(), nullable=False),
        _moment("ended_at"),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("done", sa.Integer(), nullable=True),
        _moment("failed_at"),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_sweep_run"),
    )


def downgrade() -> None:
    op.drop_index("ix_link_notification", "link")
    op.drop_index("ix_answer_notification", "answer")
    for table, rights in ENGINE.items():
        if table != "audit_finding":
            op.execute(f"REVOKE {rights} ON {table} FROM hub_engine")
        if table not in HAS_POLICY:
            op.execute(f"DROP POLICY engine ON {table}")
    for table in ("sweep_run", "process_beat", "audit_run", "audit_finding"):
        op.drop_table(table)
