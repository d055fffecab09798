"""Makes the database fit for this release: roles, tables and, for a demo, the demo office.

The supervisor runs it as one child (`python -m notify_app.prepare`), because each start of the application costs a
second. Indented lines tell what it does; what follows them is for the end of the start. Everything may run again.
"""

from __future__ import annotations

import os
import sys

import click
import psycopg

from notify_app import roles


def main() -> int:
    if os.environ.get("DATABASE_ADMIN_URL"):
        _say("making the database and its roles")
        try:
            roles.prepare(os.environ)
        except (roles.RolesError, psycopg.Error) as problem:
            print(f"The roles could not be made: {str(problem).strip()}", file=sys.stderr)
            return 1
    if os.environ.get("DATABASE_OWNER_URL"):
        _migrate_and_fill()
    else:
        _say("DATABASE_OWNER_URL is not set: the tables are left as they are")
    return 0


def _migrate_and_fill() -> None:
    from flask_migrate import upgrade

    from notify_app import create_app

    _say("bringing the tables up to date")
    app = create_app()
    with app.app_context():
        upgrade()
        if app.extensions["hub"].env == "demo":
            _say("filling the demo")
            demo = app.cli.commands["demo"]
            with click.Context(demo) as context:
                demo.invoke(context)


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
