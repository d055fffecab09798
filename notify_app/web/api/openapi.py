"""`GET /openapi.json`: what programs may call, written from the models that check it, so that it cannot differ."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Blueprint, Response, jsonify
from pydantic.json_schema import models_json_schema

from notify_app.pipeline import batch, envelope
from notify_app.pipeline.ingest import MAX_ID
from notify_app.pipeline.strict_json import MAX_BYTES, MAX_DEPTH
from notify_app.web.api import openapi_rest
from notify_app.web.guard import allow

__all__ = ["blueprint", "document"]

blueprint = Blueprint("openapi", __name__)

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "A sentence for a person."},
        "status": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {"type": "string", "examples": ["data.customer.phone"]},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
KEPT = {"id": {"type": "string", "format": "uuid"}, "duplicate": {"type": "boolean"}}
ACCEPTED = {"type": "object", "required": ["id", "duplicate"], "properties": KEPT}
REFUSALS = {
    "401": "Not signed with a secret of this source, or the time is more than five minutes off.",
    "409": "The webhook-id was used before with another body.",
    "413": f"Larger than {MAX_BYTES // 1024} KiB.",
    "415": "Not application/json, or compressed.",
    "422": f"Fields that cannot be used, each named; JSON that is not strict or nested deeper than {MAX_DEPTH}.",
    "503": "The database is away. Send it again after Retry-After: what was kept all the same counts once.",
}
OF_A_BATCH = {
    "401": REFUSALS["401"],
    "413": f"Larger than {batch.MAX_BYTES // 1024} KiB.",
    "415": REFUSALS["415"],
    "422": "Not strict JSON, or no list of events. (What is wrong with one event is said of it alone.)",
    "503": REFUSALS["503"],
}
RESULT = {
    "type": "object",
    "required": ["event", "status"],
    "properties": {
        "event": {"type": ["string", "null"], "description": "The event's own id, if it has a usable one."},
        "status": {"type": "integer", "description": "The status that it would have had alone."},
        **KEPT,
        "problem": {"$ref": "#/components/schemas/Problem"},
    },
}
RESULTS = {
    "type": "object",
    "required": ["results"],
    "properties": {
        "results": {"type": "array", "items": RESULT, "description": "In the order of the events."}
    },
}


@blueprint.get("/openapi.json")
@allow("public")
def show() -> Response:
    """The document."""
    return jsonify(document())


@cache
def document() -> dict[str, Any]:
    """OpenAPI 3.1, with one schema for each webhook type."""
    types = envelope.types()
    schemas, shared = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(types.values())],
        ref_template="#/components/schemas/{model}",
    )
    bodies = [_body(name, schemas[model, "validation"]) for name, model in sorted(types.items())]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Notification Hub", "version": "1", "description": __doc__},
        "paths": {
            "/hooks/{source}": {"post": _hook(bodies)},
            "/hooks/{source}/batch": {"post": _batch(bodies)},
            **openapi_rest.paths(),
            "/health": {"get": _health()},
        },
        "components": {
            "schemas": {**shared.get("$defs", {}), "Problem": PROBLEM, **openapi_rest.schemas()},
            "securitySchemes": openapi_rest.SECURITY,
        },
    }


def _body(name: str, data: Any) -> dict[str, Any]:
    return {
        "title": name,
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "additionalProperties": False,
        "properties": {
            "type": {"const": name},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": data,
        },
    }


def _hook(bodies: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "operationId": "receiveWebhook",
        "summary": "Accept one signed webhook (Standard Webhooks 1.0).",
        "parameters": _parameters(),
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"oneOf": bodies}}}},
        "responses": {
            "202": _answer("Durable: it will be applied.", "application/json", ACCEPTED),
            "200": _answer("Accepted before: the same id and body.", "application/json", ACCEPTED),
            **_refusals(REFUSALS),
        },
    }


def _batch(bodies: list[dict[str, Any]]) -> dict[str, Any]:
    id_ = {"type": "string", "minLength": 1, "maxLength": MAX_ID}
    events = [
        {**body, "required": ["id", *body["required"]], "properties": {"id": id_, **body["properties"]}}
        for body in bodies
    ]
    schema = {
        "type": "object",
        "required": ["events"],
        "additionalProperties": False,
        "properties": {
            "events": {
                "type": "array",
                "minItems": 1,
                "maxItems": batch.MAX_EVENTS,
                "items": {"oneOf": events},
            }
        },
    }
    return {
        "operationId": "receiveBatch",
        "summary": "Accept or refuse each of many events in one signed request.",
        "parameters": _parameters(),
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "202": _answer("All are durable.", "application/json", RESULTS),
            "200": _answer("All were accepted before.", "application/json", RESULTS),
            "207": _answer("Some were refused; the others are durable.", "application/json", RESULTS),
            **_refusals(OF_A_BATCH),
        },
    }


def _parameters() -> list[dict[str, Any]]:
    text = {"type": "string"}
    headers = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return [
        {"name": "source", "in": "path", "required": True, "schema": text},
        *({"name": name, "in": "header", "required": True, "schema": text} for name in headers),
    ]


def _refusals(said: dict[str, str]) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {code: _answer(why, "application/problem+json", schema) for code, why in said.items()}


def _health() -> dict[str, Any]:
    status = {"type": "object", "properties": {"status": {"type": "string"}}}
    return {
        "operationId": "health",
        "summary": "Whether the hub can accept webhooks.",
        "responses": {
            "200": _answer("It can.", "application/json", status),
            "503": _answer("The database is away.", "application/json", status),
        },
    }


def _answer(description: str, media: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": schema}}}
