"""Invitations are rows that wait for consent (invitation); an account always has a password.

An account without one was the invitation before, and gave away who has an account. Those that wait become rows, and their
people sign in once they have accepted. The previous release runs on it, but cannot invite and opens no invitation: it asks for
columns that are gone.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# whose invitation a link is, and which ones wait for an account
ENGINE = {"invitation": "SELECT"}
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    _invitation()
    op.execute("ALTER TABLE invitation ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE invitation FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner ON invitation TO hub_owner USING (true) WITH CHECK (true)")
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute(f"CREATE POLICY app ON invitation TO hub_app USING ({same}) WITH CHECK ({same})")
    op.execute("CREATE POLICY engine ON invitation TO hub_engine USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON invitation TO hub_app")
    op.execute("GRANT SELECT ON invitation TO hub_engine")
    op.execute("GRANT SELECT ON invitation TO hub_backup")
    op.execute(
        "INSERT INTO invitation (organisation_id, person_id, email, token_hash, expires_at) "
        "SELECT p.organisation_id, p.id, a.email, a.invite_hash, coalesce(a.invite_until, hub_now()) "
        "FROM account a JOIN person p ON p.account_id = a.id WHERE a.password_hash = '' AND p.left_at IS NULL"
    )
    op.execute(
        "UPDATE person p SET account_id = NULL FROM account a WHERE a.id = p.account_id AND a.password_hash = ''"
    )
    op.execute("DELETE FROM account WHERE password_hash = ''")
    op.drop_constraint("uq_account_invite_hash", "account", type_="unique")
    op.drop_constraint("fk_account_invited_by", "account", type_="foreignkey")
    for column in ("invite_hash", "invite_until", "invited_by"):
        op.drop_column("account", column)
    op.create_check_constraint("password", "account", "password_hash <> ''")


def _invitation() -> None:
    op.create_table(
        "invitation",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id", "person_id"],
            ["person.organisation_id", "person.id"],
            name="fk_invitation_organisation_id_person_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "invited_by"],
            ["person.organisation_id", "person.id"],
            name="fk_invitation_organisation_id_invited_by",
        ),
        sa.CheckConstraint("outcome IN ('accepted', 'declined', 'withdrawn')", name="ck_invitation_outcome"),
        sa.CheckConstraint("(settled_at IS NULL) = (outcome IS NULL)", name="ck_invitation_settled"),
        sa.CheckConstraint(
            "settled_at IS NULL AND email IS NOT NULL OR settled_at IS NOT NULL AND num_nonnulls(email, token_hash) = 0",
            name="ck_invitation_forgotten",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name="pk_invitation"),
        sa.UniqueConstraint("token_hash", name="uq_invitation_token_hash"),
    )
    waits = sa.text("settled_at IS NULL")
    op.create_index(
        "uq_invitation_person",
        "invitation",
        ["organisation_id", "person_id"],
        unique=True,
        postgresql_where=waits,
    )
    op.create_index(
        "uq_invitation_email",
        "invitation",
        [sa.literal_column("lower(email)"), "organisation_id"],
        unique=True,
        postgresql_where=waits,
    )
    op.create_index("ix_invitation_latest", "invitation", ["organisation_id", "person_id", "id"])


def downgrade() -> None:
    op.drop_constraint("password", "account", type_="check")
    op.add_column("account", sa.Column("invite_hash", sa.LargeBinary(), nullable=True))
    op.add_column("account", sa.Column("invite_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("account", sa.Column("invited_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_account_invited_by", "account", "organisation", ["invited_by"], ["id"], ondelete="SET NULL"
    )
    op.create_unique_constraint("uq_account_invite_hash", "account", ["invite_hash"])
    op.drop_table("invitation")
