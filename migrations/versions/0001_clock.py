"""The hub's clock: `hub_now()` is real time plus an offset that only tests and the demo can write.

First migration; there is no previous release.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE TABLE hub_clock (one boolean CONSTRAINT pk_hub_clock PRIMARY KEY DEFAULT true CONSTRAINT ck_hub_clock_one CHECK (one), ahead interval NOT NULL)"
    )
    op.execute("INSERT INTO hub_clock (ahead) VALUES (interval '0')")
    op.execute("GRANT SELECT ON hub_clock TO hub_app, hub_engine")
    op.execute("GRANT USAGE ON SCHEMA public TO hub_app, hub_engine, hub_backup")
    op.execute(
        "CREATE FUNCTION hub_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE "
        "AS $$ SELECT clock_timestamp() + ahead FROM hub_clock $$"
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION hub_now()")
    op.execute("DROP TABLE hub_clock")
