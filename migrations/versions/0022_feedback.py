"""What providers report of messages that they have taken (feedback), which of their messages were taken (provider_message),
why an address is blocked (suppression.kind), and the codes with which an SMS is answered (reply_code).

An attempt is found by its provider's id, where a provider reports by it; an address by its value. The previous release can
run on it: it asks nothing of the new tables, and what it blocks was refused by a provider.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None

ENGINE = {"address": "SELECT", "reply_code": "SELECT, DELETE", "feedback": "SELECT, DELETE"}
GLOBAL_ENGINE = {"provider_message": "SELECT, INSERT, UPDATE, DELETE"}
KINDS = ("refused", "soft_bounces", "bounce", "complaint", "opt_out")
HEARD = ("delayed", "soft_bounce", "rejected", "hard_bounce", "opted_out", "complaint")
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    _provider_message()
    _feedback()
    _reply_code()
    op.add_column("suppression", sa.Column("kind", sa.Text(), server_default="refused", nullable=False))
    op.create_check_constraint(op.f("ck_suppression_kind"), "suppression", _one_of("kind", KINDS))
    op.create_index("ix_suppression_recent", "suppression", ["organisation_id", "created_at", "id"])
    op.create_index(
        "ix_attempt_provider_id",
        "attempt",
        ["provider_id"],
        postgresql_where=sa.text("outcome = 'accepted' AND provider IN ('ses', 'sns')"),
    )
    op.create_index("ix_address_value", "address", ["channel", "value", "organisation_id"])
    for table, rights in ENGINE.items():
        op.execute(f"CREATE POLICY engine ON {table} TO hub_engine USING (true) WITH CHECK (true)")
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")


def _one_of(column: str, words: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(word) for word in words)})"


def _moment(name: str, default: str | None = "hub_now()") -> sa.Column[object]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=sa.text(default) if default else None,
        nullable=default is None,
    )


def _provider_message() -> None:
    op.create_table(
        "provider_message",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        _moment("received_at"),
        sa.Column("waiting", postgresql.JSONB(), nullable=True),
        _moment("next_look_at", None),
        sa.PrimaryKeyConstraint("id", name="pk_provider_message"),
    )
    op.create_index("ix_provider_message_received", "provider_message", ["received_at"])
    op.create_index(
        "ix_provider_message_waiting",
        "provider_message",
        ["next_look_at"],
        postgresql_where=sa.text("waiting IS NOT NULL"),
    )
    op.execute(f"GRANT {GLOBAL_ENGINE['provider_message']} ON provider_message TO hub_engine")
    op.execute("GRANT SELECT ON provider_message TO hub_backup")


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("heard", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("counts", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        _moment("created_at"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name="fk_feedback_organisation_id"),
        sa.ForeignKeyConstraint(
            ["organisation_id", "delivery_id"],
            ["delivery.organisation_id", "delivery.id"],
            name="fk_feedback_organisation_id_delivery_id",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(_one_of("heard", HEARD), name=op.f("ck_feedback_heard")),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_feedback"),
        sa.UniqueConstraint("organisation_id", "delivery_id", "heard", name="uq_feedback_matter"),
    )
    # read by the auditor: of all organisations, lately
    op.create_index("ix_feedback_recent", "feedback", ["created_at"])
    op.create_index(
        "ix_feedback_address", "feedback", ["organisation_id", "channel", "address", "created_at"]
    )
    _protect("feedback", "SELECT, INSERT, UPDATE, DELETE")


def _reply_code() -> None:
    op.create_table(
        "reply_code",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        _moment("expires_at", None),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_reply_code_organisation_id_person_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "event_id"],
            ["event.organisation_id", "event.id"],
            name="fk_reply_code_organisation_id_event_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "number", "code", name="pk_reply_code"),
        sa.UniqueConstraint("organisation_id", "event_id", "number", name="uq_reply_code_event"),
    )
    op.alter_column("reply_code", "expires_at", nullable=False)
    op.create_index("ix_reply_code_expires", "reply_code", ["expires_at"])
    op.create_index("ix_reply_code_number", "reply_code", ["number", "code"])
    _protect("reply_code", "SELECT, INSERT, UPDATE, DELETE")


def _protect(table: str, rights: str) -> None:
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY owner ON {table} TO hub_owner USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY app ON {table} TO hub_app USING ({same}) WITH CHECK ({same})")
    op.execute(f"GRANT {rights} ON {table} TO hub_app")
    op.execute(f"GRANT SELECT ON {table} TO hub_backup")


def downgrade() -> None:
    op.execute("REVOKE SELECT ON address FROM hub_engine")
    op.execute("DROP POLICY engine ON address")
    op.drop_index("ix_address_value", table_name="address")
    op.drop_index("ix_attempt_provider_id", table_name="attempt")
    op.drop_index("ix_suppression_recent", table_name="suppression")
    op.drop_constraint(op.f("ck_suppression_kind"), "suppression")
    op.drop_column("suppression", "kind")
    for table in ("reply_code", "feedback", "provider_message"):
        op.drop_table(table)
