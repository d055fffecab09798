"""The cluster's roles and the database: made once or many times, and no right more than needed."""

from __future__ import annotations

import psycopg
import pytest

from notify_app import roles
from notify_app.engines import Engines


@pytest.fixture(scope="module")
def prepared(shared: Engines) -> dict[str, str]:
    roles.prepare(shared.env)
    return shared.env


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return list(cursor.fetchall()) if cursor.description else []


def test_each_url_signs_in_as_its_role_to_the_same_database(prepared):
    for variable, role in roles.VARIABLES.items():
        assert ask(prepared[variable], "SELECT current_user::text, current_database()::text") == [
            (role, "hub")
        ]


def test_no_role_has_power_over_the_cluster_and_only_the_backup_passes_row_level_security(prepared):
    powers = "SELECT rolname::text, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication, rolbypassrls"
    found = ask(
        prepared["DATABASE_ADMIN_URL"], f"{powers} FROM pg_roles WHERE rolname LIKE 'hub\\_%' ORDER BY 1"
    )
    assert found == [
        ("hub_app", False, False),
        ("hub_backup", False, True),
        ("hub_engine", False, False),
        ("hub_owner", False, False),
    ]


@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_ENGINE_URL", "DATABASE_BACKUP_URL"])
def test_only_the_owner_makes_tables(prepared, variable):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(prepared[variable], "CREATE TABLE mine (a int)")


def test_the_backup_reads_what_the_owner_made_and_changes_nothing(prepared):
    ask(prepared["DATABASE_OWNER_URL"], "CREATE TABLE IF NOT EXISTS thing AS SELECT 1 AS a")
    assert ask(prepared["DATABASE_BACKUP_URL"], "SELECT a FROM thing") == [(1,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(prepared["DATABASE_BACKUP_URL"], "DELETE FROM thing")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(prepared["DATABASE_URL"], "SELECT a FROM thing")


def test_a_role_that_is_not_ours_cannot_connect(prepared):
    admin = prepared["DATABASE_ADMIN_URL"]
    ask(admin, "DROP ROLE IF EXISTS stranger")
    ask(admin, "CREATE ROLE stranger LOGIN PASSWORD 'x'")
    login = roles._for(admin, "hub", "stranger", "x")
    with pytest.raises(psycopg.OperationalError) as refused:
        ask(login, "SELECT 1")
    assert "permission denied for database" in str(refused.value)


def test_it_may_be_run_again_and_takes_new_passwords_and_wrong_attributes_back(prepared):
    admin = prepared["DATABASE_ADMIN_URL"]
    ask(admin, "ALTER ROLE hub_app BYPASSRLS CREATEDB PASSWORD 'other'")
    with pytest.raises(psycopg.OperationalError):
        ask(prepared["DATABASE_URL"], "SELECT 1")
    roles.prepare(prepared)
    attributes = "SELECT rolbypassrls, rolcreatedb FROM pg_roles WHERE rolname = current_user"
    assert ask(prepared["DATABASE_URL"], attributes) == [(False, False)]


def test_passwords_with_every_awkward_character_come_back_from_their_urls(prepared):
    awkward = dict.fromkeys(roles.ROLES, "p@ss/w:rd %?#&'\"é")
    made = roles.urls(prepared["DATABASE_ADMIN_URL"], "with space", awkward)
    try:
        roles.prepare(made)
        assert ask(made["DATABASE_URL"], "SELECT current_database()::text") == [("with space",)]
    finally:
        roles.prepare(prepared)
        ask(prepared["DATABASE_ADMIN_URL"], 'DROP DATABASE "with space"')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"DATABASE_ADMIN_URL": ""}, "DATABASE_ADMIN_URL: set it"),
        (
            {"DATABASE_ENGINE_URL": ""},
            "DATABASE_ENGINE_URL: set it to a URL of the form postgresql://hub_engine:",
        ),
        ({"DATABASE_URL": "postgresql://postgres:x@h/hub"}, "postgresql://hub_app:"),
        ({"DATABASE_URL": "postgresql://hub_app:x@h/other"}, "let all of them name the same database"),
        ({"DATABASE_ADMIN_URL": "postgresql://a:b@127.0.0.1:1/x"}, "PostgreSQL does not let us in"),
    ],
)
def test_what_cannot_be_used_is_refused_by_the_name_of_its_variable(prepared, change, said):
    with pytest.raises(roles.RolesError) as refused:
        roles.prepare({**prepared, **change})
    assert said in str(refused.value)
