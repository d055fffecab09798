"""A private link knows the version of the item that its message told of.

What has changed since is shown to whoever follows it before they answer. Links of before know none and are answered
as ever. The previous release runs on it: the column is empty for what it writes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("link", sa.Column("item_version", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("link", "item_version")
