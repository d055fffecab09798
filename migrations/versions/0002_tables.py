"""The tables of the one path: who there is, what arrived, what it is about, what is said, and why.

First release; there is no previous one that must run on it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
    )
    op.create_index("uq_account_email", "account", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("locale", sa.Text(), server_default="en", nullable=False),
        sa.Column("currency", sa.Text(), server_default="USD", nullable=False),
        sa.Column("settings", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("branding", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name="pk_organisation"),
        sa.UniqueConstraint("slug", name="uq_organisation_slug"),
    )
    op.create_table(
        "account_session",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_agent", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_account_session_account_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_account_session"),
        sa.UniqueConstraint("token_hash", name="uq_account_session_token_hash"),
    )
    op.create_index("ix_account_session_account_id", "account_session", ["account_id"], unique=False)
    op.create_index("ix_account_session_expires_at", "account_session", ["expires_at"], unique=False)
    op.create_table(
        "content",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name="fk_content_organisation_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_content"),
        sa.UniqueConstraint("organisation_id", "hash", name="uq_content_hash"),
    )
    op.create_table(
        "source",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name="fk_source_organisation_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_source"),
        sa.UniqueConstraint("slug", name="uq_source_slug"),
    )
    op.create_table(
        "suppression",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name="fk_suppression_organisation_id"
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_suppression"),
        sa.UniqueConstraint("organisation_id", "channel", "value", name="uq_suppression_value"),
    )
    op.create_table(
        "template",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), server_default="en", nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("email_html", sa.Text(), nullable=True),
        sa.Column("email_text", sa.Text(), nullable=True),
        sa.Column("sms", sa.Text(), nullable=True),
        sa.Column("action_url", sa.Text(), nullable=True),
        sa.Column("priority", sa.SmallInteger(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("requires", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.CheckConstraint("priority BETWEEN 1 AND 4", name="ck_template_priority"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name="fk_template_organisation_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_template"),
        sa.UniqueConstraint("organisation_id", "event", "locale", name="uq_template_event"),
    )
    op.create_table(
        "inbound",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=True),
        sa.Column("item_refs", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default="accepted", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('accepted', 'applied', 'refused', 'stale', 'failed')", name="ck_inbound_state"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "source_id"],
            ["source.organisation_id", "source.id"],
            name="fk_inbound_organisation_id_source_id",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_inbound"),
        sa.UniqueConstraint("organisation_id", "source_id", "external_id", name="uq_inbound_external"),
    )
    op.create_index(
        "ix_inbound_body",
        "inbound",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("body IS NOT NULL"),
    )
    op.create_index(
        "ix_inbound_due",
        "inbound",
        ["next_attempt_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_index(
        "ix_inbound_waiting",
        "inbound",
        ["item_refs"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_table(
        "person",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=True),
        sa.Column("zone", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("grade IN ('A', 'B', 'C')", name="ck_person_grade"),
        sa.CheckConstraint(
            "role IN ('administrator', 'manager', 'technician', 'contact')", name="ck_person_role"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_person_account_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "source_id"],
            ["source.organisation_id", "source.id"],
            name="fk_person_organisation_id_source_id",
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name="fk_person_organisation_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_person"),
        sa.UniqueConstraint("organisation_id", "account_id", name="uq_person_account"),
        sa.UniqueConstraint("organisation_id", "source_id", "external_id", name="uq_person_external"),
    )
    op.create_index("ix_person_account", "person", ["account_id"], unique=False)
    op.create_index(
        "ix_person_role",
        "person",
        ["organisation_id", "role"],
        unique=False,
        postgresql_where=sa.text("left_at IS NULL"),
    )
    op.create_table(
        "work_item",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("data", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("batch_ref", sa.Text(), nullable=True),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "source_id"],
            ["source.organisation_id", "source.id"],
            name="fk_work_item_organisation_id_source_id",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name="fk_work_item_organisation_id"
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_work_item"),
        sa.UniqueConstraint(
            "organisation_id", "kind", "source_id", "external_id", name="uq_work_item_external"
        ),
    )
    op.create_index(
        "ix_work_item_batch",
        "work_item",
        ["organisation_id", "batch_ref"],
        unique=False,
        postgresql_where=sa.text("batch_ref IS NOT NULL"),
    )
    op.create_index("ix_work_item_list", "work_item", ["organisation_id", "updated_at", "id"], unique=False)
    op.create_table(
        "address",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("from_source", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.CheckConstraint("channel <> 'inapp'", name="ck_address_channel"),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_address_organisation_id_person_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_address"),
        sa.UniqueConstraint("organisation_id", "person_id", "channel", "value", name="uq_address_value"),
    )
    op.create_table(
        "change",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("inbound_id", sa.Uuid(), nullable=True),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "actor_id"],
            ["person.organisation_id", "person.id"],
            name="fk_change_organisation_id_actor_id",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "item_id"],
            ["work_item.organisation_id", "work_item.id"],
            name="fk_change_organisation_id_item_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_change"),
        sa.UniqueConstraint("organisation_id", "item_id", "version", name="uq_change_version"),
    )
    op.create_table(
        "delivery",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("group_key", sa.Text(), nullable=False),
        sa.Column("generation", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False),
        sa.Column(
            "next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("content_id", sa.Uuid(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("segments", sa.SmallInteger(), nullable=True),
        sa.Column("cost_usd", sa.Numeric(precision=12, scale=5), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'sending') = (token IS NOT NULL AND lease_until IS NOT NULL)", name="ck_delivery_lease"
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'sent', 'delivered', 'bounced', 'failed', 'skipped', 'suppressed', 'unknown')",
            name="ck_delivery_state",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "content_id"],
            ["content.organisation_id", "content.id"],
            name="fk_delivery_organisation_id_content_id",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_delivery_organisation_id_person_id",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_delivery"),
        sa.UniqueConstraint(
            "organisation_id",
            "person_id",
            "channel",
            "address",
            "purpose",
            "group_key",
            "generation",
            name="uq_delivery_message",
        ),
    )
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["priority", "next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_delivery_lease",
        "delivery",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "ix_delivery_person", "delivery", ["organisation_id", "person_id", "created_at"], unique=False
    )
    op.create_index("ix_delivery_recent", "delivery", ["organisation_id", "created_at"], unique=False)
    op.create_table(
        "event",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("inbound_id", sa.Uuid(), nullable=True),
        sa.Column("ordinal", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("item_version", sa.Integer(), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.CheckConstraint("priority BETWEEN 1 AND 4", name="ck_event_priority"),
        sa.ForeignKeyConstraint(
            ["organisation_id", "actor_id"],
            ["person.organisation_id", "person.id"],
            name="fk_event_organisation_id_actor_id",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "inbound_id"],
            ["inbound.organisation_id", "inbound.id"],
            name="fk_event_organisation_id_inbound_id",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "item_id"],
            ["work_item.organisation_id", "work_item.id"],
            name="fk_event_organisation_id_item_id",
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name="fk_event_organisation_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_event"),
        sa.UniqueConstraint("organisation_id", "dedupe_key", name="uq_event_dedupe"),
        sa.UniqueConstraint("organisation_id", "inbound_id", "ordinal", name="uq_event_inbound"),
    )
    op.create_index(
        "ix_event_alert",
        "event",
        ["organisation_id", "priority"],
        unique=False,
        postgresql_where=sa.text("priority = 1 OR name = 'not_reached'"),
    )
    op.create_index("ix_event_item", "event", ["organisation_id", "item_id", "id"], unique=False)
    op.create_index("ix_event_recent", "event", ["organisation_id", "created_at"], unique=False)
    op.create_table(
        "inbox_counter",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_inbox_counter_organisation_id_person_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "person_id", name="pk_inbox_counter"),
    )
    op.create_index("ix_inbox_counter_person", "inbox_counter", ["person_id", "seq"], unique=False)
    op.create_table(
        "item_person",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "item_id"],
            ["work_item.organisation_id", "work_item.id"],
            name="fk_item_person_organisation_id_item_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_item_person_organisation_id_person_id",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "item_id", "role", "person_id", name="pk_item_person"),
    )
    op.create_index("ix_item_person_person", "item_person", ["organisation_id", "person_id"], unique=False)
    op.create_table(
        "link",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "item_id"],
            ["work_item.organisation_id", "work_item.id"],
            name="fk_link_organisation_id_item_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_link_organisation_id_person_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_link"),
        sa.UniqueConstraint("token_hash", name="uq_link_token_hash"),
    )
    op.create_index("ix_link_expires_at", "link", ["expires_at"], unique=False)
    op.create_table(
        "preference",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("quiet_from", sa.Time(), nullable=True),
        sa.Column("quiet_until", sa.Time(), nullable=True),
        sa.Column(
            "quiet_days",
            postgresql.ARRAY(sa.SmallInteger()),
            server_default=sa.text("'{0,1,2,3,4,5,6}'"),
            nullable=False,
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name="ck_preference_quiet"),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_preference_organisation_id_person_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "person_id", name="pk_preference"),
    )
    op.create_table(
        "preference_choice",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "scope LIKE 'category:%' OR scope LIKE 'event:%'", name="ck_preference_choice_scope"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_preference_choice_organisation_id_person_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "person_id", "scope", "channel", name="pk_preference_choice"
        ),
    )
    op.create_table(
        "attempt",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("segments", sa.SmallInteger(), nullable=True),
        sa.Column("cost_usd", sa.Numeric(precision=12, scale=5), nullable=True),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('accepted', 'transient', 'permanent', 'throttled', 'ambiguous', 'config')",
            name="ck_attempt_outcome",
        ),
        sa.CheckConstraint("(outcome IS NULL) = (finished_at IS NULL)", name="ck_attempt_finished"),
        sa.ForeignKeyConstraint(
            ["organisation_id", "delivery_id"],
            ["delivery.organisation_id", "delivery.id"],
            name="fk_attempt_organisation_id_delivery_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "delivery_id", "number", name="pk_attempt"),
    )
    op.create_index("ix_attempt_started", "attempt", ["started_at"], unique=False)
    op.create_table(
        "decision",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "event_id"],
            ["event.organisation_id", "event.id"],
            name="fk_decision_organisation_id_event_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_decision_organisation_id_person_id",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_decision"),
    )
    op.create_index(
        "ix_decision_event", "decision", ["organisation_id", "event_id", "person_id"], unique=False
    )
    op.create_table(
        "notification",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("action_url", sa.Text(), server_default="", nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("dedupe_key", sa.Text(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("changed_seq", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id", "event_id"],
            ["event.organisation_id", "event.id"],
            name="fk_notification_organisation_id_event_id",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "item_id"],
            ["work_item.organisation_id", "work_item.id"],
            name="fk_notification_organisation_id_item_id",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_notification_organisation_id_person_id",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_notification"),
        sa.UniqueConstraint("organisation_id", "dedupe_key", name="uq_notification_dedupe"),
        sa.UniqueConstraint("organisation_id", "event_id", "person_id", name="uq_notification_event"),
    )
    op.create_index("ix_notification_changed", "notification", ["person_id", "changed_seq"], unique=False)
    op.create_index(
        "ix_notification_inbox", "notification", ["person_id", sa.literal_column("id DESC")], unique=False
    )
    op.create_index("ix_notification_item", "notification", ["organisation_id", "item_id"], unique=False)
    op.create_index(
        "ix_notification_unread",
        "notification",
        ["person_id", sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("read_at IS NULL AND withdrawn_at IS NULL"),
    )
    op.create_table(
        "delivery_item",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "delivery_id"],
            ["delivery.organisation_id", "delivery.id"],
            name="fk_delivery_item_organisation_id_delivery_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "notification_id"],
            ["notification.organisation_id", "notification.id"],
            name="fk_delivery_item_organisation_id_notification_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "delivery_id", "notification_id", name="pk_delivery_item"),
    )
    op.create_index(
        "ix_delivery_item_notification", "delivery_item", ["organisation_id", "notification_id"], unique=False
    )


def downgrade() -> None:
    op.drop_table("delivery_item")
    op.drop_table("notification")
    op.drop_table("decision")
    op.drop_table("attempt")
    op.drop_table("preference_choice")
    op.drop_table("preference")
    op.drop_table("link")
    op.drop_table("item_person")
    op.drop_table("inbox_counter")
    op.drop_table("event")
    op.drop_table("delivery")
    op.drop_table("change")
    op.drop_table("address")
    op.drop_table("work_item")
    op.drop_table("person")
    op.drop_table("inbound")
    op.drop_table("template")
    op.drop_table("suppression")
    op.drop_table("source")
    op.drop_table("content")
    op.drop_table("account_session")
    op.drop_table("organisation")
    op.drop_table("account")
