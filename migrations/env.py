"""Alembic's environment: migrations run as hub_owner (`DATABASE_OWNER_URL`), never as the application."""

from __future__ import annotations

from alembic import context
from flask import current_app
from sqlalchemy import create_engine, text

from notify_app.extensions import db

url = current_app.extensions["hub"].database_owner_url
if not url:
    raise SystemExit("DATABASE_OWNER_URL: set it; migrations run as the owner of the schema.")

engine = create_engine(url)
with engine.connect() as connection:
    # a migration that cannot get its lock fails and is tried again, instead of queueing everybody behind it
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.commit()
    context.configure(
        connection=connection, target_metadata=db.metadata, compare_type=True, compare_server_default=False
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
