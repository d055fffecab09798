"""Every version of an office's templates (template_version), and which template could not be used, since when and why.

The previous release can run on it: it asks nothing of the new table, and what is new in the old one may be null. What it
saves has no version of its own until this release saves over it, which keeps what it found.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# the engine looks which organisations have to hear of a template, and sees nothing of its words
BROKEN = "organisation_id, broken_at, broken_told_at"
WORDS = ("title", "text", "subject", "email_html", "email_text", "sms", "action_url")
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    op.add_column("template", sa.Column("broken_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("template", sa.Column("broken_why", sa.Text(), nullable=True))
    op.add_column("template", sa.Column("broken_told_at", sa.DateTime(timezone=True), nullable=True))
    # read by the sweep that warns
    op.create_index(
        "ix_template_broken",
        "template",
        ["organisation_id"],
        postgresql_where=sa.text("broken_at IS NOT NULL AND broken_told_at IS NULL"),
    )
    op.execute("CREATE POLICY engine ON template TO hub_engine USING (true) WITH CHECK (true)")
    op.execute(f"GRANT SELECT ({BROKEN}) ON template TO hub_engine")
    _versions()
    names = ", ".join((*WORDS, "active", "priority", "category", "requires"))
    op.execute(
        f"INSERT INTO template_version (organisation_id, event, locale, version, {names}, who, saved_at) "  # noqa: S608
        f"SELECT organisation_id, event, locale, version, {names}, 'command', updated_at FROM template"
    )


def _versions() -> None:
    op.create_table(
        "template_version",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=True) for name in WORDS),
        sa.Column("priority", sa.SmallInteger(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("requires", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column(
            "saved_at", sa.DateTime(timezone=True), server_default=sa.text("hub_now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name="fk_template_version_organisation_id"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "author_id"],
            ["person.organisation_id", "person.id"],
            name="fk_template_version_organisation_id_author_id",
        ),
        sa.CheckConstraint(
            "who IN ('person', 'key', 'command', 'link')", name=op.f("ck_template_version_who")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "event", "locale", "version", name="pk_template_version"),
    )
    same = f"organisation_id = {THE_ORGANISATION}"
    op.execute("ALTER TABLE template_version ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE template_version FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY owner ON template_version TO hub_owner USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY app ON template_version TO hub_app USING ({same}) WITH CHECK ({same})")
    # no UPDATE and no DELETE: a version stays what it was
    op.execute("GRANT SELECT, INSERT ON template_version TO hub_app")
    op.execute("GRANT SELECT ON template_version TO hub_backup")


def downgrade() -> None:
    op.drop_table("template_version")
    op.execute(f"REVOKE SELECT ({BROKEN}) ON template FROM hub_engine")  # noqa: S608
    op.execute("DROP POLICY engine ON template")
    op.drop_index("ix_template_broken", table_name="template")
    for name in ("broken_told_at", "broken_why", "broken_at"):
        op.drop_column("template", name)
