"""An attempt is written once, whole, when it has ended; until then the delivery's own row says that it is under way.

The row therefore keeps when its try began (`claimed_at`) and by whom it goes (`provider`), from which the rescue sweep
writes the attempt of a worker that died. Attempts that are open at this moment become such rows. And because each
delivery's row is written twice on its way out, its widest index, the one that keeps a message from being queued twice,
begins with what tells rows apart soonest: that was a seventh of the database's work. The claim reads no more than its
own table now, so hub_engine loses what it needed for the rest (`NO_MORE`). The previous release
cannot run on it, since it opens an attempt with each claim: stop the workers, migrate, start the new ones. Part of the
first release, so there is nobody to whom that happens.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# what a claim looks up it looks up in its organisation's own scope
NO_MORE = {
    "attempt": "UPDATE",
    "content": "SELECT",
    "delivery_item": "SELECT",
    "suppression": "SELECT",
}
COLUMNS = ["person_id", "channel", "address", "purpose"]  # between the organisation and the generation
FINISHED = "ck_attempt_ck_attempt_finished"  # as 0002 has named it


def upgrade() -> None:
    op.add_column("delivery", sa.Column("claimed_at", sa.DateTime(timezone=True)))
    op.execute(
        "UPDATE delivery d SET claimed_at = a.started_at, provider = a.provider FROM attempt a "
        "WHERE a.organisation_id = d.organisation_id AND a.delivery_id = d.id AND a.number = d.attempts "
        "AND a.outcome IS NULL AND d.state = 'sending'"
    )
    op.execute("DELETE FROM attempt WHERE outcome IS NULL")
    op.create_check_constraint(
        op.f("ck_delivery_claimed"),
        "delivery",
        "state <> 'sending' OR (claimed_at IS NOT NULL AND provider IS NOT NULL)",
    )
    op.drop_constraint(FINISHED, "attempt")
    op.alter_column("attempt", "outcome", nullable=False)
    op.alter_column("attempt", "finished_at", nullable=False)
    op.alter_column("attempt", "started_at", server_default=None)
    _unique("group_key", *COLUMNS)
    for table, right in NO_MORE.items():
        op.execute(f"REVOKE {right} ON {table} FROM hub_engine")
        if table != "attempt":
            op.execute(f"DROP POLICY engine ON {table}")


def _unique(*columns: str) -> None:
    op.drop_constraint("uq_delivery_message", "delivery")
    op.create_unique_constraint(
        "uq_delivery_message", "delivery", ["organisation_id", *columns, "generation"]
    )


def downgrade() -> None:
    for table, right in NO_MORE.items():
        op.execute(f"GRANT {right} ON {table} TO hub_engine")
        if table != "attempt":
            op.execute(f"CREATE POLICY engine ON {table} TO hub_engine USING (true) WITH CHECK (true)")
    _unique(*COLUMNS, "group_key")
    op.alter_column("attempt", "started_at", server_default=sa.text("hub_now()"))
    op.alter_column("attempt", "finished_at", nullable=True)
    op.alter_column("attempt", "outcome", nullable=True)
    op.create_check_constraint(op.f(FINISHED), "attempt", "(outcome IS NULL) = (finished_at IS NULL)")
    op.execute(
        "INSERT INTO attempt (organisation_id, delivery_id, number, token, provider, started_at) "
        "SELECT organisation_id, id, attempts, token, provider, claimed_at FROM delivery WHERE state = 'sending'"
    )
    op.drop_constraint("ck_delivery_claimed", "delivery")
    op.drop_column("delivery", "claimed_at")
