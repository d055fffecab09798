"""Row-level security: forced on every table of an organisation, and what each role may touch.

hub_app sees the organisation that its transaction has named (`hub.organisation`), nothing else, and nothing
when it named none. hub_engine has a policy only where one of its statements needs one (`ENGINE`, below; the
statements stand in `notify_app/pipeline/sql.py` and `notify_app/web/identity.py`). hub_owner passes, else its
own backfills would silently touch nothing. First release.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCOPED = [
    "person",
    "inbox_counter",
    "address",
    "suppression",
    "source",
    "inbound",
    "work_item",
    "item_person",
    "change",
    "event",
    "notification",
    "link",
    "content",
    "delivery",
    "delivery_item",
    "attempt",
    "decision",
    "preference",
    "preference_choice",
    "template",
]

# what the cross-organisation statements need, table by table
ENGINE = {
    "organisation": "SELECT",
    "person": "SELECT",
    "inbox_counter": "SELECT",
    "source": "SELECT",
    "suppression": "SELECT",
    "inbound": "SELECT, INSERT, UPDATE",
    "notification": "SELECT",
    "content": "SELECT",
    "link": "SELECT, DELETE",
    "delivery": "SELECT, UPDATE",
    "delivery_item": "SELECT",
    "attempt": "SELECT, INSERT, UPDATE, DELETE",
}
GLOBAL_ENGINE = {"account": "SELECT, UPDATE", "account_session": "SELECT, INSERT, UPDATE, DELETE"}
THE_ORGANISATION = "nullif(current_setting('hub.organisation', true), '')::uuid"


def upgrade() -> None:
    for table in SCOPED:
        _protect(table, "organisation_id")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO hub_app")
    _protect("organisation", "id")
    op.execute("GRANT SELECT, UPDATE ON organisation TO hub_app")
    for table, rights in ENGINE.items():
        op.execute(f"CREATE POLICY engine ON {table} TO hub_engine USING (true) WITH CHECK (true)")
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")
    for table, rights in GLOBAL_ENGINE.items():
        op.execute(f"GRANT {rights} ON {table} TO hub_engine")
    op.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO hub_backup")


def _protect(table: str, column: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY owner ON {table} TO hub_owner USING (true) WITH CHECK (true)")
    same = f"{column} = {THE_ORGANISATION}"
    op.execute(f"CREATE POLICY app ON {table} TO hub_app USING ({same}) WITH CHECK ({same})")


def downgrade() -> None:
    for table in (*SCOPED, "organisation"):
        op.execute(f"DROP POLICY app ON {table}")
        op.execute(f"DROP POLICY owner ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for table in ENGINE:
        op.execute(f"DROP POLICY engine ON {table}")
    for table in (*SCOPED, "organisation", *GLOBAL_ENGINE):
        op.execute(f"REVOKE ALL ON {table} FROM hub_app, hub_engine, hub_backup")
