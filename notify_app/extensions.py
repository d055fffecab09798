"""The extensions that every process uses, unbound; `create_app` binds them. Those of the pages are in `web.extensions`,
which a worker does not load: together they are a quarter of its memory."""

from __future__ import annotations

from flask_sqlalchemy import SQLAlchemy

from notify_app.models.base import Base

__all__ = ["db"]

db = SQLAlchemy(model_class=Base)
