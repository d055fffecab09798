"""What a call of the API asks for: its body, its query, its version, its `Idempotency-Key`.

Strict as webhooks are: an unknown name is an error that names it, so that a misspelt filter is not silently everything.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from flask import Response, jsonify, request
from pydantic import BaseModel, ValidationError

from notify_app.errors import Conflict, FieldError, HubError, Invalid
from notify_app.pipeline import strict_json
from notify_app.pipeline.step import Step, step
from notify_app.web.api.access import Caller
from notify_app.web.problems import problem

__all__ = ["PAGE", "answer", "body_of", "choice", "id_of", "listed", "once", "query", "seen"]

PAGE, MOST = 50, 100
LONGEST_NAME = 255
Body = TypeVar("Body", bound=BaseModel)
# a change, and what is answered: status and JSON
Answer = tuple[int, dict[str, Any]]


class NotJson(HubError):
    """The body is of another kind."""

    code = "unsupported-media-type"


# --- what comes in -------------------------------------------------------------------------------------------------


def body_of(model: type[Body]) -> Body | Response:
    """The request's JSON as this model; a Response when it is no JSON at all. Raises Invalid, naming each field."""
    if request.content_length == 0 or (request.content_length is None and not request.get_data()):
        raw: dict[str, Any] = {}
    elif request.mimetype != "application/json":
        return problem(NotJson("Send application/json."), 415)
    else:
        raw = strict_json.read(request.get_data())
    try:
        return model.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        raise Invalid(
            "Some fields cannot be used.",
            *(FieldError(".".join(map(str, one["loc"]))[:200], _advice(one)) for one in error.errors()),
        ) from None


def _advice(error: Any) -> str:
    known = {
        "missing": "This field is required.",
        "extra_forbidden": "This field is not known here; check its spelling.",
    }
    return known.get(error["type"]) or str(error["msg"])


def query(*names: str) -> Mapping[str, str]:
    """The query's values; of these names, and each once. Raises Invalid."""
    problems = [
        FieldError(
            name,
            f"This is not known here: use {', '.join(names)}." if name not in names else "Say this once.",
        )
        for name, values in request.args.lists()
        if name not in names or len(values) > 1
    ]
    if problems:
        raise Invalid("Some parameters cannot be used.", *problems)
    return request.args


def id_of(given: Mapping[str, str], name: str) -> UUID | None:
    """An id of the query, or None where it is not said. Raises Invalid."""
    if not given.get(name):
        return None
    try:
        return UUID(given[name])
    except ValueError:
        raise Invalid("Some parameters cannot be used.", FieldError(name, "Use an id of this hub.")) from None


def choice(given: Mapping[str, str], name: str, known: Mapping[str, Any]) -> str:
    """A word of the query, one of `known`, or ''. Raises Invalid."""
    value = given.get(name, "")
    if value and value not in known:
        raise Invalid(
            "Some parameters cannot be used.", FieldError(name, f"Use one of {', '.join(sorted(known))}.")
        )
    return value


def size(given: Mapping[str, str]) -> int:
    """How many to a page. Raises Invalid."""
    value = given.get("limit", str(PAGE))
    if not (value.isascii() and value.isdecimal() and 1 <= int(value[:4]) <= MOST):
        raise Invalid(
            "Some parameters cannot be used.", FieldError("limit", f"Use a number from 1 to {MOST}.")
        )
    return int(value)


def seen(version: int | None) -> tuple[int | None, bool]:
    """The version that the caller looked at, and whether `If-Match` says so (then a difference is answered 412)."""
    header = request.headers.get("If-Match", "").strip()
    if not header or header == "*":
        return version, False
    found = re.fullmatch(r'(?:W/)?"(\d{1,9})"', header)
    if found is None:
        raise Invalid("The version cannot be used.", FieldError("If-Match", "Send the ETag of the item."))
    if version is not None and version != int(found[1]):
        raise Invalid("The version cannot be used.", FieldError("version", "If-Match says another version."))
    return int(found[1]), True


# --- what goes out -------------------------------------------------------------------------------------------------


def answer(status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """JSON with these headers; an item's carries its version as its ETag."""
    response = jsonify(body)
    response.status_code = status
    if "version" in body:
        response.headers["ETag"] = f'"{body["version"]}"'
    response.headers.update(headers or {})
    return response


def listed(rows: list[Any], limit: int, shown: Callable[[Any], dict[str, Any]]) -> Response:
    """A page of a list; `rows` are one more than a page if there is more. `next` is the `after` of the page behind it."""
    more = len(rows) > limit
    page = rows[:limit]
    return answer(200, {"data": [shown(row) for row in page], "next": str(page[-1].id) if more else None})


# --- changing once -------------------------------------------------------------------------------------------------


def once(who: Caller, change: Callable[[Step], Answer]) -> Response:
    """Make a change in one transaction. Under an `Idempotency-Key` the same call again gets the first one's answer, also
    while the first is under way; another call under that name is a Conflict. What is refused is not kept: it may be
    tried again."""
    name = request.headers.get("Idempotency-Key", "")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid(
            "The call cannot be kept.", FieldError("Idempotency-Key", f"Use at most {LONGEST_NAME} letters.")
        )
    with step(who.organisation_id) as work:
        if not name:
            return answer(*change(work))
        known = _before(work, who, name)
        if known is not None:
            return answer(known.status, known.answer, {"Idempotent-Replayed": "true"})
        status, body = change(work)
        work.run(
            "UPDATE api_call SET status = :status, answer = CAST(:answer AS jsonb) "
            "WHERE organisation_id = :org AND key_id = :key AND name = :name",
            key=who.key_id,
            name=name,
            status=status,
            answer=json.dumps(body),
        )
        return answer(status, body)


def _before(work: Step, who: Caller, name: str) -> Any:
    """The answer of the same call, or None: then its name is held until this transaction ends. Raises Conflict."""
    asked = hashlib.sha256(f"{request.method} {request.path}\n".encode() + request.get_data()).digest()
    values = {"key": who.key_id, "name": name}
    made = work.run(
        "INSERT INTO api_call (organisation_id, key_id, name, request_hash) VALUES (:org, :key, :name, :hash) "
        "ON CONFLICT DO NOTHING",
        **values,
        hash=asked,
    )
    if made:
        return None
    row = work.one(
        "SELECT request_hash, status, answer FROM api_call WHERE organisation_id = :org AND key_id = :key AND name = :name",
        **values,
    )
    if row is None or row.request_hash != asked:
        raise Conflict("This Idempotency-Key was used for another call. Use a new one.")
    return row
