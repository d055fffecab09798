"""Three indexes of the outbox become one and a summary, because each state that a message passes costs an entry in each.

What has left to a person on a channel, and all that was for a person, are found by one index; what was made lately, by
the ranges of pages that hold it (BRIN): rows lie in the order of their making, and each range is some pages. The
previous release can run on it: no column changes, and its questions find the same rows.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

LEFT = sa.text("state IN ('sending', 'sent', 'delivered', 'bounced', 'unknown')")


def upgrade() -> None:
    op.create_index("ix_delivery_told", "delivery", ["organisation_id", "person_id", "channel", "claimed_at"])
    op.create_index(
        "ix_delivery_made",
        "delivery",
        ["created_at"],
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on", "pages_per_range": 32},
    )
    for name in ("ix_delivery_left", "ix_delivery_person", "ix_delivery_recent"):
        op.drop_index(name, "delivery")


def downgrade() -> None:
    op.create_index("ix_delivery_recent", "delivery", ["organisation_id", "created_at"])
    op.create_index("ix_delivery_person", "delivery", ["organisation_id", "person_id", "created_at"])
    op.create_index(
        "ix_delivery_left",
        "delivery",
        ["organisation_id", "person_id", "channel", "claimed_at"],
        postgresql_where=LEFT,
    )
    for name in ("ix_delivery_told", "ix_delivery_made"):
        op.drop_index(name, "delivery")
