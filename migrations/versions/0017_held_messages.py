"""Messages that are held until a time, and what has lately left to each person.

A held message has a state of its own, so that what a claim looks through stays as small as it was. Bursts and limits
count what has left, or is leaving, to a person on a channel, by an index of nothing else. The previous release can run
on it, but it lets nothing go that is held: run `flask db downgrade` when going back to it, which makes held messages due
again at their own time.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

BEFORE = ("queued", "sending", "sent", "delivered", "bounced", "failed", "skipped", "suppressed", "unknown")
AFTER = ("queued", "held", *BEFORE[1:])
# the name that the first migration's became
FIRST_NAME, NAME = "ck_delivery_ck_delivery_state", "ck_delivery_state"
HELD = sa.text("state = 'held'")
LEFT = sa.text("state IN ('sending', 'sent', 'delivered', 'bounced', 'unknown')")


def upgrade() -> None:
    _states(FIRST_NAME, NAME, AFTER)
    op.create_index("ix_delivery_held", "delivery", ["next_attempt_at"], postgresql_where=HELD)
    op.create_index(
        "ix_delivery_held_person", "delivery", ["organisation_id", "person_id"], postgresql_where=HELD
    )
    op.create_index(
        "ix_delivery_left",
        "delivery",
        ["organisation_id", "person_id", "channel", "claimed_at"],
        postgresql_where=LEFT,
    )
    # what quiet hours put off before there was a state for it
    op.execute(
        "UPDATE delivery SET state = 'held' WHERE state = 'queued' AND reason = 'quiet_hours' AND next_attempt_at > hub_now()"
    )


def downgrade() -> None:
    op.execute("UPDATE delivery SET state = 'queued' WHERE state = 'held'")
    for name in ("ix_delivery_left", "ix_delivery_held_person", "ix_delivery_held"):
        op.drop_index(name, "delivery")
    _states(NAME, FIRST_NAME, BEFORE)


def _states(old: str, new: str, states: tuple[str, ...]) -> None:
    op.drop_constraint(op.f(old), "delivery")
    known = ", ".join(f"'{one}'" for one in states)
    op.create_check_constraint(op.f(new), "delivery", f"state IN ({known})")
