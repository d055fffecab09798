"""Is it up: `/health` for the supervisor and for whoever watches. Says nothing that a stranger could use."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from notify_app.extensions import db
from notify_app.web.guard import allow

__all__ = ["blueprint"]

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
@allow("public")
def show() -> Response:
    """200 when the database answers, else 503. Redis is a hint and does not count."""
    try:
        with db.engines["engine"].connect() as conn:
            conn.execute(text("SELECT 1"))
    except SQLAlchemyError:
        response = jsonify({"status": "database away"})
        response.status_code = 503
        return response
    return jsonify({"status": "ok"})
