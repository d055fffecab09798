"""The peers of ingest: the same route with less of ours. Served by gunicorn with the product's own configuration.

`bare()`: Flask and nothing else. `/none` checks the signature and parses. `/fair` does the same when it is its turn: under
gevent, a client whose next request is there already is served again and again while the others wait. `/core` and `/orm`
also insert the one row, in a transaction for each request. `whole()`: the product, which does all that it does but touches
neither database nor Valkey.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from datetime import datetime
from typing import Any
from uuid import UUID

import gevent
from flask import Flask, Response, abort, jsonify, request
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from notify_app.config import Settings
from notify_app.ids import new_id

__all__ = ["bare", "whole"]

POOL = {"pool_size": 25, "max_overflow": 0}
INSERT = text(
    "INSERT INTO inbound (organisation_id, id, source_id, external_id, body_hash, type, body, item_refs, occurred_at) "
    "VALUES (:organisation_id, :id, :source_id, :external_id, :body_hash, :type, CAST(:body AS jsonb), :item_refs, "
    ":occurred_at)"
)


def bare() -> Flask:
    """Flask, a signature, a parser."""
    from notify_app.models.work import Inbound

    app = Flask("bare")
    key = base64.b64decode(os.environ["BENCH_SECRET"].removeprefix("whsec_"))
    engine = create_engine(Settings.from_env().database_owner_url, **POOL)
    ids = _ids(engine)

    @app.post("/none")
    def none() -> Response:
        return _accepted(_row(key, ids)["id"])

    @app.post("/fair")
    def fair() -> Response:
        gevent.sleep(0)
        return _accepted(_row(key, ids)["id"])

    @app.post("/core")
    def core() -> Response:
        row = _row(key, ids)
        with engine.begin() as conn:
            conn.execute(INSERT, row | {"body": json.dumps(row["body"])})
        return _accepted(row["id"])

    @app.post("/orm")
    def orm() -> Response:
        row = _row(key, ids)
        with Session(engine) as session:
            session.add(Inbound(**row))
            session.commit()
        return _accepted(row["id"])

    return app


def _ids(engine: Any) -> dict[str, UUID]:
    with engine.connect() as conn:
        row = conn.execute(text("SELECT id AS source_id, organisation_id FROM source")).one()
    engine.dispose()
    return dict(row._mapping)


def _row(key: bytes, ids: dict[str, UUID]) -> dict[str, Any]:
    """Check and parse, as shortly as it can be said."""
    raw, head = request.get_data(), request.headers
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + raw
    wanted = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    if not hmac.compare_digest(f"v1,{wanted}", head["webhook-signature"]):
        abort(401)
    body = json.loads(raw)
    return {
        **ids,
        "id": new_id(),
        "external_id": head["webhook-id"],
        "body_hash": hashlib.sha256(raw).digest(),
        "type": body["type"],
        "body": body,
        "item_refs": [body["data"]["id"]],
        "occurred_at": datetime.fromisoformat(body["timestamp"]),
    }


def _accepted(id_: UUID) -> Response:
    response = jsonify({"id": str(id_), "duplicate": False})
    response.status_code = 202
    return response


def whole() -> Flask:
    """The product, except that nothing is written and nobody woken: what is left of a webhook is its request and its
    checks. (The source is looked up once, and then remembered, as ever.)"""
    from notify_app import create_app
    from notify_app.pipeline import inbound
    from notify_app.pipeline.intake import Intake

    def nowhere(_: Intake, rows: list[inbound.Row]) -> list[inbound.Outcome]:
        return [inbound.Kept(row.id) for row in rows]

    Intake.store = nowhere  # type: ignore[assignment,method-assign]
    return create_app()
