"""Digests: when each person wants one (preference), which there have been, and an index that finds who is due.

The previous release can run on it: what is new may be null or has a default, and it asks nothing of the new table. What
it tells goes out at once, also to those who have chosen a digest.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# the engine looks who is due, and sees no more of what people want than that
DUE = "organisation_id, person_id, digest_due_at"
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    _choices()
    op.create_table(
        "digest",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until_seq", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("carried", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_digest_organisation_id_person_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "delivery_id"],
            ["delivery.organisation_id", "delivery.id"],
            name="fk_digest_organisation_id_delivery_id",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("period_start < period_end", name=op.f("ck_digest_period")),
        sa.CheckConstraint("carried > 0", name=op.f("ck_digest_carried")),
        sa.PrimaryKeyConstraint("organisation_id", "person_id", "period_start", name="pk_digest"),
        sa.UniqueConstraint("organisation_id", "delivery_id", name="uq_digest_delivery"),
    )
    _protect()


def _choices() -> None:
    op.add_column("preference", sa.Column("digest_rhythm", sa.Text(), nullable=True))
    op.add_column(
        "preference", sa.Column("digest_time", sa.Time(), server_default=sa.text("'09:00'"), nullable=False)
    )
    op.add_column(
        "preference",
        sa.Column("digest_day", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("preference", sa.Column("digest_due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("preference", sa.Column("digest_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("preference", sa.Column("digest_seq", sa.BigInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_preference_rhythm"), "preference", "digest_rhythm IN ('hourly', 'daily', 'weekly')"
    )
    op.create_check_constraint(op.f("ck_preference_digest_day"), "preference", "digest_day BETWEEN 0 AND 6")
    op.create_check_constraint(
        op.f("ck_preference_digest"),
        "preference",
        "num_nulls(digest_rhythm, digest_due_at, digest_since, digest_seq) IN (0, 4)",
    )
    # read by the digest sweep
    op.create_index(
        "ix_preference_digest",
        "preference",
        ["digest_due_at"],
        unique=False,
        postgresql_where=sa.text("digest_due_at IS NOT NULL"),
    )
    op.execute("CREATE POLICY engine ON preference TO hub_engine USING (true) WITH CHECK (true)")
    op.execute(f"GRANT SELECT ({DUE}) ON preference TO hub_engine")


def _protect() -> None:
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute("ALTER TABLE digest ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE digest FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner ON digest TO hub_owner USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY app ON digest TO hub_app USING ({same}) WITH CHECK ({same})")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON digest TO hub_app")
    op.execute("GRANT SELECT ON digest TO hub_backup")


def downgrade() -> None:
    op.drop_table("digest")
    op.execute(f"REVOKE SELECT ({DUE}) ON preference FROM hub_engine")  # noqa: S608
    op.execute("DROP POLICY engine ON preference")
    op.execute("DELETE FROM preference_choice WHERE channel = 'digest'")
    op.drop_index("ix_preference_digest", table_name="preference")
    for name in ("ck_preference_digest", "ck_preference_digest_day", "ck_preference_rhythm"):
        op.drop_constraint(op.f(name), "preference")
    for name in ("seq", "since", "due_at", "day", "time", "rhythm"):
        op.drop_column("preference", f"digest_{name}")
