"""The schema's house rules: one head, models equal migrations, row-level security forced, roles that may little."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from notify_app import tenancy
from notify_app.config import Settings
from notify_app.extensions import db
from notify_app.models import Base, Person, Scoped

ROOT = Path(__file__).resolve().parents[2]
SCOPED = sorted(table.name for table in Base.metadata.sorted_tables if "organisation_id" in table.columns)
GLOBAL = {
    "account",
    "account_session",
    "audit_run",
    "hub_clock",
    "installation",
    "organisation",
    "process_beat",
    "provider_account",
    "provider_message",
    "provider_share",
    "sweep_run",
}
SWEEPS = (ROOT / "notify_app" / "pipeline" / "sql.py").read_text(encoding="utf-8")


@pytest.fixture
def owner(database: Settings) -> Any:
    engine = create_engine(database.database_owner_url)
    yield engine
    engine.dispose()


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    return ScriptDirectory.from_config(config)


def test_the_migrations_have_one_head_and_say_why() -> None:
    assert len(scripts().get_heads()) == 1
    for revision in scripts().walk_revisions():
        assert revision.doc
        assert re.match(r"\d{4}$", revision.revision)
        assert "release" in (revision.longdoc or ""), (
            f"{revision.revision}: can the previous release run on it?"
        )


def test_models_and_migrations_agree(owner: Engine) -> None:
    with owner.connect() as conn:
        assert (
            compare_metadata(MigrationContext.configure(conn, opts={"compare_type": True}), Base.metadata)
            == []
        )


def test_every_table_of_an_organisation_is_under_forced_row_level_security(owner: Engine) -> None:
    with owner.connect() as conn:
        rows = conn.execute(
            text(
                "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
        ).all()
    forced = {row.relname for row in rows if row.relrowsecurity and row.relforcerowsecurity}
    assert set(SCOPED) | {"organisation"} == forced
    assert {row.relname for row in rows} - forced == (GLOBAL - {"organisation"}) | {"alembic_version"}


@pytest.mark.parametrize("name", SCOPED)
def test_the_organisation_is_in_every_key(name: str) -> None:
    table = Base.metadata.tables[name]
    assert next(iter(table.primary_key.columns)).name == "organisation_id"
    for key in table.foreign_key_constraints:
        if key.referred_table.name not in GLOBAL:
            assert "organisation_id" in key.column_keys, key.name


@pytest.mark.proves("C5")
@pytest.mark.parametrize("name", SCOPED)
@pytest.mark.proves("S2")
def test_the_application_sees_nothing_without_naming_an_organisation(name: str, hub: Any, app: Flask) -> None:
    hub.office()
    with app.app_context(), db.engine.connect() as conn:
        assert conn.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() == 0


@pytest.mark.proves("C5")
@pytest.mark.proves("S2")
def test_another_organisations_row_is_neither_seen_nor_written_nor_taken_over(hub: Any, app: Flask) -> None:
    elsewhere = hub.another("elsewhere")
    mine, other = hub.office(), elsewhere.office("zoe")
    ours, theirs = hub.organisation.id, elsewhere.organisation.id
    with app.app_context(), tenancy.scope(ours):
        with db.engine.begin() as conn:
            assert conn.execute(text("SELECT id FROM person")).scalars().all() == [mine.id]
            touched = conn.execute(
                text("UPDATE person SET name = 'taken' WHERE id = :id"), {"id": other.id}
            ).rowcount
            assert touched == 0
        with pytest.raises(DBAPIError, match="row-level security"), db.engine.begin() as conn:
            conn.execute(
                text(
                    "INSERT INTO suppression (organisation_id, channel, value, reason) VALUES (:org, 'sms', 'x', 'x')"
                ),
                {"org": theirs},
            )


def test_the_roles_are_small(owner: Engine) -> None:
    with owner.connect() as conn:
        rows = conn.execute(text("SELECT * FROM pg_roles WHERE rolname LIKE 'hub\\_%'")).all()
        owned = conn.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tableowner <> 'hub_owner'")
        ).all()
    assert {row.rolname for row in rows} >= {"hub_owner", "hub_app", "hub_engine", "hub_backup"}
    assert not any(row.rolsuper or row.rolcreaterole or row.rolcreatedb or row.rolreplication for row in rows)
    assert {row.rolname for row in rows if row.rolbypassrls} == {"hub_backup"}
    assert not owned


def test_the_engine_role_may_what_its_statements_need_and_nothing_else(owner: Engine) -> None:
    names = ("ENGINE", "GLOBAL_ENGINE")
    granting = [getattr(one.module, name, {}) for one in scripts().walk_revisions() for name in names]
    taken_back = set(scripts().get_revision("0004").module.NO_MORE.items())
    declared = {
        (table, right.strip())
        for grants in (*granting, {"hub_clock": "SELECT"})
        for table, rights in grants.items()
        for right in rights.split(",")
    }
    with owner.connect() as conn:
        granted = {
            tuple(row)
            for row in conn.execute(
                text(
                    "SELECT table_name, privilege_type FROM information_schema.role_table_grants WHERE grantee = 'hub_engine'"
                )
            )
        }
    assert granted == declared - taken_back


def test_orm_queries_are_scoped_and_refuse_to_run_unscoped(hub: Any, app: Flask) -> None:
    """The first lock alone, as a role that row-level security does not bind."""
    mine = hub.office()
    hub.another("elsewhere").office("zoe")
    with app.app_context():
        with pytest.raises(tenancy.NoOrganisation):
            db.session.query(Person).all()
        with tenancy.scope(hub.organisation.id):
            assert [one.id for one in db.session.query(Person).all()] == [mine.id]
        with tenancy.scope(uuid4()):
            db.session.add(Person(organisation_id=hub.organisation.id, name="x", role="contact"))
            with pytest.raises(tenancy.NoOrganisation):
                db.session.flush()
        db.session.rollback()


def test_every_index_of_a_sweep_names_it() -> None:
    """A partial index on what is pending carries a comment that says who reads it (invariant 4)."""
    for path in (ROOT / "notify_app" / "models").glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if "postgresql_where" in line and "state =" in line:
                before = " ".join(lines[max(0, number - 8) : number + 1])
                assert "read by" in before or "read when" in before, f"{path.name}:{number + 1}"


@pytest.mark.parametrize(
    "model",
    sorted(
        (mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, Scoped)),
        key=lambda model: model.__name__,
    ),
)
def test_every_model_has_a_docstring(model: type) -> None:
    assert model.__doc__


def test_a_migration_goes_down_and_up_again(database: Settings, engines: Any) -> None:
    from notify_app import create_app, roles
    from tests.conftest import on

    roles.ensure_database(engines.env["DATABASE_ADMIN_URL"], "hub_down")
    app = create_app(on(database, "hub_down"))
    with app.app_context():
        from flask_migrate import downgrade, upgrade

        upgrade()
        downgrade(revision="base")
        upgrade()
        engine = create_engine(on(database, "hub_down").database_owner_url)
        with Session(engine) as session:
            assert compare_metadata(MigrationContext.configure(session.connection()), Base.metadata) == []
        engine.dispose()
        for one in db.engines.values():
            one.dispose()
