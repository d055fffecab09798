"""Makes the four roles of the cluster and the database; neither belongs to a migration, because roles outlive
databases and a migration runs as the owner, who may make none.

hub_owner owns the tables and migrates; hub_app and hub_engine own nothing and row-level security binds them;
hub_backup reads everything past it, because a dump by a bound role would silently be empty.
None is a superuser, none may make roles or databases. Everything here may be run again at any time.
Run as a program (`python -m notify_app.roles`) it prepares what the DATABASE_* variables name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

__all__ = ["ROLES", "RolesError", "ensure_database", "ensure_roles", "prepare", "urls"]

BOUND = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS LOGIN INHERIT"
ROLES = {
    "hub_owner": BOUND,
    "hub_app": BOUND,
    "hub_engine": BOUND,
    "hub_backup": BOUND.replace("NOBYPASSRLS", "BYPASSRLS"),
}
VARIABLES = {  # DATABASE_BACKUP_URL is needed by the backup command alone, so it may be missing
    "DATABASE_OWNER_URL": "hub_owner",
    "DATABASE_URL": "hub_app",
    "DATABASE_ENGINE_URL": "hub_engine",
    "DATABASE_BACKUP_URL": "hub_backup",
}
OLDEST = 180000
PREPARING = 0x68756221  # two set-ups at once take turns: "tuple concurrently updated" otherwise


class RolesError(RuntimeError):
    """The roles or the database cannot be made; the message says why and what to do."""


def prepare(env: Mapping[str, str]) -> None:
    """Makes the roles and the database that the URLs in `env` name, as DATABASE_ADMIN_URL (a superuser).

    Passwords are those in the URLs. Raises RolesError for a missing URL, for one that names another
    role than the migrations grant to, for URLs of different databases, and for what PostgreSQL refuses.
    """
    admin = env.get("DATABASE_ADMIN_URL", "")
    if not admin:
        raise RolesError(
            "DATABASE_ADMIN_URL: set it to a PostgreSQL superuser's URL while the roles are made."
        )
    passwords, databases = {}, set()
    for variable, role in VARIABLES.items():
        url = env.get(variable, "")
        if not url and role == "hub_backup":
            continue
        parts = urlsplit(url)
        if unquote(parts.username or "") != role or not parts.password:
            raise RolesError(
                f"{variable}: set it to a URL of the form postgresql://{role}:<password>@<host>/<database>."
            )
        passwords[role] = unquote(parts.password)
        databases.add(unquote(parts.path.lstrip("/")))
    if len(databases) != 1 or not (name := databases.pop()):
        raise RolesError(f"{', '.join(VARIABLES)}: let all of them name the same database.")
    ensure_roles(admin, passwords=passwords)
    ensure_database(admin, name)


def ensure_roles(admin_url: str, *, passwords: Mapping[str, str]) -> None:
    """Makes the roles that are missing and sets attributes and passwords of all.

    A role without an entry in `passwords` is made without one and cannot sign in by password; a password
    that it has is kept. The server gets a SCRAM verifier, so no log of statements ever shows a password.
    """
    with _admin(admin_url) as connection:
        known = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
        for role, attributes in ROLES.items():
            verb = "ALTER" if role in known else "CREATE"
            connection.execute(sql.SQL(f"{verb} ROLE {{}} {attributes}").format(sql.Identifier(role)))
            if password := passwords.get(role):
                verifier = connection.pgconn.encrypt_password(
                    password.encode(), role.encode(), b"scram-sha-256"
                )
                connection.execute(
                    sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                        sql.Identifier(role), sql.Literal(verifier.decode())
                    )
                )
        connection.execute("GRANT pg_read_all_data TO hub_backup")


def ensure_database(admin_url: str, name: str, owner: str = "hub_owner") -> None:
    """Makes the database when it is missing and lets the four roles, and nobody else, connect to it."""
    with _admin(admin_url) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        database, holder = sql.Identifier(name), sql.Identifier(owner)
        if not found:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(
                    database, holder
                )
            )
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, holder))
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        everyone = sql.SQL(", ").join(map(sql.Identifier, ROLES))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, everyone))


def urls(admin_url: str, database: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """The DATABASE_* variables of each role on the server that `admin_url` names."""
    found = {
        variable: _for(admin_url, database, role, passwords[role]) for variable, role in VARIABLES.items()
    }
    return found | {"DATABASE_ADMIN_URL": admin_url}


def _for(admin_url: str, database: str, role: str, password: str) -> str:
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    login = f"{quote(role, safe='')}:{quote(password, safe='')}@"
    return urlunsplit((parts.scheme, login + host, "/" + quote(database, safe=""), parts.query, ""))


def _admin(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """To the maintenance database, because ours may not be there yet; one set-up at a time."""
    plain = "postgresql://" + url.split("://", 1)[-1]  # libpq knows no driver names
    try:
        connection = psycopg.connect(plain, dbname="postgres", autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise RolesError(
            f"DATABASE_ADMIN_URL: PostgreSQL does not let us in: {str(error).strip()}"
        ) from error
    if connection.info.server_version < OLDEST:
        version = connection.info.server_version // 10000
        connection.close()
        raise RolesError(f"DATABASE_ADMIN_URL: this is PostgreSQL {version}; 18 or newer is needed.")
    connection.execute("SELECT pg_advisory_lock(%s)", (PREPARING,))  # let go when the connection closes
    return connection


def main() -> int:
    try:
        prepare(os.environ)
    except RolesError as error:
        print(error, file=sys.stderr)
        return 1
    except psycopg.Error as error:
        print(f"The roles could not be made: {str(error).strip()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
