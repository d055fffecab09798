"""What an organisation may spend on SMS (sms_budget), what it has spent (sms_spent), what is about to be sent (sms_hold); and
how far a provider's rate was slowed down.

The previous release can run on it: it asks nothing of the new tables, and what is new in the old one may be null. What it
sends is not added up, so the month in which both run shows too little.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0022"
branch_labels = None
depends_on = None

# settlement adds up what was spent and gives back what was held for it; the sweep that warns looks who has a budget
ENGINE = {"sms_spent": "SELECT, INSERT, UPDATE", "sms_hold": "SELECT, UPDATE"}
BUDGETED = "organisation_id"
# an office's bucket of an account's rate is the machinery's own, and nobody's data: the organisation is only a name in it
GLOBAL_ENGINE = {"provider_share": "SELECT, INSERT, UPDATE"}
TABLES = ("sms_budget", "sms_spent", "sms_hold")
MONEY = sa.Numeric(12, 5)
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "sms_budget",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("month_usd", MONEY, nullable=False),
        sa.Column("day_usd", MONEY, nullable=True),
        sa.Column("reserve", sa.SmallInteger(), server_default="15", nullable=False),
        sa.Column("month_refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("day_refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        _organisation("sms_budget"),
        sa.CheckConstraint("month_usd >= 0 AND day_usd >= 0", name=op.f("ck_sms_budget_amounts")),
        sa.CheckConstraint("reserve BETWEEN 0 AND 50", name=op.f("ck_sms_budget_reserve")),
        sa.PrimaryKeyConstraint("organisation_id", name="pk_sms_budget"),
    )
    op.create_table(
        "sms_spent",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("cost_usd", MONEY, nullable=False),
        _organisation("sms_spent"),
        sa.PrimaryKeyConstraint("organisation_id", "day", "country", "event", name="pk_sms_spent"),
    )
    # a few rows that every settlement touches: room beside them keeps the new versions on their page
    op.execute("ALTER TABLE sms_spent SET (fillfactor = 50)")
    op.create_table(
        "sms_hold",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column("cost_usd", MONEY, nullable=False),
        _organisation("sms_hold"),
        sa.PrimaryKeyConstraint("organisation_id", "token", name="pk_sms_hold"),
    )
    for table in TABLES:
        _protect(table)
    for table, rights in ENGINE.items():
        op.execute(f"CREATE POLICY engine ON {table} TO hub_engine USING (true) WITH CHECK (true)")
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")
    op.execute("CREATE POLICY engine ON sms_budget TO hub_engine USING (true) WITH CHECK (true)")
    op.execute(f"GRANT SELECT ({BUDGETED}) ON sms_budget TO hub_engine")
    _rates()


def _organisation(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organisation_id"], ["organisation.id"], name=f"fk_{table}_organisation_id"
    )


def _protect(table: str) -> None:
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY owner ON {table} TO hub_owner USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY app ON {table} TO hub_app USING ({same}) WITH CHECK ({same})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO hub_app")
    op.execute(f"GRANT SELECT ON {table} TO hub_backup")


def _rates() -> None:
    op.add_column("provider_account", sa.Column("slowed_to", sa.Float(), nullable=True))
    op.add_column("provider_account", sa.Column("slowed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "provider_share",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("office", sa.Uuid(), nullable=False),
        sa.Column("places", sa.Float(), nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("channel", "name", "office", name="pk_provider_share"),
    )
    for table, rights in GLOBAL_ENGINE.items():
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")
        op.execute(f"GRANT SELECT ON {table} TO hub_backup")


def downgrade() -> None:
    op.drop_table("provider_share")
    op.drop_column("provider_account", "slowed_at")
    op.drop_column("provider_account", "slowed_to")
    for table in reversed(TABLES):
        op.drop_table(table)
