"""What people write, what is answered, links to a message, first passwords, the installation's switches.

The previous release can run on it: new columns may be empty, it asks nothing of the new tables, and a link without an
item is one that it answers with "there is no such item".
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("written_message", "answer")
ENGINE = {"written_message": "SELECT"}
GLOBAL_ENGINE = {"account": "INSERT", "installation": "SELECT, INSERT, UPDATE"}
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    _written_message()
    _answer()
    _link()
    _account()
    _installation()
    for table in TABLES:
        _protect(table)
    for table, rights in ENGINE.items():
        op.execute(f"CREATE POLICY engine ON {table} TO hub_engine USING (true) WITH CHECK (true)")
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")
    for table, rights in GLOBAL_ENGINE.items():
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")


def _written_message() -> None:
    op.create_table(
        "written_message",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("form_key", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("happening", sa.Text(), server_default="", nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=True),
        sa.Column("facts", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("audience", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("again_of", sa.Uuid(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="scheduled", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("cancelled_by", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name="fk_written_message_organisation_id"
        ),
        *(
            sa.ForeignKeyConstraint(
                ["organisation_id", column],
                [f"{table}.organisation_id", f"{table}.id"],
                name=f"fk_written_message_organisation_id_{column}",
            )
            for column, table in (
                ("author_id", "person"),
                ("item_id", "work_item"),
                ("again_of", "event"),
                ("event_id", "event"),
                ("cancelled_by", "person"),
            )
        ),
        sa.CheckConstraint(
            "state IN ('scheduled', 'sent', 'cancelled', 'failed')", name="ck_written_message_state"
        ),
        sa.CheckConstraint("priority BETWEEN 1 AND 4", name="ck_written_message_priority"),
        sa.CheckConstraint("(state = 'sent') = (event_id IS NOT NULL)", name="ck_written_message_sent"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_written_message"),
        sa.UniqueConstraint("organisation_id", "author_id", "form_key", name="uq_written_message_form"),
    )
    # read by the scheduled sweep
    op.create_index(
        "ix_written_message_due",
        "written_message",
        ["due_at"],
        postgresql_where=sa.text("state = 'scheduled'"),
    )
    op.create_index("ix_written_message_recent", "written_message", ["organisation_id", "created_at", "id"])
    op.create_index("ix_written_message_event", "written_message", ["organisation_id", "event_id"])
    op.create_index(
        "ix_written_message_again",
        "written_message",
        ["organisation_id", "again_of"],
        postgresql_where=sa.text("again_of IS NOT NULL"),
    )


def _answer() -> None:
    op.create_table(
        "answer",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "answered_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "event_id"],
            ["event.organisation_id", "event.id"],
            name="fk_answer_organisation_id_event_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_answer_organisation_id_person_id",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "notification_id"],
            ["notification.organisation_id", "notification.id"],
            name="fk_answer_organisation_id_notification_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_answer"),
    )
    op.create_index("ix_answer_event", "answer", ["organisation_id", "event_id", "person_id", "id"])


def _link() -> None:
    """A link may open a message that asks something, where there is no item."""
    op.alter_column("link", "item_id", existing_type=sa.Uuid(), nullable=True)
    op.add_column("link", sa.Column("notification_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_link_organisation_id_notification_id",
        "link",
        "notification",
        ["organisation_id", "notification_id"],
        ["organisation_id", "id"],
        ondelete="CASCADE",
    )
    op.create_check_constraint("ck_link_opens", "link", "num_nonnulls(item_id, notification_id) = 1")


def _account() -> None:
    op.add_column("account", sa.Column("invite_hash", sa.LargeBinary(), nullable=True))
    op.add_column("account", sa.Column("invite_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("account", sa.Column("invited_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_account_invited_by", "account", "organisation", ["invited_by"], ["id"], ondelete="SET NULL"
    )
    op.create_unique_constraint("uq_account_invite_hash", "account", ["invite_hash"])


def _installation() -> None:
    op.create_table(
        "installation",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("notifications_on", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.CheckConstraint("one", name="ck_installation_one"),
        sa.PrimaryKeyConstraint("one", name="pk_installation"),
    )
    op.execute("GRANT SELECT ON installation TO hub_app, hub_backup")


def _protect(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY owner ON {table} TO hub_owner USING (true) WITH CHECK (true)")
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute(f"CREATE POLICY app ON {table} TO hub_app USING ({same}) WITH CHECK ({same})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO hub_app")
    op.execute(f"GRANT SELECT ON {table} TO hub_backup")


def downgrade() -> None:
    op.execute("REVOKE INSERT ON account FROM hub_engine")
    op.drop_table("installation")
    op.drop_constraint("uq_account_invite_hash", "account", type_="unique")
    op.drop_constraint("fk_account_invited_by", "account", type_="foreignkey")
    for column in ("invite_hash", "invite_until", "invited_by"):
        op.drop_column("account", column)
    op.execute("DELETE FROM link WHERE item_id IS NULL")
    op.drop_constraint("ck_link_opens", "link", type_="check")
    op.drop_constraint("fk_link_organisation_id_notification_id", "link", type_="foreignkey")
    op.drop_column("link", "notification_id")
    op.alter_column("link", "item_id", existing_type=sa.Uuid(), nullable=False)
    for table in reversed(TABLES):
        op.drop_table(table)
